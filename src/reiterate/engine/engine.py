"""The loop that plays a learner on a stream: choose, prepare, iterate, verify, learn, record."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from reiterate.configuration import Configuration
from reiterate.contracts import (
    Attempt,
    Instance,
    Learner,
    LearnerBuilder,
    Method,
    Missing,
    Preparation,
    Record,
    Status,
    Stop,
)
from reiterate.engine.cost import CostUnit, total_cost
from reiterate.engine.group import Group
from reiterate.engine.history import History
from reiterate.engine.known_arms import explorer_for, known_arms
from reiterate.engine.outlook import Outlooks
from reiterate.engine.policy import Cap, Policy, Turns
from reiterate.engine.provisional import Provisional
from reiterate.engine.pursuit import Pursuit
from reiterate.engine.quarantine import Quarantine
from reiterate.engine.turn import Turn, elapsed
from reiterate.engine.upkeep import Upkeep, state_of
from reiterate.errors import Breakdown, InvalidInput, OutOfTime

_LAST_RESORTS = 6
_AGAINST_ODDS = 2  # last resorts where an obstacle is known
_PREPARING = 0.5  # of the time left, so that another method may still follow


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
        Builds a learner, given what is known of the arms. One is built for every kind of instance and set of arms that
        accept it, so that an odd instance does not confuse what is known of the others. ``None``: the
        :class:`~reiterate.engine.explorer.Explorer` decides.
    rng
        The only source of randomness.
    cost
        What the learner is told a solve cost.
    max_iterations, max_seconds
        Caps of one attempt; of one solve.
    patience
        A chosen configuration is stopped when it has taken this many times the incumbent's mean
        iterations, and the incumbent finishes from the same iterate. ``None``: never.
    memory_limit
        Bytes that prepared states may hold together.
    suits
        Whether a method of this name, which accepts an instance of such traits, is worth trying. ``None``: always.
    substitutes, missing
        Configurations that take part as long as ``missing`` says of an arm that its code is not there yet; only where
        the explorer decides. ``None``: everything is warmed up when it is first played.
    ages, refreshes
        Whether prepared states may serve later instances as they are; may be renewed instead of built anew.
    recall
        Shown every new policy with the first instance that it will decide on, to tell it what earlier runs know.
    refines
        Names of methods of which the explorer may add configurations between those given.

    Raises
    ------
    InvalidInput
        There are neither configurations nor rescuers.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        configurations: Sequence[Configuration],
        rescuers: Sequence[Configuration],
        learner: LearnerBuilder | None,
        rng: np.random.Generator,
        *,
        cost: CostUnit = "time",
        max_iterations: int = 10_000,
        max_seconds: float | None = None,
        patience: float | None = None,
        memory_limit: float | None = None,
        suits: Callable[[str, Any], bool] | None = None,
        substitutes: Sequence[Configuration] = (),
        missing: Missing | None = None,
        ages: bool = True,
        refreshes: bool = True,
        recall: Callable[[Policy, Instance], None] | None = None,
        refines: Collection[str] = (),
    ) -> None:
        self._methods = methods
        self.configurations = tuple(configurations)
        self.rescuers = tuple(rescuers)
        self._players = (*self.configurations, *self.rescuers)
        if not self._players:
            raise InvalidInput("configurations", "is empty, and so is rescuers: there is nothing to solve with")
        self._learner_builder = learner
        self._rng = rng
        self._cost: CostUnit = cost
        self._max_iterations = max_iterations
        self._max_seconds = max_seconds
        alone = len({configuration.method for configuration in self._players}) == 1
        self._preparing = 1.0 if alone else _PREPARING
        self._patience = patience
        self._suits = suits
        self._recall = recall
        self._refines = frozenset(refines)
        self._arm_methods = [methods[name] for name in dict.fromkeys(c.method for c in self.configurations)]
        self._groups: dict[tuple[Hashable, tuple[bool, ...]], Policy] = {}
        self._last_group: Policy | None = None
        self._last_traits: Any = None
        self._last_kind: Hashable = None
        self._upkeep = Upkeep(cost, memory_limit, ages=ages, refreshes=refreshes)
        self._warm: set[tuple[str, Hashable]] = set()
        self._quarantine = Quarantine()
        self._provisional: Provisional | None = None
        if missing is not None and learner is None:
            self._provisional = Provisional(methods, substitutes, missing, self._applies, self._policy)
        self._index = 0
        self._memory = 0
        self.history = History()
        self.outlooks = Outlooks()

    def group_for(self, instance: Instance) -> Policy:
        """The arms that apply to such an instance, with the policy that decides on them."""
        kind, traits = instance.kind, instance.traits
        known = traits is self._last_traits or traits == self._last_traits
        if self._last_group is not None and known and kind == self._last_kind:
            return self._last_group
        accepted = self._accepted(instance)
        key = (kind, accepted)
        if key not in self._groups:
            names = {method.name for method, applies in zip(self._arm_methods, accepted, strict=True) if applies}
            arms = tuple(configuration for configuration in self.configurations if configuration.method in names)
            self._groups[key] = policy = self._policy(arms, instance)
            if self._recall is not None:
                self._recall(policy, instance)
        self._last_kind, self._last_traits, self._last_group = kind, traits, self._groups[key]
        if self._provisional is not None:
            self._provisional.look(self._last_group, instance)
        return self._last_group

    def _accepted(self, instance: Instance) -> tuple[bool, ...]:
        """Of the methods of all arms, which apply and are worth trying."""
        return tuple(self._applies(method, instance) for method in self._arm_methods)

    def _applies(self, method: Method, instance: Instance) -> bool:
        traits = instance.traits
        return method.accepts(traits) and (self._suits is None or self._suits(method.name, traits))

    def _policy(self, arms: Sequence[Configuration], instance: Instance) -> Policy:
        if self._learner_builder is None:
            stops = self._patience is not None
            return explorer_for(arms, self._methods, instance, self._cost, stops=stops, refines=self._refines)
        known = known_arms(arms, self._methods, instance, self._cost)
        learner = self._learner_builder(known, self._rng) if arms else None
        if arms and not isinstance(learner, Learner):
            raise InvalidInput("learner", f"built {learner!r}, which is not a reiterate Learner")
        return Group(arms, learner, self._patience, self._cost)

    def policies(self) -> list[Policy]:
        """One for every kind of instance, the last one met first: what decided on the last instance of that kind."""
        known = sorted(self._groups.values(), key=lambda policy: policy is not self._last_group)
        return known if self._provisional is None else [self._provisional.decided(policy) for policy in known]

    @property
    def awaited(self) -> tuple[str, ...]:
        """The methods that could not play in the last solve because their code was not there, most promising first."""
        return () if self._provisional is None else self._provisional.awaited

    @property
    def memory(self) -> int:
        """Bytes that prepared states hold."""
        return self._upkeep.memory

    def solve(self, instance: Instance, x: Any, merit: float = math.inf) -> Any:
        """An iterate whose merit is verified to be at or below the instance's target.

        Parameters
        ----------
        instance
        x
            Where to begin; not modified.
        merit
            Of ``x``, where it is known: it tells how far there is to go.

        Raises
        ------
        NotConverged
            With the best iterate on it, after the chosen configuration and every rescuer have failed.
        """
        begin = time.perf_counter()
        index, self._index = self._index, self._index + 1
        group = policy = self.group_for(instance)
        if self._provisional is not None and self._provisional.waits:
            policy = self._provisional.policy_for(group, instance)
        pursuit = Pursuit(instance, x, merit)
        turns = self._turns(pursuit, policy, index)
        while (turn := self._decide(turns)) is not None:
            self._attempt(*turn, pursuit, index)
            if pursuit.solved or pursuit.hopeless or pursuit.obstructed:
                break
        if not pursuit.attempts:
            pursuit.verify_start()
        cost = total_cost(self._cost, pursuit.attempts)
        kind = self.outlooks.number_of(group)
        self._record(index, pursuit, policy, kind, cost, begin)
        self._learn(policy, pursuit, cost)
        if policy is not group:
            Provisional.listen(group, pursuit, cost)
        self._trim()
        self.outlooks.look(kind, index, self.history.seconds + self.history.overhead)
        if not pursuit.solved:
            raise pursuit.failure(self._methods, self._players)
        return pursuit.x

    def _trim(self) -> None:
        """Keep the memory limit, and tell who counted on what had to go."""
        evicted = self._upkeep.trim()
        if not evicted:
            return
        policies = list(self._groups.values())
        if self._provisional is not None:
            policies += self._provisional.policies
        for policy in policies:
            policy.forget([arm for arm in policy.arms if state_of(self._methods[arm.method], arm.values) in evicted])

    def _decide(self, turns: Iterator[tuple[Configuration, Stop, float]]) -> tuple[Configuration, Stop, float] | None:
        """Who plays next."""
        begin = time.perf_counter()
        turn = next(turns, None)
        self.history.deciding += elapsed(begin)
        return turn

    def _learn(self, group: Policy, pursuit: Pursuit, cost: float) -> None:
        begin = time.perf_counter()
        group.report(pursuit, cost)
        self.history.deciding += elapsed(begin)
        self.history.compiling += pursuit.warming

    def _turns(self, pursuit: Pursuit, group: Policy, index: int) -> Iterator[tuple[Configuration, Stop, float]]:
        """Who may try, in order: those whom the policy names; the rescuers; the last resorts."""
        begin = time.perf_counter()
        turns = itertools.chain(
            group.turns(pursuit, self._held(index)),
            ((rescuer, Cap()) for rescuer in self.rescuers),
            self._last_resorts(pursuit, group),
        )
        done: set[Configuration] = set()
        for configuration, cap in turns:
            # What an attempt revealed may have made a later candidate pointless.
            applies = self._methods[configuration.method].accepts(pursuit.instance.traits)
            if configuration in done or not applies:
                continue
            left = None if self._max_seconds is None else self._max_seconds - (time.perf_counter() - begin)
            if left is not None and left <= 0.0 and pursuit.attempts:
                return
            iterations = int(min(cap.iterations, self._max_iterations))
            yield configuration, Stop(pursuit.instance.target, iterations, left), cap.seconds
            # Who was only stopped early may play again.
            status = pursuit.attempts[-1].status
            early = cap.iterations < self._max_iterations if status is Status.ITERATION_CAP else cap.seconds < math.inf
            if not (early and status in (Status.ITERATION_CAP, Status.TIME_CAP)):
                done.add(configuration)

    def _held(self, index: int) -> frozenset[str]:
        """The names of methods that sit out: they have broken down, or their code is not there yet."""
        held = self._quarantine.held(index)
        return held if self._provisional is None else held | self._provisional.held

    def _last_resorts(self, pursuit: Pursuit, group: Policy) -> Turns:
        """Who is left when nobody else has helped: the choice if it was skipped, then an arm of each untried method.

        Asked only then, so that what the attempts have revealed decides which arms there are.
        """
        if group.choice is not None:
            yield group.arms[group.choice.arm], Cap()
        tried = {attempt.configuration.method for attempt in pursuit.attempts}
        applicable = itertools.compress(self._arm_methods, self._accepted(pursuit.instance))
        untried = [method.name for method in applicable if method.name not in tried]
        most = _LAST_RESORTS if pursuit.obstacle is None else _AGAINST_ODDS
        for name in untried[-most:]:
            arms = [arm for arm in self.configurations if arm.method == name]
            yield arms[len(arms) // 2], Cap()

    def _attempt(
        self, configuration: Configuration, stop: Stop, iterating: float, pursuit: Pursuit, index: int
    ) -> None:
        """One configuration's turn: its prepared state may have to be renewed half-way, or its residual was wrong."""
        method = self._methods[configuration.method]
        code = (method.name, method.variant_of(pursuit.instance))
        if code not in self._warm:
            begin = time.perf_counter()
            method.warm_up(code[1])
            self._warm.add(code)
            pursuit.warming += elapsed(begin)
        turn = Turn(method, configuration.values, pursuit, stop, self._cost, self._preparing, iterating)
        late = False
        try:
            turn.play(self._upkeep)
        except Breakdown as breakdown:
            late = isinstance(breakdown, OutOfTime)
            turn.status, turn.reason = Status.TIME_CAP if late else Status.BREAKDOWN, str(breakdown)
            pursuit.suggest(breakdown.remedy)
            pursuit.verify_start()
        pursuit.seconds += turn.seconds
        pursuit.attempts.append(
            Attempt(
                configuration,
                turn.status,
                turn.iterations,
                turn.seconds,
                turn.work,
                pursuit.merit,
                turn.reason,
                turn.preparing,
                turn.preparing_work,
                turn.preparation,
                turn.remaining,
            )
        )
        broke_down = turn.status is Status.BREAKDOWN and not pursuit.at_rounding
        self._quarantine.report(method.name, index, broke_down=broke_down or late)

    def _record(self, index: int, pursuit: Pursuit, group: Policy, kind: int, cost: float, begin: float) -> None:
        attempts, choice = tuple(pursuit.attempts), group.choice
        # Asking every state what it holds takes longer than deciding, and until another one is built little changes.
        if index & (index - 1) == 0 or any(attempt.preparation is Preparation.BUILT for attempt in attempts):
            self._memory = self.memory
        chosen = None if choice is None else group.arms[choice.arm]
        # What was chosen may have had to sit out: the record names what was played first.
        configuration = attempts[0].configuration if attempts else chosen or self._players[0]
        probability = choice.probability if choice is not None and configuration == chosen else 1.0
        self.history.add(
            Record(
                index=index,
                configuration=configuration,
                probability=probability,
                context=dict(pursuit.instance.context),
                attempts=attempts,
                iterations=sum([attempt.iterations for attempt in attempts]),
                seconds=pursuit.seconds,
                work=sum([attempt.work for attempt in attempts]),
                overhead=max(elapsed(begin) - pursuit.seconds - pursuit.warming, 0.0),
                merit=pursuit.merit,
                target=pursuit.instance.target,
                cost=cost,
                trial=group.trial,
                expected=group.expected,
                kind=kind,
                memory=self._memory,
            )
        )
