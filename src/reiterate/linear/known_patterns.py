"""The patterns of a stream: each is analyzed once, and recognized by its content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.linear.pattern import Pattern

_KEEP = 4  # a time step may alternate between a few


@dataclass(slots=True)
class _Known:
    """A pattern, and what is symmetric in it where entries that are stored are zero.

    ``nonzero`` says which entries were not zero when last some were; ``core`` is the number of their pattern and the
    pattern, if that is symmetric.
    """

    pattern: Pattern
    nonzero: NDArray[np.bool_] | None = None
    core: tuple[int, Pattern] | None = None


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
        behind an unsymmetric pattern: then a copy without them comes back, and its pattern. Otherwise zeros stay, so
        that the pattern does not change with the numbers.

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
            return number, matrix, known.pattern
        if known.nonzero is None or not np.array_equal(nonzero, known.nonzero):
            known.nonzero, known.core = nonzero, self._core(matrix, nonzero)
        if known.core is None:
            return number, matrix, known.pattern
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

    def next_number(self) -> int:
        """One that no pattern of the stream has."""
        self._count += 1
        return self._count
