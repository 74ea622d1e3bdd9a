"""Section ``reuse``: what a stream gains by each way of using again what earlier systems left behind."""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse.linalg as spla
from matplotlib.figure import Figure

import portfolio_targets
import reiterate as rt
from machine import RESULTS, fill_page, markdown_table, processor_time, write_csv
from portfolio_ledger import Ledger, prices_of
from portfolio_systems import Stream, constant_stream, drifting_stream, stored_streams
from portfolio_targets import PAGE, Target
from reiterate.contracts import Instance, Method, Prepared, Values
from reiterate.engine.upkeep import Lease
from reiterate.linear.portfolio import METHODS
from reiterate.options import REUSE

RTOL = 1e-8
DIRECT_RTOL = 1e-10
DRIFTS = {"slow": 0.005, "medium": 0.05, "fast": 0.5}
PERIODS = (1, 2, 3, 5, 8, 13, 20, math.inf)
ENOUGH_SECONDS = 0.25  # a contender that takes longer plays one round
FACTOR_ONLY = "factor_gmres(restart=30)"


class _NoRental:
    """Stands where a lease keeps what is known of ageing, and learns nothing."""

    def used(self, iterations: int, cost: float, *, fresh: bool) -> None:
        """Nothing is decided from it."""


class _Held:
    refreshing = rebuilding = _NoRental()


class FixedPeriod:
    """In the place of ``Upkeep``: refreshes numbers every so many systems, which no option of a solver asks for.

    A system whose matrix is recognized as that of the state counts as nothing: every rule would use the state.
    """

    memory = 0

    def trim(self) -> None:
        """Nothing is limited here."""

    def __init__(self, period: float) -> None:
        self._period = period
        self._states: dict[str, tuple[Prepared, Any, int]] = {}

    def lease(self, method: Method, values: Values, instance: Instance, *, renew: bool = False) -> Lease:
        """A state for the instance."""
        prepared, version, age = self._states.get(method.name, (None, None, 0))
        same = prepared is not None and version is not None and version == instance.version
        if prepared is None or renew or (not same and age + 1 >= self._period):
            rebuilt = prepared is None
            prepared = method.prepare(instance, values, prepared)
            self._states[method.name] = (prepared, instance.version, 0)
            return Lease(prepared, prepared.work, True, rebuilt, math.inf, _Held())  # type: ignore[arg-type]
        self._states[method.name] = (prepared, version, age if same else age + 1)
        return Lease(prepared, 0.0, same, False, math.inf, _Held())  # type: ignore[arg-type]


@dataclass(frozen=True)
class Variant:
    """Which mechanisms are on."""

    name: str
    reuse: tuple[str, ...] = tuple(REUSE)
    guesses: bool = False
    period: float | None = None
    instead: str | None = None  # another method

    def solver(self, spelling: str, rtol: float) -> rt.Solver:
        """A solver with just these; a fixed period is no option, so that a part of the engine is replaced."""
        solver = rt.Solver([self.instead or spelling], rtol=rtol, guesses=self.guesses, reuse=self.reuse, seed=0)
        if self.period is not None:
            solver._engine._upkeep = FixedPeriod(self.period)  # type: ignore[assignment]
        return solver


def without(*names: str) -> tuple[str, ...]:
    """All mechanisms but these."""
    return tuple(name for name in REUSE if name not in names)


AGEING = Variant("ageing")
GUESSING = Variant("ageing and guesses", guesses=True)
REBUILT = Variant("built anew each time", reuse=without("ageing", "refresh"))
UNRECOGNIZED = Variant("refreshed, no matrix recognized", reuse=without("ageing", "same_matrix"))
REFRESHED = Variant("every 1", reuse=without("ageing"))
FIXED = (
    REFRESHED,
    *(Variant(f"every {period:g}" if period < math.inf else "never", period=period) for period in PERIODS[1:]),
)


@dataclass
class Total:
    """One pass through a stream."""

    seconds: float
    iterations: int
    rescued: int
    ledger: Ledger


