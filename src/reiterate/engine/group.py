"""A policy that follows a learner, and keeps an incumbent to finish what the learner's choice does not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.configuration import Configuration
from reiterate.contracts import Choice, Learner, Status
from reiterate.engine.cost import CostUnit, cost_of, cost_of_preparing
from reiterate.engine.extrapolation import foreseen_iterations, share_of
from reiterate.engine.history import ended_by_itself
from reiterate.engine.plain import number, plain, restored, rounded, table, whole
from reiterate.engine.policy import Cap, Conduct, Opinion, Policy, Turns
from reiterate.engine.pursuit import Pursuit
from reiterate.errors import InvalidInput

_FORGETTING = 0.8  # weight of what was known when something new is seen
_TELLING = 0.3  # of the way to the target: who finishes with less than that left says little about itself
_VERSION = 1  # of what is worth knowing in another run
_FEW_ITERATIONS = 10.0  # below this, running longer than usual wastes nothing worth saving


@dataclass(slots=True)
class _Standing:
    """Lately: mean cost, mean iterations, and whether it last finished by itself."""

    cost: float
    iterations: float
    alone: bool
    played: int


class Group(Policy):
    """A set of arms with a learner of its own.

    Parameters
    ----------
    arms
    learner
        Chooses among them; ``None`` where there are none.
    patience
        A chosen arm is stopped when it has taken this many times the incumbent's mean iterations. ``None``: never.
    unit
        Of the costs that the learner is told.
    """

    def __init__(
        self,
        arms: Sequence[Configuration],
        learner: Learner | None,
        patience: float | None = None,
        unit: CostUnit = "time",
    ) -> None:
        super().__init__(arms)
        self.learner = learner
        self._patience = patience
        self._unit: CostUnit = unit
        self._number = {arm: k for k, arm in enumerate(self.arms)}
        self._solves = 0
        self._standings: dict[Configuration, _Standing] = {}
        self._recalled = 0  # solves of earlier runs

    def turns(self, pursuit: Pursuit, held: frozenset[str]) -> Turns:
        """What the learner chooses, under the patience cap; then the incumbent."""
        self.choice = None
        if self.learner is None:
            return
        choice = self.learner.choose(pursuit.instance.context)
        if not 0 <= choice.arm < len(self.arms):
            raise InvalidInput("learner", f"chose arm {choice.arm!r}; there are {len(self.arms)}, numbered from 0")
        self.choice = choice
        chosen, incumbent = self.arms[choice.arm], self.incumbent()
        if chosen.method not in held:
            yield chosen, Cap(self._cap(chosen, incumbent))
        if incumbent is not None and incumbent.method not in held:
            yield incumbent, Cap()

    def report(self, pursuit: Pursuit, cost: float) -> None:
        """Tell the learner what its choice cost, if it was played and there was something to solve.

        Before that, how far the choice had come where it was stopped, and what other arms were seen to cost.
        """
        if self.choice is None or self.learner is None:
            return
        chosen, attempts = self.arms[self.choice.arm], pursuit.attempts
        iterations = sum(attempt.iterations for attempt in attempts)
        if not iterations:
            return
        self._tell_sights(self.learner, self.choice, pursuit)
        if not any(attempt.configuration == chosen for attempt in attempts):
            return
        alone = ended_by_itself(chosen, attempts)
        self._solves += 1
        self._remember(chosen, cost, iterations, alone=alone)
        self.learner.learn(self.choice, cost, censored=not alone)

    def _tell_sights(self, learner: Learner, choice: Choice, pursuit: Pursuit) -> None:
        """What was seen of every arm that played, but the cost of the choice.

        Who goes on from another's iterate is charged with a whole solve, as far as its share of the digits tells;
        where that is little, only a bound is known.
        """
        before = start = pursuit.start
        for attempt in pursuit.attempts:
            arm, merit = self._number.get(attempt.configuration), min(before, attempt.merit)
            if arm is not None and attempt.iterations:
                whole = before == start and attempt.status is Status.CONVERGED
                gained = 1.0 if whole else share_of(start, before, merit, pursuit.instance.target)
                foreseen = foreseen_iterations(attempt, start, before, pursuit.instance.target)
                if foreseen is not None and attempt.status is not Status.CONVERGED:
                    gained = attempt.iterations / foreseen
                cost, preparing = cost_of(self._unit, attempt), cost_of_preparing(self._unit, attempt)
                expected = preparing + (cost - preparing) / gained
                if arm != choice.arm:
                    finished = attempt.status is Status.CONVERGED and gained > _TELLING
                    learner.observe(arm, expected if finished else cost, context=choice.context, censored=not finished)
                elif attempt.status in (Status.ITERATION_CAP, Status.TIME_CAP) and 0.0 < cost < expected:
                    learner.progress(choice, cost, cost / expected)
            before = merit

    def costs(self) -> NDArray[np.float64]:
        """Recent means of the arms that have been played."""
        costs = np.full(len(self.arms), np.nan)
        for configuration, standing in self._standings.items():
            costs[self._number[configuration]] = standing.cost
        return costs

    def opinions(self) -> list[Opinion]:
        """The arms that have been played."""
        standings = sorted(self._standings.items(), key=lambda item: item[1].cost)
        return [
            Opinion(
                configuration,
                cost=standing.cost,
                preparing=0.0,
                iterations=standing.iterations,
                plays=int(standing.alone),
                since=self._solves - standing.played,
                failing=False,
            )
            for configuration, standing in standings
        ]

    def remarks(self) -> Conduct:
        """Who decides."""
        name = None if self.learner is None else self.learner.name
        return Conduct(learner=name, solves=self._solves, recalled=self._recalled)

    def _remember(self, configuration: Configuration, cost: float, iterations: int, *, alone: bool) -> None:
        known = self._standings.get(configuration)
        if known is None:
            self._standings[configuration] = _Standing(cost, float(iterations), alone, self._solves)
            return
        known.cost = _FORGETTING * known.cost + (1.0 - _FORGETTING) * cost
        known.iterations = _FORGETTING * known.iterations + (1.0 - _FORGETTING) * iterations
        known.alone = alone
        known.played = self._solves

    def incumbent(self) -> Configuration | None:
        """The arm of smallest recent cost among those that finished by themselves when last played."""
        best, smallest = None, math.inf
        for configuration, standing in self._standings.items():
            if standing.alone and standing.cost < smallest:
                best, smallest = configuration, standing.cost
        return best

    def _cap(self, chosen: Configuration, incumbent: Configuration | None) -> float:
        if self._patience is None or incumbent is None or incumbent == chosen:
            return math.inf
        return round(self._patience * max(self._standings[incumbent].iterations, _FEW_ITERATIONS))

    def state_dict(self) -> dict[str, Any]:
        """What the learner has learnt, and how its arms did lately."""
        if self.learner is None or not self._solves:
            return {}
        try:
            learnt = plain(self.learner.state_dict())
        except TypeError:
            learnt = {}  # a learner of the user's own, whose state is not plain
        standings = {
            str(arm): {"cost": rounded(known.cost), "iterations": rounded(known.iterations), "alone": int(known.alone)}
            for arm, known in self._standings.items()
            if math.isfinite(known.cost)
        }
        return {
            "policy": self.learner.name,
            "version": _VERSION,
            "unit": self._unit,
            "solves": self._recalled + self._solves,
            "arms": [str(arm) for arm in self.arms],
            "learnt": learnt,
            "standings": standings,
        }

    def recall(self, state: Mapping[str, Any], *, same_stream: bool, same_machine: bool) -> None:
        """Let the learner go on, if it was the same one for the same arms and its costs compare; else do nothing."""
        if self.learner is None or not same_stream or not (same_machine or self._unit != "time"):
            return
        known = (self.learner.name, _VERSION, self._unit)
        if (state.get("policy"), state.get("version"), state.get("unit")) != known:
            return
        if state.get("arms") == [str(arm) for arm in self.arms]:
            self.learner = _gone_on(self.learner, table(state.get("learnt"))) or self.learner
        self._recalled = whole(state, "solves", 2**40)
        standings = table(state.get("standings"))
        for arm in self.arms:
            row = table(standings.get(str(arm)))
            cost, iterations = number(row, "cost", 0.0, math.inf), number(row, "iterations", 0.0, math.inf)
            if cost is not None and iterations is not None:
                self._standings[arm] = _Standing(cost, iterations, bool(whole(row, "alone", 1)), 0)


def _gone_on(learner: Learner, learnt: Mapping[str, Any]) -> Learner | None:
    """A learner like this one that goes on from there; ``None`` where it cannot.

    Its randomness stays that of this run. A copy is made to choose and to learn once, so that what is damaged shows
    here and not in a solve.
    """
    if learnt.get("arms", learner.arms) != learner.arms:
        return None
    try:
        own = {name: value for name, value in learner.state_dict().items() if name == "generator"}
        rehearsing, going_on = (type(learner).from_state_dict({**restored(dict(learnt)), **own}) for _ in range(2))
        choice = rehearsing.choose()
        rehearsing.learn(choice, 1.0)
        fits = going_on.arms == learner.arms and 0 <= choice.arm < learner.arms and 0.0 < choice.probability <= 1.0
    except Exception:
        return None
    return going_on if fits else None
