"""Incomplete Cholesky factors: numbers on a given pattern, and a pattern found by a threshold.

Sources: J. A. Meijerink and H. A. van der Vorst, Math. Comp. 31 (1977), for IC(0); I. Gustafsson, BIT 18 (1978), for
row sums kept by modification, and O. Axelsson and G. Lindskog, Numer. Math. 48 (1986), for its relaxation; T. A.
Manteuffel, Math. Comp. 34 (1980), for the diagonal shift; Y. Saad, Numer. Linear Algebra Appl. 1 (1994), for the double
dropping rule (threshold and number of entries).
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import kernel
from reiterate.kernels.levels import PADDING
from reiterate.kernels.selection import LONG, find_column, keep_largest

_SMALLEST_PIVOT = 1e-12  # in units of a_ii: below it a pivot counts as not positive


@kernel
def factor(
    order, sequence, width, lower_begin, columns, mirror, upper_begin, diagonal, values, pivots, row, row_sum, kept,
    stored, modification, triangles,
):  # fmt: skip
    """Incomplete Cholesky factor A ≈ (I + L) D (I + Lᴴ) on the pattern of a laid-out pair of triangles.

    Only the upper triangle is computed, row by row in level order; each row of L is copied from it. What elimination
    would add outside the pattern is dropped, or ``modification`` times it is moved to the diagonal. The dropped sum of
    a row needs no visit to what is dropped: it is what the row sums of the eliminated rows say, less what was kept.

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
    diagonal : real array of shape (n,)
        a_ii, with its shift, in level order.
    values : array of shape (nnz,), overwritten
        The entries of A in the part of U; the factors on return.
    pivots : real array of shape (n,), written
        D.
    row, row_sum, kept, stored : arrays of shape (n,), overwritten (workspace)
        The first two of the type of A, the others real. What elimination adds outside the pattern ends in ``row`` too,
        where nobody reads it: cheaper than asking each time.
    modification : float
        0 for IC(0), 1 for MIC(0).
    triangles : bool
        Whether elimination meets stored off-diagonal entries (:func:`reiterate.kernels.triangular.has_triangles`);
        the layout must then be free of padding.

    Returns
    -------
    int
        Number of rows factored: n, or that of the row whose pivot is not positive.
    """
    n = pivots.size
    modified = modification != 0.0
    if modified:
        kept[:] = 0.0
        stored[:] = 0.0
    for place_in_sequence in range(n):
        t = sequence[place_in_sequence]
        begin = upper_begin[t]
        end = begin + width[n + t]
        if triangles:
            for q in range(begin, end):
                row[columns[q]] = values[q]
                if modified:
                    stored[columns[q]] = 1.0
        pivot = diagonal[t]
        excess = 0.0
        for e in range(lower_begin[t], lower_begin[t] + width[t]):
            place = mirror[e]
            if place == PADDING:
                values[e] = 0.0
                continue
            k = columns[e]
            upper = values[place]
            lower = np.conj(upper)
            values[e] = lower
            weight = lower * pivots[k]
            removed = (weight * upper).real
            pivot -= removed
            if modified:
                excess += (weight * row_sum[k]).real - removed
            if triangles and width[n + k] > LONG * (width[n + t] + np.uint32(1)):
                for q in range(begin, end):
                    j = columns[q]
                    place = find_column(columns, order, upper_begin[k], upper_begin[k] + width[n + k], order[j])
                    if place != PADDING:
                        change = weight * values[place]
                        row[j] -= change
                        if modified:
                            excess -= change.real
                            kept[j] += change.real
            elif triangles:
                for q in range(upper_begin[k], upper_begin[k] + width[n + k]):
                    j = columns[q]
                    change = weight * values[q]
                    row[j] -= change
                    if modified:
                        remains = stored[j] * change.real
                        excess -= remains
                        kept[j] += remains
        if modified:
            pivot -= modification * (excess - kept[t])
        if not _SMALLEST_PIVOT * diagonal[t] < pivot < np.inf:
            return place_in_sequence
        inverse = 1.0 / pivot
        pivots[t] = pivot
        if modified:
            row_sum[t] = 0.0
        for q in range(begin, end):
            entry = row[columns[q]] if triangles else values[q]
            values[q] = entry * inverse
            if modified:
                row_sum[t] += entry * inverse
                stored[columns[q]] = 0.0
    return n


@kernel
def find_pattern(
    indptr, indices, data, position, diagonal, tau, most, upper_indptr, upper_indices,
    upper_values, pivots, row, candidates, size, marker, head, link, cursor,
):  # fmt: skip
    """Pattern of a threshold incomplete Cholesky factor, by rows of its upper triangle.

    An entry u_ij (in the units of A) smaller than tau · √(a_ii a_jj) is dropped, and of the rest of a row the
    ``most`` largest in those units are kept: rules that no diagonal scaling of A can change.

    Parameters
    ----------
    indptr, indices, data, position : A, sorted, and where its diagonal is; only its upper triangle is read
    diagonal : float64 array of shape (n,)
        a_ii > 0, with its shift.
    tau : float
    most : int
    upper_indptr : uint32 array of shape (n + 1,), written
    upper_indices : uint32 array, written, and upper_values
        Of shape (at least n · most,).
    pivots : float64 array of shape (n,), written
    row : array of shape (n,)
        Zero before and after, of the type of ``data`` (workspace).
    candidates, size, marker, head, link, cursor
        Shape (n,), overwritten (workspace); ``size`` float64, the others uint32.

    Returns
    -------
    int
        Number of rows factored: n, or that of the row whose pivot is not positive.
    """
    n = pivots.size
    one = np.uint32(1)
    marker[:] = 0
    head[:] = PADDING
    upper_indptr[0] = 0
    for i in range(n):
        mark = np.uint32(i) + one
        count = 0
        for k in range(position[i] + one, indptr[i + 1]):
            j = indices[k]
            row[j] = data[k]
            marker[j] = mark
            candidates[count] = j
            count += 1
        pivot = diagonal[i]
        k = head[i]
        while k != PADDING:  # the rows whose next entry is in this column
            following = link[k]
            begin, end = cursor[k], upper_indptr[k + one]
            upper = upper_values[begin]
            weight = np.conj(upper) * pivots[k]
            pivot -= (weight * upper).real
            for q in range(begin + one, end):
                j = upper_indices[q]
                if marker[j] != mark:
                    marker[j] = mark
                    row[j] = 0.0
                    candidates[count] = j
                    count += 1
                row[j] -= weight * upper_values[q]
            if begin + one < end:
                cursor[k] = begin + one
                j = upper_indices[begin + one]
                link[k] = head[j]
                head[j] = k
            k = following
        failed = not _SMALLEST_PIVOT * diagonal[i] < pivot < np.inf
        large = 0
        for c in range(count):
            j = candidates[c]
            magnitude = abs(row[j]) / np.sqrt(diagonal[j]) / np.sqrt(diagonal[i])
            if magnitude > 0.0 and magnitude >= tau:
                candidates[large] = j
                size[large] = magnitude
                large += 1
        if failed:
            return i
        large = keep_largest(candidates, size, large, most)
        pivots[i] = pivot
        begin = upper_indptr[i]
        for c in range(large):
            j = candidates[c]
            upper_indices[begin + np.uint32(c)] = j
            upper_values[begin + np.uint32(c)] = row[j] / pivot
        upper_indptr[i + 1] = begin + np.uint32(large)
        if large > 0:
            cursor[i] = begin
            link[i] = head[candidates[0]]
            head[candidates[0]] = np.uint32(i)
    return n
