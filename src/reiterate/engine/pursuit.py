"""The state of one solve: the best iterate so far, its verified merit, and who has tried."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from reiterate.configuration import Configuration
from reiterate.contracts import Attempt, Instance, Method, Progress, Status
from reiterate.errors import NotConverged, ToleranceUnreachable

_WORTHWHILE = 0.5  # a repetition must at least halve the merit
_NEAR_ROUNDING = 100.0


class Pursuit:
    """Pursues one instance's target from one iterate to the next, and believes only merits it computed itself.

    Attributes
    ----------
    x
        The best iterate.
    merit : float
        Its merit; infinite as long as nothing has been verified.
    attempts : list[Attempt]
    seconds : float
        Spent in methods.
    at_rounding : bool
        The target lies below the rounding errors of the merit itself: nobody can reach it.
    """

    def __init__(self, instance: Instance, x: Any) -> None:
        self.instance = instance
        self.x = x
        self.merit = math.inf
        self.attempts: list[Attempt] = []
        self.seconds = 0.0
        self.at_rounding = False

    @property
    def solved(self) -> bool:
        """Whether the target is reached, verified."""
        return self.merit <= self.instance.target

    def offer(self, progress: Progress) -> bool:
        """Verify an iterate and keep it if it is the best; whether it is much better than what was there."""
        merit = self.instance.merit(progress.x)
        worthwhile = merit <= _WORTHWHILE * self.merit
        if progress.status is not Status.CONVERGED:
            self.verify_start()
        if merit <= self.merit:
            self.x, self.merit = progress.x, merit
        return worthwhile

    def verify_start(self) -> None:
        """Compute the merit of the first iterate, which is not needed as long as all goes well."""
        if math.isinf(self.merit):
            self.merit = self.instance.merit(self.x)

    def judge_rounding(self) -> None:
        """Find out whether the target is out of reach in double precision."""
        self.at_rounding = self.instance.target < self.instance.rounding_level(self.x)

    def failure(self, methods: Mapping[str, Method], asked: Iterable[Configuration]) -> NotConverged:
        """The error that says what was tried, how it ended, and what to do."""
        self.verify_start()
        target = self.instance.target
        known = {"x": self.x, "merit": self.merit, "target": target, "attempts": self.attempts}
        level = self.instance.rounding_level(self.x)
        if self.at_rounding or (target < _NEAR_ROUNDING * level and self.merit < _NEAR_ROUNDING * level):
            return ToleranceUnreachable(
                f"the tolerance {target:.1e} is below what double precision can reach here: rounding errors alone "
                f"amount to about {level:.1e}, the best iterate has {self.merit:.1e}. It is on this error as .x; "
                f"a tolerance of {max(10.0 * level, self.merit):.0e} can be met",
                **known,
            )
        if not self.attempts:
            names = sorted({configuration.method for configuration in asked})
            needs = "; ".join(f"{name} needs {methods[name].requires}" for name in names)
            return NotConverged(f"no method applies: {needs}. The instance has {self.instance.traits}", **known)
        story = "; ".join(
            f"{attempt.configuration}: {attempt.reason or attempt.status.value} after {attempt.iterations} "
            f"iterations at {attempt.merit:.1e}"
            for attempt in self.attempts
        )
        return NotConverged(
            f"not converged: the best iterate has {self.merit:.1e}, the target is {target:.1e}. Tried {story}. "
            "The best iterate is on this error as .x; raise max_iterations or max_seconds, loosen the "
            "tolerance, or allow other methods",
            **known,
        )
