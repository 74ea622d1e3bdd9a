"""What a direct solver promises, checked from first principles; and matrices that it would call singular."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def looks_singular(A: Any) -> bool:
    """Whether a row or column is zero, or the sum of all columns, or of all rows: SuperLU may find a zero pivot there.

    ``True`` also where entries are not finite.
    """
    sizes, ones = abs(A), np.ones(A.shape[0])
    for total, size in ((A @ ones, sizes @ ones), (A.T @ ones, sizes.T @ ones)):
        if not np.all(np.isfinite(size)) or not size.all() or np.all(np.abs(total) <= _ZERO * size):
            return True
    return False
