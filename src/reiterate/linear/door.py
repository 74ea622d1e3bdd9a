"""The door for linear systems: what SciPy calls a sparse matrix comes in, an instance or a clear refusal comes out.

Nothing that the caller owns is ever modified.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from reiterate.errors import InvalidInput
from reiterate.kernels import csr
from reiterate.linear.instance import LinearInstance, LinearTraits, Vector
from reiterate.linear.pattern import Pattern

_SYMMETRY_TOLERANCE = 1e-12
_LARGEST_EXACT_INTEGER = 2**53


class Door:
    """Admits the systems of one stream; remembers the last pattern, whose symbolic facts are then free."""

    def __init__(self) -> None:
        self._pattern: Pattern | None = None

    def admit(
        self, A: Any, b: ArrayLike, context: Mapping[str, float] | None, *, rtol: float, atol: float
    ) -> LinearInstance:
        """The system as an instance.

        Parameters
        ----------
        A : SciPy sparse matrix or array, any format, or a dense 2-D array; shape (n, n)
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
        matrix = _admit_matrix(A)
        size = matrix.shape[0]
        rhs = admit_vector("b", b, size)
        matrix, pattern = self._find_pattern(matrix)
        diagonal, traits, features = _inspect(matrix, pattern)
        return LinearInstance(
            matrix,
            rhs,
            pattern,
            diagonal=diagonal,
            traits=traits,
            context={**given, **{k: v for k, v in features.items() if k not in given}},
            rtol=rtol,
            atol=atol,
        )

    def _find_pattern(self, matrix: Any) -> tuple[Any, Pattern]:
        if self._pattern is None or not self._pattern.matches(matrix.indptr, matrix.indices):
            pattern = Pattern(matrix.indptr, matrix.indices)
            if not pattern.symmetric and not np.all(matrix.data):
                # Explicit zeros can hide a symmetric matrix behind an unsymmetric pattern.
                matrix = matrix.copy()
                matrix.eliminate_zeros()
                pattern = Pattern(matrix.indptr, matrix.indices)
            self._pattern = pattern
        return matrix, self._pattern


def admit_start(x0: ArrayLike | None, size: int) -> Vector:
    """The initial guess as a new float64 array of shape (n,); zeros where none is given."""
    if x0 is None:
        return np.zeros(size)
    start = admit_vector("x0", x0, size)
    return start.copy() if start is x0 or np.may_share_memory(start, x0) else start


def admit_vector(argument: str, vector: ArrayLike, size: int) -> Vector:
    """A finite float64 vector of shape (size,), converted only where nothing can be lost."""
    if sp.issparse(vector):
        raise InvalidInput(argument, "is sparse; pass a dense vector, e.g. b.toarray().ravel()")
    array = np.asarray(vector)
    if array.shape != (size,):
        hint = "; pass one column at a time, e.g. b[:, 0]" if array.ndim == 2 else ""
        raise InvalidInput(argument, f"has shape {array.shape}; A has {size} rows, so it must be ({size},){hint}")
    converted = _as_float64(argument, array)
    if not math.isfinite(converted.sum()) and not np.isfinite(converted).all():
        i = int(np.argmin(np.isfinite(converted)))
        raise InvalidInput(argument, f"entry {i} is {converted[i]}; every entry must be finite")
    return np.require(converted, requirements=["C", "A", "W"])


def check_tolerances(rtol: float, atol: float) -> None:
    """Refuse tolerances that are no finite nonnegative numbers, or both zero."""
    for name, value in (("rtol", rtol), ("atol", atol)):
        if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
            raise InvalidInput(name, f"{value!r} is not a number")
        if not (math.isfinite(value) and value >= 0.0):
            raise InvalidInput(name, f"{value!r} is not a finite number >= 0")
    if rtol >= 1.0:
        raise InvalidInput("rtol", f"{rtol!r} asks for nothing: x = 0 already has relative residual 1; use e.g. 1e-8")


def _admit_matrix(A: Any) -> Any:
    if not sp.issparse(A):
        A = _admit_dense(A)
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise InvalidInput("A", f"has shape {A.shape}; it must be square")
    if A.shape[0] == 0:
        raise InvalidInput("A", "has shape (0, 0): there is nothing to solve")
    matrix = A.tocsr()
    if matrix.dtype != np.float64:
        matrix = type(matrix)((_as_float64("A", matrix.data), matrix.indices, matrix.indptr), shape=A.shape)
    if not matrix.has_canonical_format or matrix.indices.size != matrix.indptr[-1]:
        matrix = matrix.copy()
        matrix.sum_duplicates()
        matrix.prune()
    if not matrix.data.flags.writeable:
        # Numba would compile every kernel again for read-only arrays.
        matrix = matrix.copy()
    return matrix


