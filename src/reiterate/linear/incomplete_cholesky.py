"""Incomplete Cholesky preconditioners: without fill, and with the fill that a threshold admits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.configuration import Parameter, ParameterSpace
from reiterate.contracts import Values
from reiterate.errors import Breakdown
from reiterate.kernels import incomplete_cholesky as kernels
from reiterate.kernels import triangular
from reiterate.linear.instance import LinearInstance
from reiterate.linear.pattern import Index, Pattern
from reiterate.linear.preconditioner import Family, Preconditioner
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

MODIFICATION = Parameter("modification", low=-1.0, high=1.0, default=0.0, search=(0.0, 0.97), points=2)


class CholeskyFactors(TriangularFactors):
    """M = (I + L) D (I + Lᴴ) with a positive D, on a pattern that is kept."""

    def __init__(self, matrix_pattern: Pattern, layout: Layout, dtype: np.dtype[Any], storage: np.dtype[Any]) -> None:
        super().__init__(layout, dtype, storage)
        self.matrix_pattern = matrix_pattern
        self._real = [np.empty(layout.size) for _ in range(4)]
        self._row_sum = np.empty(layout.size, dtype=dtype)
        self.memory += 32 * layout.size + self._row_sum.nbytes

    @property
    def scaling(self) -> list[NDArray[np.float64]]:
        """D in level order, which the next factorization overwrites, and two vectors to work in."""
        return self._real[:3]

    def refresh(self, instance: LinearInstance, modification: float) -> None:
        """Factor the instance's matrix, whose pattern is known, with the smallest shift that succeeds."""
        layout = self.layout
        factor = self.scale_for_storage(instance)
        pivots, kept, diagonal, stored = self._real
        self.setup_traffic = 0.0
        attempts = [(modification, shift) for shift in SHIFTS]
        if modification > 0.0:
            # Where unknowns are badly scaled, what is added to a diagonal can exceed it beyond any shift's help.
            attempts += [(0.0, shift) for shift in SHIFTS]
        for modified, shift in attempts:
            self.fill(instance, factor, upper_only=True)
            np.multiply(self.diagonal.real, 1.0 + shift, out=diagonal)
            done = kernels.factor(
                layout.order, layout.sequence, layout.width, layout.lower_begin, layout.columns, layout.mirror,
                layout.upper_begin, diagonal, self.values,
                pivots, self.work, self._row_sum, kept, stored, modified, layout.has_triangles,
            )  # fmt: skip
            self.setup_traffic += (10.0 + 2.5 * self.values.itemsize) * self.values.size + 60.0 * self.size
            if done == self.size:
                self.shift = shift
                try:
                    reciprocals(pivots, factor, out=self.inverse)
                except Breakdown:
                    self._give_up(instance, pivots)
                    raise
                np.divide(pivots, factor, out=pivots)
                return
        self._give_up(instance, pivots)
        raise Breakdown(
            f"incomplete Cholesky: a pivot is not positive, even with the diagonal {1 + shift:g} times as large"
        )

    def _give_up(self, instance: LinearInstance, pivots: NDArray[np.float64]) -> None:
        self.fall_back(instance)
        np.divide(1.0, self.inverse.real, out=pivots)


def _reusable(
    previous: Preconditioner | None, instance: LinearInstance, storage: np.dtype[Any]
) -> CholeskyFactors | None:
    """The previous factors, or others with their layout, if they are of the same pattern."""
    if not isinstance(previous, CholeskyFactors) or previous.matrix_pattern is not instance.pattern:
        return None
    if previous.values.dtype == storage:
        return previous
    return CholeskyFactors(instance.pattern, previous.layout, instance.operator.dtype, storage)


class IncompleteCholesky(Family):
    """an incomplete Cholesky factor without fill.

    IC(0) of Meijerink and van der Vorst (1977); with ``modification`` towards 1, MIC(0) of Gustafsson (1978), relaxed
    as by Axelsson and Lindskog (1986), which for elliptic problems takes √κ from O(1/h) towards O(1/√h); values below
    0 strengthen the diagonal instead. IC(0) exists for every M- and H-matrix; elsewhere a pivot that is not positive
    leads to a shift of the diagonal (Manteuffel 1980), a few times, and at last to no modification. ``bits`` is the
    precision in which L is stored. Setup: levels once per pattern; new numbers take a few passes. An application
    moves 12 nnz + 64 n bytes, or 8 nnz + 64 n with ``bits=32``.
    """

    name = "ic"
    parameters = ParameterSpace((MODIFICATION, BITS))
    requires = "a Hermitian positive definite matrix"
    variants = SINGLE_AND_DOUBLE
    definite = True

    def accepts(self, traits: LinearTraits) -> bool:
        """Hermitian, positive diagonal, and nothing seen that speaks against definiteness."""
        return traits.maybe_definite

    def build(self, instance: LinearInstance, values: Values, previous: Preconditioner | None = None) -> Preconditioner:
        """Factor A on its own pattern; for a known pattern only the numbers are computed."""
        storage = storage_type(instance.operator.dtype, values["bits"])
        factors = _reusable(previous, instance, storage)
        known = factors is not None
        if factors is None:
            layout = Layout(FactorPattern.of(instance.pattern), instance.threads)
            factors = CholeskyFactors(instance.pattern, layout, instance.operator.dtype, storage)
        factors.refresh(instance, values["modification"])
        if not known:
            factors.setup_traffic += 40.0 * instance.pattern.nnz + 100.0 * factors.size
        return factors


