"""How a sweep over level-ordered rows is divided among threads.

The rows of a level depend on none of each other, so they are cut into one part a thread; a barrier after every level
keeps the order between levels. Levels too small to be worth it are done together by one thread, in one step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.linear.pattern import Index

Spans = NDArray[np.int64]
"""Rows of every part of every step, as bounds, shape (steps, parts, 2)."""

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

    def __init__(self, runs: Index, widths: Index, spans: Spans) -> None:
        """Cut runs of rows of equal width (where they begin, and the last one ends; their widths) into spans."""
        at = runs.astype(np.int64)
        entries = np.concatenate(([0], np.cumsum(np.diff(at) * widths)))
        bounds = at if spans.size == 2 else np.unique(np.concatenate((at, spans.ravel())))
        first = bounds[:-1]
        run = np.searchsorted(at, first, side="right") - 1
        place = entries[run] + (first - at[run]) * widths[run]
        self.pieces: Index = np.column_stack((first, bounds[1:], widths[run], place)).astype(np.uint32)
        self.steps: Index = np.searchsorted(bounds, spans).astype(np.uint32)

    @property
    def arrays(self) -> tuple[Index, Index]:
        """What the kernels take."""
        return self.pieces, self.steps


def divide(width: NDArray[Any], level_ends: NDArray[Any], parts: int) -> Spans:
    """Cut levels of rows into parts of about equal cost.

    Parameters
    ----------
    width : array of shape (n,)
        Stored entries of each row, in level order.
    level_ends : array of shape (levels,)
        Where each level ends; the first begins at row 0.
    parts : int
    """
    if parts == 1:
        return np.array([[[0, width.size]]])
    cost = np.concatenate(([0.0], np.cumsum(width + _COST_OF_A_ROW)))
    ends = np.concatenate(([0], level_ends))
    split = np.diff(cost[ends]) >= _WORTH_SPLITTING * parts
    # A step ends where its level or the next one is split.
    last = np.flatnonzero(split | np.append(split[1:], True))
    begin, end = ends[np.concatenate(([0], last[:-1] + 1))], ends[last + 1]
    shares = np.linspace(0.0, 1.0, parts + 1)
    cuts = np.searchsorted(cost, cost[begin, None] + (cost[end] - cost[begin])[:, None] * shares)
    cuts[:, 0], cuts[:, -1] = begin, end
    alone = ~split[last]
    cuts[alone, 1:] = end[alone, None]
    return np.stack((cuts[:, :-1], cuts[:, 1:]), axis=2)


def share_of_others(spans: Spans) -> float:
    """The share of all rows that is not left to part 0."""
    lengths = spans[:, :, 1] - spans[:, :, 0]
    return float(lengths[:, 1:].sum() / lengths.sum())


def reverse(spans: Spans, size: int) -> Spans:
    """The same rows by the same parts when a sweep passes all rows in reverse."""
    return size - spans[::-1, :, ::-1]


def gather_parts(spans: Spans) -> tuple[NDArray[np.int64], Spans]:
    """Number rows such that those of a part are consecutive.

    Returns
    -------
    order : array of shape (n,)
        Old numbers of the rows, first those of part 0, each part by its steps.
    spans
        The same rows by new numbers.
    """
    steps, parts, _ = spans.shape
    lengths = spans[:, :, 1] - spans[:, :, 0]
    part = np.repeat(np.tile(np.arange(parts), steps), lengths.ravel())
    ends = np.cumsum(lengths.T.ravel()).reshape(parts, steps).T
    return np.argsort(part, kind="stable"), np.stack((ends - lengths, ends), axis=2)
