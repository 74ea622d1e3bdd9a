"""Conjugate gradients in lock step: preconditioned by a diagonal, or by what can be applied to a block."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Progress, Stop
from reiterate.kernels import block as kernels
from reiterate.kernels import cg, codes, vectors
from reiterate.linear import team
from reiterate.linear.block import Block, BlockInstance
from reiterate.linear.instance import LinearInstance
from reiterate.linear.lock_step import FEWEST, Recurrence, iterate_in_lock_step
from reiterate.linear.preconditioner import Preconditioner
from reiterate.linear.remaining import nothing_kept
from reiterate.linear.vectors import Vector
from reiterate.linear.work import traffic

_MANY_ENTRIES: Final = 16.0  # a row; below, eight columns at once read little less than four, and need more cache
_EIGHT_FROM: Final = 6  # columns that are worth eight places


class _DiagonalRecurrence(Recurrence):
    """With a diagonal, and all updates fused into three passes."""

    def __init__(self, instance: BlockInstance, inverse_diagonal: NDArray[np.float64], width: int) -> None:
        super().__init__(instance, width, kept=3, begun=3, spare=1)
        self._inverse_diagonal = inverse_diagonal
        self._matrix = (instance.pattern.indptr, instance.pattern.indices, instance.data)
        self.fewest = width // 2 + 1
        self.bytes_together = traffic(instance.pattern, entries=1.0, row_bytes=12.0 + 88.0 * width)
        self.bytes_alone = traffic(instance.pattern, entries=1.0, row_bytes=100.0)

    def start(self, column: LinearInstance, x: Vector) -> tuple[float, float]:
        own, r, p, _ = self.vectors
        own[:] = x
        square, weighted = cg.jacobi_cg_start(*self._matrix, column.b, own, self._inverse_diagonal, r, p)
        return float(square), float(weighted)

    def together(self, iterations: int) -> int:
        made: int = kernels.advance(
            *self._matrix, self._inverse_diagonal, *self.blocks, self.alpha, self.beta, self.squares, self.weighted,
            self.next_weighted, self.thresholds, self.code, iterations, self.lanes,
        )  # fmt: skip
        return made

    def alone(self, slot: int, iterations: int) -> int:
        pattern, threads = self.instance.pattern, self.instance.threads
        made, self.squares[slot], self.weighted[slot], self.code[slot] = team.call(
            threads, cg.jacobi_cg_advance, *self._matrix, self._inverse_diagonal, *self.vectors, self.squares[slot],
            self.weighted[slot], self.thresholds[slot], iterations, pattern.row_bounds(threads),
            team.partial_sums(threads), nothing_kept(),
        )  # fmt: skip
        return int(made)


class _PreconditionedRecurrence(Recurrence):
    """With a preconditioner that takes blocks."""

    def __init__(self, instance: BlockInstance, preconditioner: Preconditioner, width: int) -> None:
        super().__init__(instance, width, kept=3, begun=2, spare=2)
        self._preconditioner = preconditioner
        self._matrix = (instance.pattern.indptr, instance.pattern.indices, instance.data)
        self.fewest = width // 4 + 1
        product = traffic(instance.pattern, entries=1.0, row_bytes=4.0 + 104.0 * width)
        self.bytes_together = product + preconditioner.block_traffic(width)
        self.bytes_alone = traffic(instance.pattern, entries=1.0, row_bytes=108.0) + preconditioner.traffic

    def start(self, column: LinearInstance, x: Vector) -> tuple[float, float]:
        own, r, *_ = self.vectors
        own[:] = x
        return float(column.operator.residual(own, column.b, r)), math.inf  # the first direction forgets the last one

    def together(self, iterations: int) -> int:
        X, R, P, Q, Z = self.blocks
        code, lanes = self.code, self.lanes
        for made in range(iterations):
            self._preconditioner.apply_block(R, Z)
            kernels.dots(R, Z, self.next_weighted, lanes)
            stopped = kernels.choose_turns(self.weighted, self.next_weighted, code, self.beta, (Z, P))
            kernels.turn(self.beta, Z, P, lanes)
            kernels.product_dots(*self._matrix, P, Q, self.next_weighted, lanes)
            stopped = kernels.choose_steps(self.weighted, self.next_weighted, code, self.alpha, (P, Q)) or stopped
            kernels.step(self.alpha, P, Q, X, R, self.squares, lanes)
            if kernels.judge_residuals(self.squares, self.thresholds, code, (R, P)) or stopped:
                return made + 1
        return iterations

    def alone(self, slot: int, iterations: int) -> int:
        x, r, p, q, z = self.vectors
        operator = self.instance.operator
        for made in range(iterations):
            self._preconditioner.apply(r, z)
            weighted = vectors.dot(r, z)
            if not 0.0 < weighted < np.inf:
                self.code[slot] = codes.PRECONDITIONER_NOT_DEFINITE if weighted <= 0.0 else codes.NOT_FINITE
                return made
            vectors.turn(weighted / self.weighted[slot], z, p)
            self.weighted[slot] = weighted
            curvature = operator.apply_dot(p, q)
            if not 0.0 < curvature < np.inf:
                self.code[slot] = codes.NOT_DEFINITE if curvature <= 0.0 else codes.NOT_FINITE
                return made
            square = self.squares[slot] = vectors.step(self.weighted[slot] / curvature, p, q, x, r)
            if square <= self.thresholds[slot] or not square < np.inf:
                self.code[slot] = codes.CONVERGED if square <= self.thresholds[slot] else codes.NOT_FINITE
                return made + 1
        return iterations


def iterate_with_diagonal(
    instance: BlockInstance, inverse_diagonal: NDArray[np.float64], x: Block, stop: Stop
) -> Progress:
    """Conjugate gradients with a diagonal preconditioner from ``x``, which is left as it is.

    An iteration of m = 4 or 8 columns moves 12 nnz + (32 + 88 m) n bytes, that of one alone 12 nnz + 100 n. Memory:
    4 m + 4 vectors.

    Parameters
    ----------
    instance
    inverse_diagonal : array of shape (n,)
        Of the preconditioner; ones for none.
    x : array of shape (n, k)
    stop
    """
    return iterate_in_lock_step(_DiagonalRecurrence(instance, inverse_diagonal, narrow_width(instance)), x, stop)


def iterate_with_preconditioner(
    instance: BlockInstance, preconditioner: Preconditioner, x: Block, stop: Stop
) -> Progress | None:
    """Conjugate gradients from ``x``, shape (n, k), which is left as it is; ``None`` where blocks gain nothing.

    An iteration of m = 4 or 8 columns moves 12 nnz + (24 + 104 m) n bytes and what the preconditioner takes. Memory:
    5 m + 5 vectors, and what the preconditioner holds for m columns.
    """
    if instance.traits.complex or not instance.traits.entries or x.shape[1] < FEWEST or not preconditioner.takes_blocks:
        return None
    width = 8 if x.shape[1] >= _EIGHT_FROM else 4
    return iterate_in_lock_step(_PreconditionedRecurrence(instance, preconditioner, width), x, stop)


def narrow_width(instance: BlockInstance) -> int:
    """How many columns of a block go side by side, where vectors are most of what an iteration reads."""
    pattern = instance.pattern
    return 8 if len(instance.columns) >= 8 and pattern.nnz >= _MANY_ENTRIES * pattern.size else 4
