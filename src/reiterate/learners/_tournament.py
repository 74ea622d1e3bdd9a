"""Tournaments: arms are played equally often in rungs, the worse of them drop out, and the best is played meanwhile."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from reiterate.contracts import Choice, Context
from reiterate.learners._counted_costs import CountedCosts
from reiterate.learners._finite import FiniteLearner, Vector, snapshot
from reiterate.learners._state import array


class Rung:
    """Arms, each with a number of plays that are wanted of it.

    Plays alternate, so that costs which drift affect all arms of a rung alike. An arm whose feedback is late is
    chosen again, up to two more than twice as often as wanted; then the rung goes on without it.

    Parameters
    ----------
    arms
        Which arms.
    wanted
        How many plays of each.
    """

    __slots__ = ("_chosen", "_received", "_wanted", "arms")

    def __init__(self, arms: Sequence[int], wanted: Sequence[int]) -> None:
        self.arms = list(arms)
        self._wanted = list(wanted)
        self._chosen = [0] * len(self.arms)
        self._received = [0] * len(self.arms)

    def choose(self) -> int | None:
        """The arm to play now; ``None``: the rung is complete."""
        place, fewest = None, 0
        for i, (wanted, received, chosen) in enumerate(zip(self._wanted, self._received, self._chosen, strict=True)):
            missing = received < wanted and chosen < 2 * wanted + 2
            if missing and (place is None or chosen < fewest):
                place, fewest = i, chosen
        if place is None:
            return None
        self._chosen[place] += 1
        return self.arms[place]

    def receive(self, arm: int) -> None:
        """Count feedback of an arm, if it belongs to the rung."""
        if arm in self.arms:
            self._received[self.arms.index(arm)] += 1

    def state_dict(self) -> dict[str, Any]:
        """Everything, as lists."""
        return {
            "arms": list(self.arms),
            "wanted": list(self._wanted),
            "chosen": list(self._chosen),
            "received": list(self._received),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The rung that :meth:`state_dict` described."""
        rung = cls([int(arm) for arm in state["arms"]], [int(wanted) for wanted in state["wanted"]])
        rung._chosen = [int(chosen) for chosen in state["chosen"]]
        rung._received = [int(received) for received in state["received"]]
        return rung


class Tournament(FiniteLearner):
    """A learner that alternates between rungs and rests, in which it plays the arm of the smallest mean.

    A subclass says in :meth:`_climb` what follows a rung, and in particular the empty one, which is there at first.

    Parameters
    ----------
    arms, rng
        As for every learner.
    """

    recent: ClassVar[bool]
    """Whether an arm's n-th cost weighs n times as much in its mean as its first."""

    def __init__(self, arms: int, rng: np.random.Generator) -> None:
        super().__init__(arms, rng)
        self._costs = CountedCosts()
        self._counts: Vector = np.zeros(self._arms)
        self._means: Vector = np.zeros(self._arms)
        self._rest = 0
        self._rung = Rung([], [])

    @abstractmethod
    def _climb(self, ranked: list[int]) -> None:
        """Set the next rung and how long to rest before it, given the arms of the last one, the best first."""

    def choose(self, context: Context | None = None) -> Choice:
        """The arm whose turn it is, or in a rest the best one; the context is carried along, not used."""
        arm = None
        while self._rest == 0 and arm is None:
            arm = self._rung.choose()
            if arm is None:
                standing = self._standing()
                self._climb(sorted(self._rung.arms, key=lambda arm: float(standing[arm])))
        if arm is None:
            self._rest -= 1
            arm = int(self._standing().argmin())
        return Choice(arm, 1.0, snapshot(context))

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost."""
        cost = self._check_feedback(choice, cost)
        for arm, counted, stopped in self._costs.take(choice.arm, cost, censored):
            self._add(arm, counted, stopped)

    def _add(self, arm: int, cost: float, censored: bool) -> None:
        mean = float(self._means[arm])
        if censored:
            cost = max(cost, mean if self._counts[arm] > 0 else self._costs.sizes.level)
        self._counts[arm] += 1.0
        count = float(self._counts[arm])
        self._means[arm] = mean + (cost - mean) * (2.0 / (count + 1.0) if self.recent else 1.0 / count)
        self._rung.receive(arm)

    def _standing(self) -> Vector:
        """Mean costs (K,), infinite where nothing is known of an arm."""
        return np.where(self._counts > 0, self._means, np.inf)

    def _learnt(self) -> dict[str, Any]:
        return {
            "costs": self._costs.state_dict(),
            "counts": self._counts.copy(),
            "means": self._means.copy(),
            "rest": self._rest,
            "rung": self._rung.state_dict(),
        }

    def _restore(self, learnt: Mapping[str, Any]) -> None:
        self._costs = CountedCosts.from_state_dict(learnt["costs"])
        self._counts = array(learnt["counts"], (self._arms,))
        self._means = array(learnt["means"], (self._arms,))
        self._rest = int(learnt["rest"])
        self._rung = Rung.from_state_dict(learnt["rung"])
