"""Locks that a forked process finds free, and what it does where a thread of its parent was in the middle of something.

A forked process has one thread, and whatever the others of its parent have held stays held: locks of ours, which are
renewed here, but also those of modules that were being imported and of the compiler, which nobody can renew. So a
process that was forked while another thread was at such a *delicate* thing leaves everything to SciPy.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any


class Lock:
    """As :class:`threading.Lock`.

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
        self._inner = self._make()
        _locks.add(self)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Whether the lock is held by this thread now."""
        return bool(self._inner.acquire(blocking, timeout))

    def release(self) -> None:
        """Let others have it."""
        with contextlib.suppress(RuntimeError):  # renewed, in a process that was forked by the thread that held it
            self._inner.release()

    def __enter__(self) -> None:
        self._inner.acquire()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.release()

    def renew(self) -> bool:
        """In a forked process; returns whether another thread was at something delicate."""
        if self._inner.acquire(blocking=False):
            self._inner.release()
            return False
        self._inner = self._make()
        return self._delicate


_locks: weakref.WeakSet[Lock] = weakref.WeakSet()
_to_be_told: list[Callable[[], object]] = []
_interrupted = False


def interrupted() -> bool:
    """Whether this process was forked while another thread was at something delicate, so that SciPy has to answer."""
    return _interrupted


def when_interrupted(do: Callable[[], object]) -> None:
    """Call ``do`` in every process that turns out to be like that."""
    _to_be_told.append(do)


def interrupt() -> None:
    """From now on this process is like that."""
    global _interrupted
    _interrupted = True
    for do in _to_be_told:
        do()


def _renew_all() -> None:
    if sum(lock.renew() for lock in list(_locks)):  # all of them, in any case
        interrupt()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
