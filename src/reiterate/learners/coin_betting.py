"""Coin betting: learning without a learning rate, a horizon or a scale, from costs of any size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Choice, Context
from reiterate.learners._finite import FiniteLearner, Vector, positive
from reiterate.learners._state import array, check_state, pack_generator, unpack_generator

MEMORY = 32
"""Costs over which an arm's predicted cost is averaged: older ones fade."""

LEAST_RATIO = 1e-6
"""Arms that cost more than the cheapest by a greater factor than its inverse have the prior of that factor."""

LARGEST_ESTIMATE = 1e200
"""Greater loss estimates count as this: their round is scaled down to the size of a coin anyway."""


def betting_fractions(sums: Vector, sizes: Vector) -> Vector:
    """Share of its wealth that each arm bets, negative if against itself, (K,), strictly within (-1, 1).

    With coins ``c_s`` in [-1, 1] that is ``sum_s c_s / (1 + sum_s |c_s|)``: the estimator of Krichevsky and
    Trofimov if coins are -1 and 1, and bolder where they are smaller.
    """
    fractions: Vector = sums / (1.0 + sizes)
    return fractions


class CoinBetting(FiniteLearner):
    r"""Every arm bets on being better than the mixture of arms, and is drawn in proportion to its bet.

    Nothing has to be set to the size of the costs, the number of rounds, or how good the best arm is. Sources:
    F. Orabona and D. Pal, "Coin Betting and Parameter-Free Online Learning", NIPS 2016 (the reduction of experts
    to coins); F. Orabona and T. Tommasi, "Training Deep Networks without Learning Rates Through Coin Betting",
    NIPS 2017 (bets that follow the size of the coins).

    Arm ``i`` owns the wealth ``W_i``, at first 1, and bets the share ``beta_i`` of it
    (:func:`betting_fractions`). With a prior ``pi`` the mixture is ``b_i ~ pi_i max(beta_i W_i, 0)``, ``pi``
    itself while nobody bets on itself. The coin of arm ``i`` is what the mixture's estimated loss exceeds the
    arm's by, divided by a scale ``G``, and no less than 0 if the arm did not bet on itself. Then
    ``sum_i pi_i W_i <= sum_i pi_i`` for ever: whoever has become rich must have been beaten by the mixture less.

    As a bandit it differs from the source, where the losses of all arms are seen and lie in [0, 1]:

    - each arm is played once first, in random order. These first costs ``f_i`` buy no bets, but set the prior:
      ``pi_i ~ (min f / f_i)**2``. A prior costs only the square root of its logarithm, and with this one the
      mixture costs less than sqrt(K) times the cheapest first cost at once, however dear some of the arms are;
    - losses are estimated as ``m_i + 1[I=i] (l - m_i) / p_i`` with ``m_i`` the mean of the arm's last costs:
      unbiased, and certain where costs hardly vary;
    - ``G`` is the largest coin so far, except that one round at most doubles it. A round with greater coins is
      scaled down to it as a whole, so that an outlier counts little, and what lasts counts;
    - arm ``i`` is drawn at least with the probability ``exploration * min(1, m / (m_i - min m)) / sqrt(K t)``,
      ``m`` the mixture's predicted cost, so that exploring costs ``2 exploration sqrt(K T)`` of these in T rounds.

    Guarantee: betting on coins -1 and 1 multiplies the wealth by at least ``exp(S**2 / 2T) / (e sqrt(pi T))`` in T
    coins of sum S (Krichevsky and Trofimov). Given the losses of all arms, in an interval of length ``G``, the regret
    against any arm ``i`` is so at most ``G sqrt(T (2 log(1 / pi_i) + log T + 5))`` after any number T of rounds,
    with the sources' bets for coins of size at most 1. With bandit feedback that holds for the *estimated* losses, in
    rounds that were not scaled down; there is no proof for the whole.

    The right choice when nothing is known about the scale and the arms differ by orders of magnitude: one play
    of each dear arm is almost all that they ever cost. Where all costs swing together, the ``m_i`` of arms that
    are rarely played are out of date, and :class:`~reiterate.learners.tsallis_inf.TsallisINF` is better. Takes
    O(K) numbers and O(K) time per round. Feedback may be late; until an arm's first has come, the arm
    is explored, but does not bet. A censored cost counts as no less than the arm's predicted cost; an arm's
    first cost, as no less than the median of the other arms' predictions.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness.
    exploration
        Larger explores more; positive.

    Raises
    ------
    InvalidInput
        ``exploration`` is not positive; in :meth:`learn`, a cost that is not finite and nonnegative, or a
        choice that could not have been made.
    """

    name: ClassVar[str] = "coin_betting"

    def __init__(self, arms: int, rng: np.random.Generator, *, exploration: float = 0.2) -> None:
        super().__init__(arms, rng)
        self._exploration = positive("exploration", exploration)
        self._untried = list(range(self._arms))
        self._first: Vector = np.zeros(self._arms)
        self._predicted: Vector = np.zeros(self._arms)
        self._plays: NDArray[np.float64] = np.zeros(self._arms)
        self._sums: Vector = np.zeros(self._arms)
        self._sizes: Vector = np.zeros(self._arms)
        self._log_wealth: Vector = np.zeros(self._arms)
        self._scale = 0.0
        self._rounds = 0

    @property
    def wealth(self) -> Vector:
        """What each arm owns, (K,), positive; every arm starts with 1."""
        wealth: Vector = np.exp(self._log_wealth)
        return wealth

    @property
    def prior(self) -> Vector:
        """Prior weights (K,): 1 for the arm of the least first cost, 0 for arms whose first cost is not known yet."""
        heard = self._plays > 0
        if not heard.any():
            return np.ones(self._arms)
        # An arm that cost nothing once may cost anything: that says nothing about ratios.
        positive_ones = self._first[self._first > 0]
        ratio = np.ones(self._arms)
        if len(positive_ones):
            np.divide(positive_ones.min(), self._first, out=ratio, where=self._first > 0)
        weights: Vector = np.where(heard, np.maximum(ratio, LEAST_RATIO) ** 2, 0.0)
        return weights

    @property
    def mixture(self) -> Vector:
        """Probabilities (K,) in proportion to the arms' bets."""
        weights = self.prior * self._bets()
        total = float(weights.sum())
        if not total > 0:
            weights = self.prior
            total = float(weights.sum())
        mixture: Vector = weights / total
        return mixture

    @property
    def probabilities(self) -> Vector:
        """Probabilities (K,) with which the next arm is drawn, once every arm has been tried."""
        mixture = self.mixture
        heard = self._plays > 0
        least = np.ones(self._arms)
        if heard.any():
            expected = float(mixture.dot(self._predicted))
            gaps = self._predicted - self._predicted[heard].min()
            np.divide(expected, gaps, out=least, where=heard & (gaps > expected))
        least *= min(self._exploration / math.sqrt(self._arms * (self._rounds + 1)), 0.5 / self._arms)
        p: Vector = (1.0 - least.sum()) * mixture + least
        p /= p.sum()
        return p

    def choose(self, context: Context | None = None) -> Choice:
        """Draw an arm, one that has never been chosen if there is one; the context is carried along, not used."""
        if not self._untried:
            return self._draw(self.probabilities, context)
        p = np.zeros(self._arms)
        p[self._untried] = 1.0 / len(self._untried)
        choice = self._draw(p, context)
        self._untried.remove(choice.arm)
        return choice

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Settle the bets by what a choice cost."""
        cost = self._check_drawn_feedback(choice, cost)
        arm = choice.arm
        self._rounds += 1
        if self._plays[arm] == 0:
            others = self._predicted[self._plays > 0]
            if censored and len(others):
                cost = max(cost, float(np.median(others)))
            self._first[arm] = self._predicted[arm] = cost
            self._plays[arm] = 1
            if arm in self._untried:
                self._untried.remove(arm)
            return
        error = cost - float(self._predicted[arm])
        if censored:
            error = max(error, 0.0)
        losses = self._predicted.copy()
        correction = error / max(choice.probability, 1e-300)
        losses[arm] += min(max(correction, -LARGEST_ESTIMATE), LARGEST_ESTIMATE)
        self._settle(losses)
        self._plays[arm] += 1
        self._predicted[arm] += error / min(self._plays[arm], MEMORY)

    def _bets(self) -> Vector:
        """What each arm bets on itself, (K,), up to a common factor; 0 for those that do not."""
        fractions = betting_fractions(self._sums, self._sizes)
        bets: Vector = np.maximum(fractions, 0.0) * np.exp(self._log_wealth - self._log_wealth.max())
        return bets

    def _settle(self, losses: Vector) -> None:
        """Pay the bets out on the losses (K,) of all arms."""
        fractions = betting_fractions(self._sums, self._sizes)
        gains = float(self.mixture.dot(losses)) - losses
        coins = np.where(fractions > 0, gains, np.maximum(gains, 0.0))
        coins[self._plays == 0] = 0.0
        largest = float(np.abs(coins).max())
        if largest == 0.0:
            return
        if largest > self._scale:
            self._scale = min(largest, 2.0 * self._scale) if self._scale > 0 else largest
        coins /= max(largest, self._scale)
        self._log_wealth += np.log1p(fractions * coins)
        self._sums += coins
        self._sizes += np.abs(coins)

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "exploration": self._exploration,
            "generator": pack_generator(self._rng),
            "untried": list(self._untried),
            "first": self._first.copy(),
            "predicted": self._predicted.copy(),
            "plays": self._plays.copy(),
            "sums": self._sums.copy(),
            "sizes": self._sizes.copy(),
            "log_wealth": self._log_wealth.copy(),
            "scale": self._scale,
            "rounds": self._rounds,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(state["arms"], unpack_generator(state["generator"]), exploration=state["exploration"])
        shape = (learner.arms,)
        learner._untried = [int(arm) for arm in state["untried"]]
        learner._first = array(state["first"], shape)
        learner._predicted = array(state["predicted"], shape)
        learner._plays = array(state["plays"], shape)
        learner._sums = array(state["sums"], shape)
        learner._sizes = array(state["sizes"], shape)
        learner._log_wealth = array(state["log_wealth"], shape)
        learner._scale = float(state["scale"])
        learner._rounds = int(state["rounds"])
        return learner
