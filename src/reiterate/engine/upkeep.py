"""Prepared states: built, shared, refreshed, left to age while that is cheaper, evicted when memory is short."""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

from reiterate.contracts import Instance, Method, Preparation, Prepared, Values
from reiterate.engine.cost import CostUnit
from reiterate.engine.rental import Rental
from reiterate.errors import OutOfTime

_SLOTS = 4  # states of one configuration, for streams that alternate between matrices
_HOPE = 0.5  # of the price of a build is what a refresh is taken to cost until one has been seen: most take 0.2 to 0.7

_Key = tuple[Hashable, ...]


@dataclass(slots=True)
class _Held:
    """A state, what its numbers were computed for, and what is known of its ageing."""

    prepared: Prepared | None = None
    version: Hashable = None
    refreshing: Rental = field(default_factory=Rental)
    rebuilding: Rental = field(default_factory=Rental)
    priority: float = 0.0
    uses: int = 0
    price: float = 0.0
    past: deque[Hashable] = field(default_factory=lambda: deque(maxlen=_SLOTS))


@dataclass(slots=True)
class Lease:
    """A state to iterate with, for one turn.

    Attributes
    ----------
    prepared
    work
        Counted work of preparing it just now; 0 where nothing had to be done.
    fresh
        Whether its numbers are those of the instance.
    allowance
        Iterations after which renewing it is cheaper than going on; infinite for a fresh one.
    preparation
        What was done to it just now.
    """

    prepared: Prepared
    work: float
    fresh: bool
    rebuilt: bool
    allowance: float
    preparation: Preparation
    _held: _Held

    def settle(self, iterations: int, cost: float) -> None:
        """Take in what the turn took, preparation aside."""
        if iterations == 0:
            return
        if self.fresh:
            self._held.rebuilding.used(iterations, cost, fresh=self.rebuilt)
        self._held.refreshing.used(iterations, cost, fresh=self.fresh)


class Upkeep:
    """Keeps the prepared states of a stream.

    States are shared by configurations that depend on them alike. One whose numbers belong to an instance of equal
    ``version`` is used as it is. Otherwise :class:`~reiterate.engine.rental.Rental` decides, on two levels: to go on
    with the old numbers or to refresh them; and, when they are refreshed, whether to build everything anew.

    Parameters
    ----------
    cost
        Unit in which rents and prices are compared. Iterations have no price of renewal, so nothing ages.
    memory_limit
        Bytes that all states together may hold; ``None``: no limit. Beyond it, the state of least priority goes:
        uses · price / bytes, plus the priority at which the last one went (GreedyDual-Size-Frequency, Cherkasova
        1998), so that what is used often, costs much and holds little stays longest.
    ages, refreshes
        ``False``: every version is prepared; everything is built anew.
    """

    def __init__(
        self, cost: CostUnit, memory_limit: float | None = None, *, ages: bool = True, refreshes: bool = True
    ) -> None:
        self._ages = ages and cost != "iterations"
        self._refreshes = refreshes
        self._cost = cost
        self._memory_limit = memory_limit
        self._states: dict[_Key, list[_Held]] = {}
        self._inflation = 0.0

    @property
    def memory(self) -> int:
        """Bytes that the states hold."""
        return sum(_bytes(held) for states in self._states.values() for held in states)

    def lease(self, method: Method, values: Values, instance: Instance, *, renew: bool = False) -> Lease:
        """A state for the instance; ``renew`` insists on its own numbers.

        Raises
        ------
        Breakdown
            The method cannot be prepared for this instance.
        """
        held = self._slot(state_of(method, values), instance.version)
        if held.prepared is not None and held.prepared.process is not None and held.prepared.process != os.getpid():
            held.prepared, held.version = None, None
        held.uses += 1
        prepared, version = held.prepared, instance.version
        work, fresh, rebuilt, preparation = 0.0, True, False, Preparation.KEPT
        if prepared is None or version is None or held.version != version:
            # A state whose fresh cost is not known cannot be said to have aged.
            known = held.refreshing.baseline < math.inf
            ageing = self._ages and known and not renew and not held.refreshing.due
            if ageing and prepared is not None and method.serves(prepared, instance):
                fresh, preparation = False, Preparation.AGED
            else:
                rebuilt = prepared is None or not self._refreshes or held.rebuilding.due
                preparation = Preparation.BUILT if rebuilt else Preparation.REFRESHED
                prepared = self._prepare(method, values, instance, held, rebuild=rebuilt)
                work = prepared.work
        assert prepared is not None
        self._rank(held)
        allowance = math.inf if fresh else held.refreshing.allowance
        return Lease(prepared, work, fresh, rebuilt, allowance, preparation, held)

    def trim(self) -> set[_Key]:
        """Keep the memory limit: called between solves, when no state is in use; returns whose states are gone."""
        evicted: set[_Key] = set()
        if self._memory_limit is None:
            return evicted
        while self.memory > self._memory_limit:
            key, victim = min(
                ((key, held) for key, states in self._states.items() for held in states),
                key=lambda item: item[1].priority if _bytes(item[1]) else math.inf,
            )
            self._inflation = max(self._inflation, victim.priority)
            self._states[key].remove(victim)
            if not self._states[key]:
                evicted.add(key)
        return evicted

    def _slot(self, key: _Key, version: Hashable) -> _Held:
        """The state that was prepared for this version, or the one to use or renew in its stead.

        They are in the order of their last use. A version that comes back although its state has been renewed for
        another one gets a state of its own, or that which was used longest ago, so that a stream that alternates
        between up to four matrices prepares each of them once.
        """
        states = self._states.setdefault(key, [])
        if version is not None:
            for place, held in enumerate(states):
                if held.version == version:
                    states.append(states.pop(place))
                    return held
        back = version is not None and any(version in held.past for held in states)
        if not states or (back and len(states) < _SLOTS):
            states.append(_Held())
        elif back:
            states.append(states.pop(0))
        return states[-1]

    def _prepare(self, method: Method, values: Values, instance: Instance, held: _Held, *, rebuild: bool) -> Prepared:
        previous = held.prepared
        held.past.append(held.version)
        # A failed refresh may have left the old numbers half overwritten.
        held.prepared, held.version = None, None
        begin = time.perf_counter()
        try:
            if rebuild and previous is not None:
                prepared = method.rebuild(instance, values, previous)
            else:
                prepared = method.prepare(instance, values, previous)
        except OutOfTime:
            # Refused or abandoned; what there was still serves, as an old state, where the method says so.
            if previous is not None and method.serves(previous, instance):
                held.prepared = previous
            raise
        seconds = time.perf_counter() - begin
        held.prepared, held.version = prepared, instance.version
        held.price = {"time": seconds, "work": prepared.work, "iterations": 0.0}[self._cost]
        if rebuild and self._refreshes:
            held.rebuilding.renewed(max(held.price - held.refreshing.price, 0.0))
            held.refreshing.renewed(_HOPE * held.price, estimated=True)
        else:
            held.refreshing.renewed(held.price)
        return prepared

    def _rank(self, held: _Held) -> None:
        """Give the state its priority."""
        held.priority = self._inflation + held.uses * held.price / max(_bytes(held), 1)


def state_of(method: Method, values: Values) -> _Key:
    """The name of the prepared state of a method with these values; equal ones are shared."""
    return (method.state_name or method.name, *(values[name] for name in method.state_parameters))


def _bytes(held: _Held) -> int:
    """What a state holds now: workspace may have been added since it was prepared."""
    if held.prepared is None:
        return 0
    return max(held.prepared.memory, getattr(held.prepared.state, "memory", 0))
