"""ChebCB: costs as smooth functions of a context, one Chebyshev series an arm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Choice, Context
from reiterate.learners._context import ContextVariable, Interval
from reiterate.learners._cost_scale import CostScale
from reiterate.learners._finite import FiniteLearner, Vector, count, positive
from reiterate.learners._inverse_gap import inverse_gap_weights
from reiterate.learners._state import array, check_state, pack_generator, unpack_generator

ARM_PENALTY = 0.2
"""Weight of ``1 + j**2`` times the squared distance of an arm's coefficient j from the common fit's."""

COMMON_PENALTY = 0.3
"""Weight of ``j**2`` times the common fit's squared coefficient j."""

OUTLIER = 4.0
"""A cost counts at most as this many times what was predicted, or as recent costs allow if that is more."""

GROWTH = 1.125
"""Factor of growth of a learnt interval: little of it stays empty, where the series would waste its terms."""

MEMORY = 256
"""Rounds over which the relative size of prediction errors is averaged."""

LEAST = 0.1
"""What is common to all arms counts as at least this share of recent costs where its fit falls below."""


def chebyshev_features(x: float, degree: int) -> Vector:
    """``T_0(x), …, T_{degree-1}(x)``, shape (degree,)."""
    values = [1.0, x]
    for _ in range(degree - 2):
        values.append(2.0 * x * values[-1] - values[-2])
    return np.array(values[:degree])


def chebyshev_change(slope: float, offset: float, degree: int) -> NDArray[np.float64]:
    """The matrix D (degree, degree) with ``T_j(slope x + offset) = sum_k D[j, k] T_k(x)``.

    Sound if ``slope x + offset`` maps [-1, 1] into itself: row j then holds the coefficients of a polynomial
    bounded by one, so none exceeds 2.
    """

    def times_argument(row: Vector) -> Vector:
        shifted = np.zeros(degree)
        shifted[1:] += 0.5 * row[:-1]
        shifted[:-1] += 0.5 * row[1:]
        if degree > 1:
            # x T_0 = T_1, while x T_k = (T_{k+1} + T_{k-1}) / 2 for the others.
            shifted[1] += 0.5 * row[0]
        result: Vector = slope * shifted + offset * row
        return result

    change = np.zeros((degree, degree))
    change[0, 0] = 1.0
    if degree > 1:
        change[1] = times_argument(change[0])
    for j in range(2, degree):
        change[j] = 2.0 * times_argument(change[j - 1]) - change[j - 2]
    return change


