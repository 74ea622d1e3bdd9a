"""The default policy: a race in the first solve, then the best arm known, and trials within a budget."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.configuration import Configuration
from reiterate.contracts import Attempt, Choice, Method, Status
from reiterate.engine.anticipation import Anticipation
from reiterate.engine.beliefs import foreseen_iterations, share_of
from reiterate.engine.cost import CostUnit
from reiterate.engine.familiar import FamiliarBeliefs
from reiterate.engine.plain import table, whole
from reiterate.engine.policy import Cap, Conduct, Opinion, Policy, Turns
from reiterate.engine.pursuit import Pursuit
from reiterate.engine.refinement import Between, Refinement
from reiterate.engine.solve import Solve, Target, digits_to_gain
from reiterate.engine.trials import Trials
from reiterate.engine.turn import elapsed
from reiterate.engine.upkeep import state_of

Mask = NDArray[np.bool_]


_OVERRUN = 3.0  # times its believed iterations, after which even the best arm is doubted
_SLACK = 0.4  # log of how much more a trial may iterate for than the incumbent: handing over has its price
_LARGEST_SLACK = 0.7
_FEWEST = 3
_TELLING = 0.3  # of the way to the target: who finishes with less than that left says little about itself
_NOTHING_GAINED = 0.05
_LOOKS = 16.0  # arms are compared again after a sixteenth of the solves so far, or when the incumbent surprises;
_DEAR_LOOKS = 2.0  # after up to half of them, where comparing takes as much of a solve
_LONGEST_CALM = 64
_CREDIBLE = 10.0  # times what was expected; a solve that costs more is not believed to have
_THINKING = 0.007  # of the time that solves take may be spent on comparing arms and learning from contexts
_LONGEST_THOUGHT = 0.02  # seconds; more was the clock
_TELLING_TIMES = (16, 48, 144)  # that states served unchanged: what is dear to prepare and then exact may pay now
_FIRST_THOUGHTS = 1.0  # of a solve, before 0.7 % of anything is much
DIFFERENT = 0.2  # change of log iterations that is known beforehand, from which on arms are compared again
_DOUBT = 1.2  # times what it was forecast to take, after which an arm whose iterations were never timed is stopped
SURPRISING = 1.5  # times what was believed
_FEW = 10  # iterations: a run that short is not worth stopping
_LEVELS = np.linspace(0.0, 14.0, 57)
_UNCERTAIN = 0.3  # variance of the log difficulty from which on the next solve is a race
_MOST_BARRED = 64  # solves, for what an earlier run has seen fail
_MOST_CARRIED = 200  # arms that are not here, of which what earlier runs knew is passed on
_VERSION = 1  # of what is worth knowing in another run


class Explorer(Policy):
    """Decides which arm plays next, and when it has to make room.

    *A race.* As long as the difficulty is not known, solving is ski rental with many options: the arm that is cheapest
    at the difficulty expected begins, and makes room when it has proved the instance so hard that another one,
    preparation included, would have been cheaper from the start; and so on. What it cost up to there is no more
    than what that other one costs, and the iterate is handed on, so a race of two costs at most twice the best of
    them, as far as the forecasts of their ratio hold.

    *The incumbent*, the arm of least believed cost, plays later solves. It makes room in the same way, but not
    before it has taken three times what was believed.

    *Trials.* Another arm plays instead when :class:`~reiterate.engine.trials.Trials` finds it worth it. It is stopped
    when it has iterated for as much as the incumbent takes in all, and the incumbent finishes from there.

    *The context.* What changes the difficulty, and is known beforehand, is followed as it happens:
    :class:`~reiterate.engine.anticipation.Anticipation` learns which numbers do, and the digits to be gained from the
    start count as they are.

    *Change-points.* When iterations are far from what was believed, and not once only, everything may be tried again.

    Source of the parts: forecasts as hints and censored trials, see docs/architecture.md; the horizon is the doubling
    argument of ski rental. Guarantee: a trial begins only if what trials have cost beyond the incumbent, with what this
    one is expected to, is within 5 % of the total (less after fifty solves) and one solve, or within what its arm was
    believed to have saved. A solve counts for ten times what was expected at most. A trial iterates for about one and
    a half of the incumbent's solves, two at most.

    Parameters
    ----------
    arms
    beliefs
        What is believed of them.
    unit
        What to make small.
    stops
        Whether an arm may be stopped before it has finished.
    states
        Names of the prepared states of the arms; those of equal name are shared. ``None``: every arm has its own.
    refines
        The methods, by name, of whose parameters other values may be added to those given; by default none.

    Attributes
    ----------
    solves : int
    total : float
        Cost of all solves.
    trials : Trials
    refinement : Refinement
    """

    def __init__(
        self,
        arms: Sequence[Configuration],
        beliefs: FamiliarBeliefs,
        unit: CostUnit,
        *,
        stops: bool = True,
        states: Sequence[Hashable] | None = None,
        refines: Mapping[str, Method] | None = None,
    ) -> None:
        super().__init__(arms)
        self._stops = stops
        self._states = tuple(range(len(self.arms)) if states is None else states)
        self.refinement = Refinement(refines or {}, len(self.arms))
        self._anticipation = Anticipation()
        self._taken_in = 0  # attempts of the present solve
        self._cost_so_far = 0.0
        self.beliefs = beliefs
        self._unit: CostUnit = unit
        self._number = {arm: k for k, arm in enumerate(self.arms)}
        self._choices = [Choice(k, 1.0) for k in range(len(self.arms))]
        self.solves = 0
        self.total = 0.0
        self.trials = Trials(beliefs.variance.size)
        self._failures = np.zeros(beliefs.variance.size, dtype=np.int64)
        self._barred_until = np.zeros(beliefs.variance.size, dtype=np.int64)
        self._last_played = [-1] * len(self.arms)
        self._trial: int | None = None
        self._incumbent = 0
        self._steady = 0
        self._thinking = 0.0
        self._settled = False
        self._calm = False  # the incumbent plays without a look at the others
        self._looked_at = math.inf  # what the incumbent was believed to take when it was last compared
        self._expected = 0.0
        self._version: Hashable = None  # of the last instance
        self._unchanged = 0  # instances of that version in a row
        self._must_look = False
        self._recalled = 0  # solves of earlier runs
        self._horizon = 0  # solves that there may be, as far as an earlier run tells
        self._carried: dict[str, Any] = {}

    def turns(self, pursuit: Pursuit, held: frozenset[str]) -> Turns:
        """Arms and their caps, for one solve; beliefs are asked again before every turn."""
        beliefs = self.beliefs
        different = self._pass_by(pursuit)
        if self._settled and not held:
            iterations, cost = beliefs.outlook_of(self._incumbent)
            if self._goes_on(different, cost):
                self._expected, self._calm = cost, True
                self.choice = self._choices[self._incumbent]
                yield self.arms[self._incumbent], self._cap_of_incumbent(self._incumbent, iterations)
                yield from self._others(pursuit, self._usable(held), self._incumbent)
                return
        first, usable = self._look_around(held)
        if first is None:
            self.choice = None
            return
        incumbent = self._incumbent
        self.choice = self._choices[first]
        if first != incumbent:
            yield self.arms[first], self._cap_of_trial(first)
            self._take_in(pursuit)
        yield self.arms[incumbent], self._cap(incumbent, usable & ~beliefs.of_line(incumbent), 0.0)
        yield from self._others(pursuit, usable, incumbent)

    def _pass_by(self, pursuit: Solve, count: int = 1) -> float:
        """Learn what an instance, the last of so many, tells before it is solved; returns how much is different."""
        self._trial, self._expected, self._taken_in, self._calm = None, 0.0, 0, False
        instance = pursuit.instance
        version, self._version = self._version, instance.version
        novel = version is None or version != instance.version
        before, self._unchanged = self._unchanged, 0 if novel else self._unchanged + count
        self._must_look |= any(before < times <= self._unchanged for times in _TELLING_TIMES)
        return self.beliefs.pass_by(self._anticipate(instance), digits_to_gain(pursuit), count, novel=novel)

    def _anticipate(self, instance: Target) -> float:
        """By how much harder it is than the last one; numbers beyond the context are looked at while difficulty moves.

        The index of the instance is one. What the last solve took is none: it is where beliefs begin anyway.
        """
        anticipation = self._anticipation
        if not (anticipation.restless and self._affords_thinking(self.beliefs.outlook_of(self._incumbent)[1])):
            return anticipation.expect(instance.context)
        begin = time.perf_counter()
        harder = anticipation.expect(instance.context, {"index": self.solves + 1.0, **instance.features})
        self._thinking += min(elapsed(begin), _LONGEST_THOUGHT)
        return harder

    def _goes_on(self, different: float, cost: float) -> bool:
        """Whether the incumbent, once settled, plays again without a look at the others, which takes time of its own.

        ``cost`` is what it is believed to take.
        """
        if self._must_look:
            return False
        if len(self.arms) == 1 or not self._affords_thinking(cost):
            return True
        self._steady -= 1
        if cost > SURPRISING * self._looked_at:
            return False
        return self._steady >= 0 and different < DIFFERENT

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
            yield self.arms[int(np.argmin(np.where(able, beliefs.immediate(), math.inf)))], Cap()

    def _usable(self, held: frozenset[str]) -> Mask:
        """The arms that may play at present."""
        usable: Mask = self._barred_until <= self.solves
        if held:
            usable &= np.array([arm.method not in held for arm in self.arms], dtype=bool)
        return usable

    def _affords_thinking(self, cost: float) -> bool:
        """Whether thinking has taken little time, compared with solves of this cost; always where time is no matter."""
        return self._unit != "time" or self._thinking <= _THINKING * self.total + _FIRST_THOUGHTS * cost

    def _look_around(self, held: frozenset[str]) -> tuple[int | None, Mask]:
        """The arm that plays first, the incumbent or one to try, and those that may play."""
        begin = time.perf_counter()
        beliefs = self.beliefs
        beliefs.settle()
        self._must_look = False
        usable = self._usable(held)
        if not usable.any():
            return None, usable
        first = self._incumbent = self._best(usable)
        self._steady = 0
        self._settled = bool(beliefs.plays[first])
        if self._settled:
            self._expected = beliefs.running_of(first)
            self._trial = self.trials.best(beliefs, usable, first, self.solves, self.total)
            if self._trial is None:
                self._looked_at = self._expected
            else:
                first = self._trial
        thought = min(elapsed(begin), _LONGEST_THOUGHT)
        self._thinking += thought
        if self._settled and self._trial is None:
            looks = _LOOKS
            if self._unit == "time":
                looks = min(max(self._expected / max(thought, math.ulp(0.0)), _DEAR_LOOKS), _LOOKS)
            self._steady = min(int(self.solves / looks), _LONGEST_CALM)
        return first, usable

    def _best(self, usable: Mask) -> int:
        """The arm of least believed cost among those that have proved themselves, or among all as long as none has."""
        beliefs = self.beliefs
        proven = usable & (beliefs.plays > 0)
        if proven.any():
            costs = beliefs.running()
            if self._horizon:
                # What an earlier run has proven has yet to be prepared in this one.
                preparing = np.where(beliefs.ready, 0.0, beliefs.setup)
                costs = costs + preparing / max(self._horizon - self.solves, self.solves, 1)
            return int(np.argmin(np.where(proven, costs, math.inf)))
        return int(np.argmin(np.where(usable, self.beliefs.immediate(), math.inf)))

    def _cap(self, arm: int, others: Mask, least: float) -> Cap:
        """Iterations after which another arm would have been cheaper from the start, but ``least`` cost at least."""
        beliefs = self.beliefs
        if not others.any() or not self._stops:
            return Cap()
        if beliefs.plays[arm] and beliefs.difficulty_variance < _UNCERTAIN:
            return self._cap_of_incumbent(arm, beliefs.iterations_of(arm))
        levels = beliefs.log_difficulty + _LEVELS
        costs = beliefs.immediate(levels[:, None])
        later = np.flatnonzero(costs[:, others].min(axis=1) < costs[:, arm])
        if later.size == 0:
            timed = self._unit != "time" or beliefs.measured(arm)
            return Cap() if timed else Cap(seconds=_OVERRUN * float(beliefs.immediate()[others].min()))
        crossing = beliefs.iterations_of(arm, float(levels[later[0]]))
        return self._cap_of_cost(arm, max(crossing * float(beliefs.iterate_cost[arm]), least), _FEW, _DOUBT)

    def _cap_of_incumbent(self, arm: int, iterations: float) -> Cap:
        """Several times what is believed. Renewing an aged state in the middle of a solve is the arm's own affair."""
        if not self._stops:
            return Cap()
        most = max(_OVERRUN * math.exp(self.beliefs.spread) * iterations, _FEW)
        return Cap(math.ceil(most + self.beliefs.preparing_in_iterations(arm)))

    def _cap_of_trial(self, arm: int) -> Cap:
        """Iterations that cost somewhat more than the incumbent takes in all."""
        if not self._stops:
            return Cap()
        slack = math.exp(min(max(_SLACK, self.beliefs.spread), _LARGEST_SLACK))
        return self._cap_of_cost(arm, slack * self._expected, _FEWEST, 1.0)

    def _cap_of_cost(self, arm: int, cost: float, fewest: int, doubt: float) -> Cap:
        """Iterations that cost so much; seconds, too, as long as nobody knows what an iteration takes."""
        beliefs = self.beliefs
        iterations = max(math.ceil(cost / float(beliefs.iterate_cost[arm])), fewest)
        timed = self._unit != "time" or beliefs.measured(arm)
        return Cap(iterations) if timed else Cap(doubt * iterations, doubt * cost)

    def report(self, pursuit: Solve, cost: float, count: int = 1) -> None:
        """Take in how the turns of one solve went, or of ``count`` that were much like it."""
        if not (self._calm and self._goes_as_usual(pursuit.attempts, count)):
            self._take_in(pursuit)
        self._learn_context()
        if self.beliefs.changed():
            self.trials.reopen()
            self._steady = 0
        if self._trial is not None:
            self.trials.made_one(self._trial, min(cost, _CREDIBLE * self._expected), self._expected, self.solves)
        elif self._expected and (len(pursuit.attempts) != 1 or cost > SURPRISING * self._expected):
            self._steady = 0
            self._settled = len(pursuit.attempts) == 1
        self.solves += count
        if self.solves == 2:
            self.total = min(self.total, _CREDIBLE * cost)
        # A clock that jumped must not fill the budget.
        self.total += count * (min(cost, _CREDIBLE * self._expected) if self._expected else cost)
        self._refine()

    def _goes_as_usual(self, attempts: Sequence[Attempt], count: int) -> bool:
        """Take in, in a short way, that the incumbent went from start to end, if it did, much as was expected."""
        if len(attempts) != 1:
            return False
        attempt, arm = attempts[0], self._incumbent
        alone = attempt.status is Status.CONVERGED and attempt.configuration is self.arms[arm]
        if not alone or not attempt.iterations:
            return False
        cost, preparing = attempt.seconds, attempt.preparing
        if self._unit != "time":
            cost, preparing = attempt.work, attempt.preparing_work
        in_a_row = self._last_played[arm] == self.solves - 1
        usual = self.beliefs.take_in_usual(
            arm, attempt.iterations, cost - preparing, preparing, in_a_row=in_a_row, count=count
        )
        if usual:
            self._last_played[arm], self._taken_in = self.solves + count - 1, 1
            self._failures[arm] = self._barred_until[arm] = 0
        return usual

    def _refine(self) -> None:
        """Add a point to the incumbent's line if that promises to be worth it; who tries it is decided later."""
        if self._trial is not None or not self._settled or not self._affords_thinking(self._expected):
            return
        if not self.refinement.due(self.arms[self._incumbent], self._incumbent):
            return
        begin = time.perf_counter()
        self.beliefs.settle()
        found = self.refinement.best(self.arms, self.beliefs, self._incumbent)
        if found is not None and self._pays(*found):
            self.beliefs.expect(self._add(found[0]), found[1], self._incumbent)
            self._steady = 0
        self._thinking += min(elapsed(begin), _LONGEST_THOUGHT)

    def _pays(self, point: Between, cost: float) -> bool:
        """Whether what a point is expected to save, in as many solves as there have been, is worth preparing it."""
        _, ready = self._state_of(point.configuration)
        preparing = 0.0 if ready else float(max(self.beliefs.setup[[point.left, point.right]]))
        return (self.beliefs.running_of(self._incumbent) - cost) * self.solves > preparing

    def _state_of(self, arm: Configuration) -> tuple[Hashable, bool]:
        """The name of the state of an arm to be added, and whether it is there because others share it."""
        state = state_of(self.refinement.methods[arm.method], arm.values)
        return state, any(self.beliefs.ready[k] for k, other in enumerate(self._states) if other == state)

    def _add(self, point: Between) -> int:
        """One more arm; returns its number."""
        arm = point.configuration
        state, ready = self._state_of(arm)
        number = self.beliefs.add_between(point.left, point.right, point.weight, ready=ready)
        self._number[arm] = number
        self.arms, self._states = (*self.arms, arm), (*self._states, state)
        self._failures, self._barred_until = np.append(self._failures, 0), np.append(self._barred_until, 0)
        self._last_played.append(-1)
        self._choices.append(Choice(number, 1.0))
        self.trials.grow()
        self.refinement.added.append(arm)
        return number

    def _learn_context(self) -> None:
        rise = self.beliefs.rise
        if rise is None or not self._affords_thinking(self._expected or self.beliefs.running_of(self._incumbent)):
            return
        begin = time.perf_counter()
        self._anticipation.learn(rise)
        self._thinking += min(elapsed(begin), _LONGEST_THOUGHT)

    def remarks(self) -> Conduct:
        """What trials cost."""
        share = self.trials.spent / self.total if self.total else 0.0
        added = tuple(self.refinement.added)
        return Conduct(solves=self.solves, trials=self.trials.made, share=share, recalled=self._recalled, added=added)

    def forget(self, configurations: Collection[Configuration]) -> None:
        """These arms have to be prepared anew."""
        self.beliefs.forget([self._number[configuration] for configuration in configurations])

    @property
    def trial(self) -> bool:
        """Whether another arm than the incumbent began."""
        return self._trial is not None

    @property
    def expected(self) -> float | None:
        """Of the incumbent."""
        return self._expected or None

    def costs(self) -> NDArray[np.float64]:
        """Of every arm, in their order; of none before one has played: forecasts are in a unit of their own."""
        if max(self._last_played, default=-1) < 0:
            return super().costs()
        return self.beliefs.running() * self.beliefs.common_factor

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
                since=None if self._last_played[k] < 0 else self.solves - 1 - self._last_played[k],
                failing=bool(self._barred_until[k] > self.solves),
            )
            for k in np.argsort(running, kind="stable")
        ]

    def _take_in(self, pursuit: Solve) -> None:
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
                foreseen = foreseen_iterations(attempt, start, before, pursuit.instance.target)
                whole_way = 1.0 if before == start else share
                self._learn(arm, attempt, whole - preparing, preparing, whole_way, share, foreseen)
            before = min(before, attempt.merit)
        self._taken_in = len(pursuit.attempts)

    def _learn(
        self,
        arm: int,
        attempt: Attempt,
        iterating: float,
        preparing: float,
        whole: float,
        share: float,
        foreseen: float | None,
    ) -> None:
        """Take in one attempt, which gained a share of the digits, and all of them if it finished a whole solve.

        ``foreseen`` is how many iterations such a solve would have taken, where it was stopped and could tell.
        """
        beliefs = self.beliefs
        in_a_row = self._last_played[arm] == self.solves - 1
        self._last_played[arm] = self.solves
        finished = attempt.status is Status.CONVERGED
        if not attempt.iterations:
            # Refused, or there was nothing to do: what that cost is not what the arm costs.
            if not finished:
                self._bar(arm)
            return
        anew = not beliefs.ready[arm]
        beliefs.observe_cost(arm, attempt.iterations, iterating, preparing, anew=anew, in_a_row=in_a_row)
        if anew:
            beliefs.ready[[other for other, state in enumerate(self._states) if state == self._states[arm]]] = True
        if attempt.status is Status.BREAKDOWN:
            self._bar(arm)
        elif finished and whole == 1.0:
            self._failures[arm] = self._barred_until[arm] = 0
            beliefs.observe_iterations(arm, attempt.iterations)
        elif not finished and foreseen is not None:
            beliefs.observe_iterations(arm, foreseen, extrapolated=True, foreseen=True)
        elif share <= _NOTHING_GAINED:
            beliefs.observe_bound(arm, attempt.iterations / share)
        elif not finished or share > _TELLING:
            beliefs.observe_iterations(arm, attempt.iterations / share, extrapolated=True)

    def _bar(self, arm: int) -> None:
        """Keep an arm that failed out of the way, the longer the more often it did, last resorts aside."""
        if self._barred_until[arm] > self.solves:
            return
        self._failures[arm] += 1
        self._barred_until[arm] = self.solves + 2 ** min(int(self._failures[arm]) + 1, 12)

    def state_dict(self) -> dict[str, Any]:
        """Arms by their spelling, with what is believed of each relative to its forecast, and how trials went."""
        if not self.solves or not self.arms:
            return {}
        believed = self.beliefs.state_dict()
        tried = self.trials.state_dict(self.solves, self.total, self.beliefs.running_of(self._incumbent))
        arms = dict(self._carried)
        for k, arm in enumerate(self.arms):
            row = {**believed["arms"][k], **tried["arms"][k]}
            if self._failures[k]:
                row["failures"] = int(self._failures[k])
                row["barred"] = max(int(self._barred_until[k]) - self.solves, 0)
            if row and arm in self.refinement.added:
                row["added"] = 1
            if row:
                arms[str(arm)] = row
        return {
            "policy": "explorer",
            "version": _VERSION,
            "unit": self._unit,
            "solves": self._recalled + self.solves,
            "horizon": max(self.solves, self._horizon // 2),
            "context": self._anticipation.state_dict(),
            **believed,
            **tried,
            "arms": arms,
        }

    def recall(self, state: Mapping[str, Any], *, same_stream: bool, same_machine: bool) -> None:
        """Begin with the beliefs of an earlier run; those of another stream only make better forecasts."""
        if (state.get("policy"), state.get("version"), state.get("unit")) != ("explorer", _VERSION, self._unit):
            return
        arms = table(state.get("arms"))
        if same_stream:
            self._add_again(arms)
        names = [str(arm) for arm in self.arms]
        rows = [table(arms.get(name)) for name in names]
        if not any(rows):
            return
        same_costs = same_machine or self._unit != "time"
        self.beliefs.recall({**state, "arms": rows}, same_stream=same_stream, same_costs=same_costs)
        self.beliefs.share_setups(self._states)
        if not same_stream:
            return
        self._recalled = whole(state, "solves", 2**40)
        self._horizon = whole(state, "horizon", 2**40)
        self._anticipation.recall(table(state.get("context")))
        self.trials.recall(state, rows)
        self._failures[:] = [whole(row, "failures", _MOST_BARRED) for row in rows]
        self._barred_until[:] = [whole(row, "barred", _MOST_BARRED) // 2 for row in rows]
        others = [name for name in arms if name not in set(names)][:_MOST_CARRIED]
        self._carried = {name: table(arms[name]) for name in others}

    def _add_again(self, arms: Mapping[str, Any]) -> None:
        """Add the points that an earlier run has added, where they are points of the lines of this one."""
        known = {str(arm) for arm in self.arms}
        for name in arms:
            if name not in known and table(arms[name]).get("added"):
                point = self.refinement.recalled(self.arms, name)
                if point is not None and point.configuration not in self._number:
                    self._add(point)
