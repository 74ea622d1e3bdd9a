"""Pictures of what alternatives are believed to cost: beside every solve, and added up."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reiterate.report.axes import (
    Line,
    Numbers,
    Style,
    dots,
    dress,
    label_ends,
    log_ticks,
    name_artist,
    new_figure,
    separate_thousands,
    thin,
)
from reiterate.report.stream_charts import mark_trouble, solve_numbers, whole_axis
from reiterate.report.stream_marks import began, method_marks, titles
from reiterate.report.stream_story import Believed, Story
from reiterate.report.words import duration_unit, few, percent, seconds

_MOST_LINES = 6
_DEAREST = 60.0  # times the usual cost of a solve; what costs more is left out of the picture
_HIGHEST = 3.0  # times our own total, where the picture of sums ends
_MOST_POINTS = 250  # of a line, about


def shown_beliefs(story: Story) -> list[Believed]:
    """The methods worth a line: those that have been tried, then the cheapest of the others, none far too dear."""
    usual = float(np.median([record.cost for record in story.main])) if story.main else 0.0
    able = [one for one in story.believed if float(np.median(one.costs)) <= _DEAREST * max(usual, 1e-300)]
    return sorted(able, key=lambda one: not one.tried)[:_MOST_LINES]


def beliefs(story: Story, style: Style) -> Figure:
    """The cost of each solve, and lines for what every method was believed to cost at that time."""
    figure = new_figure(style, 300.0 if style.narrow else 340.0)
    axes = figure.subplots()
    records = story.main
    x = solve_numbers(records)
    cost = np.array([record.cost for record in records], dtype=float)
    name, size = _unit(story, cost)
    dress(axes, style, xlabel="solve", ylabel=f"cost of a solve ({name})")
    marks = method_marks(began(story.records), style)
    usable = np.isfinite(cost) & (cost > 0.0)
    for method, (color, marker) in marks.items():
        mine = np.array([i for i, r in enumerate(records) if usable[i] and r.configuration.method == method], dtype=int)
        at = mine[thin(mine.size, style.density * mine.size / max(len(records), 1))]
        dots(
            axes, x[at], cost[at] / size, color, alpha=0.45, marker=marker,
            titles=titles([records[i] for i in at], style),
        )  # fmt: skip
    shown = np.flatnonzero(usable)
    mark_trouble(axes, [records[i] for i in shown], x[shown], cost[shown] / size, style)
    ends = [_draw_belief(axes, x, one, size, marks, story, style) for one in shown_beliefs(story)]
    log_ticks(axes)
    whole_axis(axes, records)
    if not style.narrow:
        label_ends(axes, ends, style)
    return figure


def _draw_belief(
    axes: Axes, x: Numbers, one: Believed, size: float, marks: dict[str, tuple[str, str]], story: Story, style: Style
) -> Line:
    color = marks.get(one.method, (style.palette.plain, ""))[0]
    at = _corners(one.costs)
    (line,) = axes.plot(
        x[at], one.costs[at] / size, color=color, linewidth=1.8 if one.tried else 1.2,
        linestyle="-" if one.tried else (0, (4, 3)), drawstyle="steps-post",
    )  # fmt: skip
    amount = _amount(float(one.costs[-1]), story.unit)
    said = "believed" if one.tried else "expected, never tried"
    name_artist(line, [] if style.narrow else [f"{one.configuration}: {said}, now {amount} a solve"])
    return Line(float(one.costs[-1]) / size, f"{one.method}  {amount}", color)


def _corners(costs: Numbers) -> NDArray[np.int64]:
    """Where a staircase changes, with its first and its last step; thinned where those are many."""
    at = np.flatnonzero(np.diff(costs)) + 1
    at = at[:: max(1, at.size // _MOST_POINTS)]
    return np.unique(np.concatenate(([0], at, [costs.size - 1])))


def cumulative(story: Story, style: Style) -> Figure:
    """Time so far: within the methods, deciding on top; and what contenders would have taken."""
    figure = new_figure(style, 290.0 if style.narrow else 320.0)
    axes = figure.subplots()
    records = story.records
    x = np.concatenate(([records[0].index], solve_numbers(records)))
    methods = _sum(np.array([record.seconds for record in records]))
    total = methods + _sum(np.array([record.overhead for record in records]))
    name, size = duration_unit(float(total[-1]))
    dress(axes, style, xlabel="solve", ylabel=f"{name} so far")
    colors = style.palette
    at = _few(x.size, style)
    axes.fill_between(x[at], methods[at] / size, color=colors.first, alpha=0.25, linewidth=0.0)
    axes.fill_between(x[at], methods[at] / size, total[at] / size, color=colors.second, alpha=0.3, linewidth=0.0)
    axes.plot(x[at], methods[at] / size, color=colors.first, linewidth=1.8)
    axes.plot(x[at], total[at] / size, color=colors.second, linewidth=2.2)
    ends = [
        Line(float(methods[-1]) / size, f"of it, in methods  {seconds(float(methods[-1]))}", colors.first),
        Line(float(total[-1]) / size, f"this stream  {seconds(float(total[-1]))}", colors.second),
    ]
    top = float(total[-1])
    for label, sums, dashes in _rivals(story):
        top = max(top, min(float(sums[-1]), _HIGHEST * float(total[-1])))
        (line,) = axes.plot(x[at], sums[at] / size, color=colors.ink, linewidth=1.5, linestyle=dashes)
        text = f"{label}  {seconds(float(sums[-1]))}"
        name_artist(line, [] if style.narrow else [text])
        ends.append(Line(min(float(sums[-1]), _HIGHEST * float(total[-1])) / size, text, colors.ink))
    separate_thousands(axes)
    axes.set_ylim(0.0, 1.05 * top / size)
    whole_axis(axes, records)
    if not style.narrow:
        label_ends(axes, ends, style)
    return figure


def _rivals(story: Story) -> list[tuple[str, Numbers, object]]:
    """Sums over the solves: measured ones, then those of the methods that have been tried, as believed."""
    rivals: list[tuple[str, Numbers, object]] = []
    count = len(story.records)
    for name, taken in story.measured.items():
        rivals.append((name, _sum(taken[-count:]), "-"))
    if story.unit == "seconds" and len(story.main) == count:
        rivals += [(f"only {one.method}", _sum(story.alone(one)), (0, (4, 3))) for one in story.contenders()]
    return rivals


def exploration(story: Story, style: Style) -> Figure:
    """The share of all cost so far that trials took beyond what the best known was believed to cost."""
    figure = new_figure(style, 190.0)
    axes = figure.subplots()
    dress(axes, style, xlabel="solve", ylabel="%")
    x = solve_numbers(story.records)
    cost = np.maximum(np.cumsum([record.cost for record in story.records]), 1e-300)
    share, budget = 100.0 * np.cumsum(story.trial_costs()) / cost, 100.0 * story.trial_budget() / cost
    at = _few(x.size, style)
    axes.fill_between(x[at], share[at], color=style.palette.second, alpha=0.25, linewidth=0.0, step="post")
    axes.plot(x[at], share[at], color=style.palette.second, linewidth=1.8, drawstyle="steps-post")
    axes.plot(x[at], budget[at], color=style.palette.soft, linewidth=1.0, linestyle=(0, (4, 3)))
    top = max(float(share[x.size // 20 :].max(initial=0.0)), float(budget[x.size // 2 :].max()))
    axes.set_ylim(0.0, min(max(7.0, 1.1 * top), 105.0))
    separate_thousands(axes)
    whole_axis(axes, story.records)
    if not style.narrow:
        ends = [
            Line(float(share[-1]), f"trials  {percent(float(share[-1]) / 100.0)}", style.palette.second),
            Line(float(budget[-1]), f"their budget  {percent(float(budget[-1]) / 100.0)}", style.palette.soft),
        ]
        label_ends(axes, ends, style)
    return figure


def _few(count: int, style: Style) -> NDArray[np.int64]:
    """Indices of as many points of a curve as eyes can tell apart, the last one among them."""
    return np.unique(np.linspace(0, count - 1, min(count, style.width // 4)).astype(np.int64))


def _sum(values: Numbers) -> Numbers:
    return np.concatenate(([0.0], np.cumsum(values)))


def _unit(story: Story, cost: Numbers) -> tuple[str, float]:
    if story.unit != "seconds":
        return story.unit, 1.0
    finite = cost[np.isfinite(cost)]
    return duration_unit(float(np.median(finite)) if finite.size else 0.0)


def _amount(cost: float, unit: str) -> str:
    return seconds(cost) if unit == "seconds" else f"{few(cost)} {unit}"
