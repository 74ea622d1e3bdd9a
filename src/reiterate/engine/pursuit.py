"""The state of one solve: the best iterate so far, its verified merit, and who has tried."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from reiterate.configuration import Configuration
from reiterate.contracts import Attempt, Instance, Method, Obstacle, Progress, Status
from reiterate.errors import BEST_IS_HERE, NotConverged, ToleranceUnreachable

_WORTHWHILE = 0.5  # a repetition must at least halve the merit
_NEAR_ROUNDING = 100.0
_MEANINGFUL = 1e-3  # an iterate beyond it has failed for other reasons than rounding
_HOPELESS = 0.1  # the level is an upper bound, which luck or a better method may undercut


class Pursuit:
    """Pursues one instance's target from one iterate to the next, and believes only merits it computed itself.

    Attributes
    ----------
    x
        The best iterate.
    merit : float
        Its merit; infinite as long as nothing has been verified.
    start : float
        The merit that it began with; infinite as long as nobody had to know.
    attempts : list[Attempt]
    seconds : float
        Spent in methods.
    warming : float
        Seconds spent on compiling, which nobody is charged for.
    at_rounding : bool
        The target lies below the rounding errors of the merit itself.
    hopeless : bool
        It lies so far below them that nobody can reach it.
    """

    def __init__(self, instance: Instance, x: Any, start: float = math.inf) -> None:
        self.instance = instance
        self.x = x
        self.merit = math.inf
        self.start = start
        self.attempts: list[Attempt] = []
        self.seconds = 0.0
        self.warming = 0.0
        self.at_rounding = False
        self.hopeless = False
        self._start_verified = False
        self._remedies: list[str] = []
        self._obstacle: Obstacle | None = None

    @property
    def solved(self) -> bool:
        """Whether the target is reached, verified."""
        return math.isfinite(self.merit) and self.merit <= self.instance.target

    @property
    def obstacle(self) -> Obstacle | None:
        """What the instance knows to stand in the way; the first that it said."""
        self._obstacle = self._obstacle or self.instance.obstacle()
        return self._obstacle

    @property
    def obstructed(self) -> bool:
        """Whether it is proven that no iterate reaches the target."""
        return self.obstacle is not None and self.obstacle.proof

    def offer(self, progress: Progress) -> bool:
        """Verify an iterate and keep it if it is the best; whether it is much better than what was there."""
        merit = _merit(self.instance, progress.x)
        before = self.merit
        if not merit <= self.instance.target:
            self.verify_start()
        if merit <= self.merit:
            self.x, self.merit = progress.x, merit
        return merit <= _WORTHWHILE * before

    def verify_start(self) -> None:
        """Compute the merit of the first iterate, which is not needed as long as all goes well.

        A first iterate that is worse than the instance's origin must not spoil what comes next: it is replaced.
        """
        if self._start_verified:
            return
        self._start_verified = True
        if math.isinf(self.merit):
            self.merit = _merit(self.instance, self.x)
        origin = self.instance.origin()
        if origin is not None:
            merit = _merit(self.instance, origin)
            if merit < self.merit:
                self.x, self.merit = origin, merit
        self.start = self.merit

    def suggest(self, remedy: str) -> None:
        """Keep what a method says would have let it prepare the instance, for the error; nothing if empty."""
        if remedy and remedy not in self._remedies:
            self._remedies.append(remedy)

    def judge_rounding(self) -> None:
        """Find out whether the target is out of reach in double precision."""
        level = self.instance.rounding_level(self.x)
        self.at_rounding = self.instance.target < level
        self.hopeless = self.instance.target < _HOPELESS * level

    def failure(self, methods: Mapping[str, Method], asked: Iterable[Configuration]) -> NotConverged:
        """The error that says what was tried, how it ended, and what to do."""
        self.verify_start()
        target = self.instance.target
        known = {"x": self.x, "merit": self.merit, "target": target, "attempts": self.attempts}
        level = self.instance.rounding_level(self.x)
        near = target < _NEAR_ROUNDING * level and self.merit < _NEAR_ROUNDING * level
        capped = any(attempt.status in (Status.ITERATION_CAP, Status.TIME_CAP) for attempt in self.attempts)
        # No cap is to blame for a target of zero.
        beyond = self.at_rounding or target < _HOPELESS * level
        if (beyond or (near and not capped)) and self.merit < _MEANINGFUL:
            return ToleranceUnreachable(
                f"the tolerance {target:.1e} is below what double precision can reach here: rounding errors may "
                f"amount to {level:.1e}, the best iterate has {self.merit:.1e}. {BEST_IS_HERE}"
                f"a tolerance of {2.0 * self.merit:.0e} can be met",
                **known,
            )
        if not self.attempts:
            names = sorted({configuration.method for configuration in asked})
            needs = "; ".join(f"{name} needs {methods[name].requires}" for name in names)
            return NotConverged(f"no method applies: {needs}. The instance is {self.instance.traits}", **known)
        story = "; ".join(
            f"{attempt.configuration}: {attempt.reason or attempt.status.value} after {attempt.iterations} "
            f"iterations at {attempt.merit:.1e}"
            for attempt in self.attempts
        )
        lead = "" if self.obstacle is None else f"{self.obstacle.reason}; "
        return NotConverged(
            f"{lead}not converged: the best iterate has {self.merit:.1e}, the target is {target:.1e}. Tried {story}. "
            f"{BEST_IS_HERE}{self._advice(capped=capped)}",
            **known,
        )

    def _advice(self, *, capped: bool) -> str:
        """What the caller can do where a cap was in the way, what methods have suggested, or neither."""
        if self.obstacle is not None:
            return ", ".join((*self._remedies, self.obstacle.remedy))
        if not capped and not self._remedies:
            return "no cap was in the way: check the matrix, e.g. its rank and scaling, or allow other methods"
        caps = ["raise max_iterations or max_seconds", "loosen the tolerance"] if capped else []
        return ", ".join((*self._remedies, *caps)) + ", or allow other methods"


def _merit(instance: Instance, x: Any) -> float:
    """The merit, infinite where it is no number, so that any other iterate is better."""
    merit = instance.merit(x)
    return math.inf if math.isnan(merit) else merit
