"""What every chart shares: calm axes, labels beside the lines, moving averages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from reiterate.report.palette import LIGHT, Palette
from reiterate.report.words import count, few, printable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Numbers = NDArray[np.float64]

_TITLES: WeakKeyDictionary[Any, dict[str, list[str]]] = WeakKeyDictionary()

WIDE, NARROW = 880, 372
"""Widths in CSS pixels, for a desk and for a telephone."""

_FEW_DOTS = 60
_MOST_DOTS = 500  # each dot is an element of the page


@dataclass(frozen=True, slots=True)
class Style:
    """How big a chart is and which colors it has.

    Parameters
    ----------
    width
        In CSS pixels; a narrow chart leaves the names of its lines to the key above it.
    palette
        Colors by role.
    """

    width: int = WIDE
    palette: Palette = LIGHT

    @property
    def narrow(self) -> bool:
        """Whether there is no room beside the axes."""
        return self.width < 600

    @property
    def density(self) -> float:
        """Share of a wide page's dots that there is room for."""
        return 0.5 if self.narrow else 1.0

    @property
    def size(self) -> float:
        """Font size in CSS pixels."""
        return 11.0 if self.narrow else 12.5


@dataclass(frozen=True, slots=True)
class Line:
    """The end of a line, and what to write beside it."""

    y: float
    text: str
    color: str


def new_figure(style: Style, height: float) -> Figure:
    """An empty figure; one inch is 72 CSS pixels, so that font sizes are CSS pixels too."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(style.width / 72.0, height / 72.0), facecolor=style.palette.paper)
    figure.set_layout_engine("constrained", w_pad=2 / 72, h_pad=3 / 72, hspace=0.02, wspace=0.04)
    return figure


def dress(
    axes: Axes, style: Style, xlabel: str = "", ylabel: str = "", title: str = "", title_color: str | None = None
) -> None:
    """Give the axes the house's look: no box, pale horizontal lines, thousands separators."""
    colors = style.palette
    axes.set_facecolor("none")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(colors.soft)
    axes.spines["bottom"].set_linewidth(0.8)
    axes.grid(visible=True, axis="y", color=colors.grid, linewidth=1.0)
    axes.set_axisbelow(True)
    axes.tick_params(colors=colors.soft, labelsize=style.size - 1.0, length=0, pad=5)
    axes.tick_params(axis="x", length=3.5, width=0.8)
    labels: dict[str, Any] = {"color": colors.soft, "fontsize": style.size, "parse_math": False}
    if xlabel:
        axes.set_xlabel(printable(xlabel, 40), labelpad=5, **labels)
    if ylabel:
        axes.set_ylabel(printable(ylabel, 26), labelpad=7, **labels)
    if title:
        labels |= {"color": title_color or colors.ink, "fontsize": style.size + 0.5}
        axes.set_title(printable(title, 40 if style.narrow else 70), loc="left", pad=7, **labels)


def separate_thousands(axes: Axes, which: str = "both", *, bins: int = 5, whole: bool = False) -> None:
    """Write the ticks as ``12,345``, and small ones without trailing zeros."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if which in (name, "both"):
            axis.set_major_formatter(FuncFormatter(_tick))
            axis.set_major_locator(MaxNLocator(nbins=bins, steps=[1, 2, 2.5, 5, 10], integer=whole))


def _tick(value: float, _position: int | None = None) -> str:
    text = count(value) if abs(value) >= 1000.0 else f"{round(value, 9):g}"
    return text.replace("-", "−")


def log_ticks(axes: Axes) -> None:
    """A logarithmic y axis that labels its decades as 0.01, 1, 100, or as 10⁻⁸ where that is shorter."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    several_decades = high / low > 50.0
    axes.yaxis.set_major_locator(LogLocator(numticks=6) if several_decades else LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(_decade))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def _decade(value: float, _position: int | None = None) -> str:
    if 1e-3 < 1.001 * value < 1e4:
        return _tick(value)
    exponent = int(np.floor(np.log10(value) + 1e-9))
    power = "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    leading = value / 10.0**exponent
    return power if abs(leading - 1.0) < 1e-6 else f"{few(leading)}·{power}"


