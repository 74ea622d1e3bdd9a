"""The door for linear systems: what SciPy calls a sparse matrix comes in, an instance or a clear refusal comes out.

Nothing that the caller owns is ever modified.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, DTypeLike, NDArray

from reiterate.errors import InvalidInput
from reiterate.linear.block import Block, BlockInstance
from reiterate.linear.changes import Changes
from reiterate.linear.condensed import CondensedBlock, CondensedFacts, CondensedInstance
from reiterate.linear.facts import Facts
from reiterate.linear.free import admit_operator, inspect_operator, is_free
from reiterate.linear.given_null_space import GivenNullSpace
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.known_matrices import KnownMatrices
from reiterate.linear.known_patterns import KnownPatterns
from reiterate.linear.vectors import norm

_LARGEST_EXACT_INTEGER = 2**53


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
        given = _admit_context(context)
        matrix, free, number = self._admit(A)
        rhs, size = _admit_vector("b", b, matrix.shape[0], matrix.dtype)
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
        given = _admit_context(context)
        matrix, free, number = self._admit(A)
        block = _admit_block("b", B, matrix.shape[0])
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
        size = _finite_norm(rhs)
        if self._null_space is not None and facts.null_space is not None:
            return _finite_norm(facts.null_space.project_range(rhs))
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
        size = _finite_norm(rhs, size)
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
        matrix = _admit_csr(A)
        # SciPy's look at the format takes longer than recognizing a pattern, of which it is known.
        number = self._patterns.recognize(matrix)
        return (_admit_canonical(matrix) if number is None else _admit_numbers(matrix)), False, number

    def _free_facts(self, operator: Any) -> Facts:
        facts = inspect_operator(operator)
        facts.null_space = self._matrices.null_space_of(operator, facts.pattern, facts.traits)
        return facts


class Columns:
    """The columns of a caller's block that have to be solved, as an instance.

    Columns whose right-hand side is zero have the solution zero and are left out, unless all are; a complex column of a
    real system becomes two.

    Attributes
    ----------
    instance : BlockInstance
    """

    def __init__(
        self,
        facts: Facts,
        columns: Sequence[LinearInstance],
        context: Mapping[str, float],
        shape: tuple[int, ...],
        *,
        halved: bool,
    ) -> None:
        self._shape = shape
        self._halved = halved
        self._count = len(columns)
        self._kept = [j for j, column in enumerate(columns) if not column.trivial] or [0]
        make = CondensedBlock if isinstance(facts, CondensedFacts) else BlockInstance
        self.instance = make(facts, [columns[j] for j in self._kept], context)

    def enter(self, x0: ArrayLike | None) -> Block:
        """The caller's initial guess, of the shape of b, as an iterate of the instance; zeros where none is given."""
        if x0 is None:
            return self.instance.origin()
        start = as_array("x0", x0)
        if start.shape != self._shape:
            raise InvalidInput("x0", f"has shape {start.shape}; b has shape {self._shape}, so it must have the same")
        start = _admit_block("x0", start, self._shape[0])
        if self._halved:
            start = np.stack((start.real, start.imag), axis=2).reshape(self._shape[0], -1)
        elif start.dtype.kind == "c" and self.instance.b.dtype.kind != "c":
            raise InvalidInput("x0", "is complex, but A and b are real; pass x0.real")
        if not self.instance.b.any():
            return self.instance.origin()
        start = self.instance.restrict(start[:, self._kept].astype(self.instance.b.dtype, order="C"))
        start = self.instance.enter(start)
        start[:, ~np.isfinite(start).all(axis=0)] = 0.0  # too large next to its b to be of use
        return start

    def spread(self, x: Block) -> NDArray[Any]:
        """The instance's columns, already in the caller's scale, in the caller's shape."""
        full = x = self.instance.complete(x)
        if len(self._kept) < self._count:
            full = np.zeros((x.shape[0], self._count), dtype=x.dtype)
            full[:, self._kept] = x
        if self._halved:
            full = full[:, ::2] + 1j * full[:, 1::2]
        return full.reshape(self._shape)


