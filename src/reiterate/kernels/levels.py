"""Level sets: an order of the rows in which triangular sweeps are not bound by latency.

A sweep in natural order must wait for the row before. Rows that depend on none of each other form a level;
numbering the rows level by level is a symmetric permutation P A Pᵀ whose lower triangle is the permuted
lower triangle of A, so the mathematics of the natural order is kept exactly while the processor works
on many rows at once. Source: E. Anderson and Y. Saad, "Solving sparse triangular linear systems on parallel
computers", Int. J. High Speed Comput. 1 (1989).

Each triangle is stored in the order in which its sweep reads it (upper triangle: last row first), in *runs* of
consecutive rows with equally many entries, so that the compiler can unroll a row and the processor
need not guess where it ends.
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import kernel, prefetch

_LOOKAHEAD = np.uint64(32)  # gathers through an index array are asked for this far ahead

PADDING = np.uint32(0xFFFFFFFF)
"""Marks an entry that only fills a row up to the width of its run: no source in ``data``, value 0."""


@kernel
def find_levels(indptr, indices, position, level):
    """Level of each row: 0 without entries left of the diagonal, else 1 + the highest level among them.

    Parameters
    ----------
    indptr, indices : a symmetric pattern, sorted
    position : uint32 array of shape (n,)
        Of the diagonal entries.
    level : uint32 array of shape (n,), written

    Returns
    -------
    int
        Number of levels.
    """
    count = np.uint32(0)
    for i in range(level.size):
        own = np.uint32(0)
        for k in range(indptr[i], position[i]):
            own = max(own, level[indices[k]] + np.uint32(1))
        level[i] = own
        count = max(count, own + np.uint32(1))
    return count


@kernel
def sort_by_key(key, key_count, order, sorted_order, counts):
    """Stable counting sort: write ``order`` rearranged by ascending ``key[order]`` to ``sorted_order``.

    ``key``, ``order``, ``sorted_order`` are uint32 arrays of shape (n,); every key is below ``key_count``;
    ``counts`` is a uint32 array of shape (key_count + 1,), overwritten (workspace).
    """
    counts[:] = 0
    for i in range(key.size):
        counts[key[i] + np.uint32(1)] += np.uint32(1)
    for c in range(key_count):
        counts[c + 1] += counts[c]
    for r in range(order.size):
        i = order[r]
        target = counts[key[i]]
        sorted_order[target] = i
        counts[key[i]] = target + np.uint32(1)


@kernel
def lay_out_triangle(indices, begin, end, rows, rank, width, columns, source):
    """Lay one triangle out in the order of its sweep.

    Parameters
    ----------
    indices : column indices of the pattern
    begin, end : uint32 arrays of shape (n,)
        The triangle's part of row i is ``begin[i]:end[i]``.
    rows : uint32 array of shape (n,)
        Rows of the matrix in the order of the sweep.
    rank : uint32 array of shape (n,)
        New number of each row (its place in the level order).
    width : uint32 array of shape (n,)
        Entries to store for the t-th row of the sweep; at least the row has.
    columns, source : uint32 arrays of shape (sum of width,), written
        New column of each stored entry and its place in ``data``, or :data:`PADDING`.
    """
    k = 0
    for t in range(rows.size):
        i = rows[t]
        for entry in range(begin[i], end[i]):
            columns[k] = rank[indices[entry]]
            source[k] = entry
            k += 1
        for _ in range(end[i] - begin[i], width[t]):
            columns[k] = rank[i]
            source[k] = PADDING
            k += 1


@kernel
def fill_triangle(data, source, columns, rank_of_row, width, scale, values):
    """Numeric refresh: write the scaled entries h_i a_ij h_j of a laid-out triangle to ``values``.

    Parameters
    ----------
    data : array of shape (nnz,)
    source, columns : as :func:`lay_out_triangle` wrote them
    rank_of_row, width : uint32 arrays of shape (n,)
        New number, and stored entries, of the t-th row of the sweep.
    scale : float64 array of shape (n,)
        h, by new number.
    values : array, written
    """
    k = np.uint64(0)
    last = np.uint64(max(source.size, 1) - 1)
    for t in range(width.size):
        own = scale[rank_of_row[t]]
        for _ in range(width[t]):
            prefetch(data, np.uint64(source[min(k + _LOOKAHEAD, last)]))
            entry = source[k]
            values[k] = 0.0 if entry == PADDING else own * data[entry] * scale[columns[k]]
            k += np.uint64(1)


@kernel
def scale_diagonal(natural_diagonal, order, diagonal, scale):
    """Write a_ii and 1/√a_ii in level order; all arrays of shape (n,), the first in natural order."""
    last = np.uint64(max(order.size, 1) - 1)
    for t in range(order.size):
        prefetch(natural_diagonal, np.uint64(order[min(np.uint64(t) + _LOOKAHEAD, last)]))
        diagonal[t] = natural_diagonal[order[t]]
    # Apart from the gathering, so that roots and quotients are made several at a time.
    for t in range(order.size):
        scale[t] = 1.0 / np.sqrt(diagonal[t])


@kernel
def permute(natural, order, permuted):
    """Write ``natural[order]`` to ``permuted``; all arrays of shape (n,)."""
    last = np.uint64(max(order.size, 1) - 1)
    for t in range(order.size):
        prefetch(natural, np.uint64(order[min(np.uint64(t) + _LOOKAHEAD, last)]))
        permuted[t] = natural[order[t]]
