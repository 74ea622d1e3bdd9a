"""Incomplete LU preconditioners, and the symmetric Gauss–Seidel factors that need no elimination at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.configuration import ParameterSpace
from reiterate.contracts import Values
from reiterate.errors import Breakdown
from reiterate.kernels import incomplete_lu as kernels
from reiterate.kernels import triangular
from reiterate.linear.instance import LinearInstance
from reiterate.linear.pattern import Pattern
from reiterate.linear.preconditioner import Family, Preconditioner
from reiterate.linear.sor import RELAXATION
from reiterate.linear.traits import LinearTraits
from reiterate.linear.triangular import (
    BITS,
    DROPPING,
    SHIFTS,
    SINGLE_AND_DOUBLE,
    FactorPattern,
    Layout,
    TriangularFactors,
    capacity,
    mean_widths,
    storage_type,
)
from reiterate.linear.vectors import reciprocals


class LUFactors(TriangularFactors):
    """M = (I + L) D (I + U) on a pattern that is kept."""

    def __init__(self, matrix_pattern: Pattern, layout: Layout, dtype: np.dtype[Any], storage: np.dtype[Any]) -> None:
        super().__init__(layout, dtype, storage)
        self.matrix_pattern = matrix_pattern

    def eliminate(self, instance: LinearInstance) -> None:
        """Factor the instance's matrix, whose pattern is known, with the smallest shift that succeeds."""
        layout = self.layout
        factor = self.scale_for_storage(instance)
        self.setup_traffic = 0.0
        for shift in SHIFTS:
            self.fill(instance, factor)
            np.multiply(self.diagonal, 1.0 + shift, out=self.diagonal)
            done = kernels.factor(
                layout.order, layout.sequence, layout.width, layout.lower_begin, layout.columns, layout.mirror,
                layout.upper_begin, self.diagonal,
                self.values, self.inverse, self.work, layout.has_triangles,
            )  # fmt: skip
            self.setup_traffic += (10.0 + 3.5 * self.values.itemsize) * self.values.size + 60.0 * self.size
            if done == self.size and np.isfinite(self.inverse).all():
                self.shift = shift
                np.multiply(self.inverse, factor, out=self.inverse)
                return
        self.fall_back(instance)
        raise Breakdown(f"incomplete LU: a pivot vanishes, even with the diagonal {1 + shift:g} times as large")

    def relax(self, instance: LinearInstance, omega: float) -> None:
        """Take L = L_A (D/omega)⁻¹, U = (D/omega)⁻¹ U_A and the diagonal D/omega of the splitting of A."""
        layout, count = self.layout, self.layout.lower_count
        self.fill(instance, 1.0)
        try:
            reciprocals(self.diagonal, omega, out=self.inverse)
        except Breakdown:
            self.fall_back(instance)
            raise
        triangular.scale_factors(layout.width, layout.columns, layout.upper_begin, self.inverse, self.values, count)
        self.setup_traffic = (8.0 + 3.0 * self.values.itemsize) * self.values.size + 60.0 * self.size


def _reusable(previous: Preconditioner | None, instance: LinearInstance) -> LUFactors | None:
    """The previous factors, if they are of the same pattern."""
    known = isinstance(previous, LUFactors) and previous.matrix_pattern is instance.pattern
    return previous if known and isinstance(previous, LUFactors) else None


def _factors(
    previous: LUFactors | None, instance: LinearInstance, storage: np.dtype[Any], pattern: FactorPattern | None = None
) -> LUFactors:
    """Factors whose arrays, or at least whose layout, are those of ``previous``."""
    dtype = instance.operator.dtype
    if previous is None:
        layout = Layout(pattern or FactorPattern.of(instance.pattern), instance.threads, backward_by_width=True)
    elif previous.values.dtype == storage and previous.dtype == dtype:
        return previous
    else:
        layout = previous.layout
    return LUFactors(instance.pattern, layout, dtype, storage)


class IncompleteLU(Family):
    """incomplete LU factors without fill.

    ILU(0) of Meijerink and van der Vorst (1977) in natural order. Exists for every M- and H-matrix; elsewhere a pivot
    that vanishes against its row leads to a multiple of the diagonal being added, a few times. ``bits`` is the
    precision in which the factors are stored. Setup: levels once per pattern; new numbers take a few passes. An
    application moves 12 nnz + 68 n bytes, or 8 nnz + 68 n with ``bits=32``.
    """

    name = "ilu"
    symmetric = True
    parameters = ParameterSpace((BITS,))
    requires = "a diagonal without zeros"
    variants = SINGLE_AND_DOUBLE

    def accepts(self, traits: LinearTraits) -> bool:
        """No zero on the diagonal."""
        return traits.full_diagonal

    def build(self, instance: LinearInstance, values: Values, previous: Preconditioner | None = None) -> Preconditioner:
        """Factor A on its own pattern; for a known pattern only the numbers are computed."""
        storage = storage_type(instance.operator.dtype, values["bits"])
        known = _reusable(previous, instance)
        factors = _factors(known, instance, storage)
        factors.eliminate(instance)
        if known is None:
            factors.setup_traffic += 40.0 * instance.pattern.nnz + 100.0 * factors.size
        return factors