def admit_start(x0: ArrayLike | None, size: int, dtype: DTypeLike = np.float64) -> Vector:
    """The initial guess as a new array of shape (n,); zeros where none is given."""
    if x0 is None:
        return np.zeros(size, dtype=dtype)
    start = admit_vector("x0", x0, size, dtype)
    return (
        start.copy() if start is x0 or start.base is not None or np.may_share_memory(start, np.asarray(x0)) else start
    )


def admit_vector(argument: str, vector: ArrayLike, size: int, dtype: DTypeLike = np.float64) -> Vector:
    """A finite vector of shape (size,) and this dtype, converted only where nothing can be lost."""
    return _admit_vector(argument, vector, size, dtype)[0]


def _admit_vector(argument: str, vector: ArrayLike, size: int, dtype: DTypeLike) -> tuple[Vector, float]:
    """As :func:`admit_vector`, and the norm, which may be infinite."""
    if type(vector) is np.ndarray and vector.shape == (size,) and vector.dtype == dtype and vector.flags.carray:
        # The usual case; the rest takes longer than reading a vector of a thousand entries.
        length = norm(vector)
        if math.isfinite(length):
            return vector, length
    array = as_array(argument, vector)
    if array.shape not in ((size,), (size, 1)):
        shapes = f"({size},)" if argument == "x0" else f"({size},) or ({size}, k) with k > 0"
        raise InvalidInput(argument, f"has shape {array.shape}; A has {size} rows, so it must be {shapes}")
    converted = _convert(argument, array.reshape(size))
    if converted.dtype.kind == "c" and np.dtype(dtype).kind != "c":
        raise InvalidInput(argument, f"is complex, but the system is real; pass {argument}.real")
    converted = converted.astype(dtype, copy=False)
    # A finite norm proves that every entry is finite, and is cheaper to find than all of them to look at.
    length = norm(converted)
    if not math.isfinite(length) and not np.isfinite(converted).all():
        i = int(np.argmin(np.isfinite(converted)))
        raise InvalidInput(argument, f"entry {i} is {converted[i]}; every entry must be finite")
    if not converted.flags.carray:
        converted = np.require(converted, requirements=["C", "A", "W"])
    return converted, length


def _admit_block(argument: str, block: ArrayLike, size: int) -> Block:
    """A finite block of shape (size, k), converted only where nothing can be lost; a vector is one column."""
    array = as_array(argument, block)
    if array.ndim not in (1, 2) or array.shape[0] != size or array.size == 0:
        raise InvalidInput(
            argument, f"has shape {array.shape}; A has {size} rows, so it must be ({size},) or ({size}, k) with k > 0"
        )
    converted = _convert(argument, array.reshape(size, -1))
    if not np.isfinite(converted).all():
        i, j = np.argwhere(~np.isfinite(converted))[0]
        raise InvalidInput(argument, f"entry ({i}, {j}) is {converted[i, j]}; every entry must be finite")
    return converted


def _finite_norm(b: Vector, size: float | None = None) -> float:
    size = norm(b) if size is None else size
    if not math.isfinite(size):
        raise InvalidInput("b", "has a norm beyond double precision's range; scale the system down")
    return size


def as_array(argument: str, given: ArrayLike) -> NDArray[Any]:
    """An array of numbers of any shape, if that is what is given."""
    if sp.issparse(given):
        raise InvalidInput(argument, f"is sparse; pass a dense array, e.g. {argument}.toarray()")
    if given is None or isinstance(given, str | bytes):
        raise InvalidInput(argument, f"is {given!r}; pass an array of numbers")
    if isinstance(given, np.ma.MaskedArray):
        raise InvalidInput(argument, f"is masked; pass plain numbers, e.g. {argument}.filled(0.0)")
    try:
        return np.asarray(given)
    except ValueError as error:
        raise InvalidInput(argument, f"cannot be made an array: {error}") from None


def are_swapped(A: Any, b: Any) -> bool:
    """Whether ``b`` looks like a matrix, and ``A`` like a right-hand side of it."""
    shape: tuple[int, ...] = getattr(b, "shape", ())
    if len(shape) != 2 or not shape[0] == shape[1] > 1:
        return False
    return getattr(A, "shape", ()) in (shape[:1], (shape[0], 1))


