"""A matrix and what is known of it: shared by all instances that have it, and kept for when it comes again."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np

from reiterate.linear.null_space import NullSpace
from reiterate.linear.operator import Operator, SparseOperator
from reiterate.linear.pattern import Pattern
from reiterate.linear.traits import LinearTraits
from reiterate.linear.vectors import Vector


class Knowledge:
    """What is known of one matrix, however often it comes; revelations change it. Without the matrix.

    Attributes
    ----------
    traits : LinearTraits
    """

    def __init__(self, traits: LinearTraits) -> None:
        self.traits = traits


class Facts:
    """A matrix and what is known of it: shared by all instances that have it.

    Attributes
    ----------
    A
        The matrix as a SciPy CSR object, float64 or complex128.
    pattern : Pattern
    diagonal : array of shape (n,) or None
        Where the whole diagonal is stored.
    knowledge : Knowledge
        Shared by the facts of all matrices that were recognized as this one.
    features : dict of str to float
        Numbers that may predict what a method costs.
    version
        Equal for equal matrices of one stream.
    data : array of shape (nnz,)
        The entries; none where only products are known.
    null_space : NullSpace or None
        What A is known to map to zero.
    """

    def __init__(
        self,
        A: Any,
        pattern: Pattern,
        diagonal: Vector | None,
        known: LinearTraits | Knowledge,
        features: Mapping[str, float],
        version: Hashable = None,
        operator: Operator | None = None,
        null_space: NullSpace | None = None,
    ) -> None:
        self.A = A
        self.data: Vector = A.data if operator is None else np.empty(0)
        self._operator: Callable[[], Operator | None] = lambda: operator
        self.pattern = pattern
        self.diagonal = diagonal
        self.knowledge = known if isinstance(known, Knowledge) else Knowledge(known)
        self.features = dict(features)
        self.version = version
        self.null_space = null_space

    @property
    def traits(self) -> LinearTraits:
        """What is known of A before solving."""
        return self.knowledge.traits

    def operator(self, data: Vector, threads: int) -> Operator:
        """Products with A: by one operator, and one copy of the entries, for all instances that are there at a time.

        They ask for the same number of threads, that of their door, and pass on the entries, which may have been let go
        of since.
        """
        operator = self._operator()
        if operator is None:
            operator = SparseOperator(self.pattern, data, threads)
            self._operator = weakref.ref(operator)
        return operator

    def release(self) -> None:
        """Let go of the entries, which are the caller's; what was found out about them stays."""
        if self.A is not None and self.traits.entries:
            self.A, self.data = None, np.empty(0)
