"""What ``regret_live`` measured, as the tables and the picture of section ``live``."""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from machine import RESULTS, describe_machine, fill_page, markdown_table, write_csv
from regret_live import HOPELESS, HOPELESS_PEER, LENGTHS, OURS, PETSC, Petsc, compare
from regret_replay import spelled
from regret_runs import (
    PARTS,
    Comparison,
    best,
    best_elsewhere,
    breaks_even,
    instance_optimal,
    instance_optimal_elsewhere,
)
from regret_streams import streams

COLUMNS = [
    "stream",
    "solves",
    "best fixed configuration",
    "ours / it",
    "cross-validated",
    "Tsallis-INF / it",
    "best peer",
    "ours / peer",
    *PARTS,
]
PEERS = {
    "SciPy spsolve": "SciPy `spsolve`",
    "SciPy cg": "SciPy `cg`",
    "SciPy gmres(30)": "SciPy `gmres(30)`",
    "PyAMG smoothed aggregation": "PyAMG",
    PETSC: "PETSc's default",
    "PETSc CG + ICC": "PETSc CG + ICC",
}
PICTURE = "![Time over the best fixed configuration's](../benchmarks/results/regret_live.png)"


@dataclass(frozen=True)
class Row:
    """Ratios of ours, and of the learners, on the first solves of a stream; infinite where nobody else got there."""

    stream: str
    solves: int
    seconds: float
    fixed: float
    fixed_elsewhere: float
    optimal: float
    optimal_elsewhere: float
    peer: float
    tsallis_inf: float
    cheb_cb: float
    shares: tuple[float, ...]

    def cells(self) -> list[object]:
        """For the file."""
        ratios = [self.fixed, self.fixed_elsewhere, self.optimal, self.optimal_elsewhere, self.peer]
        return [self.stream, self.solves, self.seconds, *ratios, self.tsallis_inf, self.cheb_cb, *self.shares]


RATIOS: dict[str, Callable[[Row], float]] = {
    "ours / best fixed": lambda row: row.fixed,
    "cross-validated": lambda row: row.fixed_elsewhere,
    "ours / best of every instance": lambda row: row.optimal,
    "that cross-validated": lambda row: row.optimal_elsewhere,
    "ours / best peer": lambda row: row.peer,
    "Tsallis-INF / best fixed": lambda row: row.tsallis_inf,
    "ChebCB / best fixed": lambda row: row.cheb_cb,
}


def rows_of(comparison: Comparison) -> list[Row]:
    """One row for every length of the stream."""
    return [_row(comparison, length) for length in LENGTHS if length <= comparison.own[OURS].made()]


def _row(comparison: Comparison, steps: int) -> Row:
    total = comparison.own[OURS].total(steps)
    _, fixed = best(comparison.fixed, steps)
    _, rival = best(comparison.rivals, steps)
    return Row(
        comparison.name,
        steps,
        total,
        fixed=total / fixed,
        fixed_elsewhere=total / best_elsewhere(comparison.fixed, steps),
        optimal=total / instance_optimal(comparison.fixed, steps),
        optimal_elsewhere=total / instance_optimal_elsewhere(comparison.fixed, steps),
        peer=total / rival,
        tsallis_inf=comparison.own["Tsallis-INF"].total(steps) / fixed,
        cheb_cb=comparison.own["ChebCB"].total(steps) / fixed,
        shares=tuple(comparison.share(part, steps) for part in PARTS),
    )


def summary(comparison: Comparison) -> list[str]:
    """The row of a stream in the table of the whole."""
    mine = comparison.own[OURS]
    steps = mine.made()
    fixed, seconds = best(comparison.fixed, steps)
    rival, theirs = best(comparison.rivals, steps)
    return [
        f"{comparison.name} ({comparison.size:,})",
        str(steps),
        f"`{fixed}`" if math.isfinite(seconds) else f"none within {HOPELESS:.0f} times ours",
        _over(mine.total(steps), seconds, HOPELESS),
        _ratio(mine.total(steps) / best_elsewhere(comparison.fixed, steps)),
        _over(comparison.own["Tsallis-INF"].total(steps), seconds, HOPELESS),
        rival if math.isfinite(theirs) else f"none within {HOPELESS_PEER:.0f} times ours",
        _over(mine.total(steps), theirs, HOPELESS_PEER),
        *(f"{100.0 * comparison.share(part, steps):.1f} %" for part in PARTS),
    ]


def _over(mine: float, theirs: float, hopeless: float) -> str:
    """A ratio; where nobody got to the end in time, a bound."""
    return f"{mine / theirs:.2f}" if math.isfinite(theirs) else f"< {1.0 / hopeless:.2f}"


def _ratio(value: float) -> str:
    """Zero stands for nobody that came to the end within the limit, no number for what one round cannot tell."""
    return f"{value:.2f}" if math.isfinite(value) and value > 0.0 else "–"


def break_even(comparison: Comparison) -> list[str]:
    """Solves until our default has taken no longer than each peer, and than the best of them."""
    mine = comparison.own[OURS]
    cells = [comparison.name]
    for peer in PEERS:
        run = comparison.rivals.get(peer)
        failed = run is None or bool(run.failed)
        cells.append("" if run is None else "fails" if failed else spelled(breaks_even(mine, run)))
    rival, seconds = best(comparison.rivals, mine.made())
    players = (mine, comparison.own["Tsallis-INF"])
    if not math.isfinite(seconds):
        return [*cells, *("1" for _ in players)]
    return [*cells, *(spelled(breaks_even(run, comparison.rivals[rival])) for run in players)]


