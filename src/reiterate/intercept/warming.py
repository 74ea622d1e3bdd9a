"""Imports the solver and loads its machine code beside the program, while SciPy computes without Python's lock."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Final

from reiterate.intercept import forking
from reiterate.intercept.forking import Lock
from reiterate.intercept.patching import inside

_PATIENCE: Final = 2.0  # seconds that whoever stops it waits for the step that goes on
_FIRST: Final = ("ssor_cg", "amg_cg", "ic_cg", "direct", "factor_cg", "ilu_gmres", "ilu_bicgstab", "factor_gmres")
"""Methods that large systems are likely to be solved by, the likeliest first."""

_FORK_HOOKS: Final = ("logging", "concurrent.futures.thread")
"""Modules with hooks around a fork, which must not be imported while one is going on."""

Step = Callable[[], object]

_all: weakref.WeakSet[Warming] = weakref.WeakSet()


class Warming:
    """A thread that makes ready what the first solve would otherwise wait for.

    It never begins where there is one processor only, and takes a step only while SciPy computes, or the program would
    wait for Python's lock. It stops between two steps, of some tenths of a second at most,
    before the process forks or ends; what is not there by then is imported by whoever needs it. After a fork the parent
    begins again where it stopped, when SciPy is next waited for. The child never does: programs fork as many processes
    as there are processors, and beside those none is idle.

    Attributes
    ----------
    ready : bool
        Whether all is there.
    busy : bool
        Whether a step is being taken.
    """

    def __init__(self, steps: Callable[[], Iterator[Step]] | None = None) -> None:
        self.ready = self.busy = False
        self._given_up = False
        self._computing = 0  # threads of the program in which SciPy is
        self._lock, self._beginning = Lock(), Lock(delicate=True)
        self._steps = (steps or _steps)()
        self._stopping, self._may_go_on = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether the thread is at work."""
        return self._thread is not None and self._thread.is_alive()

    def begin(self) -> None:
        """Start, the first time and after every fork."""
        if self.running or self._given_up or self.ready or _processors() < 2:
            return
        if not self._beginning.acquire(blocking=False):  # another thread begins
            return
        try:
            if not self.running:
                self._begin()
        except Exception:  # no thread can be started, or the program is about to end
            self._given_up = True
        finally:
            self._beginning.release()

    def _begin(self) -> None:
        for name in _FORK_HOOKS:
            importlib.import_module(name)
        with self._lock:
            self._stopping.clear()
            if not self._computing:
                self._may_go_on.clear()
        _all.add(self)
        self._thread = threading.Thread(target=self._work, name="reiterate warming", daemon=True)
        self._thread.start()  # if it is stopped before this, it takes no step

    def leave_to_the_parent(self) -> None:
        """In a forked process, which has no such thread: never begin."""
        if self.busy:
            forking.interrupt()
        self._stopping, self._may_go_on = threading.Event(), threading.Event()
        self._thread, self._given_up, self.busy = None, True, False

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Take steps meanwhile."""
        with self._lock:
            self._computing += 1
            self._may_go_on.set()
        try:
            yield
        finally:
            with self._lock:
                self._computing -= 1
                if not self._computing and not self._stopping.is_set():
                    self._may_go_on.clear()

    def stop(self) -> None:
        """Take no further step, wait for the one that goes on, and do not begin again."""
        self._given_up = True
        self.pause()

    def pause(self) -> None:
        """The same, but it may begin again."""
        with self._lock:
            self._stopping.set()
            self._may_go_on.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread() and thread.is_alive():
            thread.join(_PATIENCE)

    def _work(self) -> None:
        inside.depth += 1  # what is solved here is no call of the program's
        # Whatever is wrong will be met, and said, by the first solve.
        with contextlib.suppress(Exception):
            while True:
                self._may_go_on.wait()
                if self._stopping.is_set():
                    return
                self.busy = True
                step = next(self._steps, None)
                if step is None:
                    self.ready = True
                    break
                step()
                self.busy = False
        self._given_up, self.busy = True, False


def _steps() -> Iterator[Step]:
    yield lambda: importlib.import_module("numba")
    yield lambda: importlib.import_module("reiterate.solver")
    from reiterate.linear.background import background
    from reiterate.linear.block import ColumnByColumn
    from reiterate.linear.filling import ELEMENTARY, spell
    from reiterate.linear.method import Variant
    from reiterate.linear.portfolio import METHODS

    known = background()
    variant = (Variant(False, True), False)
    if not known.is_ready(ELEMENTARY):
        return  # what has to be compiled first is compiled elsewhere
    for name in _FIRST:
        method = ColumnByColumn(METHODS[name])
        if known.is_ready(spell(name, variant)):
            yield lambda method=method: method.warm_up(variant)  # type: ignore[misc]


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _stop_all() -> None:
    for warming in list(_all):
        warming.stop()


def _pause_all() -> None:
    for warming in list(_all):
        warming.pause()


def _leave_all_to_the_parent() -> None:
    for warming in list(_all):
        warming.leave_to_the_parent()


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_pause_all, after_in_child=_leave_all_to_the_parent)
