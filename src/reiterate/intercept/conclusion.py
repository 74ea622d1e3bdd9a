"""What is done when a program that `reiterate run` has run is over: the table, the report, the numbers as JSON."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from reiterate.intercept.forking import Lock

if TYPE_CHECKING:
    from reiterate.intercept.patching import Answering
    from reiterate.intercept.session import Session, SiteSummary
    from reiterate.intercept.table import Totals
    from reiterate.report.account import Account

_MOST_PAGES: Final = 20  # call sites with a page of their own


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be written at the end.

    Attributes
    ----------
    quiet : bool
        No table.
    report, json : Path or None
    program : str
        Its name, for the report.
    """

    program: str
    quiet: bool = False
    report: Path | None = None
    json: Path | None = None


class Conclusion:
    """Concludes when the process ends, after everything that the program has registered with :mod:`atexit`.

    A process that ends by ``os._exit``, by a signal or as another program has no conclusion. Forked processes go on
    with replaced solvers, but what they solve is known to them alone; they have none either.

    Attributes
    ----------
    session : Session or None
        What answers; ``None`` until the program imports SciPy's solvers.
    children : int
        Processes that the program has forked.
    """

    def __init__(self) -> None:
        self.session: Session | None = None
        self.children = 0
        self._stream = sys.stderr
        self._process = os.getpid()
        self._interrupted, self._begun = False, True
        atexit.register(self._conclude)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_parent=self._forked)

    def begin(self, options: Mapping[str, Any]) -> None:
        """Replace SciPy's solvers from now on; where that is impossible, say so and let the program go on without."""
        from reiterate.intercept import patching

        with self._telling():
            patching.install(_Waiting(lambda: self._open(options)))

    def _open(self, options: Mapping[str, Any]) -> Session | None:
        with self._telling():
            begin = time.perf_counter()
            from reiterate.intercept.session import Session

            session = Session(**options)
            session.install()
            session.starting = time.perf_counter() - begin
            self.session = session
        return self.session

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.say([f"reiterate: SciPy's solvers are not replaced ({type(error).__name__}: {error})."])

    def ended(self, interrupted: bool, begun: bool = True) -> None:
        """The main thread has ended: the last chance to import what cannot be imported at the interpreter's exit.

        Nothing is written of a program that could not even begin.
        """
        self._interrupted, self._begun = interrupted, begun
        if os.getpid() == self._process:
            with contextlib.suppress(Exception):
                self.prepare()

    def prepare(self) -> None:
        """Import what writing takes."""

    def writers(self) -> Sequence[Callable[[], object]]:
        """What is to be written, in this order, each whether or not another fails."""
        return ()

    def say(self, lines: Sequence[str]) -> None:
        """Write lines to standard error as it was; the program may have closed it, or its reader may be gone."""
        with contextlib.suppress(Exception):
            for line in lines:
                self._stream.write(f"{line}\n")
            self._stream.flush()

    def width(self) -> int | None:
        """Characters in a line of the terminal that standard error is; ``None`` where it is none."""
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or None
        except (OSError, ValueError, AttributeError):
            return None

    def _forked(self) -> None:
        self.children += 1

    def _conclude(self) -> None:
        """Whatever goes wrong is told in a line, and changes nothing of how the program ended."""
        if os.getpid() != self._process:
            return
        for write in self.writers() if self._begun else ():
            try:
                write()
            except Exception as error:
                self.say([f"reiterate: {error}"])
        if self._interrupted:
            _remember_interruption()


class _Waiting:
    """Stands for a session until a program makes its first call.

    SciPy's solvers may be imported by other parts of SciPy, which are not there yet themselves then; a session needs
    them. And a program that calls none should not wait for one.
    """

    def __init__(self, begin: Callable[[], Session | None]) -> None:
        self.known: dict[tuple[int, int, str], Answering | None] = {}
        self._begin = begin
        self._lock = Lock(delicate=True)
        self._begun = False
        self._session: Session | None = None

    def look(self, frame: FrameType, function: str) -> Answering | None:
        """Begin the session, which answers this call as well as all later ones."""
        with self._lock:
            if not self._begun:
                self._begun = True
                self._session = self._begin()
        return None if self._session is None else self._session.look(frame, function)


