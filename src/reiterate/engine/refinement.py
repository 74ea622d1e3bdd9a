"""Points between those that were given on a line: where the cost is believed to be least, once that is worth it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reiterate.configuration import Configuration, Parameter, parse_spelling
from reiterate.contracts import Method
from reiterate.engine.beliefs import Beliefs
from reiterate.errors import InvalidInput

_STABLE = 8  # solves in a row by one incumbent, after which its line is looked at
_MOST = 4  # points added
_LEAST_GAIN = 0.01  # of the cost of a solve
_LEAST_ITERATIONS = 0.3  # gained: what rounding to whole ones leaves in doubt
_CLOSEST = 0.1  # of the distance between two given points, to any other


@dataclass(frozen=True, slots=True)
class Between:
    """A point between two arms of a line, by their numbers; ``weight`` is that of the right one, in (0, 1)."""

    configuration: Configuration
    left: int
    right: int
    weight: float


class Refinement:
    """Looks for a better point next to the incumbent, on the lines of its parameters.

    When an arm has been the incumbent for eight solves in a row, and those next to it on a line have been observed, a
    parabola is laid through the log of what the three are believed to cost. Its vertex becomes an arm if it is expected
    to save 1 % or more, at least 0.3 iterations, and is not next to where there is one. Whether and when it is tried is
    decided as for any other arm. At most four are added. Where costs are flat, nothing is: two neighbors that cost as
    much as each other have to cost 8 % more than what lies halfway to give 1 %.

    Source: successive parabolic interpolation (Jarratt 1967). No guarantee beyond that of trials.

    Parameters
    ----------
    methods
        Those whose lines may be left for what lies between their points, by name.
    given : int
        Arms that were given.

    Attributes
    ----------
    added : list[Configuration]
    """

    def __init__(self, methods: Mapping[str, Method], given: int) -> None:
        self.methods = methods
        self.added: list[Configuration] = []
        self._given = given
        self._incumbent = -1
        self._in_a_row = 0

    def due(self, arm: Configuration, number: int) -> bool:
        """Take in who is the incumbent; whether its lines should be looked at."""
        if arm.method not in self.methods or len(self.added) >= _MOST:
            return False
        self._in_a_row = self._in_a_row + 1 if number == self._incumbent else 1
        self._incumbent = number
        return self._in_a_row % _STABLE == 0

    def best(self, arms: Sequence[Configuration], beliefs: Beliefs, incumbent: int) -> tuple[Between, float] | None:
        """The point to add, and what it is expected to cost; ``None``: none is worth it."""
        costs = beliefs.running()
        if not (np.isfinite(costs).all() and (costs > 0.0).all()):
            return None
        log_costs = np.log(costs)
        least = _LEAST_GAIN
        best: tuple[Between, float] | None = None
        for parameter in self.methods[arms[incumbent].method].parameters:
            found = self._on_line(parameter, arms, beliefs, log_costs, incumbent)
            if found is not None and found[1] > least:
                least = found[1]
                best = found[0], float(costs[incumbent]) * math.exp(-least)
        return best

    def _on_line(
        self,
        parameter: Parameter,
        arms: Sequence[Configuration],
        beliefs: Beliefs,
        log_costs: NDArray[np.float64],
        incumbent: int,
    ) -> tuple[Between, float] | None:
        """The vertex on the line of one parameter, and by how much log cost is expected to be less there."""
        line = _line(parameter, arms, arms[incumbent])
        at = [arm for _, arm in line].index(incumbent)
        if not 0 < at < len(line) - 1:
            return None
        (left, first), (middle, _), (right, last) = line[at - 1 : at + 2]
        if not (beliefs.observed(first) and beliefs.observed(last)):
            return None
        vertex = _vertex((left, middle, right), (log_costs[first], log_costs[incumbent], log_costs[last]))
        if vertex is None or vertex[1] * float(beliefs.iterations()[incumbent]) < _LEAST_ITERATIONS:
            return None
        values = {**arms[incumbent].values, parameter.name: _rounded(parameter, vertex[0])}
        point = self.between(arms, Configuration(arms[incumbent].method, tuple(values.items())))
        if point is None or not self._is_apart(parameter, arms, line, point):
            return None
        return point, vertex[1]

    def _is_apart(
        self,
        parameter: Parameter,
        arms: Sequence[Configuration],
        line: Sequence[tuple[float, int]],
        point: Between,
    ) -> bool:
        here = _coordinate(parameter, point.configuration)
        ends = [_coordinate(parameter, arms[arm]) for arm in (point.left, point.right)]
        return min(abs(here - other) for other, _ in line) >= _CLOSEST * (ends[1] - ends[0])

    def between(self, arms: Sequence[Configuration], configuration: Configuration) -> Between | None:
        """Where a configuration lies among the given arms; ``None``: not between two of one line."""
        given = arms[: self._given]
        for parameter in self.methods[configuration.method].parameters:
            line = _line(parameter, given, configuration)
            here = _coordinate(parameter, configuration)
            below = [point for point in line if point[0] < here]
            above = [point for point in line if point[0] > here]
            if below and above and len(below) + len(above) == len(line):
                (left, first), (right, last) = below[-1], above[0]
                return Between(configuration, first, last, (here - left) / (right - left))
        return None

    def recalled(self, arms: Sequence[Configuration], spelling: str) -> Between | None:
        """The point of an earlier run that was spelled like this, if it can be one of this run."""
        if len(self.added) >= _MOST:
            return None
        try:
            name, values = parse_spelling(spelling)
            if name not in self.methods or values is None:
                return None
            checked = self.methods[name].parameters.check(name, values)
        except InvalidInput:
            return None
        return self.between(arms, Configuration(name, tuple(checked.items())))


def _line(parameter: Parameter, arms: Sequence[Configuration], through: Configuration) -> list[tuple[float, int]]:
    """Of the arms that differ from one in this parameter at most: where they are, rising, and their numbers."""
    rest = _others(through, parameter)
    return sorted(
        (_coordinate(parameter, arm), number)
        for number, arm in enumerate(arms)
        if arm.method == through.method and _others(arm, parameter) == rest
    )


def _others(arm: Configuration, parameter: Parameter) -> list[tuple[str, float]]:
    return [item for item in arm.items if item[0] != parameter.name]


def _coordinate(parameter: Parameter, arm: Configuration) -> float:
    value = arm.values[parameter.name]
    return math.log(value) if parameter.scale == "log" and value > 0.0 else float(value)


def _rounded(parameter: Parameter, coordinate: float) -> float:
    """The value at a coordinate, to as many digits as can matter."""
    value = math.exp(coordinate) if parameter.scale == "log" else coordinate
    return round(value) if parameter.integer else float(f"{value:.4g}")


def _vertex(at: tuple[float, float, float], values: tuple[float, float, float]) -> tuple[float, float] | None:
    """Where the parabola through three points is least, and how far below the middle one; ``None``: not in between."""
    before, after = at[1] - at[0], at[2] - at[1]
    falls, rises = (values[1] - values[0]) / before, (values[2] - values[1]) / after
    bend = (rises - falls) / (before + after)
    if not bend > 0.0:
        return None
    slope = (falls * after + rises * before) / (before + after)
    vertex = at[1] - slope / (2.0 * bend)
    return (vertex, slope**2 / (4.0 * bend)) if at[0] < vertex < at[2] else None
