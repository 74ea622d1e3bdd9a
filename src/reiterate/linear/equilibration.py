"""Scaling by powers of two, which changes no digit: for engines whose pivoting compares entries as they stand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.linear.pattern import Pattern

Exponents = NDArray[np.int32]

_TOLERATED_SPREAD = 13  # binary orders of magnitude between rows: 1e4
_TOLERATED_SIZE = 400  # products of two entries neither overflow nor underflow
_SWEEPS = 20
_NOTHING = -(2**20)


class Equilibration:
    """R and C, diagonal, with the largest entry of every row and column of R A C near one; C = R for symmetric A.

    Symmetric scaling is that of Ruiz (2001), which halves the logarithms of the largest entries in each sweep;
    general scaling is by rows, then by columns. Costs one pass over the entries where none is needed.
    """

    def __init__(self, rows: Exponents, columns: Exponents) -> None:
        self.rows = rows
        self.columns = columns

    @classmethod
    def of(cls, pattern: Pattern, data: NDArray[Any], *, symmetric: bool) -> Equilibration | None:
        """The scaling of a matrix without empty rows and columns; ``None`` where it is balanced as it is."""
        exponents = _exponents(data)
        begin = pattern.indptr[:-1].astype(np.intp)
        largest = np.maximum.reduceat(exponents, begin)
        lowest, highest = int(largest.min()), int(largest.max())
        balanced = highest - lowest <= _TOLERATED_SPREAD and max(highest, -lowest) <= _TOLERATED_SIZE
        if symmetric and balanced:
            return None
        row_of_entry = _row_of_entry(pattern)
        if symmetric:
            rows = np.zeros(pattern.size, dtype=np.int32)
            for _ in range(_SWEEPS):
                scaled = exponents + rows[row_of_entry] + rows[pattern.indices]
                largest = np.maximum.reduceat(scaled, begin)
                if abs(largest).max() <= 1:
                    break
                rows -= np.trunc(largest / 2.0).astype(np.int32)
            return cls(rows, rows)
        rows = -largest
        columns = np.full(pattern.size, _NOTHING, dtype=np.int32)
        np.maximum.at(columns, pattern.indices, exponents + rows[row_of_entry])
        if balanced and columns.min() >= -_TOLERATED_SPREAD:
            return None
        return cls(rows, -columns)

    def scaled(self, pattern: Pattern, data: NDArray[Any]) -> NDArray[Any]:
        """The entries of R A C, in the order of ``data``."""
        row_of_entry = _row_of_entry(pattern)
        return scale(data, self.rows[row_of_entry] + self.columns[pattern.indices])


def scale(values: NDArray[Any], exponents: Exponents) -> NDArray[Any]:
    """``values`` · 2^``exponents``, entry by entry along the first axis; overflow gives infinity, as ever."""
    values = np.ascontiguousarray(values)  # complex numbers can be seen as pairs only where rows lie in one piece
    real = values.view(values.real.dtype).reshape(values.shape[0], -1)
    with np.errstate(over="ignore", under="ignore"):
        scaled = np.ldexp(real, exponents[:, None])
    return np.ascontiguousarray(scaled).view(values.dtype).reshape(values.shape)


def _row_of_entry(pattern: Pattern) -> NDArray[np.intp]:
    begin = pattern.indptr.astype(np.intp)
    return np.repeat(np.arange(pattern.size), begin[1:] - begin[:-1])


def _exponents(data: NDArray[Any]) -> Exponents:
    real, imaginary = np.abs(data.real), np.abs(data.imag)
    larger = np.maximum(real, imaginary)
    exponents: Exponents = np.frexp(larger)[1].astype(np.int32)
    exponents[larger == 0.0] = _NOTHING
    return exponents
