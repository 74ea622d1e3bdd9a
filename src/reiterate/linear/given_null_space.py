"""A null space that the caller knows: rigid-body modes, the constants of every grid, the pressure of enclosed flow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.errors import InvalidInput
from reiterate.linear.null_space import Constants, NullSpace, Spanned
from reiterate.linear.pattern import Pattern
from reiterate.linear.traits import LinearTraits
from reiterate.linear.vectors import Vector

_TOLERANCE = 1e-10  # of Σ|a_ij| max|z|: rounding errors of assembling, and of coordinates far from the origin
_DEPENDENT = 1e-10

_FORMS = "pass 'constant', an array of shape (n,) or (n, k), or a pair (Z, W) of them"


class GivenNullSpace:
    """What was passed as ``null_space``: checked against every new matrix of the stream.

    Parameters
    ----------
    given : "constant", array-like of shape (n,) or (n, k), or a pair (tuple) of such arrays
        The columns of Z span null(A). Those of W, if given, span null(Aᴴ); else Z or its conjugate has to.

    Raises
    ------
    InvalidInput
        It is none of these.
    """

    def __init__(self, given: Any) -> None:
        self._right: Vector | None = None
        self._left: Vector | None = None
        self._found: dict[tuple[bool, str], Spanned] = {}
        if isinstance(given, str):
            if given != "constant":
                raise InvalidInput("null_space", f"is {given!r}; {_FORMS}")
            return
        if isinstance(given, tuple):
            if len(given) != 2:
                raise InvalidInput("null_space", f"is a tuple of {len(given)}; {_FORMS}")
            self._right, self._left = (_orthonormal(part) for part in given)
            if self._right.shape != self._left.shape:
                raise InvalidInput(
                    "null_space",
                    f"Z spans {_described(self._right)} and W {_described(self._left)}; null(A) and null(Aᴴ) have the "
                    "same dimension",
                )
        else:
            self._right = _orthonormal(given)

    def of(self, matrix: Any, pattern: Pattern, traits: LinearTraits) -> NullSpace:
        """The null space as that of this matrix: a CSR matrix, or an operator where ``traits.entries`` is false.

        Raises
        ------
        InvalidInput
            It is not in the null space of A, or nothing that is known is in that of Aᴴ.
        """
        if self._right is None:
            return self._constants(matrix, pattern, traits)
        spanned = self._spanned(matrix, traits)
        if not traits.constant_null_space:
            return spanned
        constants = constants_of(matrix, pattern)
        basis = spanned.right
        if constants.lie_in(basis):
            return spanned
        if constants.contain(basis):
            return constants
        raise InvalidInput(
            "null_space",
            f"has {basis.shape[0]} independent vectors, but A also maps the constants on each of its {constants.count} "
            "connected parts to zero; add a column of ones on each",
        )

    def _constants(self, matrix: Any, pattern: Pattern, traits: LinearTraits) -> NullSpace:
        ones = np.ones((1, traits.size))
        if not traits.constant_null_space:
            _insist("'constant'", "A 1", _violation(matrix, ones, traits), "leave null_space out")
            if not traits.symmetric:
                remedy = "pass (np.ones(n), W) with W spanning the null space of the adjoint"
                _insist("'constant'", "Aᴴ 1", _left_violation(matrix, ones, traits), remedy)
        if traits.entries:
            return constants_of(matrix, pattern)
        unit = ones / np.sqrt(float(traits.size))
        return Spanned(unit, unit)

    def _spanned(self, matrix: Any, traits: LinearTraits) -> Spanned:
        assert self._right is not None
        if self._right.shape[1] != traits.size:
            raise InvalidInput("null_space", f"has {self._right.shape[1]} rows; A has {traits.size}")
        right = self._basis("right", traits, self._right).right
        remedy = "its columns must span the null space of A, to rounding errors"
        _insist("given", "A Z", _violation(matrix, right, traits), remedy)
        if self._left is not None:
            left = self._basis("left", traits, self._left).right
            _insist("given", "Aᴴ W", _left_violation(matrix, left, traits), "W must span the null space of the adjoint")
            return self._pair("given", traits, right, left)
        if traits.symmetric or (violation := _left_violation(matrix, right.conj(), traits)) <= _TOLERANCE:
            return self._pair("conjugate", traits, right, right.conj())
        if traits.complex:
            violation = min(violation, _left_violation(matrix, right, traits))
        remedy = "A is not symmetric: pass a pair (Z, W) with W spanning the null space of the adjoint"
        _insist("given", "Aᴴ Z", violation, remedy)
        return self._pair("same", traits, right, right)

    def _basis(self, side: str, traits: LinearTraits, basis: Vector) -> Spanned:
        """In the numbers of A: of complex vectors that a real A maps to zero, both parts are."""
        key = (traits.complex, side)
        if key not in self._found:
            if traits.complex:
                basis = basis.astype(np.complex128)
            elif basis.dtype.kind == "c":
                basis = _orthonormal(np.vstack([basis.real, basis.imag]).T)
            self._found[key] = Spanned(basis, basis)
        return self._found[key]

    def _pair(self, kind: str, traits: LinearTraits, right: Vector, left: Vector) -> Spanned:
        key = (traits.complex, kind)
        if key not in self._found:
            self._found[key] = Spanned(right, left)
        return self._found[key]


def constants_of(matrix: Any, pattern: Pattern) -> Constants:
    """The constants on the parts that entries other than zero connect."""
    return pattern.constants if np.all(matrix.data) else Constants.of(matrix)


def _orthonormal(given: Any) -> Vector:
    """An orthonormal basis of what the columns span, as rows."""
    try:
        array = np.asarray(given)
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "fciub" or array.ndim not in (1, 2) or array.size == 0:
        raise InvalidInput("null_space", f"is a {type(given).__name__} that is no array of numbers; {_FORMS}")
    columns = array.reshape(array.shape[0], -1).astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    if not np.isfinite(columns).all():
        raise InvalidInput("null_space", "has entries that are not finite")
    size, count = columns.shape
    largest = np.abs(columns).max(axis=0)
    if count >= size > 1 or not largest.all():
        problem = "a column of zeros" if count < size else f"shape {array.shape}: as many columns as rows"
        raise InvalidInput("null_space", f"has {problem}; {_FORMS}")
    columns = columns / largest
    columns /= np.linalg.norm(columns, axis=0)
    basis, values, _ = np.linalg.svd(columns, full_matrices=False)
    return np.ascontiguousarray(basis[:, values > _DEPENDENT * values[0]].T)


def _described(basis: Vector) -> str:
    return f"{basis.shape[0]} dimensions of {basis.shape[1]}"


def _insist(what: str, product: str, violation: float, remedy: str) -> None:
    if not violation <= _TOLERANCE:
        raise InvalidInput(
            "null_space",
            f"{what}: {product} is not zero: relative to the entries of A it is {violation:.1e}, rounding errors would "
            f"be below {_TOLERANCE:.0e}; {remedy}",
        )


def _violation(matrix: Any, basis: Vector, traits: LinearTraits) -> float:
    """Largest |A z|_i / (Σ_j |a_ij| max|z|) over the rows of A and those of ``basis``."""
    if traits.entries:
        return _row_violation(matrix.data, matrix.indices, matrix.indptr, type(matrix), basis)
    probe = _probe(matrix)
    scale = float(np.abs(probe).max())
    images = [np.abs(matrix.matvec(z.astype(matrix.dtype))).max() / np.abs(z).max() for z in basis]
    return float(max(images)) / scale if scale > 0.0 else 0.0


def _left_violation(matrix: Any, basis: Vector, traits: LinearTraits) -> float:
    """The same of Aᴴ; of an operator, how far its product with a random vector is from orthogonal to ``basis``."""
    if traits.entries:
        adjoint = matrix.conj().T.tocsr()
        return _row_violation(adjoint.data, adjoint.indices, adjoint.indptr, type(matrix), basis)
    probe = _probe(matrix)
    scale = float(np.linalg.norm(probe))
    return float(np.abs(basis.conj() @ probe).max() / np.linalg.norm(basis[0])) / scale if scale > 0.0 else 0.0


def _probe(operator: Any) -> Vector:
    vector = np.random.default_rng(1).normal(size=operator.shape[0])
    return np.asarray(operator.matvec(vector.astype(operator.dtype)))


def _row_violation(data: Vector, indices: NDArray[Any], indptr: NDArray[Any], kind: type, basis: Vector) -> float:
    size = indptr.size - 1
    lengths = np.diff(indptr)
    largest = np.zeros(size)
    np.maximum.at(largest, np.repeat(np.arange(size), lengths), np.maximum(np.abs(data.real), np.abs(data.imag)))
    # Rows are compared each with its own size, and no square may leave the range.
    exponents = np.frexp(largest)[1]
    with np.errstate(under="ignore"):
        half = np.repeat(-(exponents // 2), lengths)
        rest = np.repeat(-(exponents - exponents // 2), lengths)
        scaled = data * np.ldexp(1.0, half) * np.ldexp(1.0, rest)
        A = kind((scaled, indices, indptr), shape=(size, size))
        sums = np.asarray(abs(A).sum(axis=1)).ravel()
        sums[sums == 0.0] = 1.0
        images = np.abs(A @ basis.T) / sums[:, None]
    return float((images.max(axis=0) / np.abs(basis).max(axis=1)).max())
