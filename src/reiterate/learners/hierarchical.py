"""Hierarchical Thompson sampling: methods above, their parameters below, on lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Arms, Choice, Context
from reiterate.errors import InvalidInput
from reiterate.learners._covariates import Covariates
from reiterate.learners._finite import FiniteLearner, Vector, positive
from reiterate.learners._log_costs import LogCosts
from reiterate.learners._state import array, check_state, pack_generator, unpack_generator

LEVEL_VARIANCE = 4.0
"""Prior variance of the log cost that is common to all arms."""

LINE_VARIANCE = 1.0
"""Prior variance of a line's log cost about that."""

PLACE_VARIANCE = 0.25
"""Prior variance of an arm's log cost about its line's."""

SLOPE_VARIANCE = 0.5
"""Prior variance of what one standard deviation of a covariate changes in the log costs of all arms."""

LINE_SLOPE_VARIANCE = 0.25
"""The same for one line about that, and for how it tilts the line from its middle to its end."""

FIRST_NOISE = 0.02
"""Variance of log costs that nothing explains, before it has been measured."""

LEAST_NOISE = 1e-6
"""The noise is never believed to be smaller: rounded covariances could not tell."""

FIRST_ROUNDS = 4
"""Rounds that the first noise counts as."""

MEMORY = 48
"""Rounds over which the noise is averaged."""

DRIFT = 0.2
"""Variance that the common log cost gains with every feedback, relative to the noise: instances differ."""

SURPRISE = 9.0
"""Squared errors above this many predictive variances are cut off."""

SAMPLES = 32
"""Draws from the posterior a decision."""

MOST = 256
"""Of more arms, so many represent the others: a model of all would take more time and memory than it could save."""

REPLAYED = 256
"""Observations kept to be taken in again when the standardization of the covariates changes."""


