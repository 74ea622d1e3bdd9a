"""Keeps methods that break down out of the way, and retries them ever more rarely."""

from __future__ import annotations

_NOBODY: frozenset[str] = frozenset()


class Quarantine:
    """After its k-th breakdown in a row a method sits out the next 2^k − 1 instances (at most 1,023).

    A method that never works so costs O(log T) failed attempts on T instances, and one that works again after
    a bad spell is back after at most as many instances as the spell lasted.
    """

    _LONGEST = 10

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._release: dict[str, int] = {}

    def holds(self, method: str, index: int) -> bool:
        """Whether the method sits out the instance of this number."""
        return index < self._release.get(method, 0)

    def held(self, index: int) -> frozenset[str]:
        """The methods that sit out the instance of this number."""
        if not self._release:
            return _NOBODY
        return frozenset(method for method, release in self._release.items() if index < release)

    def report(self, method: str, index: int, *, broke_down: bool) -> None:
        """Take in how an attempt of the method ended on the instance of this number."""
        if not broke_down:
            if method in self._failures:
                del self._failures[method], self._release[method]
            return
        if self.holds(method, index):
            return  # it was asked because nobody else was left, which says nothing new
        failures = min(self._failures.get(method, 0) + 1, self._LONGEST)
        self._failures[method] = failures
        self._release[method] = index + 2**failures
