"""What is known to stand in the way of a solution: rows and columns of zeros, and too small a structural rank."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Obstacle
from reiterate.linear.vectors import Vector, norm

_ROUNDING = 1.0 + 1e-9  # far beyond that of a norm


def zero_lines(matrix: Any) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The numbers of the rows, and of the columns, of a CSR matrix that have no entry but zeros."""
    stored = matrix.data != 0
    in_rows = np.diff(np.concatenate(([0], np.cumsum(stored)))[matrix.indptr])
    in_columns = np.bincount(matrix.indices[stored], minlength=matrix.shape[1])
    return np.flatnonzero(in_rows == 0), np.flatnonzero(in_columns == 0)


def zero_line_obstacle(matrix: Any, b: Vector, allowed: float) -> Obstacle:
    """What a row or column of zeros means for A x = b, b of shape (n,), to a residual of norm ``allowed``.

    Where row i is zero, b_i is left of every x: that can prove that there is no solution.
    """
    rows, columns = zero_lines(matrix)
    rest = b[rows]
    if norm(rest) > _ROUNDING * allowed:
        i = int(rows[np.argmax(np.abs(rest))])
        return Obstacle(
            f"row {i} of A has no entry but zeros, and b is not zero there: no x solves the system",
            "give that row an entry, or b a zero there",
            proof=True,
        )
    kind, line = ("row", rows[0]) if rows.size else ("column", columns[0])
    return Obstacle(
        f"{kind} {line} of A has no entry but zeros: the matrix is singular",
        f"give that {kind} an entry, or leave it out",
    )
