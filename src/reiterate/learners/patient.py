"""Optimism that waits: for arms whose feedback is late, each in its own way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from reiterate.contracts import Choice, Context
from reiterate.learners._cost_scale import CostScale
from reiterate.learners._finite import FiniteLearner, Vector, positive, snapshot
from reiterate.learners._state import array, check_state, pack_generator, unpack_generator

UNIT = 2.0
"""The cost that counts as loss 1, in medians of the arms' means."""


class Patient(FiniteLearner):
    r"""Lower confidence bounds in which feedback that is overdue counts as dear.

    The arm is played whose index ``(S + W max(P - N**(1 - alpha), 0)) / N - exploration U sqrt(log t / N)`` is least,
    where ``N`` choices of the arm were made, ``P`` of them are without feedback, the others cost ``S``, ``U`` is
    twice the median of the arms' means, and ``W`` is ``U`` or the arm's mean, whichever is more. Source: A. Gael
    Manegueu, C. Vernade, A. Carpentier and M. Valko, "Stochastic Bandits with Arm-Dependent Delays", ICML 2020
    (PatientBandits): a reward that has not come yet is averaged as none, and the bias of that is bounded by a term in
    ``N**-alpha``. Here a cost that has not come is averaged as the largest, and the term is no larger than the share of
    costs that are out, since, other than in the source, that is known. Where all feedback is at hand, this is UCB.

    Guarantee: if an arm's feedback takes more than ``m`` rounds with probability at most ``m**-alpha``, whatever the
    distributions of delays and however they depend on arm and cost, the source's regret is, for costs in [0, 1], of
    order ``sum_i max(log T / gap_i, gap_i**(1 - 1/alpha))`` up to constants, and ``T**(1 - min(alpha, 1/2))`` without
    the gaps. The bias that remains here is at most the source's, so the argument carries over for ``U`` fixed and
    costs at most ``U``; with ``U`` followed online it is not proved, and ``exploration`` is smaller than
    the theorem's.

    The right choice when solves run in the background and are told when they end, so that what is dear is told last:
    averages of what has come in make an arm look good that is quick now and then and otherwise gets stuck.
    With feedback at once, Tsallis-INF adapts better to costs that are not random.

    Takes O(K) numbers, and O(K) time a round. Feedback that never comes stays out: of ``N`` choices, ``N**(1 - alpha)``
    may. A censored cost counts as a cost, but as no less than ``U`` or the arm's mean. Outliers count as the recent
    level plus ten means. Feedback for which there was no choice counts as a choice.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness, for ties only.
    alpha
        Exponent of the delays' tail, positive; smaller is more patient, and beyond 1/2 rates gain nothing.
    exploration
        Factor of the confidence width; the theorem's is about 1.

    Raises
    ------
    InvalidInput
        An option out of its range; in :meth:`learn`, a cost that is not finite and nonnegative.
    """

    name: ClassVar[str] = "patient"

    def __init__(self, arms: int, rng: np.random.Generator, *, alpha: float = 0.5, exploration: float = 0.25) -> None:
        super().__init__(arms, rng)
        self._alpha = positive("alpha", alpha)
        self._exploration = positive("exploration", exploration, zero=True)
        self._chosen: Vector = np.zeros(self._arms)
        self._answered: Vector = np.zeros(self._arms)
        self._sums: Vector = np.zeros(self._arms)
        self._rounds = 0
        self._costs = CostScale()

    @property
    def outstanding(self) -> Vector:
        """Number of choices of each arm (K,) that are without feedback."""
        return self._chosen - self._answered

    @property
    def indices(self) -> Vector:
        """What is minimized, (K,), in the unit of the costs; minus infinity for arms not yet chosen."""
        unit, chosen = self._unit(), np.maximum(self._chosen, 1.0)
        worst = np.maximum(unit, self._sums / np.maximum(self._answered, 1.0))
        overdue = np.maximum(self.outstanding - chosen ** (1.0 - self._alpha), 0.0)
        width = self._exploration * unit * np.sqrt(math.log(self._rounds + 1) / chosen)
        return np.where(self._chosen > 0, (self._sums + worst * overdue) / chosen - width, -np.inf)

    def choose(self, context: Context | None = None) -> Choice:
        """An arm of least index; the context is carried along, not used."""
        indices = self.indices
        least = np.flatnonzero(indices == indices.min())
        arm = int(least[int(self._rng.integers(least.size))]) if least.size > 1 else int(least[0])
        self._chosen[arm] += 1.0
        self._rounds += 1
        return Choice(arm, 1.0 / least.size, snapshot(context))

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost."""
        cost = self._check_feedback(choice, cost)
        arm, costs = choice.arm, self._costs
        if censored:
            cost = max(cost, self._unit(), self._sums[arm] / max(self._answered[arm], 1.0))
        limit = costs.limit if costs.ready else math.inf
        costs.update(cost)
        self._sums[arm] += min(cost, limit)
        self._answered[arm] += 1.0
        self._chosen[arm] = max(self._chosen[arm], self._answered[arm])

    def _unit(self) -> float:
        # Over arms, not over costs: those that came first are the cheap ones, of the arms that have cheap ones.
        told = self._answered > 0
        return UNIT * float(np.median(self._sums[told] / self._answered[told])) if told.any() else 0.0

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "alpha": self._alpha,
            "exploration": self._exploration,
            "generator": pack_generator(self._rng),
            "chosen": self._chosen.copy(),
            "answered": self._answered.copy(),
            "sums": self._sums.copy(),
            "rounds": self._rounds,
            "costs": self._costs.state_dict(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        rng = unpack_generator(state["generator"])
        learner = cls(state["arms"], rng, alpha=state["alpha"], exploration=state["exploration"])
        shape = (learner._arms,)
        learner._chosen = array(state["chosen"], shape)
        learner._answered = array(state["answered"], shape)
        learner._sums = array(state["sums"], shape)
        learner._rounds = int(state["rounds"])
        learner._costs = CostScale.from_state_dict(state["costs"])
        return learner
