"""What ``regret_live`` measured, as the tables and the picture of section ``live``."""

from __future__ import annotations

import argparse
import math
import statistics
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import reiterate as rt
from machine import RESULTS, describe_machine, fill_page, markdown_table, write_csv
from petsc_client import find_petsc
from regret_live import HOPELESS, HOPELESS_PEER, LENGTHS, OURS, Comparison, Run, compare
from regret_replay import break_even, spelled
from regret_streams import streams
from reiterate.engine.explorer import Explorer

RATIOS = [
    "ours / best fixed",
    "ours / best of every instance",
    "ours / best peer",
    "Tsallis-INF / best fixed",
    "ChebCB / best fixed",
]
COLUMNS = [
    "stream",
    "solves",
    "best fixed configuration",
    "ours / it",
    "Tsallis-INF / it",
    "best peer",
    "ours / peer",
    "breaks even after",
    "Tsallis-INF after",
    "trying",
    "deciding, µs",
]


def best(runs: dict[str, Run], steps: int) -> tuple[str, float]:
    """Who took least for the first so many solves, and how long."""
    name = min(runs, key=lambda name: runs[name].total(steps), default="")
    return name, runs[name].total(steps) if name else math.inf


def instance_optimal(runs: dict[str, Run], steps: int) -> float:
    """The best fixed configuration of every single solve: states kept by each for itself."""
    table = [run.seconds[:steps] for run in runs.values() if len(run.seconds) >= steps]
    return float(np.min(table, axis=0).sum()) if table else math.inf


def ratios(comparison: Comparison) -> list[list[object]]:
    """One row for every length of the stream: ours over the best fixed, the best of every instance, the best peer."""
    mine = comparison.own[OURS]
    rows: list[list[object]] = []
    for steps in (length for length in LENGTHS if length <= len(comparison.stream.systems)):
        total = mine.total(steps)
        _, fixed = best(comparison.fixed, steps)
        _, rival = best(comparison.rivals, steps)
        optimal = instance_optimal(comparison.fixed, steps)
        learners = [comparison.own[name].total(steps) / fixed for name in ("Tsallis-INF", "ChebCB")]
        rows.append([comparison.stream.name, steps, total, total / fixed, total / optimal, total / rival, *learners])
    return rows


def summary(comparison: Comparison) -> list[str]:
    """The row of a stream in the table of the whole."""
    steps = len(comparison.own[OURS].seconds)
    mine, solver = comparison.own[OURS], comparison.solver
    fixed, seconds = best(comparison.fixed, steps)
    rival, theirs = best(comparison.rivals, steps)
    solves = max(len(solver.history), 1)
    return [
        f"{comparison.stream.name} ({comparison.stream.size:,})",
        str(steps),
        f"`{fixed}`" if math.isfinite(seconds) else f"none within {HOPELESS:.0f} times ours",
        _over(mine.total(steps), seconds, HOPELESS),
        _over(comparison.own["Tsallis-INF"].total(steps), seconds, HOPELESS),
        rival if math.isfinite(theirs) else f"none within {HOPELESS_PEER:.0f} times ours",
        _over(mine.total(steps), theirs, HOPELESS_PEER),
        spelled(break_even(mine.seconds, comparison.rivals[rival].seconds)),
        spelled(break_even(comparison.own["Tsallis-INF"].seconds, comparison.rivals[rival].seconds)),
        f"{100.0 * _trying(solver):.1f} %",
        f"{1e6 * solver.history.deciding / solves:.0f}",
    ]


def _over(mine: float, theirs: float, hopeless: float) -> str:
    """A ratio; where nobody got to the end in time, a bound."""
    return f"{mine / theirs:.2f}" if math.isfinite(theirs) else f"< {1.0 / hopeless:.2f}"


def _trying(solver: rt.Solver) -> float:
    """Share of all cost that trials took beyond what the incumbent was believed to take."""
    policies = [policy for policy in solver._engine.policies() if isinstance(policy, Explorer)]
    return sum(policy.trials.spent for policy in policies) / max(sum(policy.total for policy in policies), 1e-12)


