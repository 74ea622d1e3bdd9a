"""What a look at the numbers of a matrix tells: its diagonal, its traits, and features that may predict a cost."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from reiterate.errors import InvalidInput
from reiterate.linear import elementary
from reiterate.linear.instance import Vector
from reiterate.linear.obstacle import zero_lines
from reiterate.linear.pattern import Pattern
from reiterate.linear.traits import LinearTraits

_SYMMETRY_TOLERANCE = 1e-12
_NULL_SPACE_TOLERANCE = 2e-15  # rounding errors of assembling; a stiff but regular matrix can come near
_traits = functools.lru_cache(maxsize=64)(LinearTraits)  # equal ones are the same object, which is quick to see
_LARGEST_COUPLING = 1e6  # beyond, how far the diagonal is from dominating says nothing more


def inspect(matrix: Any, pattern: Pattern) -> tuple[Vector | None, LinearTraits, dict[str, float]]:
    """The diagonal (where it is full), the traits, and the features of a CSR matrix; one pass for the usual kind.

    Those of −A, where A is real and symmetric with a negative diagonal: the traits say so by ``negated``.

    Raises
    ------
    InvalidInput
        An entry is not finite.
    """
    if pattern.symmetric and pattern.full_diagonal and matrix.dtype == np.float64:
        return _inspect_symmetric_pattern(matrix, pattern)
    _refuse_non_finite(matrix)
    size, nnz, is_complex = pattern.size, pattern.nnz, matrix.dtype.kind == "c"
    symmetric = pattern.symmetric and _is_mirrored(matrix, matrix.T)
    adjoint = is_complex and pattern.symmetric and _is_mirrored(matrix, matrix.conj().T)
    diagonal, full, positive = None, False, False
    if pattern.full_diagonal:
        diagonal = np.take(matrix.data, pattern.position)
        if adjoint:
            diagonal.imag = 0.0  # rounding errors of assembling
        full = bool(np.all(diagonal))
        positive = bool(np.all((diagonal.real > 0.0) & (diagonal.imag == 0.0)))
    zero = not full and _has_zero_line(matrix)
    traits = LinearTraits(
        size, nnz, symmetric, full, positive, complex=is_complex, self_adjoint=adjoint, zero_line=zero
    )
    return diagonal, traits, {}


def _inspect_symmetric_pattern(matrix: Any, pattern: Pattern) -> tuple[Vector, LinearTraits, dict[str, float]]:
    diagonal = np.empty(pattern.size)
    symmetric, smallest, largest, coupling, largest_row_sum = elementary.inspect_symmetric_pattern(
        pattern.indptr, pattern.indices, matrix.data, pattern.position, pattern.mirrors, diagonal,
        _SYMMETRY_TOLERANCE,
    )  # fmt: skip
    features = {"coupling": min(float(coupling), _LARGEST_COUPLING)}
    if not math.isfinite(coupling + largest - smallest):
        # A zero on the diagonal and a non-finite entry show here, so finite matrices are not scanned twice.
        _refuse_non_finite(matrix)
        features = {}
    negated = bool(symmetric and largest < 0.0)
    if negated:
        np.negative(diagonal, out=diagonal)
    positive = negated or bool(smallest > 0.0)
    full = positive or bool(np.all(diagonal))
    traits = _traits(
        pattern.size,
        pattern.nnz,
        bool(symmetric),
        full_diagonal=full,
        positive_diagonal=positive,
        constant_null_space=bool(symmetric and full and largest_row_sum <= _NULL_SPACE_TOLERANCE),
        zero_line=not full and _has_zero_line(matrix),
        negated=negated,
    )
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


def _has_zero_line(matrix: Any) -> bool:
    """Whether a row or column has no entry but zeros."""
    return any(lines.size for lines in zero_lines(matrix))


def _is_mirrored(matrix: Any, mirror: Any) -> bool:
    difference = abs(matrix - mirror).tocoo()
    if difference.nnz == 0:
        return True
    largest = np.sqrt(abs(matrix).max(axis=1).toarray().ravel())
    rows, columns = difference.coords if hasattr(difference, "coords") else (difference.row, difference.col)
    return bool(np.all(difference.data <= _SYMMETRY_TOLERANCE * largest[rows] * largest[columns]))
