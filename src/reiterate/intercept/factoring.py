"""Whether factors of our own are to answer a direct call: what they have cost, beside what SciPy's have."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from reiterate.intercept.mean import Mean

_SURE = 5000  # unknowns, from which on SciPy's factors are not measured first
_FEW = 3.5  # entries in a row: with fewer, factors are all but for nothing
_LEAST = 1e-3  # seconds of SciPy's, below which there is nothing to gain
_GUESS_IS_WITHIN = 6.0  # times
_FAILURES = 2.0
_FORGIVEN = 0.25  # of a failure, by every answer
_ANALYSES = 2  # patterns, of which it is not counted that they had to be analyzed, until there are more
_CALLS_LOST = 1.0  # calls' worth of seconds that finding out may cost,
_SHARE_LOST = 0.05  # and share of what SciPy has taken
_OPERATIONS = 2e10  # a second, at most, of ours
_OPERATIONS_OF_SCIPY = 6e9  # the same of SuperLU; from 2e9 to 7e9 was measured
_LEAST_GUESSED = 0.05  # seconds; where less is guessed, a program of one solve would wait longer for our threads
_LONGEST_GUESSED = 60.0  # seconds of SciPy's; where more is guessed, not even their patterns are analyzed
_LONGEST = 4.0  # seconds; where more is needed, methods without factors may be much better


@dataclass(slots=True)
class Factoring:
    """Calls of one size at one place as far as factors of our own have answered them.

    Attributes
    ----------
    seconds : Mean
        Of answers for which factors were computed.
    failures : float
        Attempts that came to nothing; answers make up for them.
    bound : float
        Seconds that SciPy takes at least, by the number of operations; 0 where that is not known.
    analyzing : float
        Seconds that went to patterns, as long as others may share them.
    """

    seconds: Mean = field(default_factory=Mean)
    failures: float = 0.0
    bound: float = 0.0
    analyzing: float = 0.0
    _analyses: int = 0

    @property
    def possible(self) -> bool:
        """Whether they have not failed."""
        return self.failures < _FAILURES

    def wanted(self, rows: int, entries: int, theirs: Mean, guess: float | None) -> bool:
        """Whether they are to answer the next call.

        Parameters
        ----------
        rows, entries
            Of its matrix.
        theirs
            What SciPy has taken.
        guess
            What it is guessed to take; ``None``: nobody has guessed.
        """
        ours = self.seconds
        if not self.possible:
            return False
        if not theirs.count:
            if not ours.count:
                expected = _LEAST_GUESSED if guess is None else guess
                return rows >= _SURE and entries > _FEW * rows and _LEAST_GUESSED <= expected <= _LONGEST_GUESSED
            # SciPy is measured once as much could have been saved as that may cost, unless it is sure to be slower.
            could_save = ours.seconds - (ours.count - ours.earlier) * self.bound
            slower = ours.recent <= max(self.bound, (guess or 0.0) / _GUESS_IS_WITHIN)
            return slower or could_save <= max(guess or 0.0, ours.recent)
        if theirs.recent < _LEAST:
            return False
        excess = ours.seconds - self.analyzing - (ours.count - ours.earlier) * theirs.recent
        return ours.recent <= theirs.recent or excess <= _CALLS_LOST * theirs.recent + _SHARE_LOST * theirs.seconds

    def most_operations(self, theirs: Mean) -> float:
        """Beyond which they are not worth computing; of L D Lᵀ or L U."""
        return _OPERATIONS * (theirs.recent if theirs.count else _LONGEST)

    def answered(self, seconds: float, analyzing: float, operations: float) -> None:
        """They have, with factors computed for it in so many operations; ``analyzing`` are seconds for its pattern."""
        self.seconds.add(seconds)
        self.failures = max(self.failures - _FORGIVEN, 0.0)
        if analyzing:
            self._analyses += 1
            self.analyzing = self.analyzing + analyzing if self._analyses <= _ANALYSES else 0.0
        self.bound = operations / _OPERATIONS_OF_SCIPY

    def failed(self) -> None:
        """The answer was not good enough, or there was none."""
        self.failures += 1

    def give_up(self) -> None:
        """They would take too many operations, or too much memory."""
        self.failures = _FAILURES

    def state(self) -> list[float]:
        """As plain numbers, for the memory."""
        return [self.seconds.count, self.seconds.recent, self.failures, self.bound]

    def resume(self, count: float, recent: float, failures: float, bound: float) -> None:
        """Begin as another run has ended.

        Raises
        ------
        ValueError
            One of the numbers is none that a run ends with.
        """
        if not all(math.isfinite(number) and number >= 0.0 for number in (count, recent, failures, bound)):
            raise ValueError("numbers that are not finite, or negative, are not believed")
        self.seconds.count = self.seconds.earlier = int(count)
        self.seconds.recent, self.failures, self.bound = recent, min(failures, _FAILURES - 1.0), bound