def matern(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlations at these distances, in length scales: Matérn's of order 3/2."""
    scaled = math.sqrt(3.0) * distances
    correlations: NDArray[np.float64] = (1.0 + scaled) * np.exp(-scaled)
    return correlations


class Hierarchical(FiniteLearner):
    """Thompson sampling from a Gaussian hierarchy of log costs: common to all, to a method, to its neighbors.

    The log cost of an arm is what is common to all arms, plus its line's (its method's) share, plus its own,
    which is correlated with that of its neighbors on the line; the covariates, all numbers of the context
    standardized online, move all arms, each line, and tilt each line. One observation so teaches something
    about its neighbors, less about its line, and least about all others. Source: J. Hong, B. Kveton,
    S. Katariya, M. Zaheer and M. Ghavamzadeh, "Deep Hierarchy in Bandits", ICML 2022 (hierarchical Thompson
    sampling in trees of Gaussians); correlation along a line is our addition.

    The posterior is exact for the model, followed by the Kalman filter. What is common to all arms drifts
    with every feedback, so that a series of harder instances is not held against the arms that met them. A
    decision draws 32 times from the posterior and plays one of these draws' best arms: exactly Thompson
    sampling, and the probability that a choice carries is that given the draws.

    Guarantee: Thompson sampling's. D. Russo and B. Van Roy, "An Information-Theoretic Analysis of Thompson
    Sampling", JMLR 17, 2016: for costs drawn from the prior, sub-Gaussian with variance ``s**2``, the expected
    regret is at most ``s sqrt(2 K H T)``, ``H <= log K`` the entropy of the best arm; correlated arms leave
    less to learn than independent ones. Here it bounds regret in log costs, while the noise is estimated rather
    than known, and outliers are cut off. It says nothing about costs that change in another way than the
    model's: old feedback is never forgotten, and there is none against adversaries.

    Takes O(p**2) numbers, ``p = 1 + K + d + 2 L d`` for K <= 256 arms, L lines and d covariates; feedback takes
    O(p**2) time and a decision O(K**3 + K L**2 d**2). Feedback may be late; only arm and context of a choice are
    used. The first three costs wait for each other, so that an outlier among them is recognized. A censored cost
    counts as a cost, but as no less than was predicted.

    The right choice when the arms are few methods with many values of a parameter each, and the stream is short:
    after one look at each method and a few along the best one, the rest of its arms need not be tried.

    Of more than 256 arms only so many are played, evenly spaced along the lines; what is told of another one counts for
    the next of them.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness.
    lines
        For every arm the number of its line (its method) and its place there. ``None``: all arms form one
        line, in their order.
    neighborhood
        Distance of places within which arms are much alike; positive.

    Raises
    ------
    InvalidInput
        An option out of its range; a context with what is not a number; in :meth:`learn`, a cost that is not
        finite and nonnegative.
    """

    name: ClassVar[str] = "hierarchical"

    def __init__(
        self,
        arms: int,
        rng: np.random.Generator,
        *,
        lines: Sequence[tuple[int, float]] | None = None,
        neighborhood: float = 5.0,
    ) -> None:
        super().__init__(arms, rng)
        self._lines = _checked_lines(lines, self._arms)
        self._played, self._stand_in = _representatives(*self._lines)
        # Places are counted among those that are played.
        stride = self._arms / self._played.size
        self._line, self._place = self._lines[0][self._played], self._lines[1][self._played] / stride
        self._neighborhood = positive("neighborhood", neighborhood)
        self._covariates = Covariates(REPLAYED)
        self._replay: list[tuple[int, list[float] | None, float]] = []
        self._noise = FIRST_NOISE
        self._rounds = 0
        self._held: list[tuple[int, list[float] | None, float]] = []
        self._costs = LogCosts()
        self._restart()

    @classmethod
    def options_for(cls, arms: Arms) -> dict[str, Any]:
        """Their methods are its lines."""
        return {"lines": arms.places()}

    def _restart(self) -> None:
        """The prior: order of effects is common, arms, common slopes, then line by line slopes and tilts."""
        k, d = self._played.size, len(self._covariates.names)
        _, line = np.unique(self._line, return_inverse=True)
        lines = int(line.max()) + 1
        low, high = np.full(lines, np.inf), np.full(lines, -np.inf)
        np.minimum.at(low, line, self._place)
        np.maximum.at(high, line, self._place)
        half = np.where(high > low, 0.5 * (high - low), 1.0)
        tilt = (self._place - 0.5 * (low + high)[line]) / half[line]
        self._loadings = np.zeros((k, lines, 2))
        self._loadings[np.arange(k), line, 0] = 1.0
        self._loadings[np.arange(k), line, 1] = tilt
        same = line[:, None] == line
        near = matern(np.abs(self._place[:, None] - self._place) / self._neighborhood)
        size = 1 + k + d + 2 * lines * d
        self._mean = np.zeros(size)
        self._covariance = np.zeros((size, size))
        self._covariance[0, 0] = LEVEL_VARIANCE
        self._covariance[1 : k + 1, 1 : k + 1] = same * (LINE_VARIANCE + PLACE_VARIANCE * near)
        slopes = np.arange(k + 1, size)
        self._covariance[slopes, slopes] = np.where(slopes < k + 1 + d, SLOPE_VARIANCE, LINE_SLOPE_VARIANCE)

    def choose(self, context: Context | None = None) -> Choice:
        """Draw from the posterior at this context, and play a draw's best arm."""
        self._admit(context)
        mean, covariance = self._relative(self._point(self._covariates.raw(context) if context else None))
        samples = mean + self._rng.standard_normal((SAMPLES, mean.size)) @ _root(covariance).T
        wins = np.bincount(self._played[samples.argmin(axis=1)], minlength=self._arms)
        return self._draw(wins / SAMPLES, context)

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost."""
        cost = self._check_feedback(choice, cost)
        arm = int(self._stand_in[choice.arm])
        self._admit(choice.context)
        # A mean of what has been seen would change later: without a context there is nothing to replay.
        raw = self._covariates.raw(choice.context) if choice.context else None
        if self._covariates.observe(choice.context):
            self._take_in_again()
        values = None if raw is None else [float(value) for value in raw]
        if not self._costs.scale.ready:
            self._hold(arm, values, cost)
            return
        expected = float(self._mean @ self._effects(arm, self._point(values)))
        response = self._costs.response(cost, expected, censored=censored)
        if response is not None:
            self._take_in(arm, values, response)

    def observe(self, arm: int, cost: float, *, context: Context | None = None, censored: bool = False) -> None:
        """Take in what an arm cost that was not chosen: it is as good as any other cost."""
        self.learn(Choice(arm, 1.0, context), cost, censored=censored)

    def _hold(self, arm: int, values: list[float] | None, cost: float) -> None:
        """The first costs wait for each other, so that an outlier among them is recognized."""
        self._costs.scale.update(cost)
        self._held.append((arm, values, cost))
        if not self._costs.scale.ready:
            return
        for arm, values, cost in self._held:
            response = self._costs.early_response(cost)
            if response is not None:
                self._take_in(arm, values, response)
        self._held = []

    def _take_in(self, arm: int, values: list[float] | None, response: float) -> None:
        self._rounds += 1
        if self._covariates.observed >= REPLAYED:
            self._replay = []
        elif len(self._replay) < REPLAYED:
            self._replay.append((arm, values, response))
        surprise = self._update(self._effects(arm, self._point(values)), response)
        self._noise *= 1.0 + (surprise - 1.0) / min(self._rounds + FIRST_ROUNDS, MEMORY)
        self._noise = max(self._noise, LEAST_NOISE)

    def predict(self, context: Context | None = None) -> Vector:
        """Predicted (median) cost of every arm at this context, shape (K,), in the unit of the costs."""
        point = self._point(self._covariates.raw(context) if context else None)
        logs = [float(self._mean @ self._effects(arm, point)) for arm in range(self._played.size)]
        predictions: Vector = self._costs.unit * np.exp(np.array(logs))
        return predictions[self._stand_in]

    def _admit(self, context: Context | None) -> None:
        """The first context that is not empty decides which numbers there are; slopes were nothing until then."""
        if not self._covariates.admit(context):
            return
        known = self._played.size + 1
        mean, covariance = self._mean, self._covariance
        self._restart()
        self._mean[:known] = mean
        self._covariance[:known, :known] = covariance

    def _take_in_again(self) -> None:
        """Standardized values mean something else now: start over with what was kept, if that is everything."""
        if self._rounds > len(self._replay):
            return
        self._restart()
        for arm, values, response in self._replay:
            self._update(self._effects(arm, self._point(values)), response)

    def _point(self, raw: Vector | list[float] | None) -> Vector:
        """The standardized values (d,) of raw ones; 0 without a context."""
        if raw is None:
            return np.zeros(len(self._covariates.names))
        return self._covariates.standardize(np.asarray(raw, dtype=np.float64))

    def _effects(self, arm: int, point: Vector) -> Vector:
        """What an arm's log cost is the sum of, at a standardized point: 0 or a factor for each effect."""
        effects = np.zeros(self._mean.size)
        effects[0] = effects[1 + arm] = 1.0
        slopes = 1 + self._played.size
        start = slopes + point.size
        effects[slopes:start] = point
        effects[start:] = (self._loadings[arm][:, :, None] * point).ravel()
        return effects

    def _relative(self, point: Vector) -> tuple[Vector, NDArray[np.float64]]:
        """Posterior mean (K,) and covariance (K, K) of what distinguishes the arms at a standardized point."""
        k = self._played.size
        start = 1 + k + point.size
        arms, slopes = slice(1, k + 1), slice(start, None)
        factors = (self._loadings[:, :, :, None] * point).reshape(k, -1)
        mean = self._mean[arms] + factors @ self._mean[slopes]
        cross = factors @ self._covariance[slopes, arms]
        covariance = self._covariance[arms, arms] + cross + cross.T
        covariance += factors @ self._covariance[slopes, slopes] @ factors.T
        return mean, covariance

    def _update(self, effects: Vector, response: float) -> float:
        """Take in a response by the Kalman filter; its squared error in predictive variances."""
        self._covariance[0, 0] = min(self._covariance[0, 0] + DRIFT * self._noise, LEVEL_VARIANCE)
        gain = self._covariance @ effects
        variance = float(gain @ effects) + self._noise
        error = response - float(self._mean @ effects)
        limit = math.sqrt(SURPRISE * variance)
        error = min(max(error, -limit), limit)
        self._mean += gain * (error / variance)
        self._covariance -= np.outer(gain, gain) / variance
        return error * error / variance

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "lines": [[int(line), float(place)] for line, place in zip(*self._lines, strict=True)],
            "neighborhood": self._neighborhood,
            "generator": pack_generator(self._rng),
            "covariates": self._covariates.state_dict(),
            "replay": [[arm, None if raw is None else list(raw), response] for arm, raw, response in self._replay],
            "held": [[arm, None if raw is None else list(raw), cost] for arm, raw, cost in self._held],
            "mean": self._mean.copy(),
            "covariance": self._covariance.copy(),
            "noise": self._noise,
            "rounds": self._rounds,
            "costs": self._costs.state_dict(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(
            state["arms"],
            unpack_generator(state["generator"]),
            lines=state["lines"],
            neighborhood=state["neighborhood"],
        )
        learner._covariates = Covariates.from_state_dict(state["covariates"])
        learner._restart()
        learner._replay, learner._held = (
            [
                (int(arm), None if raw is None else [float(value) for value in raw], float(number))
                for arm, raw, number in state[field]
            ]
            for field in ("replay", "held")
        )
        learner._mean = array(state["mean"], learner._mean.shape)
        learner._covariance = array(state["covariance"], learner._covariance.shape)
        learner._noise = float(state["noise"])
        learner._rounds = int(state["rounds"])
        learner._costs = LogCosts.from_state_dict(state["costs"])
        return learner


def _checked_lines(lines: Any, arms: int) -> tuple[NDArray[np.int64], Vector]:
    """Numbers of the arms' lines and their places there, each (K,)."""
    if lines is None:
        return np.zeros(arms, dtype=np.int64), np.arange(arms, dtype=np.float64)
    try:
        pairs = [(int(line), float(place)) for line, place in lines]
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput("lines", f"{lines!r} is not a sequence of pairs (line, place)") from None
    if len(pairs) != arms or not all(math.isfinite(place) for _, place in pairs):
        raise InvalidInput(
            "lines", f"{lines!r} is not one pair (line, place) of finite numbers for each of {arms} arms"
        )
    return np.array([line for line, _ in pairs], dtype=np.int64), np.array([place for _, place in pairs])


def _representatives(line: NDArray[np.int64], place: Vector) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Arms that are played, and for every arm (K,), which of these stands for it: itself where there are few."""
    arms = line.size
    if arms <= MOST:
        return np.arange(arms), np.arange(arms)
    order = np.lexsort((place, line))
    cell = np.arange(arms) * MOST // arms
    middle = (np.searchsorted(cell, np.arange(MOST)) + np.searchsorted(cell, np.arange(MOST), side="right")) // 2
    stand_in = np.empty(arms, dtype=np.int64)
    stand_in[order] = cell
    return order[middle], stand_in


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """A matrix whose product with its transpose is the covariance, up to rounding."""
    ridge = 1e-10 * float(covariance.trace()) / len(covariance) + 1e-14
    try:
        root = np.linalg.cholesky(covariance + ridge * np.eye(len(covariance)))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(root, dtype=np.float64)
