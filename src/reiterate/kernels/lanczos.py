"""Steps of the symmetric Lanczos process (1950) on S A S, with a diagonal S, for the largest eigenvalue."""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import PREFETCH_DISTANCE, kernel, prefetch, reduction_kernel


@kernel
def start(scale, v, u):
    """Write a unit vector of fixed pseudorandom signs and sizes to ``v``, and S v to ``u``."""
    state = np.uint64(88172645463325252)
    square = 0.0
    for i in range(v.size):
        state ^= state << np.uint64(13)
        state ^= state >> np.uint64(7)
        state ^= state << np.uint64(17)
        value = np.float64(state >> np.uint64(11)) * 2.0**-52 - 1.0
        v[i] = value
        square += value * value
    factor = 1.0 / np.sqrt(square)
    for i in range(v.size):
        v[i] *= factor
        u[i] = scale[i] * v[i]


@reduction_kernel
def multiply(indptr, indices, data, scale, u, beta, v, w):
    """Write S A u − β w to ``w``, the previous vector on entry, and return v·w; u = S v."""
    alpha = 0.0
    for i in range(v.size):
        begin = indptr[i]
        prefetch(data, begin + PREFETCH_DISTANCE)
        prefetch(indices, begin + PREFETCH_DISTANCE)
        total = 0.0
        for k in range(begin, indptr[i + 1]):
            total += data[k] * u[indices[k]]
        total = scale[i] * total - beta * w[i]
        w[i] = total
        alpha += v[i] * total
    return alpha


@reduction_kernel
def orthogonalize(alpha, v, w):
    """Subtract α v from ``w`` and return ‖w‖²."""
    square = 0.0
    for i in range(v.size):
        value = w[i] - alpha * v[i]
        w[i] = value
        square += value * value
    return square


@reduction_kernel
def largest_row_sum(indptr, indices, data, scale):
    """‖S A S‖ in the maximum norm: the largest sum of moduli of a row."""
    largest = 0.0
    for i in range(scale.size):
        begin = indptr[i]
        prefetch(data, begin + PREFETCH_DISTANCE)
        prefetch(indices, begin + PREFETCH_DISTANCE)
        total = 0.0
        for k in range(begin, indptr[i + 1]):
            total += abs(data[k]) * scale[indices[k]]
        largest = max(largest, scale[i] * total)
    return largest


@kernel
def normalize(factor, scale, w, u):
    """Multiply ``w`` by ``factor`` and write S w to ``u``."""
    for i in range(w.size):
        w[i] *= factor
        u[i] = scale[i] * w[i]
