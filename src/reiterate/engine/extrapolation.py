"""What a run that was stopped says about a whole solve."""

from __future__ import annotations

import math

from reiterate.contracts import Attempt

_FARTHEST = 20.0  # times the iterations made, beyond which nothing is extrapolated


def foreseen_iterations(attempt: Attempt, start: float, before: float, target: float) -> float | None:
    """How many iterations a stopped attempt would have taken from the start, by what it foresaw itself.

    It began at the merit ``before``. ``None``: it foresaw nothing, or nothing credible.
    """
    if attempt.remaining is None or not 0.0 <= attempt.remaining <= (_FARTHEST - 1.0) * attempt.iterations:
        return None
    return (attempt.iterations + attempt.remaining) / share_of(start, before, target, target)


def share_of(start: float, before: float, after: float, target: float) -> float:
    """Of the digits between the start and the target, those gained by a run from one merit to another; at least 5 %."""
    if not (0.0 < target < start < math.inf) or not after < before:
        return 1.0 / _FARTHEST
    return max(math.log(before / max(after, target)) / math.log(start / target), 1.0 / _FARTHEST)