def draw(comparisons: list[Comparison]) -> None:
    """Cumulative time over that of the best fixed configuration, solve by solve."""
    columns = 4
    figure = Figure(figsize=(13.0, 2.5 * math.ceil(len(comparisons) / columns)), layout="constrained")
    axes = figure.subplots(math.ceil(len(comparisons) / columns), columns, squeeze=False).ravel()
    for axis, comparison in zip(axes, comparisons, strict=False):
        steps = len(comparison.own[OURS].seconds)
        name, _ = best(comparison.fixed, steps)
        reference = np.cumsum(comparison.fixed[name].seconds)
        rival, _ = best(comparison.rivals, steps)
        shown = [(OURS, comparison.own[OURS], "C0"), ("Tsallis-INF", comparison.own["Tsallis-INF"], "C1")]
        shown += [(rival, comparison.rivals[rival], "C7")] if rival else []
        for label, run, color in shown:
            length = min(len(run.seconds), reference.size)
            axis.plot(
                np.arange(1, length + 1), np.cumsum(run.seconds[:length]) / reference[:length], color=color, label=label
            )
        axis.axhline(1.0, color="0.6", linewidth=0.8)
        axis.set(title=comparison.stream.name, xscale="log", yscale="log")
        axis.legend(fontsize=6)
    for axis in axes[len(comparisons) :]:
        axis.set_visible(False)
    figure.supylabel("time so far / best fixed configuration's")
    figure.supxlabel("solves")
    figure.savefig(RESULTS / "regret_live.png", dpi=110)


def run(options: argparse.Namespace, page: Path) -> None:
    """Whole streams, solved by everybody; printed, and unless only some were asked for, written down."""
    client = find_petsc()
    comparisons, rows = [], []
    for stream in streams(options.only, options.steps, options.streams):
        comparison = compare(stream, client, options.rounds)
        comparisons.append(comparison)
        rows += ratios(comparison)
        print(" | ".join(summary(comparison)), flush=True)
        for row in rows[-len(LENGTHS) :]:
            if row[0] == stream.name:
                print("   ", *(f"{value:.3g}" if isinstance(value, float) else value for value in row), flush=True)
    if client is not None:
        client.close()
    if options.only:
        return
    write_csv("regret_live.csv", ["stream", "solves", "seconds", *RATIOS], rows)
    draw(comparisons)
    table = markdown_table(COLUMNS, [summary(comparison) for comparison in comparisons])
    picture = "![Time over the best fixed configuration's](../benchmarks/results/regret_live.png)"
    fill_page(page, "live", f"{table}\n\n{picture}")
    fill_page(page, "lengths", _by_length(rows))
    fill_page(page, "streams", _by_stream(rows))
    fill_page(page, "machine", f"Measured on: {describe_machine()}.")


def _by_stream(rows: list[list[object]]) -> str:
    """Ours over the best fixed configuration, and over the best peer, of every stream at every length."""
    table = []
    for name in dict.fromkeys(str(row[0]) for row in rows):
        of_stream = {int(row[1]): row for row in rows if row[0] == name}  # type: ignore[call-overload]
        cells = [name]
        for column in (3, 5):
            for length in LENGTHS:
                row = of_stream.get(length)
                # Zero stands for nobody that came to the end within the limit.
                ratio = 0.0 if row is None else float(row[column])  # type: ignore[arg-type]
                cells.append(f"{ratio:.2f}" if ratio else "" if row is None else "–")
        table.append(cells)
    lengths = [f"T = {length}" for length in LENGTHS]
    return markdown_table(["stream", *lengths, *(f"peer, {length}" for length in lengths)], table)


def _by_length(rows: list[list[object]]) -> str:
    """Medians and worst over the streams, for every length."""
    table = []
    for length in LENGTHS:
        of_length = [row for row in rows if row[1] == length]
        if not of_length:
            continue
        cells = [str(length), str(len(of_length))]
        for column in (3, 4, 5, 6, 7):
            values = [float(row[column]) for row in of_length if math.isfinite(float(row[column]))]  # type: ignore[arg-type]
            cells.append(f"{statistics.median(values):.2f} ({max(values):.2f})" if values else "")
        table.append(cells)
    return markdown_table(["solves", "streams", *RATIOS], table)
