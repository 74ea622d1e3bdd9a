"""The patterns of a stream: each is analyzed once, and recognized by its content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.linear.pattern import Pattern

_KEEP = 4  # a time step may alternate between a few
_FEW = 0.05  # of the entries of a pattern, whose mirrors may be missing
_NEGLIGIBLE = 1e-14  # times the geometric mean of two diagonal entries: what rounding leaves of zero


@dataclass(slots=True)
class _Alone:
    """The few entries of a pattern whose mirrors are not stored: their places, rows and columns."""

    places: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]


@dataclass(slots=True)
class _Completion:
    """A pattern that their mirrors make symmetric, its number, and where the stored entries lie in it."""

    number: int
    pattern: Pattern
    stored: NDArray[np.int64]


@dataclass(slots=True)
class _Known:
    """A pattern, and what is symmetric in it where entries that are stored are zero.

    ``nonzero`` says which entries were not zero when last some were; ``core`` is the number of their pattern and the
    pattern, if that is symmetric.
    """

    pattern: Pattern
    nonzero: NDArray[np.bool_] | None = None
    core: tuple[int, Pattern] | None = None
    looked: bool = False  # for entries without mirrors; `None`: there are many, or the diagonal is not full
    alone: _Alone | None = None
    completion: _Completion | None = None


class KnownPatterns:
    """The last few patterns of a stream, by numbers that are never given twice."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}
        self._completed: list[tuple[int, Pattern]] = []
        self._count = 0

    def recognize(self, matrix: Any) -> int | None:
        """The number of a known pattern that is stored just like that of a CSR matrix, in canonical format or not."""
        if matrix.data.size != matrix.indices.size:
            return None
        for number, known in reversed(self._known.items()):
            if known.pattern.matches(matrix.indptr, matrix.indices):
                return number
        return None

    def find(self, matrix: Any, number: int | None = None) -> tuple[int, Any, Pattern]:
        """The pattern of a CSR matrix in canonical format, its number, and the matrix.

        ``number`` is that of the pattern where it has been recognized. Explicit zeros can hide a symmetric matrix
        behind an unsymmetric pattern: then a copy without them comes back, and its pattern. So can entries that are
        rounding errors, whose mirrors cancelled exactly and are not stored, as when matrices are added: then a copy
        comes back that stores zeros for them. (Of what is left of a condensed matrix, none are looked for.) Otherwise
        zeros stay, so that the pattern does not change with the numbers.

        Raises
        ------
        InvalidInput
            The arrays are not those of a matrix, or it is too large.
        """
        number = self.number_of(matrix) if number is None else number
        known = self._known[number]
        if known.pattern.symmetric:
            return number, matrix, known.pattern
        # Once mirrors were missing, they may be so of zeros as well; the pattern is then not to change.
        if known.completion is not None and (completed := self._complete(matrix, known)) is not None:
            return completed
        nonzero = matrix.data != 0.0
        if nonzero.all():
            return self._complete(matrix, known) or (number, matrix, known.pattern)
        if known.nonzero is None or not np.array_equal(nonzero, known.nonzero):
            known.nonzero, known.core = nonzero, self._core(matrix, nonzero)
        if known.core is None:
            return self._complete(matrix, known) or (number, matrix, known.pattern)
        core_number, core = known.core
        index = core.indices.view(np.int32), core.indptr.view(np.int32)
        return core_number, type(matrix)((matrix.data[nonzero], *index), shape=matrix.shape), core

    def number_of(self, matrix: Any) -> int:
        """The number of the pattern of a CSR matrix in canonical format, zeros included.

        Raises
        ------
        InvalidInput
            As :meth:`find`.
        """
        number = self.recognize(matrix)
        if number is None:
            known = _Known(Pattern(matrix.indptr, matrix.indices))
            number = self.next_number()
            self._known[number] = known
            while len(self._known) > _KEEP:
                del self._known[next(iter(self._known))]
        return number

    def stored(self, number: int) -> Pattern:
        """The pattern with that number, zeros included."""
        return self._known[number].pattern

    def _core(self, matrix: Any, nonzero: NDArray[np.bool_]) -> tuple[int, Pattern] | None:
        indptr = np.concatenate(([0], np.cumsum(nonzero)))[matrix.indptr]
        pattern = Pattern(indptr, matrix.indices[nonzero])
        return (self.next_number(), pattern) if pattern.symmetric else None

    def _complete(self, matrix: Any, known: _Known) -> tuple[int, Any, Pattern] | None:
        """The matrix with the few mirrors that it lacks, if all of them are of entries that are next to nothing."""
        if not known.looked:
            known.looked, known.alone = True, _alone(known.pattern)
        alone = known.alone
        if alone is None or not _negligible(matrix.data, known.pattern, alone):
            return None
        if known.completion is None:
            known.completion = self._completion(known.pattern, alone)
        number, whole, stored = known.completion.number, known.completion.pattern, known.completion.stored
        data = np.zeros(whole.nnz, dtype=matrix.dtype)
        data[stored] = matrix.data
        index = whole.indices.view(np.int32), whole.indptr.view(np.int32)
        return number, type(matrix)((data, *index), shape=matrix.shape), whole

    def _completion(self, pattern: Pattern, alone: _Alone) -> _Completion:
        """Of several stored patterns it may be the same."""
        indptr, indices, _, stored = pattern.inserted(np.sort(alone.columns * pattern.size + alone.rows))
        for number, whole in self._completed:
            if whole.matches(indptr, indices):
                return _Completion(number, whole, stored)
        found = self.next_number(), Pattern(indptr, indices)
        self._completed = [*self._completed, found][-_KEEP:]
        return _Completion(*found, stored)

    def next_number(self) -> int:
        """One that no pattern of the stream has."""
        self._count += 1
        return self._count


def _alone(pattern: Pattern) -> _Alone | None:
    """The entries without mirrors; ``None`` where these are many, or where nothing says which ones are negligible."""
    if not pattern.full_diagonal:
        return None
    places = pattern.without_mirror()
    if places.size > _FEW * pattern.nnz:
        return None
    return _Alone(places, pattern.rows[places], pattern.indices[places].astype(np.int64))


def _negligible(data: NDArray[Any], pattern: Pattern, alone: _Alone) -> bool:
    with np.errstate(all="ignore"):
        sizes = np.sqrt(np.abs(data[pattern.position]))
        limits = _NEGLIGIBLE * sizes[alone.rows] * sizes[alone.columns]
        return bool(np.all((np.abs(data[alone.places]) <= limits) & np.isfinite(limits)))
