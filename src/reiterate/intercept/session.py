"""A running interception: its options, its call sites, and what they have cost."""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, Protocol

from reiterate.errors import InvalidInput
from reiterate.intercept import patching
from reiterate.intercept.forking import Lock

if TYPE_CHECKING:
    import numpy as np

    from reiterate.intercept.options import Options
    from reiterate.intercept.site import Known, Site

_MOST_KNOWN = 10_000  # places in code; programs that compile code as they run have no end of them


class Recorder(Protocol):
    """What is told of every system."""

    def add(self, site: Site, A: Any, b: Any, x0: Any) -> None:
        """A system that the program is about to solve; nothing may be modified."""


@dataclass(frozen=True, slots=True)
class SiteSummary:
    """One call site, at the end of a run.

    Attributes
    ----------
    where : str
        ``"file.py:123 in function"``.
    function : str
        SciPy's name of what is called there.
    solves : int
        Systems that were answered there, by whomever.
    left_to_scipy : int
        Calls that SciPy answered.
    seconds : float
        That the program has waited in the calls, loading and attempts in vain included, without audits.
    seconds_before : float or None
        What SciPy would have spent on the same calls; ``None``: nobody knows.
    before : {"audited", "estimated", "guessed", "unknown"}
        Where that number comes from: from calls that were solved both ways, or from those that SciPy answered, in
        this run or an earlier one. Where it answered all, its own seconds; where it answered none, a guess by the
        number of operations.
    chosen : list of (str, int)
        Who answered how many of the solves, most first: configurations that ours began with, a factor of SciPy's that
        was kept, SciPy, and SciPy after an attempt of ours was refused. They add up to ``solves``.
    disagreement : float or None
        Largest relative difference between the two answers of an audited call; ``None``: none was audited.
    solver : rt.Solver or None
        The stream, where there is one.
    seconds_instead : float or None
        What SciPy would have spent on the calls that it did not answer.
    parts : dict of str to float
        The same seconds by what they were for; see :data:`reiterate.intercept.account.PARTS`.
    audits : float
        Seconds of audits, which come on top.
    untimed : int
        Calls left to SciPy that were not timed, because the systems are too small to be looked at.
    """

    where: str
    function: str
    solves: int
    left_to_scipy: int
    seconds: float
    seconds_before: float | None
    before: Known
    chosen: list[tuple[str, int]]
    disagreement: float | None
    solver: Any
    seconds_instead: float | None = None
    parts: dict[str, float] = field(default_factory=dict)
    audits: float = 0.0
    untimed: int = 0