class ThresholdIncompleteCholesky(Family):
    """an incomplete Cholesky factor with the fill that a threshold admits.

    The double rule of Saad (1994) on rows of the upper triangle: entries below ``tau`` · √(a_ii a_jj) are dropped, and
    of the rest at most ``fill`` times as many as rows of A have on average are kept. The pattern found for one matrix
    is kept for later ones of the same pattern, of which only numbers are computed, until a factorization on it fails.
    Pivots that are not positive are met as by ``ic``. Setup: work like the square of the entries kept in a row. An
    application moves 12 bytes a stored entry (8 with ``bits=32``) and 64 bytes a row.
    """

    name = "ict"
    parameters = ParameterSpace((*DROPPING, BITS))
    requires = "a Hermitian positive definite matrix"
    variants = SINGLE_AND_DOUBLE
    definite = True

    def accepts(self, traits: LinearTraits) -> bool:
        """Hermitian, positive diagonal, and nothing seen that speaks against definiteness."""
        return traits.maybe_definite

    def build(self, instance: LinearInstance, values: Values, previous: Preconditioner | None = None) -> Preconditioner:
        """Find a pattern and factor A on it, or refresh the numbers on the pattern found before."""
        dtype = instance.operator.dtype
        storage = storage_type(dtype, values["bits"])
        factors = _reusable(previous, instance, storage)
        if factors is not None:
            try:
                factors.refresh(instance, 0.0)
            except Breakdown:
                pass
            else:
                return factors
        pattern, moved = _find_pattern(instance, values["tau"], values["fill"])
        factors = CholeskyFactors(instance.pattern, Layout(pattern, instance.threads), dtype, storage)
        factors.refresh(instance, 0.0)
        factors.setup_traffic += moved
        return factors


def _find_pattern(instance: LinearInstance, tau: float, fill: float) -> tuple[FactorPattern, float]:
    """The pattern of a threshold factor, and the bytes moved to find it."""
    pattern, dtype = instance.pattern, instance.operator.dtype
    size = pattern.size
    assert instance.diagonal is not None
    most = capacity(fill * mean_widths(pattern)[1], size)
    indptr = np.empty(size + 1, dtype=np.uint32)
    indices = np.empty(size * most, dtype=np.uint32)
    upper, row = np.empty(size * most, dtype=dtype), np.zeros(size, dtype=dtype)
    pivots, magnitude = np.empty(size), np.empty(size)
    workspace: list[NDArray[np.uint32]] = [np.empty(size, dtype=np.uint32) for _ in range(5)]
    candidates, *rest = workspace
    moved = 0.0
    for shift in SHIFTS:
        diagonal = (1.0 + shift) * instance.diagonal.real
        done = kernels.find_pattern(
            pattern.indptr, pattern.indices, instance.data, pattern.position, diagonal, tau, most,
            indptr, indices, upper, pivots, row, candidates, magnitude, *rest,
        )  # fmt: skip
        moved += 24.0 * float(indptr[done]) * max(1.0, float(indptr[done]) / size) + 12.0 * pattern.nnz + 100.0 * size
        if done == size:
            return _reflect(indptr, indices[: indptr[-1]], pattern), moved
    raise Breakdown(
        f"incomplete Cholesky: a pivot is not positive, even with the diagonal {1 + shift:g} times as large"
    )


def _reflect(upper_indptr: Index, upper_indices: Index, pattern: Pattern) -> FactorPattern:
    """The rows of an upper triangle as a pattern with its mirror image and the diagonal."""
    size = pattern.size
    indptr, position = np.empty(size + 1, dtype=np.uint32), np.empty(size, dtype=np.uint32)
    indices = np.empty(size + 2 * upper_indices.size, dtype=np.uint32)
    triangular.reflect(upper_indptr, upper_indices, indptr, indices, position)
    return FactorPattern.with_fill(indptr, indices, position, pattern)
