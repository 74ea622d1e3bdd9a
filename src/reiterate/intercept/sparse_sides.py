"""Sparse right-hand sides of ``spsolve``, and the sparse solutions that SciPy makes of them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from reiterate.intercept import patching


def pattern(A: Any, b: Any) -> NDArray[np.bool_] | None:
    """Where A⁻¹ b has entries, but for cancellation, shape (n, k); SciPy stores no others.

    Where every part of the matrix is strongly connected, a column has all the entries of the parts that it touches.
    ``None``: some part is not, e.g. of a triangular matrix.
    """
    graph = abs(A)
    graph.eliminate_zeros()
    parts, part = connected_components(graph, connection="strong")
    if parts != connected_components(graph, directed=False, return_labels=False):
        return None
    entries = b.tocoo()
    given = entries.data != 0
    touched = np.zeros((parts, b.shape[1]), dtype=np.bool_)
    touched[part[entries.row[given]], entries.col[given]] = True
    found: NDArray[np.bool_] = touched[part]
    return found


def warn(A: Any, b: Any) -> None:
    """What SciPy says of formats that it has to convert."""
    for what, message in (
        (A, "splu converted its input to CSC format"),
        (b, "spsolve is more efficient when sparse b is in the CSC matrix format"),
    ):
        if what.format != "csc":
            warnings.warn(message, sp.SparseEfficiencyWarning, stacklevel=patching.depth_of_program())


def assemble(A: Any, x: NDArray[Any], where: NDArray[np.bool_]) -> Any:
    """The columns of x, shape (n, k), as a matrix of the kind of A, with the entries that are there and nonzero."""
    column, row = np.nonzero((where & (x != 0)).T)
    index = sp.get_index_dtype(maxval=max(x.shape))
    return type(A)((x[row, column], (row.astype(index), column.astype(index))), shape=x.shape, dtype=x.dtype)
