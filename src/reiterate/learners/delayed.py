"""Follow the regularized leader when feedback is late, and bounds on it come earlier."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from reiterate.contracts import Choice, Context
from reiterate.errors import InvalidInput
from reiterate.learners._cost_scale import CostScale
from reiterate.learners._finite import LARGEST, FiniteLearner, Vector, positive
from reiterate.learners._state import array, check_state, pack_generator, unpack_generator

UNIT = 0.5
"""The cost that counts as loss 1, in mean costs."""

OPEN = 1024
"""At most this many choices are remembered while their feedback is incomplete."""

STEPS_AN_OCTAVE = 4
"""Costs within one of these steps are one state."""


def hybrid_probabilities(losses: Vector, root: float, entropy: float) -> Vector:
    """Minimize ``<p, losses> + sum_i (entropy p_i log p_i - 2 root sqrt(p_i))`` over the probability simplex.

    With ``y = log p`` and ``h(y) = entropy y - root exp(-y/2)`` the minimizer solves ``h(y_i) = nu - losses_i``.
    ``h`` is increasing and concave, hence Newton's method climbs to ``y_i`` from below, and the sum of the
    ``exp(y_i)`` is increasing and convex in ``nu``, hence Newton's method descends to 1 from above.

    Parameters
    ----------
    losses
        Cumulative loss estimates, shape (K,), finite.
    root, entropy
        Weights of the Tsallis entropy, positive, and of the Shannon entropy, zero or more.

    Returns
    -------
    ndarray, shape (K,)
        Nonnegative probabilities; they sum to one within rounding.
    """
    gaps = losses - losses.min()
    nu = -root
    p: Vector = np.ones_like(gaps)
    if entropy < 1e-12 * root:
        entropy = 0.0  # without effect within rounding, and not to divide by
    for _ in range(100):
        targets = nu - gaps
        y = -2.0 * np.log(-targets / root)
        if entropy > 0:
            y = np.maximum(y, targets / entropy)
        for _ in range(60):
            powers = root * np.exp(-0.5 * y)
            slopes = entropy + 0.5 * powers
            steps = (targets - entropy * y + powers) / slopes
            y += steps
            if float(np.abs(steps).max()) <= 1e-9:
                break
        p = np.exp(y)
        excess = float(p.sum()) - 1.0
        nu -= excess / float((p / (entropy + 0.5 * root * np.exp(-0.5 * y))).sum())
        if abs(excess) <= 1e-9:
            break
    p /= p.sum()
    return p


class Delayed(FiniteLearner):
    r"""FTRL with a regularizer for late feedback, using lower bounds as soon as they are known.

    Arms are drawn from :func:`hybrid_probabilities` of the cumulative loss estimates with ``root = sqrt(t)`` and
    ``entropy = sqrt(2 D / log K)``, ``D`` the sum, over the rounds so far, of the choices that were then without
    feedback; choices that have waited for more than ``sqrt(D / log K)`` rounds are no longer counted. Sources:
    J. Zimmert and Y. Seldin, "An Optimal Algorithm for Adversarial Bandits with Arbitrary Delays", AISTATS 2020;
    for bounds E. Esposito, S. Masoudian, H. Qiu, D. van der Hoeven, N. Cesa-Bianchi and Y. Seldin, "Delayed Bandits:
    When Do Intermediate Observations Help?", ICML 2023: there a round shows a state at once, the loss later, and
    once losses of a state are known their mean stands in for those to come.

    Here the state is what a choice is known to cost at least: ``learn(choice, bound, censored=True)`` may be called for
    a solve that goes on, more than once, before ``learn(choice, cost)``. Until then, or for good if nothing follows,
    the choice is learnt to cost the mean of all costs so far that were at least the bound (rounded down to a quarter
    of an octave); what follows corrects that. Where :meth:`progress` has told how far it had come for what cost, it is
    learnt to cost that over its share instead, and bounds only raise it. Choices are matched by arm, probability and
    context.

    Guarantee, without bounds and for costs in [0, 1]: regret at most ``4 sqrt(K T) + sqrt(8 D log K)`` over T rounds
    against any oblivious adversary, of costs and of delays that sum to D, with nothing known of them. With S states,
    and the loss of a state random with a mean of its own whichever arm it comes from, the second source has
    O(sqrt((K + min(S, d)) T)) up to logarithms, for delays d. What survives here is the form of the algorithm: costs
    are taken relative to their recent level and half their mean, and bounds at once instead of once their state is
    known well, so constants differ and the second bound is not proved.

    The right choice when many solves are under way at a time and it shows early that one goes badly. Without bounds it
    is safe against the worst of delays, at the price of learning slowly: where costs are random,
    :class:`~reiterate.learners.tsallis_inf.TsallisINF` with late feedback is better.

    Takes O(K + d) numbers with d choices under way, of which the last 1024 can be corrected; a
    round takes O(K) time, several times that of Tsallis-INF. Outliers count as the recent level plus ten means; the
    first three choices told set the unit and are not learnt from.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness.
    unit
        The cost that counts as loss 1, in mean costs; smaller learns faster and is surer of less.

    Raises
    ------
    InvalidInput
        An option out of its range; in :meth:`learn`, a cost that is not finite and nonnegative, or a choice that could
        not have been made.
    """

    name: ClassVar[str] = "delayed"

    def __init__(self, arms: int, rng: np.random.Generator, *, unit: float = UNIT) -> None:
        super().__init__(arms, rng)
        self._unit = positive("unit", unit)
        self._losses: Vector = np.zeros(self._arms)
        self._rounds = 0
        self._delay = 0
        self._counted: list[int] = []
        self._open: dict[tuple[Any, ...], list[tuple[int, float | None, bool]]] = {}
        self._states: dict[int, list[float]] = {}
        self._costs = CostScale()

    @property
    def probabilities(self) -> Vector:
        """Probabilities (K,) with which the next arm is drawn."""
        entropy = math.sqrt(2.0 * self._delay / math.log(max(self._arms, 2)))
        unit = self._unit * self._costs.mean
        losses = self._losses / unit if unit > 0 else np.zeros(self._arms)
        return hybrid_probabilities(losses, math.sqrt(self._rounds + 1), entropy)

    @property
    def outstanding(self) -> int:
        """Number of choices without any feedback that are counted as delayed."""
        return len(self._counted)

    def choose(self, context: Context | None = None) -> Choice:
        """Draw an arm; the context is carried along, not used."""
        choice = self._draw(self.probabilities, context)
        self._open.setdefault(_key(choice), []).append((self._rounds, None, False))
        if len(self._open) > OPEN:
            del self._open[next(iter(self._open))]
        counted = self._counted
        longest = math.sqrt(self._delay / math.log(max(self._arms, 2))) + 1.0
        while counted and self._rounds - counted[0] > longest:
            del counted[0]
        self._delay += len(counted)
        counted.append(self._rounds)
        self._rounds += 1
        return choice

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost, or, ``censored``, what it is known to cost at least so far."""
        cost = self._check_drawn_feedback(choice, cost)
        if not censored:
            self._remember(cost)
            self._count_as(choice, cost, goes_on=False)
            return
        foreseen = self._foreseen(choice)
        if foreseen is None:
            self._count_as(choice, self._expected(cost), goes_on=True)
        else:
            self._count_as(choice, max(foreseen, cost), goes_on=True, foreseen=True)

    def progress(self, choice: Choice, cost: float, share: float) -> None:
        """Count the choice as what it would cost at the pace seen so far, until more is known.

        Raises
        ------
        InvalidInput
            As for :meth:`learn`; or the share is not in (0, 1).
        """
        cost = self._check_feedback(choice, cost)
        if not 0 < share < 1:
            raise InvalidInput("share", f"{share!r} for arm {choice.arm} is not in (0, 1)")
        self._count_as(choice, min(cost / share, LARGEST), goes_on=True, foreseen=True)

    def _foreseen(self, choice: Choice) -> float | None:
        """What the choice has been counted as by its own progress, if any has been told."""
        entries = self._open.get(_key(choice))
        return entries[-1][1] if entries and entries[-1][2] else None

    def _count_as(self, choice: Choice, loss: float, *, goes_on: bool, foreseen: bool = False) -> None:
        """Let the choice count as this loss from now on, instead of what it has counted as."""
        ready, limit = self._costs.ready, self._costs.limit
        # What sets the unit is not learnt from, hence there will be nothing to correct.
        taken = self._take(choice, (loss if ready else None, foreseen) if goes_on else None)
        if ready:
            baseline = self._costs.level if taken is None else min(taken, limit)
            self._losses[choice.arm] += (min(loss, limit) - baseline) / choice.probability
        if taken is None:
            self._costs.update(loss)

    def _take(self, choice: Choice, interim: tuple[float | None, bool] | None) -> float | None:
        """What the choice has counted as so far, if anything; if it goes on, it counts as ``interim`` from now on."""
        key = _key(choice)
        entries = self._open.get(key)
        born, taken, _ = entries.pop() if entries else (-1, None, False)
        if taken is None and self._counted:
            place = bisect.bisect_left(self._counted, born)
            if place < len(self._counted) and self._counted[place] == born:
                del self._counted[place]
        if interim is not None:
            self._open.setdefault(key, []).append((born, *interim))
        elif not entries:
            self._open.pop(key, None)
        return taken

    def _remember(self, cost: float) -> None:
        if cost > 0:
            state = self._states.setdefault(_state(cost), [0.0, 0.0])
            state[0] += 1.0
            state[1] += cost

    def _expected(self, bound: float) -> float:
        """Mean of the costs so far that were at least the bound."""
        least = _state(bound) if bound > 0 else -math.inf
        told = [state for step, state in self._states.items() if step >= least]
        count = sum(state[0] for state in told)
        return max(bound, sum(state[1] for state in told) / count if count else self._costs.level)

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "unit": self._unit,
            "generator": pack_generator(self._rng),
            "losses": self._losses.copy(),
            "rounds": self._rounds,
            "delay": self._delay,
            "counted": list(self._counted),
            "open": [
                [arm, probability, [list(item) for item in context], [list(entry) for entry in entries]]
                for (arm, probability, *context), entries in self._open.items()
            ],
            "states": [[step, *state] for step, state in self._states.items()],
            "costs": self._costs.state_dict(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(state["arms"], unpack_generator(state["generator"]), unit=state["unit"])
        learner._losses = array(state["losses"], (learner._arms,))
        learner._rounds = int(state["rounds"])
        learner._delay = int(state["delay"])
        learner._counted = [int(born) for born in state["counted"]]
        learner._open = {
            (int(arm), float(probability), *((str(name), float(value)) for name, value in context)): [
                (int(born), None if interim is None else float(interim), bool(foreseen))
                for born, interim, foreseen in entries
            ]
            for arm, probability, context, entries in state["open"]
        }
        learner._states = {int(step): [float(count), float(total)] for step, count, total in state["states"]}
        learner._costs = CostScale.from_state_dict(state["costs"])
        return learner


def _key(choice: Choice) -> tuple[Any, ...]:
    """What tells a choice apart from others; all that are equal in it are learnt from alike."""
    context = choice.context or {}
    return (choice.arm, choice.probability, *((str(name), float(value)) for name, value in context.items()))


def _state(cost: float) -> int:
    return math.floor(STEPS_AN_OCTAVE * math.log2(cost))
