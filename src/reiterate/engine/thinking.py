"""The time that may be spent on comparing arms, and on learning what only helps to compare them."""

from __future__ import annotations

from reiterate.engine.cost import CostUnit
from reiterate.engine.turn import elapsed

_SHARE = 0.007  # of the time that solves take
_FIRST = 1.0  # of a solve, before 0.7 % of anything is much
_LONGEST = 0.02  # seconds; more was the clock


class Thinking:
    """A budget of 0.7 % of the time that solves take, and one solve.

    Parameters
    ----------
    unit
        Where it is not time, that is no matter.
    """

    def __init__(self, unit: CostUnit) -> None:
        self._counts = unit == "time"
        self._seconds = 0.0

    def affords(self, cost: float, total: float) -> bool:
        """Whether little has been spent, compared with solves of such a cost, and so much in total."""
        return not self._counts or self._seconds <= _SHARE * total + _FIRST * cost

    def since(self, begin: float) -> float:
        """Spend what has passed since then, by :func:`time.perf_counter`; returns it."""
        seconds = min(elapsed(begin), _LONGEST)
        self._seconds += seconds
        return seconds
