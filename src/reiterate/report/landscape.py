"""What a comparison's cost table says: where the optimum lies, and how flat it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reiterate.report.axes import Numbers
from reiterate.report.data import Comparison, CostTable, Run

FLAT = 0.02
"""Parameter values within this fraction of the smallest cost count as equally good."""


@dataclass(frozen=True, slots=True)
class Valley:
    """The parameter values that are as good as optimal, by step; NaN where the optimum has no parameter."""

    low: Numbers
    high: Numbers
    middle: Numbers


def parameterized(table: CostTable) -> NDArray[np.intp]:
    """The columns that have a parameter, by rising parameter."""
    columns = np.flatnonzero(np.isfinite(table.parameter))
    return columns[np.argsort(table.parameter[columns], kind="stable")]


def edges(parameter: Numbers) -> Numbers:
    """Borders between neighboring values, and half a distance beyond the first and the last."""
    if parameter.size == 1:
        half = 0.025 * max(abs(float(parameter[0])), 1.0)
        return np.array([parameter[0] - half, parameter[0] + half])
    middles = 0.5 * (parameter[1:] + parameter[:-1])
    first, last = 2.0 * parameter[0] - middles[0], 2.0 * parameter[-1] - middles[-1]
    return np.concatenate(([first], middles, [last]))


def valley(table: CostTable) -> Valley:
    """Where the optimum lies at each step, as a band: ties and flat optima are the rule, not the exception."""
    columns = parameterized(table)
    parameter = table.parameter[columns]
    borders = edges(parameter)
    good = table.iterations[:, columns] <= (1.0 + FLAT) * table.instance_optimal[:, None]
    some = good.any(axis=1)
    first = good.argmax(axis=1)
    last = good.shape[1] - 1 - good[:, ::-1].argmax(axis=1)
    low = np.where(some, borders[first], np.nan)
    high = np.where(some, borders[last + 1], np.nan)
    return Valley(low, high, np.where(some, 0.5 * (parameter[first] + parameter[last]), np.nan))


def optimal_total(comparison: Comparison) -> int:
    """Iterations of the best choice at every step."""
    return int(comparison.table.instance_optimal.sum())


def best_fixed_by_step(comparison: Comparison) -> NDArray[np.int64]:
    """Iterations of the best fixed configuration in hindsight, by step."""
    table = comparison.table
    return table.iterations[:, table.best_fixed]


def learners(comparison: Comparison) -> list[Run]:
    """The runs that learnt, best first."""
    return sorted((run for run in comparison.runs if run.kind == "learner"), key=lambda run: int(run.iterations.sum()))


def shown_learners(comparison: Comparison) -> list[Run]:
    """The learners that the pictures have room and colors for."""
    return learners(comparison)[:4]


def steps_of(comparison: Comparison) -> int:
    """Number of instances."""
    return int(comparison.table.iterations.shape[0])


def is_empty(comparison: Comparison) -> bool:
    """Whether there is nothing to draw."""
    return comparison.table.iterations.size == 0


def spoken(run: Run) -> str:
    """What a contender is called within a sentence."""
    return "plain CG" if run.kind == "fixed" and set(run.configurations) == {"cg"} else run.name
