"""Unknowns that a row of their own gives at once, as Dirichlet conditions do where rows of a matrix are replaced.

Such rows make a symmetric matrix nonsymmetric. Without them it is symmetric again, and cheaper methods apply.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from reiterate.linear.instance import Vector

Solve = Callable[[Any, Vector, "Vector | None"], Vector]
"""Solves A x = b, begun at x0 or nowhere in particular."""


def solve_condensed(A: Any, b: Vector, x0: Vector | None, solve: Solve) -> Vector:
    """Solve A x = b by one smaller system, where rows or columns of A have nothing but a diagonal entry.

    Parameters
    ----------
    A : SciPy sparse matrix or array, or anything else, which is left to ``solve``; shape (n, n)
    b : array of shape (n,) or (n, k)
    x0 : array of the shape of b, or None
    solve
        Called once, with what is left of A, b and x0.

    Returns
    -------
    ndarray of the shape of b
    """
    if not sp.issparse(A) or A.shape[0] != A.shape[1] or A.shape[0] != b.shape[0]:
        return solve(A, b, x0)
    A = A.tocsr()
    diagonal = A.diagonal()
    by_row, by_column = _alone(A, diagonal), _alone(A.T.tocsr(), diagonal)
    given = by_row if by_row.sum() >= by_column.sum() else by_column
    if not given.any() or given.all():
        return solve(A, b, x0)
    left = np.flatnonzero(~given)
    known = np.flatnonzero(given)
    scale = diagonal[known] if b.ndim == 1 else diagonal[known, None]
    x = np.empty(b.shape, dtype=np.result_type(A.dtype, b.dtype, np.float64))
    rows = A[left]
    start = None if x0 is None else x0[left]
    if given is by_row:
        x[known] = b[known] / scale
        x[left] = solve(rows[:, left], b[left] - rows[:, known] @ x[known], start)
    else:
        x[left] = solve(rows[:, left], b[left], start)
        x[known] = (b[known] - A[known][:, left] @ x[left]) / scale
    return x


def _alone(A: Any, diagonal: NDArray[Any]) -> NDArray[np.bool_]:
    """The rows that have no entry but one on the diagonal; zeros that are stored are none."""
    entries = np.bincount(np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))[A.data != 0], minlength=A.shape[0])
    return np.asarray((entries == 1) & (diagonal != 0))
