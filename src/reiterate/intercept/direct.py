"""``spsolve``, ``splu``, ``spilu`` and ``factorized``."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg._dsolve import linsolve

from reiterate.intercept import patching, sparse_sides
from reiterate.intercept.account import Watch
from reiterate.intercept.accuracy import looks_singular
from reiterate.intercept.factor import LazyFactor, LazyIncompleteFactor
from reiterate.intercept.ledger import Answerer, Ledger
from reiterate.intercept.precision import rounded, widened, wider
from reiterate.intercept.site import Handler, Site
from reiterate.intercept.supernodal import Busy

_MOST_COLUMNS = 64
_ORDERINGS = (None, 0, 1, 2, 3, "NATURAL", "MMD_ATA", "MMD_AT_PLUS_A", "COLAMD")
_NUMBERS = (int, float, np.integer, np.floating)
_FACTOR_OPTIONS = ("permc_spec", "diag_pivot_thresh", "relax", "panel_size", "options")
_INCOMPLETE_OPTIONS = ("drop_tol", "fill_factor", "drop_rule", *_FACTOR_OPTIONS)


def _uses_umfpack() -> bool:
    return bool(getattr(linsolve.useUmfpack, "u", not linsolve.noScikit))


def _admit_matrix(A: Any) -> bool:
    """Whether it is a square sparse matrix that SciPy would factor in the precision that it has."""
    if not sp.issparse(A) or A.ndim != 2 or A.shape[0] != A.shape[1] or not A.shape[0]:
        return False
    kind, size = A.dtype.kind, A.dtype.itemsize
    return size in {"f": (4, 8), "c": (8, 16), "i": (4, 8), "u": (4, 8)}.get(kind, ())


def _canonical(A: Any, formats: tuple[str, ...], message: str) -> Any:
    """As SciPy makes it: in one of these formats, entries sorted (in place), in floating point."""
    if A.format not in formats:
        A = sp.csc_array(A)
        warnings.warn(message, sp.SparseEfficiencyWarning, stacklevel=patching.depth_of_program())
    A.sum_duplicates()
    return A if A.dtype.kind in "fc" else A.astype(np.float64)


def _admit_rhs(given: Any, n: int) -> Any:
    """An array or sparse matrix of shape (n,) or (n, k) of numbers that double precision holds; else ``None``."""
    b = given
    if not sp.issparse(given):
        if type(given) not in (np.ndarray, np.matrix, list):
            return None
        try:
            b = np.asarray(given)
        except ValueError:
            return None
    if b.ndim not in (1, 2) or b.shape[0] != n or not 1 <= _columns(b) <= _MOST_COLUMNS:
        return None
    most = {"b": 1, "i": 8, "u": 8, "f": 8, "c": 16}.get(b.dtype.kind, 0)
    return b if b.dtype.itemsize <= most else None


def _columns(b: Any) -> int:
    return 1 if b.ndim == 1 else int(b.shape[1])


def _spsolve(site: Site, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given: Any = _spsolve_arguments(*args, **kwargs) or (None,) * 4
    A, b, permc_spec, use_umfpack = given
    if not _admit_matrix(A) or permc_spec not in _ORDERINGS or (use_umfpack and _uses_umfpack()):
        return site.leave(original, args, kwargs)
    n = A.shape[0]
    rhs = _admit_rhs(b, n)
    if rhs is None:
        return site.leave(original, args, kwargs)
    if site.options.recorder is not None:
        site.record(A, rhs.toarray() if sp.issparse(rhs) else rhs)
    if n < site.smallest:
        return site.leave(original, args, kwargs)
    ledger = site.ledger(A, _columns(rhs), direct=True)
    who = _answerer(site, ledger, A)
    if who != "factors" and (x := _repeated(site, ledger, A, rhs, permc_spec, use_umfpack)) is not None:
        return x
    if who == "SciPy" or not _finite(rhs):
        return _left(site, ledger, A, rhs, original, args, kwargs)
    x, begun = None, time.perf_counter()
    matrix = _canonical(A, ("csc", "csr"), "spsolve requires A be CSC or CSR matrix format")
    if who == "factors":
        x = _by_factors(site, ledger, matrix, rhs)
        if x is None and ledger.factoring is not None and not ledger.factoring.possible:
            who, begun = ledger.next(matrix), time.perf_counter()
    if who == "solver":
        x = site.tried(ledger, lambda: _solution(site, ledger, matrix, rhs), ledger.rival, begun).x
        ledger.answered += x is not None
    if x is None:
        return _left(site, ledger, A, rhs, original, (matrix, b, permc_spec, use_umfpack), {})
    if site.options.audits():
        x = site.account.within("audits", _audited, site, ledger, x, original, (matrix, b, permc_spec, use_umfpack))
    elif sp.issparse(x):
        sparse_sides.warn(matrix, b)
    return x


def _by_factors(site: Site, ledger: Ledger, A: Any, b: Any) -> Any:
    watch = Watch()
    try:
        return site.attempt(lambda: _solution(site, ledger, A, b, watch))
    except Busy:
        return None


def _answerer(site: Site, ledger: Ledger, A: Any) -> Answerer:
    """Who answers a direct call; factors of this very matrix, if they are kept."""
    return "factors" if not ledger.barred and site.supernodal.knows(A) is not None else ledger.next(A)


def _finite(b: Any) -> bool:
    return bool(np.isfinite(b.tocoo().data if sp.issparse(b) else b).all())


def _repeated(site: Site, ledger: Ledger, A: Any, rhs: Any, ordering: Any, use_umfpack: Any) -> Any:
    """The answer of factors that are kept, as long as the solver of this site has not been needed."""
    if site.solver is not None or ledger.barred:
        site.repetition.forget()
        return None
    vector = not sp.issparse(rhs) and _columns(rhs) == 1
    if not vector or not ledger.may_repeat or site.options.recorder is not None:
        return None
    if A.format not in ("csc", "csr") or A.dtype.itemsize != (16 if A.dtype.kind == "c" else 8) or A.dtype.kind in "iu":
        return None
    watch = Watch()
    A.sum_duplicates()  # as SciPy does
    x = site.repetition.solve(A, rhs, ordering, site.options.direct_tolerance)
    if x is None:
        return None
    site.account.add("kept", watch.alone())
    site.answered += 1
    ledger.repeated += 1
    if site.options.audits():
        theirs = patching.original("spsolve")
        x = site.account.within("audits", _audited, site, ledger, x, theirs, (A, rhs, ordering, use_umfpack))
    return x


def _left(
    site: Site,
    ledger: Ledger,
    A: Any,
    b: Any,
    original: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """What SciPy answers, with a look at whether the matrix is singular; NaN in ``b`` says nothing of that."""
    x = site.timed(ledger, A, original, args, kwargs)
    if not sp.issparse(x) and np.isnan(x.flat[0]) and _finite(b):
        ledger.barred = True
    return x


def _solution(site: Site, ledger: Ledger, A: Any, b: Any, by_factors: Watch | None = None) -> Any:
    """The shape, order, type and precision that SciPy's has; ``None`` where it is SciPy that has to answer.

    By the solver of the site, or ``by_factors``, which has begun then.
    """
    if looks_singular(A, site.parts):
        if by_factors is not None:
            site.factors_failed(ledger, by_factors)
        return None
    dtype = np.promote_types(A.dtype, b.dtype)
    where = None
    if sp.issparse(b):
        if _columns(b) > 1:
            where = sparse_sides.pattern(A, b)
            if where is None:
                if by_factors is not None:
                    site.factors_failed(ledger, by_factors)
                return None
        b = b.toarray()
    b = b.astype(widened(dtype), copy=False)
    if by_factors is not None:
        answer = site.solve_by_factors(ledger, wider(A), b, dtype, by_factors)
        x = None if answer is None else answer.x
    else:
        x = site.solve_directly(ledger, wider(A), b, dtype)
    if x is None:
        return None
    x = rounded(x, dtype)
    if x is None or _columns(b) == 1:
        return None if x is None else x.ravel()
    return np.asfortranarray(x) if where is None else sparse_sides.assemble(A, x, where)


def _audited(site: Site, ledger: Ledger, ours: Any, original: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    begin = time.perf_counter()
    theirs = original(*args)
    ledger.by_both(time.perf_counter() - begin)
    return _compared(site, ledger, ours, theirs)


def _compared(site: Site, ledger: Ledger, ours: Any, theirs: Any) -> Any:
    if not sp.issparse(ours):
        return np.asfortranarray(site.compare(ledger, ours, theirs))
    dense = ours.toarray()
    return ours if site.compare(ledger, dense, theirs.toarray()) is dense else theirs


def _spsolve_arguments(
    A: Any = None, b: Any = None, permc_spec: Any = None, use_umfpack: Any = True, *more: Any, **others: Any
) -> tuple[Any, ...] | None:
    return None if more or others else (A, b, permc_spec, use_umfpack)


def _splu(site: Site, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    options = _named(args[1:], kwargs, _FACTOR_OPTIONS)
    A: Any = args[0] if args else kwargs.get("A")
    if options is None or not _admit_matrix(A) or not _usual_options(options):
        return site.leave(original, args, kwargs)
    return _factor(site, original, A, options, args, kwargs)


def _factorized(site: Site, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    options = _named(args[1:], kwargs, ())
    A: Any = args[0] if args else kwargs.get("A")
    if options is None or not _admit_matrix(A) or _uses_umfpack():
        return site.leave(original, args, kwargs)
    return _factor(site, patching.original("splu"), A, options, (A,), {}).solve


def _factor(
    site: Site, splu: Callable[..., Any], A: Any, options: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """An object like SciPy's factors; SciPy's own where there is nothing to gain."""
    ledger = site.ledger(A, 1, direct=True)
    recording = site.options.recorder is not None
    if not recording and (A.shape[0] < site.smallest or ledger.settled):
        return site.leave(splu, args, kwargs)
    who = _answerer(site, ledger, A) if A.shape[0] >= site.smallest else "SciPy"
    if who != "SciPy":
        matrix = _canonical(A, ("csc",), "splu converted its input to CSC format")
        if not looks_singular(matrix, site.parts):
            supernodal = who == "factors"
            return LazyFactor(site, ledger, wider(matrix, copy=True), options, matrix.dtype, supernodal=supernodal)
        args, kwargs = (matrix,), options
    watch = Watch()
    try:
        with ledger.meanwhile():
            own = splu(*args, **kwargs)
    finally:
        ledger.by_scipy(site.account.by_scipy(watch), A)
    if ledger.for_solving().settled and not recording:
        site.left()
        return own
    matrix = sp.csc_array(A, dtype=widened(A.dtype), copy=True)
    matrix.sum_duplicates()
    singular = looks_singular(matrix, site.parts)
    if singular and not recording:
        site.left()
        return own
    dtype = A.dtype if A.dtype.kind in "fc" else matrix.dtype
    return LazyFactor(site, ledger, matrix, options, dtype, own, singular=singular)


def _spilu(site: Site, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Lazy, and otherwise SciPy's: what an incomplete factor answers is not determined by its matrix.

    Where the diagonal has a zero, it may break down although A is regular, which programs expect to be told at once.
    """
    options = _named(args[1:], kwargs, _INCOMPLETE_OPTIONS)
    A: Any = args[0] if args else kwargs.get("A")
    if options is None or not _admit_matrix(A) or not _usual_options(options) or A.shape[0] < site.smallest:
        return site.leave(original, args, kwargs)
    matrix = _canonical(A, ("csc",), "spilu converted its input to CSC format")
    if not matrix.diagonal().all() or looks_singular(matrix, site.parts):
        return site.leave(original, (matrix,), options)
    return LazyIncompleteFactor(site, matrix.copy(), options)


