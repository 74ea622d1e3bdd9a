"""Incomplete LU factors: numbers on a given pattern, and a pattern found by a threshold.

Sources: J. A. Meijerink and H. A. van der Vorst, Math. Comp. 31 (1977), for ILU(0); Y. Saad, "ILUT: a dual threshold
incomplete LU factorization", Numer. Linear Algebra Appl. 1 (1994).
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import kernel
from reiterate.kernels.levels import PADDING
from reiterate.kernels.selection import LONG, find_column, keep_largest

_SMALLEST_PIVOT = 1e-10  # in units of the row's largest entry: below it a pivot counts as zero


@kernel
def factor(
    order, sequence, width, lower_begin, columns, mirror, upper_begin, diagonal, values, inverse, row, triangles
):  # fmt: skip
    """Incomplete LU factor A ≈ (I + L) D (I + U) on the pattern of a laid-out pair of triangles.

    Rows are eliminated in level order, in the IKJ form of Gaussian elimination.

    Parameters
    ----------
    order : uint32 array of shape (n,)
        Rows in level order.
    sequence : uint32 array of shape (n,)
        Numbers by level order, such that each row comes after those on which it depends.
    width : uint32 array of shape (2 n,)
        Stored entries of each row, those of L first, then those of U, both in level order.
    lower_begin : uint32 array of shape (n,)
        Where each row of L begins, by level order.
    columns : uint32 array of shape (nnz,)
        By level order; the entries of L, then those of U. Likewise ``values``.
    mirror : uint32 array, as :func:`reiterate.kernels.triangular.find_mirrors` wrote it
    upper_begin : uint32 array of shape (n,)
        Where each row of U begins, by level order.
    diagonal : array of shape (n,)
        a_ii, with its shift, in level order.
    values : array of shape (nnz,), overwritten
        The entries of A; the factors on return.
    inverse : array of shape (n,), written
        D⁻¹.
    row : array of shape (n,), overwritten (workspace)
        What elimination adds outside the pattern ends here too, where nobody reads it: cheaper than asking each time.
    triangles : bool
        Whether elimination meets stored off-diagonal entries (:func:`reiterate.kernels.triangular.has_triangles`);
        the layout must then be free of padding.

    Returns
    -------
    int
        Number of rows factored: n, or that of the row whose pivot vanishes against the row.
    """
    n = inverse.size
    for place_in_sequence in range(n):
        t = sequence[place_in_sequence]
        begin = upper_begin[t]
        end = begin + width[n + t]
        pivot = diagonal[t]
        largest = abs(pivot)
        first, last = lower_begin[t], lower_begin[t] + width[t]
        for q in range(begin, end):
            largest = max(largest, abs(values[q]))
        for q in range(first, last):
            largest = max(largest, abs(values[q]))
        if triangles:
            for q in range(first, last):
                row[columns[q]] = values[q]
            for q in range(begin, end):
                row[columns[q]] = values[q]
        for e in range(first, last):
            k = columns[e]
            weight = row[k] if triangles else values[e]
            values[e] = weight * inverse[k]
            place = mirror[e]
            if place != PADDING:
                pivot -= weight * values[place]
            if triangles and width[n + k] > LONG * (width[t] + width[n + t] + np.uint32(1)):
                for part in range(2):
                    for q in range(first if part == 0 else begin, last if part == 0 else end):
                        j = columns[q]
                        place = find_column(columns, order, upper_begin[k], upper_begin[k] + width[n + k], order[j])
                        if place != PADDING:
                            row[j] -= weight * values[place]
            elif triangles:
                for q in range(upper_begin[k], upper_begin[k] + width[n + k]):
                    row[columns[q]] -= weight * values[q]
        if not _SMALLEST_PIVOT * largest < abs(pivot) < np.inf:
            return place_in_sequence
        reciprocal = 1.0 / pivot
        inverse[t] = reciprocal
        for q in range(begin, end):
            entry = row[columns[q]] if triangles else values[q]
            values[q] = entry * reciprocal
    return n


@kernel
def _push(heap, size, column):
    """Add a column to a binary heap whose root is the smallest."""
    place = size
    while place > 0:
        parent = (place - 1) // 2
        if heap[parent] <= column:
            break
        heap[place] = heap[parent]
        place = parent
    heap[place] = column


@kernel
def _pop(heap, size):
    """Remove and return the smallest of ``size`` columns."""
    smallest = heap[0]
    moved = heap[size - 1]
    place = 0
    while 2 * place + 1 < size - 1:
        child = 2 * place + 1
        if child + 1 < size - 1 and heap[child + 1] < heap[child]:
            child += 1
        if moved <= heap[child]:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = moved
    return smallest


@kernel
def find_pattern(
    indptr, indices, data, position, diagonal, tau, most_lower, most_upper, found_indptr, found_indices,
    found_position, values, inverse, row, lower, lower_size, upper, upper_size, heap, marker,
):  # fmt: skip
    """Pattern of the factors of ILUT.

    With τ_i = tau · ‖a_i‖, an entry of L is not eliminated with if |l_ik u_kk| < τ_i, an entry of U is dropped if
    |u_ij| < τ_i, and of the rest the ``most_lower`` and ``most_upper`` largest of a row are kept. The diagonal is
    always kept.

    Parameters
    ----------
    indptr, indices, data, position : A, sorted, and where its diagonal is
    diagonal : array of shape (n,)
        a_ii, with its shift.
    tau : float
    most_lower, most_upper : int
    found_indptr : uint32 array of shape (n + 1,), written
    found_indices : uint32 array, written, and values
        Of shape (at least n · (most_lower + most_upper + 1),). Rows hold L, the diagonal and U.
    found_position : uint32 array of shape (n,), written
        Of the diagonal.
    inverse : array of shape (n,), written
        Of the pivots.
    row, lower, lower_size, upper, upper_size, heap, marker
        Shape (n,), overwritten (workspace): ``row`` of the type of ``data``, sizes float64, the others uint32.

    Returns
    -------
    int
        Number of rows factored: n, or that of the row whose pivot vanishes against the row.
    """
    n = inverse.size
    one = np.uint32(1)
    marker[:] = 0
    found_indptr[0] = 0
    for i in range(n):
        mark = np.uint32(i) + one
        square = 0.0
        pending, uppers = 0, 0
        row[i] = diagonal[i]
        marker[i] = mark
        largest = abs(diagonal[i])
        for q in range(indptr[i], indptr[i + 1]):
            largest = max(largest, abs(data[q]))
        for q in range(indptr[i], indptr[i + 1]):
            j = indices[q]
            square += (abs(data[q]) / largest) ** 2 if largest > 0.0 else 0.0
            if j == i:
                continue
            row[j] = data[q]
            marker[j] = mark
            if j < i:
                _push(heap, pending, j)
                pending += 1
            else:
                upper[uppers] = j
                uppers += 1
        threshold = tau * np.sqrt(square) * largest
        lowers = 0
        while pending > 0:
            k = _pop(heap, pending)
            pending -= 1
            weight = row[k]
            if not abs(weight) >= threshold or weight == 0.0:
                continue
            lower[lowers] = k
            lower_size[lowers] = abs(weight)
            lowers += 1
            weight *= inverse[k]
            for q in range(found_position[k] + one, found_indptr[k + one]):
                j = found_indices[q]
                if marker[j] != mark:
                    marker[j] = mark
                    row[j] = 0.0
                    if j < i:
                        _push(heap, pending, j)
                        pending += 1
                    else:
                        upper[uppers] = j
                        uppers += 1
                row[j] -= weight * values[q]
        pivot = row[i]
        if not _SMALLEST_PIVOT * largest < abs(pivot) < np.inf:
            return i
        inverse[i] = 1.0 / pivot
        large = 0
        for c in range(uppers):
            j = upper[c]
            magnitude = abs(row[j])
            if magnitude > 0.0 and magnitude >= threshold:
                upper[large] = j
                upper_size[large] = magnitude
                large += 1
        uppers = keep_largest(upper, upper_size, large, most_upper)
        lowers = keep_largest(lower, lower_size, lowers, most_lower)
        place = found_indptr[i]
        for c in range(lowers):
            found_indices[place] = lower[c]
            place += one
        found_position[i] = place
        found_indices[place] = np.uint32(i)
        place += one
        for c in range(uppers):
            found_indices[place] = upper[c]
            values[place] = row[upper[c]]
            place += one
        found_indptr[i + 1] = place
    return n
