"""Conjugate gradients on the columns of a block at once, each with coefficients of its own.

The iterates are those of the columns one by one; what is shared is the reading of the matrix. Block CG proper (O'Leary,
"The block conjugate gradient algorithm and related methods", Linear Algebra Appl. 29, 1980) searches the sum of the
Krylov spaces and takes fewer iterations, but breaks down where directions become dependent, as with equal columns.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Progress, Status, Stop
from reiterate.kernels import block as kernels
from reiterate.kernels import codes
from reiterate.linear.block import Block, BlockInstance
from reiterate.linear.segments import run_in_segments
from reiterate.linear.work import in_matvecs, traffic

WIDTH = 8
"""Columns that are iterated together: more would read the matrix hardly less often, and leave the cache."""

_IDLE = 8  # columns that are done are dropped from the block when they are one in so many


class _LockStep:
    """Some columns of a block on their way; those that are done are taken out."""

    def __init__(
        self, instance: BlockInstance, inverse_diagonal: NDArray[np.float64], x: Block, columns: NDArray[np.int64]
    ) -> None:
        pattern = instance.pattern
        self._matrix = (pattern.indptr, pattern.indices, instance.data)
        self._inverse_diagonal = inverse_diagonal
        self._result = x
        self._pattern = pattern
        self._columns = columns
        self._thresholds = instance.square_thresholds[columns]
        X = np.ascontiguousarray(x[:, columns])
        R, P, Q = (np.empty_like(X) for _ in range(3))
        squares, weighted = np.empty((2, columns.size))
        kernels.residual(*self._matrix, X, np.ascontiguousarray(instance.b[:, columns]), R, squares)
        kernels.start(inverse_diagonal, R, P, weighted)
        self._blocks = [X, R, P, Q]
        self._scalars = [squares, weighted]
        self._live = squares > self._thresholds
        self.moved = 0.0
        self._narrow()

    @property
    def bytes_per_iteration(self) -> float:
        """As long as no column is dropped."""
        return traffic(self._pattern, entries=1.0, row_bytes=12.0 + 88.0 * self._live.size)

    def advance(self, iterations: int) -> tuple[int, int]:
        """Make up to so many iterations with every column that is left."""
        done = 0
        while self._live.any():
            if done == iterations:
                return done, codes.RUNNING
            alpha, beta, next_weighted = np.empty((3, self._live.size))
            squares, weighted = self._scalars
            made, code = kernels.advance(
                *self._matrix, self._inverse_diagonal, *self._blocks, alpha, beta, squares, weighted, next_weighted,
                self._thresholds, self._live, iterations - done,
            )  # fmt: skip
            done += made
            self.moved += made * self.bytes_per_iteration
            if code not in (codes.RUNNING, codes.CONVERGED):
                return done, code
            if code == codes.CONVERGED:
                self._narrow()
        return done, codes.CONVERGED

    def finish(self) -> Block:
        """The whole block, with the iterates of the columns that are left."""
        live = self._live
        self._result[:, self._columns[live]] = self._blocks[0][:, live]
        return self._result

    def _narrow(self) -> None:
        """Keep what is done; drop it from the block once it is a good part of it."""
        live = self._live
        done = ~live & (self._columns >= 0)
        self._result[:, self._columns[done]] = self._blocks[0][:, done]
        self._columns = np.where(live, self._columns, -1)
        if _IDLE * np.count_nonzero(~live) < live.size:
            return
        self._columns, self._thresholds = self._columns[live], self._thresholds[live]
        self._blocks = [np.ascontiguousarray(block[:, live]) for block in self._blocks]
        self._scalars = [scalar[live] for scalar in self._scalars]
        self._live = live[live]


def iterate_in_lock_step(
    instance: BlockInstance, inverse_diagonal: NDArray[np.float64], x: Block, stop: Stop
) -> Progress:
    """Conjugate gradients with a diagonal preconditioner from ``x``, shape (n, k), which is left as it is.

    An iteration with m columns left moves 12 nnz + (32 + 88 m) n bytes. Iterations are those of the column that takes
    most, caps hold for every column, and a column that is done costs nothing more.

    Parameters
    ----------
    instance
    inverse_diagonal : array of shape (n,)
        Of the preconditioner; ones for none.
    x : array of shape (n, k)
    stop
    """
    begin = time.perf_counter()
    total = Progress(x.astype(np.float64), Status.CONVERGED, 0, 0.0)
    for first in range(0, x.shape[1], WIDTH):
        left = None if stop.max_seconds is None else max(stop.max_seconds - (time.perf_counter() - begin), 0.0)
        columns = np.arange(first, min(first + WIDTH, x.shape[1]))
        steps = _LockStep(instance, inverse_diagonal, total.x, columns)
        progress = run_in_segments(
            steps.advance, steps.finish, Stop(stop.target, stop.max_iterations, left),
            bytes_per_iteration=steps.bytes_per_iteration, work=0.0,
        )  # fmt: skip
        total.iterations = max(total.iterations, progress.iterations)
        total.work += in_matvecs(instance.pattern, steps.moved)
        total.status, total.reason, total.revealed = progress.status, progress.reason, progress.revealed
        if progress.status is not Status.CONVERGED:
            break
    return total


def rehearse() -> None:
    """Compile or load the kernels, by solving a system of two unknowns and five columns."""
    indptr, indices = np.array([0, 1, 2], dtype=np.uint32), np.array([0, 1], dtype=np.uint32)
    ones, live = np.ones(2), np.ones(5, dtype=bool)
    X, R, P, Q = np.ones((4, 2, 5))
    scalars = np.ones((6, 5))
    kernels.residual(indptr, indices, ones, X, R, P, scalars[0])
    kernels.start(ones, R, P, scalars[0])
    kernels.advance(indptr, indices, ones, ones, X, R, P, Q, *scalars, live, 1)
