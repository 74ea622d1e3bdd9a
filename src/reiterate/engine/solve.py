"""What is learnt of a solve: of a pursuit that is under way, or of what is kept of one."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Protocol

from reiterate.contracts import Attempt, Context


class Target(Protocol):
    """What is learnt of an instance."""

    @property
    def context(self) -> Context:
        """Numbers that may say how hard it is."""

    @property
    def features(self) -> Context:
        """More of them, where they are asked for."""

    @property
    def version(self) -> Hashable:
        """Equal where the same prepared state serves."""

    @property
    def target(self) -> float:
        """Merit to reach."""


class Solve(Protocol):
    """What is learnt of a solve: of a pursuit, or of what is left of one."""

    start: float

    @property
    def instance(self) -> Target:
        """What was to be solved."""

    @property
    def attempts(self) -> Sequence[Attempt]:
        """Who has tried."""


def digits_to_gain(pursuit: Solve) -> float | None:
    """From the start to the target, in natural logarithms; ``None``: not known beforehand."""
    start, target = pursuit.start, pursuit.instance.target
    return math.log(start / target) if 0.0 < target < start < math.inf else None
