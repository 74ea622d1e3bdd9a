"""What plays have shown of every arm: running moments of its costs, and which arms are due for a first play."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from reiterate.learners._finite import Vector
from reiterate.learners._state import array

_LONGEST_WAIT = 60


class ArmPlays:
    """Running mean and variance of what was learnt of every arm (Welford's recurrence), and counts of choices.

    Parameters
    ----------
    arms
        Number of arms K.

    Attributes
    ----------
    chosen : ndarray, shape (K,)
        How often each arm was chosen.
    counts : ndarray, shape (K,)
        How many values of each arm were taken in.
    means, squares : ndarray, shape (K,)
        Their means, and the sums of their squared deviations from the means.
    """

    __slots__ = ("chosen", "counts", "means", "squares")

    def __init__(self, arms: int) -> None:
        self.chosen: Vector = np.zeros(arms)
        self.counts: Vector = np.zeros(arms)
        self.means: Vector = np.zeros(arms)
        self.squares: Vector = np.zeros(arms)

    def add(self, arm: int, value: float) -> None:
        """Take in one value of an arm."""
        self.counts[arm] += 1.0
        deviation = value - float(self.means[arm])
        self.means[arm] += deviation / float(self.counts[arm])
        self.squares[arm] += deviation * (value - float(self.means[arm]))

    def due(self) -> int | None:
        """An arm of which nothing is known and which should be played now; ``None``: there is no such arm.

        Every arm is due once, in order. Feedback may be late or never come, and an arm must not be waited for
        for ever, nor take all rounds: one that was chosen k times without feedback is due again only when there have
        been ``2**k K`` choices in all, or when nothing is known of any arm.
        """
        unknown = self.counts == 0
        if not unknown.any():
            return None
        waits = np.exp2(np.minimum(self.chosen, _LONGEST_WAIT)) * self.chosen.size
        due = unknown & ((self.chosen == 0) | (waits <= self.chosen.sum()) | unknown.all())
        if not due.any():
            return None
        return int(np.where(due, self.chosen, np.inf).argmin())

    def usual(self, arm: int, otherwise: float) -> float:
        """Mean of what was taken in of an arm; of an arm of which nothing is known, what is given."""
        return float(self.means[arm]) if self.counts[arm] > 0 else otherwise

    def state_dict(self) -> dict[str, Any]:
        """Everything, as arrays."""
        return {name: getattr(self, name).copy() for name in self.__slots__}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], arms: int) -> Self:
        """The moments of ``arms`` arms that :meth:`state_dict` described."""
        plays = cls(arms)
        for name in cls.__slots__:
            setattr(plays, name, array(state[name], (arms,)))
        return plays
