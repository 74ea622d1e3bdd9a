"""Iterative computation that tunes itself.

>>> import reiterate as rt
>>> solver = rt.Solver(rtol=1e-8)

The names below are all there is to know; they are imported on first use, because a command such as
``reiterate --help`` should not wait for a compiler.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reiterate import gallery as gallery
    from reiterate import integrations as integrations
    from reiterate.errors import InvalidInput, NotConverged, ReiterateError, ToleranceUnreachable
    from reiterate.intercept import tuned_scipy
    from reiterate.solver import Solver
    from reiterate.solving import solve, solve_stream

__version__ = "0.1.0"

__all__ = [
    "InvalidInput",
    "NotConverged",
    "ReiterateError",
    "Solver",
    "ToleranceUnreachable",
    "gallery",
    "integrations",
    "solve",
    "solve_stream",
    "tuned_scipy",
]

_HOMES = {
    "InvalidInput": "reiterate.errors",
    "NotConverged": "reiterate.errors",
    "ReiterateError": "reiterate.errors",
    "ToleranceUnreachable": "reiterate.errors",
    "Solver": "reiterate.solver",
    "solve": "reiterate.solving",
    "solve_stream": "reiterate.solving",
    "tuned_scipy": "reiterate.intercept",
}


def __getattr__(name: str) -> Any:
    if name in ("gallery", "integrations"):
        return import_module(f"reiterate.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'reiterate' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
