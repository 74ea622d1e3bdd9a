"""Conjugate gradients in Eisenstat's form in lock step, for SSOR and for incomplete Cholesky factors alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.kernels import block_eisenstat_cg as kernels
from reiterate.kernels import eisenstat_cg, levels
from reiterate.linear import team
from reiterate.linear.block import BlockInstance
from reiterate.linear.block_cg import narrow_width
from reiterate.linear.instance import LinearInstance
from reiterate.linear.lock_step import Recurrence
from reiterate.linear.pattern import Index
from reiterate.linear.remaining import nothing_kept
from reiterate.linear.vectors import Vector

Triangle = tuple[Index, Index, Index, NDArray[Any]]
"""Pieces, steps, columns and values in the order of a sweep."""


class EisenstatRecurrence(Recurrence):
    """With M = (D + A_L) D⁻¹ (D + A_U) for a positive diagonal D, see :mod:`reiterate.kernels.eisenstat_cg`.

    An iteration of m columns moves 12 nnz + (16 + 104 m) n bytes.

    Parameters
    ----------
    instance
    order, rank : uint32 arrays of shape (n,)
        Rows in level order, and the place of each row.
    parts : int
        Into which the sweeps are divided.
    pivots : array of shape (n,)
        D in level order.
    triangles
        Given D^(-1/2) in level order, the strict triangles of A, scaled by it from both sides; lower and upper.
    """

    def __init__(
        self, instance: BlockInstance, order: Index, rank: Index, parts: int, pivots: Vector,
        triangles: Callable[[Vector], tuple[Triangle, Triangle]],
    ) -> None:  # fmt: skip
        width = narrow_width(instance)
        super().__init__(instance, width, kept=5, begun=3, spare=0)
        size = instance.pattern.size
        self._order, self._rank, self._parts, self._pivots = order, rank, parts, pivots
        self._sums = team.partial_sums(parts)
        self._diagonal, self._scaling, self._delta, self._natural = (np.empty(size) for _ in range(4))
        assert instance.diagonal is not None
        levels.permute(instance.diagonal, order, self._diagonal)
        eisenstat_cg.scale(self._diagonal, pivots, self._scaling, self._delta, *self.vectors[:2])
        self._lower, self._upper = triangles(self._scaling)
        self.fewest = width // 2 + 1
        entries = 12.0 * (self._lower[3].size + self._upper[3].size)
        self.bytes_together = entries + (16.0 + 104.0 * width) * size
        self.bytes_alone = entries + 128.0 * size

    def start(self, column: LinearInstance, x: Vector) -> tuple[float, float]:
        """Write the state of a column at ``x`` to ``vectors``, scaled and in level order."""
        own, r, s, g, p = self.vectors
        s[:] = 0.0  # entries that only pad a row read it before it is written
        square = column.operator.residual(x, column.b, self._natural)
        levels.permute(x, self._order, own)
        levels.permute(self._natural, self._order, r)
        eisenstat_cg.scale(self._diagonal, self._pivots, self._scaling, self._delta, own, r)
        return float(square), float(eisenstat_cg.start(*self._lower, r, s, g, p))

    def together(self, iterations: int) -> int:
        """Iterate on all columns until one stops."""
        made: int = kernels.advance(
            *self._lower, *self._upper, self._delta, self._pivots, *self.blocks, self.alpha, self.beta, self.squares,
            self.weighted, self.next_weighted, self.thresholds, self.code, iterations, self.lanes,
        )  # fmt: skip
        return made

    def alone(self, slot: int, iterations: int) -> int:
        """Iterate on one column, by several threads where there are."""
        made, self.squares[slot], self.weighted[slot], self.beta[slot], self.code[slot] = team.call(
            self._parts, eisenstat_cg.advance, *self._lower, *self._upper, self._delta, self._pivots, *self.vectors,
            self.squares[slot], self.weighted[slot], self.beta[slot], self.thresholds[slot], iterations, self._sums,
            nothing_kept(),
        )  # fmt: skip
        return int(made)

    def iterate_of(self, vector: Vector) -> Vector:
        """The iterate in natural order, without the scaling."""
        natural = np.empty_like(vector)
        levels.permute(vector * self._scaling, self._rank, natural)
        return natural
