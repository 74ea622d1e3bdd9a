"""Costs as they count: outliers cut off, and the first ones held back until it is known what an outlier is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from reiterate.learners._cost_scale import CostScale


class Counted(NamedTuple):
    """A cost of an arm as it counts; ``censored``: it would have been at least that."""

    arm: int
    cost: float
    censored: bool


class CountedCosts:
    """Turns feedback into what may be learnt from.

    Parameters
    ----------
    scale
        The largest possible cost; greater ones count as this. ``None``: a cost counts at most as the recent
        level plus ten mean costs, and the first three wait for each other, so that an outlier among them is seen.
    """

    __slots__ = ("_held", "scale", "sizes")

    def __init__(self, scale: float | None = None) -> None:
        self.scale = scale
        self.sizes = CostScale()
        self._held: list[Counted] = []

    def take(self, arm: int, cost: float, censored: bool) -> list[Counted]:
        """What may now be learnt: nothing while feedback is held back, and then all of it."""
        if self.scale is not None:
            self.sizes.update(cost)
            return [Counted(arm, min(cost, self.scale), censored)]
        if not self.sizes.ready:
            return self._hold(Counted(arm, cost, censored))
        counted = Counted(arm, min(cost, self.sizes.limit), censored)
        self.sizes.update(cost)
        return [counted]

    def _hold(self, counted: Counted) -> list[Counted]:
        self.sizes.update(counted.cost)
        self._held.append(counted)
        if not self.sizes.ready:
            return []
        released = [held._replace(cost=min(held.cost, self.sizes.limit)) for held in self._held]
        self._held = []
        return released

    def state_dict(self) -> dict[str, Any]:
        """Everything but the given scale, as plain numbers."""
        return {"sizes": self.sizes.state_dict(), "held": [list(held) for held in self._held]}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], scale: float | None = None) -> Self:
        """The costs that :meth:`state_dict` described."""
        costs = cls(scale)
        costs.sizes = CostScale.from_state_dict(state["sizes"])
        costs._held = [Counted(int(arm), float(cost), bool(censored)) for arm, cost, censored in state["held"]]
        return costs
