"""Learners that do not learn: one fixed arm, and arms at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from reiterate.contracts import Choice, Context
from reiterate.errors import InvalidInput
from reiterate.learners._finite import FiniteLearner, snapshot
from reiterate.learners._state import check_state, pack_generator, unpack_generator


class Fixed(FiniteLearner):
    """Always the same arm.

    No guarantee: the cost is that arm's. The right choice for a configuration that is known to be good, and
    as the yardstick for learners.

    Parameters
    ----------
    arms
        Number of arms.
    rng
        Kept for the contract's sake; nothing is drawn from it.
    arm
        The arm to play, from 0.

    Raises
    ------
    InvalidInput
        ``arm`` is not among the arms; in :meth:`learn`, a cost that is not finite and nonnegative.
    """

    name: ClassVar[str] = "fixed"

    def __init__(self, arms: int, rng: np.random.Generator, *, arm: int = 0) -> None:
        super().__init__(arms, rng)
        if isinstance(arm, bool) or not isinstance(arm, int | np.integer) or not 0 <= arm < self._arms:
            raise InvalidInput("arm", f"{arm!r} is not among the {self._arms} arms, numbered from 0")
        self._arm = int(arm)

    def choose(self, context: Context | None = None) -> Choice:
        """The arm."""
        return Choice(self._arm, 1.0, snapshot(context))

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Check the feedback and forget it."""
        self._check_feedback(choice, cost)

    def state_dict(self) -> dict[str, Any]:
        """The arm and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "arm": self._arm,
            "generator": pack_generator(self._rng),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        return cls(state["arms"], unpack_generator(state["generator"]), arm=state["arm"])


class Uniform(FiniteLearner):
    """Every arm with the same probability, whatever it costs.

    No guarantee: the expected cost is the mean over the arms. The right choice for collecting unbiased data
    on all arms, and as the yardstick that any learner must beat.

    Parameters
    ----------
    arms
        Number of arms.
    rng
        Source of randomness.

    Raises
    ------
    InvalidInput
        In :meth:`learn`, a cost that is not finite and nonnegative.
    """

    name: ClassVar[str] = "uniform"

    def choose(self, context: Context | None = None) -> Choice:
        """Any arm."""
        return Choice(int(self._rng.integers(self._arms)), 1.0 / self._arms, snapshot(context))

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Check the feedback and forget it."""
        self._check_feedback(choice, cost)

    def state_dict(self) -> dict[str, Any]:
        """The random state."""
        return {"learner": self.name, "arms": self._arms, "generator": pack_generator(self._rng)}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        return cls(state["arms"], unpack_generator(state["generator"]))
