"""A multigrid hierarchy: built from a matrix, refreshed with new numbers, applied as one symmetric V-cycle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.errors import Breakdown
from reiterate.kernels import block_multigrid, csr, galerkin, multigrid
from reiterate.kernels.lanes import EIGHT, FOUR
from reiterate.linear.coarsening import LevelPattern, Transfer
from reiterate.linear.instance import Vector
from reiterate.linear.pattern import Index, Pattern
from reiterate.linear.preconditioner import Preconditioner

Coarsen = Callable[[LevelPattern, Vector, Vector, "Transfer | None"], "Transfer | None"]
"""Chooses the transfer below a level from its numbers, its scale and the transfer above it."""

_COARSEST = 128  # unknowns whose dense inverse costs less than further levels
_STALLED = 0.9  # a coarse level that keeps more of the unknowns than this is not worth having
_DENSEST = 4.0  # entries of a coarse matrix over those of the fine one: beyond, the product would exhaust memory
_ROUNDING = 1e-13  # of a Galerkin diagonal, relative to what its terms add up to without cancellation
_RANK = 1e-12  # pivots of the coarsest matrix, whose diagonal is one, that count as zero
_SETUP_PASSES = 10.0  # over the entries of a level: Lanczos steps, prolongator, scaling
_FRESH = 2.0  # cost of a build over that of a refresh, as measured

_Numbers = list[tuple[Vector, Vector, "Vector | None"]]


class MultigridPreconditioner(Preconditioner):
    """M⁻¹ = one V-cycle from zero with forward, then backward Gauss-Seidel on every level.

    The hierarchy is set up in float64 and stored in ``storage``, float64 or float32, scaled to a unit diagonal on
    every level, so that single precision holds matrices of any units. The coarsest level is a dense inverse, a
    generalized one where the matrix is singular; where coarsening ends early it is Gauss-Seidel.
    """

    takes_blocks = True
    _block_workspace: NDArray[Any]
    _refresh_traffic: float
    _vector_traffic: float

    def __init__(
        self, pattern: Pattern, data: Vector, coarsen: Coarsen, *, sweeps: int, storage: type[np.floating[Any]]
    ) -> None:
        self.pattern = pattern
        self.size = pattern.size
        self._sweeps = sweeps
        self._storage = storage
        self._levels = [LevelPattern(0, pattern.indptr, pattern.indices, pattern.position)]
        numbers = self._compute(data, coarsen)
        self._lay_out()
        self._store(numbers)
        self.setup_traffic = _FRESH * self._refresh_traffic

    @property
    def level_sizes(self) -> list[int]:
        """Unknowns on each level, the finest first."""
        return [level.size for level in self._levels]

    def refresh(self, data: Vector) -> None:
        """Recompute all numbers for new ones in the same pattern; coarse unknowns and patterns are kept."""
        self._store(self._compute(data, None))
        self.setup_traffic = self._refresh_traffic

    def apply(self, r: NDArray[Any], z: NDArray[Any]) -> None:
        """Write M⁻¹ r to ``z``, shapes (n,)."""
        multigrid.cycle(*self._arrays, *self._workspace, self._sweeps, r, z)

    def apply_block(self, R: NDArray[np.float64], Z: NDArray[np.float64]) -> None:
        """Write M⁻¹ R to ``Z``, both of shape (n, 4) or (n, 8); the hierarchy is read once."""
        width = R.shape[1]
        if self._block_workspace.shape[2] != width:
            self.memory -= self._block_workspace.nbytes
            self._block_workspace = np.empty((*self._workspace.shape, width), dtype=self._storage)
            self.memory += self._block_workspace.nbytes
        block_multigrid.cycle(
            *self._arrays, self._sweeps, *self._block_workspace, *np.empty((2, width)), R, Z,
            FOUR if width == len(FOUR) else EIGHT,
        )  # fmt: skip

    def block_traffic(self, width: int) -> float:
        """As for one column, with the hierarchy read once."""
        return self.traffic + (width - 1) * self._vector_traffic

    def _compute(self, data: Vector, coarsen: Coarsen | None) -> _Numbers:
        """The numbers of every level: matrix, scale, prolongator. With ``coarsen`` the levels are found as well."""
        numbers: _Numbers = []
        magnitude = np.abs(data[self.pattern.position])
        above: Transfer | None = None
        for depth in range(64):
            level = self._levels[depth]
            scale = _scale(level, data, magnitude)
            if coarsen is not None and level.size > _COARSEST:
                level.transfer = coarsen(level, data, scale, above)
                if level.transfer is not None and not 0 < level.transfer.coarse_size <= _STALLED * level.size:
                    level.transfer = None
            weights = coarse_data = None
            while level.transfer is not None and coarse_data is None:
                weights = level.transfer.weights(level, data, scale, above)
                restriction = _transpose(level.transfer, weights)
                if coarsen is None:
                    coarse_data = _refreshed_product(level, data, restriction, weights, self._levels[depth + 1])
                    break
                product = _product(level, data, restriction, weights)
                if product is None:
                    level.transfer = level.transfer.simplified()
                    continue
                coarse_level, coarse_data = product
                self._levels.append(coarse_level)
            if level.transfer is None or coarse_data is None:
                return [*numbers, (data, scale, None)]
            numbers.append((data, scale, weights))
            magnitude = np.empty(level.transfer.coarse_size)
            galerkin.restricted_diagonal(scale, *restriction, magnitude)
            above, data = level.transfer, coarse_data
        raise Breakdown("multigrid: coarsening does not end")

    def _lay_out(self) -> None:
        """Bring the patterns of all levels into flat arrays, and allocate those of the numbers."""
        levels, transfers = self._levels, [level.transfer for level in self._levels if level.transfer is not None]
        self._table = table = np.zeros((len(levels), 7), dtype=np.int64)
        table[:, multigrid.SIZE] = [level.size for level in levels]
        table[1:, multigrid.ROWS] = np.cumsum(table[:-1, multigrid.SIZE])
        table[2:, multigrid.POINTERS] = np.cumsum([level.size + 1 for level in levels[1:-1]])
        table[2:, multigrid.ENTRIES] = np.cumsum([level.indices.size for level in levels[1:-1]])
        table[1:-1, multigrid.WEIGHT_POINTERS] = np.cumsum([transfer.indptr.size for transfer in transfers[:-1]])
        table[1:-1, multigrid.WEIGHTS] = np.cumsum([transfer.indices.size for transfer in transfers[:-1]])
        table[:, multigrid.BANDWIDTH] = [level.bandwidth for level in levels]
        finest = levels[0]
        self._fine_values = np.empty(finest.indices.size, dtype=self._storage)
        flat = [_joined([getattr(level, name) for level in levels[1:]]) for name in ("indptr", "indices", "position")]
        self._values = np.empty(flat[1].size, dtype=self._storage)
        p_indptr, p_indices = (_joined([getattr(t, name) for t in transfers]) for name in ("indptr", "indices"))
        self._p_values = np.empty(p_indices.size, dtype=self._storage)
        self._share_patterns(flat, p_indptr, p_indices)
        total = int(table[:, multigrid.SIZE].sum())
        workspace = np.empty((2, total), dtype=self._storage)
        self._scale = np.empty(self.size)
        self._inverse = np.zeros((0, 0), dtype=self._storage)
        self._patterns = (*flat, p_indptr, p_indices)
        self._workspace = workspace
        self._block_workspace = np.empty((2, total, 0), dtype=self._storage)

    def _share_patterns(self, flat: list[Index], p_indptr: Index, p_indices: Index) -> None:
        """Let the levels' patterns be parts of the flat arrays, so that nothing is held twice."""
        for row, level in zip(self._table, self._levels, strict=True):
            size, rows, pointer, entry, weight_pointer, weight, _ = (int(v) for v in row)
            if rows:
                rest = rows - self.size
                level.indptr = flat[0][pointer : pointer + size + 1]
                level.indices = flat[1][entry : entry + level.indices.size]
                level.position = flat[2][rest : rest + size]
            if level.transfer is not None:
                level.transfer.indptr = p_indptr[weight_pointer : weight_pointer + size + 1]
                level.transfer.indices = p_indices[weight : weight + level.transfer.indices.size]

    def _store(self, numbers: _Numbers) -> None:
        """Scale every level's numbers to a unit diagonal and keep them in the storage precision."""
        if self._levels[-1].size <= _COARSEST:  # first, because it may break down
            self._inverse = _inverse(self._levels[-1], *numbers[-1][:2]).astype(self._storage)
        for depth, (level, (data, scale, weights)) in enumerate(zip(self._levels, numbers, strict=True)):
            row = self._table[depth]
            entry, weight = int(row[multigrid.ENTRIES]), int(row[multigrid.WEIGHTS])
            values = self._values[entry : entry + data.size] if depth else self._fine_values
            galerkin.scale_matrix(*level.arrays, data, scale, values)
            if level.transfer is not None:
                transfer, target = level.transfer, self._p_values[weight : weight + level.transfer.indices.size]
                coarse_scale = numbers[depth + 1][1]
                galerkin.scale_prolongator(transfer.indptr, transfer.indices, weights, scale, coarse_scale, target)
        self._scale[:] = numbers[0][1]
        indptr, indices, position, p_indptr, p_indices = self._patterns
        finest = self._levels[0]
        self._arrays = (
            self._table, finest.indptr, finest.indices, finest.position, self._fine_values,
            indptr, indices, position, self._values, p_indptr, p_indices, self._p_values,
            self._inverse, self._scale,
        )  # fmt: skip
        self._account()

    def _account(self) -> None:
        """Bytes held and moved; what lies in the pattern of A is not counted as held."""
        own = (*self._patterns, self._values, self._p_values, self._fine_values, self._inverse, self._scale)
        kept = sum(array.nbytes for array in (*own, self._workspace, self._block_workspace))
        width = self._values.itemsize
        moved = 40.0 * self.size + self._inverse.nbytes
        self._vector_traffic = 40.0 * self.size
        refresh = 0.0
        for level in self._levels:
            entries, transfer = level.indices.size, level.transfer
            if transfer is None and self._inverse.size:
                continue
            passes = 2 * self._sweeps + (1 if self._sweeps > 1 or transfer is None else 0)
            moved += passes * entries * (width + 4.0) + level.size * (16.0 + 6.0 * width)
            self._vector_traffic += level.size * 6.0 * width
            if transfer is not None:
                weights = transfer.indices.size
                moved += 2.0 * (weights * (width + 4.0) + 4.0 * level.size)
                refresh += 12.0 * entries * _SETUP_PASSES + 60.0 * weights + 400.0 * level.size
                # Every coarse row reads the rows of A that it restricts, a third as many rows of P, and for each
                # entry of either updates a mark and a sum.
                visited = weights * entries / level.size
                refresh += 36.0 * visited * (1.0 + weights / (3.0 * level.size))
                kept += transfer.memory
        self.traffic, self.memory, self._refresh_traffic = moved, kept, refresh


