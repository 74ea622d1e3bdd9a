"""What guesses are worth: whether the digits that they gain do save iterations, by solves that begin otherwise."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass

_DOUBTFUL = 3.0  # times its price, below which what a guess is said to save is checked
_FIRST_CHECK = 4  # solves
_RAREST_CHECK = 64
_LEARNING = 0.3  # weight of a check, at least


@dataclass(slots=True)
class Outcome:
    """What a solve took, and how it began.

    Attributes
    ----------
    claim : float
        Products with A that the best guess was said to save, whether the solve began there or not.
    guessed : bool
        Whether it began at a guess.
    work : float
        Products with A that it took.
    by
        What solved it.
    """

    claim: float = 0.0
    guessed: bool = False
    work: float = math.nan
    by: Hashable = None


class Discount:
    """Learns from solves that begin otherwise than their neighbors.

    Attributes
    ----------
    share : float
        Of what guesses are said to save, what they do save.
    """

    def __init__(self) -> None:
        self.share = 1.0
        self._checks = 0
        self._wait = 0
        self._patience = _FIRST_CHECK
        self._last: deque[Outcome] = deque(maxlen=3)

    def asks_for_check(self, claim: float, price: float) -> bool:
        """Whether to begin at the given start although a guess is said to save ``claim``, for ``price``."""
        if claim * self.share >= _DOUBTFUL * price:
            return False
        self._wait += 1
        if self._wait < self._patience:
            return False
        self._wait, self._patience = 0, min(2 * self._patience, _RAREST_CHECK)
        return True

    def take_in(self, outcome: Outcome) -> None:
        """Of three solves in a row by the same method, compare the middle one with the mean of the others."""
        self._last.append(outcome)
        if len(self._last) < 3:
            return
        before, middle, after = self._last
        if before.guessed is middle.guessed or after.guessed is middle.guessed:
            return
        claim = middle.claim if middle.guessed else 0.5 * (before.claim + after.claim)
        if not (before.by == middle.by == after.by and 0.0 < claim < math.inf):
            return
        more = 0.5 * (before.work + after.work) - middle.work
        share = min(max((more if middle.guessed else -more) / claim, 0.0), 1.0)
        self._checks += 1
        self.share += max(1.0 / (1.0 + self._checks), _LEARNING) * (share - self.share)
