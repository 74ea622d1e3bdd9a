"""Factors by CHOLMOD, where ``scikit-sparse`` is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from reiterate.errors import Breakdown
from reiterate.linear.factor_memory import refuse_large_fill, refuse_long_work
from reiterate.linear.factors import Factor, Inertia
from reiterate.linear.instance import LinearInstance

_RATE = 5e9  # operations a second


class CholmodFactor(Factor):
    """L Lᵀ by CHOLMOD (Chen, Davis, Hager and Rajamanickam 2008), for real symmetric positive definite matrices.

    A matrix that is not positive definite is found out, and said to be so. Once begun it cannot
    be stopped, not even by Ctrl-C; what is estimated to miss a deadline is not begun.
    """

    title = "CHOLMOD"
    package = "sksparse"
    remedy = "pip install 'scikit-sparse<0.5' (it needs SuiteSparse)"
    reads = 2

    def __init__(self, instance: LinearInstance, memory_limit: int, variant: int = 0) -> None:
        from sksparse import cholmod

        super().__init__(instance, memory_limit, variant)
        if self.dtype.kind == "c" or not instance.traits.maybe_definite:
            raise Breakdown("CHOLMOD: the matrix is not positive definite, or not real and symmetric")
        refuse_large_fill(self.title, instance, memory_limit, triangles=1, pivoting=False)
        refuse_long_work(self.title, instance, _RATE)
        self._not_definite = cholmod.CholmodNotPositiveDefiniteError
        self._error = cholmod.CholmodError
        A = self._matrix(instance)
        try:
            self._factor = cholmod.analyze(A)
        except self._error as error:
            raise Breakdown(f"CHOLMOD: {error}") from None
        self._compute(instance, A)
        self.nnz = int(self._factor.L().nnz)
        self.memory = 12 * self.nnz + 8 * self.pattern.nnz

    def refresh(self, instance: LinearInstance) -> None:
        """Factor new numbers in place."""
        refuse_long_work(self.title, instance, _RATE)
        self._compute(instance, self._matrix(instance))

    def solve(self, r: NDArray[Any]) -> NDArray[Any]:
        """A⁻¹ r."""
        return np.asarray(self._factor(r))

    def solve_many(self, R: NDArray[Any]) -> NDArray[Any]:
        """A⁻¹ R."""
        return np.asarray(self._factor(R))

    def solve_transposed(self, r: NDArray[Any]) -> NDArray[Any]:
        """A is symmetric."""
        return self.solve(r)

    def inertia(self) -> Inertia | None:
        """All positive: there is no factor otherwise."""
        return self.size, 0, 0

    def _matrix(self, instance: LinearInstance) -> Any:
        # A = Aᵀ, so its rows are its columns.
        index = self.pattern.indices.view(np.int32), self.pattern.indptr.view(np.int32)
        return sp.csc_matrix((instance.data, *index), shape=(self.size, self.size))

    def _compute(self, instance: LinearInstance, A: Any) -> None:
        try:
            self._factor.cholesky_inplace(A)
        except self._not_definite as error:
            instance.reveal({"definite": False})
            raise Breakdown(f"CHOLMOD: the matrix is not positive definite ({error})") from None
        except self._error as error:
            raise Breakdown(f"CHOLMOD: {error}") from None
