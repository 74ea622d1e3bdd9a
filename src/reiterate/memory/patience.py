"""How long the end of a process may wait for other processes that are at the same file."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Final

_ANOTHER_END: Final = 60.0  # seconds between two writes, after which the second one is not of the same end


class Patience:
    """So many seconds for all that is written at the end of a process, however much that is.

    Parameters
    ----------
    seconds
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._spent = 0.0
        self._last = -_ANOTHER_END

    @contextlib.contextmanager
    def waiting(self) -> Iterator[float]:
        """Do something that waits for as long as this says at most, in seconds; what it takes is not there any more."""
        begin = time.monotonic()
        if begin - self._last > _ANOTHER_END:
            self._spent = 0.0
        try:
            yield max(self._seconds - self._spent, 0.0)
        finally:
            self._last = time.monotonic()
            self._spent += self._last - begin
