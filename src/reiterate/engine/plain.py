"""Plain data: what can be written down as text, and read again without being trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

_NOT_FINITE = "not finite"
_DIGITS = 9


def plain(value: Any) -> Any:
    """The value in dicts with string keys, lists, strings, finite numbers, booleans and ``None``.

    Raises
    ------
    TypeError
        Something in it has no such form.
    """
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else {_NOT_FINITE: repr(value)}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"keys of plain data are strings, not {sorted(map(repr, value))}")
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no plain form")


def restored(value: Any) -> Any:
    """What :func:`plain` was given, but for arrays and tuples, which have become lists."""
    if isinstance(value, dict):
        if value.keys() == {_NOT_FINITE}:
            return float(value[_NOT_FINITE])
        return {key: restored(item) for key, item in value.items()}
    return [restored(item) for item in value] if isinstance(value, list) else value


def rounded(value: float) -> float:
    """To as many digits as matter, so that the text is short."""
    return float(f"{value:.{_DIGITS}g}")


def number(table: Mapping[str, Any], name: str, low: float, high: float) -> float | None:
    """A finite number of the table, moved into an interval; ``None`` where there is none."""
    value = table.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e300 < value < 1e300:
        return None
    return min(max(float(value), low), high)


def whole(table: Mapping[str, Any], name: str, high: int) -> int:
    """A whole number of the table between 0 and ``high``; 0 where there is none."""
    return round(number(table, name, 0.0, float(high)) or 0.0)


def table(value: Any) -> Mapping[str, Any]:
    """The value, if it is a table with names; an empty one else."""
    return value if isinstance(value, dict) and all(isinstance(key, str) for key in value) else {}
