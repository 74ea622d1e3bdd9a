"""What every learner over finitely many arms shares: checked inputs, a generator, sampling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Choice, Context, Learner
from reiterate.errors import InvalidInput

Vector = NDArray[np.float64]

LARGEST = 1e100
"""Greater costs count as this, so that their squares and sums stay finite."""


class FiniteLearner(Learner):
    """A learner over ``arms`` arms that draws from ``rng``.

    Parameters
    ----------
    arms
        Number of arms, at least 1.
    rng
        The only source of randomness; its state is part of the learner's.

    Raises
    ------
    InvalidInput
        ``arms`` is not a positive integer, or ``rng`` is not a generator.
    """

    def __init__(self, arms: int, rng: np.random.Generator) -> None:
        if isinstance(arms, bool) or not isinstance(arms, int | np.integer) or arms < 1:
            raise InvalidInput("arms", f"{arms!r} is not a positive integer; a learner needs an arm to choose")
        if not isinstance(rng, np.random.Generator):
            raise InvalidInput("rng", f"{rng!r} is not a numpy.random.Generator; pass np.random.default_rng(…)")
        self._arms = int(arms)
        self._rng = rng

    @property
    def arms(self) -> int:
        """Number of arms."""
        return self._arms

    def _draw(self, probabilities: Vector, context: Context | None) -> Choice:
        """An arm drawn from ``probabilities`` (K,), which may miss one by rounding."""
        cumulative = probabilities.cumsum()
        arm = int(cumulative.searchsorted(self._rng.random() * cumulative[-1], side="right"))
        arm = min(arm, self._arms - 1)
        return Choice(arm, min(float(probabilities[arm]), 1.0), snapshot(context))

    def _check_feedback(self, choice: Choice, cost: Any) -> float:
        """The cost as a float, if it and the choice can be learnt from."""
        if not 0 <= choice.arm < self._arms:
            raise InvalidInput("choice", f"arm {choice.arm!r} is not among the {self._arms} arms, numbered from 0")
        try:
            value = float(cost)
        except (TypeError, ValueError):
            value = math.nan
        if not (math.isfinite(value) and value >= 0):
            raise InvalidInput("cost", f"{cost!r} for arm {choice.arm} is not a finite nonnegative number")
        return min(value, LARGEST)

    def _check_drawn_feedback(self, choice: Choice, cost: Any) -> float:
        """As :meth:`_check_feedback`, for who weights the cost by how likely the choice was."""
        value = self._check_feedback(choice, cost)
        if not 0 < choice.probability <= 1:
            raise InvalidInput("choice", f"probability {choice.probability!r} is not in (0, 1]")
        return value


def snapshot(context: Context | None) -> Context | None:
    """A copy, since callers may reuse one mapping for every instance while feedback is still due."""
    return None if context is None else dict(context)


def positive(argument: str, value: Any, *, zero: bool = False) -> float:
    """The value of an option as a float, if it is finite and positive (or zero, where that is allowed)."""
    wanted = "nonnegative" if zero else "positive"
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise InvalidInput(argument, f"{value!r} is not a {wanted} number")
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise InvalidInput(argument, f"{value!r} is not a finite {wanted} number")
    return float(value)


def count(argument: str, value: Any) -> int:
    """The value of an option as an int, if it is a positive integer."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InvalidInput(argument, f"{value!r} is not a positive integer")
    return int(value)


def one_of(argument: str, value: Any, options: Sequence[str]) -> Any:
    """The value of an option, if it is one of those that there are."""
    if value not in options:
        raise InvalidInput(argument, f"{value!r} is not one of {', '.join(options)}")
    return value


def fading(value: Any) -> float | None:
    """The number of costs after which one has faded, if it is a number from 2 on; ``None``: never."""
    if value is None:
        return None
    memory = positive("memory", value)
    if memory < 2:
        raise InvalidInput("memory", f"{value!r} is less than 2; nothing would be remembered")
    return memory
