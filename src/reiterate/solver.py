"""The front door for streams of linear systems: where the engine and the linear portfolio meet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from reiterate.configuration import Configuration
from reiterate.contracts import Learner, LearnerFactory, Record
from reiterate.engine import Engine, History
from reiterate.engine.cost import UNITS, CostUnit
from reiterate.errors import InvalidInput
from reiterate.learners import LEARNERS, make_learner
from reiterate.linear.door import Door, admit_start, check_tolerances
from reiterate.linear.instance import Vector
from reiterate.linear.portfolio import DEFAULT, METHODS, configuration, configurations


class Solver:
    """Solves a stream of related linear systems, and learns from each how to solve the next.

    One solver serves one stream, from one thread.

    Parameters
    ----------
    methods : sequence of str, optional
        Configurations to choose from: ``"ssor_cg(omega=1.5)"`` is one, ``"ssor_cg"`` is the whole grid of its
        parameters. Default: ``"cg"``, ``"jacobi_cg"``, ``"ssor_cg"``.
    learner : str or callable
        Name of an online learner (``"auto"``, ``"cheb_cb"``, ``"tsallis_inf"``, ``"binned_tsallis_inf"``,
        ``"uniform"``, ``"fixed"``), or a callable ``(arms, rng) -> Learner``.
    cost : {"time", "iterations", "work"}
        What to make small. With ``"iterations"`` or ``"work"``, which are counted and not timed, and a
        ``seed``, two runs make the same decisions bit for bit.
    rtol, atol : float
        A solution satisfies ‖b − A x‖ ≤ max(rtol ‖b‖, atol), recomputed from A, b and x.
    seed : int, numpy.random.Generator or None
        Source of the learner's randomness.
    fallback : str or None
        Configuration that takes over when the chosen one fails. ``None``: raise instead.
    max_iterations : int
        Largest number of iterations of one configuration on one system.
    max_seconds : float, optional
        Wall-clock limit of one :meth:`solve`; checked between configurations and every few milliseconds
        within an iteration, not during a factorization.
    patience : float or None
        A configuration that takes this many times the incumbent's usual iterations is stopped, and the incumbent
        finishes from the same iterate. ``None``: never.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp, reiterate as rt
    >>> A = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(50, 50)).tocsr()
    >>> solver = rt.Solver(seed=0)
    >>> x = solver.solve(A, np.ones(50))
    >>> bool(np.linalg.norm(A @ x - 1.0) <= 1e-8 * np.sqrt(50))
    True
    """

    def __init__(
        self,
        methods: Sequence[str] | None = None,
        learner: str | LearnerFactory = "auto",
        *,
        cost: CostUnit = "time",
        rtol: float = 1e-8,
        atol: float = 0.0,
        seed: int | np.random.Generator | None = None,
        fallback: str | None = "direct",
        max_iterations: int = 10_000,
        max_seconds: float | None = None,
        patience: float | None = 8.0,
    ) -> None:
        check_tolerances(rtol, atol)
        if cost not in UNITS:
            raise InvalidInput("cost", f"{cost!r} is not one of {', '.join(map(repr, UNITS))}")
        _check_positive("max_iterations", max_iterations, whole=True)
        _check_positive("max_seconds", max_seconds)
        _check_positive("patience", patience)
        self._rtol, self._atol = float(rtol), float(atol)
        self._cost: CostUnit = cost
        self._door = Door()
        self._engine = Engine(
            METHODS,
            configurations(DEFAULT if methods is None else methods),
            [configuration(fallback)] if fallback is not None else [],
            _learner_factory(learner),
            _generator(seed),
            cost=cost,
            max_iterations=max_iterations,
            max_seconds=max_seconds,
            patience=patience,
        )

    def solve(
        self,
        A: Any,
        b: ArrayLike,
        x0: ArrayLike | None = None,
        context: Mapping[str, float] | None = None,
        *,
        rtol: float | None = None,
        atol: float | None = None,
    ) -> Vector:
        """Solve A x = b.

        Parameters
        ----------
        A : SciPy sparse matrix or array of any format, shape (n, n)
            Real; float64, or of a type that converts to it without loss. Not modified.
        b : array-like of shape (n,)
            Not modified.
        x0 : array-like of shape (n,), optional
            Where to begin; zeros by default. Not modified.
        context : mapping of str to float, optional
            Numbers that may predict what a configuration costs, e.g. ``{"dt": dt}``. Learners of one
            variable condition on the first.
        rtol, atol : float, optional
            Tolerances of this system, if other than the solver's.

        Returns
        -------
        ndarray of shape (n,), float64
            Satisfies ‖b − A x‖ ≤ max(rtol ‖b‖, atol).

        Raises
        ------
        InvalidInput
            An argument cannot be used; says which, why, and what would be right.
        NotConverged
            Nothing reached the tolerance; the best iterate is on it as ``x``.
        ToleranceUnreachable
            A kind of :class:`NotConverged`: double precision cannot reach the tolerance.
        """
        instance = self._door.admit(
            A,
            b,
            context,
            rtol=self._rtol if rtol is None else rtol,
            atol=self._atol if atol is None else atol,
        )
        # A zero right-hand side has the solution zero, whatever the guess and however singular A is.
        start = admit_start(x0, instance.b.size)
        if not instance.b.any():
            start[:] = 0.0
        return cast(Vector, self._engine.solve(instance, start))

    @property
    def last(self) -> Record | None:
        """What was done with the last system: configuration, iterations, seconds, residual, attempts."""
        return self._engine.history.last

    @property
    def history(self) -> History:
        """The last 10,000 records, and totals over every solve."""
        return self._engine.history

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        """What the learner chooses among."""
        return self._engine.configurations

    def summary(self) -> str:
        """What was chosen and what it cost, as a table."""
        history = self.history
        unit = UNITS[self._cost]
        width = max((len(str(c)) for c in history.tallies), default=13)
        lines = [
            f"{history.solves} solves, {history.failures} failed; {history.seconds:.3g} s in methods, "
            f"{history.overhead:.3g} s deciding and verifying",
            f"{'configuration':<{width}}  {'chosen':>6}  {'iterations':>10}  {'mean cost':>12}  {'rescued':>7}",
        ]
        by_use = sorted(history.tallies.items(), key=lambda item: -item[1].solves)
        lines += [
            f"{configuration!s:<{width}}  {tally.solves:>6}  {tally.iterations:>10}  "
            f"{tally.cost / tally.solves:>12.4g}  {tally.rescued:>7}"
            for configuration, tally in by_use
        ]
        return "\n".join([*lines, f"(cost in {unit})"])

    def report(self, path: str | Path) -> Path:
        """Write a self-contained HTML page about the stream so far; returns its path."""
        from reiterate.report.stream import write_stream_report

        return write_stream_report(self.history, UNITS[self._cost], Path(path))

    def __repr__(self) -> str:
        return (
            f"Solver({len(self.configurations)} configurations, cost={self._cost!r}, rtol={self._rtol:g}, "
            f"atol={self._atol:g}; {self.history.solves} solves)"
        )


def solve(A: Any, b: ArrayLike, x0: ArrayLike | None = None, **options: Any) -> Vector:
    """Solve one system A x = b; ``options`` are those of :class:`Solver`.

    Without a stream there is nothing to learn from: the default is ``ssor_cg(omega=1.5)`` for what looks
    symmetric positive definite, and the fallback for everything else.
    """
    options.setdefault("methods", ["ssor_cg(omega=1.5)"])
    return Solver(**options).solve(A, b, x0)


def solve_stream(
    systems: Iterable[Sequence[Any]], solver: Solver | None = None, *, progress: bool = False
) -> Iterator[Vector]:
    """Solve the systems of an iterable one after another, lazily.

    Parameters
    ----------
    systems
        Pairs (A, b), or triples (A, b, x0).
    solver
        Whose knowledge to use and extend; a new :class:`Solver` by default.
    progress
        Show a progress bar on the terminal.

    Yields
    ------
    ndarray of shape (n,)
    """
    solver = Solver() if solver is None else solver
    if progress:
        from rich.progress import track

        total = len(systems) if isinstance(systems, Sized) else None
        systems = track(systems, description="Solving", total=total)
    for system in systems:
        if len(system) not in (2, 3):
            raise InvalidInput("systems", f"holds a tuple of {len(system)} things; give (A, b) or (A, b, x0)")
        yield solver.solve(*system)


def _learner_factory(learner: str | LearnerFactory) -> LearnerFactory:
    if callable(learner):
        return learner
    if learner != "auto" and learner not in LEARNERS:
        make_learner(learner, 1, np.random.default_rng(0))  # raises, and lists the names there are

    def factory(arms: int, rng: np.random.Generator) -> Learner:
        return make_learner(learner, arms, rng)

    return factory


def _generator(seed: int | np.random.Generator | None) -> np.random.Generator:
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise InvalidInput("seed", f"{seed!r} is neither a nonnegative integer nor a numpy.random.Generator") from None


def _check_positive(name: str, value: float | None, *, whole: bool = False) -> None:
    if value is None and not whole:
        return
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < math.inf:
        raise InvalidInput(name, f"{value!r} is not a positive {'integer' if whole else 'number'}")