class Session:
    """Answers calls of SciPy's sparse solvers, between :meth:`install` and :meth:`remove`.

    Parameters
    ----------
    direct_tolerance : float
        Direct calls are answered with a normwise backward error of at most this, or by SciPy.
    audit : float
        Share of the answered calls that SciPy solves besides, to compare answers and seconds.
    memory
        Of every :class:`reiterate.Solver`, and of what calls at every site have cost.
    recorder : object with ``add(site, A, b, x0)``, optional
        Told of every system.
    seed : int, numpy.random.Generator or None
        Draws the calls that are audited.
    **solver_options
        Of every :class:`reiterate.Solver`.
    """

    def __init__(
        self,
        direct_tolerance: float = 1e-12,
        audit: float = 0.0,
        memory: Any = None,
        recorder: Recorder | None = None,
        *,
        seed: int | np.random.Generator | None = None,
        **solver_options: Any,
    ) -> None:
        if not 0.0 < direct_tolerance < 1.0:
            raise InvalidInput("direct_tolerance", f"{direct_tolerance!r} is not between 0 and 1; use e.g. 1e-12")
        if not 0.0 <= audit <= 1.0:
            raise InvalidInput("audit", f"{audit!r} is no share of the calls; use e.g. 0.05")
        if solver_options:  # what is wrong with them is to be said now, and not in the middle of a program
            from reiterate.solver import Solver

            Solver(**solver_options)
        if memory is not None:
            solver_options["memory"] = memory
        self._direct_tolerance, self._audit, self._recorder = float(direct_tolerance), float(audit), recorder
        self._solver_options, self._seed = solver_options, seed
        self.known: dict[tuple[int, int, str], patching.Answering | None] = {}
        self._codes: list[CodeType] = []  # kept, so that no other code takes its number in ``known``
        self._sites: dict[tuple[str, int, str], Site] = {}
        self._lock = Lock(delicate=True)
        self._options: Options | None = None
        self.starting = 0.0  # seconds that the program has waited for this very session

    def install(self) -> None:
        """Begin to answer, for all threads."""
        patching.install(self)

    def remove(self) -> None:
        """Stop answering; SciPy's functions are back when no other session is installed."""
        patching.remove(self)
        if self._options is not None:
            self._options.budget.warming.stop()
            if self._options.remembered is not None:
                self._options.remembered.close()

    @property
    def sites(self) -> list[SiteSummary]:
        """The call sites, in the order in which they were met."""
        return [
            SiteSummary(
                site.where,
                site.function,
                site.answered + site.left_to_scipy,
                site.left_to_scipy,
                site.seconds,
                *site.before(),
                site.chosen(),
                site.disagreement,
                site.solver,
                site.instead(),
                site.account.parts(),
                site.account.seconds["audits"],
                site.left_to_scipy - site.timed_left,
            )
            for site in list(self._sites.values())
        ]

    @property
    def options(self) -> Options:
        """What the call sites have in common; NumPy is imported when there is a first one, and not before."""
        if self._options is None:
            self._options = self._common()
        return self._options

    def _common(self) -> Options:
        import numpy as np

        from reiterate.intercept.options import Options
        from reiterate.intercept.remembered import Remembered

        rng = np.random.default_rng(self._seed)
        remembered = None
        if self._recorder is None:
            remembered = Remembered(self._solver_options.get("memory"))
            weakref.finalize(self, remembered.close)  # at the latest when the process ends
        return Options(self._direct_tolerance, self._audit, self._recorder, self._solver_options, rng, remembered)

    def look(self, frame: FrameType, function: str) -> Site | None:
        """The call site of a frame that calls ``function``; ``None`` where SciPy or reiterate itself calls."""
        if patching.inside.depth:  # a package that we use ourselves; when the program uses it, it is a call site
            return None
        begin, code, line = time.perf_counter(), frame.f_code, frame.f_lineno
        site = None
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] not in ("scipy", "reiterate"):
            from reiterate.intercept.direct import DIRECT
            from reiterate.intercept.krylov import KRYLOV
            from reiterate.intercept.site import Site

            place = (code.co_filename, line, function)
            with self._lock:
                site = self._sites.get(place)
                if site is None:
                    handler = DIRECT.get(function) or KRYLOV[function]
                    site = Site(code, line, function, handler, self.options)
                    self._sites[place] = site
                    site.account.add("loading", self.starting + time.perf_counter() - begin)
                    self.starting = 0.0
        with self._lock:
            if len(self.known) >= _MOST_KNOWN:
                self.known.clear()
                self._codes.clear()
            self._codes.append(code)
            self.known[id(code), frame.f_lasti, function] = site
        return site


@contextlib.contextmanager
def tuned_scipy(
    direct_tolerance: float = 1e-12, audit: float = 0.0, memory: Any = None, **options: Any
) -> Iterator[Session]:
    """Answer SciPy's sparse solvers by tuned ones, inside a ``with`` block.

    Covered are ``spsolve``, ``splu``, ``spilu``, ``factorized``, ``cg``, ``cgs``, ``bicg``, ``bicgstab``, ``gmres``,
    ``lgmres``, ``minres``, ``gcrotmk`` and ``tfqmr`` of :mod:`scipy.sparse.linalg`, however they were imported:
    as attributes of modules and classes, as default arguments, or in dictionaries at the top level of a module. Every
    call site is a stream of its own. Calls that would not be faster, or cannot be answered faithfully, go to SciPy.
    What objects keep in attributes, if they were made before the block, is not found.

    A matrix that is exactly singular, but neither has a zero row or column, nor a part whose rows sum to zero, nor
    zeros on the diagonal in any order of its rows, may be noticed later than by SciPy: at ``.solve`` and not at
    ``splu``, or not at all where the system has solutions.

    Parameters
    ----------
    direct_tolerance, audit, memory, **options
        See :class:`reiterate.intercept.session.Session`.

    Yields
    ------
    Session
        Its ``sites`` say what was solved where, and what that cost.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp, reiterate as rt
    >>> from scipy.sparse.linalg import spsolve
    >>> A = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(50, 50)).tocsc()
    >>> with rt.tuned_scipy() as session:
    ...     x = spsolve(A, np.ones(50))
    >>> bool(np.allclose(A @ x, 1.0))
    True
    """
    session = Session(direct_tolerance, audit, memory, **options)
    session.install()
    try:
        yield session
    finally:
        session.remove()
