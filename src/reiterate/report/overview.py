"""The one picture that tells it all: what was chosen, and what it saved."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from reiterate.report.axes import Style, dress, new_figure
from reiterate.report.charts import context_strip, draw_choices, draw_cumulative
from reiterate.report.data import Comparison
from reiterate.report.landscape import parameterized, shown_learners
from reiterate.report.words import parameter_symbol


def overview(comparison: Comparison, style: Style) -> Figure:
    """Left, the best learner's choices above the context; right, iterations so far."""
    figure = new_figure(style, 380.0)
    if not parameterized(comparison.table).size:
        axes = figure.subplots()
        draw_cumulative(axes, comparison, style)
        return figure
    grid = figure.add_gridspec(2, 2, width_ratios=[1.25, 1.0], height_ratios=[1.0, 0.27])
    chosen = figure.add_subplot(grid[0, 0])
    strip = figure.add_subplot(grid[1, 0], sharex=chosen)
    cost = figure.add_subplot(grid[:, 1])
    run = next((run for run in shown_learners(comparison) if np.isfinite(run.parameter).any()), None)
    draw_choices(chosen, comparison, run, style)
    chosen.tick_params(labelbottom=False)
    symbol = parameter_symbol(comparison.parameter_name)
    who = f"{run.name}'s choice of {symbol}" if run is not None else symbol
    dress(chosen, style, title=f"{who}; shaded: as good as optimal")
    context_strip(strip, comparison, style)
    draw_cumulative(cost, comparison, style, labeled=True)
    dress(cost, style, title="Iterations so far")
    cost.set_ylabel("iterations")
    return figure
