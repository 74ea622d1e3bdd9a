"""The pictures of a comparison, as Matplotlib figures; imported only when something is drawn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

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
from reiterate.report.data import Comparison, Run
from reiterate.report.landscape import (
    best_fixed_by_step,
    edges,
    learners,
    parameterized,
    shown_learners,
    spoken,
    steps_of,
    valley,
)
from reiterate.report.words import count, duration_unit, few, parameter_label, parameter_symbol, percent, seconds

_EXCESS_LEVELS = np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0])
_EXCESS_COLOR = "#c2552d"


def color_of(run: Run, comparison: Comparison, style: Style) -> str:
    """A contender's color, the same in every picture."""
    if run.kind == "oracle":
        return style.palette.best if run.name == "instance-optimal" else style.palette.ink
    if run.kind == "fixed":
        return style.palette.plain
    position = [other.name for other in learners(comparison)].index(run.name)
    return style.palette.learners[position] if position < len(style.palette.learners) else style.palette.plain


def line_style(run: Run) -> str:
    """Learners are solid; who knew beforehand is dashed; who never changes is dotted."""
    return {"learner": "-", "oracle": "--", "fixed": ":"}[run.kind]


def choices(comparison: Comparison, style: Style) -> Figure:
    """Chosen parameter by step, a panel a learner, above the context that drives the optimum."""
    runs = [run for run in shown_learners(comparison) if np.isfinite(run.parameter).any()]
    panel, strip = (145.0, 66.0) if style.narrow else (168.0, 74.0)
    figure = new_figure(style, max(len(runs), 1) * panel + strip + 34.0)
    ratios = [panel] * max(len(runs), 1) + [strip]
    panels = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    for axes, run in zip(panels, [*runs, None], strict=False):
        if run is None and runs:
            break
        draw_choices(axes, comparison, run, style)
    context_strip(panels[-1], comparison, style)
    return figure


def draw_choices(axes: Axes, comparison: Comparison, run: Run | None, style: Style) -> None:
    """One learner's choices against the values that were as good as optimal."""
    symbol = parameter_symbol(comparison.parameter_name)
    color = color_of(run, comparison, style) if run is not None else style.palette.ink
    dress(axes, style, ylabel=symbol, title=run.name if run is not None else "", title_color=color)
    band = valley(comparison.table)
    step = np.arange(1, steps_of(comparison) + 1)
    colors = style.palette
    axes.fill_between(step, band.low, band.high, step="mid", color=colors.best, alpha=0.22, linewidth=0.0)
    window = window_for(step.size)
    axes.plot(step, moving_average(band.middle, window), color=colors.best, linewidth=1.6, dashes=(4, 2))
    if run is not None:
        at = thin(run.parameter.size)
        dots(axes, at + 1, run.parameter[at], color)
        axes.plot(
            np.arange(1, run.parameter.size + 1), moving_average(run.parameter, window), color=color, linewidth=2.0
        )
    if len(symbol) <= 2:
        axes.yaxis.label.set(rotation=0, verticalalignment="center")
    _parameter_axis(axes, comparison, run)
    separate_thousands(axes)
    axes.margins(x=0.01)


def _parameter_axis(axes: Axes, comparison: Comparison, run: Run | None) -> None:
    borders = _borders(comparison)
    played = run.parameter[np.isfinite(run.parameter)] if run is not None else np.empty(0)
    values = np.concatenate((borders, played))
    if values.size:
        low, high = float(values.min()), float(values.max())
        axes.set_ylim(low - 0.03 * (high - low), high)


def _borders(comparison: Comparison) -> Numbers:
    columns = parameterized(comparison.table)
    return edges(comparison.table.parameter[columns]) if columns.size else np.empty(0)


def context_strip(axes: Axes, comparison: Comparison, style: Style) -> None:
    """The number that changes along the stream, small, sharing the axis above it."""
    dress(axes, style, xlabel="step", title=comparison.context_name)
    step = np.arange(1, comparison.context.size + 1)
    axes.fill_between(step, comparison.context, color=style.palette.soft, alpha=0.18, linewidth=0.0)
    axes.plot(step, comparison.context, color=style.palette.soft, linewidth=1.3)
    separate_thousands(axes, "x")
    separate_thousands(axes, "y", bins=2)
    axes.margins(x=0.01)


