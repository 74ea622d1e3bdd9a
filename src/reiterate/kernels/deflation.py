"""Products with the few vectors of a recycled space, stored in single precision.

Any space deflates: rounding its vectors to single precision gives another space, close to the first, so that nothing is
lost in double precision elsewhere, and half the memory traffic is saved.
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import kernel, reduction_kernel

_CHUNK = 2048  # rows of the vector that stay in the first-level cache while the space streams by


@reduction_kernel
def _products_of_four(a, b, c, d, r, j, products):
    first = second = third = fourth = 0.0
    for i in range(r.size):
        value = r[i]
        first += a[i] * value
        second += b[i] * value
        third += c[i] * value
        fourth += d[i] * value
    products[j] += first
    products[j + 1] += second
    products[j + 2] += third
    products[j + 3] += fourth


@reduction_kernel
def _product_of_one(a, r):
    total = 0.0
    for i in range(r.size):
        total += a[i] * r[i]
    return total


@kernel
def project(space, r, products):
    """Write Wᵀ r to ``products``.

    Parameters
    ----------
    space : float32 array of shape (k, n), C-contiguous
        Its rows are the columns of W.
    r : float64 array of shape (n,)
    products : float64 array of shape (k,), written
    """
    products[:] = 0.0
    for begin in range(0, r.size, _CHUNK):
        end = min(begin + _CHUNK, r.size)
        part = r[begin:end]
        j = 0
        while j + 4 <= products.size:
            a, b = space[j, begin:end], space[j + 1, begin:end]
            c, d = space[j + 2, begin:end], space[j + 3, begin:end]
            _products_of_four(a, b, c, d, part, j, products)
            j += 4
        while j < products.size:
            products[j] += _product_of_one(space[j, begin:end], part)
            j += 1


@kernel
def _add_four(a, b, c, d, first, second, third, fourth, z):
    for i in range(z.size):
        z[i] += first * a[i] + second * b[i] + third * c[i] + fourth * d[i]


@kernel
def _add_one(a, first, z):
    for i in range(z.size):
        z[i] += first * a[i]


@kernel
def correct(space, coefficients, r, z):
    """Add W · ``coefficients`` to ``z`` and return r·z; ``space`` and the vectors as in :func:`project`."""
    total = 0.0
    for begin in range(0, z.size, _CHUNK):
        end = min(begin + _CHUNK, z.size)
        part = z[begin:end]
        j = 0
        while j + 4 <= coefficients.size:
            a, b = space[j, begin:end], space[j + 1, begin:end]
            c, d = space[j + 2, begin:end], space[j + 3, begin:end]
            _add_four(a, b, c, d, coefficients[j], coefficients[j + 1], coefficients[j + 2], coefficients[j + 3], part)
            j += 4
        while j < coefficients.size:
            _add_one(space[j, begin:end], coefficients[j], part)
            j += 1
        total += _product_of_one(part, r[begin:end])
    return total


@kernel
def combine(weights, vectors, workspace, combined):
    """Write the combinations Σ_j weights[i, j] · (row j of ``vectors``) to the rows of ``combined``.

    Parameters
    ----------
    weights : float32 array of shape (c, m)
    vectors : float32 array of shape (at least m, n), C-contiguous
    workspace : float32 array of shape (c, any width), overwritten
    combined : float32 array of shape (at least c, n), written; may be ``vectors``
    """
    count, terms = weights.shape
    width = workspace.shape[1]
    for begin in range(0, vectors.shape[1], width):
        end = min(begin + width, vectors.shape[1])
        for i in range(count):
            total = workspace[i, : end - begin]
            total[:] = 0
            j = 0
            while j + 4 <= terms:
                a, b = vectors[j, begin:end], vectors[j + 1, begin:end]
                c, d = vectors[j + 2, begin:end], vectors[j + 3, begin:end]
                _add_four(a, b, c, d, weights[i, j], weights[i, j + 1], weights[i, j + 2], weights[i, j + 3], total)
                j += 4
            while j < terms:
                _add_one(vectors[j, begin:end], weights[i, j], total)
                j += 1
        for i in range(count):
            combined[i, begin:end] = workspace[i, : end - begin]


@reduction_kernel
def _product(a, b):
    total = np.conj(a[0]) * b[0]
    for i in range(1, a.size):
        total += np.conj(a[i]) * b[i]
    return total


@kernel
def inner_products(left, right, products):
    """Write l_i·r_j, the left one conjugated, to ``products[i, j]``.

    Parameters
    ----------
    left, right : arrays of shapes (a, n) and (b, n), C-contiguous
    products : array of shape (a, b), written
    """
    products[:] = 0
    for begin in range(0, left.shape[1], _CHUNK):
        end = min(begin + _CHUNK, left.shape[1])
        for i in range(left.shape[0]):
            for j in range(right.shape[0]):
                products[i, j] += _product(left[i, begin:end], right[j, begin:end])
