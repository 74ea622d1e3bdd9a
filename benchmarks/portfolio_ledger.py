"""What a pass through a stream is made of, and what it costs at fixed prices: a comparison without noise.

Two rules that decide alike take times that differ by a third on a machine that others use. So every preparation and
every iteration is counted, the counts are priced by the medians over all passes, and the engine, which decides by the
clock, is shown a clock that runs at these prices.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.optimize import nnls

import reiterate as rt
from machine import processor_time
from reiterate.engine import turn, upkeep


@dataclass(frozen=True)
class Entry:
    """One call of a method: "anew", "refresh" or "iterate"."""

    method: str
    kind: str
    iterations: int
    seconds: float


@dataclass(frozen=True)
class Prices:
    """Seconds of a method's preparations, of a call of its iteration and of each iteration, of a solve besides."""

    method: str
    anew: float
    refresh: float
    call: float
    iteration: float
    besides: float

    def of(self, entry: Entry) -> float:
        """What an entry costs; a method that comes to the rescue costs the time it took."""
        if entry.method != self.method:
            return entry.seconds
        if entry.kind == "iterate":
            return self.call + self.iteration * entry.iterations
        return self.anew if entry.kind == "anew" else self.refresh


@dataclass
class Ledger:
    """The entries of one pass."""

    prices: Prices | None = None
    entries: list[Entry] = field(default_factory=list)
    solves: int = 0
    now: float = 0.0

    def add(self, entry: Entry) -> None:
        """Enter a call, and let the priced clock run."""
        self.entries.append(entry)
        if self.prices is not None:
            self.now += self.prices.of(entry)

    def cost(self, prices: Prices) -> float:
        """Seconds of the pass at these prices."""
        return prices.besides * self.solves + sum(prices.of(entry) for entry in self.entries)

    @contextmanager
    def kept(self, solver: rt.Solver) -> Iterator[None]:
        """Enter what the solver's methods do; where prices are given, its decisions are by the priced clock."""
        clock = processor_time if self.prices is None else lambda: self.now
        before = turn.time, upkeep.time
        turn.time = upkeep.time = SimpleNamespace(perf_counter=clock)  # type: ignore[assignment]
        methods = solver._engine._methods
        solver._engine._methods = {name: _Watched(method, self) for name, method in methods.items()}  # type: ignore[misc]
        try:
            yield
        finally:
            turn.time, upkeep.time = before  # type: ignore[assignment]
            solver._engine._methods = methods


class _Watched:
    """A method whose calls are entered in a ledger."""

    def __init__(self, method: Any, ledger: Ledger) -> None:
        self._method, self._ledger = method, ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._method, name)

    def prepare(self, instance: Any, values: Any, previous: Any = None) -> Any:
        begin = processor_time()
        prepared = self._method.prepare(instance, values, previous)
        kind = "anew" if previous is None else "refresh"
        self._ledger.add(Entry(self._method.name, kind, 0, processor_time() - begin))
        return prepared

    def rebuild(self, instance: Any, values: Any, previous: Any) -> Any:
        begin = processor_time()
        prepared = self._method.rebuild(instance, values, previous)
        self._ledger.add(Entry(self._method.name, "anew", 0, processor_time() - begin))
        return prepared

    def iterate(self, prepared: Any, instance: Any, values: Any, x: Any, stop: Any) -> Any:
        begin = processor_time()
        progress = self._method.iterate(prepared, instance, values, x, stop)
        self._ledger.add(Entry(self._method.name, "iterate", progress.iterations, processor_time() - begin))
        return progress


def prices_of(method: str, ledgers: Sequence[Ledger], seconds: Sequence[float]) -> Prices:
    """Prices that explain passes which took so many seconds: medians, and a line through the solves."""
    entries = [entry for ledger in ledgers for entry in ledger.entries if entry.method == method]
    found = {
        kind: [entry.seconds for entry in entries if entry.kind == kind] for kind in ("anew", "refresh", "iterate")
    }
    anew = statistics.median(found["anew"])
    solves = [entry for entry in entries if entry.kind == "iterate" and entry.iterations and entry.seconds]
    # Relative errors count, so that the few long solves do not decide what a short one costs.
    scale = np.array([entry.seconds for entry in solves])
    lines = np.column_stack([1.0 / scale, np.array([entry.iterations for entry in solves]) / scale])
    call, iteration = nnls(lines, np.ones(len(solves)))[0]
    besides = [
        (total - sum(entry.seconds for entry in ledger.entries)) / ledger.solves
        for ledger, total in zip(ledgers, seconds, strict=True)
    ]
    refresh = statistics.median(found["refresh"]) if found["refresh"] else anew
    return Prices(method, anew, refresh, float(call), float(iteration), max(statistics.median(besides), 0.0))
