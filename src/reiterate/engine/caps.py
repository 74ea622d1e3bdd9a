"""How long an arm may play, before it has to make room for another."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reiterate.engine.cost import CostUnit
from reiterate.engine.familiar import FamiliarBeliefs
from reiterate.engine.policy import Cap

_OVERRUN = 3.0  # times its believed iterations, after which even the best arm is doubted
_SLACK = 0.4  # log of how much more a trial may iterate for than the incumbent: handing over has its price
_LARGEST_SLACK = 0.7
_FEWEST = 3
_DOUBT = 1.2  # times what it was forecast to take, after which an arm whose iterations were never timed is stopped
_FEW = 10  # iterations: a run that short is not worth stopping
_LEVELS = np.linspace(0.0, 14.0, 57)
_UNCERTAIN = 0.3  # variance of the log difficulty from which on the next solve is a race


class Caps:
    """Caps that follow from what is believed of the arms.

    In a race, an arm plays as in ski rental: until it has proved the instance so hard that another one would have
    been cheaper from the start. An incumbent plays for three times what was believed; a trial for about as long as
    the incumbent takes in all.

    Parameters
    ----------
    beliefs
    unit
        Where it is time, arms whose iterations were never timed are stopped by the clock.
    stops
        Whether arms may be stopped at all.
    """

    def __init__(self, beliefs: FamiliarBeliefs, unit: CostUnit, *, stops: bool) -> None:
        self._beliefs = beliefs
        self._timed = unit == "time"
        self._stops = stops

    def among(self, others: NDArray[np.bool_], arm: int, least: float) -> Cap:
        """Iterations after which one of the others would have been cheaper from the start, but ``least`` cost."""
        beliefs = self._beliefs
        if not others.any() or not self._stops:
            return Cap()
        if beliefs.plays[arm] and beliefs.difficulty_variance < _UNCERTAIN:
            return self.of_incumbent(arm, beliefs.iterations_of(arm))
        levels = beliefs.log_difficulty + _LEVELS
        costs = beliefs.immediate(levels[:, None])
        later = np.flatnonzero(costs[:, others].min(axis=1) < costs[:, arm])
        if later.size == 0:
            return Cap() if self._is_known(arm) else Cap(seconds=_OVERRUN * float(beliefs.immediate()[others].min()))
        crossing = beliefs.iterations_of(arm, float(levels[later[0]]))
        return self._of_cost(arm, max(crossing * float(beliefs.iterate_cost[arm]), least), _FEW, _DOUBT)

    def of_incumbent(self, arm: int, iterations: float) -> Cap:
        """Several times what is believed. Renewing an aged state in the middle of a solve is the arm's own affair."""
        if not self._stops:
            return Cap()
        most = max(_OVERRUN * math.exp(self._beliefs.spread) * iterations, _FEW)
        return Cap(math.ceil(most + self._beliefs.preparing_in_iterations(arm)))

    def of_trial(self, arm: int, expected: float) -> Cap:
        """Iterations that cost somewhat more than what the incumbent is expected to take in all."""
        if not self._stops:
            return Cap()
        slack = math.exp(min(max(_SLACK, self._beliefs.spread), _LARGEST_SLACK))
        return self._of_cost(arm, slack * expected, _FEWEST, 1.0)

    def _of_cost(self, arm: int, cost: float, fewest: int, doubt: float) -> Cap:
        """Iterations that cost so much; seconds, too, as long as nobody knows what an iteration takes."""
        iterations = max(math.ceil(cost / float(self._beliefs.iterate_cost[arm])), fewest)
        return Cap(iterations) if self._is_known(arm) else Cap(doubt * iterations, doubt * cost)

    def _is_known(self, arm: int) -> bool:
        """Whether a number of iterations says what they cost."""
        return not self._timed or self._beliefs.measured(arm)
