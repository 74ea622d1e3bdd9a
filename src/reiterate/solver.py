"""The front door for streams of linear systems: where what serves one stream meets, from the checks to the report."""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np
from numpy.typing import ArrayLike

from reiterate.configuration import Configuration
from reiterate.contracts import Attempt, LearnerFactory, Record
from reiterate.engine import History
from reiterate.engine.cost import UNITS, CostUnit
from reiterate.errors import InvalidInput, NotConverged, ReiterateError
from reiterate.linear import team
from reiterate.linear.admission import admit_start, are_swapped, as_array, check_tolerances
from reiterate.linear.column_guesses import ColumnGuesses
from reiterate.linear.departure import leave_best, leave_verified
from reiterate.linear.door import Door
from reiterate.linear.fingerprint import describe
from reiterate.linear.guesses import Guesses
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.portfolio import METHODS, check_fallback
from reiterate.linear.remarks import Remarks
from reiterate.linear.replay import KeptSystems
from reiterate.linear_engine import linear_engine, players
from reiterate.memory.recollection import recollect
from reiterate.options import check_cost, check_limits, check_switch, checks_names, reuse_names, seconds_by_solve
from reiterate.report.summary import being_compiled, summarize

if TYPE_CHECKING:
    from reiterate.memory.store import Store
    from reiterate.report.account import Account

_SECONDS_FOR_TRACES = 1.0


