"""Tsallis-INF: near-optimal play of finitely many arms, whether costs are random or adversarial."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np

from reiterate.contracts import Choice, Context
from reiterate.learners._cost_scale import CostScale
from reiterate.learners._finite import FiniteLearner, Vector, one_of, positive
from reiterate.learners._state import array, check_state, pack_generator, unpack_generator

Estimator = Literal["baseline", "reduced-variance", "importance-weighted"]

LEARNING_RATE: dict[str, float] = {"baseline": 4.0, "reduced-variance": 4.0, "importance-weighted": 2.0}
"""c in the learning rate c / sqrt(t)."""

UNIT: dict[str, float] = {"baseline": 0.3, "reduced-variance": 2.0, "importance-weighted": 2.0}
"""The cost that counts as loss 1 without a given scale, in mean costs."""

LEAST = 0.8
"""Arms are drawn with at least this many mean costs over their distance, with the estimator "baseline"."""


def tsallis_probabilities(losses: Vector, eta: float, x: float = 1.0) -> tuple[Vector, float]:
    """Minimize ``<p, losses> - (4/eta) sum_i (sqrt(p_i) - p_i/2)`` over the probability simplex.

    The minimizer is ``p_i = 4 / (eta (losses_i - z))**2``. The normalization is found as
    ``x = eta (min(losses) - z) / 2``, which lies in ``[1, sqrt(K)]`` whatever the losses and ``eta`` are, so
    that an earlier call's ``x`` is always a good start and large losses cost no digits.

    Newton's method is applied to ``S(x)**(-1/2) = 1`` with ``S(x) = sum_i (x + gap_i)**-2``. The left side
    is concave and increasing (and linear for equal losses), so from any start the first step lands at or
    below the root, and the rest climb to it.

    Parameters
    ----------
    losses
        Cumulative loss estimates, shape (K,), finite.
    eta
        Learning rate, >= 0, in units of 1/loss.
    x
        Where to start; positive.

    Returns
    -------
    p : ndarray, shape (K,)
        Positive probabilities; they sum to one within rounding.
    x : float
        The normalization.
    """
    gaps = losses - losses.min()
    gaps *= 0.5 * eta
    for _ in range(60):
        roots = 1.0 / (gaps + x)
        p = roots * roots
        total = float(p.sum())
        step = (total * math.sqrt(total) - total) / float(p.dot(roots))
        x = max(x + step, 1.0)
        # Convergence is quadratic: after a step this small, the next would be below rounding.
        if abs(step) <= 1e-9 * x:
            break
    roots = 1.0 / (gaps + x)
    p = roots * roots
    p /= p.sum()
    return p, x


class TsallisINF(FiniteLearner):
    r"""Follow the regularized leader with the 1/2-Tsallis entropy.

    Arms are drawn from :func:`tsallis_probabilities` of the cumulative loss estimates with the learning
    rate ``c / sqrt(t)``, ``t`` one more than the feedback received. Source: J. Zimmert and Y. Seldin,
    "Tsallis-INF: An Optimal Algorithm for Stochastic and Adversarial Bandits", JMLR 22(28), 2021.

    Estimators of the loss ``l`` of every arm from that of the drawn arm ``I``, all unbiased (outliers aside,
    which are cut off where no scale is given):

    ``"importance-weighted"``
        ``1[I=i] l / p_i``, ``c = 2`` (published).
    ``"reduced-variance"``
        ``1[I=i] (l - B_i) / p_i + B_i`` with ``B_i = 1/2`` where ``p_i >= eta**2``, else 0; ``c = 4``
        (published).
    ``"baseline"``, the default
        ``1[I=i] (l - b) / p_i`` with ``b`` the level of recent costs, ``c = 4``: a variation, not the
        published algorithm. ``b`` is the same for all arms and known before the draw, so the estimates of
        the *differences* of arms, which are all that matters, stay unbiased. It removes what all arms have in
        common when instances become harder and easier together, and so makes a steep learning rate pay. With
        that, a single draw at a tiny probability could turn an arm long known to be bad into the favorite,
        on instances unlike most. Hence arms are drawn with at least the probability ``0.8 m / D_i``, before
        normalization: ``m`` is the mean cost, ``D_i = losses_i - z`` the distance that makes the published
        probability ``4 / (eta D_i)**2``. A cost that strays from ``b`` by ``m`` then moves ``D_i`` by about
        its own size at most, and if costs are random with fixed means, these draws add O(K m log T).
        With 20 arms and 5000 rounds, on a simulated stream of iteration counts it cost 1.7 % more than the
        best fixed arm, the published ones 9 and 12 %; on recorded counts of a heat equation whose easy
        instances favor other arms than the hard ones, 1 to 2 %, the published ones 8 and 14 %.
        The theorem below is not proved for this estimator.

    Guarantee: for ``scale`` given and costs in ``[0, scale]``, the expected cost exceeds that of the best
    fixed arm by at most ``scale`` times ``4 sqrt(K T) + 1`` (importance-weighted) or
    ``2 sqrt(K T) + 10 K log T + 16`` (reduced-variance) over ``T`` rounds against any adversary, and by
    ``O(sum_i log T / gap_i)`` if costs are random with fixed means.

    Without ``scale``, the cost that counts as loss 1 is followed online: twice the running mean for the
    published estimators, which so have their ``B_i`` at the mean; 0.3 times it for ``"baseline"``. Only the
    learning rate depends on it. Costs count at most as the recent level plus ten means, and the first three
    set the unit without being learnt from.

    The right choice when nothing is known of an instance before solving it. Takes O(K) numbers, and O(K)
    time per round. Delayed feedback is taken in when it comes, with the probability that its choice carries.
    A censored cost counts as a cost, but as no less than the recent level (the unit's half for
    ``"reduced-variance"``): stopping an arm early never makes it look better.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness.
    estimator
        See above.
    scale
        The largest possible cost, in the unit of the costs. ``None``: follow the unit online.

    Raises
    ------
    InvalidInput
        An unknown estimator, a scale that is not positive; in :meth:`learn`, a cost that is not finite and
        nonnegative, or a choice that could not have been made.
    """

    name: ClassVar[str] = "tsallis_inf"

    def __init__(
        self,
        arms: int,
        rng: np.random.Generator,
        *,
        estimator: Estimator = "baseline",
        scale: float | None = None,
    ) -> None:
        super().__init__(arms, rng)
        self._estimator: Estimator = one_of("estimator", estimator, get_args(Estimator))
        self._scale = None if scale is None else positive("scale", scale)
        self._losses: Vector = np.zeros(self._arms)
        self._rounds = 0
        self._costs = CostScale()
        self._x = 1.0
        self._probabilities: Vector | None = None

    @property
    def probabilities(self) -> Vector:
        """Probabilities (K,) with which the next arm is drawn."""
        if self._probabilities is None:
            unit = self._unit()
            eta = self._eta() / unit if unit > 0 else 0.0
            p, self._x = tsallis_probabilities(self._losses, eta, self._x)
            if self._estimator == "baseline":
                # An arm's distance, the D_i of the class's description, is 2 / (eta sqrt(p_i)).
                p = np.maximum(p, 0.5 * LEAST * self._costs.mean * eta * np.sqrt(p))
                p /= p.sum()
            p.flags.writeable = False
            self._probabilities = p
        return self._probabilities

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
        if self._scale is not None or self._costs.ready:
            self._add_estimate(choice, cost, censored)
        self._costs.update(cost)
        self._rounds += 1
        self._probabilities = None

    def _eta(self) -> float:
        return LEARNING_RATE[self._estimator] / math.sqrt(self._rounds + 1)

    def _level(self) -> float:
        if self._scale is not None and not self._costs.ready:
            return 0.5 * self._scale
        return self._costs.level

    def _unit(self) -> float:
        if self._scale is not None:
            return self._scale
        return UNIT[self._estimator] * self._costs.mean

    def _add_estimate(self, choice: Choice, cost: float, censored: bool) -> None:
        costs = self._costs
        if self._scale is None:
            cost = min(cost, costs.limit)
        baseline = 0.0
        if self._estimator == "baseline":
            baseline = self._level()
        elif self._estimator == "reduced-variance":
            half = 0.5 * self._unit()
            cost = max(cost, half) if censored else cost
            # Any B_i that does not depend on the drawn arm leaves the estimate unbiased: those of the present
            # probabilities are the published ones unless feedback is late.
            likely = self.probabilities >= self._eta() ** 2
            self._losses += half * likely
            baseline = half if likely[choice.arm] else 0.0
        self._losses[choice.arm] += (cost - baseline) / choice.probability

    def absorb(self, other: TsallisINF) -> None:
        """Merge: cumulative loss estimates and rounds add up, as if one learner had had all the feedback."""
        self._losses += other._losses
        self._rounds += other._rounds
        self._costs.absorb(other._costs)
        self._probabilities = None

    def learnt(self) -> dict[str, Any]:
        """The state without the generator's, for learners made of several that share one."""
        return {
            "losses": self._losses.copy(),
            "rounds": self._rounds,
            "costs": self._costs.state_dict(),
            "x": self._x,
            "probabilities": None if self._probabilities is None else self._probabilities.copy(),
        }

    def restore(self, learnt: Mapping[str, Any]) -> None:
        """Set what :meth:`learnt` gave."""
        self._losses = array(learnt["losses"], (self._arms,))
        self._rounds = int(learnt["rounds"])
        self._costs = CostScale.from_state_dict(learnt["costs"])
        self._x = float(learnt["x"])
        kept = learnt["probabilities"]
        self._probabilities = None if kept is None else array(kept, (self._arms,))

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "estimator": self._estimator,
            "scale": self._scale,
            "generator": pack_generator(self._rng),
            "learnt": self.learnt(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        rng = unpack_generator(state["generator"])
        learner = cls(state["arms"], rng, estimator=state["estimator"], scale=state["scale"])
        learner.restore(state["learnt"])
        return learner