class ChebCB(FiniteLearner):
    """Contextual bandit with a Chebyshev series per arm and inverse-gap weighting.

    Each arm's cost is modeled as ``sum_j theta_j T_j(x)``, with ``x`` in [-1, 1] the context variable's place
    in its interval and ``degree`` features ``T_0, …, T_{degree-1}``. Sources: M. Khodak, E. Chow,
    M.-F. Balcan and A. Talwalkar, "Learning to Relax", ICLR 2024 (Chebyshev regression for the parameters of
    linear solvers); D. J. Foster and A. Rakhlin, "Beyond UCB", ICML 2020 (SquareCB).

    Arm ``i`` is drawn with probability ``1 / (K + gamma_t (y_i - min y))`` and the minimizer of ``y`` with the
    rest, where ``gamma_t = sqrt(K t) / (exploration * mean cost)``. Two things differ from the sources:

    - instead of constraining ``|theta_j|`` by a multiple of ``1/j``, squared deviations are penalized with
      weights growing like ``j**2``, and from the coefficients of a fit to all arms' costs rather than from zero:
      an arm that has not been played is believed to be average, at any context;
    - ``y`` is the prediction less ``optimism`` times its standard error, so that arms which few rounds have
      shown to be bad *here* are tried again. It makes the steep ``gamma_t`` safe; ``optimism=0`` is SquareCB.
      Errors are taken to grow in proportion to what is common to all arms at a context: where costs are
      first seen to be high, the small errors made where they were low do not count as certainty.

    Guarantee: for ``optimism=0`` SquareCB's analysis bounds the expected regret against the best arm *for each
    context* by about ``K T / gamma + gamma R / 4``, ``R`` being the regression's own regret in squared error,
    O(K degree log T) for costs that are such series plus noise. With this ``gamma_t`` that is
    O(sqrt(K T) (1 + R)): the constant favors practice over the worst case. Exploring as such costs about
    ``2 exploration sqrt(K T)`` mean costs over T rounds. Series of few terms follow smooth dependence only: what
    they miss stays as a bias. Old feedback is never forgotten.

    The right choice when one number known beforehand (a time step, a load, a shift) moves the best arm, and a
    good one when it only moves the cost of all arms. Without a context it fits a constant per arm. Takes
    O(K degree**2) numbers however many rounds; a round takes O(K degree**2 + degree**3) time.

    A learnt interval grows by eighths, and the sufficient statistics are re-expressed in the new variable,
    which polynomials allow exactly. Feedback may be late; only arm and context of a choice are used. The
    first three costs wait for each other, so that an outlier among them is recognized; a cost counts at most
    as four times the prediction or as the recent level plus ten mean costs, whichever is more. A censored
    cost counts as a cost, but as no less than was predicted: stopping an arm early does not make it look better.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness.
    degree
        Number of Chebyshev features, at least 1.
    interval
        ``(low, high)`` of the context variable, in its unit; values outside count as the nearer end.
        ``None``: learn it.
    variable
        Name of the context variable. ``None``: the first of the first context that is not empty.
    exploration
        Larger explores more; positive.
    optimism
        Standard errors to subtract from predictions; 0 or more.

    Raises
    ------
    InvalidInput
        An option out of its range; a context without the variable; in :meth:`learn`, a cost that is not
        finite and nonnegative.
    """

    name: ClassVar[str] = "cheb_cb"

    def __init__(
        self,
        arms: int,
        rng: np.random.Generator,
        *,
        degree: int = 6,
        interval: Sequence[float] | None = None,
        variable: str | None = None,
        exploration: float = 0.02,
        optimism: float = 0.5,
    ) -> None:
        super().__init__(arms, rng)
        self._degree = d = count("degree", degree)
        self._interval = Interval(interval, GROWTH)
        self._variable = ContextVariable(variable)
        self._exploration = positive("exploration", exploration)
        self._optimism = positive("optimism", optimism, zero=True)
        squares = np.arange(d, dtype=np.float64) ** 2
        self._arm_penalty = ARM_PENALTY * (1.0 + squares)
        self._common_penalty = COMMON_PENALTY * squares
        self._grams = np.zeros((self._arms, d, d))
        self._moments = np.zeros((self._arms, d))
        self._rounds = 0
        self._squared_error = 0.0
        self._costs = CostScale()
        self._held: list[tuple[int, float | None, float]] = []
        self._derive()

    def choose(self, context: Context | None = None) -> Choice:
        """Draw an arm by inverse-gap weighting of the predictions at this context."""
        features = self._features(self._variable.value(context))
        predictions, errors = self._predict(features)
        if self._optimism > 0:
            predictions = predictions - self._optimism * self._common(features) * errors
        return self._draw(inverse_gap_weights(predictions, self._gamma()), context)

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost."""
        cost = self._check_feedback(choice, cost)
        value = self._variable.value(choice.context)
        # The features come first: a value outside a learnt interval re-expresses what they multiply.
        features = self._features(value)
        if not self._costs.ready:
            self._hold(choice.arm, value, cost)
            return
        predicted = self._predict_arm(choice.arm, features)
        if censored:
            cost = max(cost, predicted)
        limit = max(OUTLIER * predicted, self._costs.limit)
        self._costs.update(cost)
        cost = min(cost, limit)
        self._rounds += 1
        common = self._common(features)
        if common > 0:
            strayed = (cost - predicted) / common
            self._squared_error += (strayed * strayed - self._squared_error) / min(self._rounds, MEMORY)
        self._fit(choice.arm, features, cost)

    def predict(self, context: Context | None = None) -> Vector:
        """Predicted cost of every arm at this context, shape (K,), in the unit of the costs."""
        return self._predict(self._features(self._variable.value(context)))[0]

    def _hold(self, arm: int, value: float | None, cost: float) -> None:
        self._costs.update(cost)
        self._held.append((arm, value, cost))
        if not self._costs.ready:
            return
        limit = self._costs.limit
        for arm, value, cost in self._held:
            self._fit(arm, self._features(value), min(cost, limit))
        self._held = []

    def _gamma(self) -> float:
        mean = self._costs.mean
        return math.sqrt(self._arms * self._rounds) / (self._exploration * mean) if mean > 0 else 0.0

    def _features(self, value: float | None) -> Vector:
        """Features (degree,) of the context variable's value; the interval grows to hold it."""
        if value is None:
            constant = np.zeros(self._degree)
            constant[0] = 1.0
            return constant
        interval = self._interval
        growth = interval.include(value)
        if growth is not None:
            self._reexpress(growth.low, growth.high)
        x = 2.0 * interval.fraction(value) - 1.0 if interval.low < interval.high else 0.0
        return chebyshev_features(x, self._degree)

    def _reexpress(self, low: float, high: float) -> None:
        """Turn the statistics of the interval ``[low, high]`` into those of the present one."""
        left = 2.0 * self._interval.fraction(low) - 1.0
        right = 2.0 * self._interval.fraction(high) - 1.0
        change = chebyshev_change(0.5 * (right - left), 0.5 * (right + left), self._degree)
        self._grams = change @ self._grams @ change.T
        self._moments = self._moments @ change.T
        self._derive()

    def _common(self, features: Vector) -> float:
        """What the fit to all arms' costs expects, kept positive: series swing below zero where costs are low."""
        return max(float(self._common_fit.dot(features)), LEAST * self._costs.level)

    def _predict(self, features: Vector) -> tuple[Vector, Vector]:
        """Predictions, and their standard errors relative to what is common to all arms, each (K,)."""
        weights = (self._flat_inverses @ features).reshape(self._arms, self._degree)
        predictions = np.einsum("ij,ij->i", weights, self._moments)
        predictions += weights @ self._prior
        errors = np.sqrt(np.maximum(weights @ features, 0.0) * self._squared_error)
        return predictions, errors

    def _predict_arm(self, arm: int, features: Vector) -> float:
        return float((self._moments[arm] + self._prior).dot(self._inverses[arm] @ features))

    def _fit(self, arm: int, features: Vector, cost: float) -> None:
        outer = features[:, None] * features
        self._grams[arm] += outer
        self._common_gram += outer
        moment = cost * features
        self._moments[arm] += moment
        self._common_moment += moment
        self._solve(arm)

    def _solve(self, arm: int) -> None:
        """Refresh the arm's inverse and the common fit, whose penalized coefficients are every arm's prior."""
        # One call for both: for matrices this small, calling costs more than inverting.
        pair = np.stack((self._grams[arm], self._common_gram))
        diagonal = pair.reshape(2, -1)[:, :: self._degree + 1]
        diagonal[0] += self._arm_penalty
        diagonal[1] += self._common_penalty
        self._inverses[arm], common = np.linalg.inv(pair)
        self._common_fit = common @ self._common_moment
        self._prior = self._arm_penalty * self._common_fit

    def _derive(self) -> None:
        """Compute from the arms' statistics what else prediction uses."""
        self._common_gram = self._grams.sum(axis=0)
        self._common_moment = self._moments.sum(axis=0)
        self._inverses = np.linalg.inv(self._grams + np.diag(self._arm_penalty))
        self._flat_inverses = self._inverses.reshape(-1, self._degree)
        self._common_fit = np.zeros(self._degree)
        self._prior = np.zeros(self._degree)
        if self._common_gram[0, 0] > 0:
            self._solve(0)

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "degree": self._degree,
            "interval": self._interval.state_dict(),
            "variable": self._variable.name,
            "exploration": self._exploration,
            "optimism": self._optimism,
            "generator": pack_generator(self._rng),
            "grams": self._grams.copy(),
            "moments": self._moments.copy(),
            "common_gram": self._common_gram.copy(),
            "common_moment": self._common_moment.copy(),
            "rounds": self._rounds,
            "squared_error": self._squared_error,
            "costs": self._costs.state_dict(),
            "held": [list(held) for held in self._held],
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(
            state["arms"],
            unpack_generator(state["generator"]),
            degree=state["degree"],
            variable=state["variable"],
            exploration=state["exploration"],
            optimism=state["optimism"],
        )
        k, d = learner._arms, learner._degree
        learner._interval = Interval.from_state_dict(state["interval"])
        learner._grams = array(state["grams"], (k, d, d))
        learner._moments = array(state["moments"], (k, d))
        learner._rounds = int(state["rounds"])
        learner._squared_error = float(state["squared_error"])
        learner._costs = CostScale.from_state_dict(state["costs"])
        learner._held = [(int(arm), value, float(cost)) for arm, value, cost in state["held"]]
        learner._derive()
        # The running sums were rounded in the order of the feedback, so deriving them anew would differ.
        learner._common_gram = array(state["common_gram"], (d, d))
        learner._common_moment = array(state["common_moment"], (d,))
        if learner._common_gram[0, 0] > 0:
            learner._solve(0)
        return learner