def _joined(arrays: list[Index]) -> Index:
    return np.concatenate([*arrays, np.empty(0, dtype=np.uint32)])


def _scale(level: LevelPattern, data: Vector, magnitude: Vector) -> Vector:
    scale = np.empty(level.size)
    negative = galerkin.diagonal_scale(data, level.position, magnitude, _ROUNDING, scale)
    if negative:
        raise Breakdown(
            f"multigrid: {negative} diagonal entries of a level of {level.size} unknowns are negative or not finite; "
            "A is not positive definite"
        )
    return scale


def _transpose(transfer: Transfer, weights: Vector) -> tuple[Index, Index, Vector]:
    indptr = np.empty(transfer.coarse_size + 1, dtype=np.uint32)
    indices, data = np.empty(weights.size, dtype=np.uint32), np.empty(weights.size)
    galerkin.transpose(transfer.indptr, transfer.indices, weights, indptr, indices, data)
    return indptr, indices, data


def _product(
    level: LevelPattern, data: Vector, restriction: Any, weights: Vector
) -> tuple[LevelPattern, Vector] | None:
    """Pattern and numbers of Pᵀ A P; ``None`` where it would be too dense."""
    transfer = level.transfer
    assert transfer is not None
    size = transfer.coarse_size
    stamp, found = np.zeros(level.size, dtype=np.uint32), np.empty(level.size, dtype=np.uint32)
    sums, coarse_sums = np.empty(level.size), np.zeros(size)
    coarse_stamp, indptr = np.zeros(size, dtype=np.uint32), np.empty(size + 1, dtype=np.uint32)
    most = int(_DENSEST * data.size) + 1000
    capacity = min(most, data.size + 1000)
    indices, values = np.empty(capacity, dtype=np.uint32), np.empty(capacity)
    done = 0
    while True:
        done = galerkin.galerkin_product(
            *level.arrays, data, *restriction, transfer.indptr, transfer.indices, weights,
            done, stamp, sums, found, coarse_stamp, coarse_sums, indptr, indices, values,
        )  # fmt: skip
        if done == size:
            break
        if indices.size == most:
            return None
        longer = min(most, 2 * indices.size)
        indices, values = np.resize(indices, longer), np.resize(values, longer)
    count = int(indptr[-1])
    # The product is symmetric, so its transpose is itself with sorted rows.
    sorted_indptr, sorted_indices = np.empty_like(indptr), np.empty(count, dtype=np.uint32)
    sorted_values, position = np.empty(count), np.empty(size, dtype=np.uint32)
    galerkin.transpose(indptr, indices, values, sorted_indptr, sorted_indices, sorted_values)
    csr.find_diagonal(sorted_indptr, sorted_indices, position)
    return LevelPattern(level.depth + 1, sorted_indptr, sorted_indices, position), sorted_values


