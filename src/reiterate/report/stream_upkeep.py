"""The picture of what was kept from one solve to the next: preparations, and the memory that they hold."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reiterate.contracts import Preparation
from reiterate.report.axes import Numbers, Style, dots, dress, new_figure, separate_thousands, thin
from reiterate.report.stream_charts import solve_numbers, whole_axis
from reiterate.report.stream_marks import titles
from reiterate.report.stream_story import Story, preparation_of
from reiterate.report.words import byte_unit, printable

NAMES: Final = {
    Preparation.BUILT: "built",
    Preparation.REFRESHED: "renewed",
    Preparation.AGED: "old one used",
    Preparation.KEPT: "nothing to do",
}
_ROW = 30.0
_STRIP = 90.0


def upkeep(story: Story, style: Style) -> Figure:
    """What was done to prepared states before every solve, in rows; below, the memory that all of them held."""
    records = story.records
    held = any(record.memory for record in records)
    figure = new_figure(style, _ROW * len(NAMES) + (_STRIP + 60.0 if held else 50.0))
    heights = [_ROW * len(NAMES), _STRIP] if held else [1.0]
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    above = panels[0]
    dress(above, style)
    above.grid(visible=False)
    x = solve_numbers(records)
    done = [preparation_of(record) for record in records]
    colors = style.palette
    marks = {
        Preparation.BUILT: colors.second,
        Preparation.REFRESHED: colors.first,
        Preparation.AGED: colors.best,
        Preparation.KEPT: colors.plain,
    }
    for row, (preparation, color) in enumerate(marks.items()):
        mine = np.flatnonzero([one is preparation for one in done])
        at = mine[thin(mine.size, style.density * mine.size / max(len(records), 1))]
        dots(
            above, x[at], np.full(at.size, row), color, size=4.5, alpha=0.7, marker="s",
            titles=titles([records[i] for i in at], style),
        )  # fmt: skip
    above.set_ylim(len(marks) - 0.5, -0.5)
    names = [printable(NAMES[preparation]) for preparation in marks]
    above.set_yticks(range(len(marks)), names, fontsize=style.size, color=colors.ink)
    if held:
        _draw_memory(panels[1], x, np.array([record.memory for record in records], dtype=float), style)
    panels[-1].set_xlabel("solve", color=colors.soft, fontsize=style.size)
    whole_axis(panels[-1], records)
    return figure


def _draw_memory(axes: Axes, x: Numbers, memory: Numbers, style: Style) -> None:
    name, size = byte_unit(float(memory.max(initial=0.0)))
    dress(axes, style, title=f"memory that prepared states hold ({name})")
    at = _corners(memory)
    axes.fill_between(x[at], memory[at] / size, step="post", color=style.palette.soft, alpha=0.18, linewidth=0.0)
    axes.plot(x[at], memory[at] / size, color=style.palette.soft, linewidth=1.4, drawstyle="steps-post")
    separate_thousands(axes, "y", bins=3)
    axes.set_ylim(bottom=0.0)


def _corners(memory: Numbers) -> NDArray[np.int64]:
    at = np.flatnonzero(np.diff(memory)) + 1
    at = at[:: max(1, at.size // 300)]
    return np.unique(np.concatenate(([0], at, [memory.size - 1])))
