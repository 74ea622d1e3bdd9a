"""Building and refreshing a multigrid hierarchy: strength, prolongators, Galerkin products, scaling.

All matrices are in compressed sparse row form, not scaled; ``scale`` is 1/√a_ii, or 0 where a diagonal entry is
numerically zero, which decouples that unknown. Numbers are float64.
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import PREFETCH_DISTANCE, kernel, prefetch

_LOOKAHEAD = np.uint64(16)  # rows that are asked for this far ahead

NONE = np.uint32(0xFFFFFFFF)
"""An unknown that belongs to no aggregate, or is no coarse point."""


@kernel
def strong_couplings(indptr, indices, data, scale, theta, s_indptr, s_indices):
    """Off-diagonal entries with |a_ij| > θ √(a_ii a_jj), as a pattern (Vaněk, Mandel and Brezina 1996).

    ``s_indptr`` of shape (n + 1,) and ``s_indices`` of shape (nnz,), int32, are written; returns their count.
    """
    count = 0
    s_indptr[0] = 0
    for i in range(scale.size):
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            if j != i and abs(data[k]) * scale[i] * scale[j] > theta:
                s_indices[count] = j
                count += 1
        s_indptr[i + 1] = count
    return count


@kernel
def strong_dependences(indptr, indices, data, scale, candidate, theta, s_indptr, s_indices):
    """Off-diagonal entries with |a_ij b_j| ≥ θ max_k |a_ik b_k| (Ruge and Stüben 1987); as :func:`strong_couplings`.

    The candidate b, all ones for diffusion, undoes a scaling of A.
    """
    count = 0
    s_indptr[0] = 0
    for i in range(scale.size):
        largest = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            if indices[k] != i and scale[indices[k]] > 0.0:
                largest = max(largest, abs(data[k] * candidate[indices[k]]))
        if largest > 0.0 and scale[i] > 0.0:
            for k in range(indptr[i], indptr[i + 1]):
                j = indices[k]
                coupling = abs(data[k] * candidate[j])
                if j != i and scale[j] > 0.0 and coupling > 0.0 and coupling >= theta * largest:
                    s_indices[count] = j
                    count += 1
        s_indptr[i + 1] = count
    return count


@kernel
def aggregate_norms(candidate, aggregate, norms):
    """Write the norm of the near-nullspace candidate on each aggregate to ``norms``, shape (n_coarse,)."""
    norms[:] = 0.0
    for i in range(aggregate.size):
        if aggregate[i] != NONE:
            norms[aggregate[i]] += candidate[i] * candidate[i]
    for c in range(norms.size):
        norms[c] = np.sqrt(norms[c])


@kernel
def smoothed_pattern(s_indptr, s_indices, aggregate, marker, p_indptr, p_indices):
    """Pattern of the smoothed prolongator: a row has its own aggregate, then those of its strong neighbors.

    Rows without an aggregate are empty. ``marker`` is an int64 array of shape (n_coarse,), zero on entry;
    ``p_indptr`` of shape (n + 1,) and ``p_indices`` of shape (strong couplings + n,) are written. Returns nnz(P).
    """
    count = 0
    p_indptr[0] = 0
    for i in range(aggregate.size):
        own = aggregate[i]
        if own != NONE:
            begin = count
            p_indices[count] = own
            count += 1
            marker[own] = count
            for k in range(s_indptr[i], s_indptr[i + 1]):
                c = aggregate[s_indices[k]]
                if c != NONE and marker[c] <= begin:
                    p_indices[count] = c
                    count += 1
                    marker[c] = count
        p_indptr[i + 1] = count
    return count


@kernel
def smoothed_values(
    indptr, indices, data, scale, aggregate, candidate, norms, omega, marker, p_indptr, p_indices, p_data
):
    """Numbers of P = (I − ω D⁻¹ A_F) T on its pattern; T is the candidate, normalized on each aggregate.

    A_F is A filtered: entries that lead out of the pattern are moved to the diagonal such that
    A_F B = A B for the candidate B. ``marker`` is an int64 array of shape (n_coarse,), zero on entry.
    """
    for i in range(aggregate.size):
        begin, end = np.int64(p_indptr[i]), np.int64(p_indptr[i + 1])
        if begin == end:
            continue
        prefetch(data, indptr[i] + PREFETCH_DISTANCE)
        prefetch(indices, indptr[i] + PREFETCH_DISTANCE)
        for k in range(begin, end):
            p_data[k] = 0.0
            marker[p_indices[k]] = k + 1
        own = norms[aggregate[i]]
        weight = omega * scale[i] * scale[i]
        p_data[begin] = candidate[i] / own
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            c = aggregate[j]
            moved = weight * data[k] * candidate[j]
            if c != NONE and marker[c] > begin:
                p_data[marker[c] - 1] -= moved / norms[c]
            else:
                p_data[begin] -= moved / own


@kernel
def direct_pattern(s_indptr, s_indices, coarse, p_indptr, p_indices):
    """Pattern of direct interpolation: a coarse point has itself, a fine one the coarse ones that it depends on.

    ``coarse`` (uint32, shape (n,)) has the number of each coarse point, :data:`NONE` for fine ones; ``p_indptr`` of
    shape (n + 1,) and ``p_indices`` of shape (strong dependences + n,) are written. Returns nnz(P).
    """
    count = 0
    p_indptr[0] = 0
    for i in range(coarse.size):
        if coarse[i] != NONE:
            p_indices[count] = coarse[i]
            count += 1
        else:
            for k in range(s_indptr[i], s_indptr[i + 1]):
                if coarse[s_indices[k]] != NONE:
                    p_indices[count] = coarse[s_indices[k]]
                    count += 1
        p_indptr[i + 1] = count
    return count


@kernel
def direct_values(indptr, indices, data, position, coarse, candidate, p_indptr, p_indices, p_data):
    """Weights of direct interpolation on its pattern (Stüben 2001), for entries of either sign.

    With N and C all neighbors and those in the pattern, by the sign of their entries: w_ij = −α a_ij b_i / d with
    α = Σ_N a b / Σ_C a b; where a sign has no neighbor in C, its Σ_N is added to the diagonal d = a_ii b_i.
    The candidate b > 0 is interpolated exactly where A b = 0; it is all ones in the source.
    """
    for i in range(coarse.size):
        begin, end = p_indptr[i], p_indptr[i + 1]
        if coarse[i] != NONE:
            p_data[begin] = 1.0
            continue
        if begin == end:
            continue
        negative, positive, coarse_negative, coarse_positive = 0.0, 0.0, 0.0, 0.0
        t = begin
        for k in range(indptr[i], indptr[i + 1]):
            if k == position[i]:
                continue
            value = data[k] * candidate[indices[k]]
            kept = t < end and p_indices[t] == coarse[indices[k]]
            if kept:
                p_data[t] = data[k]
                t += np.uint32(1)
            if value < 0.0:
                negative += value
                coarse_negative += value if kept else 0.0
            else:
                positive += value
                coarse_positive += value if kept else 0.0
        own = data[position[i]] * candidate[i]
        pivot = own
        pivot += negative if coarse_negative == 0.0 else 0.0
        pivot += positive if coarse_positive == 0.0 else 0.0
        if not pivot > 0.0:
            pivot = own
        alpha = negative / coarse_negative if coarse_negative < 0.0 else 0.0
        beta = positive / coarse_positive if coarse_positive > 0.0 else 0.0
        for t in range(begin, end):
            p_data[t] *= -(alpha if p_data[t] < 0.0 else beta) * candidate[i] / pivot


@kernel
def transpose(indptr, indices, data, t_indptr, t_indices, t_data):
    """Write the transpose of an n × m matrix; its rows are sorted. ``t_indptr`` has shape (m + 1,)."""
    t_indptr[:] = 0
    for k in range(indptr[indptr.size - 1]):
        t_indptr[indices[k] + np.uint32(1)] += np.uint32(1)
    for c in range(t_indptr.size - 1):
        t_indptr[c + 1] += t_indptr[c]
    # The pointers serve as cursors, and are moved back by one place afterwards.
    for i in range(indptr.size - 1):
        for k in range(indptr[i], indptr[i + 1]):
            c = indices[k]
            t_indices[t_indptr[c]] = i
            t_data[t_indptr[c]] = data[k]
            t_indptr[c] += np.uint32(1)
    c = t_indptr.size - 1
    while c > 0:
        t_indptr[c] = t_indptr[c - 1]
        c -= 1
    t_indptr[0] = 0


@kernel
def _restricted_row(indptr, indices, data, r_indptr, r_indices, r_data, c, stamp, sums, found):
    """Row c of Pᵀ A: its columns in ``found``, their numbers in ``sums``; return how many."""
    count = np.uint64(0)
    mark = np.uint32(c + 1)
    last = np.uint64(r_indices.size - 1)
    for t in range(r_indptr[c], r_indptr[c + 1]):
        # The rows of A that one coarse row needs lie far apart.
        coming = r_indices[min(np.uint64(t) + _LOOKAHEAD, last)]
        ahead = np.uint64(indptr[coming])
        prefetch(data, ahead)
        prefetch(data, ahead + np.uint64(7))
        prefetch(indices, ahead)
        prefetch(sums, np.uint64(coming))
        prefetch(stamp, np.uint64(coming))
        i = r_indices[t]
        weight = r_data[t]
        for k in range(indptr[i], indptr[i + np.uint32(1)]):
            j = indices[k]
            if stamp[j] != mark:
                stamp[j] = mark
                sums[j] = weight * data[k]
                found[count] = j
                count += np.uint64(1)
            else:
                sums[j] += weight * data[k]
    return count


@kernel
def galerkin_product(
    indptr, indices, data, r_indptr, r_indices, r_data, p_indptr, p_indices, p_data,
    first, stamp, sums, found, coarse_stamp, coarse_sums, c_indptr, c_indices, c_data,
):  # fmt: skip
    """Pattern and numbers of A_c = Pᵀ A P, row by row, without a stored intermediate product.

    Gustavson's algorithm (1978) on both products of one coarse row at a time. Rows are not sorted: transpose.

    Parameters
    ----------
    indptr, indices, data : A
    r_*, p_* : Pᵀ and P
    first : int
        Row to start with: 0, or what the last call returned.
    stamp, sums, found : uint32, float64, uint32 arrays of shape (n,); workspace, ``stamp`` zero at first
    coarse_stamp, coarse_sums : uint32, float64 arrays of shape (n_coarse,); workspace, zero at first
    c_indptr : uint32 array of shape (n_coarse + 1,), written
    c_indices, c_data : arrays of any shape (capacity,), written

    Returns
    -------
    int
        n_coarse, or the row at which the capacity ended: call again with longer arrays.
    """
    rows = r_indptr.size - 1
    if first == 0:
        c_indptr[0] = 0
    for c in range(first, rows):
        count = _restricted_row(indptr, indices, data, r_indptr, r_indices, r_data, c, stamp, sums, found)
        mark = np.uint32(c + 1)
        begin = np.uint64(c_indptr[c])
        out = begin
        full = False
        for t in range(count):
            j = found[t]
            weight = sums[j]
            full = full or out + np.uint64(p_indptr[j + np.uint32(1)] - p_indptr[j]) >= c_indices.size
            if full:
                continue
            for k in range(p_indptr[j], p_indptr[j + np.uint32(1)]):
                d = p_indices[k]
                c_indices[out] = d
                out += np.uint64(coarse_stamp[d] != mark)
                coarse_stamp[d] = mark
                coarse_sums[d] += weight * p_data[k]
        for k in range(begin, out):
            d = c_indices[k]
            c_data[k] = coarse_sums[d]
            coarse_sums[d] = 0.0
        if full:
            for t in range(count):
                stamp[found[t]] = 0
            for k in range(begin, out):
                coarse_stamp[c_indices[k]] = 0
            return c
        c_indptr[c + 1] = out
    return rows


@kernel
def refresh_galerkin_product(
    indptr, indices, data, r_indptr, r_indices, r_data, p_indptr, p_indices, p_data,
    stamp, sums, found, coarse_sums, c_indptr, c_indices, c_data,
):  # fmt: skip
    """Numbers of A_c = Pᵀ A P on its known pattern, which must hold every entry of the product but zeros.

    Shapes and workspace as for :func:`galerkin_product`.
    """
    for c in range(r_indptr.size - 1):
        count = _restricted_row(indptr, indices, data, r_indptr, r_indices, r_data, c, stamp, sums, found)
        for t in range(count):
            ahead = np.uint64(p_indptr[found[min(np.uint64(t) + _LOOKAHEAD, np.uint64(count - 1))]])
            prefetch(p_data, ahead)
            prefetch(p_indices, ahead)
            j = found[t]
            weight = sums[j]
            for k in range(p_indptr[j], p_indptr[j + np.uint32(1)]):
                coarse_sums[p_indices[k]] += weight * p_data[k]
        for k in range(c_indptr[c], c_indptr[c + 1]):
            d = c_indices[k]
            c_data[k] = coarse_sums[d]
            coarse_sums[d] = 0.0


@kernel
def diagonal_scale(data, position, magnitude, tolerance, scale):
    """Write 1/√a_ii to ``scale``, 0 where |a_ii| ≤ tolerance · magnitude_i; return the count of negative ones."""
    negative = 0
    for i in range(scale.size):
        value = data[position[i]]
        if value > tolerance * magnitude[i]:
            scale[i] = 1.0 / np.sqrt(value)
        else:
            scale[i] = 0.0
            if not value >= -tolerance * magnitude[i]:
                negative += 1
    return negative


@kernel
def restricted_diagonal(scale, r_indptr, r_indices, r_data, magnitude):
    """Write Σ p_ic² a_ii to ``magnitude``, shape (n_coarse,): a measure for rounding errors of the coarse diagonal."""
    for c in range(magnitude.size):
        total = 0.0
        for t in range(r_indptr[c], r_indptr[c + 1]):
            own = scale[r_indices[t]]
            if own > 0.0:
                total += (r_data[t] / own) ** 2
        magnitude[c] = total


@kernel
def scale_matrix(indptr, indices, data, scale, values):
    """Write s_i a_ij s_j to ``values``, of any precision."""
    for i in range(scale.size):
        prefetch(data, indptr[i] + PREFETCH_DISTANCE)
        prefetch(indices, indptr[i] + PREFETCH_DISTANCE)
        own = scale[i]
        for k in range(indptr[i], indptr[i + 1]):
            values[k] = own * data[k] * scale[indices[k]]


@kernel
def scale_prolongator(p_indptr, p_indices, p_data, scale, coarse_scale, values):
    """Write p_ic s_c / s_i to ``values``, of any precision, 0 where a scale is; s_c normalizes A_c."""
    for i in range(scale.size):
        own = 1.0 / scale[i] if scale[i] > 0.0 else 0.0
        for k in range(p_indptr[i], p_indptr[i + 1]):
            values[k] = own * p_data[k] * coarse_scale[p_indices[k]]


@kernel
def rayleigh_quotient(indptr, indices, data, scale, v):
    """Return v·Av / v·Dv: how near to the null space v is, in units of the diagonal."""
    top, bottom = 0.0, 0.0
    for i in range(v.size):
        total = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            total += data[k] * v[indices[k]]
        top += total * v[i]
        if scale[i] > 0.0:
            bottom += (v[i] / scale[i]) ** 2
    return top / bottom
