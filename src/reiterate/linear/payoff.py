"""Whether recycling a space pays, judged from what solves with and without it have cost."""

from __future__ import annotations

import math
import statistics
from collections import deque

_KEEP = 5
_ENOUGH = 4  # solves with the space, before it is judged
_MATURING = 2  # a new space is improved in its first solves whatever they say
_PAUSE = (8, 256)
_RECHECK = 32
_MEANINGFUL_DECADES = 1.0
_MOST_DECADES = 300.0


class Payoff:
    """Decides when a space is used, improved and given up.

    What a solve costs is counted in bytes moved, everything included, and divided by the decades by which its residual
    fell, so that good and bad initial guesses compare. A space whose solves do not cost less than those without
    it is given up, for 8 instances at first and twice as many each time it fails again.
    It is improved in its first solves; later when it has aged: when the iterations that solves need beyond what the
    first one needed after the last improvement have cost as much as improving it.
    While a space pays, one solve in 32 goes without it, in case the stream has become easier.

    Attributes
    ----------
    use : bool
        Whether the next solve should use the space.
    harvest : bool
        Whether it should gather what a space is made from, or improved by.
    """

    def __init__(self) -> None:
        self._costs: dict[bool, deque[float]] = {used: deque(maxlen=_KEEP) for used in (False, True)}
        self._resting = 0
        self._pause = _PAUSE[0]
        self._solves = 0
        self._baseline: float | None = None
        self._rent = 0.0
        self._price = 0.0
        self.use = False
        self.harvest = True

    @property
    def pays(self) -> bool:
        """Whether solves with the space have cost less than those without."""
        return self.cost(used=True) < self.cost(used=False)

    @property
    def matures(self) -> bool:
        """Whether the space is improved for the first times: an investment, not a cost of keeping it."""
        return self._solves < _MATURING

    def cost(self, *, used: bool) -> float:
        """Median of the last costs of a decade, in bytes; 0 as long as there are none."""
        return statistics.median(self._costs[used]) if self._costs[used] else 0.0

    def built(self, price: float) -> None:
        """A space was made or improved, at this price in bytes."""
        self._price = price
        self._baseline = None
        self._rent = 0.0

    def record(self, *, used: bool, exists: bool, iterations: int, decades: float, unit: float, moved: float) -> None:
        """Take in a solve and decide about the next.

        ``unit`` and ``moved`` are the bytes of one iteration and of the whole solve; ``exists``: there is a space now.
        """
        if decades >= _MEANINGFUL_DECADES:
            self._costs[used].append(moved / decades)
            if used:
                self._age(iterations, decades, unit)
        self._resting = max(self._resting - 1, 0)
        if used:
            self._solves += 1
            if not self.pays and len(self._costs[True]) >= _ENOUGH:
                self.give_up()
            elif self._solves % _RECHECK == 0:
                self.use = self.harvest = False
                return
        self.use = exists and not self._resting
        aged = self.matures or self._rent > self._price
        self.harvest = not self._resting and (aged or not exists)

    def give_up(self) -> None:
        """Rest for a while, and begin anew after that."""
        self._resting = self._pause
        self._pause = min(2 * self._pause, _PAUSE[1])
        self._costs[True].clear()
        self._solves = 0
        self.built(0.0)

    @property
    def given_up(self) -> bool:
        """Whether there should be no space for now."""
        return self._resting > 0

    def _age(self, iterations: int, decades: float, unit: float) -> None:
        rate = iterations / decades
        if self._baseline is None:
            self._baseline = rate
        self._rent += max(rate - self._baseline, 0.0) * decades * unit


def decades_between(first: float, last: float) -> float:
    """Orders of magnitude by which a residual fell from ``first`` to ``last``, 300 at most: it may arrive at zero."""
    if not (first > 0.0 and last > 0.0):
        return _MOST_DECADES if first > 0.0 else 0.0
    return min(math.log10(first) - math.log10(last), _MOST_DECADES)
