"""First runs beside second ones: what it saves to begin with what an earlier run has learnt.

``python benchmarks/memory_runs.py`` solves streams of the gallery twice with one memory, and counts work, which is
exact and the same everywhere; and streams of a few systems many times, with a memory and without. Seconds are medians
over repetitions. Writes results/memory_runs.csv.
"""

from __future__ import annotations

import gc
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import reiterate as rt
from machine import write_csv
from reiterate import gallery

os.environ["REITERATE_BACKGROUND"] = "0"  # kernels are compiled before anything is measured

STREAMS: dict[str, Callable[[int], Any]] = {
    "heat": lambda steps: gallery.heat(nx=60, steps=steps),
    "constant": lambda steps: gallery.constant(nx=60, steps=steps),
    "diffusion3d": lambda steps: gallery.diffusion3d(size=20, steps=steps),
    "convection": lambda steps: gallery.convection(nx=50, steps=steps),
    "newton": lambda steps: gallery.newton(nx=40, steps=steps),
    "helmholtz": lambda steps: gallery.helmholtz(nx=40, steps=steps),
    "navier_stokes": lambda steps: gallery.navier_stokes(nx=32, steps=steps),
}
LONG, SHORT = 40, 4  # systems of a stream
RUNS = 6  # of a short stream
REPETITIONS = 3


def run(name: str, steps: int, cost: str, memory: Path | bool) -> rt.Solver:
    """Solve a stream with a new solver."""
    simulation = STREAMS[name](steps)
    solver = rt.Solver(cost=cost, memory=memory, label=name)
    for system in simulation:
        simulation.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
    return solver


def spent(solver: rt.Solver, cost: str) -> tuple[float, float, int]:
    """What all solves cost, and the first; and configurations that the first one took."""
    records = list(solver.history)
    if cost == "work":
        return sum(record.cost for record in records), records[0].cost, len(records[0].attempts)
    first = records[0].seconds + records[0].overhead
    return solver.history.seconds + solver.history.overhead, first, len(records[0].attempts)


def in_a_row(name: str, steps: int, cost: str, runs: int, *, remembers: bool) -> list[tuple[float, float, int]]:
    """Several runs, each of which begins with what the last has left if it may."""
    with tempfile.TemporaryDirectory() as directory:
        told = []
        for _ in range(runs):
            told.append(spent(run(name, steps, cost, Path(directory) / "memory.sqlite3" if remembers else False), cost))
            gc.collect()
        return told


def main() -> None:
    rows = []
    for name in STREAMS:
        run(name, LONG, "time", False)  # compiles
        for cost, repetitions in (("work", 1), ("time", REPETITIONS)):
            pairs = [in_a_row(name, LONG, cost, 2, remembers=True) for _ in range(repetitions)]
            series = [in_a_row(name, SHORT, cost, RUNS, remembers=True) for _ in range(repetitions)]
            alone = [in_a_row(name, SHORT, cost, 1, remembers=False) for _ in range(repetitions)]
            first, second = (statistics.median(pair[k][0] for pair in pairs) for k in (0, 1))
            begun, begun_again = (statistics.median(pair[k][1] for pair in pairs) for k in (0, 1))
            later = statistics.median(told[0] for runs in series for told in runs[1:])
            rows.append(
                {
                    "stream": name,
                    "cost": cost,
                    "systems": LONG,
                    "first_run": f"{first:.5g}",
                    "second_run": f"{second:.5g}",
                    "ratio": f"{first / second:.3f}",
                    "first_solve": f"{begun:.5g}",
                    "first_solve_again": f"{begun_again:.5g}",
                    "turns": pairs[0][0][2],
                    "turns_again": pairs[0][1][2],
                    "short_run_alone": f"{statistics.median(runs[0][0] for runs in alone):.5g}",
                    "short_run_with_memory": f"{later:.5g}",
                }
            )
            print(*rows[-1].values(), sep="\t", flush=True)
    write_csv("memory_runs.csv", list(rows[0]), [list(row.values()) for row in rows])


if __name__ == "__main__":
    main()
