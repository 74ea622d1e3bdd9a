"""What the engine adds to a solve, and how long the command and the first solve take to start.

    python benchmarks/overhead.py

Writes ``benchmarks/results/overhead.csv`` and fills ``docs/overhead.md``.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import reiterate as rt
from cold_start import empty_cache
from machine import describe_machine, fill_page, markdown_table, write_csv
from reiterate.contracts import Stop
from reiterate.linear.door import Door
from reiterate.linear.portfolio import METHODS

PAGE = Path(__file__).parent.parent / "docs" / "overhead.md"
README = Path(__file__).parent.parent / "README.md"
MANY_SOLVES = """
import reiterate as rt
simulation = rt.gallery.heat(nx=33, steps=100)
solver = rt.Solver(seed=0)
for system in simulation:
    simulation.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
"""
FIRST_SOLVE = """
import numpy as np, scipy.sparse as sp, reiterate as rt
A = sp.diags_array([-1.0, 2.5, -1.0], offsets=[-1, 0, 1], shape=(1000, 1000)).tocsr()
rt.Solver({methods}).solve(A, np.ones(1000))
"""


def engine_overhead(learner: str, steps: int = 2000) -> tuple[float, float]:
    """Median microseconds that a whole ``solve`` takes beyond preparing and iterating, at n = 1,024.

    Returns what the engine itself adds (choose, verify, learn, record), and that plus the checks at the door.
    """
    simulation = rt.gallery.heat(nx=33, steps=steps)
    solver = rt.Solver(learner=learner, seed=0)
    whole = []
    for system in simulation:
        begin = time.perf_counter()
        x = solver.solve(system.A, system.b, x0=system.x0, context=system.context)
        whole.append(time.perf_counter() - begin)
        simulation.advance(x)
    records = list(solver.history)
    engine = statistics.median(record.overhead for record in records[100:])
    everything = statistics.median(
        took - record.seconds for took, record in zip(whole[100:], records[100:], strict=True)
    )
    return 1e6 * engine, 1e6 * everything


def bare_solve() -> float:
    """Median microseconds of preparing and iterating one system of that stream by hand."""
    simulation = rt.gallery.heat(nx=33, steps=500)
    method, values, prepared, took = METHODS["ssor_cg"], {"omega": 1.5}, None, []
    door = Door()
    for system in simulation:
        instance = door.admit(system.A, system.b, None, rtol=1e-8, atol=0.0)
        begin = time.perf_counter()
        prepared = method.prepare(instance, values, prepared)
        progress = method.iterate(prepared, instance, values, system.x0, Stop(instance.target, 10_000))
        took.append(time.perf_counter() - begin)
        simulation.advance(progress.x)
    return 1e6 * float(np.median(took[50:]))


def whole_process(arguments: list[str], environment: dict[str, str] | None = None, repeats: int = 7) -> float:
    """Median wall-clock of a fresh process, after one that is not counted where it is to be repeated."""
    took = []
    for _ in range(repeats):
        begin = time.perf_counter()
        subprocess.run(arguments, check=True, capture_output=True, env={**os.environ, **(environment or {})})
        took.append(time.perf_counter() - begin)
    return statistics.median(took[1:] if repeats > 1 else took)


def start_up() -> list[list[str]]:
    """Seconds of help, of importing, and of a first solve with a warm and with an empty cache."""
    python = sys.executable
    command = str(Path(python).parent / "reiterate")
    one, default = (FIRST_SOLVE.format(methods=methods) for methods in ('["ssor_cg(omega=1.5)"]', ""))
    rows = [
        ["`reiterate --help`", whole_process([command, "--help"])],
        ["`import reiterate`", whole_process([python, "-c", "import reiterate"])],
        ["NumPy, SciPy and Numba imported, nothing else", whole_process([python, "-c", "import numba, scipy.sparse"])],
        ["first solve in a fresh process, warm cache, one configuration", whole_process([python, "-c", one])],
        ["first solve in a fresh process, warm cache, defaults", whole_process([python, "-c", default])],
    ]
    for name, code, background in (
        ("first solve ever, one configuration, which is compiled", one, "1"),
        ("first solve ever, defaults, kernels compiled in the background", default, "1"),
        ("first 100 solves ever, defaults, kernels compiled in the background", MANY_SOLVES, "1"),
        ("the same with `REITERATE_BACKGROUND=0`: each kernel compiled when it is first needed", MANY_SOLVES, "0"),
    ):
        with empty_cache() as empty:
            cold = {"NUMBA_CACHE_DIR": str(empty), "REITERATE_BACKGROUND": background}
            rows.append([name, whole_process([python, "-c", code], cold, repeats=1)])
    rows.append(["first 100 solves in a fresh process, warm cache", whole_process([python, "-c", MANY_SOLVES])])
    return [[name, f"{seconds:.2f}"] for name, seconds in rows]


def main() -> None:
    print(describe_machine())
    bare = bare_solve()
    header = ["learner", "engine, µs", "engine and door, µs"]
    learners = {name: engine_overhead(name) for name in ("fixed", "auto", "tsallis_inf", "cheb_cb")}
    table = markdown_table(header, [[name, f"{a:.0f}", f"{b:.0f}"] for name, (a, b) in learners.items()])
    starts = start_up()
    start_table = markdown_table(["start-up", "seconds"], starts)
    text = (
        f"Measured on: {describe_machine()}.\n\n{table}\n\nFor comparison: preparing and iterating "
        f"`ssor_cg(omega=1.5)` takes {bare:.0f} µs on these systems (median).\n\n{start_table}"
    )
    print(text)
    rows = [
        (f"{name}: {what}", value)
        for name, pair in learners.items()
        for what, value in zip(header[1:], pair, strict=True)
    ]
    rows += [(name, float(seconds)) for name, seconds in starts]
    write_csv("overhead.csv", ["what", "value"], rows)
    fill_page(PAGE, "overhead", text)
    added = max(pair[1] for pair in learners.values())
    fill_page(
        README,
        "start",
        f"Checking the input, deciding, verifying, learning and recording add at most {added:.0f} µs to a solve at "
        f"n = 1,024, in the median ([docs/overhead.md](docs/overhead.md)). Starting:\n\n{start_table}",
    )


if __name__ == "__main__":
    main()