class Summary(Conclusion):
    """Of ``reiterate run``.

    Parameters
    ----------
    wanted
        What to write.
    """

    def __init__(self, wanted: Wanted) -> None:
        super().__init__()
        self._wanted = wanted

    def prepare(self) -> None:
        """Import what the table and the report take."""
        from reiterate.intercept import table

        table.totals(self._sites())
        if self._wanted.report is not None:
            from reiterate.report import account, figures, stream, stream_charts, stream_choices

            del account, figures, stream, stream_charts, stream_choices

    def writers(self) -> Sequence[Callable[[], object]]:
        """The table, the numbers and the report, as far as they are wanted."""
        return (self._write_table, self._write_json, self._write_report)

    def _sites(self) -> Sequence[SiteSummary]:
        return () if self.session is None else self.session.sites

    def _write_table(self) -> None:
        from reiterate.intercept.table import lines

        if not self._wanted.quiet:
            self.say(lines(self._sites(), self.width(), self.children))

    def _write_json(self) -> None:
        from reiterate.intercept.table import as_dict

        if self._wanted.json is not None:
            from reiterate.report.page import write_file

            found = {"program": self._wanted.program, "forked_processes": self.children, **as_dict(self._sites())}
            write_file(self._wanted.json, json.dumps(found, indent=2, default=float).encode() + b"\n")

    def _write_report(self) -> None:
        if self._wanted.report is not None:
            write_report(self._wanted.program, self._sites(), self._wanted.report, self.children)


def _remember_interruption() -> None:
    """Have the process die of SIGINT after all.

    CPython notes that it was interrupted when code that was given as text, as programs are, ends with
    KeyboardInterrupt, and forgets that when more of such code runs, as many imports do.
    """
    with contextlib.suppress(KeyboardInterrupt):
        exec("raise KeyboardInterrupt")


def write_report(program: str, sites: Sequence[SiteSummary], path: Path, children: int = 0) -> Path:
    """Write a page about all call sites, and beside it one about each stream: ``out.html``, ``out-1.html``.

    The program has forked so many ``children``.

    Raises
    ------
    InvalidInput
        The path cannot be written.
    """
    from reiterate.intercept import table
    from reiterate.report.page import Link, Page
    from reiterate.report.words import several

    total = table.totals(sites)
    by_time = sorted(sites, key=lambda site: site.seconds, reverse=True)
    rows = []
    for number, site in enumerate(by_time, 1):
        page: str | Link = ""
        if number <= _MOST_PAGES and site.solver is not None and len(site.solver.history):
            page = Link(_page(site, path.with_name(f"{path.stem}-{number}{path.suffix}")))
        rows.append([*table.row(site)[:3], *_times(site), table.choices(site), page])
    if total.solves > total.left_to_scipy:
        lead = f"{table.headline(total, len(sites))}"
    else:
        lead = f"{several(total.solves, 'solve')}, all left to SciPy." if sites else "No solver of SciPy's was called."
    overview = Page(f"{program}, as reiterate ran it", lead, table.forked(children))
    overview.table(
        "Call sites",
        "Every place that calls one of SciPy's solvers is a stream of its own. The pages in the last column lie "
        "beside this one.",
        ["call site", "function", "solves", "seconds", "with SciPy", "how that is known", "chosen", "page"],
        rows,
    )
    if total.seconds > 0.0:
        _account(total, lead).show(overview)
    overview.explanations("How to read this", _TERMS)
    return overview.write(path)


def _page(site: SiteSummary, path: Path) -> str:
    """The page of a stream, with what SciPy would have taken where that is known; returns its name."""
    from reiterate.intercept import table

    instead = site.seconds_instead
    measured = {} if instead is None or site.before == "unknown" else {f"SciPy, {site.before}": instead}
    total = table.totals([site])
    account = _account(total, table.headline(total, 1))
    title = f"{site.function} at {site.where}"
    return str(site.solver.report(path, title=title, measured=measured, account=account).name)


def _account(total: Totals, lead: str) -> Account:
    """As the table tells it."""
    from reiterate.intercept.account import PARTS
    from reiterate.intercept.table import not_counted
    from reiterate.report.account import Account

    parts = [(name, total.parts[part], meaning) for part, (name, meaning) in PARTS.items()]
    return Account(lead, parts, total.parts["ours"] + total.parts["refused"], not_counted(total))


def _times(site: SiteSummary) -> list[Any]:
    before = "–" if site.seconds_before is None else f"{site.seconds_before:.3g}"
    return [f"{site.seconds:.3g}", before, site.before]


_TERMS: Final = [
    ("call site", "A line of the program, or of a package that it uses, that calls one of SciPy's sparse solvers."),
    ("seconds", "Measured: that the program has waited in the calls, for all that “Where the seconds went” names."),
    ("with SciPy", "What SciPy would have spent on the same calls."),
    ("audited", "From calls of this very run that were solved both ways."),
    ("guessed", "By the operations of a factorization, at the least: SciPy has answered no call of this site."),
    ("estimated", "From those calls of this site that SciPy answered, in this run or an earlier one."),
    (
        "chosen",
        "Who answered, with shares of all solves: methods of ours, factors that had been computed for the same "
        "matrix and that were kept, or SciPy, be it at once or after our answer was refused.",
    ),
]
