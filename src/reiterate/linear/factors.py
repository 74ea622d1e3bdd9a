"""Sparse direct factors: one interface to several engines, every factorization checked before it is trusted.

An engine is one subclass of :class:`Factor` in a file ``factor_….py`` and one name in
:mod:`reiterate.linear.factor_engines`.
"""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import structural_rank

from reiterate.errors import Breakdown, InvalidInput, OutOfTime
from reiterate.linear.factor_memory import TooLarge, memory_limit_of, refuse_beyond
from reiterate.linear.instance import LinearInstance

Inertia = tuple[int, int, int]

_PROBE_TOLERANCE = 1e-10
_PROBE_REFINEMENTS = 2
_UNIT_ROUNDOFF = np.finfo(np.float64).eps / 2


class StructurallySingular(Breakdown):
    """No choice of the numbers would make the matrix regular; no other engine can help."""


class Factor(ABC):
    """Triangular factors of one matrix, and the symbolic analysis of its pattern.

    A subclass supplies the class variables, ``__init__``, which analyzes and factors, and the methods below; it sets
    ``nnz``, ``memory`` and ``reads``.

    Attributes
    ----------
    title, package, remedy : str
        The engine's name; what must be importable; how to install it.
    variants : int
        How many ways of factoring it has, the fastest first and the most careful last.
    threads : bool
        Whether it keeps threads, which a forked process does not have.
    pattern : Pattern
    size : int
    dtype
        float64 or complex128.
    symmetric : bool
        Whether it was made for a symmetric matrix.
    data : array of shape (nnz of A,) or None
        The numbers that were factored; ``None`` while the factors are not valid.
    nnz, memory : int
        Entries of the factors; bytes held.
    reads : int
        How often a solve reads each entry: twice for L D Lᵀ, once for L U.
    perturbed : int
        Pivots that were replaced by larger ones, so that the factors are those of another matrix nearby.
    condition : float
        A lower bound of the condition number ‖A⁻¹‖‖A‖ (maximum norm) of A with its rows scaled to unit sums.
    setup_traffic : float
        Bytes moved by the factorization that was made last, from its fill: 12 nnz²/n.
    refreshes : int
        How often new numbers were factored since the analysis.
    provisional : bool
        Whether another engine is to take over where numbers change often.
    """

    title: ClassVar[str]
    package: ClassVar[str]
    remedy: ClassVar[str]
    variants: ClassVar[int] = 1
    nnz: int
    memory: int
    threads: ClassVar[bool] = True
    reads: int = 1
    perturbed: int = 0
    refreshes: int = 0
    provisional: bool = False

    def __init__(self, instance: LinearInstance, memory_limit: int, variant: int = 0) -> None:
        self.pattern = instance.pattern
        self.size = instance.pattern.size
        self.dtype = instance.data.dtype
        self.symmetric = instance.traits.symmetric
        self.data: NDArray[Any] | None = None
        self.condition = 1.0
        self.setup_traffic = 0.0

    @abstractmethod
    def refresh(self, instance: LinearInstance) -> None:
        """Factor new numbers on the same pattern; symbolic work is not repeated."""

    @abstractmethod
    def solve(self, r: NDArray[Any]) -> NDArray[Any]:
        """A⁻¹ r, shape (n,), as a new array."""

    @abstractmethod
    def solve_many(self, R: NDArray[Any]) -> NDArray[Any]:
        """A⁻¹ R, shape (n, k), as a new array."""

    @abstractmethod
    def solve_transposed(self, r: NDArray[Any]) -> NDArray[Any]:
        """A⁻ᵀ r (not conjugated), shape (n,), as a new array."""

    def inertia(self) -> Inertia | None:
        """Numbers of positive, negative and zero pivots of a real L D Lᵀ: A's eigenvalues, up to rounding, by sign."""
        return None

    @classmethod
    def available(cls) -> bool:
        """Whether the engine is installed."""
        return importlib.util.find_spec(cls.package) is not None

    @property
    def traffic(self) -> float:
        """Bytes that a solve moves."""
        return float(self.reads) * (self.dtype.itemsize + 4.0) * self.nnz

    @property
    def indefinite(self) -> bool:
        """Whether the inertia proves that A is not positive definite: it says so, and rounding cannot explain it."""
        inertia = self.inertia()
        return inertia is not None and self._trusted and inertia[0] < self.size

    @property
    def definite(self) -> bool:
        """Whether the inertia proves that A is positive definite."""
        inertia = self.inertia()
        return inertia is not None and self._trusted and not self.perturbed and inertia[0] == self.size

    @property
    def _trusted(self) -> bool:
        """Whether rounding cannot have changed the sign of a pivot."""
        return bool(self.condition * self.size * _UNIT_ROUNDOFF < 1e-2)

    def holds(self, instance: LinearInstance) -> bool:
        """Whether these are the factors of this very matrix."""
        if self.data is None or not self.fits(instance):
            return False
        return np.array_equal(self.data, instance.data)

    def serves(self, instance: LinearInstance) -> bool:
        """Whether they are valid factors of a matrix of this size and kind."""
        return self.data is not None and self.size == instance.pattern.size and self.dtype == instance.data.dtype

    def fits(self, instance: LinearInstance) -> bool:
        """Whether the symbolic analysis is that of this matrix."""
        return (
            self.pattern is instance.pattern
            and self.dtype == instance.data.dtype
            and self.symmetric == instance.traits.symmetric
        )


