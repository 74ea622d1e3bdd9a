"""A caller's arguments as numbers to compute with: converted where nothing can be lost, else refused by name.

Nothing that the caller owns is ever modified.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, DTypeLike, NDArray

from reiterate.errors import InvalidInput
from reiterate.linear.block import Block
from reiterate.linear.vectors import Vector, norm

_LARGEST_EXACT_INTEGER = 2**53


def admit_start(x0: ArrayLike | None, size: int, dtype: DTypeLike = np.float64) -> Vector:
    """The initial guess as a new array of shape (n,); zeros where none is given."""
    if x0 is None:
        return np.zeros(size, dtype=dtype)
    start, _ = admit_vector("x0", x0, size, dtype)
    return (
        start.copy() if start is x0 or start.base is not None or np.may_share_memory(start, np.asarray(x0)) else start
    )


def admit_vector(argument: str, vector: ArrayLike, size: int, dtype: DTypeLike = np.float64) -> tuple[Vector, float]:
    """A finite vector of shape (size,) and this dtype, converted only where nothing can be lost, and its norm.

    The norm may be infinite.
    """
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


def admit_block(argument: str, block: ArrayLike, size: int) -> Block:
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


def finite_norm(b: Vector, size: float | None = None) -> float:
    """‖b‖, or ``size`` where that is known to be it, refused where it is not finite."""
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


def admit_csr(A: Any) -> Any:
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


def admit_canonical(matrix: Any) -> Any:
    """A CSR matrix with every entry in its place, and once."""
    if not matrix.has_canonical_format or matrix.indices.size != matrix.indptr[-1]:
        matrix = matrix.copy()
        matrix.sum_duplicates()
        matrix.prune()
    return admit_numbers(matrix)


def admit_numbers(matrix: Any) -> Any:
    """A CSR matrix whose entries are an array that kernels take; the index arrays may be the caller's."""
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


def admit_context(context: Mapping[str, float] | None) -> dict[str, float]:
    """The user's numbers by name; none where none are given."""
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
