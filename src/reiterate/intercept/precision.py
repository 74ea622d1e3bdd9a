"""Numbers of single precision, which are solved in double precision and rounded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SINGLE = 1e-8  # backward error that is far below what rounding the answer adds to it


def widened(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The double precision that holds it."""
    return np.promote_types(dtype, np.float64)


def wider(A: Any, *, copy: bool = False) -> Any:
    """A matrix in double precision."""
    return A.astype(widened(A.dtype), copy=copy)


def least_error(dtype: np.dtype[Any]) -> float:
    """The backward error below which no answer in this precision gets any better."""
    return _SINGLE if dtype in (np.float32, np.complex64) else 0.0


def rounded(x: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """An answer in this precision; ``None`` where it has no such large numbers."""
    if x.dtype == dtype:
        return x
    with np.errstate(all="ignore"):
        found = x.astype(dtype)
    return found if np.all(np.isfinite(found)) else None
