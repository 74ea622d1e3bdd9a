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
class _Completion:
    """What makes a pattern symmetric: a few mirrors that are not stored.

    ``places`` are those of the stored entries in it, ``alone`` those of the entries whose mirrors are missing, in the
    stored pattern, and ``ends`` their rows and columns.
    """

    number: int
    pattern: Pattern
    places: NDArray[np.int64]
    alone: NDArray[np.int64]
    ends: tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(slots=True)
class _Known:
    """A pattern, and what is symmetric in it where entries that are stored are zero.

    ``nonzero`` says which entries were not zero when last some were; ``core`` is the number of their pattern and the
    pattern, if that is symmetric.
    """

    pattern: Pattern
    nonzero: NDArray[np.bool_] | None = None
    core: tuple[int, Pattern] | None = None
    completion: _Completion | None = None
    looked: bool = False  # for a completion


class KnownPatterns:
    """The last few patterns of a stream, by numbers that are never given twice."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}
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
        comes back that stores zeros for them. Otherwise zeros stay, so that the pattern does not change with the
        numbers.

        Raises
        ------
        InvalidInput
            The arrays are not those of a matrix, or it is too large.
        """
        number = self.number_of(matrix) if number is None else number
        known = self._known[number]
        if known.pattern.symmetric:
            return number, matrix, known.pattern
        nonzero = matrix.data != 0.0
        if nonzero.all():
            return self._completed(number, matrix, known)
        if known.nonzero is None or not np.array_equal(nonzero, known.nonzero):
            known.nonzero, known.core = nonzero, self._core(matrix, nonzero)
        if known.core is None:
            return self._completed(number, matrix, known)
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

    def _completed(self, number: int, matrix: Any, known: _Known) -> tuple[int, Any, Pattern]:
        """As :meth:`find`, with mirrors where those missing are few and of entries that are next to nothing."""
        if not known.looked:
            known.looked, known.completion = True, self._completion(known.pattern)
        completion = known.completion
        if completion is None:
            return number, matrix, known.pattern
        sizes = np.sqrt(np.abs(matrix.data[known.pattern.position]))
        rows, columns = completion.ends
        if not np.all(np.abs(matrix.data[completion.alone]) <= _NEGLIGIBLE * sizes[rows] * sizes[columns]):
            return number, matrix, known.pattern
        whole = completion.pattern
        data = np.zeros(whole.nnz, dtype=matrix.dtype)
        data[completion.places] = matrix.data
        index = whole.indices.view(np.int32), whole.indptr.view(np.int32)
        return completion.number, type(matrix)((data, *index), shape=matrix.shape), whole

    def _completion(self, pattern: Pattern) -> _Completion | None:
        if not pattern.full_diagonal:
            return None
        alone = pattern.without_mirror
        if alone.size > _FEW * pattern.nnz:
            return None
        rows, columns = pattern.rows[alone], pattern.indices[alone].astype(np.int64)
        whole, places, _ = pattern.with_entries(columns, rows)
        return _Completion(self.next_number(), whole, places, alone, (rows, columns))

    def next_number(self) -> int:
        """One that no pattern of the stream has."""
        self._count += 1
        return self._count
