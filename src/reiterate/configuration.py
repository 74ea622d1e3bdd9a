"""Parameters, parameter spaces, and configurations with their spelling, e.g. ``ssor_cg(omega=1.5)``."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from reiterate.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Parameter:
    """One tunable number of a method.

    Parameters
    ----------
    name
        As it is spelled in a configuration.
    low, high
        The open interval in which the method is defined.
    default
        A value that is reasonable when nothing is known.
    search
        The closed interval worth searching, inside ``(low, high)``.
    points
        How many values a finite portfolio takes from ``search``.
    scale
        Whether those values are equally spaced, or their logarithms are.
    integer
        Whether only whole numbers make sense.
    """

    name: str
    low: float
    high: float
    default: float
    search: tuple[float, float]
    points: int
    scale: Literal["linear", "log"] = "linear"
    integer: bool = False

    def check(self, method: str, value: float) -> float:
        """The value as a float, if it lies in the open interval."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InvalidInput(self.name, f"{value!r} is not a finite number (for {method})")
        if not self.low < value < self.high:
            raise InvalidInput(
                self.name,
                f"{value!r} is outside ({self.low:g}, {self.high:g}), the range in which {method} is defined",
            )
        if self.integer and value != round(value):
            raise InvalidInput(self.name, f"{value!r} is not a whole number (for {method})")
        return round(value) if self.integer else float(value)

    def grid(self) -> list[float]:
        """``points`` values that cover ``search``."""
        space = np.geomspace if self.scale == "log" else np.linspace
        values = space(*self.search, self.points)
        if self.integer:
            return list(dict.fromkeys(round(value) for value in values))
        return [float(f"{value:.6g}") for value in values]


@dataclass(frozen=True, slots=True)
class ParameterSpace:
    """The parameters of a method, in the order of their spelling."""

    parameters: tuple[Parameter, ...] = ()

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def check(self, method: str, values: Mapping[str, float]) -> dict[str, float]:
        """The values in spelling order, each inside its range, defaults where none is given."""
        known = [parameter.name for parameter in self.parameters]
        for name in values:
            if name not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise InvalidInput("methods", f"{method} has no parameter {name!r}; {has}")
        return {p.name: p.check(method, values.get(p.name, p.default)) for p in self.parameters}

    def grid(self) -> Iterator[dict[str, float]]:
        """Every combination of the parameters' grids; one empty combination for a method without any."""
        names = [parameter.name for parameter in self.parameters]
        for combination in product(*(parameter.grid() for parameter in self.parameters)):
            yield dict(zip(names, combination, strict=True))


@dataclass(frozen=True, slots=True)
class Configuration:
    """A method with its parameters fixed: what a bandit calls an arm."""

    method: str
    items: tuple[tuple[str, float], ...] = ()

    @property
    def values(self) -> dict[str, float]:
        """The parameters by name."""
        return dict(self.items)

    def __str__(self) -> str:
        if not self.items:
            return self.method
        return f"{self.method}({', '.join(f'{name}={value!r}' for name, value in self.items)})"


def parse_spelling(spelling: str) -> tuple[str, dict[str, float] | None]:
    """Split ``name`` or ``name(parameter=number, …)`` into the name and its values.

    Returns
    -------
    name : str
    values : dict or None
        ``None`` for a bare name, which leaves every parameter free.

    Raises
    ------
    InvalidInput
        The text is not of that form.
    """
    how = f"{spelling!r} is not a configuration; write 'cg' or 'ssor_cg(omega=1.5)'"
    try:
        tree = ast.parse(spelling.strip(), mode="eval").body
    except (SyntaxError, ValueError, AttributeError):
        raise InvalidInput("methods", how) from None
    if isinstance(tree, ast.Name):
        return tree.id, None
    if not (isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name)) or tree.args:
        raise InvalidInput("methods", how)
    values: dict[str, float] = {}
    for keyword in tree.keywords:
        try:
            number = ast.literal_eval(keyword.value)
        except ValueError:
            raise InvalidInput("methods", how) from None
        if keyword.arg is None or not isinstance(number, int | float):
            raise InvalidInput("methods", how)
        values[keyword.arg] = number
    return tree.func.id, values
