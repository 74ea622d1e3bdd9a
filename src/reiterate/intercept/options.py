"""What the call sites of a session have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from reiterate.intercept.forking import Lock
from reiterate.intercept.ledger import Budget

if TYPE_CHECKING:
    from reiterate.intercept.remembered import Remembered


@dataclass(slots=True)
class Options:
    """What the sites of a session have in common."""

    direct_tolerance: float
    audit: float
    recorder: Any
    solver_options: dict[str, Any]
    rng: np.random.Generator
    remembered: Remembered | None = None
    budget: Budget = field(default_factory=Budget)
    lock: Lock = field(default_factory=Lock)

    def audits(self) -> bool:
        """Whether this call is audited."""
        if self.audit <= 0.0:
            return False
        with self.lock:
            return bool(self.rng.random() < self.audit)
