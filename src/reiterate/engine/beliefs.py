"""What is believed of every arm: how many iterations it needs, what one of them costs, what preparing costs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Attempt, Forecast
from reiterate.engine.estimates import FIRST_DIFFICULTY, LINE_VARIANCE, METHOD_VARIANCE, Estimates

Vector = NDArray[np.float64]

_NEIGHBOR = 0.85  # correlation of two arms next to each other on the line of a method
_NOISE = 0.01  # variance of log iterations from instance to instance that nothing explains
_ROUNDING = 1.5  # iterations more or less, by where the last one happens to end
_BOUND = 9.0  # the same of what is only known to be more
_EXTRAPOLATED = 0.3  # the same of iterations extrapolated by the digits that a run gained before it was stopped
_FORESEEN = 0.15  # the same of what the iteration itself foresaw
_DRIFT = 0.02  # added to the variance of the log difficulty with every instance
_FORGETTING = 0.002  # added to the variance of an arm with every instance on which it was not played
STARTING = 2.0  # iterations that beginning to iterate costs about as much as
_USUAL = 0.9  # weight of how often instances were novel before, when there is one more
_LEAST_NOVELTY = 0.01
_KEEP = 0.7  # weight of what was known when a cost is seen again
OWN_MEASUREMENTS = 4.0  # of an arm, after which half of a change is put down to the machine
LARGEST_CHANGE = 3.0  # times a cost, that one observation may be believed to tell
DOUBTFUL_CHANGE = 0.4  # of the log of costs
_INCREDIBLE = 30.0  # times the forecast of a cost, scaled to the machine
_SINGLE_CHANGE = 0.25  # of the log of a cost, that is believed at once
_FARTHEST = 20.0  # times the iterations made, beyond which nothing is extrapolated
_COST_DEVIATION = 0.4  # standard deviation of the log of a forecast of costs
_ONCE_DEVIATION = 0.25  # the same of a cost that was measured once, when code had to be loaded maybe
_FEWEST_DIGITS = 0.7  # in natural logarithms: even the last step takes an iteration
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
_LOG_LARGEST_CHANGE = math.log(LARGEST_CHANGE)


class Beliefs(Estimates):
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
        self._timed = np.zeros(len(forecasts), dtype=bool)  # since costs last moved by much
        self._drifted = 0.0  # variance of the difficulty that the present instance has added
        self._deviation = 0.0
        self._costs_doubtful = False
        self._moved = 0.0  # log of costs, since somebody else could have told whether it was the machine
        self._risen = self._fallen = 0.0  # evidence that iterations have done so for good
        self._jumps = 0.0  # lately
        self._anew = True  # nobody has been observed on this instance
        self._log_digits = 0.0
        self._telling = self._telling_before = False  # whether anybody's iterations depend on it
        self._level_before = 0.0
        self._passed = 0  # instances since the variances were last brought up to date

    def add_between(self, left: int, right: int, weight: float, *, ready: bool) -> int:
        """As for estimates; it costs as much as it has been seen to on both sides."""
        new = super().add_between(left, right, weight, ready=ready)
        self._timed = np.append(self._timed, bool(self._timed[left] and self._timed[right]))
        return new

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

    def measured(self, arm: int) -> bool:
        """Whether what an iteration costs has been seen."""
        return bool(self._measured[arm])

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
        self._novelty = max(novel + (self._novelty - novel) * _USUAL**count, _LEAST_NOVELTY)
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
        if self._common:
            factor = math.exp(self._common)
            self.iterate_cost *= factor
            self.setup *= factor
            self.upkeep *= factor
            self._common = 0.0
        if self._novelty != self._novelty_counted:
            self.upkeep[self._kept_up == 0] *= self._novelty / self._novelty_counted
            self._novelty_counted = self._novelty
            exact = self._exact & ~self._seen
            if exact.any():
                # Where states never age, as many iterations as of an instance that nobody could be wrong about.
                log = self._power * self.log_difficulty + self._digits * self._log_digits
                forecast = self._novelty * (self._forecast_strength + log) - log
                self._strength[exact] = forecast[exact]

    @property
    def common_factor(self) -> float:
        """By which all costs have changed since they were last settled."""
        return math.exp(self._common)

    def running_of(self, arm: int) -> float:
        """Cost of a solve by one arm, once it is prepared."""
        factor = math.exp(self._common)
        return factor * float((self.iterations_of(arm) + STARTING) * self.iterate_cost[arm] + self.upkeep[arm])

    def observe_cost(
        self, arm: int, iterations: int, iterating: float, preparing: float, *, anew: bool, in_a_row: bool = True
    ) -> None:
        """Take in what a turn cost.

        ``anew``: its state was prepared for the first time. ``in_a_row``: the arm has played on the instance before,
        too; otherwise what it took to bring an old state up to date is not what keeping it up to date would cost.
        """
        if anew:
            self.settle()
            self.setup[arm] = self._credible_setup(arm, preparing)
            self.ready[arm] = self._set_up[arm] = True
        elif in_a_row:
            seen = int(self._kept_up[arm])
            largest = LARGEST_CHANGE * math.exp(self._common) * float(max(self.setup[arm], self.upkeep[arm]))
            preparing = min(preparing, largest) if largest else preparing
            keep = min(seen / (seen + 1.0), 0.9)
            self.upkeep[arm] = keep * self.upkeep[arm] + (1.0 - keep) * preparing * math.exp(-self._common)
            self._kept_up[arm] += 1
        if iterations > 0 and iterating > 0.0:
            self._observe_unit(arm, iterating / (iterations + STARTING))
        if anew:
            self._rescale()

    def _credible_setup(self, arm: int, preparing: float) -> float:
        """What it took to prepare, unless that is far from all forecasts because the clock jumped."""
        return min(preparing, _INCREDIBLE * float(self.setup[arm])) if self._measured.any() else preparing

    def _observe_unit(self, arm: int, unit: float) -> None:
        """Take in what an iteration cost.

        The better an arm is known, the more it is the machine's doing when its iteration costs more or less than it
        did: then all costs move, or whoever plays would be blamed for a machine that has become slower.
        """
        if not self._measurements[arm] and not self._doubted[arm] and self._incredible(arm, unit):
            self._doubted[arm] = True  # a clock that jumps would bar an arm for good: once more will show
            return
        self._measurements[arm] += 1
        if self._measurements[arm] == 1:
            self.settle()
            self.iterate_cost[arm] = unit
            self._measured[arm] = self._timed[arm] = True
            self._rescale()
            return
        if self._measurements[arm] == 2 and unit < self.iterate_cost[arm] * math.exp(self._common):
            # The first one had to load code and touch memory; and clocks err upwards.
            self.iterate_cost[arm] = unit * math.exp(-self._common)
            self._rescale()
            return
        # A clock that jumps once must not count for much; what lasts is believed the second time.
        believed = float(self.iterate_cost[arm]) * math.exp(self._common)
        step = self._credible_step(math.log(unit / believed))
        self._moved += step
        if abs(self._moved) > DOUBTFUL_CHANGE:
            # It may have been the arm after all: others may be hoped to cost what they did.
            self._moved = 0.0
            self._timed[:] = False
            self._costs_doubtful = True
        self._timed[arm] = True
        common = step * (1.0 - OWN_MEASUREMENTS / (OWN_MEASUREMENTS + int(self._measurements[arm])))
        self._common += common
        self.iterate_cost[arm] *= math.exp(step - common)

    def _credible_step(self, deviation: float) -> float:
        """How far to follow the log of a cost, which deviates from what is believed; larger if it did so before."""
        before, self._deviation = self._deviation, deviation
        limit = max(_SINGLE_CHANGE, min(2.0 * math.copysign(before, before * deviation), _LOG_LARGEST_CHANGE))
        return (1.0 - _KEEP) * min(max(deviation, -limit), limit)

    def _incredible(self, arm: int, unit: float) -> bool:
        """Whether an iteration cost so far from its forecast, after those of other arms were seen, as cannot be."""
        if not self._measured.any():
            return False
        ratio = unit / (float(self.iterate_cost[arm]) * math.exp(self._common))
        return not 1.0 / _INCREDIBLE < ratio < _INCREDIBLE

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
        self._surprise += (1.0 - _KEEP) * (min(error * error, 4.0) - self._surprise)

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


def foreseen_iterations(attempt: Attempt, start: float, before: float, target: float) -> float | None:
    """How many iterations a stopped attempt would have taken from the start, by what it foresaw itself.

    It began at the merit ``before``. ``None``: it foresaw nothing, or nothing credible.
    """
    if attempt.remaining is None or not 0.0 <= attempt.remaining <= (_FARTHEST - 1.0) * attempt.iterations:
        return None
    return (attempt.iterations + attempt.remaining) / share_of(start, before, target, target)


def share_of(start: float, before: float, after: float, target: float) -> float:
    """Of the digits between the start and the target, those gained by a run from one merit to another; at least 5 %."""
    if not (0.0 < target < start < math.inf) or not after < before:
        return 1.0 / _FARTHEST
    return max(math.log(before / max(after, target)) / math.log(start / target), 1.0 / _FARTHEST)


def noise_of(iterations: float) -> float:
    """Variance of log iterations that nothing explains: the fewer there are, the more by where the last one ends."""
    return _NOISE + (_ROUNDING / max(iterations, 1.0)) ** 2
