"""A symmetric V-cycle on a hierarchy of matrices that are scaled to a unit diagonal.

Sources: A. Brandt (1977) for the cycle; W. L. Briggs, V. E. Henson and S. F. McCormick, "A Multigrid Tutorial" (2000).

On every level the sweeps before the coarse correction are forward Gauss-Seidel from zero, those after it backward
Gauss-Seidel, so the cycle is a symmetric operator, and positive definite wherever the coarsest inverse is positive
semidefinite: with N = I + L, one sweep each way, it is N⁻ᵀN⁻¹ + (I − N⁻ᵀA) P B Pᵀ (I − A N⁻¹).

Two facts keep the traffic at one pass over a level's matrix on the way down and one on the way up:

- after a forward sweep from zero, r − A x = −U x: only the upper triangle is needed for the residual;
- the residual of a row is known as soon as the sweep has passed the row's last column, so restriction follows the
  sweep at the distance of the bandwidth, and finds the rows still in the cache. (Where the bandwidth exceeds the
  cache these are two passes, which is correct.)

Rows of prolongators have a few entries each, in no regular number, and a loop over every row would spend most of its
time on guessing wrongly where rows end. So entries are passed in one loop over many rows, with the distance from each
to the row of the next stored beside it, in one byte.

The hierarchy is stored in flat arrays, so that a cycle is one call. Values and vectors are float64 or float32, and
arithmetic is done in that type. The finest matrix's pattern is that of A and is not copied.
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import PREFETCH_DISTANCE, kernel, prefetch, reduction_kernel

_CHUNK = 4096  # rows that a sweep makes before the pass that follows it takes its turn

BLOCK = 256
"""Rows whose entries of the prolongator are passed in one loop: as far as one byte leads."""

SIZE, ROWS, POINTERS, ENTRIES, WEIGHT_POINTERS, WEIGHTS, BANDWIDTH = range(7)
"""Columns of the level table: unknowns, then offsets of the level's rows, row pointers and entries, and those of the
pointers and entries of the prolongator from the next level; last, the largest j − i. The finest matrix is not in the
flat arrays."""


@kernel
def _forward_from_zero(indptr, indices, values, position, r, x, begin, end):
    for i in range(begin, end):
        prefetch(values, indptr[i] + PREFETCH_DISTANCE)
        prefetch(indices, indptr[i] + PREFETCH_DISTANCE)
        total = r[i]
        for k in range(indptr[i], position[i]):
            total -= values[k] * x[indices[k]]
        x[i] = total


@kernel
def _forward(indptr, indices, values, position, r, x):
    for i in range(r.size):
        prefetch(values, indptr[i] + PREFETCH_DISTANCE)
        prefetch(indices, indptr[i] + PREFETCH_DISTANCE)
        total = r[i]
        for k in range(position[i] + np.uint32(1), indptr[i + 1]):
            total -= values[k] * x[indices[k]]
        for k in range(indptr[i], position[i]):
            total -= values[k] * x[indices[k]]
        x[i] = total


@kernel
def _backward(indptr, indices, values, position, r, x, begin, end):
    i = np.uint64(end)
    while i > begin:
        i -= np.uint64(1)
        prefetch(values, indptr[i] - PREFETCH_DISTANCE)
        prefetch(indices, indptr[i] - PREFETCH_DISTANCE)
        total = r[i]
        for k in range(indptr[i], position[i]):
            total -= values[k] * x[indices[k]]
        # The nearest neighbor last: it is the one that has only just been computed.
        k = indptr[i + np.uint64(1)]
        while k > position[i] + np.uint32(1):
            k -= np.uint32(1)
            total -= values[k] * x[indices[k]]
        x[i] = total


@kernel
def find_advances(p_indptr, advance):
    """Write to ``advance``, uint8, how many rows the next entry of a prolongator lies below each.

    Distances beyond 255, where rows are empty, are written as 255: loops over the entries begin anew every 256 rows.
    """
    before = 0
    for i in range(p_indptr.size - 1):
        if p_indptr[i] < p_indptr[i + 1]:
            if p_indptr[i] > 0:
                advance[p_indptr[i] - np.uint32(1)] = min(i - before, 255)
            for k in range(p_indptr[i], p_indptr[i + 1]):
                advance[k] = 0
            before = i


@kernel
def _first_row(p_indptr, begin, end):
    """The first row from ``begin`` on that is not empty, ``end`` where all are."""
    while begin < end and p_indptr[begin] == p_indptr[begin + 1]:
        begin += 1
    return begin


@kernel
def _residual(indptr, indices, values, position, r, x, begin, end, whole, left):
    """Write r − A x of some rows to ``left``.

    ``whole`` says that x is not the result of a single sweep from zero, so that the residual needs the whole row.
    """
    for i in range(begin, end):
        prefetch(values, indptr[i] + PREFETCH_DISTANCE)
        prefetch(indices, indptr[i] + PREFETCH_DISTANCE)
        total = values[0] - values[0]
        if whole:
            total = r[i] - x[i]
            for k in range(indptr[i], position[i]):
                total -= values[k] * x[indices[k]]
        for k in range(position[i] + np.uint32(1), indptr[i + 1]):
            total -= values[k] * x[indices[k]]
        left[i - begin] = total


@kernel
def _restrict(
    indptr, indices, values, position, r, x, p_indptr, p_indices, p_values, advance, r_coarse, begin, end, whole, left
):  # fmt: skip
    """Add Pᵀ (r − A x) of some rows to ``r_coarse``; ``left`` of shape (256,) is overwritten."""
    for first in range(begin, end, BLOCK):
        last = min(first + BLOCK, end)
        _residual(indptr, indices, values, position, r, x, first, last, whole, left)
        i = np.uint64(_first_row(p_indptr, first, last) - first)
        for k in range(p_indptr[first], p_indptr[last]):
            prefetch(p_values, k + PREFETCH_DISTANCE)
            prefetch(p_indices, k + PREFETCH_DISTANCE)
            r_coarse[p_indices[k]] += p_values[k] * left[i]
            i += np.uint64(advance[k])


@kernel
def _correct(p_indptr, p_indices, p_values, advance, x_coarse, x, begin, end):
    """Add P x_coarse to some rows of ``x``."""
    for first in range(begin, end, BLOCK):
        last = min(first + BLOCK, end)
        i = np.uint64(_first_row(p_indptr, first, last))
        for k in range(p_indptr[first], p_indptr[last]):
            prefetch(p_values, k + PREFETCH_DISTANCE)
            prefetch(p_indices, k + PREFETCH_DISTANCE)
            x[i] += p_values[k] * x_coarse[p_indices[k]]
            i += np.uint64(advance[k])


@kernel
def _down(
    indptr, indices, values, position, r, x,
    p_indptr, p_indices, p_values, advance, r_coarse, sweeps, bandwidth, left,
):  # fmt: skip
    r_coarse[:] = 0.0
    size = r.size
    if sweeps > 1:
        _forward_from_zero(indptr, indices, values, position, r, x, 0, size)
        for _ in range(1, sweeps):
            _forward(indptr, indices, values, position, r, x)
        _restrict(
            indptr, indices, values, position, r, x, p_indptr, p_indices, p_values, advance, r_coarse,
            0, size, True, left,
        )  # fmt: skip
        return
    swept, restricted = 0, 0
    while swept < size:
        end = min(swept + _CHUNK, size)
        _forward_from_zero(indptr, indices, values, position, r, x, swept, end)
        known = size if end == size else max(end - bandwidth, restricted)
        _restrict(
            indptr, indices, values, position, r, x, p_indptr, p_indices, p_values, advance, r_coarse,
            restricted, known, False, left,
        )  # fmt: skip
        swept, restricted = end, known


@kernel
def _up(
    indptr, indices, values, position, r, x, p_indptr, p_indices, p_values, advance, x_coarse, sweeps, bandwidth
):  # fmt: skip
    corrected = swept = r.size
    while swept > 0:
        begin = max(swept - _CHUNK, 0)
        needed = max(min(begin - bandwidth, corrected), 0)
        _correct(p_indptr, p_indices, p_values, advance, x_coarse, x, needed, corrected)
        _backward(indptr, indices, values, position, r, x, begin, swept)
        swept, corrected = begin, needed
    for _ in range(1, sweeps):
        _backward(indptr, indices, values, position, r, x, 0, r.size)


@kernel
def _solve_coarsest(indptr, indices, values, position, inverse, r, x, sweeps):
    size = r.size
    if inverse.shape[0] == size:
        for i in range(size):
            total = values[0] - values[0]
            for j in range(size):
                total += inverse[i, j] * r[j]
            x[i] = total
        return
    _forward_from_zero(indptr, indices, values, position, r, x, 0, size)
    for _ in range(1, sweeps):
        _forward(indptr, indices, values, position, r, x)
    for _ in range(sweeps):
        _backward(indptr, indices, values, position, r, x, 0, size)


@reduction_kernel
def _scaled_norm(scale, r):
    total = 0.0
    for i in range(r.size):
        total += abs(scale[i] * r[i])
    return total


@kernel
def _scale_down(scale, r, scaled):
    """Write S r, divided by its 1-norm, to ``scaled``, so that single precision holds it; return that norm."""
    norm = _scaled_norm(scale, r)
    if norm == 0.0:
        norm = 1.0
    inverse = 1.0 / norm
    for i in range(r.size):
        scaled[i] = scale[i] * r[i] * inverse
    return norm


@kernel
def _scale_up(scale, x, factor, z):
    for i in range(z.size):
        z[i] = scale[i] * x[i] * factor


@kernel
def cycle(
    table, fine_indptr, fine_indices, fine_position, fine_values,
    indptr, indices, position, values, p_indptr, p_indices, p_values, advance,
    inverse, scale, workspace_r, workspace_x, left, sweeps, r, z,
):  # fmt: skip
    """Apply one V-cycle from zero: write M⁻¹ r to ``z``.

    Parameters
    ----------
    table : int64 array of shape (levels, 7)
        See :data:`SIZE` and its neighbors; level 0 is the finest.
    fine_indptr, fine_indices, fine_position, fine_values
        The finest matrix, scaled to a unit diagonal, and where its diagonal is.
    indptr, indices, position, values
        The coarser matrices, one after the other; likewise scaled; pointers count from each level's own 0.
    p_indptr, p_indices, p_values, advance
        The prolongators, one after the other, in the scaled variables; the last by :func:`find_advances`.
    inverse : array of shape (m, m)
        Of the coarsest matrix, if its size is m > 0; with shape (0, 0) the coarsest level is only smoothed.
    scale : float64 array of shape (n,)
        The diagonal scaling S of the finest level: M⁻¹ r = S M̂⁻¹ S r.
    workspace_r, workspace_x : arrays of shape (total unknowns of all levels,), overwritten
    left : array of shape (256,), overwritten
    sweeps : int
        Gauss-Seidel sweeps before and after the correction, at least 1.
    r : array of shape (n,)
    z : array of shape (n,), written
    """
    levels = table.shape[0]
    last = levels - 1
    factor = _scale_down(scale, r, workspace_r[: r.size])
    for step in range(2 * levels - 1):
        level = step if step < levels else 2 * last - step
        size, row = table[level, SIZE], table[level, ROWS]
        r_level, x_level = workspace_r[row : row + size], workspace_x[row : row + size]
        if level == 0:
            a_indptr, a_indices, a_position, a_values = fine_indptr, fine_indices, fine_position, fine_values
        else:
            pointer, entry = table[level, POINTERS], table[level, ENTRIES]
            rest = row - table[0, SIZE]
            a_indptr, a_position = indptr[pointer : pointer + size + 1], position[rest : rest + size]
            a_indices, a_values = indices[entry:], values[entry:]
        if level == last:
            _solve_coarsest(a_indptr, a_indices, a_values, a_position, inverse, r_level, x_level, sweeps)
            continue
        below = row + size
        coarse = table[level + 1, SIZE]
        pointer, entry = table[level, WEIGHT_POINTERS], table[level, WEIGHTS]
        t_indptr, t_indices, t_values = p_indptr[pointer : pointer + size + 1], p_indices[entry:], p_values[entry:]
        t_advance = advance[entry:]
        if step < levels:
            _down(
                a_indptr, a_indices, a_values, a_position, r_level, x_level,
                t_indptr, t_indices, t_values, t_advance, workspace_r[below : below + coarse],
                sweeps, table[level, BANDWIDTH], left,
            )  # fmt: skip
        else:
            _up(
                a_indptr, a_indices, a_values, a_position, r_level, x_level,
                t_indptr, t_indices, t_values, t_advance, workspace_x[below : below + coarse],
                sweeps, table[level, BANDWIDTH],
            )  # fmt: skip
    _scale_up(scale, workspace_x[: z.size], factor, z)


@reduction_kernel
def _inner(x, y):
    total = 0.0
    for i in range(x.size):
        total += x[i] * y[i]
    return total


@kernel
def invert_semidefinite(A, tolerance, work):
    """Overwrite a dense symmetric positive semidefinite A by a symmetric positive semidefinite B with A B A = A.

    By Cholesky's factor L and B = L⁻ᵀL⁻¹. A pivot of at most ``tolerance`` counts as zero, and its row and column of B
    are zero; for nonsingular A, B is the inverse. m³ multiply-adds. (LAPACK would wake threads, and wait for them.)

    Parameters
    ----------
    A : float64 array of shape (m, m), overwritten
        With a diagonal of ones and zeros.
    tolerance : float
    work : float64 array of shape (m, m), overwritten

    Returns
    -------
    bool
        Whether no pivot is negative beyond √tolerance, or not a number.
    """
    size = A.shape[0]
    for i in range(size):
        for j in range(i):
            pivot = A[j, j]
            A[i, j] = (A[i, j] - _inner(A[i, :j], A[j, :j])) / pivot if pivot > 0.0 else 0.0
        pivot = A[i, i] - _inner(A[i, :i], A[i, :i])
        if pivot > tolerance:
            A[i, i] = np.sqrt(pivot)
        elif pivot > -np.sqrt(tolerance):
            A[i, : i + 1] = 0.0
        else:
            return False
    for i in range(size):
        row = work[i]
        row[:] = 0.0
        if A[i, i] > 0.0:
            inverse = 1.0 / A[i, i]
            for j in range(i):
                factor = A[i, j] * inverse
                for k in range(j + 1):
                    row[k] -= factor * work[j, k]
            row[i] = inverse
    A[:, :] = 0.0
    for i in range(size):
        for j in range(i + 1):
            factor = work[i, j]
            for k in range(i + 1):
                A[j, k] += factor * work[i, k]
    return True
