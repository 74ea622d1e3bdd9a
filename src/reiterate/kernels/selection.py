"""Choosing the largest entries of a row, and finding one: for factorizations."""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import kernel
from reiterate.kernels.levels import PADDING

LONG = np.uint32(32)
"""A row that many times as long as another is searched for its entries rather than walked through."""


@kernel
def find_column(columns, order, begin, end, column):
    """Where between ``begin`` and ``end`` the natural column ``column`` is stored, or :data:`PADDING`.

    ``columns`` are ranks in level order, ascending by ``order[columns]``.
    """
    while begin < end:
        middle = (begin + end) // np.uint32(2)
        found = order[columns[middle]]
        if found == column:
            return middle
        if found < column:
            begin = middle + np.uint32(1)
        else:
            end = middle
    return PADDING


@kernel
def keep_largest(columns, size, count, most):
    """Move the ``most`` largest of the first ``count`` entries to the front, in ascending order of their columns.

    Quickselect (Hoare 1961) with the middle entry as pivot: linear time but for adversarial input. Equal sizes
    are told apart by column, the smaller first, so that the result does not depend on the order of the entries.

    Parameters
    ----------
    columns : uint32 array, its beginning rearranged
    size : float64 array
        Of each entry; rearranged likewise, but left unsorted.
    count, most : int

    Returns
    -------
    int
        Number of entries kept.
    """
    kept = min(count, most)
    low, high = 0, count - 1
    while kept < count and low < high:
        pivot_size, pivot_column = size[(low + high) // 2], columns[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while size[i] > pivot_size or (size[i] == pivot_size and columns[i] < pivot_column):
                i += 1
            while size[j] < pivot_size or (size[j] == pivot_size and columns[j] > pivot_column):
                j -= 1
            if i <= j:
                size[i], size[j] = size[j], size[i]
                columns[i], columns[j] = columns[j], columns[i]
                i += 1
                j -= 1
        if kept - 1 <= j:
            high = j
        elif kept - 1 >= i:
            low = i
        else:
            break
    columns[:kept].sort()
    return kept
