"""Checks of the arguments that simulations take."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real

from reiterate.errors import InvalidInput


def count(argument: str, value: object, least: int) -> int:
    """Return the value as an int, if it is an integer that is at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InvalidInput(argument, f"{value!r} is not an integer; pass one that is at least {least}")
    if value < least:
        raise InvalidInput(argument, f"{value!r} is too small; pass at least {least}")
    return int(value)


def number(argument: str, value: object, low: float, high: float) -> float:
    """Return the value as a float, if it is a number in the closed interval from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidInput(argument, f"{value!r} is not a real number; pass one from {low:g} to {high:g}")
    checked = float(value)
    if not low <= checked <= high:  # also true of NaN
        raise InvalidInput(argument, f"{value!r} is out of range; pass a number from {low:g} to {high:g}")
    return checked


def choice(argument: str, value: object, known: Sequence[str]) -> str:
    """Return the value, if it is one of the known words."""
    if not isinstance(value, str) or value not in known:
        raise InvalidInput(argument, f"{value!r} is unknown; pass one of {', '.join(map(repr, known))}")
    return value
