"""Rent or buy: when to renew a prepared state that has aged.

Using an old state costs extra iterations: the rent. Renewing it costs its preparation: the price.

Rule. Let R be the rent paid since the last renewal, B the price, and k the number of instances served since, the first
of them with a fresh state. Renew when the rent expected of the next instance exceeds the mean cost of the cycle so
far, (B + R) / k: for rents that grow in the same way after every renewal this is the period of least mean cost
(Barlow and Hunter 1960). Without trusting the expectation: never before R reaches λB, and at the latest when it
reaches LB; in the middle of a solve, if need be, which may pay 2B at most by itself.

Guarantee. Let newer states never be worse than older ones. Then the cost over any stream is at most max(1 +
1/λ, 1 + L) times that of the best sequence of renewals in hindsight, plus one renewal. Proof: between two
renewals of ours we pay (1 + θ)B with some λ ≤ θ ≤ L. In the same span the best sequence either renews, and pays
B, or uses a state at least as old as ours, and pays at least our rent θB. The ratio is (1 + θ) / min(θ, 1).
A solve that is stopped half-way may also lose what a fresh state would have taken. Where those iterations are
counted on both sides, this at most doubles them, and the ratio is 2 at least. With λ = L = 1 this is the break-even
rule of ski rental, 2 (Karlin, Manasse, Rudolph, Sleator 1988); trading a weaker guarantee for the use of a prediction
is that of Purohit, Svitkina and Kumar (2018).

Rent is counted against what fresh states took, and where later instances are easier, old counts would hide it. So
a renewal is due, too, when iterating since the last one has cost 10 B: that adds at most a tenth, and brings the count
up to date. The guarantee is for counts that are.

Where drift is so fast that the very first rent reaches B, renewing every time is best, and finding that out again
and again would cost as much once more. So such a finding is trusted for the next 3 instances, and for 8 as it repeats
itself, and tried again then with an allowance of B. Rent and renewals come to at most 10 B for every finding, of which
the best sequence pays B by the argument above: the guarantee becomes max(1 + 1/λ, 1 + L, 10). Over the first 20
instances, of which three are tried, it is 4 B that renewing every time would have saved.
"""

from __future__ import annotations

import math
import statistics
from collections import deque

_TRUST = 0.5  # λ
_LATEST = 4.0  # L
_SINGLE = 2.0  # prices that one solve may pay
_LONGEST_TRUST = 8  # instances for which the finding that nothing ages well is trusted
_TRUST_GROWTH = 3  # from one finding to the next; streams may be as short as 20, so few findings should do
_PRICES = 10.0  # iterating for so many prices without a renewal makes one due whatever the rent: it costs a tenth
_FRESH = 3  # fresh solves from which the baseline is taken
_LINE = 8  # rents from which growth is estimated: two would do, were they not noisy
_KEEP = 5  # of so many of the last observations the least counts: a noisy clock only ever adds


class Rental:
    """Decides for one prepared state whether to go on renting or to renew.

    Costs are in any one unit. ``renewed`` and ``used`` are told what happened; :attr:`due` and :attr:`allowance` say
    what to do next.
    """

    def __init__(self, trust: float = _TRUST, latest: float = _LATEST, longest_trust: int = _LONGEST_TRUST) -> None:
        self._trust = trust
        self._latest = latest
        self._longest_trust = longest_trust
        self._findings = 0  # in a row, that the first rent reaches the price
        self._trusted = 0  # instances for which that is still believed
        self._known = False  # whether the prices are those of renewals, and not estimates
        self._prices: deque[float] = deque(maxlen=_KEEP)
        self._price = 0.0
        self._baseline = math.inf
        self._baselines: deque[float] = deque(maxlen=_FRESH)
        self._units: deque[float] = deque(maxlen=_KEEP)
        self._rents: deque[float] = deque(maxlen=_LINE)
        self._served = 0  # instances since the last renewal, but for the first
        self._paid = 0.0
        self._spent = 0.0

    @property
    def price(self) -> float:
        """What a renewal costs; 0 as long as none has been seen."""
        return self._price

    @property
    def baseline(self) -> float:
        """Iterations that a solve takes right after a renewal."""
        return self._baseline

    @property
    def due(self) -> bool:
        """Whether to renew before the next instance."""
        if not self._rents:
            return self._trusted > 0
        if self._spent >= _PRICES * self.price > 0.0:
            return True
        if not self._baselines:
            return False
        expected = self._expected_rent()
        if self._paid <= self._trust * self.price:
            return False
        if self._paid + expected >= self._latest * self.price:
            return True
        return expected * (1 + self._served) >= self.price + self._paid

    @property
    def allowance(self) -> float:
        """Iterations after which to stop, renew and go on: when the rent of this solve would use up what is left."""
        if not self._baselines or not self._units:
            return math.inf
        suspect = self._findings > 0 and not self._rents
        single = self.price if suspect else min(self._latest, _SINGLE) * self.price
        left = min(single, max(self._latest * self.price - self._paid, 0.0))
        unit = min(self._units)
        return self.baseline + (left / unit if unit > 0.0 else math.inf)

    def renewed(self, price: float, *, estimated: bool = False) -> None:
        """A renewal was made, for ``price``; ``estimated``: that is only an upper bound of what the next will cost."""
        if estimated and self._known:
            price = self.price
        elif not estimated and not self._known:
            self._known = True
            self._prices.clear()
        if not self._rents:
            self._trusted = max(self._trusted - 1, 0)
        self._prices.append(price)
        self._price = min(self._prices)
        self._spent = 0.0
        self._rents.clear()
        self._served = 0
        self._paid = 0.0

    def used(self, iterations: int, cost: float, *, fresh: bool) -> None:
        """A solve took so many iterations at this cost, preparation aside; ``fresh``: with the numbers of its own."""
        if fresh:
            if iterations > 0:
                self._units.append(cost / iterations)
            self._baselines.append(float(iterations))
            self._baseline = _median(self._baselines)
            return
        cut = iterations >= self.allowance - 1.0
        if iterations > 0:
            self._units.append(cost / iterations)
        self._spent += cost
        unit = min(self._units, default=0.0)
        rent = max(iterations - self.baseline, 0.0) * unit
        if not self._rents:
            self._judge_first(cut or rent >= self.price)
        self._rents.append(rent)
        self._served += 1
        self._paid += rent

    def _judge_first(self, dear: bool) -> None:
        """Take in whether a state of age one cost as much as renewing it."""
        if not dear or self._longest_trust == 0:
            self._findings = self._trusted = 0
            return
        self._findings += 1
        self._trusted = min(_TRUST_GROWTH**self._findings, self._longest_trust)

    def _expected_rent(self) -> float:
        """Of the next solve: the line of least squares through the last rents of this cycle."""
        # The jump from a new state, which pays none, to an old one says nothing about growth and stays out.
        rents = self._rents
        middle, mean = (len(rents) - 1) / 2.0, statistics.fmean(rents)
        spread = sum((t - middle) ** 2 for t in range(len(rents)))
        slope = sum((t - middle) * rent for t, rent in enumerate(rents)) / spread if spread else 0.0
        return max(mean + slope * (len(rents) - middle), 0.0)


def _median(values: deque[float]) -> float:
    """That of the standard library takes several times as long for so few."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else 0.5 * (ordered[middle - 1] + ordered[middle])
