"""Says on a terminal that kernels are being compiled, so that nobody takes the first solve for a slow one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from numba.core.event import Listener, register

_PATIENCE = 1.0  # seconds of compiling that need no explanation
_TEXT = "reiterate: compiling kernels; this is done once, later runs load them from disk"


class Notice(Listener):  # type: ignore[misc]
    """Listens to Numba's compiler, and writes one line as soon as this package's kernels have taken a second of it.

    Parameters
    ----------
    stream
        Where to write; ``None``: to what is ``sys.stderr`` then.
    clock
        Counts seconds.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        self._stream = stream
        self._clock = clock
        self._begun: list[float] = []
        self._seconds = 0.0
        self._said = False

    def on_start(self, event: Any) -> None:
        """A kernel begins to be compiled, perhaps on behalf of another one."""
        if _is_ours(event):
            self._begun.append(self._clock())

    def on_end(self, event: Any) -> None:
        """A kernel is compiled, or cannot be; what was nested in it counts once."""
        if not _is_ours(event) or not self._begun:
            return
        begun = self._begun.pop()
        if not self._begun:
            self._seconds += self._clock() - begun
        if self._seconds > _PATIENCE and not self._said:
            self._said = True
            print(_TEXT, file=sys.stderr if self._stream is None else self._stream, flush=True)


def _is_ours(event: Any) -> bool:
    name = getattr(getattr(event.data["dispatcher"], "py_func", None), "__module__", None) or ""
    return str(name).startswith("reiterate.")


def announce_compiling() -> None:
    """Have it said on the terminal, if there is one; elsewhere nothing is listened to."""
    if sys.stderr is not None and sys.stderr.isatty():
        register("numba:compile", Notice())