def label_ends(axes: Axes, lines: Sequence[Line], style: Style) -> None:
    """Write each line's text to the right of the axes at the height of its end, moved apart where they collide."""
    if not lines:
        return
    low, high = axes.get_ylim()
    scale = axes.get_yscale()
    measure = np.log10 if scale == "log" else np.asarray
    span = float(measure(high) - measure(low)) or 1.0
    wanted = np.array([float(measure(line.y) - measure(low)) / span for line in lines])
    axes_height = axes.figure.get_size_inches()[1] * 72.0 * axes.get_subplotspec().get_position(axes.figure).height  # type: ignore[union-attr,arg-type]
    placed = spread(wanted, 1.45 * style.size / max(axes_height, 1.0))
    for line, height in zip(lines, placed, strict=True):
        axes.text(
            1.012,
            height,
            printable(line.text, 36),
            transform=axes.transAxes,
            color=line.color,
            fontsize=style.size,
            verticalalignment="center",
            parse_math=False,
        )


def spread(wanted: Numbers, gap: float) -> Numbers:
    """Heights as near to the wanted ones as a smallest distance of ``gap`` allows, in the same order."""
    order = np.argsort(wanted, kind="stable")
    heights = np.clip(wanted[order], 0.0, 1.0)
    for _ in range(200):
        close = np.diff(heights) < gap * 0.999
        if not close.any():
            break
        for i in np.flatnonzero(close).tolist():
            middle = 0.5 * (heights[i] + heights[i + 1])
            heights[i], heights[i + 1] = middle - 0.5 * gap, middle + 0.5 * gap
    # Pushed out at the bottom, they would cover the ticks; there is always room above.
    for i in range(heights.size):
        heights[i] = max(heights[i], 0.0 if i == 0 else heights[i - 1] + gap)
    placed = np.empty_like(heights)
    placed[order] = heights
    return placed


def moving_average(values: Numbers, window: int) -> Numbers:
    """Centered mean over ``window`` neighbors, of those that are finite; NaN where none is."""
    if not values.size:
        return values
    finite = np.isfinite(values)
    kernel = np.ones(min(window, values.size))
    total = np.convolve(np.where(finite, values, 0.0), kernel, mode="same")
    number = np.convolve(finite.astype(float), kernel, mode="same")
    # Rounding in the convolution must not turn "no neighbor" into a tiny number of them.
    mean: Numbers = np.divide(total, number, out=np.full(values.shape, np.nan), where=number > 0.5)
    return mean


def window_for(steps: int) -> int:
    """How many steps to average over so that a line shows the trend of ``steps`` of them."""
    return max(1, min(steps, 5 if steps < 200 else steps // 40))


def thin(steps: int, share: float = 1.0) -> NDArray[np.int64]:
    """Indices of at most a page's worth of dots, or about that share of them, evenly spaced."""
    most = max(round(share * _MOST_DOTS), _FEW_DOTS)
    return np.arange(0, steps, max(1, -(-steps // most)), dtype=np.int64)


def dots(
    axes: Axes,
    x: Any,
    y: Any,
    color: str,
    *,
    size: float = 3.2,
    alpha: float = 0.35,
    marker: str = "o",
    titles: Sequence[str] = (),
) -> None:
    """Dots without a line; faint, unless they are few. ``titles``: what hovering over each of them shows."""
    if len(x) <= _FEW_DOTS:
        size, alpha = 1.6 * size, max(alpha, 0.7)
    (line,) = axes.plot(
        x, y, linestyle="none", marker=marker, markersize=size, markeredgewidth=0.0, color=color, alpha=alpha
    )
    name_artist(line, titles)


def name_artist(artist: Artist, titles: Sequence[str]) -> None:
    """Let hovering show a text: one for the whole artist, or one for each of its marks, all of which are finite."""
    figure = artist.figure
    if not titles or figure is None:
        return
    known = _TITLES.setdefault(figure, {})
    gid = f"named{len(known)}"
    artist.set_gid(gid)
    known[gid] = [printable(title) for title in titles]


def titles_of(figure: Figure) -> dict[str, list[str]]:
    """What :func:`name_artist` was told about a figure, by the identifiers of its groups."""
    return _TITLES.get(figure, {})
