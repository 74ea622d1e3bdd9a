"""Finds PETSc on this machine, and talks to the process that measures it."""

from __future__ import annotations

import glob
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

_PEER = Path(__file__).parent / "petsc_peer.py"
_DEBIAN = "/usr/lib/petscdir/*/*-linux-gnu-{scalar}"

Scalar = Literal["real", "complex"]
"""What PETSc computes with is fixed when it is built."""


class PeerError(Exception):
    """PETSc refused what it was asked."""


class PetscClient:
    """A process with PETSc, on one thread. Use :func:`find_petsc` to start one."""

    def __init__(self, python: str, directory: str | None) -> None:
        self.where = python
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        if directory is not None:
            environment["PETSC_DIR"] = directory
        self._files = tempfile.TemporaryDirectory(prefix="reiterate-petsc-")
        self._process = subprocess.Popen(
            [python, str(_PEER)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
        )  # fmt: skip
        greeting = self._answer()
        self.version: str = greeting["version"]
        self.scalar: Scalar = greeting["scalar"]

    def load(self, name: str, A: Any, b: Any, *, definite: bool) -> None:
        """Hand over a matrix and a right-hand side."""
        self._write(A, b=b)
        self.call("load", name=name, path=self._files.name, definite=definite)

    def renew(self, name: str, A: Any, b: Any, x0: Any) -> None:
        """Hand over new numbers of the same pattern, and a start."""
        self._write(A, b=b, x0=x0)
        self.call("renew", name=name, path=self._files.name)

    def call(self, do: str, **arguments: Any) -> dict[str, Any]:
        """One command; waits for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._files.cleanup()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise PeerError("the process with PETSc has ended")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def _write(self, A: Any, **vectors: Any) -> None:
        parts = {"indptr": A.indptr.astype(np.int32), "indices": A.indices.astype(np.int32), "data": A.data, **vectors}
        for name, array in parts.items():
            np.save(Path(self._files.name) / f"{name}.npy", array)


def find_petsc(scalar: Scalar = "real") -> PetscClient | None:
    """A process with a PETSc of such numbers: of this Python, or of the system's; ``None`` if there is none.

    Debian has ``python3-petsc4py-real`` and ``python3-petsc4py-complex``, which may be installed side by side.
    """
    places: list[tuple[str, str | None]] = []
    if importlib.util.find_spec("petsc4py") is not None:
        places.append((sys.executable, os.environ.get("PETSC_DIR")))
    directories = [os.environ["PETSC_DIR"]] if "PETSC_DIR" in os.environ else []
    for directory in [*directories, *sorted(glob.glob(_DEBIAN.format(scalar=scalar)), reverse=True)]:
        places += [(python, directory) for python in ("/usr/bin/python3", sys.executable)]
    for python, directory in places:
        try:
            client = PetscClient(python, directory)
        except (PeerError, OSError):
            continue
        if client.scalar == scalar:
            return client
        client.close()
    return None
