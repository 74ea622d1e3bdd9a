"""What one kind of call has cost at one place, by SciPy and by us, and who is to answer the next one."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.sparse.csgraph import breadth_first_order

from reiterate.intercept.warming import Warming

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
_COARSE = 5000  # unknowns, below which no estimate is worth its time
_NARROW = 100  # vertices in a level; with fewer in the mean, a factorization takes tenths of a second
_LONG_ROW = 14.0  # entries
_FLOPS = 1e9  # of SuperLU, in a second
_COMPLEX = 4.0  # times the operations
_RECENT = 0.3
_SAMPLES = 3
SLOW_DIRECT = (0.5, 0.05)  # seconds of a call that is not made a second, a third time only to measure it better
SLOW_ITERATIVE = (20.0, 0.2)
_MEASURE_AGAIN = 50.0  # calls' worth of seconds that have been saved, by what was measured last
_LEAST_SOLVING = 2e-3  # seconds: what solving takes without factors, if all goes well
_ALIKE = 1.5  # times the entries, up to which matrices cost about the same

Key = tuple[int, int, int]  # bits of the number of rows, entries of the first matrix, bits of right-hand sides


@dataclass(slots=True)
class Mean:
    """Seconds of one kind of work: their number, their sum, and a mean in which recent ones count more.

    Of ``count``, ``earlier`` are known from an earlier run; they are in ``recent``, but not in ``seconds``.
    """

    count: int = 0
    earlier: int = 0
    seconds: float = 0.0
    recent: float = 0.0

    def add(self, seconds: float, count: int = 1) -> None:
        """Take in so many, which took that long together."""
        each = seconds / count
        if self.count < _SAMPLES:  # the first may have loaded code, or found its memory cold
            self.recent = min(each, self.recent or each)
        else:
            self.recent += _RECENT * (each - self.recent)
        self.count += count
        self.seconds += seconds

    @property
    def mean(self) -> float:
        """Over all of this run; 0 before the first."""
        count = self.count - self.earlier
        return self.seconds / count if count else 0.0


@dataclass(slots=True)
class Budget:
    """What a session could have saved so far by calls as long as the last ones, and whether it has begun to.

    ``spent`` are the seconds that SciPy has taken, ``since`` is when its first call began.
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

    def by_scipy(self, seconds: float) -> None:
        """SciPy has answered a call."""
        self.spent += seconds
        self.since = min(self.since, time.perf_counter() - seconds)

    def expect_more(self, seconds: float) -> None:
        """One more call has arrived, that SciPy usually takes so long for, and there may be others."""
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
    solving : Ledger or None
        Of factorizations: columns solved when SciPy's factors are there already.
    answered, columns : int
        Calls that were answered by us; of factorizations, the objects and the columns.
    repeated : int
        Calls that factors of SciPy's answered, kept from an earlier call.
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

    def ours_next(self, A: Any = None) -> bool:
        """Whether we answer the next call; of ``A``, if given, what SciPy takes to factor it may be guessed."""
        if self.barred:
            return False
        if self._rest:
            self._rest -= 1
            return False
        if not self.theirs.count:
            if self.expected is None:
                self.expected, self._guessed = 0.0 if A is None else expected_seconds(A), True
            return self.expected >= (_EXPECTED_TO_PAY if self._guessed else _KNOWN_TO_PAY)
        usual = self.usual
        self.budget.expect_more(usual)
        if usual < self.least or (self.theirs.count < _SAMPLES and usual < self.slow[self.theirs.count - 1]):
            return False
        if self._saved > self._enough * usual:  # much hangs on few measurements
            self._saved, self._enough = 0.0, 4.0 * self._enough
            return False
        pays = usual >= _KNOWN_TO_PAY and self.gained.recent >= 0.0  # an earlier run may have shown that it does not
        return self.answered > 0 or pays or (self.budget.open and self._prospect >= _OPEN)

    @property
    def usual(self) -> float:
        """Seconds that a call takes SciPy, as far as is known."""
        return self.theirs.recent if self.theirs.count else self.expected or 0.0

    @property
    def settled(self) -> bool:
        """Whether SciPy has proved too fast to be improved upon."""
        return self.barred or (self.theirs.count >= _SAMPLES and self.usual < self.least)

    @property
    def may_repeat(self) -> bool:
        """Whether keeping what SciPy has computed is worth a comparison."""
        return self.theirs.count > 0 and not self.barred and self.usual >= self.least

    def meanwhile(self) -> contextlib.AbstractContextManager[None]:
        """To be entered while SciPy computes, if that takes long: others may use the processor as well."""
        return self.budget.warming.going_on() if self.usual >= _LONG else contextlib.nullcontext()

    def for_solving(self) -> Ledger:
        """:attr:`solving`, which is made if need be."""
        if self.solving is None:
            self.solving = Ledger(self.budget, least=_LEAST_SOLVING, products=_PRODUCTS_SOLVING, expected=0.0)
        return self.solving

    def by_scipy(self, seconds: float, A: Any, columns: int = 1) -> None:
        """SciPy has answered."""
        self.budget.by_scipy(seconds)
        self.theirs.add(seconds, columns)
        saved = seconds - _LEAST - self.products * _SECONDS_PER_ENTRY * getattr(A, "nnz", 0) * columns
        advanced = min(max(saved, 0.0), self._advance)  # counted when the ledger was resumed
        self._advance -= advanced
        saved -= advanced
        self._potential += max(saved, 0.0)
        # There may be as many calls again, but as long as the last ones rather than the longest.
        overhead = _LEAST + self.products * _SECONDS_PER_ENTRY * getattr(A, "nnz", 0)
        prospect = min(self._potential, self.theirs.count * max(self.usual - overhead, 0.0))
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
        unit = self.usual or instead_of
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
        """What SciPy would have spent on what we answered; ``None``: it was never measured."""
        if self.answered and not self.theirs.count:
            return None
        spent = self.audits.seconds + (self.answered + self.repeated - self.audits.count) * self.theirs.recent
        if (solving := self.solving) is None:
            return spent
        unseen = solving.answered + self.columns - solving.audits.count
        return spent + solving.audits.seconds + unseen * solving.theirs.recent

    def before(self) -> float | None:
        """What SciPy would have spent on all of this; ``None``: it was never measured."""
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


