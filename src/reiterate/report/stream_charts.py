"""The pictures of one stream's history, as Matplotlib figures; imported only when something is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reiterate.contracts import Record
from reiterate.engine.history import ended_by_itself
from reiterate.report.axes import (
    Line,
    Numbers,
    Style,
    dots,
    dress,
    label_ends,
    log_ticks,
    moving_average,
    new_figure,
    separate_thousands,
    thin,
    window_for,
)
from reiterate.report.words import duration_unit, seconds


def solve_numbers(records: Sequence[Record]) -> Numbers:
    """Numbers of the solves, counted from 1."""
    return np.array([record.index + 1 for record in records], dtype=float)


def ratios(records: Sequence[Record]) -> Numbers:
    """Verified merit over target; NaN where that is no number, although the target may have been met."""
    merit = np.array([record.merit for record in records], dtype=float)
    target = np.array([record.target for record in records], dtype=float)
    with np.errstate(all="ignore"):
        ratio = merit / target
    return np.where(np.isfinite(ratio), ratio, np.where(merit <= target, 0.0, np.nan))


def failed(record: Record) -> bool:
    """Whether the target was not met; a merit that is no number meets none."""
    return not record.merit <= record.target


def rescued(record: Record) -> bool:
    """Whether another configuration had to finish what the chosen one began."""
    return not failed(record) and bool(record.attempts) and not ended_by_itself(record.configuration, record.attempts)


def mark_trouble(axes: Axes, records: Sequence[Record], x: Numbers, y: Numbers, style: Style) -> None:
    """Mark solves that were rescued with a triangle, and those that failed with a cross."""
    for test, marker, color in ((rescued, "^", style.palette.ink), (failed, "x", style.palette.alarm)):
        at = np.flatnonzero([test(record) for record in records])
        at = at[thin(at.size)]
        if at.size:
            axes.plot(x[at], y[at], linestyle="none", marker=marker, markersize=6.0, color=color, clip_on=False)


def first_context(records: Sequence[Record]) -> tuple[str, Numbers] | None:
    """The first context that ever changes, by name."""
    for name in dict.fromkeys(name for record in records for name in record.context):
        values = np.array([record.context.get(name, np.nan) for record in records], dtype=float)
        finite = values[np.isfinite(values)]
        if finite.size > 1 and finite.min() < finite.max():
            return name, np.where(np.isfinite(values), values, np.nan)
    return None


def effort(records: Sequence[Record], unit: str, style: Style) -> Figure:
    """Iterations of each solve, and what the learner was told it cost."""
    panels = [("iterations", np.array([float(record.iterations) for record in records]))]
    if unit != "iterations":
        panels.append(_cost(records, unit))
    figure = new_figure(style, 185.0 * len(panels) + 36.0)
    rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    x = solve_numbers(records)
    at = thin(x.size)
    for axes, (name, values) in zip(rows, panels, strict=True):
        dress(axes, style, ylabel=name)
        dots(axes, x[at], values[at], style.palette.first, size=3.4)
        if x.size > 1:
            mean = moving_average(values, window_for(x.size))
            axes.plot(x, mean, color=style.palette.first, linewidth=2.0)
        mark_trouble(axes, records, x, values, style)
        _scale(axes, values)
    rows[-1].set_xlabel("solve", color=style.palette.soft, fontsize=style.size)
    whole_axis(rows[-1], records)
    return figure


def _cost(records: Sequence[Record], unit: str) -> tuple[str, Numbers]:
    cost = np.array([record.cost for record in records], dtype=float)
    if unit != "seconds":
        return f"cost ({unit})", cost
    name, size = duration_unit(float(cost[np.isfinite(cost)].max(initial=0.0)))
    return f"cost ({name})", cost / size


def _scale(axes: Axes, values: Numbers) -> None:
    separate_thousands(axes)
    finite = values[np.isfinite(values)]
    if finite.size and finite.min() > 0.0 and finite.max() > 30.0 * np.median(finite):
        log_ticks(axes)
    else:
        axes.set_ylim(bottom=0.0)


def time_spent(records: Sequence[Record], style: Style) -> Figure:
    """Seconds so far: within the methods, and on top of that deciding and verifying."""
    figure = new_figure(style, 250.0)
    axes = figure.subplots()
    dress(axes, style, xlabel="solve", ylabel="seconds so far")
    x = np.concatenate(([records[0].index], solve_numbers(records)))
    methods = np.concatenate(([0.0], np.cumsum([record.seconds for record in records])))
    total = methods + np.concatenate(([0.0], np.cumsum([record.overhead for record in records])))
    name, size = duration_unit(float(total[-1]))
    axes.set_ylabel(f"{name} so far")
    colors = style.palette
    axes.fill_between(x, methods / size, color=colors.first, alpha=0.25, linewidth=0.0)
    axes.fill_between(x, methods / size, total / size, color=colors.second, alpha=0.3, linewidth=0.0)
    axes.plot(x, methods / size, color=colors.first, linewidth=1.8)
    axes.plot(x, total / size, color=colors.second, linewidth=1.8)
    separate_thousands(axes)
    axes.set_ylim(bottom=0.0)
    whole_axis(axes, records)
    if not style.narrow:
        ends = [
            Line(0.5 * float(methods[-1]) / size, f"methods {seconds(float(methods[-1]))}", colors.first),
            Line(
                0.5 * float(methods[-1] + total[-1]) / size,
                f"deciding, verifying {seconds(float(total[-1] - methods[-1]))}",
                colors.second,
            ),
        ]
        label_ends(axes, ends, style)
    return figure


def residuals(records: Sequence[Record], style: Style) -> Figure:
    """Verified residual of each solve as a multiple of what was asked for."""
    figure = new_figure(style, 240.0)
    axes = figure.subplots()
    dress(axes, style, xlabel="solve", ylabel="residual ÷ target")
    ratio = ratios(records)
    usable = ratio[np.isfinite(ratio) & (ratio > 0.0)]
    low, high = float(usable.min(initial=0.1)) / 2.0, float(usable.max(initial=1.0)) * 1.7
    # An exact solution and one that is no number have no place on a logarithmic axis; its ends stand for them.
    y = np.where(np.isnan(ratio), high, np.maximum(ratio, low))
    x = solve_numbers(records)
    axes.set_ylim(low / 1.3, high * 1.3)
    log_ticks(axes)
    axes.axhline(1.0, color=style.palette.ink, linewidth=1.2)
    fine = np.flatnonzero([not failed(record) for record in records])
    fine = fine[thin(fine.size)]
    dots(axes, x[fine], y[fine], style.palette.best, size=3.6, alpha=0.55)
    mark_trouble(axes, records, x, y, style)
    whole_axis(axes, records)
    if not style.narrow:
        label_ends(axes, [Line(1.0, "asked for", style.palette.ink)], style)
    return figure


def whole_axis(axes: Axes, records: Sequence[Record]) -> None:
    """Let the axis of solves span all records, whole numbers on it."""
    first, last = records[0].index + 1, records[-1].index + 1
    pad = max(0.01 * (last - first), 0.5)
    axes.set_xlim(first - pad, last + pad)
    separate_thousands(axes, "x", whole=True)
