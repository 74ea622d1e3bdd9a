"""UCB1: the arm whose cost could be lowest, given what its plays have shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np

from reiterate.contracts import Choice, Context
from reiterate.learners._arm_plays import ArmPlays
from reiterate.learners._counted_costs import CountedCosts
from reiterate.learners._finite import FiniteLearner, Vector, one_of, positive, snapshot
from reiterate.learners._state import array, check_state, pack_generator, unpack_generator

Width = Literal["tuned", "published"]

LEAST_RANGE = 0.1
"""Costs of an arm are taken to range over at least this share of its mean: few plays may happen to agree."""


class UCB1(FiniteLearner):
    r"""Optimism in the face of uncertainty: play the arm with the smallest lower confidence bound.

    Arm ``i``, played ``n`` times in the ``t`` rounds so far with mean cost ``y``, has the bound ``max(y - w, 0)``;
    of several bounds of zero, the arm of the smallest mean is played. Source: P. Auer, N. Cesa-Bianchi and P. Fischer,
    "Finite-time Analysis of the Multiarmed Bandit Problem", Machine Learning 47, 2002, for rewards in [0, 1]; costs
    need *lower* bounds. With ``r`` the range of the arm's costs and ``v`` their variance so far, the
    width ``w`` is

    ``"published"``
        ``r sqrt(2 log(t) / n)``: UCB1.
    ``"tuned"``, the default
        ``sqrt(log(t) / n min(r**2 / 4, v + r**2 sqrt(2 log(t) / n)))``: UCB1-Tuned of the same paper, which
        has no theorem and is the better one in its experiments.

    Guarantee: for ``scale`` given, costs in ``[0, scale]``, independent and with fixed means, UCB1's expected cost
    exceeds that of the best arm by at most ``8 scale**2 sum_i log(T) / gap_i + (1 + pi**2 / 3) sum_i gap_i`` over T
    rounds, for every T; to cut the bounds off at zero changes nothing in the proof. Nothing is promised for costs
    whose means drift: a bound is never forgotten.

    Without ``scale``, ranges are followed online: ``r`` is what the arm has shown itself, and at least ``q y``, where
    ``q`` is the median range relative to the mean of the arms played twice or more, and at least 0.1. Arms that cost
    ten times as much as the best one do not make its bound ten times wider then, and an outlier widens no bound but
    its own arm's. The theorem holds from when the ranges are known; an arm whose costs scatter far more than those of
    the others, and whose first ones are bad, may be given up.

    The right choice when instances of a stream are much alike and a run must be explained or repeated: there are no
    random numbers, and every play of an arm has a reason in two numbers. Takes O(K) numbers, and O(K) time
    a round. Every arm is played once first, in order; one whose feedback does not come is tried again after the
    2K-th, 4K-th, … choice. Costs count at most as the recent level plus ten means, and the first three wait for each
    other. A censored cost counts as no less than the arm's mean (for its first play, the recent level): stopping an
    arm early never makes it look better.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Kept for the contract's sake; nothing is drawn from it.
    width
        See above.
    scale
        The largest possible cost, in the unit of the costs. ``None``: follow ranges online.

    Raises
    ------
    InvalidInput
        An unknown width, a scale that is not positive; in :meth:`learn`, a cost that is not finite and
        nonnegative, or an arm that does not exist.
    """

    name: ClassVar[str] = "ucb1"

    def __init__(
        self,
        arms: int,
        rng: np.random.Generator,
        *,
        width: Width = "tuned",
        scale: float | None = None,
    ) -> None:
        super().__init__(arms, rng)
        self._width: Width = one_of("width", width, get_args(Width))
        self._costs = CountedCosts(None if scale is None else positive("scale", scale))
        self._plays = ArmPlays(self._arms)
        self._lowest: Vector = np.zeros(self._arms)
        self._highest: Vector = np.zeros(self._arms)

    @property
    def lower_bounds(self) -> Vector:
        """Lower confidence bounds (K,), in the unit of the costs; zero where nothing is known of an arm."""
        plays = self._plays
        log = math.log(max(float(plays.counts.sum()), 1.0))
        counts = np.maximum(plays.counts, 1.0)
        ratio = log / counts
        ranges = self._ranges()
        squared = 2.0 * ratio * ranges**2
        if self._width == "tuned":
            spread = np.minimum(0.25 * ranges**2, plays.squares / counts + ranges**2 * np.sqrt(2.0 * ratio))
            squared = ratio * spread
        bounds: Vector = np.maximum(plays.means - np.sqrt(squared), 0.0)
        return bounds

    def choose(self, context: Context | None = None) -> Choice:
        """The arm that is due, or else has the smallest bound; the context is carried along, not used."""
        arm = self._plays.due()
        if arm is None:
            known = self._plays.counts > 0
            bounds = np.where(known, self.lower_bounds, np.inf)
            arm = int(np.where(bounds <= bounds.min(), self._plays.means, np.inf).argmin())
        self._plays.chosen[arm] += 1.0
        return Choice(arm, 1.0, snapshot(context))

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost."""
        cost = self._check_feedback(choice, cost)
        for arm, counted, stopped in self._costs.take(choice.arm, cost, censored):
            self._add(arm, counted, stopped)

    def _add(self, arm: int, cost: float, censored: bool) -> None:
        plays = self._plays
        known = plays.counts[arm] > 0
        if censored:
            cost = max(cost, plays.usual(arm, self._costs.sizes.level))
        plays.add(arm, cost)
        self._lowest[arm] = min(cost, float(self._lowest[arm])) if known else cost
        self._highest[arm] = max(cost, float(self._highest[arm]))

    def _ranges(self) -> Vector:
        """How far an arm's costs are taken to spread, (K,)."""
        if self._costs.scale is not None:
            return np.full(self._arms, self._costs.scale)
        shown = self._highest - self._lowest
        means = self._plays.means
        # Costs are nonnegative, so that a range is at most the mean times the number of plays.
        again = (self._plays.counts > 1) & (means > 0)
        relative = float(np.median(shown[again] / means[again])) if again.any() else 0.0
        return np.maximum(shown, max(relative, LEAST_RANGE) * means)

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "width": self._width,
            "scale": self._costs.scale,
            "generator": pack_generator(self._rng),
            "costs": self._costs.state_dict(),
            "plays": self._plays.state_dict(),
            "lowest": self._lowest.copy(),
            "highest": self._highest.copy(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        rng = unpack_generator(state["generator"])
        learner = cls(state["arms"], rng, width=state["width"], scale=state["scale"])
        learner._costs = CountedCosts.from_state_dict(state["costs"], learner._costs.scale)
        learner._plays = ArmPlays.from_state_dict(state["plays"], learner._arms)
        learner._lowest = array(state["lowest"], (learner._arms,))
        learner._highest = array(state["highest"], (learner._arms,))
        return learner
