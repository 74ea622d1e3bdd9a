"""Tsallis-INF in blocks: for arms between which changing has a price."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from reiterate.contracts import Choice, Context
from reiterate.learners._cost_scale import CostScale
from reiterate.learners._finite import FiniteLearner, Vector, positive, snapshot
from reiterate.learners._state import array, check_state, pack_generator, unpack_generator
from reiterate.learners.tsallis_inf import tsallis_probabilities

UNIT = 0.5
"""The cost that counts as loss 1, in mean costs."""

LEARNING_RATE = 2.0
"""c in the learning rate c / sqrt(sum of the squared lengths of blocks)."""

REMEMBERED = 64
"""Blocks whose baselines are remembered for feedback that comes after their end."""


class Combined(FiniteLearner):
    r"""Combines policies by following one of them for a while, since each change has a price.

    An arm drawn from Tsallis-INF's distribution is kept for a block of rounds; block ``n`` has the length
    ``max(1, ceil(1.5 lambda sqrt(n / K)))``, with ``lambda`` the price of a change in units of loss. Source: C. Rouyer,
    Y. Seldin and N. Cesa-Bianchi, "An Algorithm for Stochastic and Adversarial Bandits with Switching Costs", ICML
    2021 (Tsallis-Switch). Where the costs of all arms are seen, the way to pay for few changes is to keep an arm with
    the probability that its weight is kept (S. Geulen, B. Voecking and M. Winkler, "Regret Minimization for Online
    Buffering Problems Using the Weighted Majority Algorithm", COLT 2010); with the cost of one arm only, draws that
    depend on each other bias the estimates, hence blocks.

    Guarantee, in the source, for costs in [0, 1]: regret, changes paid for, of
    O((lambda K)**(1/3) T**(2/3) + sqrt(K T)) against any oblivious adversary, which no algorithm beats in general but
    for logarithms (O. Dekel, J. Ding, T. Koren and Y. Peres, "Bandits with Switching Costs: T**(2/3) Regret", STOC
    2014), and of O(((lambda K)**(2/3) T**(1/3) + log T) sum_i 1 / gap_i) for random costs with fixed means. Here costs
    are taken relative to the recent level and in units of half their mean, and the learning rate is
    ``2 / sqrt(sum_m B_m**2)`` with ``B_m`` the blocks' lengths, for which the first bound's derivation holds with other
    constants; the second is not proved.

    The right choice when playing another arm than in the round before costs something that its cost does not show: a
    factor to be built, a cache to be filled, a policy that must catch up. With ``price=0`` it is
    Tsallis-INF with a baseline, which as :class:`~reiterate.learners.tsallis_inf.TsallisINF` is tuned better.

    Takes O(K) numbers, and O(K) time at the beginning of a block, O(1) in it. The level is taken at the beginning of
    the block, for in it it would tell the arm; late feedback finds that of its own block, unless 64 have passed.
    A censored cost counts as a cost, but as no less than the recent level. Outliers count as that plus ten means; the
    first three costs set the unit and are not learnt from.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness.
    price
        What it costs to play another arm than before, in mean costs; 0 or more.

    Raises
    ------
    InvalidInput
        A price that is negative or no number; in :meth:`learn`, a cost that is not finite and nonnegative, or a choice
        that could not have been made.
    """

    name: ClassVar[str] = "combined"

    def __init__(self, arms: int, rng: np.random.Generator, *, price: float = 1.0) -> None:
        super().__init__(arms, rng)
        self._price = positive("price", price, zero=True)
        self._losses: Vector = np.zeros(self._arms)
        self._costs = CostScale()
        self._blocks = 0
        self._squares = 0.0
        self._arm, self._probability, self._left = 0, 1.0, 0
        self._baselines: dict[tuple[int, float], float] = {}
        self._x = 1.0

    @property
    def probabilities(self) -> Vector:
        """Probabilities (K,) with which the next block's arm is drawn."""
        return self._distribution()[0]

    def length(self, block: int) -> int:
        """Number of rounds of a block, the first of which is number 1."""
        return max(1, math.ceil(1.5 * self._price / UNIT * math.sqrt(block / self._arms)))

    def choose(self, context: Context | None = None) -> Choice:
        """The block's arm, drawn at its beginning; the context is carried along, not used."""
        if self._left == 0:
            self._begin()
        self._left -= 1
        return Choice(self._arm, self._probability, snapshot(context))

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost."""
        cost = self._check_drawn_feedback(choice, cost)
        costs = self._costs
        if censored:
            cost = max(cost, costs.level)
        if costs.ready:
            baseline = self._baselines.get((choice.arm, choice.probability), costs.level)
            self._losses[choice.arm] += (min(cost, costs.limit) - baseline) / choice.probability
        costs.update(cost)

    def _begin(self) -> None:
        """Draw an arm for the next block."""
        p, self._x = self._distribution()
        drawn = self._draw(p, None)
        self._arm, self._probability = drawn.arm, drawn.probability
        self._blocks += 1
        self._left = self.length(self._blocks)
        self._squares += float(self._left) ** 2
        if self._costs.ready:
            key = (self._arm, self._probability)
            self._baselines.pop(key, None)
            self._baselines[key] = self._costs.level
            if len(self._baselines) > REMEMBERED:
                del self._baselines[next(iter(self._baselines))]

    def _distribution(self) -> tuple[Vector, float]:
        unit = UNIT * self._costs.mean
        squares = self._squares + float(self.length(self._blocks + 1)) ** 2
        eta = LEARNING_RATE / (unit * math.sqrt(squares)) if unit > 0 else 0.0
        return tsallis_probabilities(self._losses, eta, self._x)

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "price": self._price,
            "generator": pack_generator(self._rng),
            "losses": self._losses.copy(),
            "costs": self._costs.state_dict(),
            "blocks": self._blocks,
            "squares": self._squares,
            "block": [self._arm, self._probability, self._left],
            "baselines": [[arm, probability, level] for (arm, probability), level in self._baselines.items()],
            "x": self._x,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(state["arms"], unpack_generator(state["generator"]), price=state["price"])
        learner._losses = array(state["losses"], (learner._arms,))
        learner._costs = CostScale.from_state_dict(state["costs"])
        learner._blocks = int(state["blocks"])
        learner._squares = float(state["squares"])
        arm, probability, left = state["block"]
        learner._arm, learner._probability, learner._left = int(arm), float(probability), int(left)
        learner._baselines = {(int(a), float(p)): float(level) for a, p, level in state["baselines"]}
        learner._x = float(state["x"])
        return learner
