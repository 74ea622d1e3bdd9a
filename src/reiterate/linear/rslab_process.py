"""What rslab asks of the process that uses it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reiterate.errors import Breakdown
from reiterate.linear.handlers import raised_by_handler
from reiterate.linear.lasting_import import import_for_good

rslab = import_for_good("rslab")

_USUAL_THREADS = 4  # that rslab takes at most where nothing is said

_used = False
_orphaned = False


def _after_fork() -> None:
    global _orphaned
    _orphaned = _used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def orphaned() -> bool:
    """Whether the process was forked from one that had used rslab.

    Its threads do not survive a fork, and what waits for them waits forever.
    """
    return _orphaned


def claim() -> None:
    """To be called before each use.

    Raises
    ------
    Breakdown
        The process is :func:`orphaned`.
    """
    global _used
    if _orphaned:
        raise Breakdown("rslab: this process was forked from one that had used it; use spawn, or another engine")
    _used = True


def thread_options() -> dict[str, Any]:
    """So that an analysis, and what is factored with it, keeps to the number of threads that the user has set."""
    most = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return {"threads": int(most)} if most.isdecimal() and 0 < int(most) < _USUAL_THREADS else {}


@contextmanager
def translated() -> Iterator[None]:
    """Turn what rslab raises into a breakdown."""
    try:
        yield
    except (RuntimeError, ValueError, MemoryError) as error:
        if raised_by_handler(error):
            raise
        raise Breakdown(f"rslab: {error}") from None
    except BaseException as error:
        # A panic of compiled Rust code arrives as a type that cannot be imported and is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise Breakdown(f"rslab: internal error: {error}") from None
