"""Which arm is worth a trial, and what trials may cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.engine.beliefs import Beliefs
from reiterate.engine.plain import number, rounded, whole

Mask = NDArray[np.bool_]

_ALLOWANCE = 0.05  # of all cost so far, for trials
_LONG = 50  # solves, from which on the allowance falls with the root of their number
_HEAD_START = 1.0  # costs of a solve, for the trials before 5 % of anything is much
_HOPE = 1.0  # standard deviations by which an arm may be better than believed
_REOPENED = 2.0  # the same right after a change-point
_MUCH = 2.0  # solves; a budget that grows beyond it unused makes bolder
_BOLDER = 1.0  # standard deviations, each time that it has doubled
_LARGEST_HOPE = 4.0
_SOBERING = 0.25  # of that, a lost trial takes away
_LONGEST_WAIT = 6


class Trials:
    """The budget of trials, and who waits for another one.

    An arm is worth a trial when what it may save a solve, hopefully (one standard deviation better than believed),
    times the solves so far, exceeds what the trial is expected to lose; and when that loss fits into the budget, 5 % of
    all cost so far, less after fifty solves, and one solve. The more of it is left unused, the larger is hope. The
    number of solves so far stands for that of those to come: a stream that has gone on for so long goes on for as long
    again. A loss may also be paid from the cost that the arm, without any hope, would have saved already: then it is
    rent or buy. An arm that has lost k trials in a row waits for 2^k solves, at most 64, for the next.

    Parameters
    ----------
    arms
        How many there are.

    Attributes
    ----------
    made : int
    spent : float
        What trials cost more than the incumbent was believed to.
    saved : float
        What the arms tried had been believed to save, by the time they were.
    """

    def __init__(self, arms: int) -> None:
        self.made = 0
        self.spent = 0.0
        self.saved = 0.0
        self._missed = np.zeros(arms)
        self._losses = np.zeros(arms, dtype=np.int64)
        self._waits_until = np.zeros(arms, dtype=np.int64)
        self._looked = 0
        self._hope = _HOPE
        self._head_start = _HEAD_START

    def best(self, beliefs: Beliefs, usable: Mask, incumbent: int, solves: int, total: float) -> int | None:
        """The arm whose trial promises to save most beyond what it is expected to lose, if any is worth it.

        ``solves`` have cost ``total`` so far.
        """
        running = beliefs.running()
        expected = float(running[incumbent])
        self._missed += (solves - self._looked) * np.maximum(expected - running, 0.0)
        self._looked = solves
        deviations = beliefs.deviations_from(incumbent)
        surplus = np.clip(running / expected - 1.0 + 0.4 * deviations, 0.0, 1.0) * expected
        loss = surplus + np.where(beliefs.ready, 0.0, beliefs.setup)
        bank = allowance(solves) * total + self._head_start * expected - self.spent
        unused = bank / max(_MUCH * expected, math.ulp(0.0))
        hope = self._hope + (_BOLDER * math.log2(unused) if unused > 1.0 else 0.0)
        gain = expected - beliefs.hopeful(deviations, min(hope, _LARGEST_HOPE))
        worth = usable & (self._waits_until <= solves)
        worth &= (gain > 0.0) & (gain * solves > loss) & ((loss <= bank) | (loss <= self._missed))
        worth[incumbent] = False
        overdue = worth & (loss <= self._missed) & ((expected - running) * solves > loss)
        if overdue.any():
            # Believed to be better, and not only hoped: the longer it waits, the more is lost.
            worth, gain = overdue, expected - running
        promise = np.where(worth, gain * solves - loss, -math.inf)
        return int(np.argmax(promise)) if worth.any() else None

    def grow(self) -> None:
        """There is one more arm."""
        self._missed = np.append(self._missed, 0.0)
        self._losses, self._waits_until = np.append(self._losses, 0), np.append(self._waits_until, 0)

    def reopen(self) -> None:
        """After a change-point nobody waits any longer, and hope is larger: what has lost may win now."""
        self._hope = _REOPENED
        self._losses[:] = 0
        self._waits_until[:] = 0

    def made_one(self, arm: int, cost: float, expected: float, solves: int) -> None:
        """A solve in which an arm was tried has cost so much, where the incumbent was expected to take so much."""
        self.made += 1
        self.spent += max(cost - expected, 0.0)
        self.saved += float(self._missed[arm])
        self._missed[arm] = 0.0
        won = cost < expected
        if not won:
            self._hope = max(self._hope - _SOBERING, _HOPE)
        self._losses[arm] = 0 if won else min(int(self._losses[arm]) + 1, _LONGEST_WAIT)
        self._waits_until[arm] = solves + (1 if won else 2 ** int(self._losses[arm]))

    def state_dict(self, solves: int, total: float, expected: float) -> dict[str, Any]:
        """What is worth knowing in another run; ``expected`` is what a solve of the incumbent costs.

        ``used`` is the part of the head start that has been used up; ``arms`` has a table for every arm.
        """
        used = _HEAD_START - self._head_start
        if expected > 0.0:
            used += max(self.spent - allowance(solves) * total, 0.0) / expected
        waits = np.maximum(self._waits_until - solves, 0)
        rows = [
            {name: int(count) for name, count in (("losses", loss), ("waits", wait)) if count}
            for loss, wait in zip(self._losses, waits, strict=True)
        ]
        return {"used": rounded(min(used, _HEAD_START)), "arms": rows}

    def recall(self, state: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
        """Begin with half the waits of an earlier run, and half of what it used up of the head start."""
        self._head_start = _HEAD_START - 0.5 * (number(state, "used", 0.0, _HEAD_START) or 0.0)
        self._losses[:] = [whole(row, "losses", _LONGEST_WAIT) for row in rows]
        self._waits_until[:] = [whole(row, "waits", 2**_LONGEST_WAIT) // 2 for row in rows]


def allowance(solves: int) -> float:
    """The share of all cost that so many solves leave for trials, beside the cost of one solve."""
    return _ALLOWANCE * min(math.sqrt(_LONG / max(solves, 1)), 1.0)
