"""Tables recorded from streams: the counted work of every fixed configuration at every system.

A table is recorded once and kept in ``benchmarks/results/regret_tables``. Work is counted, not timed: recording it
again gives the same numbers on any machine, up to rounding.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reiterate as rt
from machine import RESULTS
from portfolio_systems import Stream
from regret_live import RTOL, fixed_configurations
from regret_replay import Scenario, Table
from regret_streams import GALLERY, streams
from reiterate.contracts import Record
from reiterate.engine.known_arms import known_arms
from reiterate.linear.portfolio import METHODS, configuration

DIRECTORY = RESULTS / "regret_tables"
HOPELESS = 20.0
"""A solve that takes this many times as much as the cheapest configuration's is stopped there."""

CHANCES = 3
"""A configuration that fails or is hopelessly dear so many times in a row is not tried again on a stream."""

MOST_ITERATIONS = 3000
DIGITS = 12  # binary ones that are kept of a cost


def names(directory: Path) -> list[str]:
    """Of the streams of the gallery, of those stored in a directory, and of those whose tables are kept."""
    stored = {path.stem for place in (directory, DIRECTORY) for path in place.glob("*.npz")}
    return list(dict.fromkeys((*GALLERY, *sorted(stored))))


def scenarios(only: Iterable[str], steps: int, directory: Path, *, again: bool) -> Iterator[Scenario]:
    """Tables of these streams, or of all; those that are not kept or too short, or all if so asked, are recorded."""
    only = tuple(only)
    for name in names(directory):
        if only and name not in only:
            continue
        path = DIRECTORY / f"{name}.npz"
        available = name in GALLERY or (directory / f"{name}.npz").exists()
        if available and (again or not path.exists() or load(path)[1] < steps):
            save(path, record(next(streams([name], steps, directory))), steps)
            print(f"recorded {name}: {path.stat().st_size:,} bytes", flush=True)
        yield _scenario(name, stopped(load(path)[0].first(steps)))


def _scenario(name: str, table: Table) -> Scenario:
    known = sorted({variable for context in table.contexts or () for variable in context})
    context = f"context {', '.join(known)}" if known else "no context"
    instances, arms = table.costs.shape
    table = replace(table, known=known_arms([configuration(arm) for arm in table.arms], METHODS))
    return Scenario(name, f"{instances} systems, {arms} configurations, {context}", lambda seed: table, recorded=True)


class Player:
    """One configuration on a whole stream, with a solver of its own: its states and guesses are as if always played."""

    def __init__(self, arm: str) -> None:
        self.arm = arm
        self.solver = rt.Solver(
            [arm], "fixed", cost="work", rtol=RTOL, seed=0, fallback=None, max_iterations=MOST_ITERATIONS
        )
        self.applies = False
        self.strikes = 0

    @property
    def last(self) -> Record:
        """What was done with the last system."""
        assert self.solver.last is not None
        return self.solver.last

    def play(self, system: tuple[Any, Any, Any], given: dict[str, float] | None) -> float:
        """Work of solving a system, infinite if that fails."""
        solved = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.solver.solve(*system, given)
            except rt.NotConverged:
                solved = False
        self.applies = self.applies or bool(self.last.attempts)
        return self.last.cost if solved else math.inf

    def judge(self, *, hopeless: bool) -> None:
        """Count how often in a row it was tried in vain."""
        if not hopeless:
            self.strikes = 0
        elif self.last.attempts:
            self.strikes += 1


def record(stream: Stream) -> Table:
    """Every fixed configuration on all systems of a stream.

    Failures cost infinitely much, and so does what is not tried any more; configurations that apply to no system are
    left out.
    """
    players = [Player(arm) for arm in fixed_configurations()]
    costs = np.full((len(stream.systems), len(players)), np.inf)
    contexts = []
    for k, system in enumerate(stream.systems):
        playing = [j for j, player in enumerate(players) if player.strikes < CHANCES]
        for j in playing:
            costs[k, j] = players[j].play(system, stream.contexts[k] if stream.contexts else None)
        contexts.append(dict(players[playing[0]].last.context))
        limit = limits(costs[k : k + 1])[0]
        for j in playing:
            players[j].judge(hopeless=bool(costs[k, j] > limit))
    applying = [j for j, player in enumerate(players) if player.applies]
    arms = tuple(players[j].arm for j in applying)
    return Table(costs[:, applying], contexts if any(contexts) else None, arms=arms)


def limits(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a solve of each system is stopped, shape (systems, 1)."""
    # A start may solve a system for nothing.
    cheapest = np.where(costs > 0, costs, np.inf).min(axis=1, keepdims=True)
    return HOPELESS * np.where(np.isfinite(cheapest), cheapest, 1.0)


def stopped(table: Table) -> Table:
    """The same, where what fails or is hopelessly dear is stopped at a multiple of the cheapest cost, and censored."""
    if not np.isfinite(table.costs.min(axis=1)).all():
        raise ValueError("no configuration solves some system of the stream")
    limit = limits(table.costs)
    return replace(table, costs=np.minimum(table.costs, limit), censored=table.costs > limit)


def save(path: Path, table: Table, steps: int) -> None:
    """Keep a table in a compressed file, with the number of systems asked for: costs to four decimal digits."""
    contexts = table.contexts or []
    names = list(dict.fromkeys(name for context in contexts for name in context))
    values = [[context.get(name, np.nan) for name in names] for context in contexts]
    known: dict[str, Any] = {"arms": np.array(table.arms), "names": np.array(names, dtype=np.str_), "steps": steps}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, costs=_rounded(table.costs), contexts=np.array(values, dtype=np.float32), **known)


def load(path: Path) -> tuple[Table, int]:
    """The table of a file, and how many systems were asked for when it was recorded."""
    with np.load(path, allow_pickle=False) as stored:
        names = stored["names"].tolist()
        contexts = [
            {name: value for name, value in zip(names, row, strict=True) if value == value}
            for row in stored["contexts"].tolist()
        ]
        arms = tuple(stored["arms"].tolist())
        table = Table(stored["costs"].astype(np.float64), contexts if names else None, arms=arms)
        return table, int(stored["steps"])


def _rounded(costs: Any) -> NDArray[np.float32]:
    """To so few binary digits that the rest are zeros, which compress."""
    mantissa, exponent = np.frexp(np.asarray(costs, dtype=np.float64))
    return np.ldexp(np.round(mantissa * 2.0**DIGITS), exponent - DIGITS).astype(np.float32)
