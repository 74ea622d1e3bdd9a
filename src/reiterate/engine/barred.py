"""Arms that failed are kept out of the way for a while."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.engine.plain import whole

_LONGEST = 12  # log2 of the solves that an arm has to wait for
_MOST_RECALLED = 64  # solves, for what an earlier run has seen fail


class Barred:
    """Bars an arm that has failed k times in a row for 2^(k+1) solves, 4096 at most.

    Parameters
    ----------
    arms
        How many there are.
    """

    def __init__(self, arms: int) -> None:
        self._failures = np.zeros(arms, dtype=np.int64)
        self._until = np.zeros(arms, dtype=np.int64)

    def free(self, solves: int) -> NDArray[np.bool_]:
        """The arms that may play after so many solves."""
        return self._until <= solves

    def holds(self, arm: int, solves: int) -> bool:
        """Whether one may not."""
        return bool(self._until[arm] > solves)

    def bar(self, arm: int, solves: int) -> None:
        """It has failed."""
        if self.holds(arm, solves):
            return
        self._failures[arm] += 1
        self._until[arm] = solves + 2 ** min(int(self._failures[arm]) + 1, _LONGEST)

    def clear(self, arm: int) -> None:
        """It has not failed."""
        self._failures[arm] = self._until[arm] = 0

    def grow(self) -> None:
        """There is one more arm."""
        self._failures, self._until = np.append(self._failures, 0), np.append(self._until, 0)

    def rows(self, solves: int) -> list[dict[str, int]]:
        """For every arm, what is worth knowing in another run."""
        return [
            {"failures": int(failures), "barred": max(int(until) - solves, 0)} if failures else {}
            for failures, until in zip(self._failures, self._until, strict=True)
        ]

    def recall(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Bar for half as long as at the end of an earlier run."""
        self._failures[:] = [whole(row, "failures", _MOST_RECALLED) for row in rows]
        self._until[:] = [whole(row, "barred", _MOST_RECALLED) // 2 for row in rows]
