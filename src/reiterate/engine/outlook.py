"""What alternatives were believed to cost as a stream went on: snapshots in bounded memory, for reports."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reiterate.engine.policy import Policy

_KEEP = 400  # snapshots of one kind
_SHARE = 0.005  # of the time of all solves that snapshots may take
_LONGEST = 3e-5  # seconds that a snapshot is taken to take; more was the machine
_FIRST = 16  # solves that have one each, whatever it takes


@dataclass(frozen=True, slots=True)
class Outlook:
    """What every arm was believed to cost after one solve.

    Attributes
    ----------
    index : int
        Number of the solve, from 0.
    costs : float32 array of shape (K,)
        In the order of the arms; NaN where nobody had an idea.
    """

    index: int
    costs: NDArray[np.float32]


class Outlooks:
    """Snapshots of what the policies of a stream believe, the rarer the longer it lasts.

    Beyond 400 of a kind of instance every other one goes, and from then on half as many are taken. All of them together
    take 0.5 % of the time of the solves at most. They change nothing, so that decisions do not depend on when they are
    taken.
    """

    def __init__(self) -> None:
        self._policies: list[Policy] = []
        self._numbers: dict[Policy, int] = {}
        self._taken: list[list[Outlook]] = []
        self._next: list[int] = []
        self._stride: list[int] = []
        self._seconds = 0.0

    def __len__(self) -> int:
        return len(self._policies)

    def number_of(self, policy: Policy) -> int:
        """The number of the kind of instance that a policy decides on, from 0, in the order in which they came."""
        number = self._numbers.get(policy)
        if number is None:
            number = self._numbers[policy] = len(self._policies)
            self._policies.append(policy)
            self._taken.append([])
            self._next.append(0)
            self._stride.append(1)
        return number

    def look(self, kind: int, index: int, seconds: float) -> None:
        """Take a snapshot after a solve if one is due; ``seconds`` is what all solves have taken."""
        if index < self._next[kind] or (self._seconds > _SHARE * seconds and len(self._taken[kind]) >= _FIRST):
            return
        begin = time.perf_counter()
        taken = self._taken[kind]
        taken.append(self._now(kind, index))
        if len(taken) > _KEEP:
            del taken[1:-1:2]
            self._stride[kind] *= 2
        self._next[kind] = index + self._stride[kind]
        self._seconds += min(max(time.perf_counter() - begin, 0.0), _LONGEST)

    def policy(self, kind: int) -> Policy:
        """Who decides on that kind of instance."""
        return self._policies[kind]

    def of(self, kind: int, index: int) -> list[Outlook]:
        """All snapshots of a kind, by rising index, and what is believed now, after the solve of this number."""
        taken = self._taken[kind]
        if not taken or taken[-1].index < index:
            taken = [*taken, self._now(kind, index)]
        return [_widened(outlook, len(self._policies[kind].arms)) for outlook in taken]

    def _now(self, kind: int, index: int) -> Outlook:
        with np.errstate(over="ignore"):
            return Outlook(index, self._policies[kind].costs().astype(np.float32))


def _widened(outlook: Outlook, arms: int) -> Outlook:
    """The same where arms have been added since: nobody had an idea of them."""
    missing = arms - outlook.costs.size
    if not missing:
        return outlook
    return Outlook(outlook.index, np.append(outlook.costs, np.full(missing, np.nan, dtype=np.float32)))