def _search(graph: Any) -> tuple[Any, Any]:
    """The vertices in the order of a breadth-first search that sees most of them, and from where each was seen."""
    n = graph.shape[0]
    order, before = breadth_first_order(graph, 0, directed=False)
    for start in (n // 2, n // 3):
        if order.size >= n // 2:
            break
        # The first one stands alone, as those do whose values are prescribed. The last seen is at the other end.
        end = breadth_first_order(graph, start, directed=False)[0][-1]
        order, before = breadth_first_order(graph, end, directed=False)
    return order, before


def _widths(order: Any, before: Any, most: int) -> list[int]:
    """Vertices in each level of a breadth-first search, of so many levels at most."""
    place = np.empty(before.size, dtype=np.int64)
    place[order] = np.arange(order.size)
    seen_from = place[before[order[1:]]]  # rises along the order
    ends = [1]
    while ends[-1] < order.size and len(ends) < most:
        ends.append(1 + int(np.searchsorted(seen_from, ends[-1])))
    return [int(width) for width in np.diff([0, *ends])]


def expected_seconds(A: Any) -> float:
    """A rough guess, within a factor of 2 on most meshes and 6 on some, of what SuperLU takes to factor A.

    Levels of a breadth-first search are separators. With the widest of them as the order s of the last dense block, but
    no more than twice the mean, 10 s³ operations are the right power for meshes in one, two and three dimensions.
    """
    n = A.shape[0]
    if n < _COARSE:
        return 0.0
    graph = abs(A) if A.dtype.kind == "c" else A  # else SciPy warns of what it discards
    order, before = _search(graph)
    widths = _widths(order, before, n // _NARROW)
    levels = len(widths)
    # One vertex may see all others, e.g. through a dense row: that says nothing of the rest. Nor do narrow ones matter.
    if not math.log2(n) / 2 < levels < n // _NARROW:
        return 0.0
    widest = max(widths)
    # Where rows are long, as of finite elements, levels are the surfaces of cubes, of which separators are one side.
    mean = n / levels * min(max(_LONG_ROW * n / A.nnz, 1.0), 2.0)
    operations = 10.0 * min(widest, mean) ** 3
    return float((_COMPLEX if A.dtype.kind == "c" else 1.0) * operations / _FLOPS)
