"""Solves with a pair of sparse triangular factors, M = (I + L) D (I + U), on level-ordered rows.

Both triangles are laid out by :mod:`reiterate.kernels.levels` in one common order of the rows, in which a row of L
and a row of Uᵀ come after those on which they depend; so the forward sweep leaves its result where the backward
sweep reads it. The forward sweep gathers the right-hand side through the order and the backward sweep scatters the
solution, which makes separate permutations unnecessary. Stored values may be of lower precision than the vectors.

Source: E. Anderson and Y. Saad, "Solving sparse triangular linear systems on parallel computers", Int. J. High Speed
Comput. 1 (1989).
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import PREFETCH_DISTANCE, inlined_kernel, kernel, prefetch
from reiterate.kernels.levels import PADDING
from reiterate.kernels.selection import LONG
from reiterate.kernels.spmd import barrier, join

_LOOKAHEAD = np.uint64(32)  # gathers through an index array are asked for this far ahead
_FAR_AHEAD = np.uint64(64)  # likewise, where that index array is itself gathered from


@kernel
def find_common_levels(indptr, indices, position, level):
    """Levels that serve both triangles: above those of L's entries in the row and of U's in the column.

    Parameters
    ----------
    indptr, indices : a pattern, sorted, with a full diagonal
    position : uint32 array of shape (n,)
        Of the diagonal entries.
    level : uint32 array of shape (n,), written

    Returns
    -------
    int
        Number of levels.
    """
    level[:] = 0
    count = np.uint32(0)
    one = np.uint32(1)
    for i in range(level.size):
        own = level[i]
        for k in range(indptr[i], position[i]):
            own = max(own, level[indices[k]] + one)
        level[i] = own
        for k in range(position[i] + one, indptr[i + 1]):
            level[indices[k]] = max(level[indices[k]], own + one)
        count = max(count, own + one)
    return count


@kernel
def find_mirrors(indptr, indices, position, order, width, lower_columns, source, upper_begin, mirror):
    """For each stored entry (i, k) of L: where the laid-out U keeps (k, i), or :data:`PADDING`.

    Parameters
    ----------
    indptr, indices, position : the pattern, sorted, and its diagonal
    order : uint32 array of shape (n,)
        Rows of the pattern in level order.
    width : uint32 array of shape (n,)
        Stored entries of each row of L, in level order.
    lower_columns, source : uint32 arrays
        As :func:`reiterate.kernels.levels.lay_out_triangle` wrote them for L.
    upper_begin : uint32 array of shape (n,)
        Where each row of U begins among the stored entries, by level order.
    mirror : uint32 array, written
    """
    e = 0
    for t in range(order.size):
        i = order[t]
        for _ in range(width[t]):
            mirror[e] = PADDING
            if source[e] != PADDING:
                k = order[lower_columns[e]]
                first = position[k] + np.uint32(1)
                begin, end = first, indptr[k + np.uint32(1)]
                while begin < end:
                    middle = (begin + end) // np.uint32(2)
                    if indices[middle] < i:
                        begin = middle + np.uint32(1)
                    else:
                        end = middle
                if begin < indptr[k + np.uint32(1)] and indices[begin] == i:
                    mirror[e] = upper_begin[lower_columns[e]] + (begin - first)
            e += 1


@kernel
def _contains(indices, begin, end, column):
    """Whether ``column`` is among the sorted ``indices[begin:end]``."""
    while begin < end:
        middle = (begin + end) // np.uint32(2)
        if indices[middle] == column:
            return True
        if indices[middle] < column:
            begin = middle + np.uint32(1)
        else:
            end = middle
    return False


@kernel
def has_triangles(indptr, indices, position, marker):
    """Whether eliminating some k changes a stored off-diagonal entry (i, j): (i, k) and (k, j) are stored as well.

    Where it does not, as on 5- and 7-point grids, an incomplete factor without fill has the off-diagonal entries of A.

    Parameters
    ----------
    indptr, indices, position : the pattern, sorted, and its diagonal
    marker : uint32 array of shape (n,), overwritten (workspace)
    """
    marker[:] = 0
    one = np.uint32(1)
    for i in range(position.size):
        mark = np.uint32(i) + one
        for k in range(indptr[i], indptr[i + 1]):
            marker[indices[k]] = mark
        marker[i] = 0
        for k in range(indptr[i], position[i]):
            row = indices[k]
            begin, end = position[row] + one, indptr[row + one]
            if end - begin > LONG * (indptr[i + 1] - indptr[i]):
                for entry in range(indptr[i], indptr[i + 1]):
                    column = indices[entry]
                    if column > row and column != i and _contains(indices, begin, end, column):
                        return True
            else:
                for entry in range(begin, end):
                    if marker[indices[entry]] == mark:
                        return True
    return False


@kernel
def reflect(upper_indptr, upper_indices, indptr, indices, position):
    """Complete the pattern of a strictly upper triangle by its mirror image and the diagonal.

    Parameters
    ----------
    upper_indptr, upper_indices : the upper triangle by rows, sorted
    indptr, indices, position : uint32 arrays of shape (n + 1,), (n + 2 · entries,), (n,), written
        The symmetric pattern, sorted, and its diagonal.
    """
    n = position.size
    one = np.uint32(1)
    position[:] = 0
    for q in range(upper_indices.size):
        position[upper_indices[q]] += one
    indptr[0] = 0
    for i in range(n):
        begin = indptr[i]
        diagonal = begin + position[i]
        indptr[i + 1] = diagonal + one + (upper_indptr[i + 1] - upper_indptr[i])
        position[i] = begin  # of the next entry to be written left of the diagonal
    for i in range(n):
        place = position[i]  # every earlier row has been reflected into this one
        indices[place] = np.uint32(i)
        for q in range(upper_indptr[i], upper_indptr[i + 1]):
            place += one
            j = upper_indices[q]
            indices[place] = j
            indices[position[j]] = np.uint32(i)
            position[j] += one


@kernel
def compose(source, other):
    """Write ``other[source]`` to ``source``, where it is not :data:`PADDING`."""
    last = np.uint64(max(source.size, 1) - 1)
    for k in range(source.size):
        ahead = source[min(np.uint64(k) + _LOOKAHEAD, last)]
        if ahead != PADDING:
            prefetch(other, np.uint64(ahead))
        if source[k] != PADDING:
            source[k] = other[source[k]]


@kernel
def gather_entries(data, source, factor, values):
    """Write ``factor · data[source]`` to ``values``, and 0 where ``source`` is :data:`PADDING`."""
    last = np.uint64(max(source.size, 1) - 1)
    for k in range(source.size):
        prefetch(data, np.uint64(source[min(np.uint64(k) + _LOOKAHEAD, last)]))
        entry = source[k]
        values[k] = 0.0 if entry == PADDING else factor * data[entry]


@kernel
def locate_entries(indptr, indices, other_indptr, other_indices, place):
    """Write where another pattern keeps each entry of this one, or :data:`PADDING`; both sorted, of n rows."""
    for i in range(indptr.size - 1):
        k = other_indptr[i]
        end = other_indptr[i + 1]
        for entry in range(indptr[i], indptr[i + 1]):
            while k < end and other_indices[k] < indices[entry]:
                k += np.uint32(1)
            place[entry] = k if k < end and other_indices[k] == indices[entry] else PADDING


@kernel
def gather_scaled_entries(data, source, columns, width, upper_begin, scaling, values):
    """Write h_i a_ij h_j to ``values`` for both triangles; h is ``scaling``; see :func:`scale_factors`."""
    n = scaling.size
    last = np.uint64(max(source.size, 1) - 1)
    e = np.uint64(0)
    for t in range(n):
        own = scaling[t]
        for _ in range(width[t]):
            prefetch(data, np.uint64(source[min(e + _LOOKAHEAD, last)]))
            entry = source[e]
            values[e] = 0.0 if entry == PADDING else own * data[entry] * scaling[columns[e]]
            e += np.uint64(1)
    for back in range(n):
        t = n - 1 - back
        own = scaling[t]
        for q in range(upper_begin[t], upper_begin[t] + width[n + t]):
            prefetch(data, np.uint64(source[min(np.uint64(q) + _LOOKAHEAD, last)]))
            entry = source[q]
            values[q] = 0.0 if entry == PADDING else own * data[entry] * scaling[columns[q]]


@kernel
def scale_factors(width, columns, upper_begin, inverse, values, lower_count):
    """Turn the triangles of A into unit factors in place: L D⁻¹ and D⁻¹ U.

    Parameters
    ----------
    width : uint32 array of shape (2 n,)
        Stored entries of each row, those of L first, then those of U, both in level order.
    columns, values : arrays of shape (nnz,)
        By level order; the entries of L, then those of U.
    upper_begin : uint32 array of shape (n,)
        Where each row of U begins, by level order.
    inverse : array of shape (n,)
        D⁻¹ in level order.
    lower_count : int
        Stored entries of L.
    """
    n = inverse.size
    for e in range(lower_count):
        values[e] *= inverse[columns[e]]
    for t in range(n):
        begin = upper_begin[t]
        for q in range(begin, begin + width[n + t]):
            values[q] *= inverse[t]


@inlined_kernel
def _forward_rows(begin, end, width, k, columns, values, order, r, y):
    last = np.uint64(order.size - 1)
    for t in range(begin, end):
        prefetch(values, k + PREFETCH_DISTANCE)
        prefetch(columns, k + PREFETCH_DISTANCE)
        prefetch(r, np.uint64(order[min(np.uint64(t) + _LOOKAHEAD, last)]))
        total = r[order[t]]
        for _ in range(width):
            total -= values[k] * y[columns[k]]
            k += np.uint64(1)
        y[t] = total


@inlined_kernel
def _backward_rows(begin, end, width, k, columns, values, rows, order, inverse, y, z):
    last = np.uint64(order.size - 1)
    for t in range(begin, end):
        i = rows[t]
        prefetch(values, k + PREFETCH_DISTANCE)
        prefetch(columns, k + PREFETCH_DISTANCE)
        # Within a level rows come in any order, which the processor does not foresee.
        ahead = np.uint64(rows[min(np.uint64(t) + _FAR_AHEAD, last)])
        prefetch(y, ahead)
        prefetch(inverse, ahead)
        prefetch(z, np.uint64(order[ahead]))
        total = inverse[i] * y[i]
        for _ in range(width):
            total -= values[k] * y[columns[k]]
            k += np.uint64(1)
        y[i] = total
        z[order[i]] = total


@kernel
def _forward_pieces(first, last, pieces, columns, values, order, r, y):
    for piece in range(first, last):
        begin, end, width, k = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2], np.uint64(pieces[piece, 3])
        # A literal width lets the compiler unroll the row.
        if width == 3:
            _forward_rows(begin, end, 3, k, columns, values, order, r, y)
        elif width == 2:
            _forward_rows(begin, end, 2, k, columns, values, order, r, y)
        elif width == 4:
            _forward_rows(begin, end, 4, k, columns, values, order, r, y)
        elif width == 1:
            _forward_rows(begin, end, 1, k, columns, values, order, r, y)
        elif width == 5:
            _forward_rows(begin, end, 5, k, columns, values, order, r, y)
        else:
            _forward_rows(begin, end, width, k, columns, values, order, r, y)


@kernel
def _backward_pieces(first, last, pieces, columns, values, rows, order, inverse, y, z):
    for piece in range(first, last):
        begin, end, width, k = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2], np.uint64(pieces[piece, 3])
        if width == 3:
            _backward_rows(begin, end, 3, k, columns, values, rows, order, inverse, y, z)
        elif width == 2:
            _backward_rows(begin, end, 2, k, columns, values, rows, order, inverse, y, z)
        elif width == 4:
            _backward_rows(begin, end, 4, k, columns, values, rows, order, inverse, y, z)
        elif width == 1:
            _backward_rows(begin, end, 1, k, columns, values, rows, order, inverse, y, z)
        elif width == 5:
            _backward_rows(begin, end, 5, k, columns, values, rows, order, inverse, y, z)
        else:
            _backward_rows(begin, end, width, k, columns, values, rows, order, inverse, y, z)


@kernel
def forward_solve(pieces, steps, columns, values, order, r, y):
    """Write (I + L)⁻¹ r to ``y``, in level order.

    Parameters
    ----------
    pieces, steps, columns, values : the strictly lower triangle in the order of its sweep
        The first two as :mod:`reiterate.linear.schedule` makes them. Padding entries have column 0.
    order : uint32 array of shape (n,)
        Rows in level order.
    r : array of shape (n,)
        In natural order.
    y : array of shape (n,), written
        In level order.
    """
    y[0] = 0.0  # padding multiplies it by zero, which must not be 0 · ∞
    for step in range(steps.shape[0]):
        for part in range(steps.shape[1]):
            _forward_pieces(steps[step, part, 0], steps[step, part, 1], pieces, columns, values, order, r, y)


@kernel
def solve(
    lower_pieces, lower_steps, lower_columns, lower_values, upper_pieces, upper_steps, upper_columns, upper_values,
    upper_rows, order, inverse, r, y, z, board, thread,
):  # fmt: skip
    """Write (I + U)⁻¹ D⁻¹ (I + L)⁻¹ r to ``z``, by one forward and one backward sweep of several threads.

    Parameters
    ----------
    lower_*, upper_* : the strict triangles, each in the order of its sweep
        ``pieces`` and ``steps`` as :mod:`reiterate.linear.schedule` makes them; the upper one last level first.
    upper_rows : uint32 array of shape (n,)
        Numbers of the rows, by level order, in the order of the backward sweep.
    order : uint32 array of shape (n,)
        Rows in level order.
    inverse : array of shape (n,)
        Of D, in level order.
    r : array of shape (n,)
        In natural order.
    y : array of shape (n,), overwritten
        Holds the solution in level order on return.
    z : array of shape (n,), written
        In natural order.
    board, thread
        See :mod:`reiterate.kernels.spmd`.
    """
    threads = join(board, thread)
    if threads == 0:
        return
    parts = lower_steps.shape[1]
    if thread == 0:
        y[0] = 0.0  # padding multiplies it by zero, which must not be 0 · ∞
    barrier(board, thread, threads)
    for step in range(lower_steps.shape[0]):
        for part in range(thread, parts, threads):
            first, last = lower_steps[step, part, 0], lower_steps[step, part, 1]
            _forward_pieces(first, last, lower_pieces, lower_columns, lower_values, order, r, y)
        barrier(board, thread, threads)
    for step in range(upper_steps.shape[0]):
        for part in range(thread, parts, threads):
            first, last = upper_steps[step, part, 0], upper_steps[step, part, 1]
            _backward_pieces(first, last, upper_pieces, upper_columns, upper_values, upper_rows, order, inverse, y, z)
        barrier(board, thread, threads)
