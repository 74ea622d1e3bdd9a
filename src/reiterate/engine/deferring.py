"""An explorer that learns from what goes as usual a few solves at a time."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reiterate.configuration import Configuration
from reiterate.contracts import Attempt, Context, Status
from reiterate.engine.beliefs import FAMILIAR
from reiterate.engine.explorer import DIFFERENT, SURPRISING, Explorer
from reiterate.engine.policy import Cap, Conduct, Opinion, Turns
from reiterate.engine.pursuit import Pursuit
from reiterate.engine.solve import Solve, digits_to_gain

_MOST = 7  # solves that are learnt from together
_LIKE = 1.5  # times the digits to gain, or the iterations, up to which an instance is like the last


@dataclass(slots=True)
class _Past:
    """What is kept of a solve: as much of a pursuit, and of its instance, as is learnt from."""

    context: Context
    version: Hashable
    target: float
    start: float
    attempts: Sequence[Attempt]
    cost: float

    @property
    def features(self) -> Context:
        """None: they are looked at before a solve, where they may help."""
        return {}

    @property
    def instance(self) -> _Past:
        """Itself."""
        return self


class DeferringExplorer(Explorer):
    """:class:`~reiterate.engine.explorer.Explorer` that keeps its books when there is something to decide.

    Between two solves of an iteration the processor's caches hold vectors and matrices, and code that has to be fetched
    again takes several times as long. So an incumbent that plays on is not asked what it thinks: as long as instances
    look like the last one, the difficulty does not jump, nobody knows what the context means, and iterations and cost
    stay within a factor of 1.5 of what was believed, what happened is noted. After seven of these, when arms are due to
    be compared, or as soon as anything else happens, their mean is learnt.
    """

    _most = 0  # solves that may be deferred
    _deferring = False
    _usual_digits: float | None = None
    _usual_iterations = 0.0
    _usual_turn: tuple[Configuration, Cap]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deferred: list[_Past] = []

    def turns(self, pursuit: Pursuit, held: frozenset[str]) -> Turns:
        """Arms and their caps, for one solve."""
        self._deferring = not held and len(self._deferred) < self._most and self._is_like_the_last(pursuit)
        if not self._deferring:
            self._catch_up()
            yield from super().turns(pursuit, held)
            return
        yield self._usual_turn
        self._begin_at_last(pursuit)
        yield from self._others(pursuit, self._usable(held), self._incumbent)

    def report(self, pursuit: Solve, cost: float, count: int = 1) -> None:
        """Take in how the turns of one solve went, or note it."""
        if self._deferring:
            attempts, instance = pursuit.attempts, pursuit.instance
            if self._is_usual(attempts, cost):
                self._deferred.append(
                    _Past(instance.context, instance.version, instance.target, pursuit.start, attempts, cost)
                )
                return
            self._begin_at_last(pursuit)
        super().report(pursuit, cost, count)
        self._most = 0
        if self._calm and len(pursuit.attempts) == 1:
            self._expect_the_same(digits_to_gain(pursuit))

    def _is_like_the_last(self, pursuit: Solve) -> bool:
        digits, usual = digits_to_gain(pursuit), self._usual_digits
        if digits is None or usual is None:
            return digits is usual
        return digits <= _LIKE * usual and usual <= _LIKE * digits

    def _is_usual(self, attempts: Sequence[Attempt], cost: float) -> bool:
        """Whether the incumbent went from start to end, at about the cost and in about the iterations expected."""
        attempt = attempts[0]
        if len(attempts) > 1 or attempt.status is not Status.CONVERGED:
            return False
        as_long = self._usual_iterations <= _LIKE * attempt.iterations <= _LIKE * _LIKE * self._usual_iterations
        return as_long and cost <= SURPRISING * self._expected and attempt.configuration is self._usual_turn[0]

    def _expect_the_same(self, digits: float | None) -> None:
        """Find out how long the incumbent may go on like this."""
        arm = self._incumbent
        if not self._settled or self._anticipation.trusted or self._anticipation.restless:
            return
        if self.beliefs.jumps or self.beliefs.plays_of(arm) < FAMILIAR:
            return
        iterations, cost = self.beliefs.outlook_of(arm)
        self._most = min(_MOST, self._steady) if self._affords_thinking(cost) else _MOST
        self._usual_digits, self._usual_iterations = digits, iterations
        self._usual_turn = self.arms[arm], self._caps.of_incumbent(arm, iterations)

    def _begin_at_last(self, pursuit: Solve) -> None:
        """Learn what was deferred, and what is to be learnt of an instance before it is solved."""
        self._deferring = False
        self._catch_up()
        self._pass_by(pursuit)
        self._expected, self._calm = self.beliefs.outlook_of(self._incumbent)[1], True

    def _catch_up(self) -> None:
        """Learn what was deferred, as of one solve that was like the mean of them."""
        deferred, self._deferred = self._deferred, []
        if not deferred:
            return
        count, last = len(deferred), deferred[-1]
        digits = [gained for past in deferred if (gained := digits_to_gain(past)) is not None]
        if digits:
            last.start = last.target * math.exp(sum(digits) / len(digits))
        last.attempts = (_mean([past.attempts[0] for past in deferred]),)
        cost = sum([past.cost for past in deferred]) / count
        different = self._pass_by(last, count)
        self._expected, self._calm = self.beliefs.outlook_of(self._incumbent)[1], True
        if self._affords_thinking(self._expected):
            self._steady -= count
        super().report(last, cost, count)
        if different >= DIFFERENT or self._expected > SURPRISING * self._looked_at:
            self._steady = 0

    def forget(self, configurations: Collection[Configuration]) -> None:
        """These arms have to be prepared anew."""
        self._catch_up()
        super().forget(configurations)

    def opinions(self) -> list[Opinion]:
        """Every arm, the cheapest first."""
        self._catch_up()
        return super().opinions()

    def remarks(self) -> Conduct:
        """What trials cost."""
        self._catch_up()
        return super().remarks()

    def state_dict(self) -> dict[str, Any]:
        """What is worth knowing in another run."""
        self._catch_up()
        return super().state_dict()

    def recall(self, state: Mapping[str, Any], *, same_stream: bool, same_machine: bool) -> None:
        """Begin with the beliefs of an earlier run."""
        self._catch_up()
        super().recall(state, same_stream=same_stream, same_machine=same_machine)


def _mean(attempts: Sequence[Attempt]) -> Attempt:
    """One like the mean of these, which are much alike."""
    count, last = len(attempts), attempts[-1]
    return replace(
        last,
        iterations=round(sum([attempt.iterations for attempt in attempts]) / count),
        seconds=sum([attempt.seconds for attempt in attempts]) / count,
        work=sum([attempt.work for attempt in attempts]) / count,
        preparing=sum([attempt.preparing for attempt in attempts]) / count,
        preparing_work=sum([attempt.preparing_work for attempt in attempts]) / count,
    )
