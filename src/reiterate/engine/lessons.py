"""What attempts say about the arms that made them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from reiterate.configuration import Configuration
from reiterate.contracts import Attempt, Status
from reiterate.engine.barred import Barred
from reiterate.engine.cost import CostUnit
from reiterate.engine.extrapolation import foreseen_iterations, share_of
from reiterate.engine.familiar import FamiliarBeliefs
from reiterate.engine.solve import Solve

_TELLING = 0.3  # of the way to the target: who finishes with less than that left says little about itself
_NOTHING_GAINED = 0.05


class Lessons:
    """Turns attempts into observations of iterations and of costs, and bars the arms that fail.

    An attempt that went from start to end says how many iterations its arm takes; one that was stopped, what the
    iteration foresaw, or how many it would have taken at that rate; one that gained next to nothing, that it takes
    more than so many.

    Parameters
    ----------
    beliefs
        Which learn.
    barred
    states
        Names of the prepared states of the arms; those of equal name are shared.
    unit
        What costs are counted in.

    Attributes
    ----------
    cost : float
        Of the attempts of the present solve that have been taken in.
    """

    def __init__(self, beliefs: FamiliarBeliefs, barred: Barred, states: Sequence[Hashable], unit: CostUnit) -> None:
        self._beliefs = beliefs
        self._barred = barred
        self._states = list(states)
        self._timed = unit == "time"
        self._last_played = [-1] * len(self._states)
        self._taken_in = 0  # attempts of the present solve
        self.cost = 0.0

    def begin(self) -> None:
        """Another solve."""
        self._taken_in = 0
        self.cost = 0.0

    def grow(self, state: Hashable) -> None:
        """There is one more arm."""
        self._states.append(state)
        self._last_played.append(-1)

    def is_ready(self, state: Hashable) -> bool:
        """Whether an arm with a state of that name is prepared."""
        return any(self._beliefs.ready[arm] for arm, other in enumerate(self._states) if other == state)

    @property
    def any_played(self) -> bool:
        """Whether any arm has."""
        return max(self._last_played, default=-1) >= 0

    def since(self, arm: int, solves: int) -> int | None:
        """Solves since an arm played last, of so many; ``None``: it never has."""
        return None if self._last_played[arm] < 0 else solves - 1 - self._last_played[arm]

    def share_setups(self) -> None:
        """Let what preparing costs one arm hold for all that share its state."""
        self._beliefs.share_setups(self._states)

    def take_in(self, pursuit: Solve, numbers: Mapping[Configuration, int], solves: int) -> None:
        """Learn from the attempts that have been made since this was last done; ``solves`` were made before this."""
        start = pursuit.start
        before = min((attempt.merit for attempt in pursuit.attempts[: self._taken_in]), default=start)
        for attempt in pursuit.attempts[self._taken_in :]:
            whole, _ = self._cost_of(attempt)
            self.cost += whole
            arm = numbers.get(attempt.configuration)
            if arm is not None:
                share = share_of(start, min(before, start), attempt.merit, pursuit.instance.target)
                foreseen = foreseen_iterations(attempt, start, before, pursuit.instance.target)
                from_start = before == start or share == 1.0
                self._learn(arm, attempt, solves, share, foreseen, from_start=from_start)
            before = min(before, attempt.merit)
        self._taken_in = len(pursuit.attempts)

    def take_in_usual(
        self, attempts: Sequence[Attempt], played: Configuration, arm: int, solves: int, count: int
    ) -> bool:
        """Take in, in a short way, that an arm went from start to end, if it did, much as was expected.

        ``count`` solves are what the attempt is the mean of. ``False``: nothing was taken in.
        """
        if len(attempts) != 1:
            return False
        attempt = attempts[0]
        alone = attempt.status is Status.CONVERGED and attempt.configuration is played
        if not alone or not attempt.iterations:
            return False
        cost, preparing = self._cost_of(attempt)
        in_a_row = self._last_played[arm] == solves - 1
        usual = self._beliefs.take_in_usual(
            arm, attempt.iterations, cost - preparing, preparing, in_a_row=in_a_row, count=count
        )
        if usual:
            self._last_played[arm], self._taken_in = solves + count - 1, 1
            self._barred.clear(arm)
        return usual

    def _cost_of(self, attempt: Attempt) -> tuple[float, float]:
        """Of all of it, and of preparing."""
        if self._timed:
            return attempt.seconds, attempt.preparing
        return attempt.work, attempt.preparing_work

    def _learn(
        self, arm: int, attempt: Attempt, solves: int, share: float, foreseen: float | None, *, from_start: bool
    ) -> None:
        """Take in one attempt, which gained a share of the digits, ``from_start`` on.

        ``foreseen`` is how many iterations a whole solve would have taken, where it was stopped and could tell.
        """
        beliefs = self._beliefs
        in_a_row = self._last_played[arm] == solves - 1
        self._last_played[arm] = solves
        finished = attempt.status is Status.CONVERGED
        if not attempt.iterations:
            # Refused, or there was nothing to do: what that cost is not what the arm costs.
            if not finished:
                self._barred.bar(arm, solves)
            return
        self._learn_cost(arm, attempt, in_a_row=in_a_row)
        if attempt.status is Status.BREAKDOWN:
            self._barred.bar(arm, solves)
        elif finished and from_start:
            self._barred.clear(arm)
            beliefs.observe_iterations(arm, attempt.iterations)
        elif not finished and foreseen is not None:
            beliefs.observe_iterations(arm, foreseen, extrapolated=True, foreseen=True)
        elif share <= _NOTHING_GAINED:
            beliefs.observe_bound(arm, attempt.iterations / share)
        elif not finished or share > _TELLING:
            beliefs.observe_iterations(arm, attempt.iterations / share, extrapolated=True)

    def _learn_cost(self, arm: int, attempt: Attempt, *, in_a_row: bool) -> None:
        beliefs = self._beliefs
        cost, preparing = self._cost_of(attempt)
        anew = not beliefs.ready[arm]
        beliefs.observe_cost(arm, attempt.iterations, cost - preparing, preparing, anew=anew, in_a_row=in_a_row)
        if anew:
            beliefs.ready[[other for other, state in enumerate(self._states) if state == self._states[arm]]] = True
