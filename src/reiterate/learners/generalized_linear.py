"""Variance-aware generalized-linear bandit: log costs linear in the context, weighted by their noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Choice, Context
from reiterate.learners._covariates import Covariates
from reiterate.learners._finite import FiniteLearner, Vector, positive
from reiterate.learners._log_costs import OUTLIER, LogCosts
from reiterate.learners._state import array, check_state, pack_generator, unpack_generator

INTERCEPT_VARIANCE = 0.5
"""Prior variance of an arm's log cost about the common fit, at a mean context."""

SLOPE_VARIANCE = 0.1
"""Prior variance of what one standard deviation of a covariate changes in it."""

COMMON_VARIANCE = 1.0
"""Prior variance of a slope of the common fit."""

LEAST_VARIANCE = 1e-4
"""The noise's variance counts as at least this: the alpha**2 of the weights."""

MOST_VARIANCE = 2.0
"""The noise's variance counts as at most this: what costs more at times is seen by its costs anyway."""

FIRST_VARIANCE = 0.05
"""Variance of the noise before it has been measured."""

UNCERTAINTY = 0.1
"""The gamma**2 of the weights: a response known badly beforehand counts as a noisy one."""

VARIANCE_PENALTY = 3.0
"""Observations that what is common to all arms counts as in an arm's own log variance."""

LEAST_FREEDOM = 0.2
"""Share of the noise that is seen at least of an error after the fit."""

HARVEY = 1.2704
"""What the expectation of the logarithm of a squared standard normal number lacks to 0."""

STEEPEST = 50.0
"""Log costs further than this from the unit count as this far."""

REPLAYED = 256
"""Observations kept to be taken in again when the standardization of the covariates changes."""


