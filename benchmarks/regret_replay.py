"""Tables of costs, and learners replayed on them: what each of them chooses, and what that costs."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from machine import processor_time
from reiterate.contracts import Arms, Choice
from reiterate.learners import make_learner

Costs = NDArray[np.floating[Any]]


class TooSlow(Exception):
    """A learner took longer for its decisions than it was given."""


@dataclass(frozen=True)
class Table:
    """What every arm costs at every instance.

    Attributes
    ----------
    costs
        Shape (instances, arms), finite and positive.
    contexts
        Numbers known before each instance; ``None``: nothing is known.
    delays
        How many more choices are made before the learner is told what this one cost; ``None``: none.
    rested
        Row n holds what an arm costs when it is played for the n-th time, whichever instance that is.
    arms
        Their names, where they have some.
    censored
        Where the learner is told that it would have cost more; ``None``: nowhere.
    known
        What is known of the arms beforehand; ``None``: nothing.
    """

    costs: Costs
    contexts: Sequence[Mapping[str, float]] | None = None
    delays: NDArray[np.integer[Any]] | None = None
    rested: bool = False
    arms: tuple[str, ...] = ()
    censored: NDArray[np.bool_] | None = None
    known: Arms | None = None

    @property
    def instances(self) -> int:
        return int(self.costs.shape[0])

    @property
    def best(self) -> int:
        """The best fixed arm in hindsight."""
        return int(self.costs.sum(axis=0, dtype=np.float64).argmin())

    def first(self, instances: int) -> Table:
        """The same for the first so many instances."""
        contexts = None if self.contexts is None else self.contexts[:instances]
        delays = None if self.delays is None else self.delays[:instances]
        censored = None if self.censored is None else self.censored[:instances]
        return replace(self, costs=self.costs[:instances], contexts=contexts, delays=delays, censored=censored)

    def fixed(self, arm: int) -> Costs:
        """What playing one arm always costs, instance by instance."""
        return np.asarray(self.costs[:, arm], dtype=np.float64)

    def optimal(self) -> Costs:
        """The cheapest arm of every instance; where costs fall with playing, whoever switches begins anew."""
        return self.fixed(self.best) if self.rested else np.asarray(self.costs.min(axis=1), dtype=np.float64)


@dataclass(frozen=True)
class Scenario:
    """A name, what it is in a few words, and its table for each seed."""

    name: str
    description: str
    make: Callable[[int], Table]
    recorded: bool = False


def replay(name: str, table: Table, seed: int, limit: float = math.inf) -> tuple[Costs, float]:
    """Let a learner choose at every instance, and tell it what it chose costs.

    Parameters
    ----------
    name
        A key of ``LEARNERS``; the learner has its defaults, and is told what is known of the arms.
    table
    seed
        Of the learner.
    limit
        Processor seconds for all of its decisions.

    Returns
    -------
    costs
        Of what was chosen, instance by instance.
    seconds
        Processor time of deciding and learning, a decision.

    Raises
    ------
    TooSlow
        It took longer than the limit.
    ReiterateError
        It refuses such a table.
    """
    begin = processor_time()
    arms = table.costs.shape[1] if table.known is None else table.known
    learner = make_learner(name, arms, np.random.default_rng([seed, 1]))
    paid = np.empty(table.instances)
    played = np.zeros(table.costs.shape[1], dtype=np.int64)
    due: list[tuple[int, int, Choice, float, bool]] = []
    for t in range(table.instances):
        while due and due[0][0] <= t:
            _, _, told, price, stopped = heapq.heappop(due)
            learner.learn(told, price, censored=stopped)
        choice = learner.choose(None if table.contexts is None else table.contexts[t])
        row = played[choice.arm] if table.rested else t
        paid[t] = table.costs[row, choice.arm]
        played[choice.arm] += 1
        delay = 0 if table.delays is None else int(table.delays[t])
        censored = table.censored is not None and bool(table.censored[row, choice.arm])
        heapq.heappush(due, (t + 1 + delay, t, choice, float(paid[t]), censored))
        if t % 16 == 0 and processor_time() - begin > limit:
            raise TooSlow(f"{t + 1} of {table.instances} decisions took longer than {limit:g} s")
    return paid, (processor_time() - begin) / table.instances


def break_even(mine: ArrayLike, other: ArrayLike) -> float:
    """Solves after which mine have cost no more than the other's, for good; infinite if never."""
    one, two = (np.asarray(costs, dtype=np.float64) for costs in (mine, other))
    steps = min(one.size, two.size)
    behind = np.cumsum(one[:steps]) > np.cumsum(two[:steps])
    if steps and behind[-1]:
        return math.inf
    return int(np.flatnonzero(behind)[-1]) + 2 if behind.any() else 1


def spelled(solves: float) -> str:
    """A number of solves for a table."""
    return "never" if math.isinf(solves) else f"{solves:.0f}"
