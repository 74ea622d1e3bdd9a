"""Rows in an order that lets products with irregular matrices run at the speed of memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.kernels import csr, levels

_WINDOW = 1024  # rows whose entries, and the parts of vectors that they meet, are in the second-level cache together
_IRREGULAR = 0.25  # share of rows that differ in width from the one before
_LONG = 40.0  # mean entries of a row, next to which a wrong guess where it ends does not count
_WIDTHS = 64


class RowGroups:
    """Rows sorted by their number of entries, within windows of consecutive rows.

    Attributes
    ----------
    rows : uint32 array of shape (n,)
        Rows in this order.
    indptr, indices : uint32 arrays of shape (n + 1,), (nnz,)
        The pattern, with its rows in this order and the columns as they are.
    """

    def __init__(self, indptr: NDArray[np.uint32], indices: NDArray[np.uint32]) -> None:
        self._natural_indptr = indptr
        size = indptr.size - 1
        width = np.minimum(np.diff(indptr), np.uint32(_WIDTHS - 1))
        window = np.arange(size, dtype=np.uint32) // np.uint32(_WINDOW)
        rows = sort_by_keys([(width, _WIDTHS), (window, int(window[-1]) + 1)])
        self.rows = rows
        self.indptr = np.empty_like(indptr)
        csr.gather_widths(rows, indptr, self.indptr)
        self.indices = self.gather(indices)

    @classmethod
    def of(cls, indptr: NDArray[np.uint32], indices: NDArray[np.uint32]) -> RowGroups | None:
        """The order for a pattern, where it is worth it."""
        size = indptr.size - 1
        if size < 2 * _WINDOW or indices.size > _LONG * size:
            return None
        changes = np.count_nonzero(np.diff(np.diff(indptr)))
        return cls(indptr, indices) if changes > _IRREGULAR * size else None

    def gather(self, entries: NDArray[Any]) -> NDArray[Any]:
        """A copy of ``entries``, shape (nnz,), in this order of the rows."""
        gathered = np.empty_like(entries)
        csr.gather_rows(self.rows, self._natural_indptr, entries, self.indptr, gathered)
        return gathered

    def align(self, bounds: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """The nearest bounds of parts that cut no window."""
        window = np.uint64(_WINDOW)
        aligned: NDArray[np.uint64] = (bounds + window // np.uint64(2)) // window * window
        aligned[-1] = bounds[-1]
        np.minimum(aligned, bounds[-1], out=aligned)
        return aligned


def sort_by_keys(keys: Sequence[tuple[NDArray[np.uint32], int]]) -> NDArray[np.uint32]:
    """Numbers from 0 in the order of their keys, each below its count; the last key counts most, ties stay in order."""
    order = np.arange(keys[0][0].size, dtype=np.uint32)
    for key, count in keys:
        rearranged = np.empty_like(order)
        levels.sort_by_key(key, count, order, rearranged, np.empty(count + 1, dtype=np.uint32))
        order = rearranged
    return order
