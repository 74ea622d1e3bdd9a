"""Probabilistic bisection: the best of ordered arms, found by comparing pairs of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from reiterate.contracts import Arms, Choice, Context
from reiterate.errors import InvalidInput
from reiterate.learners._finite import FiniteLearner, Vector, count, positive, snapshot
from reiterate.learners._line import checked_points
from reiterate.learners._state import array, check_state, pack_generator, unpack_generator

GOLDEN = (3.0 - math.sqrt(5.0)) / 2.0
"""Pairs are taken at this quantile of the best arm's place and at one minus this: the golden section."""

LEAST = 0.01
"""No arm's weight falls below this share, divided by the number of arms, of the largest: any error can be made good."""

CONFIDENT = 0.9
"""An arm of this weight is played without comparing it."""

SUREST = 1.0 - 1e-4
"""Answers are trusted no more than this, however many votes they rest on."""

WAITING = 16
"""When so many costs of one side of a pair wait for the other's, the other has failed."""

UNANSWERED = 100
"""After so many choices without an answer another pair is taken."""


def majority_reliability(reliability: float, votes: int) -> float:
    """The probability that most of an odd number of independent votes are right if each is with ``reliability``."""
    wins = range(votes // 2 + 1, votes + 1)
    return sum(math.comb(votes, k) * reliability**k * (1.0 - reliability) ** (votes - k) for k in wins)


class Bisection(FiniteLearner):
    r"""Noisy golden-section search for the lowest point of a cost that first falls, then rises.

    Weights over the arms, in the order of their points, say how likely each is the best. Two arms at the golden
    section of the weights are compared by playing them in turn; the cheaper one tells on which side of the other the
    best one lies, and by Bayes' rule multiplies the weights there by ``p``, the rest by ``1 - p``. Sources:
    M. Horstein, "Sequential Transmission Using Noiseless Feedback", IEEE Trans. Inform. Theory, 1963; R. Waeber,
    P. I. Frazier and S. G. Henderson, "Bisection Search with Noisy Responses", SIAM J. Control Optim. 51(3), 2013.

    Guarantee: Waeber, Frazier and Henderson show for answers that are right with a known probability above 1/2, at the
    median of a continuous posterior, that the expected error falls geometrically. Two things differ here: without
    slopes, comparing takes two places, hence golden section instead of bisection; and answers are right more often than
    ``p`` says far from the best arm, less often near it, where arms hardly differ. There the search hovers, at little
    cost.

    An arm that holds 9/10 of the weight is played. To undo wrong answers, it is compared with a neighbor when it has
    been played ``n²`` times since the (n - 1)-th such comparison, or with ``recheck``, for costs that drift, after
    every so many plays. No weight falls below 1 / (100 K) of the largest, so nine right answers in excess of the wrong
    ones make good any past (for ``p`` = 3/4 and 200 arms).

    The right choice when a parameter is on a fine grid, the cost has one valley and instances become harder and easier
    together: costs of a pair follow each other, so what they have in common cancels, and neither the unit nor the
    spread of costs matters. Takes somewhat more than ``log₂ K / (1 - H(p))`` comparisons (H: binary entropy in bits; 23
    for 20 arms, 41 for 200), O(K) numbers and O(K) time a round: some 3 µs when measured.

    Late feedback is paired in the order in which it comes; what belongs to no present pair is ignored. An arm of which
    nothing is heard loses against one that has been heard of 16 times; after 100 choices without an answer two other
    arms are compared, at random. Equal costs mean that the best arm is one of the pair or between them. A censored cost
    counts as more than any that is not, since the arm was stopped for being slow; of two such the larger bound.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Says which arm of a pair is played first.
    points
        Where arms lie on the line, (K,): only their order matters. ``None``: in the order of their numbers.
    reliability
        ``p``, between 1/2 and 1: how likely the better arm of a pair is the cheaper one in one comparison.
    repeats
        Number of comparisons, an odd one, whose majority makes an answer; that of ``p`` rises accordingly.
    recheck
        See above; ``None``: ever more rarely.

    Raises
    ------
    InvalidInput
        An option out of its range, points that are not on a line; in :meth:`learn`, a cost that is not finite and
        nonnegative.
    """

    name: ClassVar[str] = "bisection"

    def __init__(
        self,
        arms: int,
        rng: np.random.Generator,
        *,
        points: ArrayLike | None = None,
        reliability: float = 0.75,
        repeats: int = 1,
        recheck: int | None = None,
    ) -> None:
        super().__init__(arms, rng)
        self._places = checked_points(points, self._arms)
        if self._places.shape[1] != 1:
            raise InvalidInput("points", f"has shape {self._places.shape}; bisection needs points on a line, ({arms},)")
        self._order = self._places[:, 0].argsort(kind="stable")
        self._rank = self._order.argsort(kind="stable")
        self._reliability = positive("reliability", reliability)
        if not 0.5 < self._reliability < 1:
            raise InvalidInput("reliability", f"{reliability!r} is not between 1/2 and 1")
        self._repeats = count("repeats", repeats)
        if self._repeats % 2 == 0:
            raise InvalidInput("repeats", f"{repeats!r} is even; a majority needs an odd number")
        self._recheck = None if recheck is None else count("recheck", recheck)
        self._trust = min(majority_reliability(self._reliability, self._repeats), SUREST)
        self._weights: Vector = np.full(self._arms, 1.0 / self._arms)
        self._pair = (0, 0)
        self._next = -1
        self._votes = [0, 0, 0]
        self._waiting: tuple[list[tuple[bool, float]], list[tuple[bool, float]]] = ([], [])
        self._exploited = 0
        self._verified = 0
        self._unanswered = 0
        self._take_pair()

    @classmethod
    def options_for(cls, arms: Arms) -> dict[str, Any]:
        """Where they lie, if they are of one method with one parameter."""
        return {"points": arms.points} if arms.on_one_line(most=1) else {}

    @property
    def weights(self) -> Vector:
        """How likely each arm is the best, (K,), in the order of the arms' numbers."""
        return self._weights[self._rank]

    def choose(self, context: Context | None = None) -> Choice:
        """An arm of the pair that is being compared, or the one that is believed to be the best."""
        low, high = self._pair
        if low == high:
            self._exploited += 1
            if self._due_for_verification():
                self._verify(low)
            return Choice(int(self._order[low]), 1.0, snapshot(context))
        self._unanswered += 1
        if self._unanswered > UNANSWERED:
            low, high = sorted(int(place) for place in self._rng.choice(self._arms, 2, replace=False))
            self._set_pair(low, high)
        probability = 1.0
        if self._next < 0:
            # In random order, so that a steady rise of all costs favors neither.
            self._next = low if self._rng.random() < 0.5 else high
            probability = 0.5
            following = low + high - self._next
        else:
            following = -1
        place, self._next = self._next, following
        return Choice(int(self._order[place]), probability, snapshot(context))

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost, if it belongs to the present pair."""
        cost = self._check_feedback(choice, cost)
        low, high = self._pair
        place = int(self._rank[choice.arm])
        if low == high or place not in self._pair:
            return
        side = self._waiting[0 if place == low else 1]
        side.append((bool(censored), cost))
        left, right = self._waiting
        if left and right:
            self._vote(left.pop(0), right.pop(0))
        elif len(side) == WAITING:
            failed = (True, math.inf)
            self._vote(left.pop(0) if left else failed, right.pop(0) if right else failed)

    def _vote(self, left: tuple[bool, float], right: tuple[bool, float]) -> None:
        self._votes[0 if left < right else 2 if right < left else 1] += 1
        self._unanswered = 0
        if sum(self._votes) < self._repeats:
            return
        wins, ties, losses = self._votes
        undecided = wins == losses or ties > max(wins, losses)
        self._update(1 if undecided else 0 if wins > losses else 2)
        self._take_pair()

    def _update(self, answer: int) -> None:
        """Bayes' rule: the left arm was better (0), both were equal (1), the right one was better (2)."""
        low, high = self._pair
        likely = np.full(self._arms, 1.0 - self._trust)
        likely[(slice(high), slice(low, high + 1), slice(low + 1, None))[answer]] = self._trust
        self._weights *= likely
        self._weights = np.maximum(self._weights, LEAST / self._arms * self._weights.max())
        self._weights /= self._weights.sum()

    def _take_pair(self) -> None:
        cumulative = self._weights.cumsum()
        low, high = (int(cumulative.searchsorted(q * cumulative[-1])) for q in (GOLDEN, 1.0 - GOLDEN))
        if low == high and self._arms > 1 and self._weights[low] < CONFIDENT:
            below = cumulative[low] - self._weights[low]
            low, high = (low - 1, low) if below > cumulative[-1] - cumulative[low] else (low, low + 1)
        self._set_pair(low, high)

    def _set_pair(self, low: int, high: int) -> None:
        self._pair, self._next, self._votes, self._waiting = (low, high), -1, [0, 0, 0], ([], [])
        self._unanswered = 0

    def _due_for_verification(self) -> bool:
        wanted = self._recheck if self._recheck is not None else (self._verified + 1) ** 2
        return self._arms > 1 and self._exploited >= wanted

    def _verify(self, best: int) -> None:
        """Compare the arm with its neighbors from now on, one side after the other."""
        self._exploited = 0
        self._verified += 1
        neighbor = best + (1 if self._verified % 2 else -1)
        if not 0 <= neighbor < self._arms:
            neighbor = 2 * best - neighbor
        self._set_pair(min(best, neighbor), max(best, neighbor))

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "points": self._places.copy(),
            "reliability": self._reliability,
            "repeats": self._repeats,
            "recheck": self._recheck,
            "generator": pack_generator(self._rng),
            "weights": self._weights.copy(),
            "pair": list(self._pair),
            "next": self._next,
            "votes": list(self._votes),
            "waiting": [[list(one) for one in side] for side in self._waiting],
            "exploited": self._exploited,
            "verified": self._verified,
            "unanswered": self._unanswered,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(
            state["arms"],
            unpack_generator(state["generator"]),
            points=state["points"],
            reliability=state["reliability"],
            repeats=state["repeats"],
            recheck=state["recheck"],
        )
        learner._weights = array(state["weights"], (learner._arms,))
        low, high = (int(place) for place in state["pair"])
        learner._set_pair(low, high)
        learner._next = int(state["next"])
        learner._votes = [int(votes) for votes in state["votes"]]
        left, right = ([(bool(early), float(cost)) for early, cost in side] for side in state["waiting"])
        learner._waiting = (left, right)
        learner._exploited = int(state["exploited"])
        learner._verified = int(state["verified"])
        learner._unanswered = int(state["unanswered"])
        return learner