class _Ridge:
    """Weighted ridge regression per arm about a common one: sums, and what follows from them."""

    def __init__(self, arms: int, penalties: Vector, common_penalties: Vector) -> None:
        size = penalties.size
        self._penalties, self._common_penalties = penalties, common_penalties
        self.grams = np.zeros((arms, size, size))
        self.moments = np.zeros((arms, size))
        self.common_gram = np.zeros((size, size))
        self.common_moment = np.zeros(size)
        self.derive()

    def fit(self, arm: int, features: Vector, response: float, weight: float) -> None:
        """Take in a response of this weight, 1 over its variance."""
        outer = weight * features[:, None] * features
        moment = weight * response * features
        self.grams[arm] += outer
        self.moments[arm] += moment
        self.common_gram += outer
        self.common_moment += moment
        self._solve(arm)

    def predict(self, features: Vector) -> tuple[Vector, Vector]:
        """Responses and their squared standard errors, each (K,)."""
        weights = self.inverses @ features
        responses = np.einsum("ij,ij->i", weights, self.moments) + weights @ self._prior
        return responses, np.maximum(weights @ features, 0.0)

    def predict_arm(self, arm: int, features: Vector) -> tuple[float, float]:
        """The same for one arm."""
        weights = self.inverses[arm] @ features
        return float(weights @ (self.moments[arm] + self._prior)), max(float(weights @ features), 0.0)

    def derive(self) -> None:
        """Compute what follows from the sums."""
        self.inverses = np.linalg.inv(self.grams + np.diag(self._penalties))
        self._solve_common()

    def _solve(self, arm: int) -> None:
        self.inverses[arm] = np.linalg.inv(self.grams[arm] + np.diag(self._penalties))
        self._solve_common()

    def _solve_common(self) -> None:
        fit = np.linalg.solve(self.common_gram + np.diag(self._common_penalties), self.common_moment)
        self._prior = self._penalties * fit

    def state_dict(self) -> dict[str, Any]:
        return {
            "grams": self.grams.copy(),
            "moments": self.moments.copy(),
            "common_gram": self.common_gram.copy(),
            "common_moment": self.common_moment.copy(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        for field in ("grams", "moments", "common_gram", "common_moment"):
            setattr(self, field, array(state[field], getattr(self, field).shape))
        self.derive()


class GeneralizedLinear(FiniteLearner):
    """Optimistic play of a linear model of log costs whose noise has a linear model of its own.

    The log cost of an arm is linear in the covariates, all numbers of the context standardized online; so is the
    log of its noise's variance, and both are regressed by ridge about a fit common to all arms, with weights that
    trust quiet arms and contexts more than erratic ones. Sources: D. Zhou, Q. Gu and C. Szepesvári, "Nearly
    Minimax Optimal Reinforcement Learning for Linear Mixture Markov Decision Processes", COLT 2021 (bandits with
    known variances); D. Zhou and Q. Gu, "Computationally Efficient Horizon-Free Reinforcement Learning for Linear
    Mixture MDPs", NeurIPS 2022 (the weights); A. C. Harvey, "Estimating Regression Models with Multiplicative
    Heteroscedasticity", Econometrica 44, 1976 (the variances).

    Responses are weighted by ``1 / max(v, alpha**2, gamma**2 e)``, with v the variance believed of the noise and e
    the standard error of the prediction. The arm of the least ``y + v/2 - b e`` is played, which is the log of
    the expected cost of lognormal noise, less ``b = confidence sqrt(log(1 + t))`` standard errors.

    Guarantee: for linear rewards with noise of known variances ``v_t``, of dimension n, the regret of the second
    source's algorithm is Õ(n sqrt(sum_t v_t) + n): little is lost where there is little noise. Here it concerns
    log costs; the variances are estimated, the radius is a fraction of the theorem's, and each arm has a parameter
    of its own, so n is K (d + 1) at worst and less as arms are alike. What stays in any case: while the truth is
    within b standard errors, a round's regret is at most ``2 b e`` of the arm that was played.

    While the standardization of the covariates still changes, up to the 256th observation, all is fitted anew with it:
    the noise from errors about the fit to all observations, the means with weights of that noise.

    Takes O(K d**2) numbers and a decision O(K d**2) time for d covariates, feedback O(d**3). The choice is not
    random but for ties, so that feedback that comes late in large batches costs repetitions. The first three
    costs set the unit without being learnt from. A censored cost counts as a cost, but as no less than was
    predicted, and says nothing about the noise.

    The right choice when costs are powers of known numbers (a mesh size, a time step, a contrast), and some arms
    are erratic: cheap at most times and very dear at others.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness, for ties only.
    confidence
        Standard errors to subtract, over ``sqrt(log(1 + t))``; positive.

    Raises
    ------
    InvalidInput
        An option out of its range; a context with what is not a number; in :meth:`learn`, a cost that is not
        finite and nonnegative.
    """

    name: ClassVar[str] = "generalized_linear"

    def __init__(self, arms: int, rng: np.random.Generator, *, confidence: float = 0.4) -> None:
        super().__init__(arms, rng)
        self._confidence = positive("confidence", confidence)
        self._covariates = Covariates(REPLAYED)
        self._replay: list[tuple[int, list[float] | None, float, bool]] = []
        self._rounds = 0
        self._costs = LogCosts()
        self._restart()

    def _restart(self) -> None:
        self._means, self._variances = self._new_means(), self._new_variances()

    def _new_means(self) -> _Ridge:
        intercept = np.arange(1 + len(self._covariates.names)) == 0
        return _Ridge(
            self._arms,
            np.where(intercept, 1.0 / INTERCEPT_VARIANCE, 1.0 / SLOPE_VARIANCE),
            np.where(intercept, 1e-3, 1.0 / COMMON_VARIANCE),
        )

    def _new_variances(self) -> _Ridge:
        penalties = np.full(1 + len(self._covariates.names), VARIANCE_PENALTY)
        return _Ridge(self._arms, penalties, penalties)

    def choose(self, context: Context | None = None) -> Choice:
        """The arm whose expected cost at this context may be least."""
        self._admit(context)
        features = self._features(self._values(context))
        logs, squares = self._means.predict(features)
        bonus = self._confidence * math.sqrt(math.log(2.0 + self._rounds))
        bounds = logs + 0.5 * self._noise(self._variances.predict(features)[0]) - bonus * np.sqrt(squares)
        least = bounds == bounds.min()
        return self._draw(least / np.count_nonzero(least), context)

    def predict(self, context: Context | None = None) -> Vector:
        """Expected cost of every arm at this context, shape (K,), in the unit of the costs."""
        features = self._features(self._values(context))
        logs = self._means.predict(features)[0] + 0.5 * self._noise(self._variances.predict(features)[0])
        predictions: Vector = self._costs.unit * np.exp(logs.clip(-STEEPEST, STEEPEST))
        return predictions

    def noise(self, context: Context | None = None) -> Vector:
        """Variance of every arm's log cost at this context, shape (K,), as far as nothing explains it."""
        return self._noise(self._variances.predict(self._features(self._values(context)))[0])

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost."""
        cost = self._check_feedback(choice, cost)
        self._admit(choice.context)
        values = self._values(choice.context)
        if self._covariates.observe(choice.context):
            self._take_in_again()
        features = self._features(values)
        expected = self._means.predict_arm(choice.arm, features)[0]
        # Erratic arms are dear at times: three standard deviations are no outlier.
        outlier = max(OUTLIER, math.exp(3.0 * math.sqrt(self._arm_noise(choice.arm, features))))
        response = self._costs.response(cost, expected, censored=censored, outlier=outlier)
        if response is None:
            return
        self._rounds += 1
        if self._covariates.observed >= REPLAYED:
            self._replay = []
        elif len(self._replay) < REPLAYED:
            self._replay.append((choice.arm, values, response, censored))
        self._take_in(choice.arm, values, response, censored)

    def _take_in(self, arm: int, values: list[float] | None, response: float, censored: bool) -> None:
        """Learn from a response in turn: the noise from its error, the rest by the weight that the noise had."""
        features = self._features(values)
        noise = self._arm_noise(arm, features)
        expected, square = self._means.predict_arm(arm, features)
        if not censored:
            # An error is larger than the noise by the prediction's own: in proportion, that is taken out.
            self._measure(arm, features, noise / (noise + square) * (response - expected) ** 2)
        self._fit(arm, features, response, noise)

    def _measure(self, arm: int, features: Vector, error: float) -> None:
        """Learn the noise from a squared error."""
        bounded = min(max(error, LEAST_VARIANCE * math.exp(-HARVEY)), 9.0 * MOST_VARIANCE)
        self._variances.fit(arm, features, math.log(bounded) + HARVEY - math.log(FIRST_VARIANCE), 1.0)

    def _fit(self, arm: int, features: Vector, response: float, noise: float) -> None:
        """Learn the mean from a response with that much noise."""
        square = self._means.predict_arm(arm, features)[1]
        self._means.fit(arm, features, response, 1.0 / max(noise, UNCERTAINTY * math.sqrt(square)))

    def _arm_noise(self, arm: int, features: Vector) -> float:
        return float(self._noise(self._variances.predict_arm(arm, features)[0]))

    def _noise(self, logarithms: Vector | float) -> Vector:
        """Variances, from the responses of their regression."""
        least, most = math.log(LEAST_VARIANCE / FIRST_VARIANCE), math.log(MOST_VARIANCE / FIRST_VARIANCE)
        variances: Vector = FIRST_VARIANCE * np.exp(np.clip(logarithms, least, most))
        return variances

    def _admit(self, context: Context | None) -> None:
        """The first context that is not empty decides which numbers there are; slopes were nothing until then."""
        if not self._covariates.admit(context):
            return
        before = self._means, self._variances
        self._restart()
        for old, new in zip(before, (self._means, self._variances), strict=True):
            new.grams[:, :1, :1] = old.grams
            new.moments[:, :1] = old.moments
            new.common_gram[:1, :1] = old.common_gram
            new.common_moment[:1] = old.common_moment
            new.derive()

    def _take_in_again(self) -> None:
        """Standardized values mean something else now: start over with what was kept, if that is everything."""
        if self._rounds > len(self._replay):
            return
        self._restart()
        for arm, values, response, censored in self._replay:
            self._take_in(arm, values, response, censored)
        # The first errors were those of a fit to little: measured against the last fit, they are the noise.
        rounds = [(arm, self._features(values), response, censored) for arm, values, response, censored in self._replay]
        before, self._variances = self._variances, self._new_variances()
        for arm, features, response, censored in rounds:
            expected, square = self._means.predict_arm(arm, features)
            # A fit to few responses meets them better than the noise allows.
            leverage = square / float(self._noise(before.predict_arm(arm, features)[0]))
            if not censored:
                self._measure(arm, features, (response - expected) ** 2 / max(1.0 - leverage, LEAST_FREEDOM))
        self._means = self._new_means()
        for arm, features, response, _ in rounds:
            self._fit(arm, features, response, self._arm_noise(arm, features))

    def _values(self, context: Context | None) -> list[float] | None:
        return [float(value) for value in self._covariates.raw(context)] if context else None

    def _features(self, values: list[float] | None) -> Vector:
        """1, and the standardized values of raw ones, shape (d + 1,); 0 for these without a context."""
        features: NDArray[np.float64] = np.zeros(1 + len(self._covariates.names))
        features[0] = 1.0
        if values is not None:
            features[1:] = self._covariates.standardize(np.array(values))
        return features

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "confidence": self._confidence,
            "generator": pack_generator(self._rng),
            "covariates": self._covariates.state_dict(),
            "replay": [
                [arm, None if values is None else list(values), response, censored]
                for arm, values, response, censored in self._replay
            ],
            "rounds": self._rounds,
            "costs": self._costs.state_dict(),
            "means": self._means.state_dict(),
            "variances": self._variances.state_dict(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(state["arms"], unpack_generator(state["generator"]), confidence=state["confidence"])
        learner._covariates = Covariates.from_state_dict(state["covariates"])
        learner._restart()
        learner._replay = [
            (int(arm), None if values is None else [float(value) for value in values], float(response), bool(censored))
            for arm, values, response, censored in state["replay"]
        ]
        learner._rounds = int(state["rounds"])
        learner._costs = LogCosts.from_state_dict(state["costs"])
        learner._means.restore(state["means"])
        learner._variances.restore(state["variances"])
        return learner
