"""Section ``tables``: every learner replayed on tables of costs, made up and recorded."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

import regret_recorded
import regret_synthetic
from machine import RESULTS, describe_machine, fill_page, markdown_table, write_csv
from regret_replay import Costs, Scenario, Table, TooSlow, break_even, replay, spelled
from reiterate.errors import ReiterateError
from reiterate.learners import DEFAULT, LEARNERS

LIMIT = 20.0  # seconds that a learner has for all decisions on one table
SHOWN = 8  # learners in the pictures
KINDS = {False: "synthetic", True: "recorded"}


@dataclass
class Outcome:
    """What a learner, or an oracle, did on the tables of a scenario, one of each a seed.

    Attributes
    ----------
    curves
        Cost so far over that of the best fixed arm in hindsight, instance by instance.
    breaks
        Instances after which it has cost no more than the first arm, for good.
    seconds
        A decision.
    note
        Why it did not finish.
    """

    curves: list[Costs] = field(default_factory=list)
    breaks: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def ends(self) -> Costs:
        """The ratio at the end, for each seed."""
        return np.array([curve[-1] for curve in self.curves])

    @property
    def median(self) -> float:
        """Over the seeds; infinite where it did not finish."""
        return math.inf if self.note or not self.curves else float(np.median(self.ends))

    @property
    def break_even(self) -> float:
        """Median over the seeds."""
        return float(np.quantile(self.breaks, 0.5, method="higher"))

    def add(self, paid: Costs, table: Table, seconds: float = math.nan) -> None:
        """Take in the costs paid on one table."""
        self.curves.append((np.cumsum(paid) / np.cumsum(table.fixed(table.best))).astype(np.float32))
        self.breaks.append(break_even(paid, table.fixed(0)))
        self.seconds.append(seconds)


@dataclass
class Result:
    """Outcomes on a scenario, by the name of learner and of oracle."""

    scenario: Scenario
    learners: dict[str, Outcome]
    oracles: dict[str, Outcome]

    def ranked(self) -> list[str]:
        """Learners that finished, the best first."""
        finished = [name for name in self.learners if math.isfinite(self.learners[name].median)]
        return sorted(finished, key=lambda name: self.learners[name].median)

    def winners(self) -> list[str]:
        """The best learner, and those that did exactly the same, as do some that differ in the use of contexts only."""
        ranked = self.ranked()
        return [name for name in ranked if np.array_equal(self.learners[name].ends, self.learners[ranked[0]].ends)]


def measure(scenario: Scenario, learners: Sequence[str], seeds: int, limit: float = LIMIT) -> Result:
    """Replay learners on the tables of a scenario; one that refuses, fails or is too slow is not asked again."""
    result = Result(
        scenario, {name: Outcome() for name in learners}, {"best fixed": Outcome(), "instance-optimal": Outcome()}
    )
    for seed in range(seeds):
        table = scenario.make(seed)
        result.oracles["best fixed"].add(table.fixed(table.best), table)
        result.oracles["instance-optimal"].add(table.optimal(), table)
        for name, outcome in result.learners.items():
            if outcome.note:
                continue
            try:
                outcome.add(*_paid(name, table, seed, limit))
            except TooSlow:
                outcome.note = f"slower than {1e3 * limit / table.instances:.0f} ms a decision"
            except ReiterateError as error:
                outcome.note = f"refuses: {error}"
            except (ArithmeticError, LookupError, ValueError, np.linalg.LinAlgError) as error:
                outcome.note = f"fails: {error}"
    return result


def _paid(name: str, table: Table, seed: int, limit: float) -> tuple[Costs, Table, float]:
    paid, seconds = replay(name, table, seed, limit)
    return paid, table, seconds


def _ratio(outcome: Outcome) -> str:
    low, high = np.quantile(outcome.ends, [0.1, 0.9])
    return f"{outcome.median:.3f} ({low:.3f}–{high:.3f})"


def detail(result: Result) -> str:
    """The table of one scenario, the best learner first."""
    rows = [[f"*{name}*", _ratio(outcome), spelled(outcome.break_even), ""] for name, outcome in result.oracles.items()]
    for name in result.ranked():
        outcome = result.learners[name]
        cost = f"{1e6 * float(np.median(outcome.seconds)):.0f}"
        rows.append([f"`{name}`", _ratio(outcome), spelled(outcome.break_even), cost])
    rows += [[f"`{name}`", outcome.note, "", ""] for name, outcome in result.learners.items() if outcome.note]
    title = f"`{result.scenario.name}`: {result.scenario.description}"
    table = markdown_table(["", "of best fixed (10–90 %)", "breaks even after", "µs a decision"], rows)
    return f"<details><summary>{title.replace('`', '')}</summary>\n\n{table}\n\n</details>"


def overview(results: Sequence[Result]) -> str:
    """Medians of every learner in every scenario; the last column is their geometric mean."""
    names = list(results[0].learners)
    means = {name: _mean([result.learners[name].median for result in results]) for name in names}
    rows = []
    for name in sorted(names, key=means.__getitem__):
        cells = []
        for result in results:
            median = result.learners[name].median
            best = name in result.winners()
            cells.append("–" if math.isinf(median) else f"**{median:.2f}**" if best else f"{median:.2f}")
        rows.append([f"`{name}`", *cells, "–" if math.isinf(means[name]) else f"{means[name]:.2f}"])
    optimal = [result.oracles["instance-optimal"].median for result in results]
    rows.insert(0, ["*instance-optimal*", *(f"{value:.2f}" for value in optimal), f"{_mean(optimal):.2f}"])
    return markdown_table(["", *(result.scenario.name for result in results), "mean"], rows)


def _mean(values: Sequence[float]) -> float:
    """Geometric; infinite where one of them is."""
    return math.exp(sum(math.log(value) for value in values) / len(values)) if min(values) > 0 else 0.0


def statements(results: Sequence[Result]) -> str:
    """Where each learner is the best of all, or that it is nowhere."""
    return "\n".join(f"- `{name}`: {_statement(name, results)}" for name in results[0].learners)


def _statement(name: str, results: Sequence[Result]) -> str:
    won = [_victory(name, result) for result in results if name in result.winners()]
    if won:
        return f"best in {'; '.join(won)}"
    finished = [result for result in results if math.isfinite(result.learners[name].median)]
    if not finished:
        return "none: it finished nowhere"

    def behind(result: Result) -> float:
        return result.learners[name].median / result.learners[result.ranked()[0]].median - 1.0

    nearest = min(finished, key=behind)
    return f"none; nearest in {nearest.scenario.name}, {100.0 * behind(nearest):.1f} % behind the best"


def _victory(name: str, result: Result) -> str:
    mine, winners = result.learners[name], result.winners()
    equal = "".join(f", like `{other}`" for other in winners if other != name)
    story = f"{result.scenario.name}: {mine.median:.3f}{equal}"
    if len(winners) == len(result.ranked()):
        return story
    second = result.ranked()[len(winners)]
    other = result.learners[second]
    ahead = int((mine.ends < other.ends).sum())
    return f"{story} (`{second}` {other.median:.3f}, {ahead} of {len(mine.curves)})"


def chosen(results: Sequence[Result]) -> list[str]:
    """For the pictures: the default, then those that are best in most scenarios, then the best in the mean."""
    victories = [name for result in results for name in result.winners()]
    means = {name: _mean([result.learners[name].median for result in results]) for name in results[0].learners}
    order = sorted(means, key=lambda name: (name != DEFAULT, -victories.count(name), means[name]))
    return order[:SHOWN]


def draw(results: Sequence[Result], names: Sequence[str], path: Path) -> None:
    """Cost so far over that of the best fixed arm: medians, and bands from 10 to 90 % of the seeds."""
    columns = 4
    lines = math.ceil(len(results) / columns)
    figure = Figure(figsize=(13.0, 2.6 * lines + 0.6), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis, result in zip(axes, results, strict=False):
        for k, name in enumerate(names):
            outcome = result.learners[name]
            if outcome.note:
                continue
            low, middle, high = np.quantile(outcome.curves, [0.1, 0.5, 0.9], axis=0)
            time = np.arange(1, middle.size + 1)
            axis.plot(time, middle, color=f"C{k}", linewidth=1.1, label=name)
            axis.fill_between(time, low, high, color=f"C{k}", alpha=0.15, linewidth=0)
        axis.axhline(1.0, color="0.5", linewidth=0.8)
        axis.set(title=result.scenario.name, xscale="log", yscale="log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
        axis.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axis.yaxis.set_minor_formatter(NullFormatter())
    for axis in axes[len(results) :]:
        axis.set_visible(False)
    handles = {
        label: handle
        for axis in axes[: len(results)]
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=SHOWN, fontsize=8)
    figure.supylabel("cost so far / best fixed arm's")
    figure.supxlabel("instances")
    figure.savefig(path, dpi=80)


def run(options: argparse.Namespace, page: Path) -> None:
    """Measure, print, and unless only some scenarios were asked for, write everything down."""
    scenarios = [one for one in regret_synthetic.scenarios() if not options.only or one.name in options.only]
    scenarios += regret_recorded.scenarios(options.only, options.steps, options.streams, again=options.record)
    results = []
    for scenario in scenarios:
        results.append(measure(scenario, list(LEARNERS), options.seeds))
        ranked = [f"{name} {results[-1].learners[name].median:.3f}" for name in results[-1].ranked()]
        print(f"{scenario.name}: {', '.join(ranked)}", flush=True)
    if options.only:
        return
    write_csv("regret_tables.csv", CSV, _rows(results))
    shown = chosen(results)
    for recorded, kind in KINDS.items():
        of_kind = [result for result in results if result.scenario.recorded == recorded]
        if not of_kind:
            continue
        draw(of_kind, shown, RESULTS / f"regret_tables_{kind}.png")
        picture = f"![Cost so far over the best fixed arm's](../benchmarks/results/regret_tables_{kind}.png)"
        details = "\n\n".join(detail(result) for result in of_kind)
        fill_page(page, f"tables-{kind}", f"{overview(of_kind)}\n\n{picture}\n\n{details}")
    fill_page(page, "tables-best", statements(results))
    told = f"{len(LEARNERS)} learners, {options.seeds} seeds. Decisions were timed on: {describe_machine()}."
    fill_page(page, "tables-machine", told)


CSV = ["scenario", "learner", "median", "low", "high", "breaks_even_after", "microseconds", "note"]


def _rows(results: Sequence[Result]) -> list[list[object]]:
    rows: list[list[object]] = []
    for result in results:
        for name, outcome in (*result.oracles.items(), *result.learners.items()):
            if outcome.note:
                rows.append([result.scenario.name, name, "", "", "", "", "", outcome.note])
                continue
            low, high = (float(value) for value in np.quantile(outcome.ends, [0.1, 0.9]))
            cost = 1e6 * float(np.median(outcome.seconds))
            rows.append([result.scenario.name, name, outcome.median, low, high, outcome.break_even, cost, ""])
    return rows
