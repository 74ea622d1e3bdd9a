"""Where to give up: caps on a cost, chosen from costs of which the cap hides the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from reiterate.contracts import Choice, Context
from reiterate.errors import InvalidInput
from reiterate.learners._finite import FiniteLearner, Vector, fading, positive, snapshot
from reiterate.learners._line import checked_points
from reiterate.learners._state import array, check_state, pack_generator, unpack_generator

FIRST = 3
"""Without caps given, they are set after so many costs, …"""

REACH = 2.0
"""… evenly spaced up to this many times the largest of them."""


def largest_rates(rates: Vector, trials: Vector, z: float) -> Vector:
    """Wilson's upper confidence bounds for the probabilities behind rates of success; 1 where there were no trials."""
    n = np.where(trials > 0, trials, 1.0)
    square = z * z / n
    high = (rates + 0.5 * square + z * np.sqrt(rates * (1.0 - rates) / n + 0.25 * square / n)) / (1.0 + square)
    return np.where(trials > 0, np.minimum(high, 1.0), 1.0)


class CensoredThreshold(FiniteLearner):
    r"""Chooses the cap at which a run is given up, by optimism on Kaplan–Meier estimates.

    Arm k lets a run go on until it has cost ``points[k]``; one that would cost more is stopped there, and something
    else finishes at the extra cost of a rescue. All arms share the distribution of what the run would cost without a
    cap: its hazard between any two caps is estimated from all runs that came that far, whatever their own caps were
    (E. L. Kaplan and P. Meier, JASA 1958). Source: J. Abernethy, K. Amin and R. Zhu, "Threshold Bandits, With and
    Without Censored Feedback", NeurIPS 2016, who bring UCB and that estimator together.

    With ``S(x)`` the probability to cost more than x, the expected cost of the cap τ is the integral of S up to τ and
    ``S(τ)`` times that of a rescue. The arm is played whose cost is lowest if S is as small as Rothman's confidence
    bounds allow, which are Wilson's for the number of uncensored runs that would leave Greenwood's variance
    (K. J. Rothman, J. Chronic Dis., 1978), and a rescue as cheap as the costs of rescues allow. Of equals the largest
    cap is played, which teaches most.

    Guarantee: their theorems are on arms with distributions of their own and thresholds given from outside; none covers
    caps that are chosen. What survives is what they rest on: whether the next run that comes as far as an interval ends
    in it does not depend on the cap that was chosen, so each hazard is a mean of independent trials, and the optimistic
    costs are lower bounds with the confidence of normal approximations. Every play of a cap is one of all smaller ones
    besides, so that regret grows far more slowly than the number of caps: with ten times as many it doubled.

    The right choice when most runs are short and some are very long (a heavy tail), and the question is when to stop
    one and let something safe finish: patience, a cap on iterations, a time limit. Takes O(K) numbers and O(K)
    time a round: 40 µs for 20 caps when measured.

    Feedback: a cost that is not censored is what the run would have cost under any larger cap; a censored one is all
    that was paid, the cap and what follows. One censored below its arm's cap was stopped by someone else and counts
    for the intervals that it survived.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Kept for the contract's sake; nothing is drawn from it.
    points
        Caps (K,), positive, in the unit of the costs. ``None``: evenly spaced up to twice the largest of the first
        three costs, in the order of the arms' numbers; sensible only where the arms' caps grow evenly too.
    rescue
        R, in the unit of the costs. ``None``: learn it from what censored costs exceed their caps by.
    exploration
        Factor of the squared width of the confidence bounds, ``2 log(1 + t)`` variances; positive.
    memory
        Number of costs after which one has faded by the factor e; at least 2. ``None``: never.

    Raises
    ------
    InvalidInput
        An option out of its range; in :meth:`learn`, a cost that is not finite and nonnegative.
    """

    name: ClassVar[str] = "censored_threshold"

    def __init__(
        self,
        arms: int,
        rng: np.random.Generator,
        *,
        points: ArrayLike | None = None,
        rescue: float | None = None,
        exploration: float = 0.2,
        memory: float | None = None,
    ) -> None:
        super().__init__(arms, rng)
        self._caps: Vector = np.arange(1.0, self._arms + 1.0) / self._arms if points is None else self._checked(points)
        self._known = points is not None
        self._order = self._caps.argsort(kind="stable")
        self._rank = self._order.argsort(kind="stable")
        self._sorted = self._caps[self._order]
        self._rescue = None if rescue is None else positive("rescue", rescue, zero=True)
        self._exploration = positive("exploration", exploration)
        self._memory = fading(memory)
        self._trials: Vector = np.zeros(self._arms)
        self._ended: Vector = np.zeros(self._arms)
        self._ended_cost: Vector = np.zeros(self._arms)
        self._rescues: Vector = np.zeros(3)
        self._rounds = 0
        self._held: list[tuple[int, float, bool]] = []

    def _checked(self, points: ArrayLike) -> Vector:
        caps = checked_points(points, self._arms)
        if caps.shape[1] != 1 or not (caps > 0).all():
            raise InvalidInput("points", f"{points!r} are not {self._arms} positive numbers, in the unit of the costs")
        return caps[:, 0]

    def survival(self) -> Vector:
        """Kaplan–Meier estimate of the probability to cost more than each arm's cap, (K,)."""
        return self._survival()[self._rank]

    def predict(self) -> Vector:
        """Expected cost of every arm, (K,), by the estimates as they are."""
        return self._expected(self._survival(), self._mean_rescue()[0])[self._rank]

    def choose(self, context: Context | None = None) -> Choice:
        """The cap whose cost could be lowest; the context is carried along, not used."""
        place = self._arms - 1
        if self._known:
            bounds = self._lower_bounds()
            place -= int(bounds[::-1].argmin())
        return Choice(int(self._order[place]), 1.0, snapshot(context))

    def _survival(self) -> Vector:
        survival: Vector = (1.0 - self._rates()).cumprod()
        return survival

    def _rates(self) -> Vector:
        """Of the runs that came to an interval between caps, how many ended in it."""
        return self._ended / np.where(self._trials > 0, self._trials, 1.0)

    def _lower_bounds(self) -> Vector:
        """The lowest costs that estimates and rounds allow, (K,), in the order of the caps."""
        z = math.sqrt(2.0 * self._exploration * math.log1p(self._rounds))
        rates, survival, trials = self._rates(), self._survival(), self._trials
        # Greenwood's formula for the variance of the logarithm of the survival.
        greenwood = np.cumsum(rates / np.where((trials > 0) & (rates < 1), trials * (1.0 - rates), np.inf))
        known = (greenwood > 0) & (survival > 0)
        effective = np.where(known, (1.0 - survival) / np.where(known, survival * greenwood, 1.0), trials)
        effective = np.clip(effective, trials, trials[0])
        effective[trials <= 0] = 0.0
        lowest = 1.0 - largest_rates(1.0 - survival, effective, z)
        # Greenwood's variance does not see how few runs have come through a stretch in which none has ended.
        lowest *= np.where(self._ended > 0, 1.0, trials / np.maximum(trials + z * z, 1e-300))
        lowest = np.minimum.accumulate(lowest)
        mean, error = self._mean_rescue()
        return self._expected(lowest, max(mean - z * error, 0.0), z)

    def _expected(self, survival: Vector, rescue: float, z: float = 0.0) -> Vector:
        """The integral of the survival up to each cap, (K,), and the rescues after it."""
        reached, starts = np.ones(self._arms), np.zeros(self._arms)
        reached[1:], starts[1:] = survival[:-1], self._sorted[:-1]
        # Runs that end between two caps cost the mean of those that have, and as little as any where none has; with
        # optimism, z² more of them would have cost so little.
        beyond = (self._ended_cost - self._ended * starts) / np.maximum(self._ended + z * z, 1e-300)
        within = (reached - survival) * beyond + survival * (self._sorted - starts)
        costs: Vector = np.cumsum(within)
        return costs + survival * rescue

    def _mean_rescue(self) -> tuple[float, float]:
        """What a rescue costs, and its standard error; nothing while none has been paid for."""
        if self._rescue is not None:
            return self._rescue, 0.0
        weight, mean, squares = (float(number) for number in self._rescues)
        if weight <= 0:
            return 0.0, 0.0
        # A few equal costs do not prove that all are: the deviation counts as the mean's half in one more of them.
        variance = (squares + 0.25 * mean * mean) / (weight + 1.0)
        return mean, math.sqrt(variance / weight)

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost; ``censored`` if its cap was reached."""
        cost = self._check_feedback(choice, cost)
        if self._known:
            self._take(choice.arm, cost, censored)
            return
        self._held.append((choice.arm, cost, bool(censored)))
        largest = max(held for _, held, _ in self._held)
        if len(self._held) >= FIRST and largest > 0:
            self._caps = self._sorted = REACH * largest * self._caps
            self._known = True
            held, self._held = self._held, []
            for arm, cost, early in held:
                self._take(arm, cost, early)
        elif len(self._held) >= FIRST:
            # All runs were free so far, which says nothing of the unit.
            del self._held[0]

    def _take(self, arm: int, cost: float, censored: bool) -> None:
        if self._memory is not None:
            for numbers in (self._trials, self._ended, self._ended_cost):
                numbers *= 1.0 - 1.0 / self._memory
            self._rescues[[0, 2]] *= 1.0 - 1.0 / self._memory
        self._rounds += 1
        if not censored:
            place = int(self._sorted.searchsorted(cost))
            self._trials[: place + 1] += 1.0
            if place < self._arms:
                self._ended[place] += 1.0
                self._ended_cost[place] += cost
            return
        cap = float(self._caps[arm])
        self._trials[: int(self._sorted.searchsorted(min(cost, cap), side="right"))] += 1.0
        if cost >= cap:
            surprise = cost - cap - self._rescues[1]
            self._rescues[0] += 1.0
            self._rescues[1] += surprise / self._rescues[0]
            self._rescues[2] += surprise * (cost - cap - self._rescues[1])

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "caps": self._caps.copy(),
            "known": self._known,
            "rescue": self._rescue,
            "exploration": self._exploration,
            "memory": self._memory,
            "generator": pack_generator(self._rng),
            "trials": self._trials.copy(),
            "ended": self._ended.copy(),
            "ended_cost": self._ended_cost.copy(),
            "rescues": self._rescues.copy(),
            "rounds": self._rounds,
            "held": [list(held) for held in self._held],
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(
            state["arms"],
            unpack_generator(state["generator"]),
            points=state["caps"],
            rescue=state["rescue"],
            exploration=state["exploration"],
            memory=state["memory"],
        )
        learner._known = bool(state["known"])
        shape = (learner._arms,)
        learner._trials = array(state["trials"], shape)
        learner._ended = array(state["ended"], shape)
        learner._ended_cost = array(state["ended_cost"], shape)
        learner._rescues = array(state["rescues"], (3,))
        learner._rounds = int(state["rounds"])
        learner._held = [(int(arm), float(cost), bool(early)) for arm, cost, early in state["held"]]
        return learner