def check_tolerances(rtol: float, atol: float) -> None:
    """Refuse tolerances that are not finite nonnegative numbers, and a relative one that asks for nothing."""
    if type(rtol) is type(atol) is float and 0.0 <= rtol < 1.0 and 0.0 <= atol < math.inf:
        return
    for name, value in (("rtol", rtol), ("atol", atol)):
        if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
            raise InvalidInput(name, f"{value!r} is not a number")
        if not (math.isfinite(value) and value >= 0.0):
            raise InvalidInput(name, f"{value!r} is not a finite number >= 0")
    if rtol >= 1.0:
        raise InvalidInput("rtol", f"{rtol!r} asks for nothing: x = 0 already has relative residual 1; use e.g. 1e-8")


def _with_features(given: Mapping[str, float], facts: Facts) -> dict[str, float]:
    # The user's numbers come first: learners of one variable condition on the first.
    return {**given, **{name: value for name, value in facts.features.items() if name not in given}}


def _admit_csr(A: Any) -> Any:
    """A square matrix as a CSR object of float64 or complex128; its entries may be in any order, and come twice."""
    if not sp.issparse(A):
        A = _admit_dense(A)
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise InvalidInput("A", f"has shape {A.shape}; it must be square")
    if A.shape[0] == 0:
        raise InvalidInput("A", "has shape (0, 0): there is nothing to solve")
    matrix = A.tocsr()
    if matrix.data.dtype not in (np.float64, np.complex128):
        matrix = type(matrix)((_convert("A", matrix.data), matrix.indices, matrix.indptr), shape=A.shape)
    return matrix


def _admit_canonical(matrix: Any) -> Any:
    if not matrix.has_canonical_format or matrix.indices.size != matrix.indptr[-1]:
        matrix = matrix.copy()
        matrix.sum_duplicates()
        matrix.prune()
    return _admit_numbers(matrix)


def _admit_numbers(matrix: Any) -> Any:
    if not matrix.data.flags.carray:
        # Numba would compile every kernel again for read-only or strided arrays.
        data = np.array(matrix.data, order="C")
        matrix = type(matrix)((data, matrix.indices, matrix.indptr), shape=matrix.shape)
    return matrix


def _admit_dense(A: Any) -> Any:
    array = as_array("A", A)
    if array.ndim != 2:
        raise InvalidInput("A", f"has shape {array.shape}; it must be a square sparse matrix")
    return sp.csr_array(_convert("A", array))


def _convert(argument: str, array: NDArray[Any]) -> Vector:
    """The numbers in float64 or complex128, if those can hold them."""
    kind = array.dtype.kind
    if kind == "f" and array.dtype.itemsize <= 8:
        return array.astype(np.float64, copy=False)
    if kind == "c" and array.dtype.itemsize <= 16:
        return array.astype(np.complex128, copy=False)
    if kind == "b":
        return array.astype(np.float64)
    if kind in "iu":
        if array.size and max(abs(int(array.min())), abs(int(array.max()))) > _LARGEST_EXACT_INTEGER:
            raise InvalidInput(argument, "has integers beyond 2**53, which float64 cannot hold exactly")
        return array.astype(np.float64)
    remedy = {
        "c": "it would lose digits in complex128; convert it yourself with .astype(complex)",
        "f": "it would lose digits in float64; convert it yourself with .astype(float)",
        "O": "convert it with .astype(float)",
    }.get(kind, "numbers are needed")
    raise InvalidInput(argument, f"has dtype {array.dtype}; {remedy}")


def _admit_context(context: Mapping[str, float] | None) -> dict[str, float]:
    if context is None:
        return {}
    if type(context) is not dict and not isinstance(context, Mapping):
        raise InvalidInput("context", f"{context!r} is not a mapping; pass named numbers, e.g. {{'dt': dt}}")
    admitted = {}
    for name, value in context.items():
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise InvalidInput("context", f"{name!r} is {value!r}; every value must be a finite number")
        admitted[str(name)] = number
    return admitted
