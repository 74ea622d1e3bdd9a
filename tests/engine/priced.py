"""Methods of known prices, for what decides on prices: m takes s·d^p iterations, and forecasts may be wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reiterate.configuration import Configuration, ParameterSpace
from reiterate.contracts import Forecast, Method, Prepared, Progress, Status
from tests.engine.toys import Decay

TARGET = 1e-8


@dataclass
class Hard(Decay):
    """Of a difficulty that methods feel and nobody is told."""

    target: float = TARGET
    actual: float = 100.0
    guess: float = 100.0

    def difficulty(self):
        return self.guess


class Priced(Method):
    """Every iteration gains as many digits as the last."""

    parameters = ParameterSpace()
    slowness = 1.0
    requires = "nothing"

    def __init__(self, name, setup, iteration, strength, power=1.0, *, error=1.0, fails=False, upkeep=0.0):
        self.name = name
        self.true = Forecast(setup, upkeep, iteration, strength, power)
        self.error = error
        self.fails = fails
        self.played = 0

    def accepts(self, traits):
        return True

    def forecast(self, instance, values):
        true = self.true
        strength = true.strength * self.error
        return Forecast(true.setup, true.upkeep, true.iteration, strength, true.power, digits=float(true.power > 0.0))

    def prepare(self, instance, values, previous=None):
        return Prepared(None, work=self.slowness * (self.true.setup if previous is None else self.true.upkeep))

    def iterations(self, instance):
        return max(math.ceil(self.true.strength * instance.actual**self.true.power), 1)

    def cost(self, instance):
        return self.iterations(instance) * self.true.iteration

    def iterate(self, prepared, instance, values, x, stop):
        self.played += 1
        if self.fails:
            return Progress(x, Status.BREAKDOWN, 1, self.true.iteration, "it fails")
        rate = instance.target ** (1.0 / self.iterations(instance)) * (1.0 - 1e-12)
        done = 0
        while abs(x) > stop.target and done < stop.max_iterations:
            x *= rate
            done += 1
        status = Status.CONVERGED if abs(x) <= stop.target else Status.ITERATION_CAP
        return Progress(x, status, done, self.slowness * done * self.true.iteration)


def arms(methods):
    return [Configuration(method.name) for method in methods]
