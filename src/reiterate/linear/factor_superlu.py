"""Factors by SuperLU, which is always there: SciPy brings it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from reiterate.errors import Breakdown
from reiterate.linear.equilibration import Equilibration, scale
from reiterate.linear.factor_memory import refuse_large_fill, refuse_long_work
from reiterate.linear.factors import Factor, Inertia
from reiterate.linear.instance import LinearInstance

_DIAGONAL_PREFERENCE = 0.01
_RATE = 1e9  # operations a second
_PLACE = re.compile(r"\s*\bat line \d+ in file \S+")


def complaint_of(error: Exception) -> str:
    """What SuperLU says, in one line, and without where in its sources it says so."""
    return " ".join(_PLACE.sub("", str(error)).split()).rstrip(".")


class SuperLUFactor(Factor):
    """L U by SuperLU (Li and Demmel): partial pivoting; for symmetric A the diagonal is preferred at first.

    SuperLU has no numeric refactorization; for new numbers the column order is kept, which saves computing it.
    Equivalent: ``scipy.sparse.linalg.splu``, here with equilibration where rows or columns differ much.
    Once begun it cannot be stopped, not even by Ctrl-C; what is estimated to miss a deadline is not begun.
    """

    title = "SuperLU"
    threads = False
    package = "scipy"
    remedy = "pip install scipy"
    variants = 2

    def __init__(self, instance: LinearInstance, memory_limit: int, variant: int = 0) -> None:
        super().__init__(instance, memory_limit, variant)
        self._diagonal = self.symmetric and variant == 0
        self._signs: Inertia | None = None
        refuse_large_fill(self.title, instance, memory_limit, triangles=2, pivoting=not self._diagonal)
        shape = (self.size, self.size)
        places = np.arange(self.pattern.nnz, dtype=np.int32)
        index = self.pattern.indices.view(np.int32), self.pattern.indptr.view(np.int32)
        columns = sp.csr_array((places, *index), shape=shape).tocsc()
        ordering = "MMD_AT_PLUS_A" if self._diagonal else "COLAMD"
        self._factor = self._compute(instance, columns, ordering)
        # Columns in the order that was found; rows too for symmetric A, so that the diagonal stays one.
        self._rank: NDArray[Any] = self._factor.perm_c.copy()
        order = np.argsort(self._rank)
        places_in_order = columns[:, order]
        places_in_order = (places_in_order[order] if self._diagonal else places_in_order).tocsc()
        places_in_order.sort_indices()
        self._order: NDArray[Any] | None = None
        self._columns, self._next_order = places_in_order, order
        self._describe()

    def refresh(self, instance: LinearInstance) -> None:
        """Factor new numbers in the column order of the first."""
        self._order = self._next_order
        self._factor = self._compute(instance, self._columns, "NATURAL")
        self._describe()

    def solve(self, r: NDArray[Any]) -> NDArray[Any]:
        """A⁻¹ r."""
        return self._apply(r, "N")

    def solve_many(self, R: NDArray[Any]) -> NDArray[Any]:
        """A⁻¹ R."""
        return self._apply(R, "N")

    def solve_transposed(self, r: NDArray[Any]) -> NDArray[Any]:
        """A⁻ᵀ r."""
        return self._apply(r, "T")

    def inertia(self) -> Inertia | None:
        """Signs of the pivots, where every one was on the diagonal."""
        if self._signs is None and self._diagonal and self.dtype.kind != "c":
            factor = self._factor
            if np.array_equal(factor.perm_r, factor.perm_c):
                pivots = factor.U.diagonal()
                positive, negative = int((pivots > 0).sum()), int((pivots < 0).sum())
                self._signs = positive, negative, self.size - positive - negative
        return self._signs

    def _compute(self, instance: LinearInstance, columns: Any, ordering: str) -> Any:
        """Factor the entries that ``columns`` names by their places, after equilibration."""
        refuse_long_work(self.title, instance, _RATE)
        data = instance.data
        self._scaling = Equilibration.of(self.pattern, data, symmetric=self._diagonal)
        if self._scaling is not None:
            data = self._scaling.scaled(self.pattern, data)
        A = sp.csc_array((data[columns.data], columns.indices, columns.indptr), shape=columns.shape)
        try:
            return splu(
                A,
                permc_spec=ordering,
                diag_pivot_thresh=_DIAGONAL_PREFERENCE if self._diagonal else 1.0,
                options={"SymmetricMode": bool(self._diagonal)},
            )
        except RuntimeError as error:
            raise Breakdown(f"SuperLU: {complaint_of(error)}; the matrix is singular") from None
        except MemoryError:
            raise Breakdown("SuperLU: the factors do not fit into memory") from None

    def _apply(self, r: NDArray[Any], kind: str) -> NDArray[Any]:
        # A = R⁻¹ Pᵣᵀ B P꜀ C⁻¹ with B factored: the transpose exchanges rows and columns.
        rows_in_order = self._diagonal or kind == "T"
        columns_in_order = self._diagonal or kind == "N"
        scaling = self._scaling
        if scaling is not None:
            r = scale(r, scaling.rows if kind == "N" else scaling.columns)
        if self._order is not None and rows_in_order:
            r = r[self._order]
        z: NDArray[Any] = self._factor.solve(r, kind)
        if self._order is not None and columns_in_order:
            z = z[self._rank]
        if scaling is not None:
            z = scale(np.ascontiguousarray(z), scaling.columns if kind == "N" else scaling.rows)
        return z

    def _describe(self) -> None:
        self._signs = None
        self.nnz = int(self._factor.nnz)
        self.memory = (self.dtype.itemsize + 4) * (self.nnz + self.pattern.nnz) + 8 * self.pattern.nnz
