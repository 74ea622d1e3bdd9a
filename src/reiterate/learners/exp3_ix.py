"""EXP3-IX: exponential weights with implicit exploration, against any sequence of costs, with high probability."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from reiterate.contracts import Choice, Context
from reiterate.learners._cost_scale import CostScale
from reiterate.learners._finite import FiniteLearner, Vector, positive
from reiterate.learners._state import array, check_state, pack_generator, unpack_generator

UNIT = 0.2
"""The cost that counts as loss 1 without a given scale, in mean costs."""

SMALLEST_EXPONENT = -600.0
"""Weights are at least ``exp`` of it, so that every arm keeps a positive probability."""


class EXP3IX(FiniteLearner):
    r"""Exponential weights over loss estimates that are biased a little downward.

    Arms are drawn with probabilities proportional to ``exp(-eta_t L_i)`` of the cumulative loss estimates, and the
    drawn arm's estimate grows by ``l / (p + eta_t / 2)``, with ``eta_t = sqrt(log K / (K t))`` and ``t`` one more
    than the feedback received. Source: G. Neu, "Explore no more: Improved high-probability regret bounds for
    non-stochastic bandits", NIPS 2015, a refinement of EXP3 (P. Auer, N. Cesa-Bianchi, Y. Freund and R. E.
    Schapire, "The Nonstochastic Multiarmed Bandit Problem", SIAM J. Computing 32(1), 2002).

    To add ``eta_t / 2`` to the probability bounds every estimate by ``2 / eta_t``: no draw of an unlikely arm upsets
    what was learnt. EXP3 pays for that with forced uniform draws, which this does without.

    Guarantee: for ``scale`` given and costs in ``[0, scale]`` of any origin, with probability ``1 - delta`` the total
    cost exceeds that of the best fixed arm by at most ``scale`` times
    ``4 sqrt(K T log K) + (2 sqrt(K T / log K) + 1) log(2 / delta)`` over T rounds, for K > 1. This bounds the regret
    of the run at hand, where :class:`~reiterate.learners.tsallis_inf.TsallisINF`'s theorem bounds its mean.

    Without ``scale``, costs are measured from the smallest of the last 16, and 0.2 mean costs count as loss 1. What
    is subtracted is known before the draw and the same for all arms, so that it takes from the estimates no more
    than what they have in common; without it, exponential weights learn slowly from costs that differ by little.
    It is not in the source, whose theorem needs losses in [0, 1]. Costs count at most as the recent level plus ten
    means, and the first three set the unit without being learnt from.

    The right choice when costs follow no law and one bad run is not made good by others: a stream that is solved
    once, on which arms that were best early stop being so. Takes O(K) numbers, and O(K) time a round. Late
    feedback is taken in when it comes, with the probability that its choice carries. A censored cost counts as no
    less than the recent level.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness.
    scale
        The largest possible cost, in the unit of the costs. ``None``: follow the unit online.

    Raises
    ------
    InvalidInput
        A scale that is not positive; in :meth:`learn`, a cost that is not finite and nonnegative, or a choice that
        could not have been made.
    """

    name: ClassVar[str] = "exp3_ix"

    def __init__(self, arms: int, rng: np.random.Generator, *, scale: float | None = None) -> None:
        super().__init__(arms, rng)
        self._scale = None if scale is None else positive("scale", scale)
        self._costs = CostScale()
        self._losses: Vector = np.zeros(self._arms)
        self._rounds = 0

    @property
    def probabilities(self) -> Vector:
        """Probabilities (K,) with which the next arm is drawn."""
        unit, eta = self._unit(), self._eta()
        temperature = unit / eta if unit > 0 and eta > 0 else math.inf
        with np.errstate(over="ignore"):
            exponents = (self._losses.min() - self._losses) / temperature
        weights = np.exp(np.maximum(exponents, SMALLEST_EXPONENT))
        result: Vector = weights / weights.sum()
        return result

    @property
    def losses(self) -> Vector:
        """Cumulative loss estimates (K,), in the unit of the costs, up to a constant common to all arms."""
        return self._losses.copy()

    def choose(self, context: Context | None = None) -> Choice:
        """Draw an arm; the context is carried along, not used."""
        return self._draw(self.probabilities, context)

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost."""
        cost = self._check_drawn_feedback(choice, cost)
        if censored:
            cost = max(cost, self._level())
        if self._scale is not None:
            self._add(choice, min(cost, self._scale))
        elif self._costs.ready:
            self._add(choice, min(cost, self._costs.limit) - self._costs.lowest)
        self._costs.update(cost)
        self._rounds += 1

    def _add(self, choice: Choice, loss: float) -> None:
        self._losses[choice.arm] += loss / (choice.probability + 0.5 * self._eta())

    def _eta(self) -> float:
        return math.sqrt(math.log(self._arms) / (self._arms * (self._rounds + 1)))

    def _level(self) -> float:
        if self._scale is not None and not self._costs.ready:
            return 0.5 * self._scale
        return self._costs.level

    def _unit(self) -> float:
        return UNIT * self._costs.mean if self._scale is None else self._scale

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "scale": self._scale,
            "generator": pack_generator(self._rng),
            "costs": self._costs.state_dict(),
            "losses": self._losses.copy(),
            "rounds": self._rounds,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(state["arms"], unpack_generator(state["generator"]), scale=state["scale"])
        learner._costs = CostScale.from_state_dict(state["costs"])
        learner._losses = array(state["losses"], (learner._arms,))
        learner._rounds = int(state["rounds"])
        return learner
