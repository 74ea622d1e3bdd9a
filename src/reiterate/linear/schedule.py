"""How a sweep over level-ordered rows is divided among threads.

The rows of a level depend on none of each other, so they are cut into one part a thread; a barrier after every level
keeps the order between levels. Levels too small to be worth it are done together by one thread, in one step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.linear.pattern import Index

_COST_OF_A_ROW = 5.0  # in units of an entry: what the vectors cost
_WORTH_SPLITTING = 1000.0  # cost of a part of a level, next to that of a barrier and of lines that change processors


class Schedule:
    """What is done, by whom, before which barrier, in one sweep.

    Attributes
    ----------
    pieces : uint32 array of shape (pieces, 4)
        Consecutive rows of equal width: the first, the one after the last, the width, and the place of the first
        stored entry. Rows are numbered in the order of the sweep.
    steps : uint32 array of shape (steps, parts, 2)
        In step s part i does the pieces from ``steps[s, i, 0]`` to ``steps[s, i, 1]`` − 1. Between steps is a barrier.
    """

    def __init__(self, pieces: Index, steps: Index) -> None:
        self.pieces = pieces
        self.steps = steps

    @classmethod
    def of(cls, runs: Index, widths: Index, level_ends: NDArray[Any], parts: int, *, mirrored: bool) -> Schedule:
        """Divide a sweep.

        Parameters
        ----------
        runs, widths : arrays of shape (runs + 1,), (runs,)
            Where runs of rows of equal width begin, and the last one ends; and the widths.
        level_ends : array of shape (levels,)
            Where each level ends; the first begins at row 0.
        parts : int
        mirrored : bool
            Whether part 0 takes the last rows of a level rather than the first: as the backward sweep meets the rows
            in reverse, each thread then finds the rows of its forward sweep in its own cache.
        """
        at = runs.astype(np.float64)
        entries = np.concatenate(([0.0], np.cumsum(np.diff(at) * widths)))
        cost = entries + _COST_OF_A_ROW * at
        cuts = _cut(at, cost, level_ends, parts)
        bounds = runs.astype(np.int64)
        if parts > 1:
            bounds = np.unique(np.concatenate((bounds, cuts.ravel())))
        first = bounds[:-1]
        run = np.searchsorted(runs, first, side="right") - 1
        place = np.interp(first, at, entries)
        pieces = np.column_stack((first, bounds[1:], widths[run], np.rint(place))).astype(np.uint32)
        numbers = np.searchsorted(bounds, cuts)
        steps = np.stack((numbers[:, :-1], numbers[:, 1:]), axis=2)
        if mirrored:
            steps = steps[:, ::-1]
        return cls(np.ascontiguousarray(pieces), np.ascontiguousarray(steps, dtype=np.uint32))

    @property
    def arrays(self) -> tuple[Index, Index]:
        """What the kernels take."""
        return self.pieces, self.steps


def reverse_levels(level_ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where levels end when the rows, and with them the levels, are passed in reverse."""
    return np.append(level_ends[-1] - level_ends[-2::-1], level_ends[-1])


def _cut(at: NDArray[Any], cost: NDArray[Any], level_ends: NDArray[Any], parts: int) -> NDArray[np.int64]:
    """Bounds of the parts of every step, in rows, shape (steps, parts + 1); ``cost`` is piecewise linear in ``at``."""
    if parts == 1:
        return np.array([[0, int(at[-1])]])
    ends = np.concatenate(([0], level_ends)).astype(np.float64)
    cost_of_ends = np.interp(ends, at, cost)
    split = np.diff(cost_of_ends) >= _WORTH_SPLITTING * parts
    # A step ends where its level or the next one is split.
    last = np.flatnonzero(split | np.append(split[1:], True))
    first = np.concatenate(([0], last[:-1] + 1))
    begin, end = cost_of_ends[first], cost_of_ends[last + 1]
    shares = np.linspace(0.0, 1.0, parts + 1)
    wanted = begin[:, None] + (end - begin)[:, None] * shares
    cuts = np.interp(wanted, cost, at).astype(np.int64)
    cuts[:, 0], cuts[:, -1] = ends[first], ends[last + 1]
    alone = ~split[last]
    cuts[alone, 1:] = ends[last + 1][alone, None]
    return cuts
