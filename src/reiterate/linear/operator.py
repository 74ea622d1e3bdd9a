"""What iterations need of A: products. From stored entries, or from a function that multiplies."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reiterate.kernels import csr, vectors
from reiterate.linear import team
from reiterate.linear.pattern import Pattern

_ENTRIES_WORTH_WAKING = 200_000  # a product of as many takes 0.1 ms, and waking a thread up to half of that


class Operator(Protocol):
    """A linear map on vectors of shape (n,); all arrays have the operator's ``dtype``."""

    dtype: np.dtype[Any]

    def apply(self, x: NDArray[Any], y: NDArray[Any]) -> None:
        """Write A x to ``y``."""

    def apply_dot(self, x: NDArray[Any], y: NDArray[Any]) -> float:
        """Write A x to ``y`` and return the real part of x·(A x), x conjugated."""

    def residual(self, x: NDArray[Any], b: NDArray[Any], r: NDArray[Any]) -> float:
        """Write b − A x to ``r`` and return its squared Euclidean norm."""


class FreeOperator:
    """Products by a function: an object with ``matvec``, of which no entries are known."""

    def __init__(self, A: Any, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._multiply = A.matvec

    def apply(self, x: NDArray[Any], y: NDArray[Any]) -> None:
        """Write A x to ``y``."""
        y[:] = self._multiply(x)

    def apply_dot(self, x: NDArray[Any], y: NDArray[Any]) -> float:
        """Write A x to ``y`` and return the real part of x·(A x), x conjugated."""
        self.apply(x, y)
        return float(vectors.dot(x, y).real)

    def residual(self, x: NDArray[Any], b: NDArray[Any], r: NDArray[Any]) -> float:
        """Write b − A x to ``r`` and return its squared Euclidean norm."""
        self.apply(x, r)
        np.subtract(b, r, out=r)
        return float(vectors.square_norm(r))


class SparseOperator:
    """Products with stored entries, by several threads where there are enough entries to make up for waking them."""

    def __init__(self, pattern: Pattern, data: NDArray[Any], threads: int = 1) -> None:
        self.dtype = data.dtype
        self._arrays = (pattern.indptr, pattern.indices, data)
        self._threads = threads if pattern.nnz >= _ENTRIES_WORTH_WAKING * (threads - 1) else 1
        self._bounds = pattern.row_bounds(self._threads)
        self._sums = team.partial_sums(self._threads)

    def apply(self, x: NDArray[Any], y: NDArray[Any]) -> None:
        """Write A x to ``y``."""
        team.call(self._threads, csr.matvec_parts, *self._arrays, x, y, self._bounds)

    def apply_dot(self, x: NDArray[Any], y: NDArray[Any]) -> float:
        """Write A x to ``y`` and return the real part of x·(A x), x conjugated."""
        return float(team.call(self._threads, csr.matvec_dot_parts, *self._arrays, x, y, self._bounds, self._sums))

    def residual(self, x: NDArray[Any], b: NDArray[Any], r: NDArray[Any]) -> float:
        """Write b − A x to ``r`` and return its squared Euclidean norm."""
        return float(team.call(self._threads, csr.residual_parts, *self._arrays, x, b, r, self._bounds, self._sums))
