"""Runs contenders side by side on a simulated stream, with the oracles that nobody can have in practice.

Every contender solves the whole closed loop by itself: the systems it meets are those that its own
solutions lead to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Learner, Record
from reiterate.gallery.stream import Simulation
from reiterate.learners import make_learner
from reiterate.learners.oracles import BestFixed, InstanceOptimal
from reiterate.solver import Solver

Kind = Literal["learner", "fixed", "oracle"]


class Watcher(Protocol):
    """Is told of every step, e.g. to draw a progress display."""

    def __call__(self, contender: str, step: int, steps: int, record: Record | None) -> None:
        """``record`` is None while an oracle's table is being made."""


def watch_nothing(contender: str, step: int, steps: int, record: Record | None) -> None:
    """Draw nothing."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A name, what kind of thing it is, and how to build its solver anew."""

    name: str
    kind: Kind
    make: Callable[[], Solver]


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
        return self.iterations.min(axis=1)


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

    def run(self, name: str) -> Run:
        """The run of that name."""
        return next(run for run in self.runs if run.name == name)


def play(contender: Contender, simulation: Simulation, parameter_name: str, watch: Watcher = watch_nothing) -> Run:
    """Let one contender solve the whole simulation."""
    solver = contender.make()
    simulation.restart()
    for step, system in enumerate(simulation):
        simulation.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
        watch(contender.name, step + 1, len(simulation), solver.last)
    records = list(solver.history)
    return Run(
        contender.name,
        contender.kind,
        np.array([record.iterations for record in records]),
        np.array([record.seconds + record.overhead for record in records]),
        np.array([record.configuration.values.get(parameter_name, np.nan) for record in records]),
        [str(record.configuration) for record in records],
    )


def tabulate(
    simulation: Simulation, spellings: Sequence[str], parameter_name: str, rtol: float, watch: Watcher = watch_nothing
) -> tuple[CostTable, NDArray[np.float64], str]:
    """Iterations of every configuration at every instance, and the context that came with the instances.

    The stream advances with the first configuration's solution; to the tolerance, all of them agree.

    Returns
    -------
    table : CostTable
    context : array of shape (steps,)
    context_name : str
    """
    solvers = [fixed(spelling, rtol).make() for spelling in spellings]
    counts = np.empty((len(simulation), len(solvers)), dtype=np.int64)
    context = np.zeros(len(simulation))
    name = "context"
    simulation.restart()
    for step, system in enumerate(simulation):
        solutions = [solver.solve(system.A, system.b, x0=system.x0) for solver in solvers]
        counts[step] = [solver.last.iterations for solver in solvers if solver.last is not None]
        name, context[step] = next(iter(system.context.items()), (name, 0.0))
        simulation.advance(solutions[0])
        watch("instance-optimal", step + 1, len(simulation), None)
    parameter = np.array([s.configurations[0].values.get(parameter_name, np.nan) for s in solvers])
    return CostTable(list(spellings), parameter, counts), context, name


def fixed(spelling: str, rtol: float, name: str | None = None) -> Contender:
    """A configuration that is never changed."""
    return Contender(
        name or spelling, "fixed", lambda: Solver([spelling], learner="fixed", rtol=rtol, cost="iterations")
    )


def learning(learner: str, spellings: Sequence[str], rtol: float, seed: int, name: str | None = None) -> Contender:
    """A learner that sees iteration counts only, as published: it plays what it chose to the end."""

    def factory(arms: int, rng: np.random.Generator) -> Learner:
        return make_learner(learner, arms, rng)

    def make() -> Solver:
        return Solver(spellings, factory, rtol=rtol, cost="iterations", seed=seed, patience=None)

    return Contender(name or learner, "learner", make)


def oracle(kind: Literal["best fixed", "instance-optimal"], table: CostTable, rtol: float) -> Contender:
    """A contender that knows the cost table beforehand."""
    oracles = {"best fixed": BestFixed, "instance-optimal": InstanceOptimal}

    def make() -> Solver:
        return Solver(
            table.spellings,
            lambda arms, rng: oracles[kind](arms, rng, costs=table.iterations),
            rtol=rtol,
            cost="iterations",
            patience=None,
        )

    return Contender(kind, "oracle", make)