def draw(comparisons: Sequence[Comparison]) -> None:
    """Cumulative time over that of the best fixed configuration, solve by solve."""
    columns = 4
    figure = Figure(figsize=(13.0, 2.5 * math.ceil(len(comparisons) / columns)), layout="constrained")
    axes = figure.subplots(math.ceil(len(comparisons) / columns), columns, squeeze=False).ravel()
    for axis, comparison in zip(axes, comparisons, strict=False):
        steps = comparison.own[OURS].made()
        reference = comparison.fixed[best(comparison.fixed, steps)[0]].curve()
        rival, _ = best(comparison.rivals, steps)
        shown = [(OURS, comparison.own[OURS], "C0"), ("Tsallis-INF", comparison.own["Tsallis-INF"], "C1")]
        shown += [(rival, comparison.rivals[rival], "C7")] if rival else []
        for label, run, color in shown:
            curve = run.curve()[: reference.size]
            axis.plot(np.arange(1, curve.size + 1), curve / reference[: curve.size], color=color, label=label)
        axis.axhline(1.0, color="0.6", linewidth=0.8)
        axis.set(title=comparison.name, xscale="log", yscale="log")
        axis.legend(fontsize=6)
    for axis in axes[len(comparisons) :]:
        axis.set_visible(False)
    figure.supylabel("time so far / best fixed configuration's")
    figure.supxlabel("solves")
    figure.savefig(RESULTS / "regret_live.png", dpi=110)


def run(options: argparse.Namespace, page: Path) -> None:
    """Whole streams, solved by everybody; printed, and unless only some were asked for, written down."""
    comparisons, rows = [], []
    for comparison in _comparisons(options):
        comparisons.append(comparison)
        of_stream = rows_of(comparison)
        rows += of_stream
        print(" | ".join(summary(comparison)), flush=True)
        print("    breaks even:", " | ".join(break_even(comparison)[1:]), flush=True)
        for row in rows_of(comparison):
            print("   ", *(f"{cell:.3g}" if isinstance(cell, float) else cell for cell in row.cells()[1:]), flush=True)
    if not options.only:
        write(comparisons, rows, page)
        fill_page(page, "machine", f"{options.rounds} rounds. Measured on: {describe_machine()}.")


def _comparisons(options: argparse.Namespace) -> Iterator[Comparison]:
    """Of all streams asked for; those that an earlier run has kept are not measured again."""
    petsc = Petsc()
    for stream in streams(options.only, options.steps, options.streams):
        kept = None if options.keep is None else Comparison.load(options.keep, stream.name)
        if kept is None or kept.solves != len(stream.systems):
            kept = compare(stream, petsc, options.rounds)
            if options.keep is not None:
                kept.save(options.keep)
        yield kept
    petsc.close()


def write(comparisons: Sequence[Comparison], rows: Sequence[Row], page: Path) -> None:
    """Tables and picture."""
    header = ["stream", "solves", "seconds", *RATIOS, *PARTS]
    write_csv("regret_live.csv", header, [row.cells() for row in rows])
    even = [break_even(comparison) for comparison in comparisons]
    write_csv("regret_break_even.csv", ["stream", *PEERS, "best peer", "Tsallis-INF: best peer"], even)
    draw(comparisons)
    fill_page(page, "live", f"{markdown_table(COLUMNS, [summary(one) for one in comparisons])}\n\n{PICTURE}")
    columns = ["stream", *PEERS.values(), "the best of them", "Tsallis-INF: the best of them"]
    fill_page(page, "break-even", markdown_table(columns, even))
    fill_page(page, "lengths", _by_length(rows))
    fill_page(page, "streams", _by_stream(rows, lambda row: _pair(row.fixed, row.fixed_elsewhere)))
    fill_page(page, "optimal", _by_stream(rows, lambda row: _pair(row.optimal, row.optimal_elsewhere)))
    fill_page(page, "peers", _by_stream(rows, lambda row: _ratio(row.peer)))
    fill_page(page, "shares", _by_stream(rows, lambda row: " + ".join(_percent(share) for share in row.shares[:3])))


def _pair(measured: float, elsewhere: float) -> str:
    return _ratio(measured) if _ratio(elsewhere) == "–" else f"{_ratio(measured)} ({_ratio(elsewhere)})"


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f}" if share < 0.0995 else f"{100.0 * share:.0f}"


def _by_stream(rows: Sequence[Row], cell: Callable[[Row], str]) -> str:
    """One figure of every stream at every length."""
    table = []
    for name in dict.fromkeys(row.stream for row in rows):
        of_stream = {row.solves: row for row in rows if row.stream == name}
        table.append([name, *(cell(of_stream[length]) if length in of_stream else "" for length in LENGTHS)])
    return markdown_table(["stream", *(f"T = {length}" for length in LENGTHS)], table)


def _by_length(rows: Sequence[Row]) -> str:
    """Medians and worst over the streams, for every length."""
    table = []
    for length in LENGTHS:
        of_length = [row for row in rows if row.solves == length]
        if not of_length:
            continue
        cells = [str(length), str(len(of_length))]
        for ratio in RATIOS.values():
            values = [ratio(row) for row in of_length if math.isfinite(ratio(row))]
            cells.append(f"{statistics.median(values):.2f} ({max(values):.2f})" if values else "")
        table.append(cells)
    return markdown_table(["solves", "streams", *RATIOS], table)
