"""Runs a program and keeps the arrays that it ends with: `programs_probe.py OUT.npz [-m] PROGRAM [ARGS]`.

Kept are arrays among the names of the program, and of its function ``main`` when that returns; what FiPy's terms have
solved for last, and the values of its variables; what pyMOR's models and scikit-fem have solved; and what lies on the
meshes that it has written, as SfePy does.
"""

from __future__ import annotations

import contextlib
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

_SOLVING = {("solve", "pymor.models.interface"), ("solve", "skfem.utils")}
_TERM = "fipy.terms.term"

kept: dict[str, Any] = {}


def keep(names: Mapping[str, Any]) -> None:
    for name, value in list(names.items()):
        with contextlib.suppress(Exception):
            if (array := as_array(value)) is not None:
                kept[name] = array


def as_array(value: Any) -> Any:
    import numpy as np

    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    elif type(value).__module__.startswith("fipy.variables"):
        value = value.value
    return np.array(value) if isinstance(value, np.ndarray) and value.dtype.kind in "fc" else None


def keep_files() -> None:
    for path in sorted(Path.cwd().rglob("*.vtk")):
        import meshio

        mesh = meshio.read(path)
        keep({f"{path.name} {name}": values for name, values in mesh.point_data.items()})


def watch(frame: FrameType, event: str, returned: Any) -> None:
    if event != "return":
        return
    name, module = frame.f_code.co_name, frame.f_globals.get("__name__")
    if name == "main" and module == "__main__":
        keep(frame.f_locals)
    elif (name, module) in _SOLVING:
        keep({f"solution {len(kept)}": returned})
    elif name in ("solve", "sweep") and module == _TERM and (variable := frame.f_locals.get("var")) is not None:
        keep({f"variable {variable.name}": variable})


def keep_left_behind(error: BaseException) -> None:
    """The names of a program that has ended with an error, as some do when all is computed."""
    trace = error.__traceback__
    while trace is not None:
        names = trace.tb_frame.f_globals
        if names.get("__name__") == "__main__" and names is not globals():
            keep(names)
        trace = trace.tb_next


def main() -> None:
    out, *rest = sys.argv[1:]
    is_module = rest[0] == "-m"
    sys.argv = rest[1:] if is_module else rest
    if not is_module:
        sys.path[0] = str(Path(rest[0]).resolve().parent)
    import numpy as np

    np.random.seed(0)  # noqa: NPY002 - of programs that begin with random numbers, which are others in every run
    sys.setprofile(watch)
    try:
        run = runpy.run_module if is_module else runpy.run_path
        keep(run(sys.argv[0], run_name="__main__", **({"alter_sys": True} if is_module else {})))
    except BaseException as error:
        keep_left_behind(error)
    finally:
        sys.setprofile(None)
    keep_files()
    with open(out, "wb") as file:
        np.savez(file, **{name.replace("/", " "): array for name, array in kept.items()})


if __name__ == "__main__":
    main()
