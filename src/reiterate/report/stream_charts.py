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
from reiterate.report.stream_marks import titles

_POINTS = 500  # of a line


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
        at = at[thin(at.size, style.density)]
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


def effort(records: Sequence[Record], style: Style) -> Figure:
    """Iterations of each solve."""
    values = np.array([float(record.iterations) for record in records])
    figure = new_figure(style, 215.0)
    axes = figure.subplots()
    dress(axes, style, xlabel="solve", ylabel="iterations")
    x = solve_numbers(records)
    at = thin(x.size, style.density)
    dots(axes, x[at], values[at], style.palette.first, size=3.4, titles=titles([records[i] for i in at], style))
    if x.size > 1:
        mean = moving_average(values, window_for(x.size))
        every = max(1, x.size // _POINTS)
        axes.plot(x[::every], mean[::every], color=style.palette.first, linewidth=2.0)
    mark_trouble(axes, records, x, values, style)
    _scale(axes, values)
    whole_axis(axes, records)
    return figure


def _scale(axes: Axes, values: Numbers) -> None:
    separate_thousands(axes)
    finite = values[np.isfinite(values)]
    if finite.size and finite.min() > 0.0 and finite.max() > 30.0 * np.median(finite):
        log_ticks(axes)
    else:
        axes.set_ylim(bottom=0.0)


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
    fine = fine[thin(fine.size, style.density)]
    named = titles([records[i] for i in fine.tolist()], style)
    dots(axes, x[fine], y[fine], style.palette.best, size=3.6, alpha=0.55, titles=named)
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
