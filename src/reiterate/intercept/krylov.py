"""``cg``, ``cgs``, ``bicg``, ``bicgstab``, ``gmres``, ``lgmres``, ``minres``, ``gcrotmk`` and ``tfqmr``."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg._interface import MatrixLinearOperator

from reiterate.intercept.accuracy import looks_singular
from reiterate.intercept.ledger import SLOW_ITERATIVE, Ledger
from reiterate.intercept.precision import rounded, widened
from reiterate.intercept.site import Handler, Site

NAMES = ("cg", "cgs", "bicg", "bicgstab", "gmres", "lgmres", "minres", "gcrotmk", "tfqmr")

_FEW_ITERATIONS = 100  # a program that allows fewer wants a few steps rather than a solution
_ROUNDING = 1e-15  # no residual is reduced to less of ‖b‖ but by luck
_AS_GIVEN = ("A", "b", "x0", "rtol", "atol", "maxiter", "M", "restart", "inner_m", "outer_k", "m", "k", "truncate")
_CHECKED = {"shift": 0.0, "show": False, "check": False}  # other values mean something else than a solution


@cache
def _signature(original: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(original)


def _krylov(site: Site, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        given = _signature(original).bind(*args, **kwargs).arguments
    except TypeError:
        return site.leave(original, args, kwargs)
    A = given["A"] = _matrix(given["A"])
    system = _admit(given, site.function)
    if site.options.recorder is not None and sp.issparse(A):
        site.record(A, given["b"], given.get("x0"))
    if system is None or A.shape[0] < site.smallest:
        return site.leave(original, args, kwargs)
    ledger = site.ledger(A, 1)
    ledger.slow = SLOW_ITERATIVE
    x = None
    if ledger.ours_next():
        x = site.tried(ledger, lambda: _solution(site, A, *system), ledger.usual).x
    if x is None:
        return site.timed(ledger, A, original, args, kwargs)
    ledger.answered += 1
    if site.options.audits():
        x = site.account.within("audits", _audited, site, ledger, x, lambda: original(*args, **kwargs))
    return x, 0


def _audited(site: Site, ledger: Ledger, ours: NDArray[Any], solve: Callable[[], Any]) -> NDArray[Any]:
    begin = time.perf_counter()
    theirs, info = solve()
    ledger.by_both(time.perf_counter() - begin)
    return site.compare(ledger, ours, theirs) if info == 0 else ours


def _matrix(A: Any) -> Any:
    """What the operators have inside that ``aslinearoperator`` makes of sparse matrices."""
    return A.A if type(A) is MatrixLinearOperator and sp.issparse(A.A) else A


def _solution(
    site: Site, A: Any, b: NDArray[Any], x0: NDArray[Any] | None, rtol: float, atol: float, dtype: np.dtype[Any]
) -> NDArray[Any] | None:
    """To these tolerances; ``None`` where A may be singular, and SciPy keeps that part of x0 which A maps to zero."""
    if x0 is not None and looks_singular(A, site.parts):
        return None
    x, converged = site.solve(A, b, x0, rtol, atol)
    if x is None or not converged or x.dtype == dtype:
        return x if converged else None
    found = rounded(x, dtype)
    left = np.inf if found is None else float(np.linalg.norm(b - A @ found.astype(x.dtype)))
    return found if left <= max(rtol * float(np.linalg.norm(b)), atol) else None


def _admit(
    given: dict[str, Any], function: str
) -> tuple[NDArray[Any], NDArray[Any] | None, float, float, np.dtype[Any]] | None:
    """Right-hand side, start, tolerances, and the precision of the answer; ``None``: SciPy is to answer, or to refuse.

    Dense matrices, operators and calls with a callback are SciPy's: it is its own iterates that a callback sees.
    """
    A, M = given["A"], given.get("M")
    if not sp.issparse(A) or A.ndim != 2 or A.shape[0] != A.shape[1] or A.dtype.kind not in "fc":
        return None
    if any(given[name] is not None for name in given if name not in (*_AS_GIVEN, *_CHECKED)):
        return None
    if any(given[name] != usual for name, usual in _CHECKED.items() if name in given):
        return None
    if M is not None and getattr(M, "shape", None) != A.shape:
        return None
    b, x0 = _vector(given["b"], A.shape[0]), given.get("x0")
    if b is None or A.dtype.char not in "fdFD" or (function == "tfqmr" and A.dtype.char in "fF" and b.dtype == int):
        return None  # the last of these is converted to the type of A there
    answer = np.promote_types(A.dtype, b.dtype if b.dtype.char in "fdFD" else np.float64)
    dtype = widened(answer)
    b = b.astype(dtype, copy=False)
    if x0 is not None:
        x0 = _vector(x0, A.shape[0])
        if x0 is None or (x0.dtype.kind == "c" and dtype.kind != "c"):
            return None
        x0 = x0.astype(dtype, copy=False)
    tolerances = _tolerances(given, function, A, b, x0)
    answer = dtype if function == "minres" else answer
    return None if tolerances is None or not _enough(given, function) else (b, x0, *tolerances, answer)


def _vector(given: Any, n: int) -> NDArray[Any] | None:
    if type(given) is not np.ndarray or given.shape not in ((n,), (n, 1)) or given.dtype.kind not in "biufc":
        return None
    return given.reshape(n) if given.dtype.itemsize <= (16 if given.dtype.kind == "c" else 8) else None


def _tolerances(
    given: dict[str, Any], function: str, A: Any, b: NDArray[Any], x0: NDArray[Any] | None
) -> tuple[float, float] | None:
    """``rtol`` and ``atol`` such that SciPy's criterion is met, where that can be: ‖b − A x‖ < max(rtol ‖b‖, atol)."""
    rtol, atol = given.get("rtol", 1e-5), given.get("atol", 0.0)
    if not all(isinstance(value, int | float | np.integer | np.floating) for value in (rtol, atol)):
        return None
    rtol, atol, length = float(rtol), float(atol), float(np.linalg.norm(b))
    if not (0.0 <= rtol < 1.0 and 0.0 <= atol < math.inf and 0.0 < length < math.inf):
        return None
    if function == "tfqmr" and x0 is not None:  # there it is the first residual that counts
        rtol *= min(1.0, float(np.linalg.norm(b - A @ x0)) / length)
    return None if max(rtol * length, atol) < _ROUNDING * length else (rtol, atol)


def _enough(given: dict[str, Any], function: str) -> bool:
    """Whether so many iterations are allowed that a solution is wanted."""
    maxiter = given.get("maxiter")
    if maxiter is None:
        return True
    if not isinstance(maxiter, int | np.integer):
        return False
    inner = {"gmres": given.get("restart") or 20, "lgmres": given.get("inner_m", 30), "gcrotmk": given.get("m", 20)}
    width = inner.get(function, 1)
    return isinstance(width, int | np.integer) and int(maxiter) * int(width) >= _FEW_ITERATIONS


KRYLOV: dict[str, Handler] = dict.fromkeys(NAMES, _krylov)
