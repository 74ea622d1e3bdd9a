"""What a program of about five seconds takes on a machine where no kernel of reiterate is compiled yet.

    python benchmarks/cold_start.py

Whole processes, imports included: with plain SciPy; with ``reiterate.Solver`` and an empty directory as Numba's cache,
with and without compiling in the background; and once more when the background process has done its work. Writes
``benchmarks/results/cold_start.csv`` and fills ``docs/overhead.md``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from machine import QUICK, describe_machine, fill_page, markdown_table, write_csv
from reiterate.kernels.ready import alone

PAGE = Path(__file__).parent.parent / "docs" / "overhead.md"
REPEATS = 1

PROGRAM = """
import warnings
import numpy as np
import scipy.sparse.linalg as sla
from reiterate import gallery

simulation = gallery.{stream}
{solve}
for system in simulation:
    x = solve(system)
    assert np.linalg.norm(system.b - system.A @ x) <= 1.01e-8 * np.linalg.norm(system.b)
    simulation.advance(x)
"""
CG = """
def solve(system):
    return sla.cg(system.A, system.b, x0=system.x0, rtol=1e-8)[0]
"""
DIRECT = """
def solve(system):
    return sla.spsolve(system.A.tocsc(), system.b)
"""
TUNED = """
import reiterate
solver = reiterate.Solver(rtol=1e-8)
def solve(system):
    return solver.solve(system.A, system.b, x0=system.x0, context=system.context)
"""
PROGRAMS = {
    "`diffusion3d`, 46,656 unknowns, `cg`": ("diffusion3d(size=36, steps={steps})", CG, 80),
    "`thermal_block`, 20,880 unknowns, `spsolve`": ("thermal_block(blocks=4, cells=36, steps={steps})", DIRECT, 75),
    "`convection`, 10,000 unknowns, `spsolve`": ("convection(nx=100, steps={steps})", DIRECT, 200),
}


@contextlib.contextmanager
def empty_cache() -> Iterator[Path]:
    """A directory for Numba that is not removed before nobody compiles into it any more."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)
        wait_for_compiling(Path(directory))


def wait_for_compiling(cache: Path) -> float:
    """Seconds until no process compiles in the background for programs with this cache."""
    begin = time.perf_counter()
    for lock in cache.glob("*/reiterate-*.lock"):
        with alone(lock):
            pass
    return time.perf_counter() - begin


def seconds_of(code: str, cache: Path, *, background: bool) -> float:
    """Wall-clock of a fresh process that runs ``code``."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "REITERATE_BACKGROUND": str(int(background))}
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    return time.perf_counter() - begin


def measure(stream: str, plain: str, steps: int) -> list[float]:
    """Seconds with SciPy; the very first time; until all is compiled after that; the second time; in the foreground."""
    stream = stream.format(steps=max(steps // 10, 2) if QUICK else steps)
    scipy_program, tuned = (PROGRAM.format(stream=stream, solve=solve) for solve in (plain, TUNED))
    taken = []
    for _ in range(REPEATS):
        with empty_cache() as cache:
            with_scipy = seconds_of(scipy_program, cache, background=False)
            first = seconds_of(tuned, cache, background=True)
            compiling = wait_for_compiling(cache)
            second = seconds_of(tuned, cache, background=True)
        with empty_cache() as cache:
            taken.append([with_scipy, first, compiling, second, seconds_of(tuned, cache, background=False)])
    return [sorted(column)[len(column) // 2] for column in zip(*taken, strict=True)]


def main() -> None:
    print(describe_machine())
    header = [
        "program",
        "SciPy, s",
        "reiterate, the first time, s",
        "then compiled for another, s",
        "the second time, s",
        "the first time, all compiled in the foreground, s",
    ]
    found = {name: measure(*program) for name, program in PROGRAMS.items()}
    rows = [[name, *(f"{seconds:.1f}" for seconds in taken)] for name, taken in found.items()]
    runs = "one run each" if REPEATS == 1 else f"medians of {REPEATS} runs"
    text = f"Measured on: {describe_machine()}; {runs}.\n\n{markdown_table(header, rows)}"
    print(text)
    figures = [
        (f"{name}: {what}", value)
        for name, taken in found.items()
        for what, value in zip(header[1:], taken, strict=True)
    ]
    write_csv("cold_start.csv", ["what", "value"], figures)
    fill_page(PAGE, "cold", text)


if __name__ == "__main__":
    main()
