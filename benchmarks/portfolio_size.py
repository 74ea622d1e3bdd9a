"""Section ``size``: seconds against the number of unknowns."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

import reiterate as rt
from machine import RESULTS, fill_page, markdown_table, processor_time, write_csv
from portfolio_targets import PAGE
from reiterate import gallery
from reiterate.linear.portfolio import METHODS, configuration

CANDIDATES = ("amg_cg(bits=32)", "ic_cg(modification=0.95)", "ssor_cg(omega=1.8)", "factor_cg")
CAP_SECONDS = 20.0  # a candidate that takes longer is not tried on anything larger
STEPS = 3
RTOL = 1e-8


def solve_some(size: int, spelling: str) -> tuple[float, float, int]:
    """Seconds of the first system, mean seconds of the next two, and iterations of the first."""
    simulation = gallery.diffusion3d(size=size, steps=STEPS, dt=1.0)
    solver = rt.Solver([spelling], rtol=RTOL, fallback=None)
    METHODS[configuration(spelling).method].warm_up()
    seconds, iterations = [], 0
    for k, system in enumerate(simulation):
        begin = processor_time()
        x = solver.solve(system.A, system.b, x0=system.x0)
        seconds.append(processor_time() - begin)
        if k == 0:
            assert solver.last is not None
            iterations = solver.last.iterations
            if seconds[0] > CAP_SECONDS:
                return seconds[0], float("nan"), iterations
        simulation.advance(x)
    return seconds[0], float(np.mean(seconds[1:])), iterations


def run(quick: bool) -> None:
    """Measure, and fill the section of the page."""
    sizes = [22, 27, 34] if quick else [22, 34, 46, 64, 100, 126, 159]
    found: dict[str, dict[int, tuple[float, float, int]]] = {name: {} for name in CANDIDATES}
    running = list(CANDIDATES)
    for size in sizes:
        for spelling in list(running):
            # Three rounds, of which the median counts, as long as that takes no time.
            samples = [solve_some(size, spelling)]
            while len(samples) < 3 and samples[0][0] < 1.0:
                samples.append(solve_some(size, spelling))
            middle = sorted(samples)[len(samples) // 2]
            found[spelling][size**3] = middle
            print(f"  n = {size**3:,}: {spelling}: {middle[0]:.3f} s, then {middle[1]:.3f} s", flush=True)
            # A factor's cost grows like n²: what lies far beyond the cap is not begun.
            growth = 8.0 if spelling.startswith("factor") else 1.0
            if growth * middle[0] > CAP_SECONDS:
                running.remove(spelling)
    _publish(found)


def exponent(seconds: dict[int, float]) -> float:
    """Of the power of n that fits best, by least squares on logarithms."""
    return float(np.polyfit(np.log(list(seconds)), np.log(list(seconds.values())), 1)[0])


def _publish(found: dict[str, dict[int, tuple[float, float, int]]]) -> None:
    sizes = sorted({n for group in found.values() for n in group})
    rows = [[f"{n:,}", *(_cell(group.get(n)) for group in found.values())] for n in sizes]
    fits: list[Any] = []
    for which, words in ((0, "first"), (1, "later")):
        best = {n: min(g[n][which] for g in found.values() if n in g and g[n][which] > 0.0) for n in sizes}
        fits.append((words, exponent(best)))
    rows.append(["exponent, first", *(_fitted(group, 0) for group in found.values())])
    rows.append(["exponent, later", *(_fitted(group, 1) for group in found.values())])
    write_csv(
        "portfolio_size.csv",
        ["n", "method", "seconds of the first", "seconds of a later one", "iterations of the first"],
        [(n, name, *figures) for name, group in found.items() for n, figures in group.items()],
    )
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, group in found.items():
        (line,) = axes.loglog(list(group), [figures[0] for figures in group.values()], "o-", ms=4, label=name)
        later = {n: figures[1] for n, figures in group.items() if figures[1] > 0.0}
        axes.loglog(list(later), list(later.values()), "--", color=line.get_color())
    axes.set(xlabel="unknowns", ylabel="seconds (dashed: later systems)")
    axes.grid(alpha=0.25, which="both")
    axes.legend(fontsize=8)
    figure.savefig(RESULTS / "portfolio_size.png", dpi=110)
    best_words = "; ".join(f"{words} systems: seconds ∝ n^{value:.2f}" for words, value in fits)
    text = f"Best configuration at each size, {best_words}.\n\n"
    text += "Seconds of the first system / of a later one (iterations of the first):\n\n"
    text += markdown_table(["n", *(f"`{name}`" for name in found)], rows)
    text += "\n\n![Seconds against unknowns](../benchmarks/results/portfolio_size.png)"
    fill_page(PAGE, "size", text)


def _cell(figures: tuple[float, float, int] | None) -> str:
    return "" if figures is None else f"{figures[0]:.3f} / {figures[1]:.3f} ({figures[2]})"


def _fitted(group: dict[int, tuple[float, float, int]], which: int) -> str:
    seconds = {n: figures[which] for n, figures in group.items() if figures[which] > 0.0}
    return f"{exponent(seconds):.2f}" if len(seconds) > 2 else ""
