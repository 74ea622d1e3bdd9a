"""Assembly of sparse matrices from small dense ones, with the sparsity found once for many matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


class Assembly:
    """Sums element matrices and vectors into global ones; all matrices share one pattern.

    Contributions are added in the order of the elements, so that symmetric element matrices give an exactly
    symmetric sum.

    Parameters
    ----------
    unknowns
        The numbers of the unknowns of every element, shape ``(elements, k)``, none twice in an element; -1 for
        a value that is known, whose rows and columns are left out.
    size
        Number of unknowns n.
    """

    def __init__(self, unknowns: NDArray[np.intp], size: int) -> None:
        rows, columns = np.broadcast_arrays(unknowns[:, :, None], unknowns[:, None, :])
        rows, columns = rows.ravel(), columns.ravel()
        self._kept = np.flatnonzero((rows >= 0) & (columns >= 0))
        keys, self._position = np.unique(
            rows[self._kept].astype(np.int64) * size + columns[self._kept], return_inverse=True
        )
        index = np.int32 if keys.size < np.iinfo(np.int32).max else np.int64
        self._indices = (keys % size).astype(index)
        self._indptr = np.searchsorted(keys, np.arange(size + 1, dtype=np.int64) * size).astype(index)
        self._free = np.flatnonzero(unknowns.ravel() >= 0)
        self._unknown = unknowns.ravel()[self._free]
        self._size = size

    def matrix(self, local: NDArray[np.float64]) -> csr_array:
        """Sum element matrices, shape ``(elements, k, k)``, into a matrix of shape ``(n, n)``."""
        weights = local.reshape(-1)[self._kept]
        data = np.bincount(self._position, weights=weights, minlength=self._indices.size)
        return csr_array((data, self._indices, self._indptr), shape=(self._size, self._size))

    def vector(self, local: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum element vectors, shape ``(elements, k)``, into a vector of shape ``(n,)``."""
        total = np.bincount(self._unknown, weights=local.reshape(-1)[self._free], minlength=self._size)
        return total.astype(np.float64, copy=False)
