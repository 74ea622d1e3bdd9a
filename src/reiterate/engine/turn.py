"""One configuration's turn within a solve: lease a state, iterate, verify; again where that is worthwhile."""

from __future__ import annotations

import math
import time

from reiterate.contracts import Method, Preparation, Progress, Status, Stop, Values
from reiterate.engine.cost import CostUnit
from reiterate.engine.pursuit import Pursuit
from reiterate.engine.upkeep import Lease, Upkeep


class Turn:
    """What a turn took so far.

    Attributes
    ----------
    iterations, seconds, work
        Of preparing and iterating; verification is not in them.
    preparing, preparing_work
        The part of them before the iteration.
    preparation
        What was last done to the prepared state.
    status, reason
        How it ended.
    remaining
        As the method said last.
    """

    def __init__(
        self,
        method: Method,
        values: Values,
        pursuit: Pursuit,
        stop: Stop,
        cost: CostUnit,
        preparing: float = 1.0,
        iterating: float = math.inf,
    ) -> None:
        """``preparing``: share of the time left that preparing may take; ``iterating``: seconds for the rest."""
        self._method = method
        self._values = values
        self._pursuit = pursuit
        self._stop = stop
        self._cost = cost
        self._preparing = preparing
        self._iterating = iterating
        self.iterations = 0
        self.seconds = 0.0
        self.work = 0.0
        self.preparing = 0.0
        self.preparing_work = 0.0
        self.preparation = Preparation.KEPT
        self.status = Status.ITERATION_CAP
        self.reason = ""
        self.remaining: float | None = None

    def play(self, upkeep: Upkeep) -> None:
        """Iterate until the target is verified, or this configuration can do no more.

        A state that has aged is renewed as soon as its extra iterations have cost what that costs, or when the
        iteration breaks down with it. An iteration whose own residual met the target while the true one did not
        goes on from its iterate, for as long as that halves the merit.

        Raises
        ------
        Breakdown
            The method cannot be prepared for this instance.
        OutOfTime
            Not in time.
        """
        renew = again = True
        lease = self._lease(upkeep, renew=False)
        while again:
            progress = self._iterate(lease)
            better = self._pursuit.offer(progress)
            if progress.revealed:
                self._pursuit.instance.reveal(progress.revealed)
            renew = not lease.fresh and not self._pursuit.solved and not self._exhausted
            if renew:
                lease = self._lease(upkeep, renew=True)
            again = renew or (
                better and self.status is Status.CONVERGED and not self._pursuit.solved and not self._exhausted
            )
        if self.status is Status.CONVERGED and not self._pursuit.solved:
            self.status, self.reason = Status.BREAKDOWN, "its own residual met the target, the true one did not"
            self._pursuit.judge_rounding()

    @property
    def _exhausted(self) -> bool:
        left = self._seconds_left
        return self.iterations >= self._stop.max_iterations or (left is not None and left <= 0.0)

    @property
    def _seconds_left(self) -> float | None:
        """For iterating; ``None``: no limit."""
        limit = self._stop.max_seconds
        own = self._iterating - (self.seconds - self.preparing)
        if limit is None:
            return None if math.isinf(own) else max(own, 0.0)
        return max(min(limit - self.seconds, own), 0.0)

    def _lease(self, upkeep: Upkeep, *, renew: bool) -> Lease:
        begin = time.perf_counter()
        limit = self._stop.max_seconds
        left = None if limit is None else max(limit - self.seconds, 0.0)
        self._pursuit.instance.deadline = None if left is None else begin + self._preparing * left
        try:
            lease = upkeep.lease(self._method, self._values, self._pursuit.instance, renew=renew)
        finally:
            seconds = elapsed(begin)
            self.seconds += seconds
            self.preparing += seconds
        self.work += lease.work
        self.preparing_work += lease.work
        self.preparation = lease.preparation
        return lease

    def _iterate(self, lease: Lease) -> Progress:
        """One call of the method, within what is left of the caps."""
        stop = self._stop
        left = stop.max_iterations - self.iterations
        if lease.allowance < left:
            left = max(math.ceil(lease.allowance), 1)
        begin = time.perf_counter()
        progress = self._method.iterate(
            lease.prepared,
            self._pursuit.instance,
            self._values,
            self._pursuit.x,
            Stop(stop.target, left, self._seconds_left),
        )
        seconds = elapsed(begin)
        self.seconds += seconds
        self.iterations += progress.iterations
        self.work += progress.work
        self.status, self.reason = progress.status, progress.reason
        self.remaining = progress.remaining
        lease.settle(progress.iterations, seconds if self._cost == "time" else progress.work)
        return progress


def elapsed(begin: float) -> float:
    """Seconds since then; none where the clock was set back in the meantime."""
    return max(time.perf_counter() - begin, 0.0)
