"""Conjugate gradients on several columns of a block at once, each with coefficients of its own.

The iterates are those of the columns one by one; what is shared is the reading of the matrix and of what preconditions
it. Block CG proper (O'Leary, "The block conjugate gradient algorithm and related methods", Linear Algebra Appl. 29,
1980) searches the sum of the Krylov spaces and takes fewer iterations, but breaks down where directions become
dependent, as with equal columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Progress, Status, Stop
from reiterate.kernels import codes
from reiterate.kernels.lanes import EIGHT, FOUR
from reiterate.linear.block import Block, BlockInstance
from reiterate.linear.instance import LinearInstance
from reiterate.linear.segments import run_in_segments
from reiterate.linear.vectors import Vector
from reiterate.linear.work import in_matvecs

FEWEST: Final = 3
"""Columns; fewer are sooner done one after the other."""

_UNLIMITED = 2**62
_OF_THE_MATRIX = (codes.NOT_DEFINITE, codes.PRECONDITIONER_NOT_DEFINITE)


class Recurrence(ABC):
    """An iteration on ``width`` columns side by side, and on one of them alone.

    A subclass supplies the methods below. Only columns whose code is RUNNING are iterated; the others stay what they
    are.

    Parameters
    ----------
    instance
    width : int
        4 or 8.
    kept : int
        Blocks that hold the state of the columns; the iterate is the first.
    begun : int
        How many of these a beginning determines; the others meet a coefficient of zero.
    spare : int
        Blocks and vectors to work in.

    Attributes
    ----------
    blocks : list of arrays of shape (n, width)
    vectors : list of arrays of shape (n,)
        The same for a column that begins or goes alone.
    code : int array of shape (width,)
        See :mod:`reiterate.kernels.codes`.
    squares, thresholds, weighted, beta : arrays of shape (width,)
        ‖b − A x‖² and its bound, r·M⁻¹r, and the coefficient of the last direction.
    fewest : int
        Columns for which going together is faster than one after the other.
    bytes_together, bytes_alone : float
        That an iteration moves.
    """

    fewest: int
    bytes_together: float
    bytes_alone: float

    def __init__(self, instance: BlockInstance, width: int, *, kept: int, begun: int, spare: int) -> None:
        size = instance.pattern.size
        self.instance, self.kept, self.begun, self.width = instance, kept, begun, width
        self.lanes = FOUR if width == len(FOUR) else EIGHT
        self.blocks = [np.zeros((size, width)) for _ in range(kept + spare)]
        self.vectors = [np.zeros(size) for _ in range(kept + spare)]
        self.code = np.full(width, codes.CONVERGED)
        self.squares, self.thresholds, self.weighted, self.beta = np.zeros((4, width))
        self.alpha, self.next_weighted = np.zeros((2, width))

    @abstractmethod
    def start(self, column: LinearInstance, x: Vector) -> tuple[float, float]:
        """Write the state of a column at the iterate ``x`` to ``vectors``; return its ‖b − A x‖² and r·M⁻¹r.

        The latter is ∞ where the recurrence finds it out with its first direction.
        """

    @abstractmethod
    def together(self, iterations: int) -> int:
        """Iterate on all columns until one of them stops, at most so often; return how often."""

    @abstractmethod
    def alone(self, slot: int, iterations: int) -> int:
        """Iterate on the column in ``vectors`` until it stops, at most so often; its scalars are in its place."""

    def iterate_of(self, vector: Vector) -> Vector:
        """The iterate in the caller's order and scale, from what ``blocks[0]`` holds of it."""
        return vector


