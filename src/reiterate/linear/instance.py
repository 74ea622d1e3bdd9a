"""A sparse linear system as an instance: its traits, its context, and its true residual."""

from __future__ import annotations

import copy
import math
import weakref
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from reiterate.contracts import Obstacle
from reiterate.linear import elementary
from reiterate.linear.forecast import difficulty
from reiterate.linear.null_space import NullSpace
from reiterate.linear.obstacle import zero_line_obstacle
from reiterate.linear.operator import Operator, SparseOperator
from reiterate.linear.pattern import Pattern
from reiterate.linear.vectors import Vector, norm

__all__ = ["Facts", "LinearInstance", "LinearTraits", "Vector", "norm"]

_UNIT_ROUNDOFF = np.finfo(np.float64).eps / 2
_COMFORTABLE_EXPONENT = 300  # squares of such numbers, and products of those with entries of A, are far from overflow


@dataclass(frozen=True, slots=True)
class LinearTraits:
    """What is known of A before solving.

    Attributes
    ----------
    size, nnz : int
        Unknowns; stored entries.
    symmetric : bool
        A = Aᵀ up to rounding (not conjugated where A is complex).
    full_diagonal : bool
        No zero on the diagonal.
    positive_diagonal : bool
        Every diagonal entry is positive: necessary for positive definiteness.
    definite : bool or None
        Whether A is positive definite, or semidefinite where its null space is known; ``None`` while nothing speaks
        against it.
    complex : bool
        Whether A has complex entries.
    entries : bool
        Whether the entries of A are known; else it is only a function that multiplies.
    constant_null_space : bool
        A 1 = 0 up to rounding, as for a pressure equation with pure Neumann conditions: A is singular, and
        positive *semi*definite at best.
    self_adjoint : bool
        A = Aᴴ up to rounding, where A is complex.
    zero_line : bool
        A row or column has no entry but zeros: A is singular whatever the others are. Where b is in its range, Krylov
        methods without a preconditioner solve it.
    negated : bool
        The caller's matrix is −A, symmetric with a negative diagonal: what is said here is said of A.
    presumed_indefinite : bool
        Not a fact: the last matrices of this pattern have turned out not to be definite.
    structural_rank : int or None
        Where it has been found to be less than ``size``: A is singular whatever its entries are.
    """

    size: int
    nnz: int
    symmetric: bool
    full_diagonal: bool
    positive_diagonal: bool
    definite: bool | None = None
    complex: bool = False
    entries: bool = True
    constant_null_space: bool = False
    self_adjoint: bool = False
    zero_line: bool = False
    negated: bool = False
    presumed_indefinite: bool = False
    structural_rank: int | None = None

    def __str__(self) -> str:
        """What the caller's matrix is, in words, as far as methods ask for it."""
        what = "matrix" if self.entries else "operator of which only products are known,"
        kind = "Hermitian" if self.complex and self.hermitian else "symmetric" if self.symmetric else "nonsymmetric"
        field = "complex" if self.complex else "real"
        words = f"{field} {kind} {what} of {self.size} rows"
        if self.entries:
            sign = "negative" if self.negated else "positive"
            diagonal = f"a {sign} diagonal" if self.positive_diagonal else "a diagonal that is not positive"
            words += f" with {diagonal if self.full_diagonal else 'zeros on its diagonal'}"
        disproved = self.hermitian and self.definite is False
        return f"a {words}{', which is not definite' if disproved else ''}"

    @property
    def hermitian(self) -> bool:
        """A = Aᴴ up to rounding: symmetric where A is real."""
        return self.self_adjoint if self.complex else self.symmetric

    @property
    def structurally_singular(self) -> bool:
        """Whether A is singular because of where its entries are."""
        return self.zero_line or self.structural_rank is not None

    @property
    def maybe_definite(self) -> bool:
        """Whether a method for Hermitian positive (semi)definite systems, real or complex, may be tried."""
        return self.hermitian and self.positive_diagonal and self.definite is not False

    @property
    def likely_definite(self) -> bool:
        """Whether it is also worth trying."""
        return self.maybe_definite and not self.presumed_indefinite


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
        self._exponent = _exponent_of(b, norm_b, atol)
        self.b = b
        if self._exponent:
            self.b = self.enter(b)
            norm_b, atol = norm(self.b), _scale(atol, -self._exponent)
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
        return x if self._exponent == 0 else _scale(x, -self._exponent)

    def leave(self, y: Vector) -> Vector:
        """A vector in the caller's scale."""
        return y if self._exponent == 0 else _scale(y, self._exponent)

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

        A + Σ δ_i e_{R_i} e_{C_i}ᵀ with the pins of the null space: for a right-hand side in the range of A its
        solution solves A x = b. Each δ_i is the diagonal entry where it can be, so that what is semidefinite becomes
        definite, else as large as the largest entry of its row.
        """
        null_space = self._facts.null_space
        if null_space is None:
            return self
        rows, columns = null_space.pins
        pattern, kept, added = self.pattern.with_entries(rows, columns)
        data = np.zeros(pattern.nnz, dtype=self.data.dtype)
        data[kept] = self.data
        with np.errstate(over="ignore"):
            data[added] += _sizes_of_pins(self.A, rows, columns, data[added])
        diagonal = data[pattern.position] if pattern.full_diagonal else None
        mirrored = np.array_equal(rows, columns)
        traits = replace(
            self.traits,
            nnz=pattern.nnz,
            symmetric=self.traits.symmetric and mirrored,
            self_adjoint=self.traits.self_adjoint and mirrored,
            full_diagonal=diagonal is not None and bool(np.all(diagonal)),
            constant_null_space=False,
        )
        index = pattern.indices.view(np.int32), pattern.indptr.view(np.int32)
        A = type(self.A)((data, *index), shape=self.A.shape)
        twin = copy.copy(self)
        twin.A, twin.pattern, twin.data, twin.diagonal = A, pattern, data, diagonal
        twin.operator, twin._known = SparseOperator(pattern, data, self.threads), None
        twin._facts = Facts(A, pattern, diagonal, traits, self._facts.features)
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
            return _UNIT_ROUNDOFF * (norm(self.A @ x) + norm(self.b)) / self.norm_b

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


def residual_of(A: Any, x: Vector, b: Vector) -> Vector:
    """The residual b − A x, by a kernel that no iteration uses, or by SciPy's product."""
    r = _recomputed_residual(A, x, b) if sp.issparse(A) else None
    if r is None:
        with np.errstate(over="ignore", invalid="ignore"):
            r = np.asarray(b - A @ x)
    return r


