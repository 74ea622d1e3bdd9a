"""Optimistic follow the regularized leader: forecasts of the costs make the first plays, and yield to what is seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Arms, Choice, Context
from reiterate.errors import InvalidInput
from reiterate.learners._cost_scale import CostScale
from reiterate.learners._finite import FiniteLearner, Vector, positive
from reiterate.learners._state import array, check_state, pack_generator, unpack_generator

MEMORY = 16
"""Costs over which an arm's mean is taken: older ones fade."""

WIDEST = 1e12
"""Hints may differ by this factor."""

FORECAST_TRUST = 3.0
"""Rounds that a cost model's forecasts are worth: they are right within a factor of two or so."""

DOUBT = 0.1
"""Errors of this share of the least hint are expected of predictions before any has been seen."""

HINT_WEIGHT = 0.3
"""Costs that a hint counts as in the prediction for an arm that has been played."""

VARIATION_WEIGHT = 0.1
"""Share of the observed squared errors in the learning rate; the analysis would have about one."""


def log_barrier_probabilities(losses: Vector, eta: float, x: float = 1.0) -> tuple[Vector, float]:
    """Minimize ``<p, losses> - (1/eta) sum_i log p_i`` over the probability simplex.

    The minimizer is ``p_i = 1 / (x + eta (losses_i - min losses))`` with x in [1, K], where K equal losses have
    ``x = K``. Newton's method is applied to ``1 / S(x) = 1``, ``S(x) = sum_i p_i``: the left side is concave and
    increasing, so the first step from any start lands at or below the root, and the rest climb to it.

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
    gaps = eta * (losses - losses.min())
    for _ in range(60):
        p = 1.0 / (gaps + x)
        total = float(p.sum())
        step = total * (total - 1.0) / float(p.dot(p))
        x = max(x + step, 1.0)
        # Convergence is quadratic: after a step this small, the next would be below rounding.
        if abs(step) <= 1e-9 * x:
            break
    p = 1.0 / (gaps + x)
    p /= p.sum()
    return p, x


class Optimistic(FiniteLearner):
    r"""Follow the leader, regularized by the log barrier, as if the predicted costs had already been paid once more.

    Predictions start as hints, e.g. a cost model's forecasts, and are corrected by the costs that come in; what
    is left to learn from a cost is its error of prediction. Sources: A. Rakhlin and K. Sridharan, "Online Learning
    with Predictable Sequences", COLT 2013; C.-Y. Wei and H. Luo, "More Adaptive Algorithms for Adversarial
    Bandits", COLT 2018 (the log barrier and optimism for bandits).

    Arms are drawn from :func:`log_barrier_probabilities` of ``L + (1 + trust) m``, where

    - ``m`` are the predictions. Before an arm's first cost that is its hint ``h_i``, times the quotient ``r`` of what
      has been paid and what had been hinted for it: only the ratios of hints matter. Afterwards it is the mean of the
      arm's last costs and, with less weight, the hint;
    - ``trust`` is the number of rounds for which predictions count as seen before the first. The sources have 0: the
      log barrier then starts almost uniform, however clear the hints are;
    - ``L`` adds up the estimates ``v_i + 1[I=i] (l - v_i) / p_i`` of the losses, with ``v_i = m_i`` for arms that
      have been played and the least of these for others: the gaps that mere hints open do not grow. One cost moves
      its arm by no more than ``1 / (2 eta p_i)``, half its distance, or by its own error: draws at a tiny probability
      cannot turn a bad arm into the favorite;
    - the learning rate is ``(e**2 + c V / (K log t))**(-1/2)`` with ``V`` the sum of the squared errors ``l - v_I``
      so far, ``c = 0.1``, and ``e`` a tenth of the least hint: no scale is needed.

    Guarantee: for a fixed learning rate ``eta`` small compared with one over the largest error, and without that
    limit, the expected regret after T rounds is O(K log T / eta + eta V). With ``eta`` as here that is
    O(sqrt(K V log T) + e K log T): it grows with what is not predicted, not with the costs. ``trust`` adds
    at most ``trust (m_i - min m)`` for the best arm i, which is what the hints misjudge it by, for so many rounds.
    The constants are tuned for practice, and nothing is proved for the limit.

    The right choice when forecasts of every arm's cost exist: good ones make the first plays right, and bad ones
    cost little; and when arms cost nearly the same each time, with or without hints. Takes O(K) numbers and O(K) time
    per round. Feedback may be late. A cost counts at most as the recent level plus ten mean costs; a
    censored one, as no less than was predicted.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness.
    hints
        Predicted cost of every arm, (K,), positive, in any unit. ``None``: all alike.
    trust
        Rounds that the hints are worth, 0 or more.

    Raises
    ------
    InvalidInput
        Hints that are not K positive numbers, a negative ``trust``; in :meth:`learn`, a cost that is not finite and
        nonnegative, or a choice that could not have been made.
    """

    name: ClassVar[str] = "optimistic"

    def __init__(
        self,
        arms: int,
        rng: np.random.Generator,
        *,
        hints: Sequence[float] | NDArray[np.float64] | None = None,
        trust: float = 10.0,
    ) -> None:
        super().__init__(arms, rng)
        self._hints = np.ones(self._arms) if hints is None else _checked_hints(hints, self._arms)
        self._trust = positive("trust", trust, zero=True)
        self._losses: Vector = np.zeros(self._arms)
        self._means: Vector = np.zeros(self._arms)
        self._plays: Vector = np.zeros(self._arms)
        self._paid = 0.0
        self._hinted = 0.0
        self._squared_errors = 0.0
        self._rounds = 0
        self._costs = CostScale()

    @classmethod
    def options_for(cls, arms: Arms) -> dict[str, Any]:
        """The costs expected of them, where they are of any."""
        hints = arms.hints()
        return {} if hints is None else {"hints": hints, "trust": FORECAST_TRUST}

    @property
    def predictions(self) -> Vector:
        """Predicted cost of every arm, (K,), in the unit of the costs once there has been one."""
        predictions: Vector = (HINT_WEIGHT * self._unit() * self._hints + self._plays * self._means) / (
            HINT_WEIGHT + self._plays
        )
        return predictions

    @property
    def losses(self) -> Vector:
        """Cumulative loss estimates (K,), in the unit of the costs."""
        return self._losses.copy()

    @property
    def probabilities(self) -> Vector:
        """Probabilities (K,) with which the next arm is drawn."""
        ahead = self._losses + (1.0 + self._trust) * self.predictions
        return log_barrier_probabilities(ahead, self._eta())[0]

    def choose(self, context: Context | None = None) -> Choice:
        """Draw an arm; the context is carried along, not used."""
        return self._draw(self.probabilities, context)

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost."""
        cost = self._check_drawn_feedback(choice, cost)
        arm = choice.arm
        limit = self._costs.limit if self._costs.ready else math.inf
        self._costs.update(cost)
        first = self._hinted == 0
        if first:
            # The unit is not known before: the first cost sets it, and is then what was predicted.
            self._paid, self._hinted = cost, float(self._hints[arm])
        predictions = self.predictions
        if censored:
            cost = max(cost, float(predictions[arm]))
        cost = min(cost, limit)
        variates = self._control_variates(predictions)
        error = cost - float(variates[arm])
        self._losses += variates
        self._losses[arm] += self._correction(error, choice.probability)
        self._squared_errors += error * error
        self._rounds += 1
        self._plays[arm] = min(self._plays[arm] + 1, MEMORY)
        self._means[arm] += (cost - self._means[arm]) / self._plays[arm]
        if not first:
            self._paid += cost
            self._hinted += float(self._hints[arm])

    def _unit(self) -> float:
        return self._paid / self._hinted if self._hinted > 0 else 1.0

    def _control_variates(self, predictions: Vector) -> Vector:
        """What the losses (K,) are taken to be, but for the drawn arm's error.

        A mere hint must not add up round after round, right or wrong: arms that have not been played are taken to
        cost as little as the best that has been.
        """
        played = self._plays > 0
        least = predictions[played] if played.any() else predictions
        variates: Vector = np.where(played, predictions, least.min())
        return variates

    def _correction(self, error: float, probability: float) -> float:
        """The error over the probability, as far as that moves the arm by half its distance or the error itself."""
        eta = self._eta()
        if eta == 0:
            return error / probability
        limit = max(abs(error), 0.5 / eta / probability)
        return min(max(error / probability, -limit), limit)

    def _eta(self) -> float:
        # Hints are kept in units of the least.
        least = DOUBT * self._unit()
        variation = VARIATION_WEIGHT * self._squared_errors / (self._arms * math.log(self._rounds + 2))
        spread = math.sqrt(least * least + variation)
        return 1.0 / spread if spread > 0 else 0.0

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "hints": self._hints.copy(),
            "trust": self._trust,
            "generator": pack_generator(self._rng),
            "losses": self._losses.copy(),
            "means": self._means.copy(),
            "plays": self._plays.copy(),
            "paid": self._paid,
            "hinted": self._hinted,
            "squared_errors": self._squared_errors,
            "rounds": self._rounds,
            "costs": self._costs.state_dict(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(state["arms"], unpack_generator(state["generator"]), trust=state["trust"])
        shape = (learner.arms,)
        learner._hints = array(state["hints"], shape)
        learner._losses = array(state["losses"], shape)
        learner._means = array(state["means"], shape)
        learner._plays = array(state["plays"], shape)
        learner._paid = float(state["paid"])
        learner._hinted = float(state["hinted"])
        learner._squared_errors = float(state["squared_errors"])
        learner._rounds = int(state["rounds"])
        learner._costs = CostScale.from_state_dict(state["costs"])
        return learner


def _checked_hints(hints: Any, arms: int) -> Vector:
    """Hints in units of the least, none beyond the widest range."""
    remedy = f"pass {arms} positive numbers, the predicted cost of every arm, or None"
    try:
        values = np.array(hints, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidInput("hints", f"{hints!r} is not a sequence of numbers; {remedy}") from None
    if values.shape != (arms,):
        raise InvalidInput("hints", f"have the shape {values.shape}; {remedy}")
    if not (np.isfinite(values) & (values > 0)).all():
        wrong = int(np.argmin(np.isfinite(values) & (values > 0)))
        raise InvalidInput("hints", f"{hints[wrong]!r} for arm {wrong} is not finite and positive; {remedy}")
    least = float(values.min())
    scaled: Vector = np.minimum(values, WIDEST * least) / least
    return scaled
