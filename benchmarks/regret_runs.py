"""What contenders took on a stream, several times over, and what follows from it: arithmetic of ``regret_live``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regret_replay import break_even

Seconds = NDArray[np.float64]


@dataclass
class Run:
    """One contender on one stream: seconds of every solve, a list for each round, and why it did not get to the end."""

    rounds: list[list[float]] = field(default_factory=list)
    failed: str = ""
    slow: bool = False
    """Whether it was only stopped, because it had fallen too far behind."""

    def made(self) -> int:
        """How many solves it made in every round."""
        return min((len(seconds) for seconds in self.rounds), default=0)

    def table(self, steps: int) -> Seconds:
        """Seconds of the first so many solves, infinite where they were not made, shape (rounds, steps)."""
        table = np.full((len(self.rounds), steps), np.inf)
        for row, seconds in zip(table, self.rounds, strict=True):
            row[: len(seconds)] = seconds[:steps]
        return table

    def totals(self, steps: int) -> Seconds:
        """Seconds of the first so many solves together, in each round."""
        totals: Seconds = self.table(steps).sum(axis=1)
        return totals

    def total(self, steps: int) -> float:
        """The median of these over the rounds."""
        return float(np.median(self.totals(steps)))

    def curve(self) -> Seconds:
        """Seconds so far after every solve that was made in all rounds: medians over the rounds."""
        made = self.made()
        curve: Seconds = np.median(np.cumsum(self.table(made), axis=1), axis=0) if made else np.empty(0)
        return curve


@dataclass
class Shares:
    """Where our default's time went, solve by solve in seconds, in one round.

    Attributes
    ----------
    whole
        With everything that a solve takes.
    deciding
        Choosing and learning.
    racing
        Configurations that had to make room for another one, where nothing was to be tried.
    trying
        What a solve with a trial took beyond what the incumbent was believed to take.
    checking
        The rest outside of methods: looking at the system, verifying the answer, recording.
    """

    whole: list[float] = field(default_factory=list)
    deciding: list[float] = field(default_factory=list)
    racing: list[float] = field(default_factory=list)
    trying: list[float] = field(default_factory=list)
    checking: list[float] = field(default_factory=list)


PARTS = ("deciding", "racing", "trying", "checking")


@dataclass
class Comparison:
    """Runs of ours, of fixed configurations and of peers on one stream."""

    name: str
    size: int
    solves: int
    own: dict[str, Run] = field(default_factory=dict)
    fixed: dict[str, Run] = field(default_factory=dict)
    rivals: dict[str, Run] = field(default_factory=dict)
    shares: list[Shares] = field(default_factory=list)

    def share(self, part: str, steps: int) -> float:
        """Of the time of our default's first so many solves, what a part took: the median over the rounds."""
        return float(
            np.median([sum(getattr(one, part)[:steps]) / max(sum(one.whole[:steps]), 1e-12) for one in self.shares])
        )

    def save(self, directory: Path) -> None:
        """Keep all seconds in a file."""
        directory.mkdir(parents=True, exist_ok=True)
        _path(directory, self.name).write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, directory: Path, name: str) -> Comparison | None:
        """What :meth:`save` kept, if it did."""
        path = _path(directory, name)
        if not path.exists():
            return None
        kept: dict[str, Any] = json.loads(path.read_text())
        kept["shares"] = [Shares(**shares) for shares in kept["shares"]]
        for kind in ("own", "fixed", "rivals"):
            kept[kind] = {name: Run(**run) for name, run in kept[kind].items()}
        return cls(**kept)


def _path(directory: Path, name: str) -> Path:
    return directory / f"{name}.json"


def best(runs: dict[str, Run], steps: int) -> tuple[str, float]:
    """Who took least for the first so many solves, and how long: the least of the medians over the rounds."""
    name = min(runs, key=lambda name: runs[name].total(steps), default="")
    return name, runs[name].total(steps) if name else math.inf


def best_elsewhere(runs: dict[str, Run], steps: int) -> float:
    """As long as :func:`best`, where choosing does not flatter: chosen by all rounds but one, and measured by that one.

    The least of many noisy totals is too low by luck; what another round says of whoever has it is not. It is rather
    too high, since fewer rounds choose and may miss the best. The median over the rounds; not a number where there is
    one only, infinite where nobody got to the end in all of them.
    """
    totals = np.array([run.totals(steps) for run in runs.values()])
    totals = totals[np.isfinite(totals).all(axis=1)] if totals.size else totals
    if not totals.size:
        return math.inf
    return _elsewhere(totals)


def instance_optimal(runs: dict[str, Run], steps: int) -> float:
    """The best of every single solve, each with states of its own: the least of the medians over the rounds."""
    tables = _tables(runs, steps)
    return float(np.median(tables, axis=1).min(axis=0).sum()) if tables.size else math.inf


def instance_optimal_elsewhere(runs: dict[str, Run], steps: int) -> float:
    """The same as :func:`best_elsewhere`: the best of every solve by all rounds but one, measured by that one."""
    tables = _tables(runs, steps)
    if not tables.size:
        return math.inf
    # Who was stopped in one round may not be chosen by another.
    tables = np.where(np.isfinite(tables).all(axis=1, keepdims=True), tables, np.inf)
    rounds = tables.shape[1]
    if rounds < 2:
        return math.nan
    totals = []
    for k in range(rounds):
        chosen = np.median(np.delete(tables, k, axis=1), axis=1).argmin(axis=0)
        totals.append(tables[chosen, k, np.arange(steps)].sum())
    return float(np.median(totals))


def _tables(runs: dict[str, Run], steps: int) -> Seconds:
    """Seconds of all, shape (contenders, rounds, steps)."""
    return np.array([run.table(steps) for run in runs.values()])


def _elsewhere(totals: Seconds) -> float:
    rounds = totals.shape[1]
    if rounds < 2:
        return math.nan
    chosen = [np.median(np.delete(totals, k, axis=1), axis=1).argmin() for k in range(rounds)]
    return float(np.median([totals[arm, k] for k, arm in enumerate(chosen)]))


def breaks_even(mine: Run, other: Run) -> float:
    """Solves after which mine have taken no longer than the other's, for good; infinite if never."""
    return break_even(_increments(mine.curve()), _increments(other.curve()))


def _increments(curve: Sequence[float] | Seconds) -> Seconds:
    return np.diff(np.asarray(curve, dtype=np.float64), prepend=0.0)
