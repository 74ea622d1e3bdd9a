"""What iterations need of A: products. From stored entries, or from a function that multiplies."""

from __future__ import annotations

import functools
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reiterate.kernels import csr, vectors
from reiterate.linear import elementary, team
from reiterate.linear.pattern import Pattern
from reiterate.linear.row_groups import RowGroups

_PRODUCTS_BEFORE_A_COPY = 2
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

    def two_residuals(
        self, x: NDArray[Any], y: NDArray[Any], b: NDArray[Any], r: NDArray[Any], s: NDArray[Any]
    ) -> tuple[float, float]:
        """Write b − A x to ``r`` and b − A y to ``s``, and return their squared Euclidean norms."""


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
        return elementary.square_norm(r)

    def two_residuals(
        self, x: NDArray[Any], y: NDArray[Any], b: NDArray[Any], r: NDArray[Any], s: NDArray[Any]
    ) -> tuple[float, float]:
        """Write b − A x to ``r`` and b − A y to ``s``, and return their squared Euclidean norms."""
        return self.residual(x, b, r), self.residual(y, b, s)


class SparseOperator:
    """Products with stored entries, by several threads where there are enough entries to make up for waking them.

    Where rows are irregular, whoever wants more than a few products gets them from a copy of the entries in the order
    of :class:`~reiterate.linear.row_groups.RowGroups`; a copy costs about as much as it saves in two products.
    """

    def __init__(self, pattern: Pattern, data: NDArray[Any], threads: int = 1) -> None:
        self.dtype = data.dtype
        self._pattern = pattern
        self._arrays = (pattern.indptr, pattern.indices, data)
        self._threads = threads if pattern.nnz >= _ENTRIES_WORTH_WAKING * (threads - 1) else 1
        self._bounds = pattern.row_bounds(self._threads)
        self._sums = team.partial_sums(self._threads)
        self._products = 0
        self._gathered: tuple[NDArray[Any], ...] = ()
        self._parts: tuple[NDArray[Any], ...] = ()

    def apply(self, x: NDArray[Any], y: NDArray[Any]) -> None:
        """Write A x to ``y``."""
        if self._is_gathered():
            team.call(self._threads, csr.gathered_matvec_dot_parts, *self._gathered, x, y, *self._parts)
        else:
            elementary.product(self._arrays, self._threads, self._bounds, x, y)

    def apply_dot(self, x: NDArray[Any], y: NDArray[Any]) -> float:
        """Write A x to ``y`` and return the real part of x·(A x), x conjugated."""
        if self._is_gathered():
            dot = team.call(self._threads, csr.gathered_matvec_dot_parts, *self._gathered, x, y, *self._parts)
        else:
            dot = team.call(self._threads, csr.matvec_dot_parts, *self._arrays, x, y, self._bounds, self._sums)
        return float(dot)

    def _is_gathered(self) -> bool:
        """Whether there is a copy of the entries by groups; one is made as soon as it is worth it."""
        self._products += 1
        wanted = self._products == _PRODUCTS_BEFORE_A_COPY + 1 and not elementary.waiting()
        if wanted and (groups := self._pattern.groups) is not None:
            self._gathered = (groups.rows, groups.indptr, groups.indices, groups.gather(self._arrays[2]))
            self._parts = (groups.align(self._bounds), self._sums)
        return bool(self._gathered)

    def residual(self, x: NDArray[Any], b: NDArray[Any], r: NDArray[Any]) -> float:
        """Write b − A x to ``r`` and return its squared Euclidean norm."""
        return elementary.residual(self._arrays, self._threads, self._bounds, self._sums, x, b, r)

    def two_residuals(
        self, x: NDArray[Any], y: NDArray[Any], b: NDArray[Any], r: NDArray[Any], s: NDArray[Any]
    ) -> tuple[float, float]:
        """Write b − A x to ``r`` and b − A y to ``s``, and return their squared Euclidean norms."""
        if self._threads > 1:
            return self.residual(x, b, r), self.residual(y, b, s)
        return elementary.two_residuals(self._arrays, x, y, b, r, s)


@functools.cache
def warm_up(dtype: np.dtype[Any]) -> None:
    """Compile or load what verifying and guessing take, and what small systems do not reach."""
    one, matrix = np.ones(1, dtype=dtype), (*np.array([[0, 1], [0, 0]], dtype=np.uint32), np.ones(2, dtype=dtype))
    csr.recompute_residual(*matrix, one, one, one.copy())
    csr.two_residuals(*matrix, one, one, one, one.copy(), one.copy())
    vectors.combine(1.0, 0.0, 0.0, one, one, one, one.copy())
    groups = RowGroups(np.array([0, 1], dtype=np.uint32), np.zeros(1, dtype=np.uint32))
    arrays = (groups.rows, groups.indptr, groups.indices, groups.gather(np.ones(1, dtype=dtype)))
    bounds = groups.align(np.array([0, 1], dtype=np.uint64))
    team.call(1, csr.gathered_matvec_dot_parts, *arrays, *np.ones((2, 1), dtype=dtype), bounds, team.partial_sums(1))
