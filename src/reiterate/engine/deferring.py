"""An explorer that learns from what goes as usual a few solves at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reiterate.configuration import Configuration
from reiterate.contracts import Attempt, Context, Status
from reiterate.engine.beliefs import FAMILIAR
from reiterate.engine.explorer import DIFFERENT, SURPRISING, Explorer, Solve, digits_to_gain
from reiterate.engine.policy import Cap, Conduct, Opinion, Turns
from reiterate.engine.pursuit import Pursuit

_MOST = 8  # solves that are learnt from together
_LIKE = 1.5  # times the digits to gain, or the iterations, up to which an instance is like the last


@dataclass(slots=True)
class _Past:
    """What is kept of a solve: as much of a pursuit, and of its instance, as is learnt from."""

    context: Context
    target: float
    start: float
    attempts: Sequence[Attempt]
    cost: float

    @property
    def instance(self) -> _Past:
        return self


class DeferringExplorer(Explorer):
    """:class:`~reiterate.engine.explorer.Explorer` that keeps its books when there is something to decide.

    Between two solves of an iteration the processor's caches hold vectors and matrices, and code that has to be fetched
    again takes several times as long. So an incumbent that plays on is not asked what it thinks: as long as instances
    look like the last one, nobody knows what their context means, and iterations and cost stay within a factor of
    1.5 of what was believed, what happened is noted. At the eighth of these, at the latest when arms are due to be
    compared, or as soon as anything else happens, it is all learnt in the order in which it came.
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

    def report(self, pursuit: Solve, cost: float) -> None:
        """Take in how the turns of one solve went, or note it."""
        if self._deferring:
            attempts, instance = pursuit.attempts, pursuit.instance
            if self._is_usual(attempts, cost):
                self._deferred.append(_Past(instance.context, instance.target, pursuit.start, attempts, cost))
                return
            self._begin_at_last(pursuit)
        super().report(pursuit, cost)
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
        if not self._settled or self._anticipation.trusted or self.beliefs.plays_of(arm) < FAMILIAR:
            return
        iterations, cost = self.beliefs.outlook_of(arm)
        self._most = min(_MOST - 1, self._steady) if self._affords_thinking(cost) else _MOST - 1
        self._usual_digits, self._usual_iterations = digits, iterations
        self._usual_turn = self.arms[arm], self._cap_of_incumbent(arm, iterations)

    def _begin_at_last(self, pursuit: Solve) -> float:
        """Learn what was deferred, and what is to be learnt of an instance before it is solved."""
        self._deferring = False
        self._catch_up()
        different = self._pass_by(pursuit)
        self._expected, self._calm = self.beliefs.outlook_of(self._incumbent)[1], True
        return different

    def _catch_up(self) -> None:
        """Learn what was deferred."""
        deferred, self._deferred = self._deferred, []
        for past in deferred:
            different = self._begin_at_last(past)
            if self._affords_thinking(self._expected):
                self._steady -= 1
            super().report(past, past.cost)
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
