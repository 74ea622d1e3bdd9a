"""How long a factorization may take: refused where its estimate exceeds what is left, abandoned where that proves low.

Compiled code that factors looks neither at clocks nor at Ctrl-C. So it runs in a thread beside the one that waits for
it, which looks at both. What can be canceled is canceled; what cannot is left to finish by itself, and its result is
dropped. While such a thread of any solver runs, no solver of the process that has a deadline begins another: at most
one processor is lost to work that nobody waits for.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from reiterate.errors import OutOfTime
from reiterate.linear.instance import LinearInstance

Result = TypeVar("Result")

SHORT: Final = 0.02
"""Seconds: a phase that is estimated to take less is not worth a thread."""

_GLANCE: Final = 0.05  # seconds from one look at Ctrl-C to the next, where waiting for a lock is not interrupted by it
_ANALYSIS_SECONDS: Final = 1e-6  # per entry of A; from 2e-6 to 6e-6 was measured

_left_behind: list[threading.Thread] = []  # of the process, because that is what shares the processors


def seconds_left(instance: LinearInstance) -> float:
    """Until the instance's deadline; infinite where it has none."""
    return math.inf if instance.deadline is None else instance.deadline - time.perf_counter()


def analysis_seconds(instance: LinearInstance) -> float:
    """What a symbolic analysis takes at least."""
    return _ANALYSIS_SECONDS * instance.pattern.nnz


def refuse_slow(title: str, instance: LinearInstance, seconds: float) -> None:
    """Raise :class:`OutOfTime` where something that takes an estimated ``seconds`` would miss the deadline."""
    left = seconds_left(instance)
    if seconds > left:
        spare = f"{left:.2g} s are left for it" if left > 0.0 else "no time is left for it"
        raise OutOfTime(f"{title}: factoring is estimated to take {max(seconds, 1e-3):.2g} s or more; {spare}")


def run_until_deadline(
    title: str,
    instance: LinearInstance,
    task: Callable[[], Result],
    seconds: float,
    cancel: Callable[[], None] | None = None,
) -> Result:
    """What ``task()`` returns, unless that takes longer than there is time, or Ctrl-C arrives.

    Parameters
    ----------
    title
        The engine's name, for messages.
    instance
        Its deadline is heeded.
    task
        Must release Python's global lock while it computes.
    seconds
        What it is estimated to take at least.
    cancel
        Makes ``task`` return or raise soon. ``None``: it cannot be stopped, and goes on without anyone who waits.

    Raises
    ------
    OutOfTime
        It would miss, or has missed, the deadline; or what missed an earlier one, of whichever solver of this process,
        is still running.
    """
    refuse_slow(title, instance, seconds)
    if seconds < SHORT:
        return task()
    _left_behind[:] = [thread for thread in _left_behind if thread.is_alive()]
    if _left_behind and instance.deadline is not None:
        raise OutOfTime(f"{title}: an analysis that this or another solver of the process gave up is still running")
    results: list[Result] = []
    failures: list[BaseException] = []
    ended = threading.Event()

    def work() -> None:
        try:
            results.append(task())
        except BaseException as error:
            failures.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=work, name=f"reiterate {title}", daemon=True)
    try:
        thread.start()
        while not ended.wait(max(min(_GLANCE, seconds_left(instance)), 0.0)):
            if seconds_left(instance) <= 0.0:
                raise OutOfTime(f"{title}: abandoned: factoring takes longer than there was time left for it")
    except BaseException:
        if cancel is None:
            _left_behind.append(thread)
        else:
            cancel()
            if thread.is_alive():
                thread.join()
        raise
    if failures:
        raise failures[0]
    return results[0]
