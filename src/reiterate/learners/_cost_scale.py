"""The size of costs, followed online: costs come in any unit, swing together, and have outliers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

WINDOW = 16
READY = 3

OUTLIER = 10.0
"""What exceeds the level by more than this many means is an outlier."""


class CostScale:
    """Follows what costs are now (``level``) and on the whole (``mean``).

    ``level`` is the mean of the last 16 costs without their largest eighth (at least one of them), so that
    lone outliers leave no trace; ``mean`` averages ``level`` over time. Both depend on past costs only, hence
    not on the arm that is being drawn: subtracting or dividing by them keeps estimates unbiased. Neither
    means anything before ``ready``, after three costs.
    """

    __slots__ = ("_recent", "averaged", "level", "mean")

    def __init__(self) -> None:
        self._recent: list[float] = []
        self.level = 0.0
        self.mean = 0.0
        self.averaged = 0

    @property
    def ready(self) -> bool:
        """Whether there have been enough costs to tell an outlier."""
        return self.averaged > 0

    @property
    def limit(self) -> float:
        """Beyond it, a cost is an outlier."""
        return self.level + OUTLIER * self.mean

    @property
    def lowest(self) -> float:
        """Smallest of the recent costs."""
        return min(self._recent, default=0.0)

    def update(self, cost: float) -> None:
        """Take in one cost."""
        recent = self._recent
        if len(recent) == WINDOW:
            del recent[0]
        recent.append(cost)
        if len(recent) < READY:
            return
        self.level = _trimmed_mean(recent)
        self.averaged += 1
        self.mean += (self.level - self.mean) / self.averaged

    def absorb(self, other: CostScale) -> None:
        """Go on as if the other's costs had come before these."""
        total = self.averaged + other.averaged
        if total:
            self.mean += other.averaged / total * (other.mean - self.mean)
        self.averaged = total
        self._recent = (other._recent + self._recent)[-WINDOW:]
        if len(self._recent) >= READY:
            self.level = _trimmed_mean(self._recent)
            if not total:
                self.averaged, self.mean = 1, self.level

    def state_dict(self) -> dict[str, Any]:
        """Everything, as plain numbers."""
        return {
            "recent": list(self._recent),
            "level": self.level,
            "mean": self.mean,
            "averaged": self.averaged,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The scale that :meth:`state_dict` described."""
        scale = cls()
        scale._recent = [float(cost) for cost in state["recent"]]
        scale.level = float(state["level"])
        scale.mean = float(state["mean"])
        scale.averaged = int(state["averaged"])
        return scale


def _trimmed_mean(costs: list[float]) -> float:
    size = len(costs)
    kept = size - max(1, size // 8)
    trimmed = sum(sorted(costs)[:kept]) / kept
    # Mostly zeros: what is rare is then all there is to learn from.
    return trimmed if trimmed > 0 else sum(costs) / size
