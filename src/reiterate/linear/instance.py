"""A sparse linear system as an instance: its numbers, its scale, its merit, and what is known of it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from reiterate.contracts import Obstacle
from reiterate.linear.facts import Facts
from reiterate.linear.forecast import difficulty
from reiterate.linear.obstacle import zero_line_obstacle
from reiterate.linear.operator import Operator
from reiterate.linear.pinning import pinned
from reiterate.linear.residual import UNIT_ROUNDOFF, residual_of, rounding_errors_of
from reiterate.linear.scale import exponent_of, scale
from reiterate.linear.traits import LinearTraits
from reiterate.linear.vectors import Vector, norm

__all__ = ["LinearInstance", "Vector"]


class LinearInstance:
    """The system A x = b, solved when ‖b − A x‖ ≤ max(rtol ‖b‖, atol).

    Its merit is ‖b − A x‖ / ‖b‖ (for b = 0: ‖A x‖), computed in double precision from the caller's arrays by a kernel
    that no iteration uses, or by SciPy's product where that kernel does not apply.

    Where ‖b‖ is so large or small that its square would leave double precision's range, the instance is
    A y = σ b with a power of two σ, and its iterates are y = σ x: see :meth:`enter` and :meth:`leave`.

    Attributes
    ----------
    A, pattern, diagonal, data
        The matrix: a SciPy CSR object, its pattern, its diagonal where that is full, and its entries.
    b : array of shape (n,)
        The right-hand side, times σ.
    norm_b : float
        ‖b‖, or 1 where b = 0: what turns an absolute residual norm into the merit.
    trivial : bool
        b = 0, so that the solution is zero, whatever the guess and however singular A is.
    memory_limit : int or None
        Bytes that a factorization may take; ``None`` leaves it to the method.
    deadline : float or None
        When, by ``time.perf_counter()``, factoring is to be given up.
    recycles : bool
        Whether methods may use what solves of earlier instances have learnt.
    look : function or None
        Finds the features of an instance, which compare it with the last one that was looked at.
    threads : int
        Parts into which iterations may cut their work, for as many threads.
    moderate : bool
        Whether the numbers are of a size that can be iterated on.
    """

    memory_limit: int | None = None
    deadline: float | None = None
    recycles: bool = True
    moderate: bool = True
    look: Callable[[LinearInstance], Mapping[str, float]] | None = None
    _features: Mapping[str, float] | None = None
    _known: tuple[Vector, Vector, float] | None = None
    _operator: Operator | None = None

    def __init__(
        self,
        facts: Facts,
        b: Vector,
        *,
        context: Mapping[str, float],
        rtol: float,
        atol: float,
        threads: int = 1,
        size: float | None = None,
    ) -> None:
        """``size``: the norm of ``b``, where it is known."""
        self.threads = threads
        self._facts = facts
        norm_b = norm(b) if size is None else size
        self.trivial = norm_b == 0.0 and not b.any()
        self._exponent = exponent_of(b, norm_b, atol)
        self.b = b
        if self._exponent:
            self.b = self.enter(b)
            norm_b, atol = norm(self.b), scale(atol, -self._exponent)
        self.A = facts.A
        self.pattern = facts.pattern
        self.diagonal = facts.diagonal
        self.data: Vector = facts.data
        self._context = dict(context)
        # Next to a much larger atol, b counts as zero: the merit is then an absolute one.
        relative = norm_b > 0.0 and math.isfinite(atol / norm_b)
        self.norm_b = norm_b if relative else 1.0
        self._target = max(rtol, atol / norm_b) if relative else atol

    @property
    def operator(self) -> Operator:
        """Products with A, by the kernels that iterate."""
        if self._operator is None:
            self._operator = self._facts.operator(self.data, self.threads)
        return self._operator

    @operator.setter
    def operator(self, operator: Operator) -> None:
        self._operator = operator

    @property
    def traits(self) -> LinearTraits:
        """What is known of A."""
        return self._facts.knowledge.traits

    @property
    def context(self) -> Mapping[str, float]:
        """The user's numbers, then the features that come with the matrix."""
        return self._context

    @property
    def features(self) -> Mapping[str, float]:
        """Norms of A and b, and how far they have changed: see :class:`~reiterate.linear.changes.Changes`."""
        if self._features is None:
            self._features = {} if self.look is None else self.look(self)
        return self._features

    @property
    def version(self) -> Hashable:
        """Equal for instances with the same matrix."""
        return self._facts.version

    @property
    def kind(self) -> Hashable:
        """One right-hand side, and the size of A within a factor of two."""
        return 1, max(self.traits.nnz, self.traits.size).bit_length()

    @property
    def target(self) -> float:
        """Relative residual to reach."""
        return self._target

    @property
    def coupling(self) -> float:
        """Mean of Σ|a_ij| / |a_ii| off the diagonal; infinite where it is not known."""
        return self._facts.features.get("coupling", math.inf)

    def difficulty(self) -> float:
        """Iterations that CG with Jacobi might take."""
        return difficulty(self)

    @property
    def projected(self) -> bool:
        """Whether b was projected onto the range of a singular A."""
        return self._facts.null_space is not None

    def normalize(self, x: Vector) -> Vector:
        """Of all solutions, the one that is promised: without a component in the known null space of A."""
        null_space = self._facts.null_space
        return x if null_space is None else null_space.project(x)

    @property
    def square_threshold(self) -> float:
        """The target as a bound on ‖b − A x‖², for kernels."""
        return (self._target * self.norm_b) ** 2

    @property
    def scaled(self) -> bool:
        """Whether the instance's scale is not the caller's."""
        return self._exponent != 0

    def enter(self, x: Vector) -> Vector:
        """A vector in the instance's own scale."""
        return x if self._exponent == 0 else scale(x, -self._exponent)

    def leave(self, y: Vector) -> Vector:
        """A vector in the caller's scale."""
        return y if self._exponent == 0 else scale(y, self._exponent)

    @property
    def unknowns(self) -> int:
        """Those of the caller's system; :meth:`restrict` and :meth:`complete` lead to those that are iterated on."""
        return int(self.b.shape[0])

    @property
    def owned(self) -> bool:
        """Whether its numbers are copies, so that no caller overwrites them."""
        return False

    def restrict(self, x: Vector) -> Vector:
        """The part of a caller's vector that is iterated on: all of it."""
        return x

    def complete(self, x: Vector) -> Vector:
        """All of the caller's unknowns, from those that are iterated on: the same ones."""
        return x

    def pinned(self) -> LinearInstance:
        """The instance with a regular matrix, if A is known to be singular; else itself.

        For a right-hand side in the range of A its solution solves A x = b: see :mod:`~reiterate.linear.pinning`.
        """
        if self._facts.null_space is None:
            return self
        facts = pinned(self.A, self._facts)
        twin = copy.copy(self)
        twin.A, twin.pattern, twin.data, twin.diagonal = facts.A, facts.pattern, facts.data, facts.diagonal
        twin.operator, twin._known = facts.operator(facts.data, self.threads), None
        twin._facts = facts
        return twin

    def detached(self) -> LinearInstance:
        """The same system with numbers and knowledge of its own: whatever becomes of the caller's arrays.

        What is solved with it teaches the stream nothing.
        """
        pattern, data = self.pattern, self.data.copy()
        index = pattern.indices.view(np.int32), pattern.indptr.view(np.int32)
        facts = self._facts
        twin = copy.copy(self)
        twin.A, twin.data, twin.b = type(self.A)((data, *index), shape=self.A.shape), data, self.b.copy()
        twin.diagonal = None if self.diagonal is None else self.diagonal.copy()
        twin._facts = Facts(
            twin.A, pattern, twin.diagonal, self.traits, facts.features, facts.version, null_space=facts.null_space
        )
        twin._operator, twin._known, twin.deadline, twin.recycles = None, None, None, False
        twin._features, twin.look = None, None
        return twin

    def origin(self) -> Vector:
        """Zero, whose merit is 1."""
        return np.zeros(self.b.size, dtype=self.b.dtype)

    def merit(self, x: Vector) -> float:
        """‖b − A x‖ / ‖b‖."""
        return norm(residual_of(self.A, self.normalize(x), self.b)) / self.norm_b

    def residual(self, x: Vector, out: Vector) -> tuple[Vector, float]:
        """The residual b − A x, in ``out`` or in another array that is the caller's from now on, and its squared norm.

        No product is made for an ``x`` that :meth:`know_residual` was told about: the same array, not one like it.
        """
        known, self._known = self._known, None
        if known is not None and known[0] is x:
            return known[1], known[2]
        return out, self.operator.residual(x, self.b, out)

    def know_residual(self, x: Vector, r: Vector, square: float) -> None:
        """Keep for the method that begins at ``x``, which stays as it is, that b − A x is ``r``, and its square."""
        self._known = x, r, square

    def rounding_level(self, x: Vector) -> float:
        """The merit that rounding errors of the residual itself amount to: u ‖ |A||x| + |b| ‖ / ‖b‖."""
        x = self.normalize(x)
        if self.traits.entries:
            return rounding_errors_of(self.A, x, self.b) / self.norm_b
        with np.errstate(over="ignore", invalid="ignore"):
            return UNIT_ROUNDOFF * (norm(self.A @ x) + norm(self.b)) / self.norm_b

    def reveal(self, revealed: Mapping[str, Any]) -> None:
        """Correct the traits, e.g. ``{"definite": False}`` after a direction of negative curvature."""
        self._facts.knowledge.traits = replace(self.traits, **revealed)

    def obstacle(self) -> Obstacle | None:
        """Why A is singular, where its pattern says so and no null space is known."""
        traits = self.traits
        if self.projected or not traits.structurally_singular:
            return None
        if traits.zero_line:
            return zero_line_obstacle(self.A, self.b, self.target * self.norm_b)
        return Obstacle(
            f"the matrix is structurally singular: structural rank {traits.structural_rank} of {traits.size}",
            "check where its entries are",
        )
