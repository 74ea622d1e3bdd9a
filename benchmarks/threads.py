"""What two threads gain: iterations of conjugate gradients and the STREAM triad, one thread against two.

    python benchmarks/threads.py

The triad (a = b + s c) on arrays of the same total size says what the memory allows. Runs with one and two threads
alternate, and the best of several rounds counts, because other programs disturb two threads more than one. Prints a
table and writes ``benchmarks/results/threads.csv``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from machine import describe_machine, markdown_table, write_csv
from reiterate import gallery
from reiterate.contracts import Stop
from reiterate.kernels.compiling import kernel
from reiterate.kernels.spmd import barrier, join
from reiterate.linear import team
from reiterate.linear.door import Door
from reiterate.linear.portfolio import METHODS

NAMES = ("cg", "jacobi_cg", "ssor_cg", "ic_cg")
COLUMNS = ("what", "n", "one thread, µs", "two threads, µs", "ratio")


@kernel
def triad(a, b, c, factor, repetitions, bounds, board, thread):
    threads = join(board, thread)
    if threads == 0:
        return
    for _ in range(repetitions):
        for part in range(thread, bounds.size - 1, threads):
            for i in range(bounds[part], bounds[part + 1]):
                a[i] = b[i] + factor * c[i]
        barrier(board, thread, threads)


def best_of_rounds(run: Callable[[int, int], float], repetitions: int, rounds: int) -> list[float]:
    """Seconds of one repetition with one and two threads, taken in turns.

    The slope between the best short and the best long run, so that the costs of starting cancel. (The best of slopes
    would reward a disturbed short run.)
    """
    caps = (1, 1 + repetitions)
    found = np.array([[[run(threads, cap) for cap in caps] for threads in (1, 2)] for _ in range(rounds + 1)])
    short, long = found[1:].min(axis=0).T
    return [float(seconds) for seconds in (long - short) / repetitions]


def triad_seconds(n: int, rounds: int) -> list[float]:
    """Seconds of one triad with vectors of n numbers."""
    a, b, c = np.zeros(n), np.ones(n), np.ones(n)
    bounds = {threads: np.linspace(0, n, threads + 1).astype(np.uint64) for threads in (1, 2)}

    def run(threads: int, repetitions: int) -> float:
        begin = time.perf_counter()
        team.call(threads, triad, a, b, c, 0.5, repetitions, bounds[threads])
        return time.perf_counter() - begin

    return best_of_rounds(run, max(5, 10_000_000 // n), rounds)


def iteration_seconds(name: str, size: int, rounds: int) -> list[float]:
    """Seconds of one iteration on ``diffusion3d``."""
    method = METHODS[name]
    values = {parameter.name: parameter.default for parameter in method.parameters}
    system = next(iter(gallery.diffusion3d(size, steps=1, seed=0)))
    doors = {threads: Door(threads=threads) for threads in (1, 2)}
    instances = {
        threads: door.admit(system.A, system.b, None, rtol=1e-300, atol=0.0) for threads, door in doors.items()
    }
    prepared = {threads: method.prepare(instance, values) for threads, instance in instances.items()}
    start = np.zeros(size**3)

    def run(threads: int, iterations: int) -> float:
        begin = time.perf_counter()
        progress = method.iterate(prepared[threads], instances[threads], values, start, Stop(0.0, iterations))
        seconds = time.perf_counter() - begin
        assert progress.iterations == iterations
        return seconds

    return best_of_rounds(run, max(10, 4_000_000 // size**3), rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[48, 100], help="cells along an edge of the cube")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    rows = []

    def note(what: str, n: int, one: float, two: float) -> None:
        rows.append([what, str(n), f"{one * 1e6:.0f}", f"{two * 1e6:.0f}", f"{two / one:.2f}"])
        print(*rows[-1], sep="  ", flush=True)

    for size in options.sizes:
        n = size**3
        for numbers in (n, 7 * n):
            note(f"triad, vectors of {numbers}", n, *triad_seconds(numbers, options.rounds))
        for name in NAMES:
            note(name, n, *iteration_seconds(name, size, options.rounds))
    write_csv("threads.csv", COLUMNS, rows)
    print(describe_machine())
    print(markdown_table(COLUMNS, rows))


if __name__ == "__main__":
    main()
