"""What a solve cost, in the unit that the learner is to make small."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, Literal

from reiterate.contracts import Attempt
from reiterate.errors import InvalidInput

CostUnit = Literal["time", "iterations", "work"]

UNITS: Final[dict[str, str]] = {"time": "seconds", "iterations": "iterations", "work": "work units"}


def total_cost(unit: CostUnit, attempts: Iterable[Attempt]) -> float:
    """Cost of the attempts: seconds of preparing and iterating, iterations, or counted work.

    Iterations and work depend on the instance and the configuration alone, so that with a seed the
    decisions of two runs are equal; seconds follow the machine.

    Raises
    ------
    InvalidInput
        The method of an attempt counted what is not a finite nonnegative number.
    """
    return sum(cost_of(unit, attempt) for attempt in attempts)


def cost_of(unit: CostUnit, attempt: Attempt) -> float:
    """Cost of one attempt, as for :func:`total_cost`."""
    if unit == "time":
        return attempt.seconds
    cost = float(attempt.iterations if unit == "iterations" else attempt.work)
    if not (math.isfinite(cost) and cost >= 0.0):
        raise InvalidInput(
            "cost",
            f"{cost!r} {UNITS[unit]} of {attempt.configuration} is not a finite nonnegative number; "
            f"the method {attempt.configuration.method!r} counts them wrongly",
        )
    return cost


def cost_of_preparing(unit: CostUnit, attempt: Attempt) -> float:
    """The part of :func:`cost_of` before the iteration."""
    if unit == "iterations":
        return 0.0
    return attempt.preparing if unit == "time" else attempt.preparing_work
