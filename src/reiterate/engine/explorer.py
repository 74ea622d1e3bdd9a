"""The default policy: a race in the first solve, then the best arm known, and trials within a budget."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from reiterate.configuration import Configuration
from reiterate.contracts import Attempt, Choice, Forecast, Instance, Method, Status
from reiterate.engine.beliefs import Beliefs, Vector, share_of
from reiterate.engine.cost import CostUnit
from reiterate.engine.policy import Conduct, Opinion, Policy, Turns
from reiterate.engine.pursuit import Pursuit

Mask = NDArray[np.bool_]

_ALLOWANCE = 0.05  # of all cost so far, for trials
_HEAD_START = 1.0  # costs of a solve, for the trials before 5 % of anything is much
_HOPE = 1.0  # standard deviations by which an arm may be better than believed
_OVERRUN = 3.0  # times its believed iterations, after which even the best arm is doubted
_SLACK = 0.4  # log of how much more a trial may iterate for than the incumbent: handing over has its price
_FEWEST = 3
_TELLING = 0.3  # of the way to the target: who finishes with less than that left says little about itself
_LOOKS = 16  # arms are compared again after a sixteenth of the solves so far, or when the incumbent surprises
_LONGEST_WAIT = 6
_LEAST_LOSS = 1e-3  # of a solve
_CREDIBLE = 10.0  # times what was expected; a solve that costs more is not believed to have
_LOOKING = 0.02  # of the time that solves are expected to take may be spent on looking around
_LONGEST_CALM = 64
_SURPRISING = 1.5  # times what was believed
_FEW = 10  # iterations: a run that short is not worth stopping
_LEVELS = np.linspace(0.0, 14.0, 57)
_UNCERTAIN = 0.3  # variance of the log difficulty from which on the next solve is a race
_NO_IDEA = Forecast(setup=1.0, upkeep=1.0, iteration=1.0, strength=1.0, power=1.0)


class Explorer(Policy):
    """Decides which arm plays next, and when it has to make room.

    *A race.* As long as the difficulty is not known, solving is ski rental with many options: the arm that is cheapest
    at the difficulty expected begins, and makes room when it has proved the instance so hard that another one,
    preparation included, would have been cheaper from the start; and so on. What it cost up to there is no more
    than what that other one costs, and the iterate is handed on, so a race of two costs at most twice the best of
    them, as far as the forecasts of their ratio hold.

    *The incumbent*, the arm of least believed cost, plays later solves. It makes room in the same way, but not
    before it has taken three times what was believed.

    *Trials.* Another arm plays instead when it is worth it: when what it may save a solve, hopefully (one standard
    deviation below its believed iterations), times the solves so far, exceeds what the trial is expected to lose; and
    when that loss fits into the budget, 5 % of all cost so far and one solve. The number of solves so far stands for
    that of those to come: a stream that has gone on for so long goes on for as long again. A loss may also be
    paid from the cost that the arm, without any hope, would have saved already: then it is rent or buy. A trial is
    stopped when it has iterated for as much as the incumbent takes in all, and the incumbent finishes from there. An
    arm that has lost k trials in a row waits for 2^k solves, at most 64, for the next.

    Source of the parts: forecasts as hints and censored trials, see docs/architecture.md; the horizon is the doubling
    argument of ski rental. Guarantee: a trial begins only if what trials have cost beyond the incumbent, with what this
    one is expected to, is within 5 % of the total and one solve, or within what its arm was believed to have saved.
    It iterates for about one and a half of the incumbent's solves at most.

    Parameters
    ----------
    arms
    beliefs
        What is believed of them.
    unit
        What to make small.
    stops
        Whether an arm may be stopped before it has finished.

    Attributes
    ----------
    solves, trials : int
    total : float
        Cost of all solves.
    spent : float
        What trials cost more than the incumbent was believed to.
    saved : float
        What the arms tried had been believed to save, by the time they were.
    """

    def __init__(self, arms: Sequence[Configuration], beliefs: Beliefs, unit: CostUnit, *, stops: bool = True) -> None:
        super().__init__(arms)
        self._stops = stops
        self._taken_in = 0  # attempts of the present solve
        self._cost_so_far = 0.0
        self.beliefs = beliefs
        self._unit: CostUnit = unit
        self._number = {arm: k for k, arm in enumerate(self.arms)}
        self.solves = 0
        self.total = 0.0
        self.spent = 0.0
        self.saved = 0.0
        self.trials = 0
        self._missed = np.zeros(beliefs.variance.size)
        self._failures = np.zeros(beliefs.variance.size, dtype=np.int64)
        self._barred_until = np.zeros(beliefs.variance.size, dtype=np.int64)
        self._last_played = np.full(len(self.arms), -1)
        self._losses = np.zeros(beliefs.variance.size, dtype=np.int64)
        self._waits_until = np.zeros(beliefs.variance.size, dtype=np.int64)
        self._trial: int | None = None
        self._incumbent = 0
        self._steady = 0
        self._looked = 0
        self._expected = 0.0

    def turns(self, pursuit: Pursuit, held: frozenset[str]) -> Turns:
        """Arms and their caps, for one solve; beliefs are asked again before every turn."""
        beliefs, context = self.beliefs, pursuit.instance.context
        beliefs.pass_by()
        self._trial, self._expected, self._taken_in = None, 0.0, 0
        if self._steady > 0 and not held:
            self._steady -= 1
            self._expected = beliefs.running_of(self._incumbent)
            self.choice = Choice(self._incumbent, 1.0, context)
            yield self.arms[self._incumbent], self._cap_of_incumbent(self._incumbent)
            yield from self._others(pursuit, self._usable(held), self._incumbent)
            return
        begin = time.perf_counter()
        beliefs.settle()
        usable = self._usable(held)
        if not usable.any():
            self.choice = None
            return
        incumbent = first = self._incumbent = self._best(usable)
        if beliefs.plays[incumbent]:
            first = self._look_around(usable)
            if first == incumbent:
                self._steady = self._calm(time.perf_counter() - begin)
        self.choice = Choice(first, 1.0, context)
        if first != incumbent:
            yield self.arms[first], self._cap_of_trial(first)
            self._take_in(pursuit)
        yield self.arms[incumbent], self._cap(incumbent, usable & ~beliefs.of_line(incumbent), 0.0)
        yield from self._others(pursuit, usable, incumbent)

    def _others(self, pursuit: Pursuit, usable: Mask, played: int) -> Turns:
        """Who goes on when those who played have not finished: always who is cheapest from here, as things look now.

        Every turn may cost as much as all before it together, so that there are few. Of every line one arm plays; in
        the end the cheapest of all goes on for as long as it takes.
        """
        beliefs = self.beliefs
        left = usable & ~beliefs.of_line(played)
        while True:
            self._take_in(pursuit)
            beliefs.settle()
            left &= self._barred_until <= self.solves
            if not left.any():
                break
            arm = int(np.argmin(np.where(left, beliefs.immediate(), math.inf)))
            left = left & ~beliefs.of_line(arm)
            yield self.arms[arm], self._cap(arm, left, self._cost_so_far)
        able = usable & (self._barred_until <= self.solves)
        if able.any():
            yield self.arms[int(np.argmin(np.where(able, beliefs.immediate(), math.inf)))], math.inf

    def _usable(self, held: frozenset[str]) -> Mask:
        """The arms that may play at present."""
        usable: Mask = self._barred_until <= self.solves
        if held:
            usable &= np.array([arm.method not in held for arm in self.arms], dtype=bool)
        return usable

    def _look_around(self, usable: Mask) -> int:
        """The arm to try, or the incumbent where nothing is worth it; then nobody looks again for a while."""
        running = self.beliefs.running()
        incumbent = self._incumbent
        self._expected = float(running[incumbent])
        self._trial = self._best_trial(usable, incumbent, running)
        passed = self.solves - self._looked
        self._looked = self.solves
        self._missed += passed * np.maximum(self._expected - running, 0.0)
        if self._trial is not None:
            return self._trial
        return incumbent

    def _calm(self, seconds: float) -> int:
        """For how many solves not to look around again, if looking takes so long."""
        dear = seconds / (_LOOKING * self._expected) if self._unit == "time" else 0.0
        return max(self.solves // _LOOKS, min(int(dear), _LONGEST_CALM))

    def _best(self, usable: Mask) -> int:
        """The arm of least believed cost among those that have proved themselves, or among all as long as none has."""
        proven = usable & (self.beliefs.plays > 0)
        if proven.any():
            return int(np.argmin(np.where(proven, self.beliefs.running(), math.inf)))
        return int(np.argmin(np.where(usable, self.beliefs.immediate(), math.inf)))

    def _cap(self, arm: int, others: Mask, least: float) -> float:
        """Iterations after which another arm would have been cheaper from the start, but ``least`` cost at least."""
        beliefs = self.beliefs
        if not others.any() or not self._stops:
            return math.inf
        if beliefs.plays[arm] and beliefs.difficulty_variance < _UNCERTAIN:
            return self._cap_of_incumbent(arm)
        levels = beliefs.log_difficulty + _LEVELS
        costs = beliefs.immediate(levels[:, None])
        later = np.flatnonzero(costs[:, others].min(axis=1) < costs[:, arm])
        if later.size == 0:
            return math.inf
        crossing = beliefs.iterations_of(arm, float(levels[later[0]]))
        return math.ceil(max(crossing, least / float(beliefs.iterate_cost[arm]), _FEW))

    def _cap_of_incumbent(self, arm: int) -> float:
        """Several times what is believed. Renewing an aged state in the middle of a solve is the arm's own affair."""
        beliefs = self.beliefs
        if not self._stops:
            return math.inf
        renewing = float(beliefs.setup[arm] / beliefs.iterate_cost[arm])
        return math.ceil(max(_OVERRUN * math.exp(beliefs.spread) * beliefs.iterations_of(arm), _FEW) + renewing)

    def _cap_of_trial(self, arm: int) -> float:
        """Iterations that cost somewhat more than the incumbent takes in all."""
        if not self._stops:
            return math.inf
        slack = math.exp(max(_SLACK, _HOPE * self.beliefs.spread))
        return max(math.ceil(slack * self._expected / float(self.beliefs.iterate_cost[arm])), _FEWEST)

    def _best_trial(self, usable: Mask, incumbent: int, running: Vector) -> int | None:
        """The arm whose trial promises most for what it is expected to lose, if any is worth it."""
        beliefs = self.beliefs
        expected = running[incumbent]
        gain = expected - beliefs.running(_HOPE)
        surplus = np.clip(running / expected - 1.0 + 0.4 * np.sqrt(beliefs.variance), 0.0, 1.0) * expected
        loss = surplus + np.where(beliefs.ready, 0.0, beliefs.setup)
        bank = _ALLOWANCE * self.total + _HEAD_START * expected - self.spent
        horizon = float(self.solves)
        wanted = usable & (self._waits_until <= self.solves)
        wanted &= (gain > 0.0) & (gain * horizon > loss) & ((loss <= bank) | (loss <= self._missed))
        wanted[incumbent] = False
        if not wanted.any():
            return None
        return int(np.argmax(np.where(wanted, gain / np.maximum(loss, _LEAST_LOSS * expected), -math.inf)))

    def report(self, pursuit: Pursuit, cost: float) -> None:
        """Take in how the turns of one solve went."""
        self._take_in(pursuit)
        if self._trial is not None:
            self.trials += 1
            self.spent += max(cost - self._expected, 0.0)
            self.saved += float(self._missed[self._trial])
            self._missed[self._trial] = 0.0
            self._take_trial(self._trial, won=cost < self._expected)
        elif self._expected and (len(pursuit.attempts) != 1 or cost > _SURPRISING * self._expected):
            self._steady = 0
        self.solves += 1
        # A clock that jumped must not fill the budget.
        self.total += min(cost, _CREDIBLE * self._expected) if self._expected else cost

    def remarks(self) -> Conduct:
        """What trials cost."""
        share = self.spent / self.total if self.total else 0.0
        return Conduct(solves=self.solves, trials=self.trials, share=share)

    def _take_trial(self, arm: int, *, won: bool) -> None:
        """After the k-th trial in a row that was lost, an arm waits for 2^k solves, at most 64, for the next one."""
        self._losses[arm] = 0 if won else min(int(self._losses[arm]) + 1, _LONGEST_WAIT)
        self._waits_until[arm] = self.solves + (1 if won else 2 ** int(self._losses[arm]))

    def opinions(self) -> list[Opinion]:
        """Every arm, the cheapest first."""
        beliefs = self.beliefs
        beliefs.settle()
        running, iterations = beliefs.running(), beliefs.iterations()
        return [
            Opinion(
                self.arms[k],
                cost=float(running[k]),
                preparing=0.0 if beliefs.ready[k] else float(beliefs.setup[k]),
                iterations=float(iterations[k]),
                plays=int(beliefs.plays[k]),
                since=None if self._last_played[k] < 0 else int(self.solves - 1 - self._last_played[k]),
                failing=bool(self._barred_until[k] > self.solves),
            )
            for k in np.argsort(running, kind="stable")
        ]

    def _take_in(self, pursuit: Pursuit) -> None:
        """Learn from the attempts that have been made since this was last done."""
        start = pursuit.start
        before = min((attempt.merit for attempt in pursuit.attempts[: self._taken_in]), default=start)
        if not self._taken_in:
            self._cost_so_far = 0.0
        for attempt in pursuit.attempts[self._taken_in :]:
            whole, preparing = (
                (attempt.seconds, attempt.preparing) if self._unit == "time" else (attempt.work, attempt.preparing_work)
            )
            self._cost_so_far += whole
            arm = self._number.get(attempt.configuration)
            if arm is not None:
                share = share_of(start, min(before, start), attempt.merit, pursuit.instance.target)
                self._learn(arm, attempt, whole - preparing, preparing, 1.0 if before == start else share, share)
            before = min(before, attempt.merit)
        self._taken_in = len(pursuit.attempts)

    def _learn(
        self, arm: int, attempt: Attempt, iterating: float, preparing: float, whole: float, share: float
    ) -> None:
        """Take in one attempt, which gained a share of the digits, and all of them if it finished a whole solve."""
        beliefs = self.beliefs
        self._last_played[arm] = self.solves
        finished = attempt.status is Status.CONVERGED
        if not attempt.iterations:
            # Refused, or there was nothing to do: what that cost is not what the arm costs.
            if not finished:
                self._bar(arm)
            return
        beliefs.observe_cost(arm, attempt.iterations, iterating, preparing, anew=not beliefs.ready[arm])
        if attempt.status is Status.BREAKDOWN:
            self._bar(arm)
        elif finished and whole == 1.0:
            self._failures[arm] = 0
            beliefs.observe_iterations(arm, attempt.iterations)
        elif not finished or share > _TELLING:
            beliefs.observe_iterations(arm, attempt.iterations / share, extrapolated=True)

    def _bar(self, arm: int) -> None:
        """Keep an arm that failed out of the way, the longer the more often it did."""
        self._failures[arm] += 1
        self._barred_until[arm] = self.solves + 2 ** min(int(self._failures[arm]) + 1, 12)


def explorer_for(
    arms: Sequence[Configuration], methods: Mapping[str, Method], instance: Instance, unit: CostUnit, *, stops: bool
) -> Explorer:
    """An explorer of these arms, with the forecasts of their methods for such an instance."""
    forecasts, lines = [], []
    numbers: dict[str, int] = {}
    places: Counter[str] = Counter()
    for arm in arms:
        numbers.setdefault(arm.method, len(numbers))
        lines.append((numbers[arm.method], places[arm.method]))
        places[arm.method] += 1
        forecasts.append(methods[arm.method].forecast(instance, arm.values) or _NO_IDEA)
    return Explorer(arms, Beliefs(forecasts, lines, instance.difficulty()), unit, stops=stops)
