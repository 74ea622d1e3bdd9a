"""A plan for recomputing a Galerkin product Pᵀ A P whose patterns are known: where every term goes is looked up once.

With A symmetric, D its diagonal and U its strictly upper triangle, Pᵀ A P = H + Hᵀ for H = Pᵀ (D/2 + U) P. Row i of A
adds the outer product of row i of P and of v_i = row i of (D/2 + U) P. The plan says

- in which *slot* of the short vector v_i each term of it is added, and
- where in its row of the coarse matrix each term of the outer product is added.

A refresh reads the plan, A and P from front to back, and neither marks nor searches; half of the sums are never made,
and Pᵀ is not needed. The plan takes two bytes a term.
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import PREFETCH_DISTANCE, kernel, prefetch

LONGEST_ROW = 65535
"""Of the coarse matrix, that a plan can describe; no v_i is longer."""


@kernel
def count_terms(indptr, indices, position, p_indptr, p_indices, stamp, width):
    """Lengths of a plan: terms of all v_i, and of all outer products.

    Parameters
    ----------
    indptr, indices, position : a symmetric pattern, sorted, and where its diagonal is
    p_indptr, p_indices : pattern of P
    stamp : uint32 array of shape (n_coarse,), zero on entry
    width : uint32 array of shape (n,), written
        Length of each v_i.
    """
    inner, outer = np.int64(0), np.int64(0)
    for i in range(width.size):
        mark = np.uint32(i + 1)
        found = np.int64(0)
        if p_indptr[i] < p_indptr[i + 1]:
            inner -= np.int64(p_indptr[i + 1] - p_indptr[i])
            for k in range(position[i], indptr[i + 1]):
                j = indices[k]
                inner += np.int64(p_indptr[j + np.uint32(1)] - p_indptr[j])
                for t in range(p_indptr[j], p_indptr[j + np.uint32(1)]):
                    d = p_indices[t]
                    found += np.int64(stamp[d] != mark)
                    stamp[d] = mark
        width[i] = found
        outer += found * np.int64(p_indptr[i + 1] - p_indptr[i])
    return inner, outer


@kernel
def assign_slots(indptr, indices, position, p_indptr, p_indices, stamp, place, slots, columns):
    """Write the slot of each term of the v_i to ``slots``, and the coarse column of each slot to ``columns``.

    ``stamp``, zero on entry, and ``place`` are uint32 arrays of shape (n_coarse,); ``slots`` has the length that
    :func:`count_terms` returned, ``columns`` that of all v_i together.
    """
    term, column = np.uint64(0), np.uint64(0)
    for i in range(position.size):
        mark = np.uint32(i + 1)
        begin = column
        if p_indptr[i] == p_indptr[i + 1]:
            continue
        for k in range(position[i], indptr[i + 1]):
            j = indices[k]
            for t in range(p_indptr[j], p_indptr[j + np.uint32(1)]):
                d = p_indices[t]
                if stamp[d] != mark:
                    stamp[d] = mark
                    place[d] = column - begin
                    columns[column] = d
                    column += np.uint64(1)
                if j != i:
                    slots[term] = place[d]
                    term += np.uint64(1)


@kernel
def assign_places(p_indptr, p_indices, r_indptr, r_indices, width, columns, c_indptr, c_indices, place, places):
    """Write where in its coarse row each term of the outer products is added; return whether all are there.

    Parameters
    ----------
    p_indptr, p_indices, r_indptr, r_indices : patterns of P and of Pᵀ
    width, columns : as the other kernels wrote them
    c_indptr, c_indices : pattern of the coarse matrix
    place : uint32 array of shape (n_coarse,), overwritten
    places : uint16 array, written
        Its length is what :func:`count_terms` returned.
    """
    size = width.size
    first_column, first_term = np.empty(size, dtype=np.uint64), np.empty(size, dtype=np.uint64)
    column, term = np.uint64(0), np.uint64(0)
    for i in range(size):
        first_column[i], first_term[i] = column, term
        column += np.uint64(width[i])
        term += np.uint64(width[i]) * np.uint64(p_indptr[i + 1] - p_indptr[i])
    missing = np.uint32(0xFFFFFFFF)
    place[:] = missing
    complete = True
    for c in range(r_indptr.size - 1):
        begin = c_indptr[c]
        for k in range(begin, c_indptr[c + 1]):
            place[c_indices[k]] = k - begin
        for r in range(r_indptr[c], r_indptr[c + 1]):
            i = r_indices[r]
            t = p_indptr[i]
            while p_indices[t] != c:
                t += np.uint32(1)
            count = np.uint64(width[i])
            term = first_term[i] + np.uint64(t - p_indptr[i]) * count
            column = first_column[i]
            for s in range(count):
                found = place[columns[column + s]]
                complete = complete and found != missing
                places[term + s] = found
        for k in range(begin, c_indptr[c + 1]):
            place[c_indices[k]] = missing
    return complete


@kernel
def refresh_half(
    indptr, indices, position, data, p_indptr, p_indices, p_data, width, slots, places, c_indptr, sums, magnitude, half
):  # fmt: skip
    """Numbers of H = Pᵀ (D/2 + U) P on the pattern of the coarse matrix.

    Parameters
    ----------
    indptr, indices, position, data : A, and where its diagonal is
    p_indptr, p_indices, p_data : P
    width, slots, places : the plan
    c_indptr : row pointers of the coarse matrix
    sums : float64 array of at least the length of the longest v_i, overwritten
    magnitude : float64 array of shape (n_coarse,), written
        Σ p_ic² a_ii over i: a measure for rounding errors of the coarse diagonal.
    half : float64 array, written
        As many numbers as the coarse matrix has.
    """
    half[:] = 0.0
    magnitude[:] = 0.0
    slot, place = np.uint64(0), np.uint64(0)
    for i in range(width.size):
        first, last = p_indptr[i], p_indptr[i + 1]
        if first == last:
            continue
        begin = position[i]
        prefetch(data, begin + PREFETCH_DISTANCE)
        prefetch(indices, begin + PREFETCH_DISTANCE)
        count = np.uint64(width[i])
        own = data[begin]
        # The diagonal's terms come first, so theirs are the first slots.
        for t in range(first, last):
            sums[t - first] = 0.5 * own * p_data[t]
        for s in range(np.uint64(last - first), count):
            sums[s] = 0.0
        for k in range(begin + np.uint32(1), indptr[i + 1]):
            value = data[k]
            j = indices[k]
            for t in range(p_indptr[j], p_indptr[j + np.uint32(1)]):
                sums[slots[slot]] += value * p_data[t]
                slot += np.uint64(1)
        own = max(own, 0.0)
        for t in range(first, last):
            c = p_indices[t]
            weight = p_data[t]
            magnitude[c] += weight * weight * own
            row = np.uint64(c_indptr[c])
            for s in range(count):
                half[row + np.uint64(places[place])] += weight * sums[s]
                place += np.uint64(1)


@kernel
def add_transpose(indptr, indices, position, cursor, half):
    """Overwrite H by H + Hᵀ, on a symmetric and sorted pattern; ``cursor`` (uint32, shape (n,)) is overwritten."""
    for c in range(position.size):
        cursor[c] = position[c] + np.uint32(1)
    # Row by row, the mirrors of the lower triangle's entries are met in order.
    for c in range(position.size):
        for k in range(indptr[c], position[c]):
            d = indices[k]
            mirror = cursor[d]
            cursor[d] = mirror + np.uint32(1)
            total = half[k] + half[mirror]
            half[k] = total
            half[mirror] = total
        half[position[c]] *= 2.0