class _Slots:
    """A few columns side by side on their way; as one arrives, the next in the queue takes its place.

    When the queue is empty and few are left, these go on alone. A column that breaks down leaves the others to go on,
    unless what it has met is a matter of the matrix.

    Attributes
    ----------
    most : int
        Iterations of the column that has taken most.
    capped : bool
        Whether a column has taken as many as it may.
    moved : float
        Bytes moved by iterations.
    """

    def __init__(self, recurrence: Recurrence, x: Block, cap: int) -> None:
        self._recurrence, self._x, self._cap = recurrence, x, cap  # every column of x lies in one piece
        self._queue = deque(range(x.shape[1]))
        self._columns = np.full(recurrence.width, -1)
        self._made = np.zeros(recurrence.width, dtype=np.int64)
        self._alone = -1
        self._outcome: int = codes.CONVERGED
        self.most, self.capped, self.moved = 0, False, 0.0
        self._fill()

    @property
    def _live(self) -> NDArray[np.bool_]:
        live: NDArray[np.bool_] = self._recurrence.code == codes.RUNNING
        return live

    def advance(self, iterations: int) -> tuple[int, int]:
        """Make up to so many iterations; returns how many, and a code."""
        done = 0
        while done < iterations:
            live = self._live
            if not live.any() or self._outcome in _OF_THE_MATRIX:
                return done, self._outcome
            left = self._cap - int(self._made[live].max())
            if left <= 0:
                self.capped = True
                return done, codes.CONVERGED
            together = self._queue or np.count_nonzero(live) >= self._recurrence.fewest
            done += (self._together if together else self._by_itself)(min(left, iterations - done))
        return done, codes.RUNNING

    def finish(self) -> Block:
        """The whole block, with the iterates of the columns on their way."""
        self._return_vectors()
        for slot in np.flatnonzero(self._columns >= 0):
            self._take(int(slot))
        return np.ascontiguousarray(self._x)

    def _together(self, iterations: int) -> int:
        made = self._recurrence.together(iterations)
        self.moved += made * self._recurrence.bytes_together
        self._made[self._columns >= 0] += made
        self.most = max(self.most, int(self._made.max()))
        self._settle()
        return made

    def _by_itself(self, iterations: int) -> int:
        """The first of the columns that are left, which keeps its place for its scalars."""
        recurrence, slot = self._recurrence, int(np.argmax(self._live))
        if self._alone != slot:
            self._alone = slot
            for vector, block in zip(recurrence.vectors[: recurrence.kept], recurrence.blocks, strict=False):
                vector[:] = block[:, slot]
        made = recurrence.alone(slot, iterations)
        self.moved += made * recurrence.bytes_alone
        self._made[slot] += made
        self.most = max(self.most, int(self._made[slot]))
        if recurrence.code[slot] != codes.RUNNING:
            self._return_vectors()
            self._settle()
        return made

    def _settle(self) -> None:
        """Take the columns that have stopped, and let others have their places."""
        for slot in np.flatnonzero(~self._live & (self._columns >= 0)):
            code = int(self._recurrence.code[slot])
            if code != codes.CONVERGED:
                self._fail(code)
            self._take(int(slot))
            self._columns[slot], self._made[slot] = -1, 0
        self._fill()

    def _fail(self, code: int) -> None:
        if self._outcome not in _OF_THE_MATRIX:
            self._outcome = code

    def _return_vectors(self) -> None:
        """Put the vectors of the column that goes alone back into its place."""
        recurrence = self._recurrence
        if self._alone >= 0:
            for vector, block in zip(recurrence.vectors[: recurrence.kept], recurrence.blocks, strict=False):
                block[:, self._alone] = vector
        self._alone = -1

    def _take(self, slot: int) -> None:
        iterate = np.ascontiguousarray(self._recurrence.blocks[0][:, slot])
        self._x[:, self._columns[slot]] = self._recurrence.iterate_of(iterate)

    def _fill(self) -> None:
        """Give every empty place to the next column that is not solved to begin with."""
        recurrence = self._recurrence
        for slot in np.flatnonzero(self._columns < 0):
            while self._queue:
                number = self._queue.popleft()
                column = recurrence.instance.columns[number]
                square, weighted = recurrence.start(column, self._x[:, number])
                if square <= column.square_threshold:
                    continue
                if not (weighted > 0.0 and square < np.inf):
                    self._fail(codes.PRECONDITIONER_NOT_DEFINITE if weighted <= 0.0 else codes.NOT_FINITE)
                    continue
                for block, vector in zip(recurrence.blocks[: recurrence.begun], recurrence.vectors, strict=False):
                    block[:, slot] = vector
                recurrence.squares[slot], recurrence.weighted[slot] = square, weighted
                recurrence.thresholds[slot], recurrence.beta[slot] = column.square_threshold, 0.0
                self._columns[slot], self._made[slot] = number, 0
                recurrence.code[slot] = codes.RUNNING
                break


def iterate_in_lock_step(recurrence: Recurrence, x: Block, stop: Stop) -> Progress:
    """Iterate from ``x``, shape (n, k), which is left as it is.

    Iterations are those of the column that takes most, caps hold for every column, and one that is done costs nothing
    more. Where one breaks down, the others come to their ends, and the block is said to have broken down.
    """
    instance = recurrence.instance
    slots = _Slots(recurrence, x.astype(np.float64, order="F"), stop.max_iterations)
    progress = run_in_segments(
        slots.advance, slots.finish, Stop(stop.target, _UNLIMITED, stop.max_seconds),
        bytes_per_iteration=recurrence.bytes_together, work=0.0,
    )  # fmt: skip
    progress.iterations, progress.work = slots.most, in_matvecs(instance.pattern, slots.moved)
    if slots.capped:
        progress.status = Status.ITERATION_CAP
    return progress
