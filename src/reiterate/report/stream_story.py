"""What a report tells of a stream, as numbers: who played, what alternatives would have cost, what was prepared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reiterate.configuration import Configuration
from reiterate.contracts import Preparation, Record
from reiterate.engine.history import History, Tally
from reiterate.engine.outlook import Outlooks
from reiterate.engine.policy import Conduct, Opinion
from reiterate.engine.trials import allowance
from reiterate.linear.replay import Trace
from reiterate.report.axes import Numbers

_TELLING_PREPARATION = 1.0  # products with A; less is not worth a mark
_MOST_CONTENDERS = 5
_ORDER = (Preparation.BUILT, Preparation.REFRESHED, Preparation.AGED, Preparation.KEPT)


@dataclass(frozen=True, slots=True)
class Believed:
    """What the best configuration of one method was believed to cost, by solve of the main kind.

    Attributes
    ----------
    configuration
        Believed to be the best of its method now.
    costs : array of shape (m,)
        At every record of the main kind.
    tried : bool
        Whether it has finished a solve by itself; otherwise only the cost model speaks.
    """

    configuration: Configuration
    costs: Numbers
    tried: bool

    @property
    def method(self) -> str:
        """Its method's name."""
        return self.configuration.method


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that the report of a stream shows.

    Attributes
    ----------
    history, unit
        What was done, and what costs are counted in.
    records : list of Record
        Those that are still there.
    main : list of Record
        Of them, those of the kind of system that took the most.
    believed : list of Believed
        About the main kind, the cheapest first.
    opinions, conduct
        Of the policy that decides on it.
    traces : list of Trace
        Of the last and of the hardest solve.
    measured : mapping of str to array of shape (solves,)
        Seconds that others took for the same systems, by their name.
    memory : int
        Bytes that prepared states hold now.
    """

    history: History
    unit: str
    records: list[Record]
    main: list[Record] = field(default_factory=list)
    believed: list[Believed] = field(default_factory=list)
    opinions: list[Opinion] = field(default_factory=list)
    conduct: Conduct = field(default_factory=Conduct)
    last: Trace | None = None
    hardest: Trace | None = None
    measured: Mapping[str, Numbers] = field(default_factory=dict)
    memory: int = 0

    @property
    def kinds(self) -> int:
        """How many kinds of system there were."""
        return len({record.kind for record in self.records})

    @property
    def every(self) -> int:
        """Solves, whether they succeeded or not."""
        return self.history.solves + self.history.failures

    @property
    def total(self) -> float:
        """Seconds of all solves, deciding and verifying included."""
        return self.history.seconds + self.history.overhead

    def by_method(self) -> list[tuple[str, Tally]]:
        """Totals of every method that began a solve, the one that began most of them first."""
        tallies: dict[str, Tally] = {}
        for configuration, tally in self.history.tallies.items():
            mine = tallies.setdefault(configuration.method, Tally())
            mine.solves += tally.solves
            mine.seconds += tally.seconds
        return sorted(tallies.items(), key=lambda item: -item[1].solves)

    def contenders(self) -> list[Believed]:
        """Of the methods that have been tried, those that did not begin most of the solves: the cheapest first."""
        favorite = self.by_method()[0][0] if self.history.tallies else ""
        others = [one for one in self.believed if one.tried and one.method != favorite]
        return sorted(others, key=lambda one: float(self.alone(one).sum()))[:_MOST_CONTENDERS]

    def alone(self, contender: Believed) -> Numbers:
        """What every solve of the main kind would have cost by this contender alone, as far as is believed.

        What it did cost, times what the contender was believed to cost at that time over what the method that played
        was: so that what made a solve dear, such as a machine that was busy, counts for both. Trials, and the first
        solve, count with what the best known was believed to cost.
        """
        own = {one.method: one.costs for one in self.believed}
        least = self._least
        alone = contender.costs.copy()
        for i, record in enumerate(self.main):
            played = own.get(record.configuration.method)
            if i == 0 or played is None:
                continue
            known = record.trial and record.expected is not None
            cost, believed = (record.expected, least[i]) if known else (record.cost, played[i])
            if cost and believed > 0.0 and cost < np.inf:
                alone[i] *= cost / believed
        return alone

    @property
    def _least(self) -> Numbers:
        """What the best of those that have been tried was believed to cost."""
        tried = [one.costs for one in self.believed if one.tried]
        least: Numbers = np.min(tried or [one.costs for one in self.believed], axis=0)
        return least

    def spent(self) -> float:
        """Cost of the solves of the main kind."""
        return float(sum(record.cost for record in self.main))

    def trial_costs(self) -> Numbers:
        """What trials cost beyond what the best known was believed to cost, by record."""
        return np.array(
            [
                max(record.cost - record.expected, 0.0) if record.trial and record.expected else 0.0
                for record in self.records
            ]
        )

    def trial_budget(self) -> Numbers:
        """What trials might cost by then, by record: a share of all cost, and one solve for each kind of system."""
        cost = np.cumsum([record.cost for record in self.records])
        usual: dict[int, float] = {}
        heads = []
        for record in self.records:
            usual[record.kind] = record.expected if record.expected else usual.get(record.kind, record.cost)
            heads.append(sum(usual.values()))
        shares = [allowance(record.index + 1) for record in self.records]
        budget: Numbers = np.array(shares) * cost + np.array(heads)
        return budget

    def explored(self) -> float:
        """Share of all cost that trials took beyond that; 0 to 1."""
        cost = sum(record.cost for record in self.records)
        return float(self.trial_costs().sum()) / cost if cost else 0.0


def tell(
    history: History,
    unit: str,
    outlooks: Outlooks | None = None,
    last: Trace | None = None,
    hardest: Trace | None = None,
    measured: Mapping[str, Numbers] | None = None,
    memory: int = 0,
) -> Story:
    """The story of a stream, from what the engine has kept of it."""
    records = list(history)
    costs: Counter[int] = Counter()
    for record in records:
        costs[record.kind] += record.cost if record.cost < np.inf else 0.0  # type: ignore[assignment]
    kind = costs.most_common(1)[0][0] if costs else 0
    main = [record for record in records if record.kind == kind]
    story = {"last": last, "hardest": hardest, "measured": measured or {}, "memory": memory}
    if outlooks is None or kind >= len(outlooks) or not main:
        return Story(history, unit, records, main, **story)  # type: ignore[arg-type]
    policy = outlooks.policy(kind)
    return Story(
        history,
        unit,
        records,
        main,
        _believed(outlooks, kind, main),
        policy.opinions(),
        policy.remarks(),
        **story,  # type: ignore[arg-type]
    )


def _believed(outlooks: Outlooks, kind: int, main: Sequence[Record]) -> list[Believed]:
    """Snapshots become a cost at every record: a belief holds until the next snapshot."""
    policy = outlooks.policy(kind)
    taken = outlooks.of(kind, main[-1].index)
    costs = np.array([outlook.costs for outlook in taken], dtype=float)
    index = np.array([outlook.index for outlook in taken])
    at = np.clip(np.searchsorted(index, [record.index for record in main], side="right") - 1, 0, len(taken) - 1)
    tried = {opinion.configuration for opinion in policy.opinions() if opinion.plays}
    best: dict[str, int] = {}
    for arm, configuration in enumerate(policy.arms):
        if not np.isfinite(costs[-1, arm]):
            continue
        rank = (configuration not in tried, float(costs[-1, arm]))
        known = best.get(configuration.method)
        if known is None or rank < (policy.arms[known] not in tried, float(costs[-1, known])):
            best[configuration.method] = arm
    found = [Believed(policy.arms[arm], _filled(costs[:, arm])[at], policy.arms[arm] in tried) for arm in best.values()]
    return sorted(found, key=lambda one: float(one.costs[-1]))


def _filled(costs: Numbers) -> Numbers:
    """The costs with the next known one in the place of each that is not known, and at the end the last one."""
    known = np.flatnonzero(np.isfinite(costs))
    at = np.minimum(np.searchsorted(known, np.arange(costs.size)), known.size - 1)
    filled: Numbers = costs[known[at]]
    return filled


def preparation_of(record: Record) -> Preparation:
    """The most that was done to a prepared state in a solve, as far as it took any time to speak of."""
    done = {
        attempt.preparation
        for attempt in record.attempts
        if attempt.preparation is Preparation.AGED or attempt.preparing_work >= _TELLING_PREPARATION
    }
    return next((preparation for preparation in _ORDER if preparation in done), Preparation.KEPT)
