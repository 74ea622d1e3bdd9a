"""Section ``kernels``: seconds an iteration against PETSc's same method on the same matrix."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import portfolio_targets
from machine import RESULTS, fill_page, markdown_table, processor_time, write_csv
from petsc_client import PetscClient, find_petsc
from portfolio_systems import Case, grid_systems, unstructured_systems
from portfolio_targets import PAGE, Target
from reiterate.contracts import Stop
from reiterate.linear.door import Door
from reiterate.linear.instance import LinearInstance
from reiterate.linear.portfolio import configuration, method

NO_PETSC = "PETSc is not installed: nothing to compare with (Debian: `apt install python3-petsc4py`)."


@dataclass(frozen=True, eq=False)
class Pair:
    """One of our configurations, and PETSc's options for the same."""

    ours: str
    petsc: dict[str, str]
    label: str
    symmetric: bool
    few: int
    many: int
    bound: float


PAIRS = (
    Pair("jacobi_cg", {"ksp_type": "cg", "pc_type": "jacobi"}, "CG + Jacobi", True, 5, 45, 1.0),
    Pair("ic_cg(modification=0.0)", {"ksp_type": "cg", "pc_type": "icc"}, "CG + ICC(0)", True, 5, 45, 1.0),
    Pair("ssor_cg(omega=1.0)", {"ksp_type": "cg", "pc_type": "eisenstat"}, "CG + Eisenstat", True, 5, 45, 0.6),
    Pair(
        "ilu_gmres(restart=30)",
        {"ksp_type": "gmres", "ksp_gmres_restart": "30", "pc_type": "ilu"},
        "GMRES(30) + ILU(0)", False, 30, 90, 1.0,
    ),
    Pair("ilu_bicgstab", {"ksp_type": "bcgs", "pc_type": "ilu"}, "BiCGStab + ILU(0)", False, 4, 24, 1.0),
)  # fmt: skip
TWO_THREADS_BOUND = 0.65
WHO = ("1", "2", "petsc 1", "petsc 2")  # PETSc: by the clock that serves for so many threads of ours
_FAST = 2e-3


class Ours:
    """A configuration, prepared for one matrix."""

    def __init__(self, spelling: str, instance: LinearInstance, threads: int) -> None:
        chosen = configuration(spelling)
        self._method, self._values = method(chosen.method), chosen.values
        self._method.warm_up()
        self._instance, self._threads = instance, threads
        self._prepared = self._method.prepare(instance, self._values)
        self._start = np.zeros(instance.b.size)

    def iterate(self, few: int, many: int) -> float:
        """Seconds an iteration: the slope between a short run and a long one."""
        clock = processor_time if self._threads == 1 else time.perf_counter
        seconds, made = [], []
        for count in (few, many):
            begin = clock()
            progress = self._method.iterate(self._prepared, self._instance, self._values, self._start, Stop(0.0, count))
            seconds.append(clock() - begin)
            made.append(progress.iterations)
        assert made == [few, many], f"{self._method.name} ended by itself: {made}"
        return (seconds[1] - seconds[0]) / (many - few)


def thread_counts() -> tuple[int, ...]:
    """One thread, and two where there are two cores."""
    return (1, 2) if (os.cpu_count() or 1) > 1 else (1,)


def measure(name: str, cases: tuple[Case, Case], rounds: int, petsc: PetscClient | None) -> list[dict[str, Any]]:
    """Medians over rounds in which all contenders take turns."""
    contenders: dict[tuple[Pair, str], Any] = {}
    for symmetric, (A, b) in zip((True, False), cases, strict=True):
        # A target of zero keeps iterations going.
        instances = {
            threads: Door(threads=threads).admit(A, b, None, rtol=0.0, atol=1e-300) for threads in thread_counts()
        }
        matrix = f"{name} {symmetric}"
        if petsc is not None:
            petsc.load(matrix, A, b, definite=symmetric)
        for pair in (pair for pair in PAIRS if pair.symmetric == symmetric):
            for threads, instance in instances.items():
                ours = Ours(pair.ours, instance, threads)
                contenders[pair, f"{threads}"] = ours.iterate
            if petsc is not None:
                for threads in thread_counts():
                    contenders[pair, f"petsc {threads}"] = _petsc_iterate(petsc, matrix, pair, wall=threads > 1)
    samples: dict[tuple[Pair, str], list[float]] = {key: [] for key in contenders}
    for turn in range(rounds + 1):
        for (pair, who), iterate in contenders.items():
            # The first round only warms up; short runs are repeated.
            seconds = [iterate(pair.few, pair.many)]
            if turn:
                seconds += [iterate(pair.few, pair.many) for _ in range(2 if seconds[0] < _FAST else 0)]
                samples[pair, who].append(float(np.median(seconds)))
    if petsc is not None:
        for symmetric in (True, False):
            petsc.call("forget", name=f"{name} {symmetric}")
    return [_row(name, cases[0][1].size, pair, samples) for pair in PAIRS]


def _petsc_iterate(petsc: PetscClient, matrix: str, pair: Pair, *, wall: bool) -> Any:
    def iterate(few: int, many: int) -> float:
        answer = petsc.call("iterate", name=matrix, options=pair.petsc, few=few, many=many, wall=wall)
        assert answer["made"] == [few, many], f"PETSc's {pair.label} ended by itself: {answer['made']}"
        return float(answer["seconds"])

    return iterate


