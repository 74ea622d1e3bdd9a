"""The report of contenders that solved the same simulation side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reiterate.report.data import Comparison, Run
from reiterate.report.landscape import (
    is_empty,
    learners,
    optimal_total,
    parameterized,
    shown_learners,
    spoken,
    steps_of,
)
from reiterate.report.page import Key, Page, check_path
from reiterate.report.words import (
    count,
    excess,
    parameter_symbol,
    percent,
    seconds,
    sentence,
    several,
    than,
)

_MARKS = {"learner": "solid", "oracle": "dashed", "fixed": "dotted"}
_ROLES = ("first", "second", "third", "fourth")


def write_comparison_report(comparison: Comparison, path: Path) -> Path:
    """Write a self-contained HTML page about a comparison.

    Parameters
    ----------
    comparison
        What the contenders did.
    path
        The file to write; its directory must exist.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    InvalidInput
        ``path`` cannot be written.
    """
    path = Path(path)
    check_path(path)
    if is_empty(comparison):
        return Page(comparison.title, "Nothing was solved, so there is nothing to show.").write(path)
    page = Page(comparison.title, headline(comparison), _about(comparison))
    page.cards(_cards(comparison))
    _pictures(page, comparison)
    _table(page, comparison)
    page.explanations("How to read this", _terms(comparison))
    return page.write(path)


def headline(comparison: Comparison) -> str:
    """What happened, in a sentence or two."""
    found = learners(comparison)
    table = comparison.table
    optimal = optimal_total(comparison)
    possible = "the best possible choice at every step"
    if not found:
        fixed = int(table.iterations[:, table.best_fixed].sum())
        change = excess(fixed, optimal)
        name = table.spellings[table.best_fixed]
        return f"The best fixed choice, {name}, needed {change} iterations {than(change)} {possible}."
    best = found[0]
    total = int(best.iterations.sum())
    change = excess(total, optimal)
    text = f"Knowing nothing beforehand, {best.name} needed {change} iterations {than(change)} {possible}"
    baseline = _baseline(comparison)
    if baseline is not None:
        change = excess(total, int(baseline.iterations.sum()))
        text += f", and {change} {than(change)} {spoken(baseline)}"
    return text + "."


def _baseline(comparison: Comparison) -> Run | None:
    """The fixed contender that people know: plain CG, or the first."""
    fixed = [run for run in comparison.runs if run.kind == "fixed" and run.iterations.size]
    return next((run for run in fixed if spoken(run) == "plain CG"), fixed[0] if fixed else None)


def _about(comparison: Comparison) -> str:
    size = f"{several(steps_of(comparison), 'step')}, {several(comparison.unknowns, 'unknown')} each."
    description = comparison.description.strip()
    if description and description[-1] not in ".!?":
        description += "."
    return f"{description} {size}".strip()


def _cards(comparison: Comparison) -> list[tuple[str, str]]:
    table, optimal = comparison.table, optimal_total(comparison)
    fixed = int(table.iterations[:, table.best_fixed].sum())
    cards = []
    found = learners(comparison)
    if found:
        best = found[0]
        total = int(best.iterations.sum())
        cards.append(
            (count(total), f"iterations in total by {best.name}, the best of {several(len(found), 'learner')}")
        )
        cards.append((_signed(total, optimal), "against the best possible choice at every single step"))
        cards.append(
            (_signed(total, fixed), f"against the best fixed choice in hindsight, {table.spellings[table.best_fixed]}")
        )
        baseline = _baseline(comparison)
        if baseline is not None and total:
            cards.append(_versus(int(baseline.iterations.sum()) / total, spoken(baseline)))
    else:
        cards.append(
            (count(fixed), f"iterations in total by the best fixed choice, {table.spellings[table.best_fixed]}")
        )
        cards.append((count(optimal), "iterations by the best possible choice at every step"))
    return cards


def _versus(ratio: float, name: str) -> tuple[str, str]:
    if ratio >= 1.0:
        return f"{ratio:,.1f}×", f"fewer iterations than {name}"
    return f"{1.0 / ratio:,.1f}×", f"more iterations than {name}"


def _signed(total: float, reference: float) -> str:
    if reference <= 0:
        return "–"
    text = percent(total / reference - 1.0)
    return text if text.startswith("−") else f"+{text}"


def _role(run: Run, comparison: Comparison) -> str:
    if run.kind == "learner":
        position = [other.name for other in learners(comparison)].index(run.name)
        return _ROLES[position] if position < len(_ROLES) else "plain"
    if run.kind == "oracle":
        return "best" if run.name == "instance-optimal" else "ink"
    return "plain"


def _pictures(page: Page, comparison: Comparison) -> None:
    from reiterate.report import charts
    from reiterate.report.axes import window_for

    symbol = parameter_symbol(comparison.parameter_name)
    tuned = parameterized(comparison.table).size > 0
    window = several(window_for(steps_of(comparison)), "step")
    contenders = [
        Key(spoken(run), _role(run, comparison), _MARKS[run.kind])
        for run in sorted(comparison.runs, key=lambda run: int(run.iterations.sum()))
    ]
    shown = [Key(run.name, _role(run, comparison)) for run in shown_learners(comparison)]
    optimal = Key("instance-optimal", "best", "dashed")
    if tuned:
        page.figure(
            f"What was chosen: {symbol} at every step",
            f"The shaded band holds the values of {symbol} that were within 2 % of the fewest iterations possible at "
            "that step. A learner is not told where it is.",
            lambda style: charts.choices(comparison, style),
            [
                Key("as good as optimal", "best", "band"),
                Key(f"its middle, averaged over {window}", "best", "dashed"),
                Key("a choice", "soft", "dot"),
                Key(f"choices averaged over {window}", "soft"),
            ],
        )
    page.figure(
        "What it cost: iterations so far",
        "The lower, the better. Learners are solid lines, those who knew all costs beforehand dashed, those who never "
        "change dotted.",
        lambda style: charts.cumulative(comparison, style),
        narrow_key=contenders,
    )
    if any(run.seconds.size and run.seconds.sum() > 0.0 for run in comparison.runs):
        page.figure(
            "The same on the clock",
            "Measured time so far; deciding and checking every solution are in it.",
            lambda style: charts.cumulative_seconds(comparison, style),
            narrow_key=contenders,
        )
    if shown:
        page.figure(
            "What learning cost: the regret",
            "Above zero, the learner is behind the best single configuration that hindsight can name; below zero, "
            "changing with the problem has beaten it. The instance-optimal line is as low as anyone can get.",
            lambda style: charts.regret(comparison, style),
            narrow_key=[*shown, Key("best fixed", "ink", "dashed"), optimal],
        )
    if tuned:
        _landscape(page, comparison, symbol, shown, optimal)


def _landscape(page: Page, comparison: Comparison, symbol: str, shown: list[Key], optimal: Key) -> None:
    from reiterate.report import charts

    playing = [run for run in shown_learners(comparison) if np.isfinite(run.parameter).any()]
    dot = [Key(f"choices of {run.name}", _role(run, comparison), "dot") for run in playing[:1]]
    page.figure(
        "The landscape: every value at every step",
        f"How many more iterations each {symbol} needed than the best one at that step. Where the ground is clear, the "
        "choice was good.",
        lambda style: charts.heat_map(comparison, style),
        dot,
    )
    page.figure(
        f"If one {symbol} had been kept throughout",
        "Mean iterations per step of each fixed value, and those of the contenders that changed it as they went.",
        lambda style: charts.bowl(comparison, style),
        narrow_key=[Key("one value throughout", "soft"), *shown, optimal],
    )


def _table(page: Page, comparison: Comparison) -> None:
    table, optimal = comparison.table, optimal_total(comparison)
    fixed = int(table.iterations[:, table.best_fixed].sum())
    runs = sorted(comparison.runs, key=lambda run: int(run.iterations.sum()))
    rows = []
    for run in runs:
        total = int(run.iterations.sum())
        rows.append(
            [
                spoken(run),
                run.kind,
                count(total),
                f"{total / fixed:.3f}" if fixed else "–",
                f"{total / optimal:.3f}" if optimal else "–",
                seconds(float(run.seconds.sum())),
            ]
        )
    page.table(
        "All contenders",
        f"Best fixed is {table.spellings[table.best_fixed]} with {count(fixed)} iterations; the best possible choice "
        f"at every step takes {count(optimal)}. Seconds include deciding and verifying.",
        ["contender", "kind", "iterations", "÷ best fixed", "÷ instance-optimal", "time"],
        rows,
        [number for number, run in enumerate(runs) if run.kind == "learner"],
    )


def _terms(comparison: Comparison) -> list[tuple[str, str]]:
    symbol = parameter_symbol(comparison.parameter_name)
    return [
        ("step", "One linear system of the simulation. The next one depends on its solution."),
        ("iteration", "One pass of the solver over the system. Fewer is better, at about the same price each."),
        (sentence(symbol), "The number that is being tuned. Which value is best changes along the simulation."),
        (comparison.context_name, "A number known before each step; a learner may use it to predict the best value."),
        ("learner", "Chooses a value, sees how many iterations it took, and chooses better next time. It never sees "
         "what another value would have cost."),
        ("fixed", "Keeps one choice throughout."),
        ("oracle", "Knows all costs beforehand, which nobody can in practice; a yardstick."),
        ("best fixed", "The one value that is best if it must be kept throughout, found by trying all of them on every "
         "step. Nobody knows it beforehand."),
        ("instance-optimal", "The best value of every single step, found the same way. No strategy can take fewer "
         "iterations on the same systems."),
        ("regret", "Iterations beyond those of the best fixed value: the price of not having known it."),
        ("all solutions", "Every contender solved every system to the same tolerance, verified from the matrix and the "
         "right-hand side."),
    ]  # fmt: skip