class ThresholdIncompleteLU(Family):
    """incomplete LU factors with the fill that a threshold admits.

    ILUT of Saad (1994): entries of row i below ``tau`` · ‖a_i‖ are dropped, and of the rest at most ``fill`` times as
    many are kept in each triangle as rows of A have there on average. The pattern found for one matrix is kept for
    later ones of the same pattern, of which only numbers are computed, until a factorization on it fails. Pivots that
    vanish are met as by ``ilu``. Setup: work like the square of the entries kept in a row. An application moves 12
    bytes a stored entry (8 with ``bits=32``) and 68 bytes a row.
    """

    name = "ilut"
    parameters = ParameterSpace((*DROPPING, BITS))
    requires = "a diagonal without zeros"
    variants = SINGLE_AND_DOUBLE

    def accepts(self, traits: LinearTraits) -> bool:
        """No zero on the diagonal."""
        return traits.full_diagonal

    def build(self, instance: LinearInstance, values: Values, previous: Preconditioner | None = None) -> Preconditioner:
        """Find a pattern and factor A on it, or refresh the numbers on the pattern found before."""
        storage = storage_type(instance.operator.dtype, values["bits"])
        known = _reusable(previous, instance)
        if known is not None:
            factors = _factors(known, instance, storage)
            try:
                factors.eliminate(instance)
            except Breakdown:
                pass
            else:
                return factors
        pattern, moved = _find_pattern(instance, values["tau"], values["fill"])
        factors = _factors(None, instance, storage, pattern)
        factors.eliminate(instance)
        factors.setup_traffic += moved
        return factors


class SymmetricOverRelaxation(Family):
    """one sweep of symmetric SOR.

    M = (D/omega + L) (D/omega)⁻¹ (D/omega + U), of Young (1971), up to a factor that Krylov methods do not see;
    symmetric Gauss–Seidel for omega = 1. For symmetric positive definite A, ``ssor_cg`` does the same at half the
    cost. Setup: levels once per pattern; new numbers take two passes. An application moves 12 nnz + 68 n bytes.
    """

    name = "ssor"
    symmetric = True
    parameters = ParameterSpace((RELAXATION,))
    requires = "a diagonal without zeros"

    def accepts(self, traits: LinearTraits) -> bool:
        """No zero on the diagonal."""
        return traits.full_diagonal

    def build(self, instance: LinearInstance, values: Values, previous: Preconditioner | None = None) -> Preconditioner:
        """Scale the triangles of A."""
        factors = _factors(_reusable(previous, instance), instance, storage_type(instance.operator.dtype, 64))
        factors.relax(instance, values["omega"])
        return factors


def _find_pattern(instance: LinearInstance, tau: float, fill: float) -> tuple[FactorPattern, float]:
    """The pattern of ILUT, and the bytes moved to find it."""
    pattern, dtype = instance.pattern, instance.operator.dtype
    size = pattern.size
    assert instance.diagonal is not None
    lower, upper = (capacity(fill * width, size) for width in mean_widths(pattern))
    room = size * capacity(lower + upper + 1.0, 2 * size + 1)
    indptr, position = np.empty(size + 1, dtype=np.uint32), np.empty(size, dtype=np.uint32)
    indices, factor = np.empty(room, dtype=np.uint32), np.empty(room, dtype=dtype)
    inverse, row = np.empty(size, dtype=dtype), np.empty(size, dtype=dtype)
    workspace: list[NDArray[np.uint32]] = [np.empty(size, dtype=np.uint32) for _ in range(4)]
    lowers, uppers, heap, marker = workspace
    lower_size, upper_size = np.empty(size), np.empty(size)
    moved = 0.0
    for shift in SHIFTS:
        done = kernels.find_pattern(
            pattern.indptr, pattern.indices, instance.data, pattern.position, (1.0 + shift) * instance.diagonal,
            tau, lower, upper, indptr, indices, position, factor, inverse, row,
            lowers, lower_size, uppers, upper_size, heap, marker,
        )  # fmt: skip
        moved += 12.0 * float(indptr[done]) * max(1.0, float(indptr[done]) / size) + 12.0 * pattern.nnz + 100.0 * size
        if done == size:
            found = indices[: indptr[-1]].copy()
            return FactorPattern.with_fill(indptr, found, position, pattern), moved
    raise Breakdown(f"incomplete LU: a pivot vanishes, even with the diagonal {1 + shift:g} times as large")
