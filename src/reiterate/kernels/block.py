"""Products of a sparse matrix with blocks of vectors, and conjugate gradients on all columns at once.

Blocks have shape (n, k), k a multiple of four, and are C-contiguous, so that an entry of the matrix, read once for all
columns, meets numbers that lie side by side. Rows are taken a few dozen at a time, which stay in the cache of first
level while their columns are taken by fours or eights; the sums of these stay in vector registers.
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.codes import CONVERGED, NOT_DEFINITE, NOT_FINITE, RUNNING
from reiterate.kernels.compiling import inlined_kernel, kernel, prefetch
from reiterate.kernels.lanes import product_of_eight, product_of_four

_ONE = np.uint64(1)
_TWO = np.uint64(2)
_THREE = np.uint64(3)
_EIGHT = np.uint64(8)
_TILE = np.uint64(64)  # rows


@kernel
def product_dots(indptr, indices, data, X, Y, dots):
    """Write A X to ``Y`` and the dot product of every column of X with its own of Y to ``dots``.

    Parameters
    ----------
    indptr, indices, data : the matrix A, shape (n, n)
    X, Y : arrays of shape (n, k); ``Y`` is written
    dots : array of shape (k,), written
    """
    rows, columns = np.uint64(X.shape[0]), np.uint64(X.shape[1])
    dots[:] = 0.0
    first = np.uint64(0)
    while first < rows:
        last = min(first + _TILE, rows)
        k = np.uint64(indptr[last])
        end = k + np.uint64(indptr[last] - indptr[first])
        while k < end:
            prefetch(data, k)
            prefetch(indices, k)
            k += _EIGHT
        c = np.uint64(0)
        while c + _EIGHT <= columns:
            product_of_eight(first, last, indptr, indices, data, X, Y, dots, c)
            c += _EIGHT
        if c < columns:
            product_of_four(first, last, indptr, indices, data, X, Y, dots, c)
        first = last


@inlined_kernel
def _residuals_of_four(first, last, alpha, Q, inverse_diagonal, R, squares, weighted, c):
    a0, a1, a2, a3 = alpha[c], alpha[c + _ONE], alpha[c + _TWO], alpha[c + _THREE]
    s0, s1, s2, s3 = squares[c], squares[c + _ONE], squares[c + _TWO], squares[c + _THREE]
    w0, w1, w2, w3 = weighted[c], weighted[c + _ONE], weighted[c + _TWO], weighted[c + _THREE]
    for row in range(first, last):
        i = np.uint64(row)
        inverse = inverse_diagonal[i]
        r0 = R[i, c] - a0 * Q[i, c]
        r1 = R[i, c + _ONE] - a1 * Q[i, c + _ONE]
        r2 = R[i, c + _TWO] - a2 * Q[i, c + _TWO]
        r3 = R[i, c + _THREE] - a3 * Q[i, c + _THREE]
        R[i, c], R[i, c + _ONE], R[i, c + _TWO], R[i, c + _THREE] = r0, r1, r2, r3
        r0, r1, r2, r3 = r0 * r0, r1 * r1, r2 * r2, r3 * r3
        s0, s1, s2, s3 = s0 + r0, s1 + r1, s2 + r2, s3 + r3
        w0, w1, w2, w3 = w0 + inverse * r0, w1 + inverse * r1, w2 + inverse * r2, w3 + inverse * r3
    squares[c], squares[c + _ONE], squares[c + _TWO], squares[c + _THREE] = s0, s1, s2, s3
    weighted[c], weighted[c + _ONE], weighted[c + _TWO], weighted[c + _THREE] = w0, w1, w2, w3


@kernel
def _update_residuals(alpha, Q, inverse_diagonal, R, squares, weighted):
    rows = np.uint64(R.shape[0])
    fours = np.uint64(R.shape[1]) >> _TWO
    squares[:] = 0.0
    weighted[:] = 0.0
    first = np.uint64(0)
    while first < rows:
        last = min(first + _TILE, rows)
        for four in range(fours):
            _residuals_of_four(first, last, alpha, Q, inverse_diagonal, R, squares, weighted, np.uint64(four) << _TWO)
        first = last


@inlined_kernel
def _iterates_of_four(first, last, alpha, beta, R, inverse_diagonal, X, P, c):
    a0, a1, a2, a3 = alpha[c], alpha[c + _ONE], alpha[c + _TWO], alpha[c + _THREE]
    b0, b1, b2, b3 = beta[c], beta[c + _ONE], beta[c + _TWO], beta[c + _THREE]
    for row in range(first, last):
        i = np.uint64(row)
        inverse = inverse_diagonal[i]
        p0, p1, p2, p3 = P[i, c], P[i, c + _ONE], P[i, c + _TWO], P[i, c + _THREE]
        x0, x1 = X[i, c] + a0 * p0, X[i, c + _ONE] + a1 * p1
        x2, x3 = X[i, c + _TWO] + a2 * p2, X[i, c + _THREE] + a3 * p3
        p0 = inverse * R[i, c] + b0 * p0
        p1 = inverse * R[i, c + _ONE] + b1 * p1
        p2 = inverse * R[i, c + _TWO] + b2 * p2
        p3 = inverse * R[i, c + _THREE] + b3 * p3
        X[i, c], X[i, c + _ONE], X[i, c + _TWO], X[i, c + _THREE] = x0, x1, x2, x3
        P[i, c], P[i, c + _ONE], P[i, c + _TWO], P[i, c + _THREE] = p0, p1, p2, p3


@kernel
def _update_iterates(alpha, beta, R, inverse_diagonal, X, P):
    rows = np.uint64(R.shape[0])
    fours = np.uint64(R.shape[1]) >> _TWO
    first = np.uint64(0)
    while first < rows:
        last = min(first + _TILE, rows)
        for four in range(fours):
            _iterates_of_four(first, last, alpha, beta, R, inverse_diagonal, X, P, np.uint64(four) << _TWO)
        first = last


@kernel
def advance(
    indptr, indices, data, inverse_diagonal, X, R, P, Q, alpha, beta, squares, weighted, next_weighted, thresholds,
    live, max_iterations,
):  # fmt: skip
    """Make up to ``max_iterations`` iterations of CG on every column, each with coefficients of its own, in place.

    Preconditioned by a diagonal D; ones make it plain CG.

    Parameters
    ----------
    indptr, indices, data : the matrix A, symmetric positive definite, shape (n, n)
    inverse_diagonal : array of shape (n,), positive
    X, R, P : arrays of shape (n, k), overwritten
        Iterates, residuals, directions, as an earlier call left them; at first R = B − A X and P = D⁻¹ R.
    Q : array of shape (n, k), overwritten (workspace)
    alpha, beta, next_weighted : arrays of shape (k,), overwritten (workspace)
    squares, weighted : arrays of shape (k,), overwritten
        ‖r‖² and r·D⁻¹r of every column.
    thresholds : array of shape (k,)
        Of ‖r‖²; as soon as a live column meets its own, the kernel returns.
    live : bool array of shape (k,), overwritten
        Columns that are iterated; cleared where a column has met its threshold. Iterates of others do not change.
    max_iterations : int

    Returns
    -------
    iterations : int
        Made in this call, by every live column.
    code : int
        ``CONVERGED`` where columns have met their thresholds, maybe not all; else as :mod:`reiterate.kernels.codes`.
    """
    for iteration in range(max_iterations):
        product_dots(indptr, indices, data, P, Q, beta)
        for c in range(live.size):
            alpha[c] = 0.0
            if live[c]:
                if not beta[c] > 0.0:
                    return iteration, NOT_DEFINITE if beta[c] <= 0.0 else NOT_FINITE
                alpha[c] = weighted[c] / beta[c]
        _update_residuals(alpha, Q, inverse_diagonal, R, squares, next_weighted)
        finished = False
        for c in range(live.size):
            beta[c] = 0.0
            if live[c]:
                if not squares[c] < np.inf:
                    return iteration, NOT_FINITE
                beta[c] = next_weighted[c] / weighted[c]
                weighted[c] = next_weighted[c]
                if squares[c] <= thresholds[c]:
                    live[c] = False
                    finished = True
        _update_iterates(alpha, beta, R, inverse_diagonal, X, P)
        if finished:
            return iteration + 1, CONVERGED
    return max_iterations, RUNNING
