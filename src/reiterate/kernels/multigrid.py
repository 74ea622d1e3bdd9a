"""A symmetric V-cycle on a hierarchy of matrices that are scaled to a unit diagonal.

Sources: A. Brandt (1977) for the cycle; W. L. Briggs, V. E. Henson and S. F. McCormick, "A Multigrid Tutorial" (2000).

On every level the sweeps before the coarse correction are forward Gauss-Seidel from zero, those after it backward
Gauss-Seidel, so the cycle is a symmetric operator, and positive definite wherever the coarsest inverse is positive
semidefinite: with N = I + L, one sweep each way, it is N⁻ᵀN⁻¹ + (I − N⁻ᵀA) P B Pᵀ (I − A N⁻¹).

Two facts keep the traffic at one pass over a level's matrix on the way down and one on the way up:

- after a forward sweep from zero, r − A x = −U x: only the upper triangle is needed for the residual;
- the residual of a row is known as soon as the sweep has passed the row's last column, so restriction follows the
  sweep at the distance of the bandwidth, and finds the rows still in the cache. Likewise the correction P e
  runs ahead of the backward sweep. (Where the bandwidth exceeds the cache these are two passes, which is correct.)

The hierarchy is stored in flat arrays, so that a cycle is one call. Values and vectors are float64 or float32, and
arithmetic is done in that type. The finest matrix's pattern is that of A and is not copied.
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import PREFETCH_DISTANCE, kernel, prefetch

_CHUNK = 256  # rows that a sweep makes before the pass that follows it takes its turn

SIZE, ROWS, POINTERS, ENTRIES, WEIGHT_POINTERS, WEIGHTS = range(6)
"""Columns of the level table: unknowns, then offsets of the level's rows, row pointers and entries, and those of the
pointers and entries of the prolongator from the next level. The finest matrix is not in the flat arrays."""


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
def _restrict(indptr, indices, values, position, r, x, p_indptr, p_indices, p_values, r_coarse, begin, limit, whole):
    """Restrict the residual of the rows from ``begin`` on whose columns are all below ``limit``; return the next row.

    ``whole`` says that x is not the result of a single sweep from zero, so that the residual needs the whole row.
    """
    i = np.uint64(begin)
    while i < limit and indices[indptr[i + np.uint64(1)] - np.uint32(1)] < limit:
        prefetch(p_values, p_indptr[i] + PREFETCH_DISTANCE)
        prefetch(p_indices, p_indptr[i] + PREFETCH_DISTANCE)
        left = values[0] - values[0]
        first = position[i] + np.uint32(1)
        if whole:
            left = r[i] - x[i]
            for k in range(indptr[i], position[i]):
                left -= values[k] * x[indices[k]]
        for k in range(first, indptr[i + np.uint64(1)]):
            left -= values[k] * x[indices[k]]
        for k in range(p_indptr[i], p_indptr[i + np.uint64(1)]):
            r_coarse[p_indices[k]] += p_values[k] * left
        i += np.uint64(1)
    return i


@kernel
def _correct(p_indptr, p_indices, p_values, x_coarse, x, begin, end):
    i = np.uint64(end)
    while i > begin:
        i -= np.uint64(1)
        prefetch(p_values, p_indptr[i] - PREFETCH_DISTANCE)
        prefetch(p_indices, p_indptr[i] - PREFETCH_DISTANCE)
        total = x[i]
        for k in range(p_indptr[i], p_indptr[i + np.uint64(1)]):
            total += p_values[k] * x_coarse[p_indices[k]]
        x[i] = total


@kernel
def _down(indptr, indices, values, position, r, x, p_indptr, p_indices, p_values, r_coarse, sweeps):
    r_coarse[:] = 0.0
    size = r.size
    if sweeps > 1:
        _forward_from_zero(indptr, indices, values, position, r, x, 0, size)
        for _ in range(1, sweeps):
            _forward(indptr, indices, values, position, r, x)
        _restrict(
            indptr, indices, values, position, r, x, p_indptr, p_indices, p_values, r_coarse, 0, np.uint64(size), True
        )
        return
    begin, behind = 0, np.uint64(0)
    while begin < size:
        end = min(begin + _CHUNK, size)
        _forward_from_zero(indptr, indices, values, position, r, x, begin, end)
        behind = _restrict(
            indptr, indices, values, position, r, x, p_indptr, p_indices, p_values, r_coarse,
            behind, np.uint64(end), False,
        )  # fmt: skip
        begin = end


@kernel
def _up(indptr, indices, values, position, r, x, p_indptr, p_indices, p_values, x_coarse, sweeps):
    size = r.size
    end, ahead = size, size
    while end > 0:
        begin = max(end - _CHUNK, 0)
        first = begin
        for i in range(begin, end):
            first = min(first, np.int64(indices[indptr[i]]))
        if first < ahead:
            _correct(p_indptr, p_indices, p_values, x_coarse, x, first, ahead)
            ahead = first
        _backward(indptr, indices, values, position, r, x, begin, end)
        end = begin
    for _ in range(1, sweeps):
        _backward(indptr, indices, values, position, r, x, 0, size)


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


@kernel
def _scale_down(scale, r, scaled):
    """Write S r, divided by its largest modulus, to ``scaled``; return that modulus (1 if zero)."""
    largest = 0.0
    for i in range(r.size):
        largest = max(largest, abs(scale[i] * r[i]))
    factor = largest if largest > 0.0 else 1.0
    inverse = 1.0 / factor
    for i in range(r.size):
        scaled[i] = scale[i] * r[i] * inverse
    return factor


@kernel
def _scale_up(scale, x, factor, z):
    for i in range(z.size):
        z[i] = scale[i] * x[i] * factor


@kernel
def cycle(
    table, fine_indptr, fine_indices, fine_position, fine_values,
    indptr, indices, position, values, p_indptr, p_indices, p_values,
    inverse, scale, workspace_r, workspace_x, sweeps, r, z,
):  # fmt: skip
    """Apply one V-cycle from zero: write M⁻¹ r to ``z``.

    Parameters
    ----------
    table : int64 array of shape (levels, 6)
        See :data:`SIZE` and its neighbors; level 0 is the finest.
    fine_indptr, fine_indices, fine_position, fine_values
        The finest matrix, scaled to a unit diagonal, and where its diagonal is.
    indptr, indices, position, values
        The coarser matrices, one after the other; likewise scaled; pointers count from each level's own 0.
    p_indptr, p_indices, p_values
        The prolongators, one after the other, in the scaled variables.
    inverse : array of shape (m, m)
        Of the coarsest matrix, if its size is m > 0; with shape (0, 0) the coarsest level is only smoothed.
    scale : float64 array of shape (n,)
        The diagonal scaling S of the finest level: M⁻¹ r = S M̂⁻¹ S r.
    workspace_r, workspace_x : arrays of shape (total unknowns of all levels,), overwritten
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
        if step < levels:
            _down(
                a_indptr, a_indices, a_values, a_position, r_level, x_level,
                t_indptr, t_indices, t_values, workspace_r[below : below + coarse], sweeps,
            )  # fmt: skip
        else:
            _up(
                a_indptr, a_indices, a_values, a_position, r_level, x_level,
                t_indptr, t_indices, t_values, workspace_x[below : below + coarse], sweeps,
            )  # fmt: skip
    _scale_up(scale, workspace_x[: z.size], factor, z)
