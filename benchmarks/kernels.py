"""Kernels against the bytes they must move, and against SciPy, in one process on one thread.

    python benchmarks/kernels.py

The bound is what a STREAM triad (a = b + s c) reaches in this very run. Writes ``benchmarks/results/kernels.csv`` and
fills ``docs/kernels.md``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from machine import describe_machine, fill_page, markdown_table, median_seconds, write_csv
from reiterate import gallery
from reiterate.contracts import Stop
from reiterate.kernels import csr
from reiterate.kernels.compiling import reduction_kernel
from reiterate.linear.door import Door
from reiterate.linear.instance import LinearInstance
from reiterate.linear.portfolio import METHODS
from reiterate.linear.work import traffic

PAGE = Path(__file__).parent.parent / "docs" / "kernels.md"
ROW_BYTES = {"cg": 84.0, "jacobi_cg": 100.0, "ssor_cg": 160.0, "sor": 44.0}


@reduction_kernel
def triad(a, b, c, s):
    for i in range(a.size):
        a[i] = b[i] + s * c[i]


def triad_bandwidth(n: int = 10_000_000) -> float:
    """Bytes a second of a STREAM triad on arrays of 80 MB, counted as STREAM does: 24 bytes an element."""
    a, b, c = np.zeros(n), np.ones(n), np.ones(n)
    return 24.0 * n / median_seconds(lambda: triad(a, b, c, 3.0), 11)


def seconds_an_iteration(name: str, instance: LinearInstance) -> float:
    """Slope between a short and a long run, so that starting costs cancel."""
    method = METHODS[name]
    values = {parameter.name: parameter.default for parameter in method.parameters}
    prepared = method.prepare(instance, values)
    start = np.zeros(instance.b.size)

    def run(iterations: int) -> float:
        return median_seconds(lambda: method.iterate(prepared, instance, values, start, Stop(0.0, iterations)), 9)

    few, many = 5, 45
    return (run(many) - run(few)) / (many - few)


def seconds_to_prepare(instance: LinearInstance) -> tuple[float, float]:
    """Median of building the level order from nothing, and of refreshing its numbers, for ssor_cg."""
    method, values = METHODS["ssor_cg"], {"omega": 1.5}
    prepared = method.prepare(instance, values)
    anew = median_seconds(lambda: method.prepare(instance, values), 5)
    return anew, median_seconds(lambda: method.prepare(instance, values, prepared), 9)


def measure(size: int, rounds: int) -> tuple[list[list[object]], dict[str, float]]:
    """All figures of one 7-point system of size^3 unknowns; medians over rounds that interleave the contenders."""
    system = next(iter(gallery.diffusion3d(size=size, steps=1)))
    A: sp.csr_array = system.A
    # A target of zero keeps iterations going; the right-hand side only needs to be there.
    instance = Door().admit(A, system.b, None, rtol=0.0, atol=1e-300)
    pattern, x, y = instance.pattern, np.random.default_rng(0).random(size**3), np.empty(size**3)
    samples: dict[str, list[float]] = {}
    for _ in range(rounds):
        found = {
            "triad": 1.0 / triad_bandwidth(),
            "scipy matvec": median_seconds(lambda: A @ x),
            "matvec": median_seconds(lambda: csr.matvec(pattern.indptr, pattern.indices, instance.data, x, y)),
            **{name: seconds_an_iteration(name, instance) for name in ROW_BYTES},
        }
        found["ssor_cg prepare"], found["ssor_cg refresh"] = seconds_to_prepare(instance)
        for name, value in found.items():
            samples.setdefault(name, []).append(value)
    median = {name: float(np.median(values)) for name, values in samples.items()}
    bandwidth = 1.0 / median["triad"]
    rows = []
    for name, seconds in median.items():
        if name == "triad":
            continue
        moved = traffic(pattern, entries=1.0, row_bytes=ROW_BYTES.get(name, 20.0))
        share = "" if "ssor_cg " in name else f"{moved / bandwidth / seconds:.2f}"
        rows.append([name, f"{1e3 * seconds:.3f}", f"{seconds / median['cg']:.2f}", share])
    return rows, median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, action="append", help="grid cells along a side (48, 80, 100)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median is taken")
    options = parser.parse_args()
    print(describe_machine())
    texts, rows = [], []
    header = ["", "milliseconds", "of a CG iteration", "of the bound"]
    for size in options.size or [48, 80, 100]:
        table, median = measure(size, options.rounds)
        rows += [(size**3, name, 1e3 * value if name != "triad" else 1e-9 / value) for name, value in median.items()]
        bound = f"STREAM triad: {1e-9 / median['triad']:.1f} GB/s"
        texts.append(f"**n = {size**3:,}** ({bound})\n\n{markdown_table(header, table)}")
        print(texts[-1], flush=True)
    write_csv("kernels.csv", ["n", "what", "milliseconds (triad: GB/s)"], rows)
    fill_page(PAGE, "kernels", f"Measured on: {describe_machine()}; one thread.\n\n" + "\n\n".join(texts))


if __name__ == "__main__":
    main()