def _row(name: str, size: int, pair: Pair, samples: dict[tuple[Pair, str], list[float]]) -> dict[str, Any]:
    row: dict[str, Any] = {"matrix": name, "n": size, "pair": pair}
    for who in WHO:
        found = samples.get((pair, who))
        if found:
            row[who] = float(np.median(found))
            row[f"{who} spread"] = float(np.subtract(*np.percentile(found, [75, 25])) / np.median(found))
    for who in ("1", "2"):
        if who in row and f"petsc {who}" in row:
            ratios = np.divide(samples[pair, who], samples[pair, f"petsc {who}"])
            row[f"ratio {who}"] = float(np.median(ratios))
    return row


def run(quick: bool) -> None:
    """Measure, and fill the section of the page."""
    petsc = find_petsc()
    note = NO_PETSC if petsc is None else f"PETSc {petsc.version}, one process, in {petsc.where}."
    print(note, flush=True)
    rows: list[dict[str, Any]] = []
    grids, points, rounds = ([32], 20_000, 3) if quick else ([48, 100], 150_000, 7)
    for size in grids:
        rows += measure(f"7-point, {size}³", grid_systems(size), rounds, petsc)
        _show(rows[-len(PAIRS) :])
    rows += measure("P1 on random points", unstructured_systems(points), rounds, petsc)
    _show(rows[-len(PAIRS) :])
    if petsc is not None:
        petsc.close()
    _publish(rows, note, rounds)


def _show(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        figures = ", ".join(f"{key} {value:.4g}" for key, value in row.items() if isinstance(value, float))
        print(f"  {row['matrix']}: {row['pair'].label}: {figures}", flush=True)


def _publish(rows: list[dict[str, Any]], note: str, rounds: int) -> None:
    threads = [f"{count}" for count in thread_counts()]
    header = ["matrix", "method", "PETSc ms", *(f"ours ms, {t} thr." for t in threads)]
    header += [f"ratio, {t} thr." for t in threads] + ["spread"]
    table = [
        [
            f"{row['matrix']} ({row['n']:,})",
            row["pair"].label,
            *(f"{1e3 * row[who]:.2f}" if who in row else "" for who in ("petsc 1", *threads)),
            *(f"{row[f'ratio {t}']:.2f}" if f"ratio {t}" in row else "" for t in threads),
            f"{100 * max(row.get('1 spread', 0.0), row.get('petsc 1 spread', 0.0)):.0f} %",
        ]
        for row in rows
    ]
    write_csv(
        "portfolio_kernels.csv",
        ["matrix", "n", "method", "who", "milliseconds an iteration", "interquartile range over median"],
        [
            (row["matrix"], row["n"], row["pair"].ours, who, 1e3 * row[who], row[f"{who} spread"])
            for row in rows
            for who in WHO
            if who in row
        ],
    )
    text = f"{note} Medians of {rounds} rounds; the ratio is the median of the rounds' ratios; the spread is the "
    text += "larger interquartile range over its median.\n\n" + markdown_table(header, table)
    if any("ratio 1" in row for row in rows):
        _draw(rows)
        text += "\n\n![Milliseconds an iteration over PETSc's](../benchmarks/results/portfolio_kernels.png)"
        portfolio_targets.record("kernels", _targets(rows))
    fill_page(PAGE, "kernels", text)


def _targets(rows: list[dict[str, Any]]) -> list[Target]:
    found = []
    for pair in PAIRS:
        group = [row for row in rows if row["pair"] is pair]
        for threads, bound in (("1", pair.bound), ("2", TWO_THREADS_BOUND)):
            if f"ratio {threads}" in group[0]:
                worst = max(group, key=lambda row: row[f"ratio {threads}"])
                words = "one thread" if threads == "1" else "two threads"
                what = f"iteration of {pair.label} over PETSc's, {words}, worst of {len(group)} ({worst['matrix']})"
                found.append(Target("kernels", what, bound, worst[f"ratio {threads}"]))
    return found


def _draw(rows: list[dict[str, Any]]) -> None:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    matrices = list(dict.fromkeys(row["matrix"] for row in rows))
    series = [(matrix, threads) for threads in ("1", "2") for matrix in matrices]
    series = [(m, t) for m, t in series if any(row["matrix"] == m and f"ratio {t}" in row for row in rows)]
    width = 0.8 / len(series)
    for k, (matrix, threads) in enumerate(series):
        group = [row for row in rows if row["matrix"] == matrix]
        places = np.arange(len(group)) + (k - (len(series) - 1) / 2) * width
        label = matrix if len(series) == len(matrices) else f"{matrix}, {threads} thr."
        axes.bar(places, [row[f"ratio {threads}"] for row in group], width, label=label)
    axes.axhline(1.0, color="black", lw=0.8)
    axes.set_xticks(np.arange(len(PAIRS)), [pair.label for pair in PAIRS], fontsize=8)
    axes.set(ylabel="time of an iteration / PETSc's")
    axes.legend(fontsize=8)
    figure.savefig(RESULTS / "portfolio_kernels.png", dpi=110)
