"""Python threads that run one compiled kernel together with the caller.

Workers are daemon threads, created when first wanted and asleep between calls; there is one team a process. A kernel
that takes part ends with the arguments ``board, thread`` and begins with :func:`reiterate.kernels.spmd.join`. Nothing
waits for a worker that does not come: the caller then does all parts itself, with the same result bit for bit.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.kernels import spmd

_Call = tuple[Callable[..., Any], tuple[Any, ...]]

_LONGEST_PAUSE = 7  # binary logarithm of a number of calls, each of some ten milliseconds

_ALONE = spmd.new_board(1)  # nobody writes to it

_IDLE_SECONDS = 0.002  # a worker needs some microseconds from the end of its kernel to the end of its call


class _Worker:
    """A thread that runs what it is given, one call at a time."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._idle = threading.Lock()
        threading.Thread(target=self._serve, name=f"reiterate-{number}", daemon=True).start()

    def reserve(self) -> bool:
        """Whether the worker is free; it then waits for a call of :meth:`start` or :meth:`release`."""
        return self._idle.acquire(timeout=_IDLE_SECONDS)

    def release(self) -> None:
        """Take the reservation back."""
        self._idle.release()

    def start(self, kernel: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Have the kernel called."""
        self._calls.put((kernel, arguments))

    def retire(self) -> None:
        """End the thread after the calls that it has been given."""
        self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                kernel, arguments = call
                kernel(*arguments, self._number)
            except Exception:  # the caller makes the same call and sees the same error
                pass
            finally:
                del call, kernel, arguments  # keep no arrays alive
                self._idle.release()


class Team:
    """The workers of this process, and the right to use them."""

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self._workers: list[_Worker] = []
        self._pauses: dict[Callable[..., Any], _Pause] = {}

    def call(self, threads: int, kernel: Callable[..., Any], *arguments: Any) -> Any:
        """Call ``kernel(*arguments, board, thread)`` in the calling thread and ``threads`` − 1 workers.

        Fewer take part where the process may use fewer processors; only the caller, where the workers are busy with
        another caller, or where it has lately waited for them more than they were worth.

        Returns
        -------
        What the kernel returns in the calling thread.
        """
        threads = min(threads, available_processors())
        if threads <= 1 or not self._busy.acquire(blocking=False):
            return kernel(*arguments, _ALONE, 0)
        try:
            pause = self._pauses.setdefault(kernel, _Pause())
            if pause.goes_on() or not self._reserve(threads - 1):
                return kernel(*arguments, _ALONE, 0)
            return self._call_together(threads, pause, kernel, arguments)
        finally:
            self._busy.release()

    def _call_together(
        self, threads: int, pause: _Pause, kernel: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> Any:
        board = spmd.new_board(threads)
        try:
            for worker in self._workers[: threads - 1]:
                worker.start(kernel, (*arguments, board))
            result = kernel(*arguments, board, 0)
            came = bool(board[spmd.VERDICT] == spmd.BEGIN)
            pause.learn(worthwhile=came and spmd.share_of_waiting(board) <= spmd.TOO_MUCH_WAITING)
            return result
        finally:
            # After Ctrl-C on the way to the kernel, workers would wait for the caller.
            spmd.dismiss(board)

    def _reserve(self, count: int) -> bool:
        """Reserve all or none; one that is not free, whatever it is doing, is replaced by a new one next time."""
        while len(self._workers) < count:
            self._workers.append(_Worker(len(self._workers) + 1))
        for number, worker in enumerate(self._workers[:count]):
            if not worker.reserve():
                for reserved in self._workers[:number]:
                    reserved.release()
                for retired in self._workers[number:]:
                    retired.retire()
                del self._workers[number:]
                return False
        return True


class _Pause:
    """Calls to make alone: none, or after k calls in a row that were not worthwhile, 2^k − 1."""

    def __init__(self) -> None:
        self._failures = 0
        self._left = 0

    def goes_on(self) -> bool:
        """Whether to make this call alone."""
        self._left -= 1
        return self._left >= 0

    def learn(self, *, worthwhile: bool) -> None:
        """Of a call that was not made alone."""
        self._failures = 0 if worthwhile else min(self._failures + 1, _LONGEST_PAUSE)
        self._left = 2**self._failures - 1


def warm_up(threads: int) -> None:
    """Wake the workers once, so that no solve has to create them or to compile what they need."""
    call(threads, spmd.join)


def partial_sums(parts: int) -> NDArray[np.float64]:
    """Where the parts of a kernel leave what is to be added; a row a part, long enough not to share cache lines."""
    return np.zeros((parts, spmd.STRIDE))


def even_bounds(size: int, parts: int) -> NDArray[np.int64]:
    """Where to cut vectors of shape (size,) into parts of equal length, shape (parts + 1,), between cache lines."""
    cuts = size * np.arange(parts + 1) // parts // spmd.STRIDE * spmd.STRIDE
    cuts[-1] = size
    return cuts


def available_processors() -> int:
    """Processors on which this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_team = Team()


def _forget() -> None:
    """In a child process there are no workers, and a lock held by another thread would stay held."""
    global _team
    _team = Team()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def call(threads: int, kernel: Callable[..., Any], *arguments: Any) -> Any:
    """As :meth:`Team.call`, by the team of this process."""
    if threads == 1:
        return kernel(*arguments, _ALONE, 0)
    return _team.call(threads, kernel, *arguments)
