"""Low regret over every interval of rounds, with a second arm observed in each of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Choice, Context
from reiterate.errors import InvalidInput
from reiterate.learners._cost_scale import CostScale
from reiterate.learners._finite import LARGEST, FiniteLearner, Vector, positive, snapshot
from reiterate.learners._state import array, check_state, pack_generator, unpack_generator

SHORTEST = 4
"""Base-2 logarithm of the shortest interval with an expert of its own."""

LONGEST = 20
"""That of the longest."""

SMALLEST = 1e-100
"""Weights of experts stay between this and its inverse."""

RATE = 4.0
"""Factor of the experts' learning rates over those that are best in the worst case, whose variance is rare."""

STEP = 3.0
"""Factor of the weights' steps over the published ones."""


@dataclass(frozen=True, slots=True)
class Query(Choice):
    """A choice that was made to observe an arm, not to play it."""


class StronglyAdaptive(FiniteLearner):
    """Exponential weights on every scale of time, weighed by what they have lately been worth.

    For each power of two there is an expert, an EXP3 that begins anew after that many rounds; the experts are mixed
    with weights that grow by ``1 + eta_k r`` with an expert's estimated gain ``r`` over the mixture, with a step
    ``eta_k`` of its own, and begin anew with the expert. Sources: Z. Lu, Q. Zhang, X. Chen, F. Zhang, D. Woodruff and
    E. Hazan, "Adaptive Regret for Bandits Made Possible: Two Queries Suffice", ICLR 2024 (StABL); A. Daniely, A. Gonen
    and S. Shalev-Shwartz, "Strongly Adaptive Online Learning", ICML 2015, for the weights, and for the proof that one
    query a round does not suffice.

    The second query is :meth:`query`: who can run an arm beside the one that is played, say in a race, asks for it in
    the same round as :meth:`choose`, and tells what it cost, by :meth:`learn`. It is drawn from half the uniform
    distribution and half the mean of the experts' ones, so that the estimates ``l / q`` have a variance of at
    most 2 K for every expert, and of twice their number for the mixture; from the first query on, only queries are
    learnt from, as published. Without any, what was played has to do: the mixture is then played with the probability
    ``1 - exploration``, the queries' distribution otherwise.

    Where a choice is stopped and another arm finishes, that is a second observation in some rounds, and not one that
    was drawn: :meth:`observe` takes it as a hint in the right direction, without a guarantee.

    Guarantee, with queries: regret O(sqrt(K n) polylog(T)) *over every interval* of n rounds, against the arm that is
    best in it, for costs in [0, 1] and any oblivious adversary. Of it survives the order, with constants: steps and
    rates are three and four times those that are best in the worst case, and costs are taken relative to their recent
    level and mean, and clipped ten means above. Without queries there is no such guarantee, for any learner. What
    queries cost is not counted as regret.

    The right choice when the best arm changes again and again, after who knows how long, and a second arm may be
    run beside the first, on an idle core. For a few clear jumps and a single arm a round,
    :class:`~reiterate.learners.change_point.ChangePoint` is better.

    Takes O(K log T) numbers, and O(K log T) time a round. Late feedback is taken in when it comes. A censored cost
    counts as a cost, but as no less than the recent level. The first three costs set the unit and are not learnt from.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness.
    exploration
        Share of the rounds drawn from the queries' distribution while there are no queries, in (0, 1].

    Raises
    ------
    InvalidInput
        An option out of its range; in :meth:`learn`, a cost that is not finite and nonnegative, or a choice that could
        not have been made.
    """

    name: ClassVar[str] = "strongly_adaptive"

    def __init__(self, arms: int, rng: np.random.Generator, *, exploration: float = 0.2) -> None:
        super().__init__(arms, rng)
        self._exploration = positive("exploration", exploration)
        if self._exploration > 1:
            raise InvalidInput("exploration", f"{exploration!r} is not in (0, 1]; it is a share of the rounds")
        self._losses: NDArray[np.float64] = np.zeros((0, self._arms))
        self._weights: Vector = np.zeros(0)
        self._rounds = 0
        self._queried = False
        self._costs = CostScale()
        self._renew()

    @property
    def probabilities(self) -> Vector:
        """Probabilities (K,) with which the next arm is drawn."""
        mixture, queries = self._distributions()[1:]
        return mixture if self._queried else (1.0 - self._exploration) * mixture + self._exploration * queries

    @property
    def query_probabilities(self) -> Vector:
        """Probabilities (K,) with which the next query is drawn."""
        return self._distributions()[2]

    def choose(self, context: Context | None = None) -> Choice:
        """Begin a round and draw an arm; the context is carried along, not used."""
        choice = self._draw(self.probabilities, context)
        self._rounds += 1
        self._renew()
        return choice

    def query(self, context: Context | None = None) -> Query:
        """Draw a second arm to observe in this round; tell what it cost by :meth:`learn`."""
        self._queried = True
        drawn = self._draw(self.query_probabilities, context)
        return Query(drawn.arm, drawn.probability, snapshot(context))

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice, or a query, cost."""
        cost = self._check_drawn_feedback(choice, cost)
        costs = self._costs
        if censored:
            cost = max(cost, costs.level)
        if costs.ready and costs.mean > 0 and (isinstance(choice, Query) or not self._queried):
            # Less the level, since only differences of arms matter, and those vary less.
            self._reward(choice, (min(cost, costs.limit) - costs.level) / costs.mean)
        costs.update(cost)

    def observe(self, arm: int, cost: float, *, context: Context | None = None, censored: bool = False) -> None:
        """Take in what an arm cost that was neither chosen nor queried; nothing where there are queries.

        Nobody knows with which probability it was to be seen, so that it counts once, as if that were one.
        """
        seen = Choice(arm, 1.0)
        cost = self._check_feedback(seen, cost)
        costs = self._costs
        if self._queried or not costs.ready or costs.mean <= 0:
            return
        if censored:
            cost = max(cost, costs.level)
        self._reward(seen, (min(cost, costs.limit) - costs.level) / costs.mean)

    def _reward(self, choice: Choice, loss: float) -> None:
        """Update experts and weights by the estimated loss ``loss / probability`` of the arm."""
        experts, mixture, _ = self._distributions()
        estimate = loss / choice.probability
        gains = estimate * (mixture[choice.arm] - experts[:, choice.arm])
        # A factor beyond these is a step too long for the estimate's size, which the steps assume bounded.
        self._weights *= np.clip(1.0 + self._steps() * gains, 0.5, 2.0)
        np.clip(self._weights, SMALLEST, LARGEST, out=self._weights)
        self._losses[:, choice.arm] += estimate

    def _distributions(self) -> tuple[NDArray[np.float64], Vector, Vector]:
        """The experts' distributions (E, K), their mixture (K,), and that of queries (K,)."""
        rates = RATE * np.sqrt(math.log(max(self._arms, 2)) / (self._arms * self._spans()))
        powers = (self._losses.min(axis=1, keepdims=True) - self._losses) * rates[:, None]
        experts = np.exp(powers)
        experts /= experts.sum(axis=1, keepdims=True)
        mixture = (self._weights / self._weights.sum()) @ experts
        queries = 0.5 / self._arms + 0.5 * experts.mean(axis=0)
        return experts, mixture, queries

    def _spans(self) -> Vector:
        return np.exp2(SHORTEST + np.arange(self._weights.size))

    def _steps(self) -> Vector:
        return np.minimum(0.5, STEP * np.sqrt(1.0 / self._spans()))

    def _renew(self) -> None:
        """Begin anew the experts whose intervals begin with this round, and add one for a new scale of time."""
        if self._weights.size == 0 or self._rounds == 2 ** (SHORTEST + self._weights.size) <= 2**LONGEST:
            self._losses = np.vstack((self._losses, np.zeros((1, self._arms))))
            self._weights = np.append(self._weights, 0.0)
        begins = self._rounds % self._spans() == 0
        self._losses[begins] = 0.0
        self._weights[begins] = self._steps()[begins]

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "exploration": self._exploration,
            "generator": pack_generator(self._rng),
            "losses": self._losses.copy(),
            "weights": self._weights.copy(),
            "rounds": self._rounds,
            "queried": self._queried,
            "costs": self._costs.state_dict(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(state["arms"], unpack_generator(state["generator"]), exploration=state["exploration"])
        experts = len(state["weights"])
        learner._losses = array(state["losses"], (experts, learner._arms))
        learner._weights = array(state["weights"], (experts,))
        learner._rounds = int(state["rounds"])
        learner._queried = bool(state["queried"])
        learner._costs = CostScale.from_state_dict(state["costs"])
        return learner
