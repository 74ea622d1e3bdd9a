"""One call site: one stream, one solver, and ledgers of what answering costs."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reiterate.errors import NotConverged
from reiterate.intercept import patching
from reiterate.intercept.account import KEPT, LEFT, REFUSED, SUPERNODAL, Account, Watch
from reiterate.intercept.accuracy import KnownParts, backward_error, growth, norm_of_rows, wanted
from reiterate.intercept.factoring import Factoring
from reiterate.intercept.forking import Lock, interrupted
from reiterate.intercept.ledger import Key, Ledger, nearest
from reiterate.intercept.options import Options
from reiterate.intercept.patching import inside
from reiterate.intercept.precision import least_error, rounded
from reiterate.intercept.repeated import Repetition
from reiterate.intercept.supernodal import Answer, Busy, Supernodal, TooMuch
from reiterate.linear.handlers import raised_by_handler

Known = Literal["audited", "estimated", "guessed", "unknown"]
"""Where it comes from what SciPy would have taken."""

Handler = Callable[["Site", Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]

_SMALLEST = 150  # unknowns; below, no method can make up for its own overhead
_SURE = 10  # calls that were too fast to be improved upon; then matrices of so many entries are not looked at any more
_ROUGH = 1e-6  # of ‖b‖: to so much is solved what nobody knows the size of the solution of
_MOST_DISAGREEMENT = 1e-2  # relative difference of two answers at which an audit stops us


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt at a call.

    Attributes
    ----------
    x
        The answer; ``None``: SciPy has to give it.
    busy : bool
        Whether that is because another thread is at the solver.
    seconds : float
        What it took, but for loading machine code.
    """

    x: Any
    busy: bool = False
    seconds: float = 0.0


