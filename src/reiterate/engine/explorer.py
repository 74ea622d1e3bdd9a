"""The default policy: a race in the first solve, then the best arm known, and trials within a budget."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.configuration import Configuration
from reiterate.contracts import Attempt, Choice, Method
from reiterate.engine.anticipation import Anticipation
from reiterate.engine.barred import Barred
from reiterate.engine.caps import Caps
from reiterate.engine.cost import CostUnit
from reiterate.engine.earlier import EarlierRuns
from reiterate.engine.familiar import FamiliarBeliefs
from reiterate.engine.lessons import Lessons
from reiterate.engine.plain import table
from reiterate.engine.policy import Cap, Conduct, Opinion, Policy, Turns
from reiterate.engine.pursuit import Pursuit
from reiterate.engine.refinement import Between, Refinement
from reiterate.engine.solve import Solve, Target, digits_to_gain
from reiterate.engine.thinking import Thinking
from reiterate.engine.trials import Trials
from reiterate.engine.upkeep import state_of

Mask = NDArray[np.bool_]


_LOOKS = 16.0  # arms are compared again after a sixteenth of the solves so far, or when the incumbent surprises;
_DEAR_LOOKS = 2.0  # after up to half of them, where comparing takes as much of a solve
_LONGEST_CALM = 64
_CREDIBLE = 10.0  # times what was expected; a solve that costs more is not believed to have
_TELLING_TIMES = (16, 48, 144)  # that states served unchanged: what is dear to prepare and then exact may pay now
DIFFERENT = 0.2  # change of log iterations that is known beforehand, from which on arms are compared again
SURPRISING = 1.5  # times what was believed


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
        self.refinement = Refinement(refines or {}, len(self.arms))
        self._anticipation = Anticipation()
        self.beliefs = beliefs
        self._unit: CostUnit = unit
        self._caps = Caps(beliefs, unit, stops=stops)
        self._thinking = Thinking(unit)
        self._barred = Barred(len(self.arms))
        self._lessons = Lessons(beliefs, self._barred, range(len(self.arms)) if states is None else states, unit)
        self._earlier = EarlierRuns(unit)
        self._number = {arm: k for k, arm in enumerate(self.arms)}
        self._choices = [Choice(k, 1.0) for k in range(len(self.arms))]
        self.solves = 0
        self.total = 0.0
        self.trials = Trials(beliefs.variance.size)
        self._trial: int | None = None
        self._incumbent = 0
        self._steady = 0
        self._settled = False
        self._calm = False  # the incumbent plays without a look at the others
        self._looked_at = math.inf  # what the incumbent was believed to take when it was last compared
        self._expected = 0.0
        self._version: Hashable = None  # of the last instance
        self._unchanged = 0  # instances of that version in a row
        self._must_look = False

    def turns(self, pursuit: Pursuit, held: frozenset[str]) -> Turns:
        """Arms and their caps, for one solve; beliefs are asked again before every turn."""
        beliefs = self.beliefs
        different = self._pass_by(pursuit)
        if self._settled and not held:
            iterations, cost = beliefs.outlook_of(self._incumbent)
            if self._goes_on(different, cost):
                self._expected, self._calm = cost, True
                self.choice = self._choices[self._incumbent]
                yield self.arms[self._incumbent], self._caps.of_incumbent(self._incumbent, iterations)
                yield from self._others(pursuit, self._usable(held), self._incumbent)
                return
        first, usable = self._look_around(held)
        if first is None:
            self.choice = None
            return
        incumbent = self._incumbent
        self.choice = self._choices[first]
        if first != incumbent:
            yield self.arms[first], self._caps.of_trial(first, self._expected)
            self._lessons.take_in(pursuit, self._number, self.solves)
        yield self.arms[incumbent], self._caps.among(usable & ~beliefs.of_line(incumbent), incumbent, 0.0)
        yield from self._others(pursuit, usable, incumbent)

    def _pass_by(self, pursuit: Solve, count: int = 1) -> float:
        """Learn what an instance, the last of so many, tells before it is solved; returns how much is different."""
        self._trial, self._expected, self._calm = None, 0.0, False
        self._lessons.begin()
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
        self._thinking.since(begin)
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
            self._lessons.take_in(pursuit, self._number, self.solves)
            beliefs.settle()
            left &= self._barred.free(self.solves)
            if not left.any():
                break
            arm = int(np.argmin(np.where(left, beliefs.immediate(), math.inf)))
            left = left & ~beliefs.of_line(arm)
            yield self.arms[arm], self._caps.among(left, arm, self._lessons.cost)
        able = usable & self._barred.free(self.solves)
        if able.any():
            yield self.arms[int(np.argmin(np.where(able, beliefs.immediate(), math.inf)))], Cap()

    def _usable(self, held: frozenset[str]) -> Mask:
        """The arms that may play at present."""
        usable = self._barred.free(self.solves)
        if held:
            usable &= np.array([arm.method not in held for arm in self.arms], dtype=bool)
        return usable

    def _affords_thinking(self, cost: float) -> bool:
        """Whether thinking has taken little time, compared with solves of this cost."""
        return self._thinking.affords(cost, self.total)

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
        thought = self._thinking.since(begin)
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
            to_come = self._earlier.to_come(self.solves)
            if to_come is not None:
                # What an earlier run has proven has yet to be prepared in this one.
                costs = costs + np.where(beliefs.ready, 0.0, beliefs.setup) / to_come
            return int(np.argmin(np.where(proven, costs, math.inf)))
        return int(np.argmin(np.where(usable, self.beliefs.immediate(), math.inf)))

    def report(self, pursuit: Solve, cost: float, count: int = 1) -> None:
        """Take in how the turns of one solve went, or of ``count`` that were much like it."""
        if not (self._calm and self._went_as_usual(pursuit.attempts, count)):
            self._lessons.take_in(pursuit, self._number, self.solves)
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

    def _went_as_usual(self, attempts: Sequence[Attempt], count: int) -> bool:
        arm = self._incumbent
        return self._lessons.take_in_usual(attempts, self.arms[arm], arm, self.solves, count)

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
        self._thinking.since(begin)

    def _pays(self, point: Between, cost: float) -> bool:
        """Whether what a point is expected to save, in as many solves as there have been, is worth preparing it."""
        _, ready = self._state_of(point.configuration)
        preparing = 0.0 if ready else float(max(self.beliefs.setup[[point.left, point.right]]))
        return (self.beliefs.running_of(self._incumbent) - cost) * self.solves > preparing

    def _state_of(self, arm: Configuration) -> tuple[Hashable, bool]:
        """The name of the state of an arm to be added, and whether it is there because others share it."""
        state = state_of(self.refinement.methods[arm.method], arm.values)
        return state, self._lessons.is_ready(state)

    def _add(self, point: Between) -> int:
        """One more arm; returns its number."""
        arm = point.configuration
        state, ready = self._state_of(arm)
        number = self.beliefs.add_between(point.left, point.right, point.weight, ready=ready)
        self._number[arm] = number
        self.arms = (*self.arms, arm)
        self._lessons.grow(state)
        self._barred.grow()
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
        self._thinking.since(begin)

    def remarks(self) -> Conduct:
        """What trials cost."""
        share = self.trials.spent / self.total if self.total else 0.0
        added = tuple(self.refinement.added)
        return Conduct(
            solves=self.solves, trials=self.trials.made, share=share, recalled=self._earlier.solves, added=added
        )

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
        if not self._lessons.any_played:
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
                since=self._lessons.since(int(k), self.solves),
                failing=self._barred.holds(int(k), self.solves),
            )
            for k in np.argsort(running, kind="stable")
        ]

    def state_dict(self) -> dict[str, Any]:
        """Arms by their spelling, with what is believed of each relative to its forecast, and how trials went."""
        if not self.solves or not self.arms:
            return {}
        believed = self.beliefs.state_dict()
        tried = self.trials.state_dict(self.solves, self.total, self.beliefs.running_of(self._incumbent))
        rows = believed.pop("arms"), tried.pop("arms"), self._barred.rows(self.solves)
        parts = {"context": self._anticipation.state_dict(), **believed, **tried}
        return self._earlier.joined(self.arms, rows, self.solves, parts, added=self.refinement.added)

    def recall(self, state: Mapping[str, Any], *, same_stream: bool, same_machine: bool) -> None:
        """Begin with the beliefs of an earlier run; those of another stream only make better forecasts."""
        if not self._earlier.understands(state):
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
        self._lessons.share_setups()
        if not same_stream:
            return
        self._earlier.recall(state, names)
        self._anticipation.recall(table(state.get("context")))
        self.trials.recall(state, rows)
        self._barred.recall(rows)

    def _add_again(self, arms: Mapping[str, Any]) -> None:
        """Add the points that an earlier run has added, where they are points of the lines of this one."""
        known = {str(arm) for arm in self.arms}
        for name in arms:
            if name not in known and table(arms[name]).get("added"):
                point = self.refinement.recalled(self.arms, name)
                if point is not None and point.configuration not in self._number:
                    self._add(point)
