"""What ``reiterate doctor`` finds: enough to explain a surprise on somebody else's machine."""

from __future__ import annotations

import importlib.util
import os
import platform
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from reiterate.memory.recognition import processor

_SLOW_START = 2.0
_REQUIRED = ("numpy", "scipy", "numba", "pyamg", "rslab", "rich", "typer", "matplotlib", "platformdirs")
_OPTIONAL = {
    "pypardiso": "Intel MKL Pardiso",
    "sksparse": "CHOLMOD",
    "petsc4py": "PETSc",
}


def examine() -> dict[str, Any]:
    """Everything found, as plain values.

    Keys: ``reiterate``, ``python``, ``machine``, ``packages``, ``threads``, ``cache``, ``first_solve_seconds``,
    ``optional``, ``advice``. ``first_solve_seconds`` is the time a first solve takes in this process: some ten seconds
    when kernels must be compiled, below two when the cache has them.
    """
    import numba

    seconds = _time_first_solve()
    findings: dict[str, Any] = {
        "reiterate": version("reiterate"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": {"system": platform.platform(), "processor": processor(), "cores": os.cpu_count()},
        "packages": {name: _version(name) for name in _REQUIRED},
        "threads": {"numba": numba.config.NUMBA_NUM_THREADS, "used by reiterate": 1},
        "cache": _cache(),
        "first_solve_seconds": round(seconds, 3),
        "optional": {label: importlib.util.find_spec(module) is not None for module, label in _OPTIONAL.items()},
    }
    return {**findings, "advice": _advise(findings)}


def _advise(findings: dict[str, Any]) -> str:
    cache = findings["cache"]
    if not cache["writable"]:
        return (
            f"{cache['directory']} cannot be written, so kernels may be compiled anew in every process: "
            "set NUMBA_CACHE_DIR to a directory that can"
        )
    if findings["first_solve_seconds"] > _SLOW_START:
        return "kernels were compiled just now; the next first solve will be faster"
    return "everything is in order"


def _time_first_solve() -> float:
    begin = time.perf_counter()
    import numpy as np
    import scipy.sparse as sp

    from reiterate.solver import Solver

    A = sp.diags_array([-1.0, 2.5, -1.0], offsets=[-1, 0, 1], shape=(100, 100)).tocsr()
    for spelling in ("cg", "ssor_cg(omega=1.5)"):
        Solver([spelling]).solve(A, np.ones(100))
    return time.perf_counter() - begin


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cache() -> dict[str, Any]:
    """Where Numba keeps compiled kernels: beside the source, or where ``NUMBA_CACHE_DIR`` says."""
    from reiterate import kernels

    configured = os.environ.get("NUMBA_CACHE_DIR")
    assert kernels.__file__ is not None
    directory = Path(configured) if configured else Path(kernels.__file__).parent / "__pycache__"
    files = list(directory.rglob("*.nbc")) if directory.is_dir() else []
    return {
        "directory": str(directory),
        "writable": _is_writable(directory),
        "kernels": len(files),
        "bytes": sum(file.stat().st_size for file in files),
    }


def _is_writable(directory: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False
