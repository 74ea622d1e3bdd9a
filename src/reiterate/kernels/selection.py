"""Choosing the largest entries of a row, for factorizations that limit their fill."""

from __future__ import annotations

from reiterate.kernels.compiling import kernel


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