def rounding_errors_of(A: Any, x: Vector, b: Vector) -> float:
    """What rounding errors of the residual b − A x amount to: u ‖ |A||x| + |b| ‖."""
    with np.errstate(over="ignore", invalid="ignore"):
        return _UNIT_ROUNDOFF * norm(abs(A) @ np.abs(x) + np.abs(b))


def _recomputed_residual(A: Any, x: Vector, b: Vector) -> Vector | None:
    """The residual b − A x; ``None`` where the arrays are of another kind than usual."""
    indptr, indices, data = A.indptr, A.indices, A.data
    usual = indices.dtype == indptr.dtype == np.int32 and x.dtype == b.dtype == data.dtype
    if not (usual and indptr.flags.carray and indices.flags.carray and data.flags.carray and x.flags.carray):
        return None
    r = np.empty_like(b)
    elementary.recompute_residual((indptr.view(np.uint32), indices.view(np.uint32), data), x, b, r)
    return r


def _sizes_of_pins(A: Any, rows: NDArray[Any], columns: NDArray[Any], present: Vector) -> Vector:
    largest = abs(A[rows]).max(axis=1).toarray().ravel()
    largest[largest == 0.0] = 1.0
    return np.where((rows == columns) & (present != 0.0), present, largest)


def _exponent_of(b: Vector, norm_b: float, atol: float) -> int:
    """Of the power of two to divide by, so that squares of the norm of b stay in range; 0 where they are anyway."""
    if 2.0**-_COMFORTABLE_EXPONENT < max(norm_b, atol) < 2.0**_COMFORTABLE_EXPONENT:
        return 0
    parts = (b.real, b.imag) if b.dtype.kind == "c" else (b,)
    return math.frexp(max(atol, *(float(np.abs(part).max(initial=0.0)) for part in parts)))[1]


def _scale(x: Any, exponent: int) -> Any:
    """Multiply by 2^exponent, in two steps, because the power itself may leave the range."""
    if np.iscomplexobj(x):
        # Part by part: the product of an infinite part with a complex number is no number.
        scaled = np.empty_like(x)
        scaled.real, scaled.imag = _scale(x.real, exponent), _scale(x.imag, exponent)
        return scaled
    half = exponent // 2
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return x * math.ldexp(1.0, half) * math.ldexp(1.0, exponent - half)