def _named(args: tuple[Any, ...], kwargs: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any] | None:
    """The options after A by name; ``None`` where SciPy would refuse them."""
    if len(args) > len(names):
        return None
    given = dict(zip(names, args, strict=False))
    others = {name: value for name, value in kwargs.items() if name != "A" or args}
    if not others.keys() <= set(names) - given.keys():
        return None
    return {**given, **others}


def _usual_options(options: dict[str, Any]) -> bool:
    """Whether SciPy is sure to take them, later, when the factor is needed."""
    return all(value is None or _usual(name, value) for name, value in options.items())


def _usual(name: str, value: Any) -> bool:
    if name == "permc_spec":
        return isinstance(value, int | str) and value in _ORDERINGS
    if name == "options":
        return isinstance(value, dict) and all(
            isinstance(item, _NUMBERS if key == "DiagPivotThresh" else bool)
            and key in ("SymmetricMode", "Equil", "DiagPivotThresh")
            for key, item in value.items()
        )
    if name in ("relax", "panel_size"):
        return isinstance(value, int) and value >= 1
    return name != "drop_rule" and isinstance(value, _NUMBERS) and bool(value >= 0)


DIRECT: dict[str, Handler] = {"spsolve": _spsolve, "splu": _splu, "spilu": _spilu, "factorized": _factorized}
