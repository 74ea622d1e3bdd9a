"""Factors by rslab: L D Lᵀ (Bunch and Kaufman) of symmetric, L U of general matrices, real or complex."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from reiterate.errors import Breakdown
from reiterate.linear.factor_memory import refuse_beyond
from reiterate.linear.factor_time import analysis_seconds, run_until_deadline
from reiterate.linear.factors import Factor, Inertia
from reiterate.linear.instance import LinearInstance
from reiterate.linear.pattern import Pattern
from reiterate.linear.rslab_process import claim, orphaned, rslab, thread_options, translated

_SYMMETRY_TOLERANCE = 1e-12
_RATE = 2e10  # operations a second, at most: what turns out to be slower can be stopped half-way

# By variant: rows are matched before the analysis where a diagonal entry is below this share of its column's largest.
# rslab's L U pivots within supernodes only: at its own 1e-10 it gave wrong factors, which the check found, of more than
# half of 60 random matrices with small diagonals; matched at 1 all were right.
_NEGLIGIBLE_DIAGONAL = (1e-2, 1.0)


class RslabFactor(Factor):
    """Factors by rslab: supernodal L D Lᵀ (Bunch and Kaufman 1977) of symmetric, supernodal L U of other values.

    Symmetric means A = Aᵀ, for complex matrices too. Its L D Lᵀ refuses many indefinite matrices with zeros on the
    diagonal; those too get L U, with threshold pivoting and, where needed, a matching of rows before. For new numbers
    the analysis of the pattern is kept. rslab equilibrates by itself; the number of threads changes no bit.
    Ctrl-C and an instance's deadline stop the factorization at the next block of columns; an analysis goes on by
    itself to its end, which nobody waits for.
    """

    title = "rslab"
    package = "rslab"
    remedy = "pip install rslab"
    variants = 2

    def __init__(self, instance: LinearInstance, memory_limit: int, variant: int = 0) -> None:
        claim()
        super().__init__(instance, memory_limit, variant)
        pattern = self.pattern
        self._mirror = _columns_of(pattern) if self.dtype.kind == "c" or not self.symmetric else None
        self._halved = variant == 0 and self.symmetric and self._is_transpose(instance.data)
        if self._halved:
            # The upper triangle by rows is the lower one by columns.
            stored = pattern.indices >= np.repeat(np.arange(self.size), _row_lengths(pattern))
            self._source = np.flatnonzero(stored)
            lengths = np.add.reduceat(np.append(stored, False), pattern.indptr[:-1].astype(np.intp), dtype=np.int64)
            lengths[_row_lengths(pattern) == 0] = 0
            indptr, indices = np.concatenate(([0], np.cumsum(lengths))), pattern.indices[self._source].view(np.int32)
        else:
            columns = _columns_of(pattern) if self._mirror is None else self._mirror
            self._source, indptr, indices = columns.data, columns.indptr, columns.indices
        values = instance.data[self._source]
        A = sp.csc_array((values, indices, indptr), shape=(self.size, self.size))
        with translated():
            options: dict[str, Any] = {"path": "ldlt", **thread_options()}
            if not self._halved:
                options |= {"path": "lu", "matching_negligible_diagonal": _NEGLIGIBLE_DIAGONAL[variant]}
            self._symbolic = run_until_deadline(
                self.title,
                instance,
                lambda: rslab.analyze(A, **options),
                analysis_seconds(instance),
            )
            refuse_beyond(self.title, self._symbolic.memory_plan(self.dtype.name)["peak_bytes"], memory_limit)
            self._operations = float(self._symbolic.estimate_memory(self.dtype.name)["factor_flops"])
        self._compute(instance, values)

    @classmethod
    def available(cls) -> bool:
        """Installed, and not orphaned: its threads do not survive a fork, and what waits for them waits forever."""
        return not orphaned() and super().available()

    def refresh(self, instance: LinearInstance) -> None:
        """Factor new numbers with the analysis of the pattern."""
        if self._halved and not self._is_transpose(instance.data):
            raise Breakdown("rslab: the matrix is no longer symmetric")
        self._compute(instance, instance.data[self._source])

    def solve(self, r: NDArray[Any]) -> NDArray[Any]:
        """A⁻¹ r."""
        with translated():
            return np.asarray(self._factor.solve(r))

    def solve_many(self, R: NDArray[Any]) -> NDArray[Any]:
        """A⁻¹ R."""
        with translated():
            return np.asarray(self._factor.solve_many(R))

    def solve_transposed(self, r: NDArray[Any]) -> NDArray[Any]:
        """A⁻ᵀ r."""
        with translated():
            return np.asarray(self._factor.solve_transpose(r))

    def inertia(self) -> Inertia | None:
        """Read off D, where L D Lᵀ was the path."""
        if self.dtype.kind == "c" or not self._halved:
            return None
        positive, negative, zero = self._factor.inertia
        return int(positive), int(negative), int(zero)

    def _is_transpose(self, data: NDArray[Any]) -> bool:
        """Whether A = Aᵀ; the traits of a complex matrix may mean its adjoint."""
        if self._mirror is None or not self.pattern.symmetric:
            return self.symmetric
        mirrored = data[self._mirror.data]
        return bool(np.all(np.abs(data - mirrored) <= _SYMMETRY_TOLERANCE * np.abs(data)))

    def _compute(self, instance: LinearInstance, values: NDArray[Any]) -> None:
        interrupt = rslab.Interrupt()
        with translated():
            self._factor = run_until_deadline(
                self.title,
                instance,
                lambda: self._symbolic.factor(values, interrupt=interrupt),
                self._operations / _RATE,
                interrupt.cancel,
            )
        factor = self._factor
        self.perturbed = int(factor.n_perturbed)
        self.nnz = int(factor.factor_nnz)
        held = int(factor.heap_bytes) + int(self._symbolic.heap_bytes)
        self.memory = held + self._source.nbytes + self.dtype.itemsize * self.pattern.nnz
        self.reads = 2 if self._halved else 1


def _columns_of(pattern: Pattern) -> Any:
    """The pattern by columns; its entries are their places by rows."""
    places = np.arange(pattern.nnz, dtype=np.int32)
    index = pattern.indices.view(np.int32), pattern.indptr.view(np.int32)
    return sp.csr_array((places, *index), shape=(pattern.size, pattern.size)).tocsc()


def _row_lengths(pattern: Pattern) -> NDArray[np.int64]:
    indptr = pattern.indptr.astype(np.int64)
    return indptr[1:] - indptr[:-1]
