"""What a comparison of contenders on one stream produced: the input of reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["learner", "fixed", "oracle"]


@dataclass(slots=True)
class Run:
    """What one contender did on one stream.

    Attributes
    ----------
    name, kind
    iterations : int array of shape (steps,)
    seconds : array of shape (steps,)
        Wall-clock of each call of ``solve``, deciding and verifying included, compiling excluded.
    parameter : array of shape (steps,)
        The tuned parameter that was played; NaN for a configuration without it.
    configurations : list of str
        Spelling of what was played, by step.
    """

    name: str
    kind: Kind
    iterations: NDArray[np.int64]
    seconds: NDArray[np.float64]
    parameter: NDArray[np.float64]
    configurations: list[str]


@dataclass(slots=True)
class CostTable:
    """Iterations of every configuration at every instance, each from the same start.

    Attributes
    ----------
    spellings : list of str
    parameter : array of shape (configurations,)
    iterations : int array of shape (steps, configurations)
    """

    spellings: list[str]
    parameter: NDArray[np.float64]
    iterations: NDArray[np.int64]

    @property
    def best_fixed(self) -> int:
        """Column of the configuration with the smallest total."""
        return int(np.argmin(self.iterations.sum(axis=0)))

    @property
    def instance_optimal(self) -> NDArray[np.int64]:
        """Smallest iteration count at each instance, shape (steps,)."""
        smallest: NDArray[np.int64] = self.iterations.min(axis=1)
        return smallest


@dataclass(slots=True)
class Comparison:
    """Everything that a report shows of one stream.

    Attributes
    ----------
    title, description : str
    parameter_name : str
        Name of the tuned parameter, e.g. ``"omega"``.
    context_name : str
    context : array of shape (steps,)
        The number that changes along the stream.
    unknowns : int
    table : CostTable
    runs : list of Run
    """

    title: str
    description: str
    parameter_name: str
    context_name: str
    context: NDArray[np.float64]
    unknowns: int
    table: CostTable
    runs: list[Run] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Totals as plain values, e.g. for JSON."""
        optimal = int(self.table.instance_optimal.sum())
        best = int(self.table.iterations.sum(axis=0).min())
        return {
            "title": self.title,
            "description": self.description,
            "unknowns": self.unknowns,
            "steps": len(self.context),
            "best_fixed": {self.parameter_name: float(self.table.parameter[self.table.best_fixed]), "iterations": best},
            "instance_optimal": {"iterations": optimal},
            "contenders": [
                {
                    "name": run.name,
                    "kind": run.kind,
                    "iterations": int(run.iterations.sum()),
                    "seconds": float(run.seconds.sum()),
                    "of_best_fixed": float(run.iterations.sum() / best),
                    "of_instance_optimal": float(run.iterations.sum() / optimal),
                }
                for run in self.runs
            ],
        }

    def run(self, name: str) -> Run:
        """The run of that name."""
        return next(run for run in self.runs if run.name == name)