def pass_through(stream: Stream, solver: rt.Solver, ledger: Ledger | None = None) -> Total:
    """Solve all systems; the seconds are those of ``solve``, all included but compiling."""
    ledger = Ledger() if ledger is None else ledger
    warm = solver._engine._warm
    for name in {c.method for c in solver.configurations} | {"direct"}:
        if name not in _WARM:
            METHODS[name].warm_up()
            _WARM.add(name)
    warm.update(_WARM)
    seconds = 0.0
    with ledger.kept(solver):
        for A, b, x0 in stream.systems:
            begin = processor_time()
            solver.solve(A, b, x0=x0)
            seconds += processor_time() - begin
    ledger.solves = len(stream.systems)
    records = list(solver.history)
    rescued = sum(len({attempt.configuration for attempt in record.attempts}) > 1 for record in records)
    return Total(seconds, sum(record.iterations for record in records), rescued, ledger)


_WARM: set[str] = set()


def compare(stream: Stream, spelling: str, variants: Sequence[Variant], rounds: int) -> dict[Variant, list[Total]]:
    """Every variant's passes; they take turns."""
    found: dict[Variant, list[Total]] = {variant: [] for variant in variants}
    for number in range(rounds):
        for variant, totals in found.items():
            if number == 0 or totals[0].seconds < ENOUGH_SECONDS:
                totals.append(pass_through(stream, variant.solver(spelling, RTOL)))
    return found


def count(stream: Stream, spelling: str, passes: dict[Variant, list[Total]]) -> float:
    """Ageing over the best fixed period, both at fixed prices, the decisions included."""
    like = [total for variant in (REBUILT, *FIXED, AGEING) for total in passes[variant]]
    ledgers, seconds = [total.ledger for total in like], [total.seconds for total in like]
    prices = prices_of(spelling.split("(")[0], ledgers, seconds)
    ageing = pass_through(stream, AGEING.solver(spelling, RTOL), Ledger(prices))
    return ageing.ledger.cost(prices) / min(passes[variant][0].ledger.cost(prices) for variant in FIXED)


def against_spsolve(stream: Stream, rounds: int) -> dict[str, float]:
    """Median seconds of SciPy's direct solver, of the defaults, and of an ageing factor alone, at rtol 1e-10."""
    samples: dict[str, list[float]] = {"spsolve": [], "defaults": [], FACTOR_ONLY: []}
    for number in range(rounds):
        begin = processor_time()
        for A, b, _ in stream.systems:
            spla.spsolve(A, b)
        samples["spsolve"].append(processor_time() - begin)
        for name, methods in (("defaults", None), (FACTOR_ONLY, [FACTOR_ONLY])):
            solver = rt.Solver(methods, rtol=DIRECT_RTOL, seed=number)
            samples[name].append(pass_through(stream, solver).seconds)
    return {name: statistics.median(seconds) for name, seconds in samples.items()}


def careful(A: Any, b: Any, x0: Any) -> Any:
    return _CAREFUL.solve(A, b, x0=x0)


_CAREFUL = rt.Solver(["ic_cg(modification=0.0)"], rtol=1e-10)


def all_streams(directory: Path, quick: bool) -> list[Stream]:
    """The stored streams, drifting diffusion at three speeds, and a constant matrix."""
    longest, size, steps = (6, 16, 10) if quick else (20, 20, 20)
    streams = list(stored_streams(directory, longest)) if directory.is_dir() else []
    for speed, drift in DRIFTS.items():
        streams.append(drifting_stream(f"diffusion3d, {speed} drift", size, steps, drift, careful))
    return [*streams, constant_stream(steps)]


def methods_for(stream: Stream) -> tuple[str, ...]:
    """What is aged on a stream: a factor, incomplete factors, and a hierarchy where that applies."""
    if stream.definite:
        return ("factor_cg", "ic_cg(modification=0.0)", "amg_cg(bits=32)")
    return (FACTOR_ONLY, "ilu_gmres(restart=30)")