def factorize(
    instance: LinearInstance, engine: type[Factor], previous: Factor | None = None, memory_limit: int | None = None
) -> Factor:
    """Factors of the instance's matrix (pinned, where known to be singular) by one engine, checked by :func:`probe`.

    Parameters
    ----------
    instance
    engine
    previous
        Factors of an earlier instance. They are returned where the numbers are the same; refreshed in place, with no
        symbolic work, where the pattern is; and ignored otherwise, or where refreshing them does not work.
    memory_limit
        Bytes that factoring may take by the estimate that is made before it, and the factors when they are there; an
        instance's own limit comes first.

    Raises
    ------
    Breakdown
        The matrix is singular, or too large, or the factors did not stand the check.
    OutOfTime
        A kind of :class:`Breakdown`: the instance's deadline would be, or has been, missed. Where an engine cannot be
        stopped half-way, an estimate made before it decides.
    InvalidInput
        The engine is not installed.
    """
    if not engine.available():
        raise InvalidInput("methods", f"{engine.title} is not installed; {engine.remedy}")
    limit = memory_limit_of(instance, memory_limit)
    instance = instance.pinned()
    if isinstance(previous, engine) and previous.fits(instance):
        if instance.version is not None and previous.holds(instance):
            previous.setup_traffic = 0.0
            return previous
        previous.data = None
        try:
            previous.refresh(instance)
            previous.refreshes += 1
            return _accept(previous, instance, limit)
        except (TooLarge, OutOfTime):
            raise
        except Breakdown:
            pass  # an order of pivots that suited the old numbers need not suit the new ones
    _check_structure(instance)
    last = engine.variants - 1
    for variant in range(last):
        try:
            return _accept(engine(instance, limit, variant), instance, limit)
        except (TooLarge, OutOfTime):
            raise
        except Breakdown:
            pass  # the next one pivots with more care
    return _accept(engine(instance, limit, last), instance, limit)


def _accept(factor: Factor, instance: LinearInstance, limit: int) -> Factor:
    refuse_beyond(factor.title, factor.memory, limit, estimated=False)
    factor.condition = probe(factor, instance)
    factor.data = instance.data.copy()
    factor.setup_traffic = 12.0 * float(factor.nnz) ** 2 / factor.size
    return factor


def probe(factor: Factor, instance: LinearInstance) -> float:
    """Solve for a random right-hand side, and judge the true residual; returns a bound of the condition number.

    With s_i = Σ|a_ij| and r_i = ±(½…1) s_i the factors are accepted when, after at most two steps of refinement,
    |r − A z|_i ≤ 1e-10 s_i (‖z‖ + 1) in every row i: a small backward error whatever the scale of the rows. Where
    pivots were perturbed, ‖z‖ is left out: the singular direction of A could hide behind it.

    Raises
    ------
    Breakdown
        They are not factors of A.
    """
    A, title = instance.A, factor.title
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        sums = np.asarray(abs(A).sum(axis=1)).ravel()
        if not np.all(np.isfinite(sums)):
            raise Breakdown(f"{title}: the sum of a row overflows; scale the system")
        rng = np.random.default_rng(0)
        weights = rng.uniform(0.5, 1.0, sums.size) * rng.choice([-1.0, 1.0], size=sums.size)
        r = (sums * weights).astype(factor.dtype)
        z = factor.solve(r)
        for refinement in range(_PROBE_REFINEMENTS + 1):
            residual = r - A @ z
            largest = float(np.abs(z).max())
            error = float((np.abs(residual) / sums).max()) / (1.0 if factor.perturbed else largest + 1.0)
            if error <= _PROBE_TOLERANCE:
                return max(largest, 1.0)
            if refinement < _PROBE_REFINEMENTS and np.isfinite(error):
                z = z + factor.solve(residual)
    if factor.perturbed:
        raise Breakdown(f"{title}: {factor.perturbed} pivots had to be perturbed; the matrix is nearly singular")
    found = f"a backward error of {error:.1g}" if np.isfinite(error) else "no finite solution"
    raise Breakdown(f"{title}: its factors give {found}; the matrix is singular to working precision, or badly scaled")


def _check_structure(instance: LinearInstance) -> None:
    """Refuse a structurally singular matrix by name; a diagonal without zeros proves that it is not."""
    if instance.traits.full_diagonal:
        return
    pattern = instance.pattern
    ones = (instance.data != 0).astype(np.int8)
    index = pattern.indices.view(np.int32), pattern.indptr.view(np.int32)
    graph = sp.csr_array((ones, *index), shape=(pattern.size, pattern.size), copy=True)
    graph.eliminate_zeros()
    rank = int(structural_rank(graph)) if graph.nnz else 0
    if rank < pattern.size:
        instance.reveal({"structural_rank": rank})
        raise StructurallySingular(f"the matrix is structurally singular: structural rank {rank} of {pattern.size}")
