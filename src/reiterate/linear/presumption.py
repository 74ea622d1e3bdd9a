"""Whether a new matrix is likely to be positive definite, from what was revealed of others with its pattern."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reiterate.linear.facts import Facts, Knowledge

_LONGEST = 9
_ROUNDING = 1e-12


class Presumption:
    """Carries over to the next matrices of a stream what attempts have revealed of the last one.

    After the k-th matrix in a row that was taken for definite and turned out not to be, the next 2^(k + 1) − 1 are
    presumed indefinite (at most 1,023), so that T such matrices cost O(log T) vain attempts. The k is one less for
    every matrix of which nothing was revealed, and nothing is presumed of one whose diagonal dominates, or after one
    that a factorization has proved definite. A presumption only guides what is worth trying; it is no fact.
    """

    def __init__(self) -> None:
        self._latest: Knowledge | None = None  # without the matrix, which is the caller's to let go of
        self._failures = 0
        self._left = 0

    def judge(self, facts: Facts) -> None:
        """Write to the traits of a matrix that has not been solved with yet what is presumed of it."""
        self._learn()
        self._latest = facts.knowledge
        if self._left > 0 and facts.traits.maybe_definite and not _is_dominant(facts):
            self._left -= 1
            facts.knowledge.traits = replace(facts.traits, presumed_indefinite=True)

    def _learn(self) -> None:
        """Take in what has become known of the matrix before."""
        if self._latest is None:
            return
        traits = self._latest.traits
        if traits.definite is True:
            self._failures = self._left = 0
        elif traits.presumed_indefinite:
            return
        elif traits.definite is False:
            self._failures = min(self._failures + 1, _LONGEST)
            self._left = 2 ** (self._failures + 1) - 1
        elif traits.maybe_definite:
            self._failures = max(self._failures - 1, 0)


def _is_dominant(facts: Facts) -> bool:
    """Whether a positive diagonal dominates strictly, which proves a symmetric matrix positive definite."""
    if facts.diagonal is None or not facts.features.get("coupling", 1.0) < 1.0:
        return False  # the mean over the rows is below 1 where every row is
    sums = np.asarray(abs(facts.A).sum(axis=1)).ravel()
    return bool(np.all(sums < (2.0 - _ROUNDING) * facts.diagonal))
