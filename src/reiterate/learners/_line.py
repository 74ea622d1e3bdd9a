"""What learners over arms that lie in a box share: where arms lie, logarithms of costs, feedback still due."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reiterate.contracts import Arms, Choice, Context
from reiterate.errors import InvalidInput
from reiterate.learners._cost_scale import CostScale
from reiterate.learners._finite import FiniteLearner, Vector, snapshot
from reiterate.learners._state import array

Matrix = NDArray[np.float64]

LEAST = 1e-3
"""A cost counts at least as this share of recent costs: logarithms of next to nothing would outweigh all others."""

FADING = 0.95
"""Feedback that is due fades by this factor with every further choice, since some never comes, …"""

GONE = 0.05
"""… down to this; then it is no longer waited for."""

GAINS = (0.0, 0.1, 0.3, 0.6)
"""Gains with which the common level of log-costs may follow them."""

MARGIN = 1.1
"""Following the level must reduce squared errors by this factor to be preferred to not following it."""

RECENT = 40.0
"""Number of costs over which squared errors are averaged."""

MOST_COORDINATES = 3
"""Beyond it, points say little: there are never enough of them."""

LARGEST = 1e100
"""Beyond it, distances would leave double precision's range."""


def checked_points(points: ArrayLike | None, arms: int) -> Matrix:
    """Where arms lie, as an array (K, d); evenly spaced in [0, 1] if ``points`` is ``None``."""
    if points is None:
        return np.linspace(0.0, 1.0, arms)[:, None] if arms > 1 else np.full((1, 1), 0.5)
    try:
        places = np.array(points, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidInput("points", f"{points!r} is not an array of numbers") from None
    if places.ndim == 1:
        places = places[:, None]
    if places.ndim != 2 or places.shape[0] != arms or places.shape[1] < 1:
        raise InvalidInput("points", f"has shape {np.shape(points)}; {arms} arms need ({arms},) or ({arms}, d)")
    if not (np.abs(places) <= LARGEST).all():
        raise InvalidInput("points", f"holds numbers that are not within ±{LARGEST:g}")
    return places


def unit_box(places: Matrix) -> Matrix:
    """The same points (K, d), with every coordinate stretched to [0, 1]; one that never varies becomes 1/2."""
    low, high = places.min(axis=0), places.max(axis=0)
    width = high - low
    flat = width == 0
    scaled: Matrix = (places - low) / np.where(flat, 1.0, width)
    scaled[:, flat] = 0.5
    return scaled


def truncated_mean(mean: float, deviation: float, bound: float) -> float:
    """What a normal variable is expected to be once it is known to be at least ``bound``."""
    if deviation <= 0:
        return max(mean, bound)
    z = (bound - mean) / deviation
    if z > 6:
        # The first terms of the asymptotic series; the ratio below would lose its digits.
        return bound + deviation * (1.0 - 2.0 / (z * z)) / z
    density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return max(mean + deviation * density / (0.5 * math.erfc(z / math.sqrt(2.0))), bound)


class CommonLevel:
    """Follows what log-costs have in common now, as instances become harder and easier together.

    Residuals, log-costs less what the model expects of their arms, are averaged exponentially with each of ``GAINS``;
    ``value`` is the average of the gain that has predicted them best of late. Gain 0, nothing in common, is preferred
    by ``MARGIN``: the averages of noise predict it worse than that.
    """

    __slots__ = ("_averages", "_errors")

    def __init__(self) -> None:
        self._averages = [0.0] * len(GAINS)
        self._errors = [0.0] * len(GAINS)

    @property
    def value(self) -> float:
        """The level, in log-costs."""
        best = min(range(len(GAINS)), key=lambda i: self._errors[i] * (MARGIN if i else 1.0))
        return self._averages[best]

    def update(self, residual: float, trust: float) -> None:
        """Take in one residual, of which the share ``trust`` of the variance is not the model's own uncertainty."""
        for i, gain in enumerate(GAINS):
            surprise = residual - self._averages[i]
            self._errors[i] += (surprise * surprise - self._errors[i]) * trust / RECENT
            self._averages[i] += gain * trust * surprise

    def state_dict(self) -> dict[str, Any]:
        """Everything, as plain numbers."""
        return {"averages": list(self._averages), "errors": list(self._errors)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Set what :meth:`state_dict` gave."""
        self._averages = [float(average) for average in state["averages"]]
        self._errors = [float(error) for error in state["errors"]]


class LineLearner(FiniteLearner):
    """A learner that models the logarithm of the cost over the places of its arms.

    The first three costs wait for each other, so that an outlier among them is recognized; from then on a cost
    counts at most as the recent level plus ten mean costs, and at least as a thousandth of that level. What costs have
    in common is followed by :class:`CommonLevel` and subtracted. A censored cost is replaced by its expectation, given
    what the model expects and that it is no less than that. Choices whose feedback is due are counted for every arm,
    and fade. A subclass supplies :meth:`choose`, ``_expect`` and ``_observe``.

    Parameters
    ----------
    arms, rng
        As for every learner.
    points
        Where arms lie, (K,) or (K, d). ``None``: evenly spaced in [0, 1].
    """

    def __init__(self, arms: int, rng: np.random.Generator, points: ArrayLike | None) -> None:
        super().__init__(arms, rng)
        self._places = checked_points(points, self._arms)
        self._due: Vector = np.zeros(self._arms)
        self._costs = CostScale()
        self._held: list[tuple[int, float, bool]] = []
        self._common = CommonLevel()
        self._rounds = 0

    @classmethod
    def options_for(cls, arms: Arms) -> dict[str, Any]:
        """Where they lie, if they are of one method with a few parameters."""
        return {"points": arms.points} if arms.on_one_line(most=MOST_COORDINATES) else {}

    @property
    def points(self) -> Matrix:
        """Where arms lie, (K, d)."""
        return self._places.copy()

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost."""
        cost = self._check_feedback(choice, cost)
        limit = self._costs.limit if self._costs.ready else math.inf
        self._costs.update(cost)
        self._held.append((choice.arm, min(cost, limit), bool(censored)))
        if not self._costs.ready:
            return
        limit, least = self._costs.limit, LEAST * self._costs.level
        held, self._held = self._held, []
        for arm, cost, early in held:
            self._due[arm] = max(self._due[arm] - 1.0, 0.0)
            # Instances that are all free teach nothing.
            if least > 0:
                self._take(arm, math.log(max(min(cost, limit), least)), early)

    def _take(self, arm: int, value: float, censored: bool) -> None:
        level = self._common.value
        if self._rounds:
            mean, variance, noise = self._expect(arm)
            if censored:
                value = truncated_mean(mean + level, math.sqrt(variance + noise), value)
            self._common.update(value - mean, noise / (variance + noise))
        self._rounds += 1
        self._observe(arm, value - level)

    @abstractmethod
    def _expect(self, arm: int) -> tuple[float, float, float]:
        """The mean of the log-cost of an arm less the common level, that mean's variance, and the noise's."""

    @abstractmethod
    def _observe(self, arm: int, value: float) -> None:
        """Take in the logarithm of a cost, less the common level."""

    def _play(self, arm: int, context: Context | None, probability: float = 1.0) -> Choice:
        """Choose the arm, and count its feedback as due."""
        self._due *= FADING
        self._due[self._due < GONE] = 0.0
        self._due[arm] += 1.0
        return Choice(arm, probability, snapshot(context))

    def _line_state(self) -> dict[str, Any]:
        return {
            "points": self._places.copy(),
            "due": self._due.copy(),
            "costs": self._costs.state_dict(),
            "held": [list(held) for held in self._held],
            "common": self._common.state_dict(),
            "rounds": self._rounds,
        }

    def _restore_line(self, state: Mapping[str, Any]) -> None:
        self._due = array(state["due"], (self._arms,))
        self._costs = CostScale.from_state_dict(state["costs"])
        self._held = [(int(arm), float(cost), bool(early)) for arm, cost, early in state["held"]]
        self._common.restore(state["common"])
        self._rounds = int(state["rounds"])
