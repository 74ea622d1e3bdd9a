"""Locks that a forked process finds free, and what it does where a thread of its parent was in the middle of something.

A forked process has one thread, and whatever the others of its parent have held stays held: locks of ours, which are
renewed here, but also those of modules that were being imported and of the compiler, which nobody can renew. So a
process that was forked while another thread was at such a *delicate* thing leaves everything to SciPy.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any


class Lock:
    """As :class:`threading.Lock`.

    Nothing is registered, since whatever is told of an object's end runs code in between that of the program, and what
    is raised there by a signal handler is lost.

    Parameters
    ----------
    delicate
        Whether modules may be imported, or kernels loaded, by a thread that holds it.
    reentrant
        Whether it is a :class:`threading.RLock`.
    """

    def __init__(self, *, delicate: bool = False, reentrant: bool = False) -> None:
        self._delicate = delicate
        self._make: Callable[[], Any] = threading.RLock if reentrant else threading.Lock
        self._inner, self._generation = self._make(), _generation

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Whether the lock is held by this thread now."""
        if not self._renewed().acquire(blocking, timeout):
            return False
        if self._delicate:
            _at_delicate_things.append(self)
        return True

    def release(self) -> None:
        """Let others have it."""
        if self._delicate:
            with contextlib.suppress(ValueError):
                _at_delicate_things.remove(self)
        with contextlib.suppress(RuntimeError):  # renewed, in a process that was forked by the thread that held it
            self._renewed().release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.release()

    def _renewed(self) -> Any:
        if self._generation != _generation:
            with _renewing:
                if self._generation != _generation:
                    self._inner, self._generation = self._make(), _generation
        return self._inner


_generation = 0  # of processes, of which every fork makes another one
_renewing = threading.Lock()
_at_delicate_things: list[Lock] = []
_to_be_told: list[Callable[[], object]] = []
_interrupted = False


def interrupted() -> bool:
    """Whether this process was forked while another thread was at something delicate, so that SciPy has to answer.

    So it has where the interpreter is ending, when nothing can be imported any more.
    """
    return _interrupted or sys.is_finalizing()


def when_interrupted(do: Callable[[], object]) -> None:
    """Call ``do`` in every process that turns out to be like that."""
    _to_be_told.append(do)


def interrupt() -> None:
    """From now on this process is like that."""
    global _interrupted
    _interrupted = True
    for do in _to_be_told:
        do()


def _begin_anew() -> None:
    global _generation, _renewing
    _generation, _renewing = _generation + 1, threading.Lock()
    if _at_delicate_things:
        _at_delicate_things.clear()
        interrupt()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
