"""Rising bandits: arms that get better the more they are played."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from reiterate.contracts import Choice, Context
from reiterate.learners._arm_plays import ArmPlays
from reiterate.learners._counted_costs import CountedCosts
from reiterate.learners._finite import FiniteLearner, Vector, count, positive, snapshot
from reiterate.learners._state import array, check_state, pack_generator, unpack_generator

SHARE = 0.4
"""A window holds this share of an arm's plays."""

LONGEST = 128
"""Longest window; twice as many costs of an arm are kept."""

PRIOR_NOISE = 0.05
"""Standard deviation of costs, relative to them, that is believed of one difference before any has been seen."""


class Rising(FiniteLearner):
    r"""Play the arm whose cost could become smallest if it went on falling as it did.

    R-ed-UCB for rested arms: an arm changes only as it is played. Source: A. M. Metelli, F. Trovò, M. Pirola and M.
    Restelli, "Stochastic Rising Bandits", ICML 2022, for rewards. With ``h`` the window, ``max(1, floor(0.4 N))``
    of an arm's N plays, the last ``h`` costs ``c_l`` are extrapolated by their falls over ``h`` plays to ``a``
    plays ahead:

    ``mean_l(c_l) + min(0, mean_l((N + a - l) (c_l - c_(l-h)) / h)) - exploration s (a + h - 1) sqrt(log(t) / h**3)``

    is the bound of the arm in round t, cut off at zero, and the arm with the smallest bound is played; of several
    bounds of zero, that of the smallest mean over its window. ``s`` is the standard deviation of the noise: that of
    successive costs' relative differences, pooled over arms, times the arm's mean.

    Guarantee: for ``horizon=None``, that is ``a = t - N``, a known ``s`` and ``exploration = sqrt(10 alpha)`` with
    ``alpha > 2``, the paper bounds the expected regret against the best sequence of plays, for expected costs that
    fall by ever smaller steps, in terms of how slowly they fall: of order ``T**(2/3)``, up to logarithms, where
    that is fast enough. Three things differ here: ``s`` is estimated; rises, which such costs do not have, are not
    extrapolated; and by default costs are followed only 32 plays ahead, with a narrower margin. The published bound
    explores every arm for some hundred plays where costs have noise of a few percent. This one gives up an arm that
    would need more than ``horizon`` plays to get better than the best one.

    The right choice when arms learn: a preconditioner that recycles what earlier solves left, a cache that fills,
    an initial guess that improves, which lose against a fixed method at first and win in the end. Where costs do
    not fall, :class:`~reiterate.learners.ucb1.UCB1` is as safe and plays bad arms less. Takes O(K) numbers,
    at most 256 costs an arm, and O(K) time a round. Costs are taken in the order of their arrival. Every arm is
    played once first, as by UCB1, which also tells how outliers count. A censored cost counts as no less than the
    mean over the arm's window.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Kept for the contract's sake; nothing is drawn from it.
    horizon
        How many plays ahead falling costs are followed at most. ``None``: to the present round, as published.
    exploration
        Width of the margin for noise.

    Raises
    ------
    InvalidInput
        An option out of its range; in :meth:`learn`, a cost that is not finite and nonnegative, or an arm that does
        not exist.
    """

    name: ClassVar[str] = "rising"

    def __init__(
        self,
        arms: int,
        rng: np.random.Generator,
        *,
        horizon: int | None = 32,
        exploration: float = 0.5,
    ) -> None:
        super().__init__(arms, rng)
        self._horizon = None if horizon is None else count("horizon", horizon)
        self._exploration = positive("exploration", exploration, zero=True)
        self._costs = CountedCosts()
        self._plays = ArmPlays(self._arms)
        self._latest: list[list[float]] = [[] for _ in range(self._arms)]
        self._recent: Vector = np.zeros(self._arms)
        self._slopes: Vector = np.zeros(self._arms)
        self._ages: Vector = np.zeros(self._arms)
        self._windows: Vector = np.ones(self._arms)
        self._noise = [PRIOR_NOISE**2, 1.0]

    @property
    def bounds(self) -> Vector:
        """What each arm's cost could become (K,), in the unit of the costs."""
        counts, windows = self._plays.counts, self._windows
        rounds = float(counts.sum())
        ahead = rounds - counts
        if self._horizon is not None:
            ahead = np.minimum(ahead, self._horizon)
        falls = ahead * self._slopes + self._ages
        noise = math.sqrt(self._noise[0] / self._noise[1])
        spread = self._exploration * noise * math.sqrt(math.log(max(rounds, 1.0)))
        margins = spread * self._recent * (ahead + windows - 1.0) / windows**1.5
        bounds = np.maximum(self._recent + np.minimum(falls, 0.0) - margins, 0.0)
        # One play shows no fall, so that anything may follow.
        bounds[counts < 2] = 0.0
        return bounds

    def choose(self, context: Context | None = None) -> Choice:
        """The arm that is due, or else has the smallest bound; the context is carried along, not used."""
        arm = self._plays.due()
        if arm is None:
            bounds = np.where(self._plays.counts > 0, self.bounds, np.inf)
            arm = int(np.where(bounds <= bounds.min(), self._recent, np.inf).argmin())
        self._plays.chosen[arm] += 1.0
        return Choice(arm, 1.0, snapshot(context))

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost."""
        cost = self._check_feedback(choice, cost)
        for arm, counted, stopped in self._costs.take(choice.arm, cost, censored):
            self._add(arm, counted, stopped)

    def _add(self, arm: int, cost: float, censored: bool) -> None:
        latest = self._latest[arm]
        if censored:
            cost = max(cost, float(self._recent[arm]) if latest else self._costs.sizes.level)
        if latest:
            size = latest[-1] ** 2 + cost**2
            if size > 0:
                self._noise[0] += (cost - latest[-1]) ** 2 / size
                self._noise[1] += 1.0
        latest.append(cost)
        del latest[: -2 * LONGEST]
        self._plays.add(arm, cost)
        self._follow(arm)

    def _follow(self, arm: int) -> None:
        """Refresh what the bounds need of the arm's windows: the last one, and the one before it."""
        latest = np.array(self._latest[arm])
        window = min(max(1, int(SHARE * float(self._plays.counts[arm]))), LONGEST)
        self._windows[arm] = window
        self._recent[arm] = latest[-window:].mean()
        if latest.size >= 2 * window:
            falls = (latest[-window:] - latest[-2 * window : -window]) / window
            self._slopes[arm] = falls.mean()
            self._ages[arm] = np.arange(window - 1, -1, -1).dot(falls) / window

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "horizon": self._horizon,
            "exploration": self._exploration,
            "generator": pack_generator(self._rng),
            "costs": self._costs.state_dict(),
            "plays": self._plays.state_dict(),
            "latest": [np.array(latest) for latest in self._latest],
            "noise": list(self._noise),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        rng = unpack_generator(state["generator"])
        learner = cls(state["arms"], rng, horizon=state["horizon"], exploration=state["exploration"])
        learner._costs = CountedCosts.from_state_dict(state["costs"])
        learner._plays = ArmPlays.from_state_dict(state["plays"], learner._arms)
        learner._latest = [array(latest, (len(latest),)).tolist() for latest in state["latest"]]
        learner._noise = [float(number) for number in state["noise"]]
        for arm, latest in enumerate(learner._latest):
            if latest:
                learner._follow(arm)
        return learner
