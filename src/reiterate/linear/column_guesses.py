"""Where to begin with a block: for every column the guesses that a single right-hand side has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

import numpy as np

from reiterate.linear.block import Block, BlockInstance
from reiterate.linear.guesses import Guesses

_WIDEST = 8  # columns; the guesses of a column hold eight vectors


class ColumnGuesses:
    """Chooses the start of every column, as :class:`~reiterate.linear.guesses.Guesses` does of a vector.

    None is made where they would take too much memory, or where there is nothing to solve.

    Parameters
    ----------
    chosen : Counter of str
        Where how often each candidate began is counted, over all columns.
    """

    def __init__(self, chosen: Counter[str]) -> None:
        self._chosen = chosen
        self._columns: list[Guesses] = []

    def start(self, instance: BlockInstance, given: Block) -> Block:
        """Where to begin, in the scales of the columns; ``given``, shape (n, k), likewise, is written to."""
        for j, (column, guesses) in enumerate(zip(instance.columns, self._of(instance), strict=False)):
            given[:, j] = guesses.start(column, np.ascontiguousarray(given[:, j]))
        return given

    def solved(self, instance: BlockInstance, x: Block, work: float, by: Hashable) -> None:
        """Take in the solutions, in the scales of the columns, the products with A of all of them, and who did it."""
        share = work / len(instance.columns)
        for j, (column, guesses) in enumerate(zip(instance.columns, self._of(instance), strict=False)):
            guesses.solved(column, np.ascontiguousarray(x[:, j]), share, by)

    def _of(self, instance: BlockInstance) -> list[Guesses]:
        """Those of every column, or none."""
        width = len(instance.columns)
        if width > _WIDEST or not instance.b.any():
            return []
        if len(self._columns) != width:
            self._columns = [Guesses(self._chosen) for _ in instance.columns]
        return self._columns
