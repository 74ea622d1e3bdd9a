"""Grids on the unit square and cube: the sparsity of nearest-neighbor stencils, and smooth bumps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


class Stencil:
    """The sparsity of the (2d + 1)-point stencil on a d-dimensional grid, built once for many matrices.

    Rows are numbered in C order and columns are sorted within a row, so that the bands of a row are, in
    order: the lower neighbor along axis 0, …, along axis d - 1, the diagonal, the upper neighbor along axis
    d - 1, …, along axis 0. Neighbors beyond the boundary are left out.

    Parameters
    ----------
    shape
        Number of grid points along each axis.

    Attributes
    ----------
    diagonal : ndarray of int, shape (n,)
        Where in a matrix's ``data`` its diagonal is.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        n, dimensions = math.prod(shape), len(shape)
        strides = [math.prod(shape[axis + 1 :]) for axis in range(dimensions)]
        offsets = np.array([-stride for stride in strides] + [0] + strides[::-1])
        present = np.ones((2 * dimensions + 1, *shape), dtype=bool)
        for axis in range(dimensions):
            lower, upper = self.lower(axis), self.upper(axis, dimensions)
            np.moveaxis(present[lower], axis, 0)[0] = False
            np.moveaxis(present[upper], axis, 0)[-1] = False
        by_row = present.reshape(-1, n).T
        rows, bands = np.nonzero(by_row)
        # SciPy would otherwise narrow the indices itself, for every matrix anew.
        index = np.int32 if rows.size < np.iinfo(np.int32).max else np.int64
        self.diagonal: NDArray[np.intp] = np.flatnonzero(bands == dimensions)
        self._n = n
        self._source: NDArray[np.intp] = bands * n + rows
        self._indices = (rows + offsets[bands]).astype(index)
        self._indptr = np.concatenate([[0], np.cumsum(by_row.sum(axis=1))]).astype(index)

    @staticmethod
    def lower(axis: int) -> int:
        """Return the number of the band of lower neighbors along an axis."""
        return axis

    @staticmethod
    def upper(axis: int, dimensions: int) -> int:
        """Return the number of the band of upper neighbors along an axis."""
        return 2 * dimensions - axis

    def gather(self, bands: NDArray[np.float64]) -> NDArray[np.float64]:
        """Collect a matrix's ``data`` from its bands, shape ``(2d + 1, *shape)``; a new array."""
        return bands.reshape(-1)[self._source]

    def matrix(self, data: NDArray[Any]) -> csr_array:
        """Return the matrix with this ``data``; all matrices share one pattern."""
        return csr_array((data, self._indices, self._indptr), shape=(self._n, self._n))


def bump(coordinates: Sequence[NDArray[np.float64]], center: Sequence[float], radius: float) -> NDArray[np.float64]:
    """Evaluate the smooth bump exp(1 - 1 / (1 - |x - c|² / r²)) inside a ball, 0 outside; its maximum is 1.

    Parameters
    ----------
    coordinates
        One array an axis, of shapes that broadcast to the grid's.
    center, radius
        The ball, in the units of the coordinates.

    Returns
    -------
    ndarray
        The values, in the broadcast shape.
    """
    gap: NDArray[np.float64] = np.ones(())
    for x, c in zip(coordinates, center, strict=True):
        gap = gap - ((x - c) / radius) ** 2
    inside = gap > 0.0
    values = np.zeros(gap.shape)
    with np.errstate(over="ignore", under="ignore"):  # near the boundary the bump is rightly rounded to 0
        values[inside] = np.exp(1.0 - 1.0 / gap[inside])
    return values
