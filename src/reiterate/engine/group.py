"""The arms that apply to one kind of instance, the learner that chooses among them, and how each has done lately."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reiterate.configuration import Configuration
from reiterate.contracts import Choice, Context, Learner
from reiterate.errors import InvalidInput

_FORGETTING = 0.8  # weight of what was known when something new is seen


@dataclass(slots=True)
class _Standing:
    """Lately: mean cost, mean iterations, and whether it last finished by itself."""

    cost: float
    iterations: float
    alone: bool


class Group:
    """A set of arms with a learner of its own.

    Parameters
    ----------
    arms
    learner
        Chooses among them; ``None`` where there are none.
    """

    def __init__(self, arms: Sequence[Configuration], learner: Learner | None) -> None:
        self.arms = tuple(arms)
        self.learner = learner
        self._standings: dict[Configuration, _Standing] = {}

    def choose(self, context: Context) -> Choice | None:
        """What the learner chooses; ``None`` without arms."""
        if self.learner is None:
            return None
        choice = self.learner.choose(context)
        if not 0 <= choice.arm < len(self.arms):
            raise InvalidInput("learner", f"chose arm {choice.arm!r}; there are {len(self.arms)}, numbered from 0")
        return choice

    def report(self, configuration: Configuration, cost: float, iterations: int, *, alone: bool) -> None:
        """Take in how a solve went for which this arm was chosen and played."""
        known = self._standings.get(configuration)
        if known is None:
            self._standings[configuration] = _Standing(cost, float(iterations), alone)
            return
        known.cost = _FORGETTING * known.cost + (1.0 - _FORGETTING) * cost
        known.iterations = _FORGETTING * known.iterations + (1.0 - _FORGETTING) * iterations
        known.alone = alone

    def incumbent(self) -> Configuration | None:
        """The arm of smallest recent cost among those that finished by themselves when last played."""
        best, smallest = None, math.inf
        for configuration, standing in self._standings.items():
            if standing.alone and standing.cost < smallest:
                best, smallest = configuration, standing.cost
        return best

    def usual_iterations(self, configuration: Configuration) -> float:
        """Recent mean iterations of an arm that has been played."""
        return self._standings[configuration].iterations
