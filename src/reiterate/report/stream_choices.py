"""The picture of what was chosen: a row a configuration, in a band a method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reiterate.configuration import Configuration
from reiterate.contracts import Record
from reiterate.report.axes import Style, dots, dress, name_artist, new_figure, separate_thousands, thin
from reiterate.report.stream_charts import first_context, mark_trouble, solve_numbers, whole_axis
from reiterate.report.stream_marks import method_marks, titles
from reiterate.report.words import printable

_ROW = 17.0
_LOWEST_ROW = 5.0
_TALLEST = 460.0  # unless more rows than this has room for are played
_VALUE_ROW = 12.0
_ALL_NAMED = 4  # of a band with more rows some may go without
_CHARACTER = 0.6  # width over height, on average


@dataclass(frozen=True, slots=True)
class Band:
    """The rows of one method, and where they lie: ``top`` pixels below the edge, ``row`` pixels apart."""

    method: str
    configurations: list[Configuration]
    top: float
    row: float

    @property
    def height(self) -> float:
        """All rows together; the method's name has room beside them."""
        return self.row * len(self.configurations)

    def place(self, number: int) -> float:
        """The middle of a row."""
        return self.top + self.row * (number + 0.5)

    def values(self, longest: int) -> dict[float, str]:
        """What to write beside the rows, by their place; where they are close, only beside some."""
        every = max(1, int(np.ceil(_VALUE_ROW / self.row)))
        last_fit = self.top + self.height + 0.5 * self.row - 0.99 * _VALUE_ROW
        return {
            self.place(number): printable(", ".join(f"{value:.3g}" for _, value in configuration.items), longest)
            for number, configuration in enumerate(self.configurations)
            if number == 0 or (number % every == 0 and self.place(number) <= last_fit)
        }


def choices(records: Sequence[Record], style: Style) -> Figure:
    """Which configuration each solve began with, above the context."""
    layout = bands({record.configuration for record in records})
    height = layout[-1].top + layout[-1].height
    context = first_context(records)
    strip = 74.0 if context is not None else 0.0
    figure = new_figure(style, height + strip + 58.0)
    if context is None:
        axes = figure.subplots()
        lowest = axes
    else:
        axes, lowest = figure.subplots(2, 1, sharex=True, height_ratios=[height, strip])
    dress(axes, style)
    axes.grid(visible=False)
    axes.set_ylim(height, 0.0)
    _name_rows(axes, layout, style)
    _draw_rows(axes, records, layout, style)
    if context is not None:
        name, values = context
        dress(lowest, style, title=name)
        every = max(1, len(records) // 800)
        lowest.plot(solve_numbers(records)[::every], values[::every], color=style.palette.soft, linewidth=1.3)
        separate_thousands(lowest, "y", bins=2)
    lowest.set_xlabel("solve", color=style.palette.soft, fontsize=style.size)
    whole_axis(lowest, records)
    return figure


def bands(played: set[Configuration]) -> list[Band]:
    """The rows from the top down, in alphabetical order; the more there are, the closer they lie."""
    in_order = sorted(played, key=lambda c: (c.method, c.items))
    groups = [(method, list(mine)) for method, mine in groupby(in_order, key=lambda c: c.method)]
    single = sum(_ROW for _, mine in groups if len(mine) == 1)
    several = sum(len(mine) for _, mine in groups if len(mine) > 1)
    row = min(_ROW, max(_LOWEST_ROW, (_TALLEST - single) / max(several, 1)))
    layout: list[Band] = []
    top = 0.0
    for method, mine in groups:
        readable = _VALUE_ROW if len(mine) <= _ALL_NAMED else 0.0
        layout.append(Band(method, mine, top, max(row, _ROW / len(mine), readable)))
        top += layout[-1].height
    return layout


def _draw_rows(axes: Axes, records: Sequence[Record], layout: Sequence[Band], style: Style) -> None:
    place = {c: band.place(number) for band in layout for number, c in enumerate(band.configurations)}
    x = solve_numbers(records)
    y = np.array([place[record.configuration] for record in records])
    for method, (color, marker) in method_marks((band.method for band in layout), style).items():
        mine = [i for i, record in enumerate(records) if record.configuration.method == method and not record.trial]
        at = [mine[i] for i in thin(len(mine), style.density * len(mine) / len(records))]
        named = titles([records[i] for i in at], style)
        dots(axes, x[at], y[at], color, size=4.2, alpha=0.75, marker=marker, titles=named)
        _draw_trials(axes, records, method, (color, marker), place, style)
    mark_trouble(axes, records, x, y, style)


def _draw_trials(
    axes: Axes,
    records: Sequence[Record],
    method: str,
    mark: tuple[str, str],
    place: dict[Configuration, float],
    style: Style,
) -> None:
    """Trials are hollow."""
    tried = [record for record in records if record.trial and record.configuration.method == method]
    tried = [tried[i] for i in thin(len(tried), style.density)]
    if not tried:
        return
    (line,) = axes.plot(
        solve_numbers(tried), [place[record.configuration] for record in tried], linestyle="none", marker=mark[1],
        markersize=7.0, markerfacecolor="none", markeredgewidth=1.6, markeredgecolor=mark[0],
    )  # fmt: skip
    name_artist(line, titles(tried, style))


def _name_rows(axes: Axes, layout: Sequence[Band], style: Style) -> None:
    """Each method's name once, at the top of its band; small beside the rows, the values of its parameters."""
    small = style.size - 2.0
    values = {place: text for band in layout for place, text in band.values(10 if style.narrow else 24).items()}
    axes.set_yticks([*values], [*values.values()], fontsize=small, parse_math=False)
    beside = 9.0 + _CHARACTER * small * max(map(len, values.values()))
    for band in layout:
        if band.top:
            axes.axhline(band.top, color=style.palette.grid, linewidth=1.0)
        axes.annotate(
            _name(band, style),
            (0.0, band.top + 0.5 * _ROW),
            (-beside, 0.0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            color=style.palette.ink,
            fontsize=style.size,
            horizontalalignment="right",
            verticalalignment="center",
            annotation_clip=False,
            parse_math=False,
        )


def _name(band: Band, style: Style) -> str:
    if style.narrow:
        return printable(band.method, 18)
    parameters = ", ".join(name for name, _ in band.configurations[0].items)
    return printable(f"{band.method} ({parameters})" if parameters else band.method, 40)
