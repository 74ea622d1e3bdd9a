"""The V-cycle of :mod:`reiterate.kernels.multigrid` on several columns at once; blocks have shape (n, k)."""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import PREFETCH_DISTANCE, kernel, prefetch
from reiterate.kernels.lanes import cast, load, magnitude, spread, store
from reiterate.kernels.multigrid import BANDWIDTH, ENTRIES, POINTERS, ROWS, SIZE, WEIGHT_POINTERS, WEIGHTS

_CHUNK = 1024  # rows that a sweep makes before the pass that follows it takes its turn
_ZERO = np.uint64(0)
_ONE = np.uint64(1)


@kernel
def _subtract_products(begin, end, indices, values, x, total, lanes):
    """``total`` − Σ a_ij x_j over the entries from ``begin`` to ``end`` − 1."""
    k = np.uint64(begin)
    while k < np.uint64(end):
        total -= values[k] * load(x, np.uint64(indices[k]), lanes)
        k += _ONE
    return total


@kernel
def _forward_from_zero(indptr, indices, values, position, r, x, begin, end, lanes):
    for row in range(begin, end):
        i = np.uint64(row)
        prefetch(values, indptr[i] + PREFETCH_DISTANCE)
        prefetch(indices, indptr[i] + PREFETCH_DISTANCE)
        store(x, i, _subtract_products(indptr[i], position[i], indices, values, x, load(r, i, lanes), lanes))


@kernel
def _forward(indptr, indices, values, position, r, x, lanes):
    for row in range(position.size):
        i = np.uint64(row)
        total = load(r, i, lanes)
        after = position[i] + np.uint32(1)
        total = _subtract_products(after, indptr[i + _ONE], indices, values, x, total, lanes)
        store(x, i, _subtract_products(indptr[i], position[i], indices, values, x, total, lanes))


@kernel
def _backward(indptr, indices, values, position, r, x, lanes):
    i = np.uint64(position.size)
    while i > _ZERO:
        i -= _ONE
        prefetch(values, indptr[i] - PREFETCH_DISTANCE)
        prefetch(indices, indptr[i] - PREFETCH_DISTANCE)
        total = _subtract_products(indptr[i], position[i], indices, values, x, load(r, i, lanes), lanes)
        # The nearest neighbor last: it is the one that has only just been computed.
        k = np.uint64(indptr[i + _ONE])
        while k > np.uint64(position[i]) + _ONE:
            k -= _ONE
            total -= values[k] * load(x, np.uint64(indices[k]), lanes)
        store(x, i, total)


@kernel
def _restrict(
    indptr, indices, values, position, r, x, p_indptr, p_indices, p_values, r_coarse, begin, end, whole, lanes
):  # fmt: skip
    for row in range(begin, end):
        i = np.uint64(row)
        prefetch(p_values, p_indptr[i] + PREFETCH_DISTANCE)
        prefetch(p_indices, p_indptr[i] + PREFETCH_DISTANCE)
        left = spread(values[0] - values[0], lanes)
        if whole:
            left = load(r, i, lanes) - load(x, i, lanes)
            left = _subtract_products(indptr[i], position[i], indices, values, x, left, lanes)
        after = position[i] + np.uint32(1)
        left = _subtract_products(after, indptr[i + _ONE], indices, values, x, left, lanes)
        for entry in range(p_indptr[i], p_indptr[i + _ONE]):
            k = np.uint64(entry)
            j = np.uint64(p_indices[k])
            store(r_coarse, j, load(r_coarse, j, lanes) + p_values[k] * left)


@kernel
def _correct(p_indptr, p_indices, p_values, x_coarse, x, lanes):
    for row in range(p_indptr.size - 1):
        i = np.uint64(row)
        prefetch(p_values, p_indptr[i] + PREFETCH_DISTANCE)
        prefetch(p_indices, p_indptr[i] + PREFETCH_DISTANCE)
        total = load(x, i, lanes)
        for entry in range(p_indptr[i], p_indptr[i + _ONE]):
            k = np.uint64(entry)
            total += p_values[k] * load(x_coarse, np.uint64(p_indices[k]), lanes)
        store(x, i, total)


@kernel
def _down(
    indptr, indices, values, position, r, x, p_indptr, p_indices, p_values, r_coarse, sweeps, bandwidth, lanes
):  # fmt: skip
    r_coarse[:] = 0.0
    size = position.size
    swept, restricted = 0, 0
    while swept < size:
        end = min(swept + _CHUNK, size)
        _forward_from_zero(indptr, indices, values, position, r, x, swept, end, lanes)
        if sweeps == 1:
            known = size if end == size else max(end - bandwidth, restricted)
            _restrict(
                indptr, indices, values, position, r, x, p_indptr, p_indices, p_values, r_coarse,
                restricted, known, False, lanes,
            )  # fmt: skip
            restricted = known
        swept = end
    if sweeps > 1:
        for _ in range(1, sweeps):
            _forward(indptr, indices, values, position, r, x, lanes)
        _restrict(
            indptr, indices, values, position, r, x, p_indptr, p_indices, p_values, r_coarse, 0, size, True, lanes
        )


