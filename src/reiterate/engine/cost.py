"""What a solve cost, in the unit that the learner is to make small."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from reiterate.contracts import Attempt

CostUnit = Literal["time", "iterations", "work"]

UNITS: Final[dict[str, str]] = {"time": "seconds", "iterations": "iterations", "work": "work units"}


def total_cost(unit: CostUnit, attempts: Iterable[Attempt]) -> float:
    """Cost of the attempts: seconds of preparing and iterating, iterations, or counted work.

    Iterations and work depend on the instance and the configuration alone, so that with a seed the
    decisions of two runs are equal; seconds follow the machine.
    """
    if unit == "time":
        return sum(attempt.seconds for attempt in attempts)
    if unit == "iterations":
        return float(sum(attempt.iterations for attempt in attempts))
    return sum(attempt.work for attempt in attempts)