def _refreshed_product(
    level: LevelPattern, data: Vector, restriction: Any, weights: Vector, coarse: LevelPattern
) -> Vector:
    transfer = level.transfer
    assert transfer is not None
    stamp, found = np.zeros(level.size, dtype=np.uint32), np.empty(level.size, dtype=np.uint32)
    sums, coarse_sums = np.empty(level.size), np.zeros(coarse.size)
    values = np.empty(coarse.indices.size)
    galerkin.refresh_galerkin_product(
        *level.arrays, data, *restriction, transfer.indptr, transfer.indices, weights,
        stamp, sums, found, coarse_sums, *coarse.arrays, values,
    )  # fmt: skip
    return values


def _inverse(level: LevelPattern, data: Vector, scale: Vector) -> Vector:
    """The inverse of the scaled coarsest matrix; where it is singular, a semidefinite generalized inverse."""
    dense = np.zeros((level.size, level.size))
    rows = np.repeat(np.arange(level.size), np.diff(level.indptr))
    dense[rows, level.indices] = data * scale[rows] * scale[level.indices]
    if not multigrid.invert_semidefinite(dense, _RANK, np.empty_like(dense)):
        raise Breakdown("multigrid: the coarsest matrix has a negative pivot; A is not positive definite")
    if not np.all(np.isfinite(dense)):
        raise Breakdown("multigrid: overflow in the coarsest matrix")
    return dense
