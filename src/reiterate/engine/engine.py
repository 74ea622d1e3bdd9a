"""The loop that plays a learner on a stream: choose, prepare, iterate, verify, learn, record."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from reiterate.configuration import Configuration
from reiterate.contracts import (
    Attempt,
    Choice,
    Instance,
    Learner,
    LearnerFactory,
    Method,
    Prepared,
    Record,
    Status,
    Stop,
    Values,
)
from reiterate.engine.cost import CostUnit, total_cost
from reiterate.engine.history import History, ended_by_itself
from reiterate.engine.pursuit import Pursuit
from reiterate.engine.quarantine import Quarantine
from reiterate.errors import Breakdown

_FEW_ITERATIONS = 10.0  # below this, running longer than usual wastes nothing worth saving


class Engine:
    """Chooses among configurations for one instance after another.

    Parameters
    ----------
    methods
        Every method that ``configurations`` and ``rescuers`` name.
    configurations
        The arms.
    rescuers
        Configurations that take over, in this order, when what was chosen fails.
    learner
        Builds a learner for a number of arms. One is built for every set of arms that the stream's
        instances accept, so that an odd instance does not confuse what is known of the others.
    rng
        The only source of randomness.
    cost
        What the learner is told a solve cost.
    max_iterations, max_seconds
        Caps of one attempt; of one solve.
    patience
        A chosen configuration is stopped when it has taken this many times the incumbent's mean
        iterations, and the incumbent finishes from the same iterate. ``None``: never.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        configurations: Sequence[Configuration],
        rescuers: Sequence[Configuration],
        learner: LearnerFactory,
        rng: np.random.Generator,
        *,
        cost: CostUnit = "time",
        max_iterations: int = 10_000,
        max_seconds: float | None = None,
        patience: float | None = None,
    ) -> None:
        self._methods = methods
        self.configurations = tuple(configurations)
        self._rescuers = tuple(rescuers)
        self._learner_factory = learner
        self._rng = rng
        self._cost: CostUnit = cost
        self._max_iterations = max_iterations
        self._max_seconds = max_seconds
        self._patience = patience
        self._arm_methods = [methods[name] for name in dict.fromkeys(c.method for c in self.configurations)]
        self._learners: dict[tuple[bool, ...], tuple[Learner | None, tuple[Configuration, ...]]] = {}
        self._prepared: dict[tuple[Any, ...], tuple[int, Prepared]] = {}
        self._warm: set[str] = set()
        self._quarantine = Quarantine()
        self._index = 0
        self.history = History()

    def learner_for(self, instance: Instance) -> tuple[Learner | None, tuple[Configuration, ...]]:
        """The learner that chooses for such an instance, and its arms; no learner where no arm applies."""
        accepted = tuple(method.accepts(instance.traits) for method in self._arm_methods)
        if accepted not in self._learners:
            names = {method.name for method, accepts in zip(self._arm_methods, accepted, strict=True) if accepts}
            arms = tuple(configuration for configuration in self.configurations if configuration.method in names)
            self._learners[accepted] = (self._learner_factory(len(arms), self._rng) if arms else None), arms
        return self._learners[accepted]

    def solve(self, instance: Instance, x: Any) -> Any:
        """An iterate whose merit is verified to be at or below the instance's target.

        Parameters
        ----------
        instance
        x
            Where to begin; not modified.

        Raises
        ------
        NotConverged
            With the best iterate on it, after the chosen configuration and every rescuer have failed.
        """
        begin = time.perf_counter()
        index, self._index = self._index, self._index + 1
        learner, arms = self.learner_for(instance)
        choice = learner.choose(instance.context) if learner is not None else None
        pursuit = Pursuit(instance, x)
        for configuration, stop in self._turns(pursuit, arms, choice, index):
            self._attempt(configuration, pursuit, stop, index)
            if pursuit.solved or pursuit.at_rounding:
                break
        cost = total_cost(self._cost, pursuit.attempts)
        # An instance that was solved to begin with says nothing about any arm.
        if learner is not None and choice is not None and any(a.iterations for a in pursuit.attempts):
            learner.learn(choice, cost, censored=not ended_by_itself(pursuit.attempts))
        self._record(index, pursuit, arms, choice, cost, begin)
        if not pursuit.solved:
            raise pursuit.failure(self._methods, (*self.configurations, *self._rescuers))
        return pursuit.x

    def _turns(
        self, pursuit: Pursuit, arms: Sequence[Configuration], choice: Choice | None, index: int
    ) -> Iterator[tuple[Configuration, Stop]]:
        """Who may try, in order: the choice, under the patience cap; the incumbent; the rescuers."""
        begin = time.perf_counter()
        incumbent = self.history.incumbent()
        turns: list[tuple[Configuration, int]] = []
        if choice is not None and not self._quarantine.holds(arms[choice.arm].method, index):
            turns.append((arms[choice.arm], self._patience_cap(arms[choice.arm], incumbent)))
        if incumbent is not None:
            turns.append((incumbent, self._max_iterations))
        turns.extend((rescuer, self._max_iterations) for rescuer in self._rescuers)
        tried: set[Configuration] = set()
        for configuration, max_iterations in turns:
            # What an attempt revealed may have made a later candidate pointless.
            applies = self._methods[configuration.method].accepts(pursuit.instance.traits)
            if configuration in tried or not applies:
                continue
            left = None if self._max_seconds is None else self._max_seconds - (time.perf_counter() - begin)
            if left is not None and left <= 0.0 and tried:
                return
            tried.add(configuration)
            yield configuration, Stop(pursuit.instance.target, max_iterations, left)

    def _patience_cap(self, chosen: Configuration, incumbent: Configuration | None) -> int:
        if self._patience is None or incumbent is None or incumbent == chosen:
            return self._max_iterations
        tally = self.history.tallies[incumbent]
        usual = max(tally.iterations / tally.solves, _FEW_ITERATIONS)
        return min(self._max_iterations, round(self._patience * usual))

    def _attempt(self, configuration: Configuration, pursuit: Pursuit, stop: Stop, index: int) -> None:
        """One configuration's turn, repeated from where it stopped while only its own residual met the target."""
        method = self._methods[configuration.method]
        if method.name not in self._warm:
            method.warm_up()
            self._warm.add(method.name)
        instance, values = pursuit.instance, configuration.values
        iterations, work, reason = 0, 0.0, ""
        begin = time.perf_counter()
        try:
            prepared, work = self._prepare(method, values, instance, index)
        except Breakdown as breakdown:
            seconds = time.perf_counter() - begin
            status, reason = Status.BREAKDOWN, str(breakdown)
            pursuit.verify_start()
        else:
            seconds = 0.0
            worthwhile = True
            while worthwhile:
                progress = method.iterate(prepared, instance, values, pursuit.x, stop)
                seconds += time.perf_counter() - begin
                iterations += progress.iterations
                work += progress.work
                status, reason = progress.status, progress.reason
                worthwhile = pursuit.offer(progress) and status is Status.CONVERGED and not pursuit.solved
                begin = time.perf_counter()
            if progress.revealed:
                instance.reveal(progress.revealed)
            if status is Status.CONVERGED and not pursuit.solved:
                status, reason = Status.BREAKDOWN, "its own residual met the target, the true one did not"
                pursuit.judge_rounding()
        pursuit.seconds += seconds
        pursuit.attempts.append(Attempt(configuration, status, iterations, seconds, work, pursuit.merit, reason))
        if configuration not in self.configurations:
            # A rescuer is rarely needed twice in a row, and its state, e.g. a factor, can be the largest of all.
            self._prepared.pop(_state_key(method, values), None)
        broke_down = status is Status.BREAKDOWN and not pursuit.at_rounding
        self._quarantine.report(method.name, index, broke_down=broke_down)

    def _prepare(self, method: Method, values: Values, instance: Instance, index: int) -> tuple[Prepared, float]:
        """The method's prepared state for this instance, and the work of making it now."""
        key = _state_key(method, values)
        built_for, previous = self._prepared.get(key, (-1, None))
        if built_for == index and previous is not None:
            return previous, 0.0
        prepared = method.prepare(instance, values, previous)
        self._prepared[key] = index, prepared
        return prepared, prepared.work

    def _record(
        self,
        index: int,
        pursuit: Pursuit,
        arms: Sequence[Configuration],
        choice: Choice | None,
        cost: float,
        begin: float,
    ) -> None:
        attempts = tuple(pursuit.attempts)
        if choice is not None:
            configuration, probability = arms[choice.arm], choice.probability
        else:
            configuration = attempts[0].configuration if attempts else self.configurations[0]
            probability = 1.0
        self.history.add(
            Record(
                index=index,
                configuration=configuration,
                probability=probability,
                context=dict(pursuit.instance.context),
                attempts=attempts,
                iterations=sum(attempt.iterations for attempt in attempts),
                seconds=pursuit.seconds,
                work=sum(attempt.work for attempt in attempts),
                overhead=time.perf_counter() - begin - pursuit.seconds,
                merit=pursuit.merit,
                target=pursuit.instance.target,
                cost=cost,
            )
        )


def _state_key(method: Method, values: Values) -> tuple[Any, ...]:
    return (method.name, *(values[name] for name in method.state_parameters))
