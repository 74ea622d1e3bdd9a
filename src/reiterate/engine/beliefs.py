"""What is believed of every arm: how many iterations it needs, what one of them costs, what preparing costs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Forecast
from reiterate.engine.estimates import FIRST_DIFFICULTY, LINE_VARIANCE, METHOD_VARIANCE
from reiterate.engine.measured_costs import STARTING, MeasuredCosts

Vector = NDArray[np.float64]

_NEIGHBOR = 0.85  # correlation of two arms next to each other on the line of a method
_NOISE = 0.01  # variance of log iterations from instance to instance that nothing explains
_ROUNDING = 1.5  # iterations more or less, by where the last one happens to end
_BOUND = 9.0  # the same of what is only known to be more
_EXTRAPOLATED = 0.3  # the same of iterations extrapolated by the digits that a run gained before it was stopped
_FORESEEN = 0.15  # the same of what the iteration itself foresaw
_DRIFT = 0.02  # added to the variance of the log difficulty with every instance
_FORGETTING = 0.002  # added to the variance of an arm with every instance on which it was not played
_USUAL = 0.9  # most weight of how often instances were novel before, when there is one more
_LEAST_NOVELTY = 0.01
_COST_DEVIATION = 0.4  # standard deviation of the log of a forecast of costs
_ONCE_DEVIATION = 0.25  # the same of a cost that was measured once, when code had to be loaded maybe
_FEWEST_DIGITS = 0.7  # in natural logarithms: even the last step takes an iteration
_FOLLOWED = 0.3  # of a square of errors, when the usual one is learnt
_USUAL_DIGITS = 8.0 * math.log(10.0)
_USUAL_ERROR = 0.25  # of log iterations
_LARGEST_EVIDENCE = 0.6  # of one error, so that a single outlier does not convince
_CONVINCING_EVIDENCE = 0.36
_JUMP = 9.0  # times the variance expected, beyond which the square of an error is no accident
_QUIET = 0.1  # error of log iterations that tells nothing new of an arm that has played so often:
FAMILIAR = 4
_OWN_JUMP = 0.3  # of the variance of a jump is the arm's, where the difficulty has not jumped lately
_USUAL_JUMPS = 10.0  # the more it has, the less: by so much for each jump remembered
_JUMPS_FORGET = 0.97
_RARE = 0.5  # jumps remembered, below which one more is a change-point
_QUIET_NOISE = 0.4  # times the variance of noise, up to which the square of an error tells nothing new either
TELLING_POWER = 0.1  # of the difficulty, below which iterations say nothing about it


class Beliefs(MeasuredCosts):
    """Estimates of what every arm would cost on the next instance.

    Model: on an instance of difficulty d, arm a takes N = s_a d^{p_a} g^{q_a} iterations, which cost u_a each, and
    preparing; g are the digits to be gained over eight, where they are known beforehand. The powers p and q and the
    first values of the rest are forecasts of the methods. d is common to all arms, so that playing one says something
    about the others, and what makes one instance harder than the last is not mistaken for a property of the arm that
    met it. log d and log s_a are followed by a Kalman filter (:class:`JointFilter`). Arms of one method, in the order
    of their parameters, move together until they have been observed: the correlation of neighbors on the line is 0.85,
    that of the next ones its square. Costs of an iteration are measured; until then they are forecasts, scaled by what
    the measured ones took over their own forecasts.

    Parameters
    ----------
    forecasts
        One for every arm.
    lines
        For every arm the number of its line (its method) and its place there.
    difficulty
        First guess of d, in the units that the forecasts share.

    Attributes
    ----------
    iterate_cost, setup, upkeep : arrays of shape (K,)
        Of an iteration; of preparing for the first time; of keeping the state up to date, a solve.
    variance : array of shape (K,)
        Of log s_a.
    plays : array of int, shape (K,)
        How often each was played to the end.
    """

    def __init__(self, forecasts: Sequence[Forecast], lines: Sequence[tuple[int, int]], difficulty: float) -> None:
        super().__init__(forecasts, lines, difficulty)
        self._drifted = 0.0  # variance of the difficulty that the present instance has added
        self._risen = self._fallen = 0.0  # evidence that iterations have done so for good
        self._jumps = 0.0  # lately
        self._anew = True  # nobody has been observed on this instance
        self._log_digits = 0.0
        self._telling = self._telling_before = False  # whether anybody's iterations depend on it
        self._level_before = 0.0
        self._passed = 0  # instances since the variances were last brought up to date
        self._instances = 1  # that have gone by, and one novel one that is taken for granted

    def expect(self, arm: int, cost: float, like: int) -> None:
        """Believe that a solve by an arm, once it is prepared, costs so much, as surely as another one is known."""
        iterations = (cost - float(self.upkeep[arm])) / float(self.iterate_cost[arm]) - STARTING
        self._strength[arm] += math.log(max(iterations, 1.0)) - self._log_iterations(arm, self.log_difficulty)
        correlation = _NEIGHBOR ** abs(float(self._place[arm] - self._place[like]))
        self.variance[arm] = float(self.variance[like]) + LINE_VARIANCE * (1.0 - correlation**2)

    def observed(self, arm: int) -> bool:
        """Whether anything has been seen of how many iterations it takes."""
        return bool(self._seen[arm])

    def iterations(self, log_difficulty: float | Vector | None = None) -> Vector:
        """Of every arm on the next instance."""
        level = self.log_difficulty if log_difficulty is None else log_difficulty
        log = self._strength + self._power * level + self._digits * self._log_digits
        iterations: Vector = np.exp(np.clip(log, 0.0, 40.0))
        return iterations

    def iterations_of(self, arm: int, log_difficulty: float | None = None) -> float:
        """Of one arm."""
        level = self.log_difficulty if log_difficulty is None else log_difficulty
        return math.exp(min(max(self._log_iterations(arm, level), 0.0), 40.0))

    def _log_iterations(self, arm: int, log_difficulty: float) -> float:
        log = float(self._strength[arm]) + float(self._power[arm]) * log_difficulty
        return log + float(self._digits[arm]) * self._log_digits

    def running(self) -> Vector:
        """Cost of a solve by every arm, once it is prepared."""
        cost: Vector = (self.iterations() + STARTING) * self.iterate_cost + self.upkeep
        return cost

    def hopeful(self, deviations: Vector, hope: float) -> Vector:
        """The same with iterations and costs that are not known, by so many standard deviations, as low as may be.

        ``deviations``, shape (K,), are those of log iterations.
        """
        factor = math.exp(-hope * _COST_DEVIATION)
        unit = np.where(self._timed, self.iterate_cost, factor * self.iterate_cost)
        unit[self._timed & (self._measurements == 1)] *= math.exp(-hope * _ONCE_DEVIATION)
        upkeep = np.where(self._kept_up > 0, self.upkeep, factor * self.upkeep)
        cost: Vector = (np.maximum(self.iterations() * np.exp(-hope * deviations), 1.0) + STARTING) * unit + upkeep
        return cost

    def deviations_from(self, arm: int) -> Vector:
        """Of the log iterations of every arm, what they may have in common with those of one arm left aside."""
        return np.sqrt(self._joint.variances_against(arm, self._power))

    def immediate(self, log_difficulty: Vector | None = None) -> Vector:
        """Cost of the next solve by every arm, preparing included; at difficulties (m, 1), shape (m, K)."""
        preparing = np.where(self.ready, self.upkeep, self.setup)
        cost: Vector = (self.iterations(log_difficulty) + STARTING) * self.iterate_cost + preparing
        return cost

    def of_line(self, arm: int) -> NDArray[np.bool_]:
        """The arms of the same line."""
        same: NDArray[np.bool_] = self._line == self._line[arm]
        return same

    @property
    def spread(self) -> float:
        """Standard deviation, lately, of the log iterations of arms that are known, from what was expected."""
        return math.sqrt(self._surprise)

    @property
    def jumps(self) -> bool:
        """Whether the difficulty has jumped lately, so that instances are not like those before."""
        return self._jumps >= _RARE

    def pass_by(self, harder: float = 0.0, digits: float | None = None, count: int = 1, *, novel: bool = True) -> float:
        """Instances go by, and what was not played may have changed; returns how much is known to be different.

        Parameters
        ----------
        harder
            By how much log difficulty is expected to have risen.
        digits
            To be gained, in natural logarithms; ``None``: as many as last time.
        count
            How many instances.
        novel
            Whether states that served the last instance have to be brought up to date for this one. What never is
            makes arms cheaper whose upkeep is only forecast.
        """
        if self._telling and self._level_at_first is None:
            self._level_at_first = self.log_difficulty
        self._telling_before, self._telling = self._telling, False
        self._level_before = self.log_difficulty
        before = self._log_digits
        if digits is not None:
            self._log_digits = math.log(max(digits, _FEWEST_DIGITS) / _USUAL_DIGITS)
        self._joint.level += harder
        self._drifted = min(count * _DRIFT, max(FIRST_DIFFICULTY - self._joint.level_variance, 0.0))
        self._joint.widen_level(self._drifted)
        self._passed += count
        kept = min(self._instances / (self._instances + count), _USUAL**count)
        self._novelty = max(novel + (self._novelty - novel) * kept, _LEAST_NOVELTY)
        self._instances += count
        self._jumps *= _JUMPS_FORGET**count
        self._anew = True
        return abs(harder) + abs(self._log_digits - before)

    @property
    def rise(self) -> float | None:
        """By how much log difficulty has risen since the last instance; ``None``: who played does not tell."""
        return self.log_difficulty - self._level_before if self._telling and self._telling_before else None

    def changed(self) -> bool:
        """Whether iterations, or what they cost, have lately been so far from what was believed that all is in doubt.

        Told once. A cumulative sum (Page 1954) of errors beyond the usual; one outlier is enough only where there are
        none otherwise. If so, every arm that has been played may be as good or bad again as before its first play.
        """
        if self._costs_doubtful:
            self._costs_doubtful = False
            return True
        if max(self._risen, self._fallen) <= _CONVINCING_EVIDENCE:
            return False
        self._risen = self._fallen = 0.0
        self._doubt_all()
        return True

    def _doubt_all(self) -> None:
        self._joint.widen_all(np.maximum(METHOD_VARIANCE - self.variance, 0.0))

    def settle(self) -> None:
        """Apply to all arms what has been put off while only one was played; needed before arms are compared."""
        if self._passed:
            largest = METHOD_VARIANCE + LINE_VARIANCE
            # What has been the same time and again changes more slowly.
            forgotten = self._passed * _FORGETTING / (1.0 + self.plays)
            self._joint.widen_all(np.minimum(forgotten, np.maximum(largest - self.variance, 0.0)))
            self._passed = 0
        if self._novelty != self._novelty_counted:
            exact = self._exact & ~self._seen
            if exact.any():
                # Where states never age, as many iterations as of an instance that nobody could be wrong about.
                log = self._power * self.log_difficulty + self._digits * self._log_digits
                forecast = self._novelty * (self._forecast_strength + log) - log
                self._strength[exact] = forecast[exact]
        super().settle()

    def running_of(self, arm: int) -> float:
        """Cost of a solve by one arm, once it is prepared."""
        factor = math.exp(self._common)
        return factor * float((self.iterations_of(arm) + STARTING) * self.iterate_cost[arm] + self.upkeep[arm])

    def observe_iterations(
        self, arm: int, iterations: float, *, extrapolated: bool = False, foreseen: bool = False
    ) -> None:
        """Take in how many iterations an arm took, or would have taken as far as could be seen.

        ``extrapolated``: it was stopped; ``foreseen``: what was left is what the iteration itself foresaw.
        """
        power = float(self._power[arm])
        error = math.log(max(iterations, 1.0)) - self._log_iterations(arm, self.log_difficulty)
        noise = noise_of(iterations)
        if extrapolated:
            noise += (_FORESEEN if foreseen else _EXTRAPOLATED) - _NOISE
        quiet = not extrapolated and self._is_quiet(error, noise)
        if not extrapolated and self.plays[arm]:
            self._weigh(error)
        if power > TELLING_POWER:
            self._telling = True
        else:
            power = 0.0
        if quiet and self.plays[arm] >= FAMILIAR:
            self._follow(arm, power, error, noise)
            return
        self._allow_for_jumps(arm, power, error, noise)
        tells = float(self.variance[arm]) > _NOISE
        before = float(self._strength[arm])
        self._joint.correct(arm, power, error, noise)
        if tells:
            self._move_line(arm, float(self._strength[arm]) - before, float(self.variance[arm]))
        self.plays[arm] += not extrapolated

    def _is_quiet(self, error: float, noise: float) -> bool:
        """Whether an error of log iterations, with noise of this variance, tells nothing new."""
        return error * error < max(_QUIET * _QUIET, _QUIET_NOISE * noise)

    def _weigh(self, error: float) -> None:
        """Take an error of log iterations as evidence that they have changed for good."""
        step = min(max(error, -_LARGEST_EVIDENCE), _LARGEST_EVIDENCE)
        self._risen = max(self._risen + step - _USUAL_ERROR, 0.0)
        self._fallen = max(self._fallen - step - _USUAL_ERROR, 0.0)
        self._surprise += _FOLLOWED * (min(error * error, 4.0) - self._surprise)

    def observe_bound(self, arm: int, iterations: float) -> None:
        """Take in that an arm, which hardly got anywhere, would have taken more iterations than that."""
        error = math.log(max(iterations, 1.0)) - self._log_iterations(arm, self.log_difficulty)
        if error <= 0.0:
            return
        power = float(self._power[arm])
        self._seen[arm] = True
        # How many more nobody knows, so that the instance may still be of any difficulty to whoever comes next.
        self._joint.widen_level((error / max(power, TELLING_POWER)) ** 2)
        self._joint.correct(arm, power, error, _BOUND)

    def _follow(self, arm: int, power: float, error: float, noise: float) -> None:
        """Take in what was expected: only the difficulty moves, which takes a tenth of the time of a whole step."""
        gained = self._joint.follow(arm, power, error, noise)
        # No more than what this instance has added, or covariances would no longer fit.
        self._joint.widen_level(-min(gained, self._drifted))
        self._drifted = 0.0
        self.plays[arm] += 1
        self._anew = False

    def _allow_for_jumps(self, arm: int, power: float, error: float, noise: float) -> None:
        """An error far beyond the usual is a jump of the difficulty, most likely where it jumps often, or of the arm.

        How well the last difficulty was known does not matter for an arm that has played. Within one instance it is the
        same for all.
        """
        square = error * error
        usual = self._joint.variance_of(arm, power, noise)
        if self._anew and self.plays[arm]:
            usual = min(usual, noise + power * power * _DRIFT + float(self.variance[arm]))
        if square <= _JUMP * usual:
            pass
        elif self._anew:
            self._joint.widen_level(square / max(power, TELLING_POWER) ** 2)
            self._joint.widen(arm, _OWN_JUMP * square / (1.0 + _USUAL_JUMPS * self._jumps))
            if self._jumps < _RARE and self.plays[arm] >= FAMILIAR:
                self._risen = 2.0 * _CONVINCING_EVIDENCE
            self._jumps += 1.0
        else:
            self._joint.widen(arm, square)
        self._anew = False

    def _move_line(self, arm: int, step: float, variance: float) -> None:
        """Move those of an arm's line that have not been observed with it."""
        same = (self._line == self._line[arm]) & ~self._seen
        self._seen[arm] = True
        same[arm] = False
        if not same.any():
            return
        correlation = _NEIGHBOR ** np.abs(self._place[same] - self._place[arm])
        first = not (self._seen & (self._line == self._line[arm]))[np.arange(self._seen.size) != arm].any()
        if first:
            self._strength[same] += step
            self.variance[same] = variance + LINE_VARIANCE * (1.0 - correlation**2)
        else:
            self._strength[same] += correlation**2 * step
            self.variance[same] = np.minimum(self.variance[same], variance + LINE_VARIANCE * (1.0 - correlation**2))


def noise_of(iterations: float) -> float:
    """Variance of log iterations that nothing explains: the fewer there are, the more by where the last one ends."""
    return _NOISE + (_ROUNDING / max(iterations, 1.0)) ** 2
