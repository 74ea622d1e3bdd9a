"""A multigrid hierarchy: built from a matrix, refreshed with new numbers, applied as one symmetric V-cycle."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.errors import Breakdown
from reiterate.kernels import block_multigrid, galerkin, multigrid
from reiterate.kernels.lanes import EIGHT, FOUR
from reiterate.linear.coarsening import LevelPattern, Transfer
from reiterate.linear.galerkin import KnownProduct, first_product, restricted_diagonal, transposed
from reiterate.linear.instance import Vector
from reiterate.linear.pattern import Index, Pattern
from reiterate.linear.preconditioner import Preconditioner

Coarsen = Callable[[LevelPattern, Vector, Vector, "Transfer | None"], "Transfer | None"]
"""Chooses the transfer below a level from its numbers, its scale and the transfer above it."""

_COARSEST = 128  # unknowns whose dense inverse costs less than further levels
_STALLED = 0.9  # a coarse level that keeps more of the unknowns than this is not worth having
_DEEPEST = 64  # levels
_ROUNDING = 1e-13  # of a Galerkin diagonal, relative to what its terms add up to without cancellation
_RANK = 1e-12  # pivots of the coarsest matrix, whose diagonal is one, that count as zero
_SETUP_PASSES = 10.0  # over the entries of a level: Lanczos steps, prolongator, scaling
_FRESH = 3.3  # cost of a build over that of a refresh, as measured
_PLANNING = 1.3  # cost of the plans for products over that of a refresh, as measured

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
        self._products: list[KnownProduct] = []
        numbers = self._build(data, coarsen)
        self._lay_out()
        self._store(numbers)
        self.setup_traffic = _FRESH * self._refresh_traffic

    @property
    def level_sizes(self) -> list[int]:
        """Unknowns on each level, the finest first."""
        return [level.size for level in self._levels]

    def refresh(self, data: Vector) -> None:
        """Recompute all numbers for new ones in the same pattern; coarse unknowns and patterns are kept."""
        planned = bool(self._products)
        self._store(self._recompute(data))
        self.setup_traffic = (1.0 if planned else 1.0 + _PLANNING) * self._refresh_traffic

    def apply(self, r: NDArray[Any], z: NDArray[Any]) -> None:
        """Write M⁻¹ r to ``z``, shapes (n,)."""
        multigrid.cycle(
            *self._arrays, self._advance, self._inverse, self._scale, *self._workspace, self._left, self._sweeps, r, z
        )

    def apply_block(self, R: NDArray[np.float64], Z: NDArray[np.float64]) -> None:
        """Write M⁻¹ R to ``Z``, both of shape (n, 4) or (n, 8); the hierarchy is read once."""
        width = R.shape[1]
        if self._block_workspace.shape[2] != width:
            self.memory -= self._block_workspace.nbytes
            self._block_workspace = np.empty((*self._workspace.shape, width), dtype=self._storage)
            self.memory += self._block_workspace.nbytes
        block_multigrid.cycle(
            *self._arrays, self._inverse, self._scale, self._sweeps, *self._block_workspace, *np.empty((2, width)),
            R, Z,
            FOUR if width == len(FOUR) else EIGHT,
        )  # fmt: skip

    def block_traffic(self, width: int) -> float:
        """As for one column, with the hierarchy read once."""
        return self.traffic + (width - 1) * self._vector_traffic

    def _build(self, data: Vector, coarsen: Coarsen) -> _Numbers:
        """Find the levels; return the numbers of each: matrix, scale, prolongator."""
        numbers: _Numbers = []
        magnitude = np.abs(data[self.pattern.position])
        above: Transfer | None = None
        for depth in range(_DEEPEST):
            level = self._levels[depth]
            scale = _scale(level, data, magnitude)
            if level.size > _COARSEST:
                level.transfer = coarsen(level, data, scale, above)
                if level.transfer is not None and not 0 < level.transfer.coarse_size <= _STALLED * level.size:
                    level.transfer = None
            product = None
            while level.transfer is not None and product is None:
                weights = level.transfer.weights(level, data, scale, above)
                restriction = transposed(level.transfer, weights)
                product = first_product(level, level.transfer, data, restriction, weights)
                if product is None:
                    level.transfer = level.transfer.simplified()
            if level.transfer is None or product is None:
                return [*numbers, (data, scale, None)]
            numbers.append((data, scale, weights))
            magnitude = restricted_diagonal(scale, restriction)
            coarse_level, data = product
            self._levels.append(coarse_level)
            above = level.transfer
        raise Breakdown("multigrid: coarsening does not end")

    def _recompute(self, data: Vector) -> _Numbers:
        """The numbers of every level, on known levels."""
        if not self._products:
            self._products = [
                KnownProduct(level, level.transfer, coarse)
                for level, coarse in itertools.pairwise(self._levels)
                if level.transfer is not None
            ]
        numbers: _Numbers = []
        magnitude = np.abs(data[self.pattern.position])
        above: Transfer | None = None
        for level, product in itertools.zip_longest(self._levels, self._products):
            scale = _scale(level, data, magnitude)
            if level.transfer is None:
                numbers.append((data, scale, None))
                break
            weights = level.transfer.weights(level, data, scale, above)
            numbers.append((data, scale, weights))
            data, magnitude = product.compute(data, scale, weights)
            above = level.transfer
        return numbers

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
        self._advance = _joined([_advances(transfer) for transfer in transfers], dtype=np.uint8)
        self._left = np.empty(multigrid.BLOCK, dtype=self._storage)
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
        )  # fmt: skip
        self._account()

    def _account(self) -> None:
        """Bytes held and moved; what lies in the pattern of A is not counted as held."""
        own = (
            *self._patterns,
            self._advance,
            self._values,
            self._p_values,
            self._fine_values,
            self._inverse,
            self._scale,
        )
        kept = sum(array.nbytes for array in (*own, self._workspace, self._block_workspace))
        width = self._values.itemsize
        moved = 40.0 * self.size + self._inverse.nbytes
        self._vector_traffic = 40.0 * self.size
        kept += sum(product.memory for product in self._products)
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
                moved += 2.0 * weights * (width + 5.0)
                # A product makes w nnz(A) (w + 3) / 4 sums, w = nnz(P)/n, which lie in the cache.
                refresh += 12.0 * entries * _SETUP_PASSES + 40.0 * weights + 300.0 * level.size
                refresh += 4.0 * weights * entries / level.size * (weights / level.size + 3.0)
                kept += transfer.memory
        self.traffic, self.memory, self._refresh_traffic = moved, kept, refresh


def _joined(arrays: list[NDArray[Any]], dtype: type = np.uint32) -> NDArray[Any]:
    return np.concatenate([*arrays, np.empty(0, dtype=dtype)])


def _advances(transfer: Transfer) -> NDArray[np.uint8]:
    advance = np.empty(transfer.indices.size, dtype=np.uint8)
    multigrid.find_advances(transfer.indptr, advance)
    return advance


def _scale(level: LevelPattern, data: Vector, magnitude: Vector) -> Vector:
    scale = np.empty(level.size)
    negative = galerkin.diagonal_scale(data, level.position, magnitude, _ROUNDING, scale)
    if negative:
        raise Breakdown(
            f"multigrid: {negative} diagonal entries of a level of {level.size} unknowns are negative or not finite; "
            "A is not positive definite"
        )
    return scale


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
