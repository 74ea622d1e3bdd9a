"""Prepared states: built, shared, refreshed, left to age while that is cheaper, evicted when memory is short."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable
from dataclasses import dataclass, field

from reiterate.contracts import Instance, Method, Prepared, Values
from reiterate.engine.cost import CostUnit
from reiterate.engine.rental import Rental

_HOPE = 0.25  # of the price of a build is what a refresh is taken to cost until one has been seen

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
    """

    prepared: Prepared
    work: float
    fresh: bool
    rebuilt: bool
    allowance: float
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
    """

    def __init__(self, cost: CostUnit, memory_limit: float | None = None) -> None:
        self._cost = cost
        self._memory_limit = memory_limit
        self._states: dict[_Key, _Held] = {}
        self._inflation = 0.0

    @property
    def memory(self) -> int:
        """Bytes that the states hold."""
        return sum(held.prepared.memory for held in self._states.values() if held.prepared is not None)

    def lease(self, method: Method, values: Values, instance: Instance, *, renew: bool = False) -> Lease:
        """A state for the instance; ``renew`` insists on its own numbers.

        Raises
        ------
        Breakdown
            The method cannot be prepared for this instance.
        """
        key = (method.state_name or method.name, *(values[name] for name in method.state_parameters))
        held = self._states.setdefault(key, _Held())
        held.uses += 1
        prepared, version = held.prepared, instance.version
        work, fresh, rebuilt = 0.0, True, False
        if prepared is None or version is None or held.version != version:
            ageing = self._cost != "iterations" and not renew and not held.refreshing.due
            if ageing and prepared is not None and method.serves(prepared, instance):
                fresh = False
            else:
                rebuilt = prepared is None or held.rebuilding.due
                prepared = self._prepare(method, values, instance, held, rebuild=rebuilt)
                work = prepared.work
        assert prepared is not None
        self._rank(key, held)
        return Lease(prepared, work, fresh, rebuilt, math.inf if fresh else held.refreshing.allowance, held)

    def _prepare(self, method: Method, values: Values, instance: Instance, held: _Held, *, rebuild: bool) -> Prepared:
        previous = held.prepared
        # A failed refresh may have left the old numbers half overwritten.
        held.prepared, held.version = None, None
        begin = time.perf_counter()
        if rebuild and previous is not None:
            prepared = method.rebuild(instance, values, previous)
        else:
            prepared = method.prepare(instance, values, previous)
        seconds = time.perf_counter() - begin
        held.prepared, held.version = prepared, instance.version
        held.price = {"time": seconds, "work": prepared.work, "iterations": 0.0}[self._cost]
        if rebuild:
            held.rebuilding.renewed(max(held.price - held.refreshing.price, 0.0))
            held.refreshing.renewed(_HOPE * held.price, estimated=True)
        else:
            held.refreshing.renewed(held.price)
        return prepared

    def _rank(self, key: _Key, held: _Held) -> None:
        """Give the state its priority, and evict others as long as all together hold too much."""
        assert held.prepared is not None
        held.priority = self._inflation + held.uses * held.price / max(held.prepared.memory, 1)
        if self._memory_limit is None:
            return
        while self.memory > self._memory_limit and len(self._states) > 1:
            victim = min((k for k in self._states if k != key), key=lambda k: self._states[k].priority)
            self._inflation = max(self._inflation, self._states.pop(victim).priority)
