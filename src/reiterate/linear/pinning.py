"""A singular matrix made regular by enlarging as many of its entries as its null space has dimensions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.linear.facts import Facts
from reiterate.linear.vectors import Vector


def pinned(A: Any, facts: Facts) -> Facts:
    """The facts of B = A + Σ δ_i e_{R_i} e_{C_i}ᵀ with the pins of A's null space, which is known.

    For a right-hand side in the range of A, the solution of B x = b solves A x = b. Each δ_i is the diagonal entry
    where it can be, so that what is semidefinite becomes definite, else as large as the largest entry of its row.

    Parameters
    ----------
    A
        The matrix of the facts, which may have let go of it.
    """
    assert facts.null_space is not None
    rows, columns = facts.null_space.pins
    pattern, kept, added = facts.pattern.with_entries(rows, columns)
    data = np.zeros(pattern.nnz, dtype=A.data.dtype)
    data[kept] = A.data
    with np.errstate(over="ignore"):
        data[added] += _sizes_of_pins(A, rows, columns, data[added])
    diagonal = data[pattern.position] if pattern.full_diagonal else None
    mirrored = np.array_equal(rows, columns)
    traits = replace(
        facts.traits,
        nnz=pattern.nnz,
        symmetric=facts.traits.symmetric and mirrored,
        self_adjoint=facts.traits.self_adjoint and mirrored,
        full_diagonal=diagonal is not None and bool(np.all(diagonal)),
        constant_null_space=False,
    )
    index = pattern.indices.view(np.int32), pattern.indptr.view(np.int32)
    B = type(A)((data, *index), shape=A.shape)
    return Facts(B, pattern, diagonal, traits, facts.features)


def _sizes_of_pins(A: Any, rows: NDArray[Any], columns: NDArray[Any], present: Vector) -> Vector:
    largest = abs(A[rows]).max(axis=1).toarray().ravel()
    largest[largest == 0.0] = 1.0
    return np.where((rows == columns) & (present != 0.0), present, largest)