def _admit_dense(A: Any) -> Any:
    if callable(getattr(A, "matvec", None)) and not isinstance(A, np.ndarray):
        raise InvalidInput("A", f"is a {type(A).__name__} without entries; pass the sparse matrix itself")
    array = np.asarray(A)
    if array.ndim != 2:
        raise InvalidInput("A", f"has shape {array.shape}; it must be a square sparse matrix")
    return sp.csr_array(_as_float64("A", array))


def _as_float64(argument: str, array: NDArray[Any]) -> Vector:
    kind = array.dtype.kind
    if kind == "f" and array.dtype.itemsize <= 8:
        return array.astype(np.float64, copy=False)
    if kind == "b":
        return array.astype(np.float64)
    if kind in "iu":
        if array.size and max(abs(int(array.min())), abs(int(array.max()))) > _LARGEST_EXACT_INTEGER:
            raise InvalidInput(argument, "has integers beyond 2**53, which float64 cannot hold exactly")
        return array.astype(np.float64)
    remedy = {
        "c": "complex systems are not supported; split them into real and imaginary parts",
        "f": "it would lose digits in float64; convert it yourself with .astype(float)",
        "O": "convert it with .astype(float)",
    }.get(kind, "numbers are needed")
    raise InvalidInput(argument, f"has dtype {array.dtype}; {remedy}")


def _admit_context(context: Mapping[str, float] | None) -> dict[str, float]:
    if context is None:
        return {}
    if not isinstance(context, Mapping):
        raise InvalidInput("context", f"{context!r} is not a mapping; pass named numbers, e.g. {{'dt': dt}}")
    admitted = {}
    for name, value in context.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise InvalidInput("context", f"{name!r} is {value!r}; every value must be a finite number")
        admitted[str(name)] = number
    return admitted


def _inspect(matrix: Any, pattern: Pattern) -> tuple[Vector | None, LinearTraits, dict[str, float]]:
    """The diagonal, the traits, and features that may predict a cost; refuses entries that are not finite."""
    size, nnz = pattern.size, pattern.nnz
    if not pattern.full_diagonal:
        _refuse_non_finite(matrix)
        symmetric = pattern.symmetric and _is_symmetric(matrix)
        return None, LinearTraits(size, nnz, symmetric, full_diagonal=False, positive_diagonal=False), {}
    diagonal = np.empty(size)
    if not pattern.symmetric:
        _refuse_non_finite(matrix)
        np.take(matrix.data, pattern.position, out=diagonal)
        full, positive = bool(np.all(diagonal)), bool(np.all(diagonal > 0.0))
        return diagonal, LinearTraits(size, nnz, False, full_diagonal=full, positive_diagonal=positive), {}
    symmetric, smallest, coupling = csr.inspect_symmetric_pattern(
        pattern.indptr, pattern.indices, matrix.data, pattern.position, diagonal, pattern.cursor,
        _SYMMETRY_TOLERANCE,
    )  # fmt: skip
    features = {"coupling": float(coupling)}
    if not math.isfinite(coupling):
        # A zero on the diagonal and a non-finite entry both show here, so finite matrices are not scanned twice.
        _refuse_non_finite(matrix)
        features = {}
    positive = bool(smallest > 0.0)
    full = positive or bool(np.all(diagonal))
    traits = LinearTraits(size, nnz, bool(symmetric), full_diagonal=full, positive_diagonal=positive)
    return diagonal, traits, features


def _refuse_non_finite(matrix: Any) -> None:
    finite = np.isfinite(matrix.data)
    if finite.all():
        return
    k = int(np.argmin(finite))
    row = int(np.searchsorted(matrix.indptr, k, side="right")) - 1
    raise InvalidInput(
        "A",
        f"entry ({row}, {int(matrix.indices[k])}) is {matrix.data[k]}; "
        f"{int((~finite).sum())} of the {finite.size} entries are not finite",
    )


def _is_symmetric(matrix: Any) -> bool:
    difference = abs(matrix - matrix.T)
    return bool(difference.nnz == 0 or difference.max() <= _SYMMETRY_TOLERANCE * abs(matrix).max())
