"""Supernodal factors, which answer direct calls as long as nothing better has been learnt.

SuperLU factors with one thread, and orders columns as if rows were exchanged at will. rslab's supernodal L D Lᵀ and
L U are 1.5 to 30 times as fast on most meshes, take no time to load, and keep what they know of a pattern. What they
answer is checked like every other answer.
"""

from __future__ import annotations

import time
import weakref
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from reiterate.errors import Breakdown
from reiterate.intercept.accuracy import System
from reiterate.intercept.forking import Lock
from reiterate.intercept.shelf import SHELF, Shelf
from reiterate.linear.machine_memory import default_memory_limit
from reiterate.linear.rslab_process import claim, orphaned, rslab, thread_options, translated

Kind = Literal["L D Lᵀ", "lifted L D Lᵀ", "L U", "lifted L U", "matched L U"]
"""As they are tried: the first two where A is symmetric, without and with zeros on the diagonal."""

_SYMMETRY: Final = 1e-13  # |a_ij - a_ji| of entries that are meant to be the same, in units of √|a_ii a_jj|,
_RELATIVE_SYMMETRY: Final = 1e-12  # or of themselves: neither depends on scaling
_GLANCE: Final = 64  # entries by which a matrix usually differs from the last one
_FAR_BELOW: Final = 200.0  # times below the error that is allowed, an answer is not refined,
_BELOW: Final = 10.0  # nor so many times below it by components
_BY_COMPONENTS: Final = 1e3  # times that error may be the one by components
_REFINEMENTS: Final = 8
_COMPLEX: Final = 4.0  # times the operations
_PATTERNS: Final = 3  # of one place: programs solve several equations in turn

# Rows are exchanged before the analysis where a diagonal entry is below a share of its column's largest: rslab pivots
# within supernodes only, and may need that. Or pivots that are too small are lifted, and refinement makes up for it.
_OPTIONS: Final[dict[Kind, dict[str, Any]]] = {
    "L D Lᵀ": {"path": "ldlt"},
    "lifted L D Lᵀ": {"path": "ldlt", "scaling": "mc64", "preconditioner": 1e-6},
    "L U": {"path": "lu", "matching_negligible_diagonal": 1e-2},
    "lifted L U": {"path": "lu", "matching_negligible_diagonal": 1e-2, "preconditioner": 1e-6},
    "matched L U": {"path": "lu", "matching_negligible_diagonal": 1.0},
}
_SYMMETRIC: Final[tuple[Kind, ...]] = ("L D Lᵀ", "lifted L D Lᵀ")


class Busy(Exception):
    """Another thread is at work for the same call site."""


class TooMuch(Breakdown):
    """Factoring would take too many operations, or too much memory."""


class Factors:
    """Of one matrix A; immutable.

    Parameters
    ----------
    handle
        rslab's factors of A, or of Aᵀ.
    kind
        Which ones.
    transposed : bool
        Whether they are those of Aᵀ.
    dtype
        Of A: float64 or complex128.
    operations : float
        That computing them has taken.
    analyzing : float
        Seconds for the analysis of the pattern; 0 where it was kept.
    """

    def __init__(
        self, handle: Any, kind: Kind, transposed: bool, dtype: np.dtype[Any], operations: float, analyzing: float
    ) -> None:
        self._handle, self._transposed, self._dtype = handle, transposed, dtype
        self._symmetric = kind in _SYMMETRIC
        self.operations, self.analyzing = operations, analyzing

    @property
    def memory(self) -> int:
        """Bytes."""
        return int(self._handle.heap_bytes)

    def solve(self, b: NDArray[Any], trans: str = "N") -> NDArray[Any]:
        """A⁻¹ b, A⁻ᵀ b or A⁻ᴴ b, as ``trans`` is ``"N"``, ``"T"`` or ``"H"``; b of shape (n,) or (n, k)."""
        if b.dtype.kind == "c" and self._dtype.kind != "c":
            x: NDArray[Any] = self.solve(b.real, trans) + 1j * self.solve(b.imag, trans)
            return x
        b = np.ascontiguousarray(b, dtype=self._dtype)
        conjugate = trans == "H" and self._dtype.kind == "c"
        found = self._columns(b.conj() if conjugate else b, not self._symmetric and (trans != "N") != self._transposed)
        return found.conj() if conjugate else found

    def _columns(self, b: NDArray[Any], transposed: bool) -> NDArray[Any]:
        claim()
        with translated():
            if not transposed:
                return np.asarray(self._handle.solve(b) if b.ndim == 1 else self._handle.solve_many(b))
            if b.ndim == 1:
                return np.asarray(self._handle.solve_transpose(b))
            return np.column_stack([self._handle.solve_transpose(np.ascontiguousarray(column)) for column in b.T])

    def checked(self, system: System, b: NDArray[Any], tolerance: float, trans: str = "N") -> NDArray[Any] | None:
        """The solution, refined as long as that helps; ``None`` where it is not accurate enough.

        Its backward error in the norm has to be ``tolerance`` at most, and the one by components has to be small: where
        a matrix is badly scaled, or has penalties on the diagonal, the norm would not tell. Refinement goes on until
        both are far below.

        Parameters
        ----------
        system
            A, transposed if ``trans`` says so.
        b : array of shape (n,) or (n, k)
        """
        x = self.solve(b, trans)
        error, worst = system.errors(x, b)
        for _ in range(_REFINEMENTS):
            left = max(_FAR_BELOW * error, _BELOW * worst) / tolerance
            if not 1.0 < left < np.inf:
                break
            better = x + self.solve(b - system.A @ x, trans)
            errors = system.errors(better, b)
            progress = max(_FAR_BELOW * errors[0], _BELOW * errors[1]) / tolerance / left
            if progress < 1.0:
                x, (error, worst) = better, errors
            if progress > 0.5:
                break
        good = error <= tolerance and worst <= _BY_COMPONENTS * tolerance
        return x if good else None


