"""The door for linear systems: what SciPy calls a sparse matrix comes in, an instance or a clear refusal comes out.

Nothing that the caller owns is ever modified.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reiterate.linear.admission import (
    admit_block,
    admit_canonical,
    admit_context,
    admit_csr,
    admit_numbers,
    admit_vector,
    check_tolerances,
    finite_norm,
)
from reiterate.linear.block import Block
from reiterate.linear.changes import Changes
from reiterate.linear.columns import Columns
from reiterate.linear.condensed import CondensedFacts, CondensedInstance
from reiterate.linear.facts import Facts
from reiterate.linear.free import admit_operator, inspect_operator, is_free
from reiterate.linear.given_null_space import GivenNullSpace
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.known_matrices import KnownMatrices
from reiterate.linear.known_patterns import KnownPatterns
from reiterate.linear.vectors import norm


class Door:
    """Admits the systems of one stream; what it has learnt of the last few patterns and matrices is then free.

    With a ``null_space``, see :class:`~reiterate.linear.given_null_space.GivenNullSpace`, every right-hand side is
    projected onto the range of A. ``memory_limit``, ``threads`` and ``recycles`` are passed on to the instances. A door
    that does not recognize matrices knows no versions.

    A system A x = b with a symmetric A whose diagonal is negative, such as a discrete ∇², becomes −A x = −b, so that
    methods for positive definite matrices apply: it has the same solution, and every x the same residual.

    A door that ``condenses`` admits only what is left of A, where rows or columns have nothing but a diagonal entry, as
    Dirichlet conditions make them, and the rest is symmetric: see :mod:`~reiterate.linear.condensation`. Iterates are
    then shorter than b.
    """

    def __init__(
        self,
        null_space: ArrayLike | tuple[ArrayLike, ArrayLike] | None = None,
        memory_limit: int | None = None,
        threads: int = 1,
        *,
        recognizes: bool = True,
        recycles: bool = True,
        condenses: bool = False,
    ) -> None:
        self._recycles = recycles
        self._null_space = None if null_space is None else GivenNullSpace(null_space)
        self._memory_limit = memory_limit
        self._threads = threads
        self._patterns = KnownPatterns()
        self._matrices = KnownMatrices(self._patterns, self._null_space, recognizes=recognizes, condenses=condenses)
        self._look = Changes().look

    def admit(
        self, A: Any, b: ArrayLike, context: Mapping[str, float] | None, *, rtol: float, atol: float
    ) -> LinearInstance:
        """The system as an instance.

        Parameters
        ----------
        A : SciPy sparse matrix or array, any format, or a dense 2-D array, or an object with ``matvec``; shape (n, n)
        b : array-like of shape (n,)
        context : named numbers, or None
        rtol, atol : float

        Raises
        ------
        InvalidInput
            Naming the argument, what is wrong with it and what would be right.
        """
        check_tolerances(rtol, atol)
        given = admit_context(context)
        matrix, free, number = self._admit(A)
        rhs, size = admit_vector("b", b, matrix.shape[0], matrix.dtype)
        facts = self._free_facts(matrix) if free else self._matrices.facts(matrix, number)
        instance = self._instance(facts, matrix, rhs, _with_features(given, facts), rtol, atol, size)
        if not instance.moderate:
            facts = self._matrices.facts(matrix, number, whole=True)
            return self._instance(facts, matrix, rhs, _with_features(given, facts), rtol, atol, size)
        return instance

    def admit_block(
        self, A: Any, B: ArrayLike, context: Mapping[str, float] | None, *, rtol: float, atol: float
    ) -> Columns:
        """The systems as one instance, and how its columns become those of the caller.

        Parameters
        ----------
        A, context, rtol, atol : as for :meth:`admit`
        B : array-like of shape (n,) or (n, k), k > 0; may be complex where A is real

        Raises
        ------
        InvalidInput
            As :meth:`admit`.
        """
        check_tolerances(rtol, atol)
        given = admit_context(context)
        matrix, free, number = self._admit(A)
        block = admit_block("b", B, matrix.shape[0])
        facts = self._free_facts(matrix) if free else self._matrices.facts(matrix, number)
        columns = self._columns(facts, matrix, block, _with_features(given, facts), rtol, atol)
        if not all(column.moderate for column in columns):
            facts = self._matrices.facts(matrix, number, whole=True)
            columns = self._columns(facts, matrix, block, _with_features(given, facts), rtol, atol)
        halved = block.dtype.kind == "c" and matrix.dtype.kind != "c"
        return Columns(facts, columns, _with_features(given, facts), np.shape(B), halved=halved)

    def _columns(
        self, facts: Facts, matrix: Any, block: Block, context: Mapping[str, float], rtol: float, atol: float
    ) -> list[LinearInstance]:
        """Every column as an instance; two, where it is complex and A is real."""
        halved = block.dtype.kind == "c" and matrix.dtype.kind != "c"
        columns: list[LinearInstance] = []
        for j in range(block.shape[1]):
            rhs = np.ascontiguousarray(block[:, j])
            if halved:
                # Real and imaginary part may each leave as much as their squares share what is allowed.
                allowed = max(rtol * self._norm_to_meet(rhs, facts), atol) / math.sqrt(2.0)
                parts = (rhs.real.copy(), rhs.imag.copy())
                columns.extend(self._instance(facts, matrix, part, context, 0.0, allowed) for part in parts)
            else:
                rhs = rhs.astype(matrix.dtype, copy=False)
                columns.append(self._instance(facts, matrix, rhs, context, rtol, atol))
        return columns

    def _norm_to_meet(self, rhs: Vector, facts: Facts) -> float:
        """‖b‖, or ‖P b‖ where the residual is to be that of the projected b."""
        size = finite_norm(rhs)
        if self._null_space is not None and facts.null_space is not None:
            return finite_norm(facts.null_space.project_range(rhs))
        return size

    def _instance(
        self,
        facts: Facts,
        matrix: Any,
        rhs: Vector,
        context: Mapping[str, float],
        rtol: float,
        atol: float,
        size: float | None = None,
    ) -> LinearInstance:
        """``size``: the norm of ``rhs``, where it is known."""
        size = finite_norm(rhs, size)
        instance: LinearInstance
        if isinstance(facts, CondensedFacts):
            instance = CondensedInstance(
                facts, matrix, rhs, context=context, rtol=rtol, atol=atol, threads=self._threads, size=size
            )
        else:
            rhs = -rhs if facts.traits.negated else rhs
            if facts.null_space is not None:
                rhs, rtol, atol = facts.null_space.admit(rhs, rtol, atol, insist=self._null_space is not None)
                size = norm(rhs)
            instance = LinearInstance(
                facts, rhs, context=context, rtol=rtol, atol=atol, threads=self._threads, size=size
            )
        instance.memory_limit, instance.recycles, instance.look = self._memory_limit, self._recycles, self._look
        return instance

    def _admit(self, A: Any) -> tuple[Any, bool, int | None]:
        """The matrix, or the operator; whether it is only an operator; the number of its pattern if that is known."""
        if is_free(A):
            return admit_operator(A), True, None
        matrix = admit_csr(A)
        # SciPy's look at the format takes longer than recognizing a pattern, of which it is known.
        number = self._patterns.recognize(matrix)
        return (admit_canonical(matrix) if number is None else admit_numbers(matrix)), False, number

    def _free_facts(self, operator: Any) -> Facts:
        facts = inspect_operator(operator)
        facts.null_space = self._matrices.null_space_of(operator, facts.pattern, facts.traits)
        return facts


def _with_features(given: Mapping[str, float], facts: Facts) -> dict[str, float]:
    # The user's numbers come first: learners of one variable condition on the first.
    return {**given, **{name: value for name, value in facts.features.items() if name not in given}}
