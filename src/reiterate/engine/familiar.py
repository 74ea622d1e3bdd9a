"""Beliefs with a short way for the arm that plays solve after solve, as long as nothing about it surprises."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reiterate.engine.beliefs import FAMILIAR, TELLING_POWER, Beliefs, Vector, noise_of
from reiterate.engine.measured_costs import DOUBTFUL_CHANGE, LARGEST_CHANGE, OWN_MEASUREMENTS, STARTING


@dataclass(slots=True)
class _Acquaintance:
    """The numbers of one arm, as plain ones: reading an array takes longer than reckoning with what it holds."""

    arm: int
    strength: float
    power: float
    digits: float
    variance: float
    covariance: float
    setup: float
    unit: float
    upkeep: float
    plays: int
    measurements: int
    kept_up: int


class FamiliarBeliefs(Beliefs):
    """:class:`Beliefs` that take in what was expected of the arm that plays most in some microseconds.

    The numbers of that arm are taken out of the arrays when it has become familiar, and put back before anything else
    is done with these. What is believed is the same, but for rounding errors.
    """

    _known: _Acquaintance | None = None

    def outlook_of(self, arm: int) -> tuple[float, float]:
        """Iterations and cost of a solve by one arm, once it is prepared."""
        known = self._known
        if known is None or known.arm != arm:
            return self.iterations_of(arm), self.running_of(arm)
        log = known.strength + known.power * self._joint.level + known.digits * self._log_digits
        iterations = math.exp(min(max(log, 0.0), 40.0))
        cost = (iterations + STARTING) * known.unit + known.upkeep
        return iterations, math.exp(self._common) * cost if self._common else cost

    def plays_of(self, arm: int) -> int:
        """How often one arm was played to the end."""
        known = self._known
        return int(self.plays[arm]) if known is None or known.arm != arm else known.plays

    def preparing_in_iterations(self, arm: int) -> float:
        """What preparing it for the first time costs, in iterations of it."""
        known = self._known
        if known is None or known.arm != arm:
            return float(self.setup[arm] / self.iterate_cost[arm])
        return known.setup / known.unit

    def take_in_usual(
        self, arm: int, iterations: int, iterating: float, preparing: float, *, in_a_row: bool, count: int = 1
    ) -> bool:
        """Take in a whole solve, if the arm is familiar and its cost does not put that of all arms in doubt.

        Where there were ``count`` of them, their mean is as telling as one.

        ``False``: nothing was taken in, and :meth:`observe_cost` and :meth:`observe_iterations` have to.
        """
        known = self._known
        if known is None or known.arm != arm:
            known = self._get_to_know(arm)
            if known is None:
                return False
        if not iterating > 0.0:
            return False
        factor = math.exp(self._common)
        before = self._deviation
        step = self._credible_step(math.log(iterating / ((iterations + STARTING) * known.unit * factor)))
        if abs(self._moved + step) > DOUBTFUL_CHANGE:
            self._deviation = before
            return False
        if in_a_row:
            largest = LARGEST_CHANGE * factor * max(known.setup, known.upkeep)
            keep = min(known.kept_up / (known.kept_up + 1.0), 0.9)
            upkeep = (min(preparing, largest) if largest else preparing) / factor
            known.upkeep = keep * known.upkeep + (1.0 - keep) * upkeep
            known.kept_up += count
        known.measurements += count
        self._moved += step
        common = step * (1.0 - OWN_MEASUREMENTS / (OWN_MEASUREMENTS + known.measurements))
        self._common += common
        known.unit *= math.exp(step - common)
        error = math.log(iterations) - (
            known.strength + known.power * self._joint.level + known.digits * self._log_digits
        )
        noise = noise_of(iterations)
        if self._is_quiet(error, noise):
            self._weigh(error)
            self._follow_known(known, error, noise)
            known.plays += count
        else:
            self.observe_iterations(arm, iterations)
            self.plays[arm] += count - 1
        return True

    def _follow_known(self, known: _Acquaintance, error: float, noise: float) -> None:
        """As :meth:`_follow`."""
        joint, power = self._joint, known.power
        if power > TELLING_POWER:
            self._telling = True
            variance = joint.level_variance
            total = power * power * variance + 2.0 * power * known.covariance + known.variance + noise
            gained = joint.follow_with(power, known.covariance, total, error)
            joint.level_variance = variance - min(gained, self._drifted)
        self._drifted = 0.0
        self._anew = False

    def _get_to_know(self, arm: int) -> _Acquaintance | None:
        """Take the numbers of an arm out of the arrays; ``None``: it has not played often enough."""
        self._put_back()
        often = self.plays[arm] >= FAMILIAR and self._measurements[arm] >= 2
        if not (often and self.ready[arm] and self._timed[arm]):
            return None
        self._known = _Acquaintance(
            arm,
            strength=float(self._strength[arm]),
            power=float(self._power[arm]),
            digits=float(self._digits[arm]),
            variance=float(self.variance[arm]),
            covariance=self._joint.covariance_of(arm),
            setup=float(self.setup[arm]),
            unit=float(self.iterate_cost[arm]),
            upkeep=float(self.upkeep[arm]),
            plays=int(self.plays[arm]),
            measurements=int(self._measurements[arm]),
            kept_up=int(self._kept_up[arm]),
        )
        return self._known

    def _put_back(self) -> None:
        """Have the arrays say again what is known, and forget the rest, which may change."""
        self._copy_back()
        self._known = None

    def _copy_back(self) -> None:
        known = self._known
        if known is None:
            return
        arm = known.arm
        self.iterate_cost[arm], self.upkeep[arm] = known.unit, known.upkeep
        self.plays[arm], self._measurements[arm], self._kept_up[arm] = known.plays, known.measurements, known.kept_up

    def running_of(self, arm: int) -> float:
        """Cost of a solve by one arm, once it is prepared."""
        self._put_back()
        return super().running_of(arm)

    def running(self) -> Vector:
        """Cost of a solve by every arm, once it is prepared."""
        self._copy_back()
        return super().running()

    def settle(self) -> None:
        """Apply to all arms what has been put off while only one was played; needed before arms are compared."""
        self._put_back()
        super().settle()

    def forget(self, arms: Sequence[int]) -> None:
        """These have to be prepared anew."""
        self._put_back()
        self.ready[arms] = False

    def _doubt_all(self) -> None:
        self._put_back()
        super()._doubt_all()

    def observe_cost(
        self, arm: int, iterations: int, iterating: float, preparing: float, *, anew: bool, in_a_row: bool = True
    ) -> None:
        """Take in what a turn cost."""
        self._put_back()
        super().observe_cost(arm, iterations, iterating, preparing, anew=anew, in_a_row=in_a_row)

    def observe_iterations(
        self, arm: int, iterations: float, *, extrapolated: bool = False, foreseen: bool = False
    ) -> None:
        """Take in how many iterations an arm took, or would have taken as far as could be seen."""
        self._put_back()
        super().observe_iterations(arm, iterations, extrapolated=extrapolated, foreseen=foreseen)

    def observe_bound(self, arm: int, iterations: float) -> None:
        """Take in that an arm, which hardly got anywhere, would have taken more iterations than that."""
        self._put_back()
        super().observe_bound(arm, iterations)

    def state_dict(self) -> dict[str, Any]:
        """What is worth knowing in another run."""
        self._put_back()
        return super().state_dict()