class Solver:
    """Solves a stream of related linear systems, and learns from each how to solve the next.

    One solver serves one stream, from one thread. Rows or columns with nothing but a diagonal entry, as Dirichlet
    conditions make them, are eliminated where what is left of A is symmetric.

    Parameters
    ----------
    methods : sequence of str, optional
        Configurations to choose from: ``"ssor_cg(omega=1.5)"`` is one, ``"ssor_cg"`` is the whole grid of its
        parameters, to which ``"auto"`` may add points in between. Default: what may pay for the kind and size of the
        matrix.
    learner : str or callable
        Who chooses. ``"auto"``: the first solve is a race, later ones are played by what is believed to cost least,
        and trying something else has a budget of 5 % (with ``cost="iterations"`` it is ``"cheb_cb"``). Or an online
        learner by its name, a key of :data:`reiterate.learners.LEARNERS`, e.g. ``"tsallis_inf"``; or a callable
        ``(arms, rng) -> Learner``. ``"fixed"`` learns nothing: it always plays the first of ``methods`` that applies to
        the matrix.
    cost : {"time", "iterations", "work"}
        What to make small. With ``"iterations"`` or ``"work"``, which are counted and not timed, and a
        ``seed``, two runs make the same decisions bit for bit.
    rtol, atol : float
        A solution satisfies ‖b − A x‖ ≤ max(rtol ‖b‖, atol), recomputed from A, b and x.
    seed : int, numpy.random.Generator or None
        Source of the learner's randomness; ``"auto"`` needs none.
    fallback : str or None
        Configuration that takes over when the chosen one fails, by its spelling. ``None``: raise instead.
    max_iterations : int
        Largest number of iterations of one configuration on one system; where b has several columns, on each.
    max_seconds : float, optional
        Wall-clock limit of one :meth:`solve`, checked between configurations and every few milliseconds within an
        iteration. A factorization that would exceed it, or half of it where others may follow, is refused or stopped.
    patience : float or None
        With a learner by name: a configuration that takes this many times the incumbent's usual iterations is stopped,
        and the incumbent finishes from the same iterate. ``"auto"`` decides itself when to stop. ``None``: nothing is
        stopped before it has finished, whoever chooses.
    null_space : array-like of shape (n,) or (n, k), pair of such arrays, "constant", or None
        For singular A: columns that span its null space, such as the rigid-body modes of an elastic body;
        ``"constant"`` stands for ones on every connected part of the matrix. Every b is projected onto the range of A,
        the residual is that of the projected system, and the solution is the one orthogonal to the null space, which
        is the shortest. The range is orthogonal to the null space of the adjoint Aᴴ: where that is spanned neither by
        the same vectors nor by their conjugates, pass a pair (Z, W) of bases, of null(A) and of null(Aᴴ). Vectors that
        a matrix does not map to zero, but for rounding errors, are refused. ``None``: symmetric A with A 1 = 0 (pure
        Neumann conditions) is recognized; only what a solution within the tolerance allows is projected, and any other
        b is refused. The solution has zero mean.
    guesses : bool
        Whether a solve may begin somewhere else than at ``x0`` when that has a smaller residual: at the last
        solution, or at what the last few make expect. ``False``: always at ``x0``.
    memory_limit : float, optional
        Bytes that prepared states (factors, hierarchies) may hold together; the least useful ones go first, and a
        factor that is estimated to exceed it is not begun.
    threads : int or None
        Threads that an iteration may use, as far as the process may use processors. Sums are cut into as many parts,
        so that the same number gives the same bits, whatever the machine is doing. Worth it from some 10,000
        unknowns on, on processors that have nothing else to do. ``None``: one.
    reuse : "all" or collection of str
        Which ways of using again what earlier systems left behind are on, of ``"same_matrix"`` (a matrix that is
        recognized is not prepared again, and Chebyshev learns its interval from solves), ``"ageing"`` (a state serves
        later matrices while that is cheaper than renewing it; off: every new matrix has its own), ``"refresh"`` (a
        state is renewed by its numbers; off: built anew) and ``"recycling"`` (deflated_cg and gcrodr keep spaces).
        ``()``: none. Guesses: see ``guesses``.
    memory : path, bool, Store or None
        A file for what is learnt, with which the next run of the same program begins: see docs/memory.md. ``True``:
        the user's own, or the one that ``REITERATE_MEMORY`` names; ``None``: only if that variable names one;
        ``False``: none. Prepared states and matrices are never stored. Decisions depend on what is remembered, also
        those that are counted and drawn from a seed.
    label : str, optional
        By which the stream is known again in the next run, if other than the line that makes the solver.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp, reiterate as rt
    >>> A = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(50, 50)).tocsr()
    >>> solver = rt.Solver(seed=0)
    >>> x = solver.solve(A, np.ones(50))
    >>> bool(np.linalg.norm(A @ x - 1.0) <= 1e-8 * np.sqrt(50))
    True
    """

    @checks_names
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
        null_space: ArrayLike | tuple[ArrayLike, ArrayLike] | None = None,
        memory_limit: float | None = None,
        guesses: bool = True,
        threads: int | None = None,
        reuse: str | Iterable[str] = "all",
        memory: str | os.PathLike[str] | bool | Store | None = None,
        label: str | None = None,
    ) -> None:
        check_fallback(fallback)
        check_switch("guesses", guesses)
        check_tolerances(rtol, atol)
        check_cost(cost)
        check_limits(max_iterations, max_seconds, patience, memory_limit, threads)
        self._rtol, self._atol = float(rtol), float(atol)
        self._cost: CostUnit = cost
        if threads is not None:
            team.warm_up(threads)
        reused = reuse_names(reuse)
        self._busy = threading.Lock()
        self._guesses = Guesses() if guesses else None
        self._column_guesses = None if self._guesses is None else ColumnGuesses(self._guesses.chosen)
        self._kept = KeptSystems()
        self._door = Door(
            null_space,
            None if memory_limit is None else int(memory_limit),
            int(threads or 1),
            recognizes="same_matrix" in reused,
            recycles="recycling" in reused,
            condenses=True,
        )
        self._recollection = recollect(memory, label, describe, cost)
        if self._recollection is not None:
            weakref.finalize(self, self._recollection.close)
        self._engine = linear_engine(
            methods,
            learner,
            fallback,
            seed,
            cost=cost,
            max_iterations=max_iterations,
            max_seconds=max_seconds,
            patience=patience,
            memory_limit=memory_limit,
            reuse=reused,
            recall=None if self._recollection is None else self._recollection.begin,
        )
        self._remarks = Remarks(() if methods is None else (METHODS[c.method] for c in self.configurations))

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
        A : SciPy sparse matrix or array of any format, dense array, or object with ``shape`` and ``matvec``, (n, n)
            Real or complex, of a type that converts to float64 or complex128 without loss. Not modified. Of a
            ``LinearOperator`` only products are known: methods that need entries do not apply.
        b : array-like of shape (n,) or (n, k)
            One right-hand side, or k of them, which are solved as one instance: with one choice, one prepared state
            and one record, several columns at a time where the method can. Not modified.
        x0 : array-like of the shape of b, optional
            Where to begin; zeros by default. Not modified.
        context : mapping of str to float, optional
            Numbers that may predict what a configuration costs, e.g. ``{"dt": dt}``. ``"auto"`` listens to those that
            have predicted it so far; learners of one variable condition on the first.
        rtol, atol : float, optional
            Tolerances of this system, if other than the solver's.

        Returns
        -------
        ndarray of the shape of b, float64 or complex128
            Satisfies ‖b − A x‖ ≤ max(rtol ‖b‖, atol) in every column.

        Raises
        ------
        InvalidInput
            An argument cannot be used; says which, why, and what would be right.
        NotConverged
            Nothing reached the tolerance; the best iterate is on it as ``x``.
        ToleranceUnreachable
            A kind of :class:`NotConverged`: double precision cannot reach the tolerance.
        """
        if not self._busy.acquire(blocking=False):
            raise ReiterateError("this Solver is solving in another thread; give every thread a Solver of its own")
        try:
            rtol = self._rtol if rtol is None else rtol
            atol = self._atol if atol is None else atol
            check_tolerances(rtol, atol)
            try:
                return self._solve(A, as_array("b", b), x0, context, rtol, atol)
            finally:
                if self._recollection is not None:
                    self.history.overhead += self._recollection.solved()
        except InvalidInput:
            if are_swapped(A, b):
                raise InvalidInput("A", "is a vector, and b a matrix; the matrix comes first: solve(A, b)") from None
            raise
        finally:
            self._busy.release()

    def _solve(
        self, A: Any, b: Vector, x0: ArrayLike | None, context: Mapping[str, float] | None, rtol: float, atol: float
    ) -> Vector:
        """Several columns, or a complex b with a real A, are one block; everything else is a vector."""
        if (b.ndim == 2 and b.shape[1] > 1) or (b.dtype.kind == "c" and b.size > 0 and not _is_complex(A)):
            return self._solve_block(A, b, x0, context, rtol, atol)
        if b.ndim == 2 and x0 is not None and (shape := as_array("x0", x0).shape) != b.shape:
            raise InvalidInput("x0", f"has shape {shape}; b has shape {b.shape}, so it must have the same")
        try:
            x = self._solve_vector(A, b, x0, context, rtol, atol)
        except NotConverged as error:
            error.x = error.x.reshape(b.shape)
            raise
        return x.reshape(b.shape)

    def _solve_block(
        self, A: Any, B: Vector, x0: ArrayLike | None, context: Mapping[str, float] | None, rtol: float, atol: float
    ) -> Vector:
        self._kept.forget_last()
        columns = self._door.admit_block(A, B, context, rtol=rtol, atol=atol)
        instance = columns.instance
        X = columns.enter(x0)
        if self._column_guesses is not None:
            X = self._column_guesses.start(instance, X)
        self._remarks.take_in(instance)
        try:
            X = instance.normalize(self._engine.solve(instance, X))
            solution = leave_verified(instance, X, self._attempts)
        except NotConverged as error:
            best, error.merit = leave_best(error, instance)
            error.x = columns.spread(best)
            raise
        if self._column_guesses is not None and (last := self.last) is not None:
            self._column_guesses.solved(instance, X, last.work, last.configuration)
        return columns.spread(solution)

    def _solve_vector(
        self, A: Any, b: Vector, x0: ArrayLike | None, context: Mapping[str, float] | None, rtol: float, atol: float
    ) -> Vector:
        instance = self._door.admit(A, b, context, rtol=rtol, atol=atol)
        start = instance.enter(instance.restrict(admit_start(x0, instance.unknowns, instance.b.dtype)))
        merit = math.inf
        if instance.trivial:
            start[:] = 0.0
        elif self._guesses is not None:
            start = self._guesses.start(instance, start)
            merit = self._guesses.merit
        self._remarks.take_in(instance)
        try:
            x = instance.normalize(cast(Vector, self._engine.solve(instance, start, merit)))
            solution = leave_verified(instance, x, self._attempts) if instance.scaled else x
        except NotConverged as error:
            self._keep(instance, start)
            best, error.merit = leave_best(error, instance)
            error.x = instance.complete(best)
            raise
        self._keep(instance, start)
        if self._guesses is not None and (last := self.last) is not None:
            self._guesses.solved(instance, x, last.work, last.configuration)
        return instance.complete(solution)

    def _keep(self, instance: LinearInstance, start: Vector) -> None:
        """Keep what a report may want to look at."""
        if (last := self.last) is not None:
            self._kept.solved(instance, start, last)

    @property
    def _attempts(self) -> Sequence[Attempt]:
        return () if self.last is None else self.last.attempts

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

    @property
    def memory(self) -> int:
        """Bytes that prepared states (factors, hierarchies) hold."""
        return self._engine.memory

    def summary(self) -> str:
        """What was chosen and what it cost, as a table."""
        lines = summarize(self.history, UNITS[self._cost])
        if self._guesses is not None and self._guesses.chosen.total() > self._guesses.chosen["given"]:
            starts = ", ".join(f"{name} {count}" for name, count in self._guesses.chosen.most_common())
            lines.append(f"(solves began at: {starts})")
        lines += [f"({line})" for line in being_compiled(self._engine.awaited)]
        return "\n".join((*lines, *self._remarks.lines()))

    def explain(self) -> str:
        """What is played now, why, what was tried, and what each alternative is believed to cost, in plain words."""
        from reiterate.report.explanation import explain

        lines = explain(self._engine.policies(), UNITS[self._cost], self._engine.awaited)
        return "\n".join((*lines, *self._remarks.inapplicable()))

    def report(
        self,
        path: str | Path,
        *,
        title: str | None = None,
        measured: Mapping[str, ArrayLike] | None = None,
        account: Account | None = None,
    ) -> Path:
        """Write a self-contained HTML page about the stream so far; returns its path.

        The last and the hardest system are solved once more for it, slowly, to see how they converge; where one
        solve takes more than a second, they are not.

        Parameters
        ----------
        path
            The file to write; its directory must exist.
        title : str, optional
            What the stream is, e.g. the line of a program that it comes from.
        measured : mapping of str to array-like of shape (solves,) or float, optional
            Seconds that others took for the same systems, or for all of them together, by who they are and how that is
            known, e.g. ``{"SciPy, audited": seconds}``.
        account : reiterate.report.account.Account, optional
            Of all that was waited for, where that was more than these solves.

        Raises
        ------
        InvalidInput
            ``path`` cannot be written, or ``measured`` is of another length.
        """
        from reiterate.report.page import check_path
        from reiterate.report.stream import write_stream_report

        check_path(Path(path))
        rivals = seconds_by_solve(measured or {}, self.history.solves + self.history.failures)
        last, hardest = self._kept.traces(players(), _SECONDS_FOR_TRACES)
        return write_stream_report(
            self.history,
            UNITS[self._cost],
            Path(path),
            title=title,
            outlooks=self._engine.outlooks,
            last=last,
            hardest=hardest,
            measured=rivals,
            account=account,
            memory=self.memory,
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Solver cannot be pickled or copied: it holds factors and a lock. Make one with the same arguments where "
            "it is needed, e.g. in every worker process; its history can be pickled"
        )

    def __repr__(self) -> str:
        return (
            f"Solver({len(self.configurations)} configurations, cost={self._cost!r}, rtol={self._rtol:g}, "
            f"atol={self._atol:g}; {self.history.solves} solves)"
        )


def _is_complex(A: Any) -> bool:
    dtype = getattr(A, "dtype", None)
    return bool((np.asarray(A).dtype if dtype is None else np.dtype(dtype)).kind == "c")