class Site:
    """A place in a program that calls one of SciPy's solvers.

    Attributes
    ----------
    where, function : str
        ``"file.py:123 in function"``, and what is called there.
    label : str
        By which it is known again in the next run; empty where the code comes from no file.
    smallest, least : int
        Unknowns below which SciPy answers; below which it does so at once.
    light : int
        Entries of A below which it does so, too, having proved too fast to be improved upon.
    answered, left_to_scipy : int
        Calls that we answered, or factors that were kept; calls that SciPy answered.
    timed_left, refused : int
        Of the latter, those that were timed, and those that we had tried to answer.
    account : Account
        Where the seconds went.
    disagreement : float or None
        Largest relative difference found by an audit.
    solver : rt.Solver or None
    """

    def __init__(self, code: CodeType, line: int, function: str, handler: Handler, options: Options) -> None:
        self.where = f"{os.path.basename(code.co_filename)}:{line} in {code.co_qualname}"
        self.path = code.co_filename
        self.label = _label(code, line, function)
        self.line = line
        self.function = function
        self.options = options
        self.smallest = _SMALLEST
        self.least = 0 if options.recorder is not None else _SMALLEST
        self.light = 0
        self.answered = self.left_to_scipy = self.timed_left = self.refused = 0
        self.account = Account()
        self._began: Counter[Any] = Counter()  # by configuration
        self.audited = 0
        self.disagreement: float | None = None
        self.solver: Any = None
        self.parts: KnownParts = {}
        self.repetition = Repetition()
        self.supernodal = Supernodal()
        self._ledgers: dict[Key, Ledger] = {}
        self._handler = handler
        self._lock = Lock(delicate=True)

    def answer(self, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the call returns."""
        return self.account.within("deciding", self._answer, original, args, kwargs)

    def _answer(self, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if interrupted():
            return self.leave(original, args, kwargs)
        try:
            return self._handler(self, original, args, kwargs)
        except Exception as error:
            if raised_by_handler(error) or _was_running(error, original):
                raise
        return self.leave(original, args, kwargs)  # whatever was wrong with it, SciPy can answer, or say so

    @property
    def seconds(self) -> float:
        """That the program has waited here; audits, and calls too small to be looked at, are not in it."""
        return self.account.total

    def ledger(self, A: Any, k: int, *, direct: bool = False) -> Ledger:
        """That of matrices with about as many rows and entries, and about so many right-hand sides.

        In place of a ``direct`` method, factors of our own can answer.
        """
        key = nearest((A.shape[0].bit_length(), int(A.nnz), k.bit_length()), list(self._ledgers))
        found, remembered = self._ledgers.get(key), self.options.remembered
        if found is None:
            found = Ledger(self.options.budget, barred=self.options.recorder is not None)
            found.factoring = Factoring() if direct else None
            if remembered is not None:
                remembered.begin(self, key, found)
            found = self._ledgers.setdefault(key, found)
        elif remembered is not None:
            remembered.keep()
        return found

    def ledgers(self) -> dict[Key, Ledger]:
        """Those that were opened, by what they are for."""
        return dict(self._ledgers)

    def record(self, A: Any, b: Any, x0: Any = None) -> None:
        """Tell the recorder of a system, if there is one."""
        if self.options.recorder is not None:
            self.options.recorder.add(self, A, b, x0)

    def leave(self, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """SciPy answers, whatever that takes."""
        self.left()
        watch = Watch()
        try:
            return original(*args, **kwargs)
        finally:
            self.account.by_scipy(watch, measured=False)

    def left(self) -> None:
        """Count a call that SciPy answers, and that is timed."""
        self.left_to_scipy += 1
        self.timed_left += 1

    def timed(
        self, ledger: Ledger, A: Any, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """SciPy answers, and what that takes is written down."""
        self.left()
        watch = Watch()
        try:
            with ledger.meanwhile():
                return original(*args, **kwargs)
        finally:
            ledger.by_scipy(self.account.by_scipy(watch), A)
            if ledger.theirs.count >= _SURE and ledger.settled and self.options.recorder is None:
                self.light = max(self.light, int(A.nnz) + 1)

    def solve(
        self, A: Any, b: NDArray[Any], x0: NDArray[Any] | None, rtol: float, atol: float
    ) -> tuple[NDArray[Any] | None, bool]:
        """By the solver of this site.

        Returns
        -------
        x : array of the shape of b, or None
            ``None``: the solver refuses.
        converged : bool
            Whether ‖b − A x‖ ≤ max(rtol ‖b‖, atol).

        Raises
        ------
        Busy
        """
        if interrupted() or not self._lock.acquire(blocking=False):
            raise Busy
        inside.depth += 1
        try:
            with np.errstate(all="ignore"):
                return self.solver.solve(A, b, x0, rtol=rtol, atol=atol), True
        except NotConverged as error:
            return error.x, False
        except Exception as error:  # whatever it is, SciPy can answer
            if raised_by_handler(error):
                raise
            return None, False
        finally:
            inside.depth -= 1
            self._lock.release()

    @staticmethod
    def attempt(solve: Callable[[], Any]) -> Any:
        """What ``solve`` returns; ``None`` if it raises, whatever that says of A: SciPy can answer."""
        try:
            return solve()
        except (Busy, TooMuch):
            raise
        except Exception as error:
            if raised_by_handler(error):
                raise
            return None

    def tried(self, ledger: Ledger, solve: Callable[[], Any], instead_of: float, begun: float | None = None) -> Tried:
        """What :meth:`attempt` returns, written down with what it took, where SciPy would have taken ``instead_of``.

        It has ``begun`` now, or at that time of :func:`time.perf_counter`. The solver serves one thread at a time: what
        another one has to leave to SciPy is no failure.
        """
        earlier = 0.0 if begun is None else time.perf_counter() - begun
        loading, begin = self.loading(), time.perf_counter() - earlier
        try:
            x = self.attempt(solve)
        except Busy:
            self.account.add("refused", time.perf_counter() - begin)
            return Tried(None, busy=True)
        seconds = time.perf_counter() - begin
        loading = self.loading() - loading
        self.charge(ledger, seconds, loading, instead_of, failed=x is None)
        return Tried(x, seconds=seconds - loading)

    def solve_directly(
        self, ledger: Ledger, A: Any, b: NDArray[Any], dtype: np.dtype[Any], *, size: float | None = None
    ) -> NDArray[Any] | None:
        """To the accuracy of a direct solver of this precision; ``None`` where that was not reached.

        A, of norm ``size`` if that is known, and b are in double precision, and refined is once if need be. What
        rounding errors allow depends on ‖x‖. So the first solution is begun roughly: what asks for more than can be
        reached has every method tried in vain.
        """
        promise = max(self.options.direct_tolerance, least_error(dtype))
        with np.errstate(all="ignore"):
            size, length = norm_of_rows(A) if size is None else size, float(np.abs(b).max())
            x: NDArray[Any] | None = None
            if ledger.growth is None:
                x, converged = self.solve(A, b, None, _ROUGH, 0.0)
                if x is None or not converged:
                    return None
                ledger.growth = growth(size, x, length)
            for _ in range(2):
                aim = wanted(promise, ledger.growth)
                x, converged = self.solve(A, b, x, min(max(ledger.strictness * aim, 1e-15), 1e-4), 0.0)
                if x is None:
                    return None
                error = backward_error(A, size, x, b)
                ledger.growth = growth(size, x, length)
                if error <= promise:
                    return x
                if not converged or not np.isfinite(error):
                    return None
                if wanted(promise, ledger.growth) > 0.5 * aim:  # it was not ‖x‖ that was mistaken for another
                    ledger.strictness = max(0.3 * ledger.strictness * promise / error, 1e-3)
        return None

    def solve_by_factors(
        self, ledger: Ledger, A: Any, b: NDArray[Any], dtype: np.dtype[Any], watch: Watch, trans: str = "N"
    ) -> Answer | None:
        """As :meth:`solve_directly`, by factors of our own, and written down with what it took since ``watch`` began.

        A is in double precision, by rows or columns, its entries sorted.

        Raises
        ------
        Busy
            Another thread is here, which is no failure.
        """
        promise = max(self.options.direct_tolerance, least_error(dtype))
        most = ledger.factoring.most_operations(ledger.theirs) if ledger.factoring is not None else 0.0
        answer: Answer | None = None
        try:
            with np.errstate(all="ignore"), ledger.meanwhile():
                answer = self.attempt(lambda: self.supernodal.solve(A, b, promise, most, trans))
        except TooMuch:
            if ledger.factoring is not None:
                ledger.factoring.give_up()
        x = None if answer is None else rounded(answer.x, dtype)
        if answer is None or x is None:
            self.factors_failed(ledger, watch)
            return None
        answer.x = x
        if answer.new:
            ledger.by_factors(watch.alone(), answer.analyzing, A, answer.factors.operations)
            self.by_factors(watch, SUPERNODAL)
        else:
            ledger.repeated += 1
            self.by_factors(watch, KEPT)
        return answer

    def factors_failed(self, ledger: Ledger, watch: Watch) -> None:
        """Write down an attempt in vain."""
        ledger.factors_failed()
        self.account.add("refused", watch.alone())
        self.refused += 1

    def by_factors(self, watch: Watch, whose: str) -> None:
        """Write down an answer by factors of our own."""
        self.account.add("ours", watch.alone())
        self.answered += 1
        self._began[whose] += 1

    def charge(self, ledger: Ledger, seconds: float, loading: float, instead_of: float, *, failed: bool) -> None:
        """Write down what our answer took, or our attempt at one, of which ``loading`` was for machine code."""
        self.account.add("refused" if failed else "ours", seconds - loading)
        self.account.add("loading", loading)
        self.answered += not failed
        self.refused += failed
        if not failed:
            last = self.solver.last
            self._began["reiterate" if last is None else last.configuration] += 1
        ledger.by_us(seconds - loading, 0.0 if failed else instead_of)

    def compare(self, ledger: Ledger, ours: NDArray[Any], theirs: NDArray[Any]) -> NDArray[Any]:
        """Take in what SciPy answered to an audited call; returns our answer, or SciPy's where the two differ much."""
        theirs = theirs.reshape(ours.shape)
        scale = float(np.abs(theirs).max(initial=0.0)) or 1.0
        difference = float(np.abs(theirs - ours).max(initial=0.0)) / scale
        self.audited += 1
        self.disagreement = max(self.disagreement or 0.0, difference if np.isfinite(difference) else np.inf)
        if difference <= _MOST_DISAGREEMENT:
            return ours
        ledger.barred = True
        return theirs

    def before(self) -> tuple[float | None, Known]:
        """What SciPy would have spent, and how that is known."""
        if not self.answered:
            return self.account.seconds["scipy"] or None, "estimated" if self.account.seconds["scipy"] else "unknown"
        parts = [ledger.before() for ledger in self.ledgers().values()]
        if not parts or any(part is None for part in parts):
            return None, "unknown"
        spent = sum(part for part in parts if part is not None)
        spent += self.account.unmeasured - self.account.elsewhere
        guessed = any(ledger.guessed for ledger in self.ledgers().values())
        if guessed and spent <= self.seconds:  # it is what SciPy takes at least, which says nothing then
            return None, "unknown"
        return spent, "guessed" if guessed else "audited" if self.audited else "estimated"

    def instead(self) -> float | None:
        """What SciPy would have spent on the calls that we answered."""
        parts = [ledger.instead() for ledger in self.ledgers().values()]
        return None if None in parts else sum(part for part in parts if part is not None)

    def chosen(self) -> list[tuple[str, int]]:
        """Who answered how many calls, most first: the configuration that ours began with, or SciPy."""
        found = Counter({str(configuration): count for configuration, count in self._began.items()})
        refused = min(self.refused, self.left_to_scipy)
        found.update({KEPT: self.answered - found.total(), LEFT: self.left_to_scipy - refused, REFUSED: refused})
        return [(name, count) for name, count in found.most_common() if count > 0]

    def loading(self) -> float:
        """Seconds of loading machine code so far, which are not held against our answers; makes the solver."""
        if self.solver is None:
            if interrupted() or not self._lock.acquire(blocking=False):  # another thread does
                return 0.0
            try:
                if self.solver is None:
                    self.solver = self.account.within("loading", self.attempt, self._make_solver)
            finally:
                self._lock.release()
        if self.solver is None:  # e.g. a module cannot be imported: nobody is to hear of it but SciPy
            self.least = sys.maxsize
            return 0.0
        return float(self.solver.history.compiling)

    def _make_solver(self) -> Any:
        from reiterate.solver import Solver

        return Solver(**{"label": self.label, **self.options.solver_options})


def _was_running(error: Exception, original: Callable[..., Any]) -> bool:
    """Whether it is SciPy that has raised an error, or what SciPy has called."""
    codes = {getattr(function, "__code__", None) for function in (original, patching.original("splu"))}
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in codes:
            return True
        trace = trace.tb_next
    return False


def _label(code: CodeType, line: int, function: str) -> str:
    """Only the last directory counts, so that a project can be moved."""
    path = Path(code.co_filename)
    within = "" if code.co_qualname == "<module>" else f" in {code.co_qualname}"
    return f"{path.parent.name}/{path.name}:{line} {function}{within}" if path.is_file() else ""
