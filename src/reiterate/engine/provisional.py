"""Who plays while the code of some methods is not there yet: substitutes, and those whose code is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

from reiterate.configuration import Configuration
from reiterate.contracts import Forecast, Instance, Method, Missing
from reiterate.engine.policy import Policy
from reiterate.engine.pursuit import Pursuit

_LOOK = 0.1  # seconds between two questions what is missing


class Provisional:
    """A policy of its own for every group of arms of which some cannot play yet.

    Its arms are those of the group and the substitutes; those that are missing sit out until they are there. As soon as
    none is, the group's own policy goes on, without substitutes. It has listened all the time: it has
    learnt from whatever its own arms did.

    Parameters
    ----------
    methods
    substitutes
        Configurations of methods whose code is always there.
    missing
        Says which methods are not there yet, and sees to it that they will be.
    applies
        Whether a method is worth trying on an instance.
    build
        Makes a policy.

    Attributes
    ----------
    waits : bool
        Something is missing, so that it is worth looking again.
    held : frozenset of str
        The methods that are missing, of the group looked at last.
    awaited : tuple of str
        The same, the most promising first.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        substitutes: Sequence[Configuration],
        missing: Missing,
        applies: Callable[[Method, Instance], bool],
        build: Callable[[Sequence[Configuration], Instance], Policy],
    ) -> None:
        self._methods = methods
        self._substitutes = tuple(substitutes)
        self._missing = missing
        self._applies = applies
        self._build = build
        self._policies: dict[Policy, Policy] = {}
        self._wanted: dict[Policy, list[Method]] = {}
        self._settled: set[tuple[Policy, object]] = set()
        self._asked = 0.0
        self._standing_in: dict[Policy, Policy] = {}
        self.held: frozenset[str] = frozenset()
        self.awaited: tuple[str, ...] = ()
        self.waits = False

    def look(self, group: Policy, instance: Instance) -> None:
        """Find out what is missing of a group, for instances like this one; nobody asks again once nothing is."""
        self.waits, self.held, self.awaited = False, frozenset(), ()
        self._standing_in.pop(group, None)
        sample = next((arm.method for arm in group.arms if self._methods[arm.method].compiled), None)
        key = (group, None if sample is None else self._methods[sample].variant_of(instance))
        if key in self._settled:
            return
        if group not in self._wanted:
            self._wanted[group] = self._most_promising_first(group, instance)
        missing = self._missing([(method, method.variant_of(instance)) for method in self._wanted[group]])
        self._asked = time.perf_counter()
        self.waits = bool(missing)
        self.awaited = tuple(method.name for method in self._wanted[group] if method.name in missing)
        self.held = frozenset(self.awaited)
        if not missing:
            self._settled.add(key)

    def _most_promising_first(self, group: Policy, instance: Instance) -> list[Method]:
        """The compiled methods of a group, in the order of what a first solve with one of them is expected to cost."""
        costs: dict[str, float] = {}
        for arm in group.arms:
            if self._methods[arm.method].compiled:
                cost = _first_cost(self._methods[arm.method].forecast(instance, arm.values), instance)
                costs[arm.method] = min(costs.get(arm.method, math.inf), cost)
        return [self._methods[name] for name in sorted(costs, key=costs.__getitem__)]

    @property
    def policies(self) -> list[Policy]:
        """Those that play until what is missing is there."""
        return list(self._policies.values())

    def policy_for(self, group: Policy, instance: Instance) -> Policy:
        """Who decides now: the group's own policy if nothing of it is missing."""
        if time.perf_counter() - self._asked > _LOOK:
            self.look(group, instance)
        if not self.held:
            return group
        if group not in self._policies:
            able = [c for c in self._substitutes if self._applies(self._methods[c.method], instance)]
            self._policies[group] = self._build((*group.arms, *able), instance)
        self._standing_in[group] = self._policies[group]
        return self._policies[group]

    def decided(self, group: Policy) -> Policy:
        """Who decided on the last instance of a group: itself, or what stands in for it."""
        return self._standing_in.get(group, group)

    @staticmethod
    def listen(group: Policy, pursuit: Pursuit, cost: float) -> None:
        """Let a group that did not decide learn from a solve: it is asked while all its arms sit out, and told all."""
        next(group.turns(pursuit, frozenset(arm.method for arm in group.arms)), None)
        group.report(pursuit, cost)


def _first_cost(forecast: Forecast | None, instance: Instance) -> float:
    if forecast is None:
        return math.inf
    iterations: float = forecast.strength * instance.difficulty() ** forecast.power
    return forecast.setup + iterations * forecast.iteration
