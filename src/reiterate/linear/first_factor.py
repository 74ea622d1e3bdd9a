"""Which engine factors a pattern for the first time."""

from __future__ import annotations

from typing import Final

from reiterate.linear.pattern import Pattern

_SMALL: Final = 1500  # unknowns, up to which it is SuperLU whatever the pattern
_IN_THE_PLANE: Final = ((5_000, 9.0), (30_000, 5.5))
"""Unknowns up to which it is SuperLU in the plane, where rows have so many entries at most."""


def quick_by_superlu(pattern: Pattern) -> bool:
    """Whether SuperLU factors a new pattern faster than rslab, whose analysis is made for many factorizations.

    Measured on 18 patterns: there SuperLU takes 0.5 to 0.75 of the time for the first, and 0.55 to 1 of the time for a
    solve; but twice the time for each factorization that follows.
    """
    if pattern.size <= _SMALL:
        return True
    few = any(pattern.size <= most and pattern.nnz <= entries * pattern.size for most, entries in _IN_THE_PLANE)
    return few and pattern.planar