@kernel
def _solve_coarsest(indptr, indices, values, position, inverse, r, x, sweeps, lanes):
    size = position.size
    if inverse.shape[0] == size:
        for i in range(size):
            total = spread(values[0] - values[0], lanes)
            for j in range(size):
                total += inverse[i, j] * load(r, np.uint64(j), lanes)
            store(x, np.uint64(i), total)
        return
    _forward_from_zero(indptr, indices, values, position, r, x, 0, size, lanes)
    for _ in range(1, sweeps):
        _forward(indptr, indices, values, position, r, x, lanes)
    for _ in range(sweeps):
        _backward(indptr, indices, values, position, r, x, lanes)


@kernel
def _scale_down(scale, R, scaled, norms, inverses, lanes):
    """Write S R, every column divided by its 1-norm, to ``scaled``, and those norms to ``norms``."""
    total = spread(0.0, lanes)
    for row in range(scale.size):
        i = np.uint64(row)
        total += magnitude(scale[i] * load(R, i, lanes))
    store(norms, _ZERO, total)
    for c in range(norms.size):
        if norms[c] == 0.0:
            norms[c] = 1.0
        inverses[c] = 1.0 / norms[c]
    inverse = load(inverses, _ZERO, lanes)
    like = scaled[0, 0]
    for row in range(scale.size):
        i = np.uint64(row)
        store(scaled, i, cast(scale[i] * load(R, i, lanes) * inverse, like))


@kernel
def _scale_up(scale, x, norms, Z, lanes):
    factor = load(norms, _ZERO, lanes)
    like = Z[0, 0]
    for row in range(scale.size):
        i = np.uint64(row)
        store(Z, i, scale[i] * cast(load(x, i, lanes), like) * factor)


@kernel
def cycle(
    table, fine_indptr, fine_indices, fine_position, fine_values,
    indptr, indices, position, values, p_indptr, p_indices, p_values,
    inverse, scale, sweeps, workspace_r, workspace_x, norms, inverses, R, Z, lanes,
):  # fmt: skip
    """Apply one V-cycle from zero to every column: write M⁻¹ R to ``Z``.

    Parameters
    ----------
    table … scale, sweeps
        As :func:`reiterate.kernels.multigrid.cycle` takes them.
    workspace_r, workspace_x : arrays of shape (total unknowns of all levels, k), overwritten
    norms, inverses : float64 arrays of shape (k,), overwritten (workspace)
    R, Z : arrays of shape (n, k); ``Z`` is written
    lanes : tuple of length k
    """
    levels = table.shape[0]
    last = levels - 1
    fine_size = scale.size
    _scale_down(scale, R, workspace_r[:fine_size], norms, inverses, lanes)
    for step in range(2 * levels - 1):
        level = step if step < levels else 2 * last - step
        size, row = table[level, SIZE], table[level, ROWS]
        r_level, x_level = workspace_r[row : row + size], workspace_x[row : row + size]
        if level == 0:
            a_indptr, a_indices, a_position, a_values = fine_indptr, fine_indices, fine_position, fine_values
        else:
            pointer, entry = table[level, POINTERS], table[level, ENTRIES]
            rest = row - fine_size
            a_indptr, a_position = indptr[pointer : pointer + size + 1], position[rest : rest + size]
            a_indices, a_values = indices[entry:], values[entry:]
        if level == last:
            _solve_coarsest(a_indptr, a_indices, a_values, a_position, inverse, r_level, x_level, sweeps, lanes)
            continue
        below = row + size
        coarse = table[level + 1, SIZE]
        pointer, entry = table[level, WEIGHT_POINTERS], table[level, WEIGHTS]
        t_indptr, t_indices, t_values = p_indptr[pointer : pointer + size + 1], p_indices[entry:], p_values[entry:]
        if step < levels:
            _down(
                a_indptr, a_indices, a_values, a_position, r_level, x_level,
                t_indptr, t_indices, t_values, workspace_r[below : below + coarse],
                sweeps, table[level, BANDWIDTH], lanes,
            )  # fmt: skip
        else:
            _correct(t_indptr, t_indices, t_values, workspace_x[below : below + coarse], x_level, lanes)
            for _ in range(sweeps):
                _backward(a_indptr, a_indices, a_values, a_position, r_level, x_level, lanes)
    _scale_up(scale, workspace_x[:fine_size], norms, Z, lanes)
