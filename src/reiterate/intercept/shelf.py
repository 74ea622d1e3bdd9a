"""What call sites keep for the next call, within a bound on all of it together."""

from __future__ import annotations

import weakref
from typing import Any, Final, Protocol

from reiterate.intercept.forking import Lock
from reiterate.linear.machine_memory import machine_memory


class Keeping(Protocol):
    """Something that keeps something."""

    itself: weakref.ref[Any]

    def drop(self) -> None:
        """Give back the memory."""


class Shelf:
    """What is kept at all lines together, which has a bound: what was not used for the longest time goes.

    Parameters
    ----------
    limit
        Bytes; ``None``: an eighth of the machine's, or container's, memory.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._sizes: dict[weakref.ref[Keeping], int] = {}  # the one used last comes last
        self._lock = Lock()

    def keep(self, keeper: Keeping, size: int) -> bool:
        """It holds so many bytes now, and was used; returns whether it may keep them."""
        with self._lock:
            if self._limit is None:
                self._limit = machine_memory() // 8
            self._sizes.pop(keeper.itself, None)
            if not size or size > self._limit:
                return not size
            self._sizes[keeper.itself] = size
            left = sum(self._sizes.values()) - self._limit
            for itself in list(self._sizes):
                other = itself()
                if left > 0 or other is None:
                    left -= self._sizes.pop(itself)
                    if other is not None:
                        other.drop()
            return True


SHELF: Final = Shelf()
"""Of the process."""
