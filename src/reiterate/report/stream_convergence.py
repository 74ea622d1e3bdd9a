"""Pictures of how single solves converged, and of the Ritz values seen on the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from reiterate.linear.replay import Trace
from reiterate.linear.spectrum import Spectrum
from reiterate.report.axes import Numbers, Style, dress, log_ticks, name_artist, new_figure, separate_thousands
from reiterate.report.stream_marks import method_marks
from reiterate.report.words import count, few

_ROW = 60.0
_LOWEST = 1e-17  # residuals below it are rounding errors of rounding errors
_CLOSE = 1e-3  # relative distance of Ritz values that are one mark


def convergence(traces: Sequence[tuple[str, Trace]], methods: set[str], style: Style) -> Figure:
    """Residual against iterations, a panel a solve; side by side where there is room."""
    shown = [(title, trace) for title, trace in traces if trace.stretches]
    side = 1 if style.narrow else len(shown)
    figure = new_figure(style, 250.0 * -(-len(shown) // side))
    panels = figure.subplots(-(-len(shown) // side), side, sharey=not style.narrow, squeeze=False).ravel()
    marks = method_marks(methods, style)
    for number, (axes, (title, trace)) in enumerate(zip(panels, shown, strict=True)):
        label = "residual" if style.narrow or not number else ""
        dress(axes, style, xlabel="iteration", ylabel=label, title=title)
        _draw_trace(axes, trace, marks, style)
    for axes in panels:
        log_ticks(axes)
    return figure


def _draw_trace(axes: Axes, trace: Trace, marks: dict[str, tuple[str, str]], style: Style) -> None:
    for stretch in trace.stretches:
        color = marks.get(stretch.configuration.method, (style.palette.plain, "o"))[0]
        residuals = np.maximum(np.where(np.isfinite(stretch.residuals), stretch.residuals, np.nan), _LOWEST)
        axes.plot(stretch.iterations, residuals, color=color, linewidth=1.8)
        fine = np.flatnonzero(np.isfinite(residuals)).astype(np.int64)
        (line,) = axes.plot(
            stretch.iterations[fine], residuals[fine], linestyle="none", marker="o", markersize=4.0, color=color,
            markeredgewidth=0.0,
        )  # fmt: skip
        name_artist(line, [] if style.narrow else _titles(stretch.configuration, stretch.iterations, residuals, fine))
    target = trace.record.target
    if 0.0 < target < np.inf:
        axes.axhline(target, color=style.palette.ink, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.annotate(
            "asked for", (0.0, target), (2.0, -4.0), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
            va="top", color=style.palette.soft, fontsize=style.size - 1.0,
        )  # fmt: skip
    separate_thousands(axes, "x", whole=True)


def _titles(
    configuration: object, iterations: NDArray[np.int64], residuals: Numbers, at: NDArray[np.int64]
) -> list[str]:
    return [f"{configuration}, iteration {count(iterations[i])}: residual {residuals[i]:.1e}" for i in at]


def ritz(found: Sequence[Spectrum], style: Style) -> Figure:
    """A row of marks for each spectrum on one logarithmic axis; complex ones as dots in the plane."""
    if all(_is_positive(spectrum) for spectrum in found):
        return _rows(found, style)
    side = 1 if style.narrow else len(found)
    figure = new_figure(style, 270.0 * -(-len(found) // side))
    for number, spectrum in enumerate(found):
        axes = figure.add_subplot(-(-len(found) // side), side, number + 1)
        dress(axes, style, xlabel="real part", ylabel="imaginary part", title=name_of(spectrum))
        color = style.palette.second if spectrum.preconditioner else style.palette.first
        values = np.asarray(spectrum.values, dtype=complex)
        (line,) = axes.plot(
            values.real, values.imag, linestyle="none", marker="o", markersize=5.0, alpha=0.6, color=color
        )
        name_artist(line, [] if style.narrow else [f"{few(v.real)} {v.imag:+.3g} i" for v in values])
        axes.axvline(0.0, color=style.palette.soft, linewidth=0.8)
        span = float(np.abs(values.imag).max(initial=0.0)) or 0.1 * float(np.abs(values).max(initial=1.0))
        axes.set_ylim(-1.15 * span, 1.15 * span)
        low, high = min(0.0, float(values.real.min())), max(0.0, float(values.real.max()))
        axes.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        separate_thousands(axes)
    return figure


def _rows(found: Sequence[Spectrum], style: Style) -> Figure:
    figure = new_figure(style, _ROW * len(found) + 62.0)
    axes = figure.subplots()
    dress(axes, style, xlabel="Ritz value")
    axes.grid(visible=False)
    axes.set_xscale("log")
    for row, spectrum in enumerate(found):
        values = _distinct(np.sort(spectrum.values.real))
        color = style.palette.second if spectrum.preconditioner else style.palette.first
        axes.plot(values[[0, -1]], [row, row], color=color, linewidth=7.0, alpha=0.15, solid_capstyle="butt")
        (line,) = axes.plot(
            values, np.full(values.size, row), linestyle="none", marker="|", markersize=17.0, markeredgewidth=1.4,
            color=color, alpha=0.8,
        )  # fmt: skip
        name_artist(line, [] if style.narrow else [few(value) for value in values])
        axes.annotate(
            f"{name_of(spectrum)}: largest ÷ smallest {few(values[-1] / values[0])}", (0.0, row),
            (0.0, 19.0), xycoords=axes.get_yaxis_transform(), textcoords="offset points", va="center",
            color=color, fontsize=style.size, parse_math=False, annotation_clip=False,
        )  # fmt: skip
    axes.set_ylim(len(found) - 0.6, -0.75)
    axes.set_yticks([])
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(numticks=7) if high / low > 30.0 else LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: few(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    return figure


def name_of(spectrum: Spectrum) -> str:
    """Whose values they are."""
    return f"as {spectrum.preconditioner} sees it" if spectrum.preconditioner else "the matrix itself"


def _is_positive(spectrum: Spectrum) -> bool:
    values = spectrum.values
    return bool((values.imag == 0.0).all() and (values.real > 0.0).all())


def _distinct(values: Numbers) -> Numbers:
    """Rising values without those that no picture would tell apart."""
    kept = [values[0]]
    for value in values[1:]:
        if value > (1.0 + _CLOSE) * kept[-1]:
            kept.append(value)
    return np.array(kept)
