"""What a direct solver promises, checked from first principles; and matrices that it would call singular."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

KnownParts = dict[tuple[int, str, int, int], NDArray[np.int32]]

_KEEP = 4  # patterns
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


def looks_singular(A: Any, known: KnownParts) -> bool:
    """Whether SuperLU may meet a zero pivot: a row or column is zero, or those of a connected part sum to zero.

    Such are matrices of pure Neumann problems, and of networks of which a part has no source. ``True`` also where
    entries are not finite. Other singular matrices are not noticed.
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
    return False


def _connected_parts(A: Any, known: KnownParts) -> NDArray[np.int32]:
    """Of every unknown, the number of its connected part, shape (n,)."""
    begins, places = (crc32(np.ascontiguousarray(array).data) for array in (A.indptr, A.indices))
    key = (A.shape[0], A.format, begins, places)
    part = known.get(key)
    if part is None:
        _, part = connected_components(A, directed=False)
        while len(known) >= _KEEP:
            known.pop(next(iter(known)), None)
        known[key] = part
    return part
