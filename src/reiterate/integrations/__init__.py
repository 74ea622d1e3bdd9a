"""Tuned solvers in the places where other packages expect theirs: one module a package, imported when first named.

>>> import reiterate as rt
>>> solver = rt.integrations.skfem.solver()

``skfem``, ``fipy``, ``pymor`` and ``sfepy`` need the package of that name, which ``pip install reiterate[skfem]`` and
so on brings along; :func:`preconditioner` needs SciPy only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reiterate.integrations.linear_operator import TunedPreconditioner, preconditioner

__all__ = ["TunedPreconditioner", "fipy", "preconditioner", "pymor", "sfepy", "skfem"]

_PACKAGES = ("fipy", "pymor", "sfepy", "skfem")


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"reiterate.integrations.{name}")
    if name in ("TunedPreconditioner", "preconditioner"):
        return getattr(import_module("reiterate.integrations.linear_operator"), name)
    raise AttributeError(f"module 'reiterate.integrations' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
