"""Thompson sampling: play an arm with the probability that it is the best one, given what its plays have shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np

from reiterate.contracts import Choice, Context
from reiterate.learners._arm_plays import ArmPlays
from reiterate.learners._counted_costs import CountedCosts
from reiterate.learners._finite import FiniteLearner, Vector, one_of, snapshot
from reiterate.learners._state import check_state, pack_generator, unpack_generator

Model = Literal["lognormal", "normal"]

PRIOR_NOISE = 0.2
"""Standard deviation, in mean costs, that an arm's costs are believed to have before any arm has been seen twice."""

PRIOR_WEIGHT = 2.0
"""The common variance of the noise counts as this many observations of each arm's own."""

SMALLEST = 1e-3
"""The lognormal model takes costs to be at least this share of the recent level: zero has no logarithm."""

DRAWS = 16
"""Joint draws from the posterior for one choice; the arm that is best in one of them, taken at random, is played."""


class Thompson(FiniteLearner):
    r"""Draw every arm's mean cost from its posterior, and play the arm whose draw is smallest.

    Costs of an arm, or their logarithms (``model``), are Gaussian with unknown mean and variance and a
    normal-inverse-gamma prior. Sources: W. R. Thompson, "On the Likelihood That One Unknown Probability Exceeds
    Another in View of the Evidence of Two Samples", Biometrika 25, 1933; J. Honda and A. Takemura, "Optimality of
    Thompson Sampling for Gaussian Bandits Depends on Priors", AISTATS 2014.

    After ``n`` plays with mean ``y`` and sum of squared deviations ``S``, an arm's mean is drawn from Student's
    distribution with ``nu = n + 1`` degrees of freedom around ``y``, with squared scale ``v / n`` where
    ``v = (2 s + S) / nu``. The prior of the mean is flat, that of the variance worth two observations of ``s``, the
    variance common to all arms: pooled over them (relative to their squared means in the model ``"normal"``), with
    the guess (0.2 mean costs)**2 as one observation. Arms so differ in variance as far as their plays show it.

    ``"lognormal"``, the default
        The logarithms of costs are modeled, and arms compared by ``exp(mean + v / 2)``, their mean cost.
        Noise of times and iteration counts is in proportion to them, and a stream whose instances become harder
        together stays within a few units. Costs below a thousandth of the recent level count as that.
    ``"normal"``
        Costs are modeled as they are: for costs that are often zero.

    Guarantee: for Gaussian costs with fixed means and variances, Honda and Takemura prove that the regret is
    ``sum_i gap_i log(T) / (log(1 + gap_i**2 / sigma_i**2) / 2) + o(log T)``, which no consistent learner improves on,
    for the uniform prior, and that it is not for Jeffreys' prior, under which costs that happen to agree make an arm
    too certain. Here the pooled variance excludes that; their theorem is not proved for it. The lognormal model
    compares mean costs where costs are lognormal, and otherwise geometric means of arms of like variance.

    The right choice when costs of an arm scatter about a fixed mean, for some arms much more than for others, and
    every instance is dear: each arm is played only until its own noise leaves no doubt. Takes O(K) numbers,
    and O(K) time a round, in which 16 K numbers are drawn. The probability that a choice carries is the share of 16
    joint draws in which its arm was best, one of which was taken. Every arm is played once first, as by
    :class:`~reiterate.learners.ucb1.UCB1`, which also tells how outliers and censored costs count. Late feedback is
    taken in when it comes; until then draws go on from what is known. An arm whose first cost happens to be an outlier
    may be given up; UCB1 tries it again.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness.
    model
        See above.

    Raises
    ------
    InvalidInput
        An unknown model; in :meth:`learn`, a cost that is not finite and nonnegative, or an arm that does not exist.
    """

    name: ClassVar[str] = "thompson"

    def __init__(self, arms: int, rng: np.random.Generator, *, model: Model = "lognormal") -> None:
        super().__init__(arms, rng)
        self._model: Model = one_of("model", model, get_args(Model))
        self._costs = CountedCosts()
        self._plays = ArmPlays(self._arms)

    def posterior(self) -> tuple[Vector, Vector, Vector]:
        """Center, squared scale and degrees of freedom of every arm's mean, each (K,), by the model.

        An arm of which nothing is known has what one play of cost 1 would give.
        """
        plays = self._plays
        counts = np.maximum(plays.counts, 1.0)
        units = plays.means**2 if self._model == "normal" else np.ones(self._arms)
        freedom = PRIOR_WEIGHT + counts - 1.0
        spread = (PRIOR_WEIGHT * self._common_variance(units) * units + plays.squares) / freedom
        return plays.means.copy(), spread / counts, freedom

    def choose(self, context: Context | None = None) -> Choice:
        """An arm that is due, or else one that is best in a draw; the context is carried along, not used."""
        arm, probability = self._plays.due(), 1.0
        if arm is None:
            winners = self._draw_winners()
            arm = int(winners[0])
            probability = float(np.count_nonzero(winners == arm)) / DRAWS
        self._plays.chosen[arm] += 1.0
        return Choice(arm, probability, snapshot(context))

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost."""
        cost = self._check_feedback(choice, cost)
        for arm, counted, stopped in self._costs.take(choice.arm, cost, censored):
            value = self._value(counted)
            if value is None:
                continue
            if stopped:
                value = self._at_least_usual(arm, value)
            self._plays.add(arm, value)

    def _draw_winners(self) -> Vector:
        """The best arm of each of the joint draws; they are independent, so the first is one taken at random."""
        center, squared_scale, freedom = self.posterior()
        draws = center + np.sqrt(squared_scale) * self._rng.standard_t(freedom, (DRAWS, self._arms))
        if self._model == "lognormal":
            # What the mean of a lognormal cost has above its median.
            draws += 0.5 * squared_scale * np.maximum(self._plays.counts, 1.0)
        draws[:, self._plays.counts == 0] = np.inf
        winners: Vector = draws.argmin(axis=1)
        return winners

    def _common_variance(self, units: Vector) -> float:
        """Variance of an arm's values about their mean, pooled over arms, each in its own unit (K,)."""
        plays = self._plays
        known = (units > 0) & (plays.counts > 1)
        squares = float((plays.squares[known] / units[known]).sum())
        return (PRIOR_NOISE**2 + squares) / (1.0 + float((plays.counts[known] - 1.0).sum()))

    def _value(self, cost: float) -> float | None:
        """What the model is about; ``None``: all costs so far were zero, which have no logarithm."""
        if self._model == "normal":
            return cost
        cost = max(cost, SMALLEST * self._costs.sizes.level)
        return math.log(cost) if cost > 0 else None

    def _at_least_usual(self, arm: int, value: float) -> float:
        level = self._value(self._costs.sizes.level)
        return max(value, self._plays.usual(arm, value if level is None else level))

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "model": self._model,
            "generator": pack_generator(self._rng),
            "costs": self._costs.state_dict(),
            "plays": self._plays.state_dict(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(state["arms"], unpack_generator(state["generator"]), model=state["model"])
        learner._costs = CountedCosts.from_state_dict(state["costs"])
        learner._plays = ArmPlays.from_state_dict(state["plays"], learner._arms)
        return learner