@dataclass(frozen=True, slots=True, eq=False)
class _Analysis:
    """What rslab knows of a pattern, the operations that factoring takes, and the bytes at its peak."""

    symbolic: Any
    operations: float
    peak: int


@dataclass(slots=True, eq=False)
class _Pattern:
    """Where the entries of a matrix are, by its columns or, as those of Aᵀ, by its rows; and analyses of that.

    ``mirror`` are the places of the entries of the transpose, in order, ``lower`` those of entries on and below the
    diagonal, of which column j begins at ``begins[j]``. All are ``None`` where the pattern is not symmetric.
    ``diagonal`` are the places of those on it, ``None`` if one is missing.
    """

    n: int
    indptr: NDArray[Any]
    indices: NDArray[Any]
    mirror: NDArray[Any] | None = None
    lower: NDArray[Any] | None = None
    begins: NDArray[Any] | None = None
    diagonal: NDArray[Any] | None = None
    kinds: list[Kind] = field(default_factory=lambda: list(_OPTIONS))
    analyses: dict[Kind, _Analysis] = field(default_factory=dict)

    @classmethod
    def of(cls, A: Any) -> _Pattern:
        n, indptr, indices = A.shape[0], A.indptr.copy(), A.indices.copy()
        found = cls(n, indptr, indices)
        places = np.arange(indices.size, dtype=np.int32)
        mirror = sp.csr_array((places, indices, indptr), shape=(n, n)).tocsc()
        if not np.array_equal(mirror.indptr, indptr) or not np.array_equal(mirror.indices, indices):
            return found
        columns = np.repeat(np.arange(n, dtype=indices.dtype), np.diff(indptr))
        diagonal = np.flatnonzero(indices == columns)
        found.diagonal = diagonal if diagonal.size == n else None
        found.mirror, found.lower = mirror.data, np.flatnonzero(indices >= columns)
        found.begins = np.searchsorted(found.lower, indptr)
        return found

    @property
    def memory(self) -> int:
        """Bytes."""
        arrays = (self.indptr, self.indices, self.mirror, self.lower, self.begins, self.diagonal)
        held = sum(int(analysis.symbolic.heap_bytes) for analysis in self.analyses.values())
        return held + sum(array.nbytes for array in arrays if array is not None)

    def is_of(self, A: Any) -> bool:
        return (
            self.indices.size == A.indices.size
            and np.array_equal(self.indptr, A.indptr)
            and np.array_equal(self.indices, A.indices)
        )

    def fits(self, kind: Kind, data: NDArray[Any]) -> bool:
        """Whether matrices with these entries can be factored like this."""
        if kind not in _SYMMETRIC:
            return True
        # With zeros on the diagonal, rslab often finds no pivots.
        full = self.diagonal is not None and bool(data[self.diagonal].all())
        if self.mirror is None or full != (kind == "L D Lᵀ"):
            return False
        allowed = _RELATIVE_SYMMETRY * np.abs(data)
        if self.diagonal is not None:
            scale = np.sqrt(np.abs(data[self.diagonal]))
            allowed += _SYMMETRY * np.repeat(scale, np.diff(self.indptr)) * scale[self.indices]
        return bool(np.all(np.abs(data - data[self.mirror]) <= allowed))

    def part(self, kind: Kind, data: NDArray[Any]) -> Any:
        """Of the matrix, what rslab is to be given."""
        if kind not in _SYMMETRIC or self.lower is None:
            return sp.csc_array((data, self.indices, self.indptr), shape=(self.n, self.n))
        return sp.csc_array((data[self.lower], self.indices[self.lower], self.begins), shape=(self.n, self.n))


@dataclass(slots=True)
class Answer:
    """A solution, its factors, whether these were computed for it, and seconds of that for analyzing the pattern."""

    x: NDArray[Any]
    factors: Factors
    new: bool
    analyzing: float = 0.0


