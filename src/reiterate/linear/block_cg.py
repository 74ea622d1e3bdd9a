"""Conjugate gradients on several columns of a block at once, each with coefficients of its own.

The iterates are those of the columns one by one; what is shared is the reading of the matrix. Block CG proper (O'Leary,
"The block conjugate gradient algorithm and related methods", Linear Algebra Appl. 29, 1980) searches the sum of the
Krylov spaces and takes fewer iterations, but breaks down where directions become dependent, as with equal columns.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Progress, Status, Stop
from reiterate.kernels import block as kernels
from reiterate.kernels import cg, codes
from reiterate.linear import team
from reiterate.linear.block import Block, BlockInstance
from reiterate.linear.pattern import Pattern
from reiterate.linear.segments import run_in_segments
from reiterate.linear.vectors import Vector
from reiterate.linear.work import in_matvecs, traffic

FEWEST: Final = 3
"""Columns; fewer are sooner done one after the other."""

_MANY_ENTRIES = 16.0  # a row; below, eight columns at once read little less than four, and are sooner out of the cache
_UNLIMITED = 2**62


class _Slots:
    """A few columns side by side on their way; as one arrives, the next in the queue takes its place.

    When the queue is empty and half of the places are, those that are left go on alone.

    Attributes
    ----------
    most : int
        Iterations of the column that has taken most.
    capped : bool
        Whether a column has taken as many as it may.
    moved : float
        Bytes moved by iterations.
    """

    def __init__(
        self, instance: BlockInstance, inverse_diagonal: NDArray[np.float64], x: Block, width: int, cap: int
    ) -> None:
        self._instance, self._inverse_diagonal, self._x, self._cap = instance, inverse_diagonal, x, cap
        pattern = instance.pattern
        self._matrix = (pattern.indptr, pattern.indices, instance.data)
        self._queue = deque(range(x.shape[1]))
        self._columns = np.full(width, -1)
        self._made = np.zeros(width, dtype=np.int64)
        self._blocks = [np.zeros((pattern.size, width)) for _ in range(4)]
        self._alpha, self._beta, self._next_weighted = np.zeros((3, width))
        self._squares, self._weighted, self._thresholds = np.zeros((3, width))
        self._live = np.zeros(width, dtype=bool)
        self._vectors = [np.empty(pattern.size) for _ in range(4)]
        self._alone = -1
        self.most, self.capped, self.moved = 0, False, 0.0
        self._fill()

    @property
    def bytes_per_iteration(self) -> float:
        """Of all columns in their places."""
        return traffic(self._instance.pattern, entries=1.0, row_bytes=12.0 + 88.0 * self._live.size)

    def advance(self, iterations: int) -> tuple[int, int]:
        """Make up to so many iterations; returns how many, and a code."""
        done, code = 0, codes.RUNNING
        while done < iterations and code == codes.RUNNING:
            if not self._live.any() and not self._queue:
                return done, codes.CONVERGED
            left = self._cap - int(self._made[self._live].max())
            if left <= 0:
                self.capped = True
                return done, codes.CONVERGED
            together = self._queue or 2 * np.count_nonzero(self._live) > self._live.size
            made, code = (self._together if together else self._by_itself)(min(left, iterations - done))
            done += made
        return done, code

    def finish(self) -> Block:
        """The whole block, with the iterates of the columns on their way."""
        self._return_vectors()
        taken = self._columns >= 0
        self._x[:, self._columns[taken]] = self._blocks[0][:, taken]
        return self._x

    def _together(self, iterations: int) -> tuple[int, int]:
        made, code = kernels.advance(
            *self._matrix, self._inverse_diagonal, *self._blocks, self._alpha, self._beta, self._squares,
            self._weighted, self._next_weighted, self._thresholds, self._live, iterations,
        )  # fmt: skip
        self.moved += made * self.bytes_per_iteration
        self._made[self._columns >= 0] += made
        self.most = max(self.most, int(self._made.max()))
        if code != codes.CONVERGED:
            return made, code
        for slot in np.flatnonzero(~self._live & (self._columns >= 0)):
            self._clear(int(slot))
        self._fill()
        return made, codes.RUNNING

    def _by_itself(self, iterations: int) -> tuple[int, int]:
        """The first of the columns that are left, which keeps its place for its scalars."""
        slot = int(np.argmax(self._live))
        x, r, p, q = self._vectors
        if self._alone != slot:
            self._alone = slot
            for vector, block in zip((x, r, p), self._blocks, strict=False):
                vector[:] = block[:, slot]
        pattern, threads = self._instance.pattern, self._instance.threads
        made, self._squares[slot], self._weighted[slot], code = team.call(
            threads, cg.jacobi_cg_advance, *self._matrix, self._inverse_diagonal, x, r, p, q, self._squares[slot],
            self._weighted[slot], self._thresholds[slot], iterations, pattern.row_bounds(threads),
            team.partial_sums(threads),
        )  # fmt: skip
        self.moved += made * traffic(self._instance.pattern, entries=1.0, row_bytes=100.0)
        self._made[slot] += made
        self.most = max(self.most, int(self._made[slot]))
        if code != codes.CONVERGED:
            return made, code
        self._live[slot] = False
        self._return_vectors()
        self._clear(slot)
        return made, codes.RUNNING

    def _return_vectors(self) -> None:
        """Put the vectors of the column that goes alone back into its place."""
        if self._alone >= 0:
            for vector, block in zip(self._vectors[:3], self._blocks, strict=False):
                block[:, self._alone] = vector
        self._alone = -1

    def _clear(self, slot: int) -> None:
        """Take the iterate of a column that has arrived; zeros in its place can disturb nothing."""
        self._x[:, self._columns[slot]] = self._blocks[0][:, slot]
        for block in self._blocks:
            block[:, slot] = 0.0
        self._columns[slot], self._made[slot], self._squares[slot] = -1, 0, 0.0

    def _fill(self) -> None:
        """Give every empty place to the next column that is not solved to begin with."""
        x, r, p, _ = self._vectors
        for slot in np.flatnonzero(self._columns < 0):
            while self._queue:
                column = self._queue.popleft()
                x[:] = self._x[:, column]
                b: Vector = self._instance.columns[column].b
                square, weighted = cg.jacobi_cg_start(*self._matrix, b, x, self._inverse_diagonal, r, p)
                threshold = self._instance.square_thresholds[column]
                if square <= threshold:
                    continue
                for block, vector in zip(self._blocks, (x, r, p), strict=False):
                    block[:, slot] = vector
                self._squares[slot], self._weighted[slot], self._thresholds[slot] = square, weighted, threshold
                self._columns[slot], self._live[slot], self._made[slot] = column, True, 0
                break


def iterate_in_lock_step(
    instance: BlockInstance, inverse_diagonal: NDArray[np.float64], x: Block, stop: Stop
) -> Progress:
    """Conjugate gradients with a diagonal preconditioner from ``x``, shape (n, k), which is left as it is.

    An iteration of m = 4 or 8 columns moves 12 nnz + (32 + 88 m) n bytes, that of one alone 12 nnz + 100 n. Iterations
    are those of the column that takes most, caps hold for every column, and one that is done costs nothing more.
    Memory: 4 m + 4 vectors.

    Parameters
    ----------
    instance
    inverse_diagonal : array of shape (n,)
        Of the preconditioner; ones for none.
    x : array of shape (n, k)
    stop
    """
    pattern = instance.pattern
    width = 8 if x.shape[1] >= 8 and pattern.nnz >= _MANY_ENTRIES * pattern.size else 4
    slots = _Slots(instance, inverse_diagonal, x.astype(np.float64, order="C"), width, stop.max_iterations)
    progress = run_in_segments(
        slots.advance, slots.finish, Stop(stop.target, _UNLIMITED, stop.max_seconds),
        bytes_per_iteration=slots.bytes_per_iteration, work=0.0,
    )  # fmt: skip
    progress.iterations, progress.work = slots.most, in_matvecs(pattern, slots.moved)
    if slots.capped:
        progress.status = Status.ITERATION_CAP
    return progress


def rehearse() -> None:
    """Compile or load the kernels, on a system of two unknowns and four columns."""
    indptr, indices = np.array([0, 1, 2], dtype=np.uint32), np.array([0, 1], dtype=np.uint32)
    ones, live = np.ones(2), np.ones(4, dtype=bool)
    X, R, P, Q = np.ones((4, 2, 4))
    kernels.advance(indptr, indices, ones, ones, X, R, P, Q, *np.ones((6, 4)), live, 1)
    x, r, p, q = np.ones((4, 2))
    scalars = cg.jacobi_cg_start(indptr, indices, ones, r, x, ones, q, p)
    bounds, sums = Pattern(indptr, indices).row_bounds(1), team.partial_sums(1)
    team.call(1, cg.jacobi_cg_advance, indptr, indices, ones, ones, x, q, p, r, *scalars, 0.0, 1, bounds, sums)
