"""What a direct solver promises, checked from first principles; and matrices that it would call singular."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components, structural_rank

KnownParts = dict[tuple[str, int, str, int, int], NDArray[np.int32]]

_BELOW_PROMISE = 200.0  # aimed at is so much less than the backward error that is promised, down to rounding errors
_ROUNDING = 5e-15
_KEEP = 8  # patterns
_ZERO = 1e-13  # of the sum of absolute values: a row sum that is nothing but rounding errors


def norm_of_rows(A: Any) -> float:
    """‖A‖ in the maximum norm: the largest sum of absolute values of a row."""
    return float((abs(A) @ np.ones(A.shape[1])).max())


def backward_error(A: Any, size: float, x: NDArray[Any], b: NDArray[Any]) -> float:
    """Smallest ε such that (A + E) x = b + f with ‖E‖ ≤ ε ‖A‖ and ‖f‖ ≤ ε ‖b‖, in the maximum norm.

    ‖b − A x‖ / (‖A‖ ‖x‖ + ‖b‖) (Rigal and Gaches 1967), the largest over the columns.

    Parameters
    ----------
    A : sparse matrix of shape (n, n)
    size : ‖A‖, see :func:`norm_of_rows`
    x, b : arrays of shape (n,) or (n, k)
    """
    residual = np.abs(b - A @ x).max(axis=0)
    scale = size * np.abs(x).max(axis=0) + np.abs(b).max(axis=0)
    if not np.all(np.isfinite(residual)) or not np.all(np.isfinite(scale)):
        return np.inf
    return float(np.max(np.divide(residual, scale, out=np.zeros_like(np.asarray(residual)), where=scale > 0)))


class System:
    """A matrix with what the errors of its solutions are measured by.

    Parameters
    ----------
    A : CSC or CSR object of shape (n, n)
    """

    def __init__(self, A: Any) -> None:
        self.A = A
        self._sizes = type(A)((np.abs(A.data), A.indices, A.indptr), shape=A.shape)
        self._norm = float((self._sizes @ np.ones(A.shape[1])).max())

    def errors(self, x: NDArray[Any], b: NDArray[Any]) -> tuple[float, float]:
        """The backward error in the maximum norm, see :func:`backward_error`, and by components.

        The latter is the smallest ε such that (A + E) x = b + f with |E| ≤ ε |A| and |f| ≤ ε |b| (Oettli and Prager
        1964): unlike the former, it does not depend on how rows and columns are scaled.
        """
        residual = np.abs(b - self.A @ x)
        allowed = self._sizes @ np.abs(x) + np.abs(b)
        if not np.all(np.isfinite(residual)) or not np.all(np.isfinite(allowed)):
            return np.inf, np.inf
        by_components = np.divide(residual, allowed, out=np.zeros_like(residual), where=allowed > 0)
        scale = self._norm * np.abs(x).max(axis=0) + np.abs(b).max(axis=0)
        if not np.all(np.isfinite(scale)):
            return np.inf, np.inf
        in_norm = np.divide(residual.max(axis=0), scale, out=np.zeros_like(np.asarray(scale)), where=scale > 0)
        return float(np.max(in_norm)), float(np.max(by_components))


def growth(size: float, x: NDArray[Any], length: float) -> float:
    """‖A‖ ‖x‖ / ‖b‖, given ‖A‖ and ‖b‖."""
    return size * float(np.abs(x).max()) / length if length else 1.0


def wanted(promise: float, growth: float) -> float:
    """Residual to aim at, in units of ‖b‖, for a backward error of ``promise``."""
    return max(promise, max(promise / _BELOW_PROMISE, _ROUNDING) * growth)


def looks_singular(A: Any, known: KnownParts) -> bool:
    """Whether SuperLU may meet a pivot that is exactly zero.

    A row or column is zero, or those of a connected part sum to zero, as in pure Neumann problems and in networks of
    which a part has no source; or no order of the rows leaves a diagonal without zeros. ``True`` also where entries
    are not finite. Other singular matrices are not noticed.
    """
    with np.errstate(all="ignore"):
        return _looks_singular(A, known)


def _looks_singular(A: Any, known: KnownParts) -> bool:
    sizes, ones = abs(A), np.ones(A.shape[0])
    for total, size in ((A @ ones, sizes @ ones), (A.T @ ones, sizes.T @ ones)):
        if not np.all(np.isfinite(size)) or not size.all():
            return True
        grounded = np.abs(total) > _ZERO * size
        if not grounded.any():
            return True
        if not grounded.all():
            part = _connected_parts(A, known)
            if not np.bincount(part, weights=grounded).all():
                return True
    return not A.diagonal().all() and not _has_full_diagonal(A, known)


def _has_full_diagonal(A: Any, known: KnownParts) -> bool:
    """Whether some order of the rows leaves a diagonal without zeros; singular matrices may, others must."""
    if not A.data.all():
        A = A.copy()
        A.eliminate_zeros()

    def rank() -> NDArray[np.int32]:
        return np.array([structural_rank(_real(A))], dtype=np.int32)

    return bool(_by_pattern("rank", A, known, rank)[0] == A.shape[0])


def _connected_parts(A: Any, known: KnownParts) -> NDArray[np.int32]:
    """Of every unknown, the number of its connected part, shape (n,)."""

    def parts() -> NDArray[np.int32]:
        found: NDArray[np.int32] = connected_components(_real(A), directed=False)[1]
        return found

    return _by_pattern("parts", A, known, parts)


def _real(A: Any) -> Any:
    """A matrix that SciPy can take for a graph without a warning."""
    return abs(A) if A.dtype.kind == "c" else A


def _by_pattern(what: str, A: Any, known: KnownParts, find: Callable[[], NDArray[np.int32]]) -> NDArray[np.int32]:
    """What depends on the places of the entries only, of the last few patterns."""
    begins, places = (crc32(np.ascontiguousarray(array).data) for array in (A.indptr, A.indices))
    key = (what, A.shape[0], A.format, begins, places)
    found = known.get(key)
    if found is None:
        found = find()
        while len(known) >= _KEEP:
            known.pop(next(iter(known)), None)
        known[key] = found
    return found