class Supernodal:
    """Factors of what was last solved at one place, and analyses of a few patterns, which many matrices share.

    One thread at a time: SciPy answers the others.

    Parameters
    ----------
    shelf
        Which bounds the memory of factors that are kept at all places.
    """

    def __init__(self, shelf: Shelf = SHELF) -> None:
        self._shelf = shelf
        self.itself = weakref.ref(self)
        self._patterns: list[_Pattern] = []
        self._kept: tuple[str, NDArray[Any], _Pattern, Factors] | None = None
        self._lock = Lock()

    def knows(self, A: Any) -> Factors | None:
        """The factors of A, if it is what was factored last, by rows or columns, in double precision."""
        kept = self._kept
        if kept is None or orphaned() or A.format != kept[0]:
            return None
        _, data, pattern, factors = kept
        if (data.dtype, data.size) != (A.data.dtype, A.data.size) or not np.array_equal(
            data[:_GLANCE], A.data[:_GLANCE]
        ):
            return None
        return factors if np.array_equal(data, A.data) and pattern.is_of(A) else None

    def solve(self, A: Any, b: NDArray[Any], tolerance: float, most_operations: float, trans: str = "N") -> Answer:
        """The solution, by kept factors where A has not changed.

        Parameters
        ----------
        A : SciPy CSC or CSR object of float64 or complex128, entries sorted; shape (n, n)
        b : array of shape (n,) or (n, k)
        tolerance
            Normwise backward error of the answer.
        most_operations
            That factoring may take.
        trans : {"N", "T", "H"}
            Solve with A, Aᵀ or Aᴴ.

        Raises
        ------
        Breakdown
            No factors were accurate enough, or the process was forked from one that had factored.
        TooMuch
            They would take too many operations, or too much memory.
        Busy
            Another thread is here.
        """
        if not self._lock.acquire(blocking=False):
            raise Busy
        try:
            system = System(A if trans == "N" else A.T.conj() if trans == "H" else A.T)
            if (factors := self.knows(A)) is not None:
                x = factors.checked(system, b, tolerance, trans)
                if x is not None:
                    return Answer(x, factors, False)
            return self._solved(A, system, b, tolerance, most_operations, trans)
        finally:
            self._lock.release()

    def _solved(
        self, A: Any, system: System, b: NDArray[Any], tolerance: float, most_operations: float, trans: str
    ) -> Answer:
        self._kept = None  # before others are computed: they may be large
        self._shelf.keep(self, 0)
        begin, known = time.perf_counter(), list(self._patterns)
        pattern = self._pattern_of(A)
        analyzing = 0.0 if pattern in known else time.perf_counter() - begin
        for kind in list(pattern.kinds):
            if not pattern.fits(kind, A.data):
                continue
            try:
                factors = _factored(pattern, kind, A, most_operations)
                x = factors.checked(system, b, tolerance, trans)
            except TooMuch:
                raise
            except Breakdown:
                x = None
            if x is not None:
                pattern.kinds.remove(kind)
                pattern.kinds.insert(0, kind)  # with the next numbers, it comes first
                self._keep(A, pattern, factors)
                return Answer(x, factors, True, analyzing + factors.analyzing)
            pattern.analyses.pop(kind, None)  # it may have depended on numbers
        raise Breakdown("rslab: no factors are accurate enough")

    def _keep(self, A: Any, pattern: _Pattern, factors: Factors) -> None:
        self._kept = A.format, A.data.copy(), pattern, factors
        size = factors.memory + A.data.nbytes + sum(known.memory for known in self._patterns)
        if not self._shelf.keep(self, int(size)):
            self._kept = None

    def drop(self) -> None:
        """Keep nothing, when asked to by the shelf."""
        self._kept = None
        self._patterns = []

    def _pattern_of(self, A: Any) -> _Pattern:
        """That of A, which comes first from now on."""
        pattern = next((known for known in self._patterns if known.is_of(A)), None) or _Pattern.of(A)
        others = [known for known in self._patterns if known is not pattern]
        self._patterns = [pattern, *others][:_PATTERNS]
        return pattern


def _factored(pattern: _Pattern, kind: Kind, A: Any, most_operations: float) -> Factors:
    """Factors of a matrix with this pattern."""
    claim()
    matrix, analyzing = pattern.part(kind, A.data), 0.0
    with translated():
        if kind not in pattern.analyses:
            begin = time.perf_counter()
            pattern.analyses[kind] = _analyzed(matrix, kind)
            analyzing = time.perf_counter() - begin
        analysis = pattern.analyses[kind]
        if analysis.operations > most_operations:
            raise TooMuch("rslab: factoring would take too long")
        if analysis.peak > default_memory_limit():
            raise TooMuch("rslab: the factors would take too much memory")
        handle = analysis.symbolic.factor(matrix.data)
    return Factors(handle, kind, A.format == "csr", A.dtype, analysis.operations, analyzing)


def _analyzed(matrix: Any, kind: Kind) -> _Analysis:
    symbolic = rslab.analyze(matrix, **_OPTIONS[kind], **thread_options())
    field = matrix.dtype.name
    operations = float(symbolic.estimate_memory(field)["factor_flops"])
    operations *= _COMPLEX if matrix.dtype.kind == "c" else 1.0
    return _Analysis(symbolic, operations, int(symbolic.memory_plan(field)["peak_bytes"]))
