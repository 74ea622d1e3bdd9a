"""Has kernels compiled by another process, while this one makes do with what needs no compiling.

Compiling what a first solve may play takes some ten seconds to a minute, once a machine. So a process of the lowest
priority is started that warms methods up and so fills Numba's cache on disk; there is one at a time of them, whoever
has started it (:func:`reiterate.kernels.ready.alone`). It writes nothing but those files, belongs to no terminal, and
goes on when the program has ended, so that the next one finds what this one did not need any more. Where it cannot be
started or does not succeed, kernels are compiled when they are first called, as without it.

The environment variable ``REITERATE_BACKGROUND=0`` turns all of this off.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numba

from reiterate.contracts import Method
from reiterate.kernels.ready import ReadyList, ready_list
from reiterate.linear import elementary
from reiterate.linear.detached import start_detached
from reiterate.linear.filling import ELEMENTARY, spell

SWITCH: Final = "REITERATE_BACKGROUND"

Wanted = tuple[str, str, Sequence[bool]]

_CODE = """
import json, sys
task = json.loads(sys.argv[1])
sys.path[:] = task["path"]
from reiterate.linear.filling import fill
fill(task["ready"], task["wanted"])
"""
_DOOR: Wanted = (ELEMENTARY, ELEMENTARY, ())


class Process(Protocol):
    """A process that was started."""

    def poll(self) -> int | None:
        """``None`` while it runs."""


class Background:
    """Knows which methods are compiled, and has the others compiled.

    Parameters
    ----------
    ready
        The list of what is compiled; ``None``: nothing is cached on disk, and nothing compiled in the background.
    start
        Starts a process that fills the list; raises OSError where that is impossible.
    """

    def __init__(self, ready: ReadyList | None, start: Callable[[ReadyList, Sequence[Wanted]], Process]) -> None:
        self._ready = ready
        self._start = start
        self.forget()

    def forget(self) -> None:
        """Of processes started: in a forked process they are somebody else's, and so is whoever held the lock."""
        self._lock = threading.Lock()
        self._asked: dict[str, Process] = {}
        self._process: Process | None = None

    def begin(self) -> None:
        """To be called before the first system is admitted: the door may not have its kernels yet."""
        with self._lock:
            if self._ready is not None and not self._is_ready(ELEMENTARY) and ELEMENTARY not in self._asked:
                elementary.wait()

    def missing(self, wanted: Sequence[tuple[Method, Hashable]]) -> frozenset[str]:
        """The names of those methods whose code for these variants is being compiled elsewhere.

        They will be ready later, or missing no longer because nobody compiles them: then they are compiled in the
        foreground, when they are warmed up.
        """
        with self._lock:
            spelled = {spell(method.name, variant): _order(method, variant) for method, variant in wanted}
            if elementary.waiting():
                spelled = {ELEMENTARY: _DOOR, **spelled}
            awaited = self._awaited(spelled)
            if ELEMENTARY not in awaited:
                elementary.arrive()
            return frozenset(order[1] for spelling, order in spelled.items() if spelling in awaited)

    def _awaited(self, spelled: dict[str, Wanted]) -> set[str]:
        """Of these spellings, those that a process is working on or will be asked for."""
        if self._ready is None:
            return set()
        left = {spelling: order for spelling, order in spelled.items() if not self._is_ready(spelling)}
        new = [order for spelling, order in left.items() if spelling not in self._asked]
        running = self._process is not None and self._process.poll() is None
        if new and not running:
            try:
                self._process = self._start(self._ready, new)
            except OSError:
                self._ready = None
                return set()
            self._asked.update((order[0], self._process) for order in new)
            running = True
        # What a process was asked for that has ended without it is not waited for any more.
        given_up = {spelling for spelling in left if self._asked.get(spelling, self._process) is not self._process}
        return set(left) - given_up if running else set()

    def _is_ready(self, spelling: str) -> bool:
        assert self._ready is not None
        return spelling in self._ready.names()

    def is_ready(self, spelling: str) -> bool:
        """Whether what is spelled like this is known to be compiled."""
        with self._lock:
            return self._ready is not None and self._is_ready(spelling)

    def note(self, method: str, variant: Hashable) -> None:
        """A method has been warmed up here, so that its kernels are on disk."""
        with self._lock:
            if self._ready is not None:
                self._ready.add([spell(method, variant)])


def _order(method: Method, variant: Any) -> Wanted:
    of_a_column, block = variant
    return spell(method.name, variant), method.name, (*of_a_column, block)


def _start(ready: ReadyList, wanted: Sequence[Wanted]) -> Process:
    """A process of its own session, that Ctrl-C here and the end of a terminal do not reach, and without any output.

    It is no child of this one, which may wait for its children, but on Windows, where nobody does.
    """
    path = [os.path.abspath(place) for place in sys.path if isinstance(place, str)]
    task = json.dumps({"path": path, "ready": str(ready.path), "wanted": list(wanted)})
    arguments = [sys.executable, "-P", "-c", _CODE, task]
    if sys.platform == "win32":
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ready.path.parent,
            env=_environment(),
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP
            | subprocess.CREATE_NO_WINDOW
            | subprocess.IDLE_PRIORITY_CLASS,
        )
        atexit.register(_let_go, process)
        return process
    return start_detached(arguments, ready.path.parent, _environment())


def _environment() -> dict[str, str]:
    """One thread each for libraries that would start more, Numba's cache where it is here, and no further process."""
    one = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM")}
    cache = {"NUMBA_CACHE_DIR": str(numba.config.CACHE_DIR)} if numba.config.CACHE_DIR else {}
    return {**os.environ, **one, **cache, SWITCH: "0"}


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """It goes on; nobody has to be warned of that at exit."""
    if process.returncode is None:
        process.returncode = 0


def _possible() -> bool:
    """Whether a process of the same interpreter can and may be started."""
    if os.environ.get(SWITCH, "1") == "0" or numba.config.DISABLE_JIT or sys.platform in ("emscripten", "wasi"):
        return False
    # A program that embeds Python, or was frozen, is its own executable: it would start itself once more.
    embedded = not sys.executable or "python" not in Path(sys.executable).name.lower()
    return not (embedded or getattr(sys, "frozen", False))


@functools.cache
def background() -> Background:
    """That of this process."""
    ours = Background(ready_list() if _possible() else None, _start)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=ours.forget)
    return ours