def heat_map(comparison: Comparison, style: Style) -> Figure:
    """The cost of every parameter value at every step, with the best learner's choices on it."""
    figure = new_figure(style, 330.0 if style.narrow else 380.0)
    axes = figure.subplots()
    symbol = parameter_symbol(comparison.parameter_name)
    dress(axes, style, xlabel="step", ylabel=parameter_label(comparison.parameter_name))
    axes.grid(visible=False)
    columns = parameterized(comparison.table)
    counts = comparison.table.iterations[:, columns].astype(float)
    optimal = np.maximum(comparison.table.instance_optimal, 1)[:, None]
    steps = steps_of(comparison)
    # Transparent where the choice is good: the picture then suits a light page and a dark one.
    shades = [to_rgba(_EXCESS_COLOR, alpha) for alpha in np.linspace(0.0, 0.92, _EXCESS_LEVELS.size)]
    mesh = axes.pcolormesh(
        np.arange(steps + 1) + 0.5,
        _borders(comparison),
        (counts / optimal - 1.0).T,
        cmap=ListedColormap(shades),
        norm=BoundaryNorm(_EXCESS_LEVELS, len(shades), extend="max"),
        rasterized=True,
    )
    mesh.set_antialiased(False)
    run = next((run for run in shown_learners(comparison) if np.isfinite(run.parameter).any()), None)
    if run is not None:
        color = color_of(run, comparison, style)
        at = thin(run.parameter.size)
        dots(axes, at + 1, run.parameter[at], color, size=3.4, alpha=0.75)
    separate_thousands(axes)
    axes.set_xlim(0.5, steps + 0.5)
    bar = figure.colorbar(mesh, ax=axes, location="top", aspect=38, fraction=0.05, pad=0.02, ticks=_EXCESS_LEVELS)
    bar.ax.tick_params(colors=style.palette.soft, labelsize=style.size - 1.0, length=0)
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value).replace(".0", "")))
    bar.outline.set_edgecolor(style.palette.grid)
    bar.set_label(
        f"more iterations than the best {symbol} at that step",
        color=style.palette.soft,
        size=style.size,
        parse_math=False,
    )
    return figure


def cumulative(comparison: Comparison, style: Style) -> Figure:
    """Iterations so far, of every contender."""
    figure = new_figure(style, 280.0 if style.narrow else 320.0)
    draw_cumulative(figure.subplots(), comparison, style)
    return figure


