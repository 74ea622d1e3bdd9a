"""Oracles: what could have been achieved with every cost known beforehand. For benchmarks only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reiterate.contracts import Choice, Context
from reiterate.errors import InvalidInput
from reiterate.learners._finite import FiniteLearner, snapshot
from reiterate.learners._state import check_state, pack_generator, unpack_generator


def _checked_costs(costs: ArrayLike, arms: int) -> NDArray[np.float64]:
    table = np.array(costs, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != arms or table.shape[0] < 1:
        raise InvalidInput("costs", f"has shape {table.shape}, needs (rounds, {arms}) with at least one round")
    if not (np.isfinite(table).all() and (table >= 0).all()):
        raise InvalidInput("costs", "holds values that are not finite nonnegative numbers")
    return table


class BestFixed(FiniteLearner):
    """The arm whose total cost is smallest in hindsight, always.

    Regret is measured against it, so it has none.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Kept for the contract's sake; nothing is drawn from it.
    costs
        Cost of every arm in every round, shape (rounds, K), finite and nonnegative.

    Raises
    ------
    InvalidInput
        ``costs`` has another shape or other values.
    """

    name: ClassVar[str] = "best_fixed"

    def __init__(self, arms: int, rng: np.random.Generator, *, costs: ArrayLike) -> None:
        super().__init__(arms, rng)
        self._costs = _checked_costs(costs, self._arms)
        self._arm = int(self._costs.sum(axis=0).argmin())

    def choose(self, context: Context | None = None) -> Choice:
        """The arm."""
        return Choice(self._arm, 1.0, snapshot(context))

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Check the feedback and forget it."""
        self._check_feedback(choice, cost)

    def state_dict(self) -> dict[str, Any]:
        """The costs and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "costs": self._costs.copy(),
            "generator": pack_generator(self._rng),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The oracle that :meth:`state_dict` described."""
        check_state(state, cls.name)
        return cls(state["arms"], unpack_generator(state["generator"]), costs=state["costs"])


class InstanceOptimal(FiniteLearner):
    """The cheapest arm of each round: a bound that no learner can beat, whatever the contexts tell.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Kept for the contract's sake; nothing is drawn from it.
    costs
        Cost of every arm in every round, shape (rounds, K), finite and nonnegative; the t-th choice plays
        the smallest of row t.

    Raises
    ------
    InvalidInput
        ``costs`` has another shape or other values; in :meth:`choose`, there are no rows left.
    """

    name: ClassVar[str] = "instance_optimal"

    def __init__(self, arms: int, rng: np.random.Generator, *, costs: ArrayLike) -> None:
        super().__init__(arms, rng)
        self._costs = _checked_costs(costs, self._arms)
        self._round = 0

    def choose(self, context: Context | None = None) -> Choice:
        """The cheapest arm of this round."""
        rounds = self._costs.shape[0]
        if self._round >= rounds:
            raise InvalidInput("costs", f"covers {rounds} rounds, and this is choice {self._round + 1}")
        arm = int(self._costs[self._round].argmin())
        self._round += 1
        return Choice(arm, 1.0, snapshot(context))

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Check the feedback and forget it."""
        self._check_feedback(choice, cost)

    def state_dict(self) -> dict[str, Any]:
        """The costs, the round and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "costs": self._costs.copy(),
            "round": self._round,
            "generator": pack_generator(self._rng),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The oracle that :meth:`state_dict` described."""
        check_state(state, cls.name)
        oracle = cls(state["arms"], unpack_generator(state["generator"]), costs=state["costs"])
        oracle._round = int(state["round"])
        return oracle
