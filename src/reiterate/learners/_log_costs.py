"""Costs as logarithms: in proportion, outliers cut off, in a unit of their own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

from reiterate.learners._cost_scale import CostScale

OUTLIER = 4.0
"""A cost counts at most as this many times what was predicted, or as recent costs allow if that is more."""

LEAST = 1e-3
"""A cost counts as at least this share of recent costs, so that its logarithm stays in proportion."""

STEEPEST = 50.0
"""Nothing is expected to cost more than this exponential of the unit."""


class LogCosts:
    """Turns costs into the responses of a regression, ``log(cost / unit)``.

    The unit is the level of the first costs that were not all zero. The first three costs set the scale by which
    outliers are told: a response to them is there in hindsight only. There is none as long as all recent costs
    are zero.
    """

    __slots__ = ("scale", "unit")

    def __init__(self) -> None:
        self.scale = CostScale()
        self.unit = 0.0

    def response(self, cost: float, expected: float, *, censored: bool, outlier: float = OUTLIER) -> float | None:
        """The response to a cost where another was expected; ``None``: there is nothing to learn from it.

        A censored cost counts as no less than what was expected. A cost counts as at most ``outlier`` times that, or
        as recent costs allow if that is more.
        """
        scale = self.scale
        if not scale.ready:
            scale.update(cost)
            return None
        predicted = self.unit * math.exp(min(expected, STEEPEST))
        if censored:
            cost = max(cost, predicted)
        limit = max(outlier * predicted, scale.limit)
        scale.update(cost)
        if scale.level <= 0.0:
            return None
        if self.unit == 0.0:
            self.unit, limit = scale.level, max(limit, scale.level)
        return math.log(min(max(cost, LEAST * scale.level), limit)) - math.log(self.unit)

    def early_response(self, cost: float) -> float | None:
        """The response, in hindsight, to one of the first costs; ``None``: as long as they are too few or all zero."""
        level = self.scale.level
        if not self.scale.ready or level <= 0.0:
            return None
        self.unit = self.unit or level
        return math.log(min(max(cost, LEAST * level), self.scale.limit)) - math.log(self.unit)

    def state_dict(self) -> dict[str, Any]:
        """Everything, as plain numbers."""
        return {"scale": self.scale.state_dict(), "unit": self.unit}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The log costs that :meth:`state_dict` described."""
        costs = cls()
        costs.scale = CostScale.from_state_dict(state["scale"])
        costs.unit = float(state["unit"])
        return costs
