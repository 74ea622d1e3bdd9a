"""What the engine knows of arms before any of them has been played, as learners and the explorer are told."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from reiterate.configuration import Configuration, Parameter
from reiterate.contracts import Arms, Forecast, Instance, Method
from reiterate.engine.cost import CostUnit
from reiterate.engine.deferring import DeferringExplorer
from reiterate.engine.explorer import Explorer
from reiterate.engine.familiar import FamiliarBeliefs
from reiterate.engine.upkeep import state_of

_NO_IDEA = Forecast(setup=1.0, upkeep=1.0, iteration=1.0, strength=1.0, power=1.0)


def known_arms(
    configurations: Sequence[Configuration],
    methods: Mapping[str, Method],
    instance: Instance | None = None,
    unit: CostUnit = "time",
) -> Arms:
    """Lines and points of configurations, and what they may cost on such an instance.

    Parameters
    ----------
    configurations
        The arms.
    methods
        Every method that they name.
    instance
        ``None``: nothing is expected of costs.
    unit
        Of the costs that are to be made small.
    """
    numbers: dict[str, int] = {}
    lines = tuple(numbers.setdefault(arm.method, len(numbers)) for arm in configurations)
    points = tuple(_point(arm, methods[arm.method]) for arm in configurations)
    if instance is None:
        return Arms(lines, points)
    forecasts = [methods[arm.method].forecast(instance, arm.values) for arm in configurations]
    if not any(forecasts):
        return Arms(lines, points)
    difficulty = instance.difficulty()
    costs = (None if forecast is None else _expected_cost(forecast, difficulty, unit) for forecast in forecasts)
    return Arms(lines, points, tuple(costs))


def explorer_for(
    arms: Sequence[Configuration],
    methods: Mapping[str, Method],
    instance: Instance,
    unit: CostUnit,
    *,
    stops: bool,
    refines: Collection[str] = (),
) -> Explorer:
    """An explorer of these arms, with the forecasts of their methods for such an instance.

    ``refines`` names the methods to whose arms others may be added.
    """
    forecasts, lines = [], []
    numbers: dict[str, int] = {}
    places: Counter[str] = Counter()
    for arm in arms:
        numbers.setdefault(arm.method, len(numbers))
        lines.append((numbers[arm.method], places[arm.method]))
        places[arm.method] += 1
        forecasts.append(methods[arm.method].forecast(instance, arm.values) or _NO_IDEA)
    states = [state_of(methods[arm.method], arm.values) for arm in arms]
    beliefs = FamiliarBeliefs(forecasts, lines, instance.difficulty())
    refined = {name: methods[name] for name in numbers if name in refines}
    return DeferringExplorer(arms, beliefs, unit, stops=stops, states=states, refines=refined)


def _point(arm: Configuration, method: Method) -> tuple[float, ...]:
    values = arm.values
    return tuple(_coordinate(parameter, values[parameter.name]) for parameter in method.parameters)


def _coordinate(parameter: Parameter, value: float) -> float:
    return math.log(value) if parameter.scale == "log" and value > 0.0 else value


def _expected_cost(forecast: Forecast, difficulty: float, unit: CostUnit) -> float | None:
    """Of a solve once all is prepared; ``None`` where the forecast is no positive number."""
    iterations = forecast.strength * difficulty**forecast.power
    cost = iterations if unit == "iterations" else forecast.upkeep + forecast.iteration * iterations
    return cost if 0.0 < cost < math.inf else None
