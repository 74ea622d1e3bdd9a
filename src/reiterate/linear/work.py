"""Counted work, in units of the memory traffic of one matrix-vector product.

Traffic is what sparse iterations cost; so a count is comparable between the methods of this package and
free of any clock.
"""

from __future__ import annotations

from reiterate.linear.pattern import Pattern

_ENTRY = 12.0  # bytes of a stored entry: a float64 and a 32-bit column
_MATVEC_ROW = 20.0  # indptr, x, y


def traffic(pattern: Pattern, *, entries: float, row_bytes: float) -> float:
    """Bytes moved by a pass that reads ``entries`` times the stored entries and ``row_bytes`` a row."""
    return _ENTRY * entries * pattern.nnz + row_bytes * pattern.size


def in_matvecs(pattern: Pattern, moved: float) -> float:
    """Bytes moved, in units of one matrix-vector product."""
    return moved / traffic(pattern, entries=1.0, row_bytes=_MATVEC_ROW)
