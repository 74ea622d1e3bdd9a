"""An iteration that is not linear algebra, for an engine that must not care: x ← x·rate, until |x| is small."""

from __future__ import annotations

from dataclasses import dataclass, field

from reiterate.configuration import Configuration, Parameter, ParameterSpace
from reiterate.contracts import Choice, Learner, Method, Prepared, Progress, Status
from reiterate.errors import Breakdown, OutOfTime


@dataclass
class Decay:
    """Solved when |x| ≤ target."""

    traits: dict = field(default_factory=dict)
    context: dict = field(default_factory=dict)
    features: dict = field(default_factory=dict)
    target: float = 1.5e-6
    level: float = 0.0
    version: object = None
    base: object = None
    kind: object = None
    deadline: float | None = None

    def origin(self):
        return self.base

    def merit(self, x):
        return abs(x)

    def rounding_level(self, x):
        return self.level

    def reveal(self, revealed):
        self.traits = {**self.traits, **revealed}

    def obstacle(self):
        return self.traits.get("obstacle")


class Shrink(Method):
    name = "shrink"
    parameters = ParameterSpace((Parameter("rate", 0.0, 2.0, 0.5, (0.1, 0.9), 3),))
    requires = "nothing"
    state_parameters = ("rate",)

    def __init__(self):
        self.preparations = []
        self.warmed = 0
        self.variants = []

    def accepts(self, traits):
        return not traits.get("hostile", False)

    def prepare(self, instance, values, previous=None):
        self.preparations.append((values["rate"], previous))
        return Prepared(values["rate"], work=1.0)

    def iterate(self, prepared, instance, values, x, stop):
        done = 0
        while abs(x) > stop.target:
            if done == stop.max_iterations:
                return Progress(x, Status.ITERATION_CAP, done, float(done))
            x *= prepared.state
            done += 1
        return Progress(x, Status.CONVERGED, done, float(done))

    def variant_of(self, instance):
        return instance.traits.get("variant")

    def warm_up(self, variant=None):
        self.warmed += 1
        self.variants.append(variant)


class Liar(Method):
    """Claims to have converged without moving."""

    name = "liar"
    parameters = ParameterSpace()
    requires = "trust"

    def accepts(self, traits):
        return True

    def prepare(self, instance, values, previous=None):
        return Prepared(None)

    def iterate(self, prepared, instance, values, x, stop):
        return Progress(x, Status.CONVERGED, 1, 1.0)


class Broken(Liar):
    """Finds out that the instance is hostile."""

    name = "broken"
    tries = 0

    def iterate(self, prepared, instance, values, x, stop):
        self.tries += 1
        return Progress(float("nan"), Status.BREAKDOWN, 1, 1.0, "it broke", {"hostile": True})


class Unpreparable(Liar):
    name = "unpreparable"

    def prepare(self, instance, values, previous=None):
        raise Breakdown("cannot be prepared")


class Slow(Liar):
    """Would take longer to prepare than there is time."""

    name = "slow"

    def __init__(self):
        self.deadlines = []

    def prepare(self, instance, values, previous=None):
        self.deadlines.append(instance.deadline)
        raise OutOfTime("too slow")


class Scripted(Learner):
    """Plays a script and keeps what it is told."""

    name = "scripted"

    def __init__(self, arms, rng, script=()):
        self._arms = arms
        self.script = list(script)
        self.heard = []

    @property
    def arms(self):
        return self._arms

    def choose(self, context=None):
        return Choice(self.script.pop(0) if self.script else 0, 1.0, context)

    def learn(self, choice, cost, *, censored=False):
        self.heard.append((choice.arm, cost, censored))

    def state_dict(self):
        return {}

    @classmethod
    def from_state_dict(cls, state):
        return cls(1, None)


def shrink(rate):
    return Configuration("shrink", (("rate", rate),))
