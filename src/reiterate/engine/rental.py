"""Rent or buy: when to renew a prepared state that has aged.

Using an old state costs extra iterations: the rent. Renewing it costs its preparation: the price.

Rule. Let R be the rent paid since the last renewal and B the price. Renew when the rent expected of the next
instance exceeds the mean cost of the cycle so far, (B + R) / age: for rents that grow in the same way after every
renewal this is the period of least mean cost (Barlow and Hunter 1960). Without trusting the expectation: never
before R reaches λB, and at the latest, in the middle of a solve if need be, when R reaches B/λ.

Where the very first rent after a renewal was as high as the price, old states are worthless, and the rule learns it:
the next k instances are renewed without trying. Then one is tried again, and stopped when R reaches B.

Guarantee. Let newer states never be worse than older ones. Then the cost over any stream is at most (1 + 1/λ + k) times
that of the best sequence of renewals in hindsight, plus one renewal. Proof: between two renewals of ours we pay
(1 + θ)B with some λ ≤ θ ≤ 1/λ. In the same span the best sequence either renews, and pays B, or uses a state at
least as old as ours, and pays at least our rent θB. The ratio is (1 + θ) / min(θ, 1) ≤ 1 + 1/λ. Where θ ≥ 1 for a
single instance, k renewals follow untried, which adds kB. With λ = 1 and k = 0 this is the break-even rule of ski
rental, 2 (Karlin, Manasse, Rudolph, Sleator 1988); trading a weaker guarantee for the use of a prediction is that of
Purohit, Svitkina and Kumar (2018). While every instance is worth a renewal, the cost is at most
(2 + k) / (1 + k) times that of the best.
"""

from __future__ import annotations

import math
import statistics
from collections import deque

_TRUST = 0.5  # λ
UNTRIED = 4  # k
_WORTHLESS = 0.9  # of the price: less than 1, because a stopped solve's rent falls short of it by rounding
_LINE = 8  # rents from which growth is estimated: two would do, were they not noisy
_KEEP = 5  # medians over so many of the last observations shrug off a noisy clock


class Rental:
    """Decides for one prepared state whether to go on renting or to renew.

    Costs are in any one unit. ``renewed`` and ``used`` are told what happened; :attr:`due` and :attr:`allowance` say
    what to do next.
    """

    def __init__(self, trust: float = _TRUST) -> None:
        self._trust = trust
        self._prices: deque[float] = deque(maxlen=_KEEP)
        self._baselines: deque[float] = deque(maxlen=_KEEP)
        self._units: deque[float] = deque(maxlen=_KEEP)
        self._rents: list[float] = []
        self._untried = 0
        self._worthless = False
        self._paid = 0.0

    @property
    def price(self) -> float:
        """What a renewal costs; 0 as long as none has been seen."""
        return statistics.median(self._prices) if self._prices else 0.0

    @property
    def baseline(self) -> float:
        """Iterations that a solve takes right after a renewal."""
        return statistics.median(self._baselines) if self._baselines else math.inf

    @property
    def due(self) -> bool:
        """Whether to renew before the next instance."""
        if not self._baselines:
            return False
        if not self._rents:
            return self._untried > 0
        expected = self._expected_rent()
        if self._paid + expected <= self._trust * self.price:
            return False
        if self._paid + expected >= self.price / self._trust:
            return True
        # The cycle's solves are those that paid rent, and the first one, which paid none.
        return expected * (len(self._rents) + 1) >= self.price + self._paid

    @property
    def allowance(self) -> float:
        """Iterations after which to stop, renew and go on: when the rent of this solve would use up what is left."""
        if not self._baselines or not self._units:
            return math.inf
        most = self.price if self._worthless else self.price / self._trust
        left = max(most - self._paid, 0.0)
        unit = statistics.median(self._units)
        return self.baseline + (left / unit if unit > 0.0 else math.inf)

    def renewed(self, price: float) -> None:
        """A renewal was made, for ``price``."""
        if len(self._rents) == 1 and self._paid >= _WORTHLESS * self.price > 0.0:
            self._worthless, self._untried = True, UNTRIED
        elif self._rents:
            self._worthless, self._untried = False, 0
        else:
            self._untried = max(self._untried - 1, 0)
        self._prices.append(price)
        self._rents.clear()
        self._paid = 0.0

    def used(self, iterations: int, cost: float, *, fresh: bool) -> None:
        """A solve took so many iterations at this cost, preparation aside; ``fresh``: with the numbers of its own."""
        if iterations > 0:
            self._units.append(cost / iterations)
        if fresh:
            self._baselines.append(float(iterations))
            return
        unit = statistics.median(self._units) if self._units else 0.0
        rent = max(iterations - self.baseline, 0.0) * unit
        self._rents.append(rent)
        self._paid += rent

    def _expected_rent(self) -> float:
        """Of the next solve: the line of least squares through the last rents of this cycle."""
        # The jump from a new state, which pays none, to an old one says nothing about growth and stays out.
        rents = self._rents[-_LINE:]
        middle, mean = (len(rents) - 1) / 2.0, statistics.fmean(rents)
        spread = sum((t - middle) ** 2 for t in range(len(rents)))
        slope = sum((t - middle) * rent for t, rent in enumerate(rents)) / spread if spread else 0.0
        return max(mean + slope * (len(rents) - middle), 0.0)