def cumulative_seconds(comparison: Comparison, style: Style) -> Figure:
    """Measured time so far, of every contender."""
    figure = new_figure(style, 280.0 if style.narrow else 320.0)
    axes = figure.subplots()
    longest = max((float(run.seconds.sum()) for run in comparison.runs), default=0.0)
    name, size = duration_unit(longest)
    dress(axes, style, xlabel="step", ylabel=f"{name} so far")
    ends = []
    for run in sorted(comparison.runs, key=lambda run: run.kind == "learner"):
        total = np.cumsum(run.seconds)
        at = np.unique(np.linspace(0, total.size - 1, min(total.size, style.width // 2)).astype(np.int64))
        if not total.size:
            continue
        color, width = color_of(run, comparison, style), 2.2 if run.kind == "learner" else 1.6
        axes.plot(at + 1, total[at] / size, color=color, linestyle=line_style(run), linewidth=width)
        ends.append(Line(float(total[-1]) / size, f"{spoken(run)}  {seconds(float(total[-1]))}", color))
    separate_thousands(axes)
    axes.set_ylim(bottom=0.0)
    axes.margins(x=0.01)
    if not style.narrow:
        label_ends(axes, ends, style)
    return figure


def draw_cumulative(axes: Axes, comparison: Comparison, style: Style, *, labeled: bool | None = None) -> None:
    """Iterations so far, each line with its total beside it."""
    dress(axes, style, xlabel="step", ylabel="iterations so far")
    ends = []
    for run in sorted(comparison.runs, key=lambda run: run.kind == "learner"):
        total = np.cumsum(run.iterations)
        if not total.size:
            continue
        color = color_of(run, comparison, style)
        width = 2.2 if run.kind == "learner" else 1.6
        axes.plot(np.arange(1, total.size + 1), total, color=color, linestyle=line_style(run), linewidth=width)
        ends.append(Line(float(total[-1]), f"{spoken(run)}  {count(total[-1])}", color))
    separate_thousands(axes)
    axes.set_ylim(bottom=0.0)
    axes.margins(x=0.01)
    if labeled if labeled is not None else not style.narrow:
        label_ends(axes, ends, style)


def regret(comparison: Comparison, style: Style) -> Figure:
    """Iterations beyond those of the best fixed configuration, and the excess over the optimum so far."""
    height = 210.0
    figure = new_figure(style, 2.0 * height)
    above, below = figure.subplots(2, 1, sharex=True)
    dress(above, style, ylabel="iterations", title="Iterations more (+) or fewer (−) than the best fixed configuration")
    dress(below, style, xlabel="step", ylabel="%", title="More iterations than the instance-optimal choice, so far")
    if style.narrow:
        above.set_title("Beyond the best fixed configuration", **_title_font(style))
        below.set_title("Beyond the instance-optimal, so far", **_title_font(style))
    reference = np.cumsum(best_fixed_by_step(comparison), dtype=float)
    optimal = np.cumsum(comparison.table.instance_optimal, dtype=float)
    named: list[tuple[str, str, str, Numbers]] = [
        ("best fixed", style.palette.ink, "--", reference),
        ("instance-optimal", style.palette.best, "--", optimal),
    ]
    named += [
        (run.name, color_of(run, comparison, style), "-", np.cumsum(run.iterations, dtype=float))
        for run in shown_learners(comparison)
    ]
    _draw_regret(above, [(n, c, s, t - reference[: t.size]) for n, c, s, t in named], style, _gain)
    shares = [(n, c, s, 100.0 * (t / np.maximum(optimal[: t.size], 1) - 1.0)) for n, c, s, t in named]
    _draw_regret(below, shares, style, lambda y: percent(y / 100.0))
    _clip_beginning(below, [share for *_, share in shares])
    return figure


def _gain(iterations: float) -> str:
    return f"{iterations:+,.0f}" if round(iterations) else "0"


def _title_font(style: Style) -> dict[str, object]:
    return {"loc": "left", "fontsize": style.size + 0.5, "color": style.palette.ink, "pad": 7}


def _draw_regret(
    axes: Axes, named: list[tuple[str, str, str, Numbers]], style: Style, write: Callable[[float], str]
) -> None:
    axes.axhline(0.0, color=style.palette.soft, linewidth=0.8)
    ends = []
    for name, color, dashes, values in named:
        axes.plot(np.arange(1, values.size + 1), values, color=color, linestyle=dashes, linewidth=1.9)
        text = write(float(values[-1])).replace("-", "−")
        ends.append(Line(float(values[-1]), f"{name}  {text}", color))
    separate_thousands(axes)
    axes.margins(x=0.01)
    if not style.narrow:
        label_ends(axes, ends, style)


def _clip_beginning(axes: Axes, shares: list[Numbers]) -> None:
    """The first few steps of a running ratio jump about; they must not set the scale of the rest."""
    settled = np.concatenate([share[share.size // 20 :] for share in shares])
    highest = float(settled.max(initial=1.0))
    axes.set_ylim(-0.04 * highest, 1.1 * highest)


def bowl(comparison: Comparison, style: Style) -> Figure:
    """Mean iterations of each fixed parameter value, and the means of those who changed it as they went."""
    figure = new_figure(style, 280.0 if style.narrow else 320.0)
    axes = figure.subplots()
    dress(axes, style, xlabel=parameter_label(comparison.parameter_name), ylabel="mean iterations per step")
    columns = parameterized(comparison.table)
    parameter = comparison.table.parameter[columns]
    mean = comparison.table.iterations[:, columns].mean(axis=0)
    colors = style.palette
    axes.plot(parameter, mean, color=colors.soft, linewidth=1.8, marker="o", markersize=4.5)
    best = int(mean.argmin())
    axes.plot(parameter[best], mean[best], color=colors.ink, marker="o", markersize=8.0, linestyle="none")
    ends = [Line(float(mean[-1]), "one value throughout", colors.soft)]
    for run in [*shown_learners(comparison)]:
        color = color_of(run, comparison, style)
        axes.axhline(float(run.iterations.mean()), color=color, linewidth=1.9)
        ends.append(Line(float(run.iterations.mean()), f"{run.name}  {few(run.iterations.mean())}", color))
    optimal = float(comparison.table.instance_optimal.mean())
    axes.axhline(optimal, color=colors.best, linewidth=1.9, linestyle="--")
    ends.append(Line(optimal, f"instance-optimal  {few(optimal)}", colors.best))
    separate_thousands(axes)
    if mean.max() > 20.0 * max(optimal, 1e-9):
        axes.set_ylim(bottom=0.4 * optimal)
        log_ticks(axes)
    else:
        axes.set_ylim(bottom=0.0)
    symbol = parameter_symbol(comparison.parameter_name)
    best_text = f"best fixed: {symbol} = {parameter[best]:g}, {few(mean[best])}"
    _name_below(axes, float(parameter[best]), float(mean[best]), best_text, style)
    if not style.narrow:
        label_ends(axes, ends, style)
    return figure


def _name_below(axes: Axes, x: float, y: float, text: str, style: Style) -> None:
    """Name a point from below, where a chart of means that begins at zero has room."""
    colors = style.palette
    low, high = axes.get_xlim()
    leftward = x > 0.5 * (low + high)
    axes.plot([x, x], [axes.get_ylim()[0], y], color=colors.ink, linewidth=0.9, linestyle=(0, (1, 2)))
    axes.annotate(
        text,
        (x, 0.07),
        xycoords=("data", "axes fraction"),
        xytext=(-6 if leftward else 6, 0),
        textcoords="offset points",
        horizontalalignment="right" if leftward else "left",
        color=colors.ink,
        fontsize=style.size,
        parse_math=False,
    )
