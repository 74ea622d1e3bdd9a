"""Seconds of one kind of work."""

from __future__ import annotations

from dataclasses import dataclass

_RECENT = 0.3
SAMPLES = 3
"""Of so many, the shortest counts: the first may have loaded code, or found its memory cold."""


@dataclass(slots=True)
class Mean:
    """Seconds of one kind of work: their number, their sum, and a mean in which recent ones count more.

    Of ``count``, ``earlier`` are known from an earlier run; they are in ``recent``, but not in ``seconds``.
    """

    count: int = 0
    earlier: int = 0
    seconds: float = 0.0
    recent: float = 0.0

    def add(self, seconds: float, count: int = 1) -> None:
        """Take in so many, which took that long together."""
        each = seconds / count
        if self.count < SAMPLES:
            self.recent = min(each, self.recent or each)
        else:
            self.recent += _RECENT * (each - self.recent)
        self.count += count
        self.seconds += seconds

    @property
    def mean(self) -> float:
        """Over all of this run; 0 before the first."""
        count = self.count - self.earlier
        return self.seconds / count if count else 0.0
