"""Tables recorded from streams: the counted work of every fixed configuration at every system.

A table is recorded once and kept in ``benchmarks/results/regret_tables``. Work is counted, not timed: recording it
again gives the same numbers on any machine, up to rounding.
"""

from __future__ import annotations

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

DIRECTORY = RESULTS / "regret_tables"
HOPELESS = 20.0
"""A solve that takes this many times as much as the cheapest configuration's is stopped there."""

CHANCES = 3
"""Failures after which a configuration is not tried again on a stream, and counts as failing from then on."""

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
    return Scenario(name, f"{instances} systems, {arms} configurations, {context}", lambda seed: table, recorded=True)


def record(stream: Stream) -> Table:
    """Every fixed configuration on all systems of a stream, each with a solver of its own.

    Failures cost infinitely much; configurations that apply to no system are left out. States and guesses are each
    configuration's own, as if it had always been played.
    """
    columns: dict[str, NDArray[np.float64]] = {}
    contexts: list[dict[str, float]] = []
    for arm in fixed_configurations():
        work, applies, met = _work(arm, stream)
        contexts = max(contexts, met, key=len)
        if applies:
            columns[arm] = work
    costs = np.stack(list(columns.values()), axis=1)
    return Table(costs, contexts if any(contexts) else None, arms=tuple(columns))


def _work(arm: str, stream: Stream) -> tuple[NDArray[np.float64], bool, list[dict[str, float]]]:
    """Work of one configuration on every system, infinite where it fails; whether it applies; contexts."""
    solver = rt.Solver([arm], "fixed", cost="work", rtol=RTOL, seed=0, fallback=None, max_iterations=MOST_ITERATIONS)
    work, contexts, chances = np.full(len(stream.systems), np.inf), [], CHANCES
    applies = False
    for k, (A, b, x0) in enumerate(stream.systems):
        if not chances:
            break
        given = stream.contexts[k] if stream.contexts else None
        solved = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                solver.solve(A, b, x0, given)
            except rt.NotConverged:
                solved = False
        done = solver.last
        assert done is not None
        contexts.append(dict(done.context))
        applies = applies or bool(done.attempts)
        if solved:
            work[k] = done.cost
        elif done.attempts:
            chances -= 1
    return work, applies, contexts


def stopped(table: Table) -> Table:
    """The same, where what fails or is hopelessly dear is stopped at a multiple of the cheapest cost, and censored."""
    if not np.isfinite(table.costs.min(axis=1)).all():
        raise ValueError("no configuration solves some system of the stream")
    # A start may solve a system for nothing.
    cheapest = np.where(table.costs > 0, table.costs, np.inf).min(axis=1, keepdims=True)
    limit = HOPELESS * np.where(np.isfinite(cheapest), cheapest, 1.0)
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
