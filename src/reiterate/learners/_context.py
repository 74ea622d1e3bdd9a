"""From a context to one number, and the interval in which such numbers lie."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from reiterate.contracts import Context
from reiterate.errors import InvalidInput

LARGEST = 1e100
"""Beyond it, differences of context values would leave double precision's range."""


def number(name: str, value: Any) -> float:
    """The value of a context variable as a float, if it is a number of usable size."""
    try:
        converted = float(value)
    except (TypeError, ValueError, OverflowError):
        converted = math.nan
    if not abs(converted) <= LARGEST:
        raise InvalidInput("context", f"{name}={value!r} is not a number within ±{LARGEST:g}")
    return converted


class ContextVariable:
    """Picks the value of one variable from each context.

    Parameters
    ----------
    name
        The variable. ``None``: the first of the first context that is not empty, from then on.

    A context that lacks the variable counts as the last one that had it.
    """

    __slots__ = ("_last", "name")

    def __init__(self, name: str | None) -> None:
        if name is not None and not isinstance(name, str):
            raise InvalidInput("variable", f"{name!r} is not the name of a context variable")
        self.name = name
        self._last: float | None = None

    def value(self, context: Context | None) -> float | None:
        """The variable's value, or ``None`` without a context."""
        if not context:
            return None
        if self.name is None:
            self.name = next(iter(context))
        if self.name not in context:
            return self._last
        self._last = number(self.name, context[self.name])
        return self._last


@dataclass(frozen=True, slots=True)
class Growth:
    """How an interval grew: from ``[low, high]``, at one end, in so many steps.

    A single point (``low == high``) grows to the interval up to the new value, in no step.
    """

    low: float
    high: float
    upward: bool
    steps: int


class Interval:
    """The interval of a context variable: given, or learnt by growing geometrically.

    Parameters
    ----------
    bounds
        ``(low, high)``; values outside count as the nearer end. ``None``: learn it. The first value is a
        single point, the second distinct one makes an interval, and a value outside moves the nearer end.
    factor
        A learnt interval grows in steps that multiply its length by this, so that a variable that keeps
        leaving it causes few growths.
    """

    __slots__ = ("factor", "high", "learnt", "low")

    def __init__(self, bounds: Sequence[float] | None, factor: float = 2.0) -> None:
        self.learnt = bounds is None
        self.factor = factor
        self.low = self.high = math.nan
        if bounds is None:
            return
        try:
            low, high = (float(bound) for bound in bounds)
        except (TypeError, ValueError):
            raise InvalidInput("interval", f"{bounds!r} is not a pair of numbers (low, high)") from None
        if not (-LARGEST <= low < high <= LARGEST):
            raise InvalidInput("interval", f"needs -{LARGEST:g} <= low < high <= {LARGEST:g}, got {bounds!r}")
        self.low, self.high = low, high

    def include(self, value: float) -> Growth | None:
        """Grow to hold the value, if the interval is learnt; how, unless it already did."""
        low, high = self.low, self.high
        if not self.learnt or low <= value <= high:
            return None
        if math.isnan(low):
            self.low = self.high = value
            return None
        upward = value > high
        if low == high:
            self.low, self.high = min(low, value), max(high, value)
            return Growth(low, high, upward, 0)
        length, steps = high - low, 0
        while not self.low <= value <= self.high:
            # A length of a few denormals times the factor is rounded to itself.
            length, steps = max(self.factor * length, math.nextafter(length, math.inf)), steps + 1
            self.low, self.high = (low, low + length) if upward else (high - length, high)
        return Growth(low, high, upward, steps)

    def fraction(self, value: float) -> float:
        """Where the value lies, from 0 at ``low`` to 1 at ``high``; 0 in a single point."""
        if not self.low < self.high:
            return 0.0
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def state_dict(self) -> dict[str, Any]:
        """Everything, as plain numbers; ``None`` where nothing has been seen."""
        seen = not math.isnan(self.low)
        return {
            "learnt": self.learnt,
            "factor": self.factor,
            "low": self.low if seen else None,
            "high": self.high if seen else None,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The interval that :meth:`state_dict` described."""
        interval = cls(None, float(state["factor"]))
        interval.learnt = bool(state["learnt"])
        if state["low"] is not None:
            interval.low, interval.high = float(state["low"]), float(state["high"])
        return interval
