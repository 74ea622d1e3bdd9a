"""Runs contenders side by side on a simulated stream, with the oracles that nobody can have in practice.

Every contender solves the whole closed loop by itself: the systems it meets are those that its own
solutions lead to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Learner, Prepared, Record, Stop
from reiterate.errors import InvalidInput, NotConverged
from reiterate.gallery.stream import Simulation
from reiterate.learners import make_learner
from reiterate.learners.oracles import BestFixed, InstanceOptimal
from reiterate.linear.door import Door
from reiterate.linear.portfolio import METHODS, configurations
from reiterate.report.data import Comparison, CostTable, Kind, Run
from reiterate.solver import Solver

_MOST_ITERATIONS = 100_000
_RECURRENCE_SLACK = 1.01  # a residual by recurrence may differ a little from the true one


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


def play(contender: Contender, simulation: Simulation, parameter_name: str, watch: Watcher = watch_nothing) -> Run:
    """Let one contender solve the whole simulation."""
    records = list(_solve_all(contender.make(), simulation, contender.name, watch))
    return Run(
        contender.name,
        contender.kind,
        np.array([record.iterations for record in records]),
        np.array([record.seconds + record.overhead for record in records]),
        np.array([record.configuration.values.get(parameter_name, np.nan) for record in records]),
        [str(record.configuration) for record in records],
    )


def _solve_all(solver: Solver, simulation: Simulation, name: str, watch: Watcher) -> Iterator[Record]:
    simulation.restart()
    for step, system in enumerate(simulation):
        simulation.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
        assert solver.last is not None
        watch(name, step + 1, len(simulation), solver.last)
        yield solver.last


def tune(simulation: Simulation, *, rtol: float, seed: int, watch: Watcher = watch_nothing) -> Solver:
    """One solver with the default methods, after it has solved the whole simulation, whatever its matrices are."""
    solver = Solver(rtol=rtol, seed=seed)
    for _ in _solve_all(solver, simulation, "default methods", watch):
        pass
    return solver


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

    Raises
    ------
    NotConverged
        A configuration did not solve an instance: such a table would make failing look cheap.
    """
    arms = configurations(spellings)
    counts = np.empty((len(simulation), len(arms)), dtype=np.int64)
    context = np.zeros(len(simulation))
    name, door = "context", Door()
    prepared: dict[str, Prepared] = {}
    simulation.restart()
    for step, system in enumerate(simulation):
        instance = door.admit(system.A, system.b, system.context, rtol=rtol, atol=0.0)
        name, context[step] = next(iter(system.context.items()), (name, 0.0))
        for used in {arm.method for arm in arms}:
            prepared[used] = METHODS[used].prepare(instance, {}, prepared.get(used))
        solution = system.x0
        for column, arm in enumerate(arms):
            stop = Stop(instance.target, _MOST_ITERATIONS)
            progress = METHODS[arm.method].iterate(prepared[arm.method], instance, arm.values, system.x0, stop)
            merit = instance.merit(progress.x)
            if not merit <= _RECURRENCE_SLACK * instance.target:
                story = f"{arm} did not solve instance {step}: {progress.reason or progress.status.value}"
                raise NotConverged(story, x=progress.x, merit=merit, target=instance.target)
            counts[step, column] = progress.iterations
            solution = progress.x if column == 0 else solution
        simulation.advance(solution)
        watch("every " + parameter_name, step + 1, len(simulation), None)
    parameter = np.array([arm.values.get(parameter_name, np.nan) for arm in arms])
    return CostTable([str(arm) for arm in arms], parameter, counts), context, name


def fixed(spelling: str, rtol: float, name: str | None = None) -> Contender:
    """A configuration that is never changed."""

    def make() -> Solver:
        return Solver([spelling], "fixed", rtol=rtol, cost="iterations", guesses=False, max_iterations=_MOST_ITERATIONS)

    return Contender(name or spelling, "fixed", make)


def learning(
    learner: str, spellings: Sequence[str], rtol: float, seed: int, name: str | None = None, **options: Any
) -> Contender:
    """A learner that sees iteration counts only, as published: what it chose is played to the end."""

    def factory(arms: int, rng: np.random.Generator) -> Learner:
        return make_learner(learner, arms, rng, **options)

    def make() -> Solver:
        return Solver(
            spellings,
            factory,
            rtol=rtol,
            cost="iterations",
            guesses=False,
            seed=seed,
            patience=None,
            max_iterations=_MOST_ITERATIONS,
        )

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
            guesses=False,
            patience=None,
            max_iterations=_MOST_ITERATIONS,
        )

    return Contender(kind, "oracle", make)


def compare(
    simulation: Simulation, title: str, description: str, *, rtol: float, seed: int, watch: Watcher = watch_nothing
) -> Comparison:
    """Learners beside plain CG, fixed relaxation parameters and the oracles, all tuning ``ssor_cg``.

    Parameters
    ----------
    simulation
        Is restarted for every contender.
    title, description
        For people.
    rtol
        Relative residual of every solution.
    seed
        Of the learners.
    watch
        Is told of every step.

    Raises
    ------
    InvalidInput
        The simulation's matrices are not symmetric positive definite.
    """
    if not simulation.definite:
        kind = type(simulation).__name__
        raise InvalidInput("simulation", f"{kind} has matrices that are not symmetric positive definite; pass another")
    spellings = [str(configuration) for configuration in configurations(["ssor_cg"])]
    table, context, context_name = tabulate(simulation, spellings, "omega", rtol, watch)
    unknowns = int(simulation.state.size)
    contenders = [
        fixed("cg", rtol, "plain CG"),
        fixed("ssor_cg(omega=1.0)", rtol, "omega = 1"),
        fixed("ssor_cg(omega=1.5)", rtol, "omega = 1.5"),
        oracle("best fixed", table, rtol),
        oracle("instance-optimal", table, rtol),
        learning("tsallis_inf", spellings, rtol, seed, "Tsallis-INF"),
        learning("cheb_cb", spellings, rtol, seed, "ChebCB"),
    ]
    runs = [play(contender, simulation, "omega", watch) for contender in contenders]
    return Comparison(title, description, "omega", context_name, context, unknowns, table, runs)
