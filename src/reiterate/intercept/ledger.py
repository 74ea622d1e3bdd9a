"""What one kind of call has cost at one place, by SciPy and by us, and who is to answer the next one."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from reiterate.intercept.factoring import Factoring
from reiterate.intercept.guess import expected_seconds
from reiterate.intercept.mean import SAMPLES, Mean
from reiterate.intercept.warming import Warming
from reiterate.linear.rslab_process import orphaned

_BEGIN = 1.2  # seconds that could have been saved: what importing the solver and loading its kernels takes
_LONG = 0.05  # seconds of a call, in which much can be done beside it
_WARM = 0.1  # seconds that could have been saved, from which on it is done beside the program,
_WARM_SHARE = 0.4  # where so much of the time since the first call was SciPy's: the rest has to share Python's lock
_OPEN = 0.03  # the same, for a solver at one more place
_LEAST = 4e-4  # seconds: what our own overhead comes to
_PRODUCTS = 20  # products with A that a solve takes at best
_PRODUCTS_SOLVING = 60  # the same where nothing but solving can be saved, and less is hoped for
_SECONDS_PER_ENTRY = 2e-9
_EXPECTED_TO_PAY = 4.0  # seconds that SciPy is guessed to take, from which on it need not be measured first
_KNOWN_TO_PAY = 1.0  # the same where it has been measured
_DEBT = 3.0  # calls' worth of seconds that may be lost before SciPy takes over
_FIRST_DEBT = 10.0  # the same during the first few, which have to find out what is best
_LARGE_DEBT = 1.0  # seconds: of calls that take long, fewer are lost, but one
_FIRST = 5
_REST = 50  # calls that SciPy answers then, four times as many every time
_STREAM = 4  # calls that our factors have answered, from which on the solver may be worth loading
_HOPED = 0.3  # share of their seconds that it may save
SLOW_DIRECT = (0.5, 0.05)  # seconds of a call that is not made a second, a third time only to measure it better
SLOW_ITERATIVE = (20.0, 0.2)
_MEASURE_AGAIN = 50.0  # calls' worth of seconds that have been saved, by what was measured last
_LEAST_SOLVING = 2e-3  # seconds: what solving takes without factors, if all goes well
_ALIKE = 1.5  # times the entries, up to which matrices cost about the same

Answerer = Literal["SciPy", "factors", "solver"]
"""Who answers a direct call: SciPy, factors of our own without anything learnt, or the solver of the site."""

Key = tuple[int, int, int]  # bits of the number of rows, entries of the first matrix, bits of right-hand sides


@dataclass(slots=True)
class Budget:
    """What a session could have saved so far by calls as long as the last ones, and whether it has begun to.

    ``spent`` are the seconds of calls that were answered without the solver, ``since`` is when the first of them began.
    """

    potential: float = 0.0
    spent: float = 0.0
    since: float = math.inf
    begun: bool = False
    warming: Warming = field(default_factory=Warming)

    @property
    def open(self) -> bool:
        """Whether starting has been paid for, or has happened anyway."""
        here = "reiterate.solver" in sys.modules and not self.warming.busy
        return self.potential >= _BEGIN or self.warming.ready or here

    def by_others(self, seconds: float) -> None:
        """A call has been answered without the solver."""
        self.spent += seconds
        self.since = min(self.since, time.perf_counter() - seconds)

    def expect_more(self, seconds: float) -> None:
        """One more call has arrived, that usually takes so long without the solver, and there may be others."""
        if self.potential < _WARM or self.begun or seconds < _LONG:
            return
        if self.spent >= _WARM_SHARE * (time.perf_counter() - self.since):
            self.warming.begin()


@dataclass(slots=True)
class Ledger:
    """Calls of one size, and with about as many entries, at one place.

    Attributes
    ----------
    theirs : Mean
        SciPy's calls; of factorizations, the factoring.
    audits : Mean
        Those among them that we have answered as well.
    factoring : Factoring or None
        Calls that factors of our own have answered; ``None``: they cannot, as in place of iterative methods.
    solving : Ledger or None
        Of factorizations: columns solved when SciPy's factors are there already.
    answered, columns : int
        Calls that the solver has answered; of factorizations, the objects and the columns.
    repeated : int
        Calls that factors answered which were kept from an earlier call.
    expected : float or None
        Seconds that a call of SciPy's is expected to take, as long as none has been measured.
    growth : float or None
        ‖A‖ ‖x‖ / ‖b‖ of the last solution; ``None`` before the first.
    strictness : float
        Share of a tolerance in the Euclidean norm that is asked for where one in the maximum norm has to be met.
    barred : bool
        SciPy answers for good: it has found a matrix here to be exactly singular, or audits disagree.
    """

    budget: Budget
    theirs: Mean = field(default_factory=Mean)
    audits: Mean = field(default_factory=Mean)
    factoring: Factoring | None = None
    answered: int = 0
    columns: int = 0
    repeated: int = 0
    solving: Ledger | None = None
    least: float = _LEAST
    products: int = _PRODUCTS
    slow: tuple[float, float] = SLOW_DIRECT
    expected: float | None = None
    growth: float | None = None
    strictness: float = 0.3
    barred: bool = False
    gained: Mean = field(default_factory=Mean)
    _guessed: bool = False
    _potential: float = 0.0
    _prospect: float = 0.0
    _promised: float = 0.0
    _debt: float = 0.0
    _tries: int = 0
    _rest: int = 0
    _period: int = _REST
    _saved: float = 0.0
    _enough: float = _MEASURE_AGAIN
    _advance: float = 0.0

    def next(self, A: Any) -> Answerer:
        """Who answers the next call, which is to solve with ``A`` directly."""
        if self.barred or self.factoring is None:
            return "SciPy"
        if not self.theirs.count:
            self._guess(A)
        wanted = not orphaned() and self.factoring.wanted(A.shape[0], A.nnz, self.theirs, self.expected)
        if wanted and not self.factoring.seconds.count:  # they take no time to load
            return "factors"
        if self.ours_next(A, factors=wanted):
            return "solver"
        return "factors" if wanted else "SciPy"

    def ours_next(self, A: Any = None, *, factors: bool = False) -> bool:
        """Whether the solver answers the next call.

        Of ``A``, if given, what SciPy takes to factor it may be guessed. With ``factors``, our own answer otherwise.
        """
        if self.barred:
            return False
        if self._rest:
            self._rest -= 1
            return False
        if not self.theirs.count and not factors:
            return self._guess(A) >= (_EXPECTED_TO_PAY if self._guessed else _KNOWN_TO_PAY)
        rival = self.rival
        if not factors or self._prospect >= 0.5 * _BEGIN:
            self.budget.expect_more(rival)
        if rival < self.least or not self._measured(factors):
            return False
        if self._saved > self._enough * rival:  # much hangs on few measurements
            self._saved, self._enough = 0.0, 4.0 * self._enough
            return False
        # An earlier run may have shown that it does not pay.
        pays = not factors and rival >= _KNOWN_TO_PAY and self.gained.recent >= 0.0
        return self.answered > 0 or pays or (self.budget.open and self._prospect >= (_BEGIN if factors else _OPEN))

    def _measured(self, factors: bool) -> bool:
        """Whether enough calls are known that were answered otherwise: fewer, where each takes long."""
        if factors and self.factoring is not None:
            return self.answered > 0 or self.factoring.seconds.count >= _STREAM
        return self.theirs.count >= SAMPLES or self.theirs.recent >= self.slow[self.theirs.count - 1]

    def _guess(self, A: Any) -> float:
        """What SciPy takes, before it is known."""
        if self.expected is None:
            self.expected, self._guessed = 0.0 if A is None else expected_seconds(A), True
        return self.expected

    @property
    def usual(self) -> float:
        """Seconds that a call takes SciPy, as far as is known."""
        return self.theirs.recent if self.theirs.count else self.expected or 0.0

    @property
    def price(self) -> float:
        """Seconds that factoring takes SciPy, as far as is known or can be counted."""
        return self.theirs.recent if self.theirs.count else self._guessed_seconds()

    @property
    def rival(self) -> float:
        """Seconds that a call takes without the solver, as far as is known."""
        ours = self.factoring
        if ours is None or not ours.possible or not ours.seconds.count:
            return self.usual
        return min(self.usual, ours.seconds.recent) if self.theirs.count else ours.seconds.recent

    @property
    def settled(self) -> bool:
        """Whether SciPy has proved too fast to be improved upon."""
        return self.barred or (self.theirs.count >= SAMPLES and self.usual < self.least)

    @property
    def factored(self) -> int:
        """Calls that factors of our own have answered, computed for them in this run."""
        return 0 if self.factoring is None else self.factoring.seconds.count - self.factoring.seconds.earlier

    @property
    def may_repeat(self) -> bool:
        """Whether keeping what SciPy has computed is worth a comparison."""
        return self.theirs.count > 0 and not self.barred and self.usual >= self.least

    def meanwhile(self) -> contextlib.AbstractContextManager[None]:
        """To be entered while others compute, if that takes long: the solver may be loaded beside them."""
        return self.budget.warming.going_on() if self.rival >= _LONG else contextlib.nullcontext()

    def for_solving(self) -> Ledger:
        """:attr:`solving`, which is made if need be."""
        if self.solving is None:
            self.solving = Ledger(self.budget, least=_LEAST_SOLVING, products=_PRODUCTS_SOLVING, expected=0.0)
        return self.solving

    def by_scipy(self, seconds: float, A: Any, columns: int = 1) -> None:
        """SciPy has answered."""
        self.budget.by_others(seconds)
        self.theirs.add(seconds, columns)
        if self.factoring is None or not self.factoring.wanted(A.shape[0], A.nnz, self.theirs, self.expected):
            self._could_save(seconds, self.theirs.recent, A, self.theirs.count, columns)

    def by_factors(self, seconds: float, analyzing: float, A: Any, operations: float) -> None:
        """Factors of our own have answered, computed in so many operations; ``analyzing`` took the pattern."""
        self.budget.by_others(seconds)
        if self.factoring is not None:
            self.factoring.answered(seconds, analyzing, operations)
            if self.factoring.seconds.count >= _STREAM:  # one of few may be all that there is
                usual = _HOPED * self.rival
                self._could_save(min(_HOPED * seconds, usual), usual, A, self.factoring.seconds.count)

    def factors_failed(self) -> None:
        """Factors of our own have not answered well enough."""
        if self.factoring is not None:
            self.factoring.failed()

    def _could_save(self, seconds: float, usual: float, A: Any, count: int, columns: int = 1) -> None:
        """The last of ``count`` calls has taken so long without the solver, which usually takes ``usual``."""
        saved = seconds - _LEAST - self.products * _SECONDS_PER_ENTRY * getattr(A, "nnz", 0) * columns
        advanced = min(max(saved, 0.0), self._advance)  # counted when the ledger was resumed
        self._advance -= advanced
        saved -= advanced
        self._potential += max(saved, 0.0)
        # There may be as many calls again, but as long as the last ones rather than the longest.
        overhead = _LEAST + self.products * _SECONDS_PER_ENTRY * getattr(A, "nnz", 0)
        prospect = min(self._potential, count * max(usual - overhead, 0.0))
        prospect = max(prospect, self._promised)
        self.budget.potential += prospect - self._prospect
        self._prospect = prospect

    def by_both(self, seconds: float, columns: int = 1) -> None:
        """SciPy has answered what we had answered already."""
        self.theirs.add(seconds, columns)
        self.audits.add(seconds, columns)

    def by_us(self, seconds: float, instead_of: float) -> None:
        """We have answered, or failed to, in so many seconds, where SciPy would have taken ``instead_of``."""
        if not instead_of and not self._tries:  # it failed: what the next ones would save is doubtful
            self._tries, self._rest, self.budget.begun = 1, _REST, True
            return
        self.budget.begun = True
        unit = self.rival or instead_of
        self._saved += instead_of - seconds
        self.gained.add(instead_of - seconds)
        self._tries += 1
        self._debt = max(self._debt + seconds - instead_of, -_DEBT * unit)
        most = min((_DEBT if self._tries > _FIRST else _FIRST_DEBT) * unit, max(unit, _LARGE_DEBT))
        if self._debt > most:
            self._rest, self._period = self._period, 4 * self._period
            self._debt = max(min(_DEBT * unit, most) - unit, 0.0)

    def standing(self) -> tuple[float, int, int, int]:
        """Seconds lost of late, answers tried, calls that SciPy answers before the next try, and how many after it."""
        return self._debt, self._tries, self._rest, self._period

    def resume(self, debt: float, tries: int, rest: int, period: int, advance: float) -> None:
        """Begin as another run has ended, with seconds that this run can be expected to save, as that one could."""
        self._debt, self._tries, self._rest, self._period = debt, tries, rest, period
        self._advance = advance
        self._potential += advance
        self._prospect, self._promised = self._prospect + advance, advance
        self.budget.potential += advance

    def instead(self) -> float | None:
        """What SciPy would have spent on what we answered; ``None``: nobody knows."""
        ours = self.answered + self.repeated + self.factored
        each = self.theirs.recent if self.theirs.count else self._guessed_seconds()
        if ours and not each:
            return None
        spent = self.audits.seconds + (ours - self.audits.count) * each
        if (solving := self.solving) is None:
            return spent
        unseen = solving.answered + self.columns - solving.audits.count
        return spent + solving.audits.seconds + unseen * solving.theirs.recent

    @property
    def guessed(self) -> bool:
        """Whether that is a guess, as SciPy has never been measured."""
        return not self.theirs.count and self.answered + self.repeated + self.factored > 0

    def _guessed_seconds(self) -> float:
        """What SciPy takes at least, by the operations of a factorization, or by the look of the pattern."""
        return (self.factoring.bound if self.factoring is not None else 0.0) or self.expected or 0.0

    def before(self) -> float | None:
        """What SciPy would have spent on all of this; ``None``: nobody knows."""
        if (spent := self.instead()) is None:
            return None
        for ledger in (self, self.solving):
            if ledger is not None:
                spent += ledger.theirs.seconds - ledger.audits.seconds
        return spent


def nearest(key: Key, keys: Iterable[Key]) -> Key:
    """That of a ledger for the same orders of magnitude and about as many entries, if there is one; else itself."""
    rows, entries, columns = key
    for other in keys:
        if (rows, columns) == (other[0], other[2]) and other[1] <= _ALIKE * entries <= _ALIKE * _ALIKE * other[1]:
            return other
    return key
