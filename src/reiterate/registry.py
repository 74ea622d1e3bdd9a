"""Things by name, each imported or made when it is first asked for: a program needs few of all there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Registry(MutableMapping[str, Thing], Generic[Thing]):
    """Behaves like a dictionary, in the order in which names were given.

    Parameters
    ----------
    makers
        Functions without arguments, by the name of what each returns; called once.
    """

    def __init__(self, makers: Mapping[str, Callable[[], Thing]]) -> None:
        self._makers: dict[str, Callable[[], Thing]] = dict(makers)
        self._made: dict[str, Thing] = {}

    def __getitem__(self, name: str) -> Thing:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __setitem__(self, name: str, thing: Thing) -> None:
        self._makers[name] = lambda: thing
        self._made[name] = thing

    def __delitem__(self, name: str) -> None:
        del self._makers[name]
        self._made.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)
