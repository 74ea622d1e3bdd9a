"""Writes the systems of a program to disk, a directory for each call site."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reiterate.intercept.conclusion import Conclusion
from reiterate.intercept.forking import Lock
from reiterate.report.words import count, several

if TYPE_CHECKING:
    from reiterate.files.writer import StreamWriter
    from reiterate.intercept.site import Site


@dataclass(slots=True)
class Recorded:
    """A call site, as far as it has been written.

    Attributes
    ----------
    where : str
        ``"file.py:123 in function"``.
    writer : StreamWriter
    seen : int
        Systems that were solved there.
    trouble : str
        Why writing ended early.
    """

    where: str
    writer: StreamWriter
    seen: int = 0
    trouble: str = ""


class Recorder:
    """Writes systems until there are ``limit`` of a call site; what cannot be written ends the recording of that site.

    Parameters
    ----------
    directory
        In which every call site gets a directory.
    limit
        Most systems of one call site.
    """

    def __init__(self, directory: Path, limit: int) -> None:
        self.directory = directory
        self.limit = limit
        self.recorded: dict[str, Recorded] = {}
        self._process = os.getpid()
        self._lock = Lock()

    def add(self, site: Site, A: Any, b: Any, x0: Any) -> None:
        """Write a system; a forked process does not, because its parent writes there. Raises nothing."""
        if os.getpid() != self._process:
            return
        name = _name(site)
        with self._lock:
            try:
                found = self.recorded.get(name)
                if found is None:
                    # Not before the program has imported NumPy.
                    from reiterate.files.writer import StreamWriter

                    writer = StreamWriter(self.directory / name)
                    found = self.recorded[name] = Recorded(f"{site.where}, {site.function}", writer)
                found.seen += 1
                if found.seen <= self.limit and not found.trouble:
                    found.writer.add(A, b, x0)
            except Exception as error:
                if found is not None:
                    found.trouble = str(error)


class RecordingConclusion(Conclusion):
    """Of ``reiterate record``: what was written, and where."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def writers(self) -> Sequence[Callable[[], object]]:
        """A few lines on standard error."""
        return (lambda: self.say(lines(self._recorder)),)


def lines(recorder: Recorder) -> list[str]:
    """What was recorded, a line for each call site."""
    sites = recorder.recorded
    if not sites:
        return ["reiterate: nothing recorded; the program had SciPy solve no sparse system."]
    total = sum(len(site.writer) for site in sites.values())
    told = [f"reiterate: {several(total, 'system')} at {several(len(sites), 'call site')} in {recorder.directory}"]
    for name, site in sites.items():
        written = len(site.writer)
        number = count(written) if written == site.seen else f"the first {count(written)} of {count(site.seen)}"
        told.append(f"  {name}: {number} ({site.where})" + (f"; {site.trouble}" if site.trouble else ""))
    return told


def _name(site: Site) -> str:
    """A name for a directory: file, line, function of the program, and what is called."""
    file = os.path.splitext(os.path.basename(site.path))[0]
    inside = site.where.rpartition(" in ")[2]
    return re.sub(r"[^A-Za-z0-9.]+", "_", f"{file}_{site.line}_{inside}_{site.function}").strip("_")[:120]
