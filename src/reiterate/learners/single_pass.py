"""One pass over a stream of arms that remembers two of them: for more arms than rounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from reiterate.contracts import Choice, Context
from reiterate.errors import InvalidInput
from reiterate.learners._cost_scale import CostScale
from reiterate.learners._finite import FiniteLearner, positive, snapshot
from reiterate.learners._state import check_state, pack_generator, unpack_generator

SETTLED = 5
"""Costs of the king before it is challenged."""

GROWTH = 3.0
"""Each level of a challenge has this to the power of the level as its share of the evidence asked for."""

EARNED = 2.0
"""What an arrival earns the king, in prices of the first level, at which most challenges are lost."""


class SinglePass(FiniteLearner):
    """A king that is played, and challengers that arrive once, in random order, and are forgotten if they lose.

    Arms are met one after another, each at most once, and only the king and one challenger are remembered.
    Sources: S. Assadi and C. Wang, "Exploration with Limited Memory: Streaming Algorithms for Coin Tossing, Noisy
    Comparisons, and Multi-Armed Bandits", STOC 2020, for the game: every arrival earns the king a budget, a
    challenger must win at one level after another, each costs the king some of that budget, and only when it is used
    up does the challenger become king, so that the longer a king has stood, the more it takes to replace it. C. Wang,
    "Tight Regret Bounds for Single-pass Streaming Multi-armed Bandits", ICML 2023, for committing to what was found;
    for one arm's memory also T. Jin, K. Huang, J. Tang and X. Xiao, "Optimal Streaming Algorithms for Multi-armed
    Bandits", ICML 2021.

    Let ``s_l = log(1/delta) + 3**l``, ``sigma`` be the standard deviation of costs, and ``n`` the number of the
    challenger's costs, or rather ``n N / (n + N)`` with ``N`` of the king's. Level ``l`` is won when
    ``n >= 8 (sigma / (accuracy m))**2 s_l`` and the challenger's mean is below the king's, ``m``, by half the accuracy;
    or at once if it is below by ``sigma sqrt(2 (s_l + log(i (i + 1))) / n)`` after its cost number ``i``. The
    challenger is sent away as soon as its mean is above by as much with ``log(1/delta)`` for ``s_l``: after one cost,
    mostly. So that no challenger takes all the time there is, at most ``exploration t**(1/3)`` costs decide the
    first level in round ``t``, and the accuracy is until then the one that these allow.

    Guarantee, for subgaussian costs of known, constant ``sigma``: an arm better than the king by ``accuracy`` replaces
    it with probability at least ``1 - 1.1 delta``, and one that is no better wins level ``l`` with probability at most
    ``2 delta exp(-3**l)``. In the source that makes the king the best arm with probability ``1 - O(delta)`` if its gap
    exceeds the accuracy, from O(K sigma**2 / accuracy**2 log(1/delta)) costs. Here ``sigma`` is estimated, relative to
    the mean, from the costs of all kings so far. Of the first T rounds, at most ``exploration T**(2/3)`` go to
    challengers that do not look better than the king at that time: exploring costs no more than that, and few arms need
    be met for one of the best.

    The right choice for ten thousand arms, of which a good one is wanted after a thousand rounds: a fine grid of
    parameters. For fewer arms than rounds, others use what they see better; costs that drift are not followed.

    Takes O(1) numbers and O(1) time a round, however many arms. Feedback for arms that are forgotten is dropped.
    A censored cost counts as a cost, but as no less than the king's mean. Outliers count as the recent level plus
    ten mean costs.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness, for the order of the arms only.
    accuracy
        Relative difference of mean costs that is worth finding.
    delta
        Probability with which a challenger may be misjudged, in (0, 1).
    exploration
        Of T rounds, at most this times ``T**(2/3)`` are played by challengers that do not look better than the king.

    Raises
    ------
    InvalidInput
        An option out of its range; in :meth:`learn`, a cost that is not finite and nonnegative.
    """

    name: ClassVar[str] = "single_pass"

    def __init__(
        self,
        arms: int,
        rng: np.random.Generator,
        *,
        accuracy: float = 0.05,
        delta: float = 0.1,
        exploration: float = 1.0,
    ) -> None:
        super().__init__(arms, rng)
        self._accuracy = positive("accuracy", accuracy)
        self._delta = positive("delta", delta)
        if self._delta >= 1:
            raise InvalidInput("delta", f"{delta!r} is not in (0, 1); it is the probability of an error")
        self._exploration = positive("exploration", exploration)
        self._first = int(self._rng.integers(self._arms))
        self._stride = coprime(self._arms, self._rng)
        self._met = 1
        self._king, self._king_plays, self._king_mean = self._first, 0, 0.0
        self._challenger: int | None = None
        self._plays, self._mean = 0, 0.0
        self._level, self._budget = 1, 0.0
        self._squares, self._freedom = 0.0, 0
        self._rounds = self._explored = 0
        self._costs = CostScale()

    @property
    def king(self) -> int:
        """The arm that is played."""
        return self._king

    @property
    def met(self) -> int:
        """Number of arms that have been met."""
        return self._met

    def choose(self, context: Context | None = None) -> Choice:
        """The challenger, if there is one and it is time to explore or it looks better, else the king."""
        self._rounds += 1
        may_explore = self._explored + 1 <= self._exploration * self._rounds ** (2.0 / 3.0)
        if may_explore and self._challenger is None and self._met < self._arms and self._king_plays >= SETTLED:
            self._admit()
        # A challenger cannot be known to be better than a king who is known less well.
        if self._challenger is None or self._king_plays < self._plays:
            return Choice(self._king, 1.0, snapshot(context))
        if self._plays == 0 or self._mean >= self._king_mean:
            if not may_explore:
                return Choice(self._king, 1.0, snapshot(context))
            self._explored += 1
        return Choice(self._challenger, 1.0, snapshot(context))

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost, if its arm is still remembered."""
        cost = self._check_feedback(choice, cost)
        if censored:
            cost = max(cost, self._king_mean)
        limit = self._costs.limit if self._costs.ready else math.inf
        self._costs.update(cost)
        cost = min(cost, limit)
        if choice.arm == self._king:
            self._learn_king(cost)
        elif choice.arm == self._challenger:
            self._plays += 1
            self._mean += (cost - self._mean) / self._plays
            self._judge()

    def _learn_king(self, cost: float) -> None:
        self._king_plays += 1
        before = cost - self._king_mean
        self._king_mean += before / self._king_plays
        if self._king_plays > 1:
            self._freedom += 1
            if self._king_mean > 0:
                self._squares += (before / self._king_mean) * ((cost - self._king_mean) / self._king_mean)

    def _admit(self) -> None:
        """Let the next arm of the stream challenge the king."""
        self._challenger = (self._first + self._stride * self._met) % self._arms
        self._met += 1
        self._plays, self._mean, self._level = 0, 0.0, 1
        self._budget += (EARNED - 1.0) * self._evidence(1)

    def _evidence(self, level: int) -> float:
        """The s_l of the class's description."""
        return GROWTH**level - math.log(self._delta)

    def _judge(self) -> None:
        """Decide the levels that the challenger's costs so far decide."""
        deviation = math.sqrt(self._squares / max(self._freedom, 1))
        sigma = deviation * self._king_mean
        # Costs for a unit of evidence at the accuracy asked for, or as many as there is time for so far.
        rate = 8.0 * (deviation / self._accuracy) ** 2
        rate = min(rate, self._exploration * self._rounds ** (1.0 / 3.0) / self._evidence(1))
        margin = 0.5 * sigma * math.sqrt(8.0 / rate) if rate > 0 else 0.5 * self._accuracy * self._king_mean
        ahead = self._king_mean - self._mean
        # Both means are estimates: together they are as good as this many costs against a known one.
        n = self._plays * self._king_plays / (self._plays + self._king_plays)
        looks = math.log(self._plays * (self._plays + 1))
        if -ahead > sigma * math.sqrt(2.0 * (looks - math.log(self._delta)) / n):
            self._challenger = None
            return
        while self._challenger is not None:
            evidence = self._evidence(self._level)
            decided = n >= rate * evidence
            sure = ahead > sigma * math.sqrt(2.0 * (evidence + looks) / n)
            if not (sure or (decided and ahead > margin)):
                if decided:
                    self._challenger = None
                return
            self._level += 1
            if self._budget < self._evidence(self._level):
                self._crown()
                return
            self._budget -= self._evidence(self._level)

    def _crown(self) -> None:
        assert self._challenger is not None
        self._king, self._king_plays, self._king_mean = self._challenger, self._plays, self._mean
        self._challenger = None
        self._budget = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "accuracy": self._accuracy,
            "delta": self._delta,
            "exploration": self._exploration,
            "generator": pack_generator(self._rng),
            "costs": self._costs.state_dict(),
            "stream": [self._first, self._stride, self._met],
            "king": [self._king, self._king_plays, self._king_mean],
            "challenger": [self._challenger, self._plays, self._mean],
            "game": [self._level, self._budget],
            "deviation": [self._squares, self._freedom],
            "rounds": [self._rounds, self._explored],
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(
            state["arms"],
            np.random.default_rng(0),
            accuracy=state["accuracy"],
            delta=state["delta"],
            exploration=state["exploration"],
        )
        learner._rng = unpack_generator(state["generator"])
        learner._costs = CostScale.from_state_dict(state["costs"])
        learner._first, learner._stride, learner._met = (int(value) for value in state["stream"])
        king, king_plays, king_mean = state["king"]
        learner._king, learner._king_plays, learner._king_mean = int(king), int(king_plays), float(king_mean)
        challenger, plays, mean = state["challenger"]
        learner._challenger = None if challenger is None else int(challenger)
        learner._plays, learner._mean = int(plays), float(mean)
        level, budget = state["game"]
        learner._level, learner._budget = int(level), float(budget)
        squares, freedom = state["deviation"]
        learner._squares, learner._freedom = float(squares), int(freedom)
        learner._rounds, learner._explored = (int(value) for value in state["rounds"])
        return learner


def coprime(size: int, rng: np.random.Generator) -> int:
    """A random stride with which steps around a circle of ``size`` places visit each of them once."""
    if size == 1:
        return 1
    while True:
        stride = int(rng.integers(1, size))
        if math.gcd(stride, size) == 1:
            return stride