def variants_for(stream: Stream, spelling: str) -> list[Variant]:
    """What to compare: everything that can make a difference."""
    variants = [REBUILT, *FIXED, AGEING, GUESSING]
    if stream.distinct < len(stream.systems):
        variants.append(UNRECOGNIZED)
    deflated = spelling.replace("_cg", "_deflated_cg")
    if deflated.split("(")[0] in METHODS and deflated != spelling:
        variants.append(Variant("ageing and recycling", instead=deflated))
    return variants


def run(quick: bool, directory: Path) -> None:
    """Measure, and fill the section of the page."""
    warnings.filterwarnings("ignore", module="pyamg")
    if not directory.is_dir():
        print(f"{directory} is not there: the stored streams are left out", flush=True)
    rounds = 2
    table: list[dict[str, Any]] = []
    direct: list[dict[str, Any]] = []
    curves: list[tuple[str, float, str, float, int, int]] = []
    for stream in all_streams(directory, quick):
        found = against_spsolve(stream, rounds)
        direct.append({"stream": stream, **found})
        print(f"{stream.name}: {', '.join(f'{name} {seconds:.3f} s' for name, seconds in found.items())}", flush=True)
        for spelling in methods_for(stream):
            passes = compare(stream, spelling, variants_for(stream, spelling), rounds)
            counted = count(stream, spelling, passes)
            table.append({"stream": stream, "method": spelling, "counted": counted, **_summary(passes)})
            for variant, totals in passes.items():
                middle = sorted(totals, key=lambda total: total.seconds)[len(totals) // 2]
                curves.append((stream.name, spelling, variant.name, middle.seconds, middle.iterations, middle.rescued))
            row = {key: value for key, value in table[-1].items() if key not in ("stream", "method")}
            print(f"  {spelling}: {row}", flush=True)
    write_csv("portfolio_reuse.csv", ["stream", "method", "variant", "seconds", "iterations", "rescued"], curves)
    _publish(table, direct, rounds, directory)


def _summary(passes: dict[Variant, list[Total]]) -> dict[str, Any]:
    """Seconds with each mechanism on, and over the same without it."""
    median = {variant: statistics.median(total.seconds for total in totals) for variant, totals in passes.items()}
    best = min(FIXED, key=lambda variant: median[variant])
    row: dict[str, Any] = {
        "anew": median[REBUILT],
        "refreshed": median[REFRESHED],
        "best": best.name,
        "best fixed": median[best],
        "ageing": median[AGEING],
        "regret": _paired(passes[AGEING], passes[best]),
        "refresh": _paired(passes[REFRESHED], passes[REBUILT]),
        "age": _paired(passes[AGEING], passes[REFRESHED]),
        "guess": _paired(passes[GUESSING], passes[AGEING]),
        "rescued": max(total.rescued for total in passes[AGEING]),
    }
    if UNRECOGNIZED in passes:
        row["recognize"] = _paired(passes[REFRESHED], passes[UNRECOGNIZED])
    recycling = [variant for variant in passes if variant.instead is not None]
    if recycling:
        row["recycle"] = _paired(passes[recycling[0]], passes[AGEING])
    return row


def _paired(on: list[Total], off: list[Total]) -> float:
    """Median over rounds of the ratio of two variants' times in the same round."""
    return statistics.median(a.seconds / b.seconds for a, b in zip(on, off, strict=False))


def _publish(table: list[dict[str, Any]], direct: list[dict[str, Any]], rounds: int, directory: Path) -> None:
    header = ["stream", "method", "anew, s", "refresh", "ageing", "guesses", "same matrix", "recycling",
              "best period", "ageing / best", "the same, counted"]  # fmt: skip
    rows = [
        [
            f"{row['stream'].name} ({row['stream'].size:,})",
            f"`{row['method']}`",
            f"{row['anew']:.2f}",
            *(f"{row[key]:.2f}" if key in row else "" for key in ("refresh", "age", "guess", "recognize", "recycle")),
            row["best"],
            f"{row['regret']:.2f}" + (f" ({row['rescued']} rescued)" if row["rescued"] else ""),
            f"{row['counted']:.2f}",
        ]
        for row in table
    ]
    text = "" if directory.is_dir() else f"The stored streams are left out: {directory} is not there.\n\n"
    text += f"Medians of {rounds} rounds, rtol {RTOL:g}.\n\n{markdown_table(header, rows)}\n\n"
    text += "![Total time against the period of renewal](../benchmarks/results/portfolio_reuse.png)"
    _draw(table, RESULTS / "portfolio_reuse.csv")
    fill_page(PAGE, "reuse", text)
    speedups = {name: [row["spsolve"] / row[name] for row in direct] for name in ("defaults", FACTOR_ONLY)}
    means = {name: statistics.geometric_mean(values) for name, values in speedups.items()}
    rows = [
        [
            f"{row['stream'].name} ({row['stream'].size:,}, {len(row['stream'].systems)} systems)",
            f"{row['spsolve']:.2f}",
            *(f"{row[name]:.2f} ({row['spsolve'] / row[name]:.1f}×)" for name in speedups),
        ]
        for row in direct
    ]
    rows.append(["geometric mean", "", *(f"**{means[name]:.1f}×**" for name in speedups)])
    stored = [k for k, row in enumerate(direct) if row["stream"].stored]
    if stored:
        real = {name: statistics.geometric_mean(values[k] for k in stored) for name, values in speedups.items()}
        rows.append(["geometric mean, stored streams only", "", *(f"**{real[name]:.1f}×**" for name in speedups)])
    header = ["stream", "spsolve, s", "`rt.Solver()`, s", f'`rt.Solver(["{FACTOR_ONLY}"])`, s']
    fill_page(PAGE, "spsolve", markdown_table(header, rows))
    write_csv(
        "portfolio_spsolve.csv",
        ["stream", "n", "systems", "spsolve", "defaults", "factor"],
        [(r["stream"].name, r["stream"].size, len(r["stream"].systems), r["spsolve"], r["defaults"], r[FACTOR_ONLY])
         for r in direct],
    )  # fmt: skip
    targets = [
        Target(
            "reuse",
            f"ageing over the best fixed period, counted, {row['stream'].name}, {row['method']}",
            1.2,
            row["counted"],
        )
        for row in table
    ]
    slowdown = {name: 1.0 / (real if stored else means)[name] for name in means}
    streams = "stored streams" if stored else "all streams"
    targets += [
        Target("reuse", f"time over spsolve's, geometric mean, {streams}: {name}", 1.0 / 2.6, slowdown[name])
        for name in slowdown
    ]
    portfolio_targets.record("reuse", targets)


def _draw(table: list[dict[str, Any]], path: Path) -> None:
    import csv

    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    streams = list(dict.fromkeys(row["stream"].name for row in table))
    columns = 4
    figure = Figure(figsize=(13, 3.1 * math.ceil(len(streams) / columns)), layout="constrained")
    grid = np.atleast_1d(figure.subplots(math.ceil(len(streams) / columns), columns)).ravel()
    for axes, name in zip(grid, streams, strict=False):
        for k, spelling in enumerate(row["method"] for row in table if row["stream"].name == name):
            seconds = {
                r["variant"]: float(r["seconds"]) for r in rows if r["stream"] == name and r["method"] == spelling
            }
            color = f"C{k}"
            label = spelling.split("(")[0]
            axes.plot(range(len(FIXED)), [seconds[v.name] for v in FIXED], "o-", ms=3, color=color, label=label)
            axes.axhline(seconds[AGEING.name], color=color, ls="--", lw=1)
        axes.set(title=name, yscale="log")
        axes.title.set_fontsize(9)
        axes.set_xticks(range(len(FIXED)), [v.name.removeprefix("every ") for v in FIXED], fontsize=7)
        axes.legend(fontsize=7)
        axes.grid(alpha=0.25)
    for axes in grid[len(streams) :]:
        axes.remove()
    figure.supxlabel("systems from one renewal to the next; dashed: rent or buy", fontsize=9)
    figure.supylabel("seconds in total", fontsize=9)
    figure.savefig(RESULTS / "portfolio_reuse.png", dpi=100)
