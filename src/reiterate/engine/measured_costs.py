"""What an iteration and preparing cost every arm, as far as it was measured on a machine whose speed changes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from reiterate.contracts import Forecast
from reiterate.engine.estimates import Estimates

STARTING = 2.0  # iterations that beginning to iterate costs about as much as
OWN_MEASUREMENTS = 4.0  # of an arm, after which half of a change is put down to the machine
LARGEST_CHANGE = 3.0  # times a cost, that one observation may be believed to tell
DOUBTFUL_CHANGE = 0.4  # of the log of costs
_FOLLOWED = 0.3  # of the log of a change, when a cost is seen again
_INCREDIBLE = 30.0  # times the forecast of a cost, scaled to the machine
_SINGLE_CHANGE = 0.25  # of the log of a cost, that is believed at once
_LOG_LARGEST_CHANGE = math.log(LARGEST_CHANGE)


class MeasuredCosts(Estimates):
    """Estimates of costs that follow what is measured; those not measured yet are scaled like the others.

    What a factor common to all arms explains is the machine's doing.
    """

    def __init__(self, forecasts: Sequence[Forecast], lines: Sequence[tuple[int, int]], difficulty: float) -> None:
        super().__init__(forecasts, lines, difficulty)
        self._timed = np.zeros(len(forecasts), dtype=bool)  # since costs last moved by much
        self._deviation = 0.0
        self._costs_doubtful = False
        self._moved = 0.0  # log of costs, since somebody else could have told whether it was the machine

    def add_between(self, left: int, right: int, weight: float, *, ready: bool) -> int:
        """As for estimates; it costs as much as it has been seen to on both sides."""
        new = super().add_between(left, right, weight, ready=ready)
        self._timed = np.append(self._timed, bool(self._timed[left] and self._timed[right]))
        return new

    def measured(self, arm: int) -> bool:
        """Whether what an iteration costs has been seen."""
        return bool(self._measured[arm])

    @property
    def common_factor(self) -> float:
        """By which all costs have changed since they were last settled."""
        return math.exp(self._common)

    def settle(self) -> None:
        """Apply to all arms what has been put off while only one was played."""
        if self._common:
            factor = math.exp(self._common)
            self.iterate_cost *= factor
            self.setup *= factor
            self.upkeep *= factor
            self._common = 0.0
        if self._novelty != self._novelty_counted:
            self.upkeep[self._kept_up == 0] *= self._novelty / self._novelty_counted
            self._novelty_counted = self._novelty

    def observe_cost(
        self, arm: int, iterations: int, iterating: float, preparing: float, *, anew: bool, in_a_row: bool = True
    ) -> None:
        """Take in what a turn cost.

        ``anew``: its state was prepared for the first time. ``in_a_row``: the arm has played on the instance before,
        too; otherwise what it took to bring an old state up to date is not what keeping it up to date would cost.
        """
        if anew:
            self.settle()
            self.setup[arm] = self._credible_setup(arm, preparing)
            self.ready[arm] = self._set_up[arm] = True
        elif in_a_row:
            seen = int(self._kept_up[arm])
            largest = LARGEST_CHANGE * math.exp(self._common) * float(max(self.setup[arm], self.upkeep[arm]))
            preparing = min(preparing, largest) if largest else preparing
            keep = min(seen / (seen + 1.0), 0.9)
            self.upkeep[arm] = keep * self.upkeep[arm] + (1.0 - keep) * preparing * math.exp(-self._common)
            self._kept_up[arm] += 1
        if iterations > 0 and iterating > 0.0:
            self._observe_unit(arm, iterating / (iterations + STARTING))
        if anew:
            self._rescale()

    def _credible_setup(self, arm: int, preparing: float) -> float:
        """What it took to prepare, unless that is far from all forecasts because the clock jumped."""
        return min(preparing, _INCREDIBLE * float(self.setup[arm])) if self._measured.any() else preparing

    def _observe_unit(self, arm: int, unit: float) -> None:
        """Take in what an iteration cost.

        The better an arm is known, the more it is the machine's doing when its iteration costs more or less than it
        did: then all costs move, or whoever plays would be blamed for a machine that has become slower.
        """
        if not self._measurements[arm] and not self._doubted[arm] and self._is_incredible(arm, unit):
            self._doubted[arm] = True  # a clock that jumps would bar an arm for good: once more will show
            return
        self._measurements[arm] += 1
        if self._measurements[arm] == 1:
            self.settle()
            self.iterate_cost[arm] = unit
            self._measured[arm] = self._timed[arm] = True
            self._rescale()
            return
        if self._measurements[arm] == 2 and unit < self.iterate_cost[arm] * math.exp(self._common):
            # The first one had to load code and touch memory; and clocks err upwards.
            self.iterate_cost[arm] = unit * math.exp(-self._common)
            self._rescale()
            return
        # A clock that jumps once must not count for much; what lasts is believed the second time.
        believed = float(self.iterate_cost[arm]) * math.exp(self._common)
        step = self._credible_step(math.log(unit / believed))
        self._moved += step
        if abs(self._moved) > DOUBTFUL_CHANGE:
            # It may have been the arm after all: others may be hoped to cost what they did.
            self._moved = 0.0
            self._timed[:] = False
            self._costs_doubtful = True
        self._timed[arm] = True
        common = step * (1.0 - OWN_MEASUREMENTS / (OWN_MEASUREMENTS + int(self._measurements[arm])))
        self._common += common
        self.iterate_cost[arm] *= math.exp(step - common)

    def _credible_step(self, deviation: float) -> float:
        """How far to follow the log of a cost, which deviates from what is believed; larger if it did so before."""
        before, self._deviation = self._deviation, deviation
        limit = max(_SINGLE_CHANGE, min(2.0 * math.copysign(before, before * deviation), _LOG_LARGEST_CHANGE))
        return _FOLLOWED * min(max(deviation, -limit), limit)

    def _is_incredible(self, arm: int, unit: float) -> bool:
        """Whether an iteration cost so far from its forecast, after those of other arms were seen, as cannot be."""
        if not self._measured.any():
            return False
        ratio = unit / (float(self.iterate_cost[arm]) * math.exp(self._common))
        return not 1.0 / _INCREDIBLE < ratio < _INCREDIBLE
