"""Products of a sparse matrix with blocks of vectors, and conjugate gradients on all columns at once.

Blocks have shape (n, k), k = 4 or 8, and are C-contiguous, so that an entry of the matrix, read once for all columns,
meets numbers that lie side by side (:mod:`reiterate.kernels.lanes`). Every column has coefficients of its own; what
becomes of one, overflow included, changes no bit of another.
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.codes import CONVERGED, NOT_DEFINITE, NOT_FINITE, PRECONDITIONER_NOT_DEFINITE, RUNNING
from reiterate.kernels.compiling import PREFETCH_DISTANCE, kernel, prefetch
from reiterate.kernels.lanes import load, spread, store

_ZERO = np.uint64(0)
_ONE = np.uint64(1)


@kernel
def product_dots(indptr, indices, data, X, Y, dots, lanes):
    """Write A X to ``Y`` and the dot product of every column of X with its own of Y to ``dots``.

    Parameters
    ----------
    indptr, indices, data : the matrix A, shape (n, n)
    X, Y : arrays of shape (n, k); ``Y`` is written
    dots : array of shape (k,), written
    lanes : tuple of length k
    """
    total = spread(0.0, lanes)
    k = np.uint64(indptr[0])
    for row in range(X.shape[0]):
        i = np.uint64(row)
        prefetch(data, k + PREFETCH_DISTANCE)
        prefetch(indices, k + PREFETCH_DISTANCE)
        image = spread(0.0, lanes)
        end = np.uint64(indptr[i + _ONE])
        while k < end:
            image += data[k] * load(X, np.uint64(indices[k]), lanes)
            k += _ONE
        store(Y, i, image)
        total += image * load(X, i, lanes)
    store(dots, _ZERO, total)


@kernel
def dots(X, Y, products, lanes):
    """Write the dot product of every column of X with its own of Y, both of shape (n, k), to ``products``."""
    total = spread(0.0, lanes)
    for row in range(X.shape[0]):
        i = np.uint64(row)
        total += load(X, i, lanes) * load(Y, i, lanes)
    store(products, _ZERO, total)


@kernel
def step(alpha, P, Q, X, R, squares, lanes):
    """Write X + P α to ``X`` and R − Q α to ``R``, α of shape (k,), and the new ‖r‖² of every column to ``squares``."""
    a = load(alpha, _ZERO, lanes)
    total = spread(0.0, lanes)
    for row in range(X.shape[0]):
        i = np.uint64(row)
        store(X, i, load(X, i, lanes) + a * load(P, i, lanes))
        rest = load(R, i, lanes) - a * load(Q, i, lanes)
        store(R, i, rest)
        total += rest * rest
    store(squares, _ZERO, total)


@kernel
def turn(beta, Z, P, lanes):
    """Write Z + P β, β of shape (k,), to ``P``."""
    b = load(beta, _ZERO, lanes)
    for row in range(P.shape[0]):
        i = np.uint64(row)
        store(P, i, load(Z, i, lanes) + b * load(P, i, lanes))


@kernel
def silence(blocks, c):
    """Write zeros to column ``c`` of every block: times a coefficient of zero, ∞ would not be zero."""
    for block in blocks:
        block[:, c] = 0.0


@kernel
def choose_steps(weighted, curvatures, code, alpha, blocks):
    """Write the step lengths r·z / p·Ap to ``alpha``, 0 for columns that are not iterated.

    Parameters
    ----------
    weighted, curvatures, alpha : arrays of shape (k,)
    code : int array of shape (k,)
        ``RUNNING`` for columns that are iterated; overwritten by the reason where the curvature forbids to go on.
    blocks : tuple of arrays of shape (n, k)
        In which such columns are silenced.

    Returns
    -------
    bool
        Whether a column has stopped.
    """
    stopped = False
    for c in range(code.size):
        alpha[c] = 0.0
        if code[c] == RUNNING:
            if 0.0 < curvatures[c] < np.inf and weighted[c] < np.inf:
                alpha[c] = weighted[c] / curvatures[c]
            else:
                code[c] = NOT_DEFINITE if curvatures[c] <= 0.0 else NOT_FINITE
                silence(blocks, c)
                stopped = True
    return stopped


@kernel
def judge_residuals(squares, thresholds, code, blocks):
    """Mark columns whose ‖r‖² has met its threshold, and those that have overflown, which are silenced.

    Parameters and result as those of :func:`choose_steps`; ``squares`` and ``thresholds`` have shape (k,).
    """
    stopped = False
    for c in range(code.size):
        if code[c] == RUNNING:
            if squares[c] <= thresholds[c]:
                code[c] = CONVERGED
                stopped = True
            elif not squares[c] < np.inf:
                code[c] = NOT_FINITE
                silence(blocks, c)
                stopped = True
    return stopped


@kernel
def choose_turns(weighted, next_weighted, code, beta, blocks):
    """Write the quotients of the next r·z and r·z to ``beta``, 0 for columns that are not iterated, and keep the next.

    Parameters and result as those of :func:`choose_steps`; columns stop where r·z forbids to go on.
    """
    stopped = False
    for c in range(code.size):
        beta[c] = 0.0
        if code[c] == RUNNING:
            if 0.0 < next_weighted[c] < np.inf:
                beta[c] = next_weighted[c] / weighted[c]
                weighted[c] = next_weighted[c]
            else:
                code[c] = PRECONDITIONER_NOT_DEFINITE if next_weighted[c] <= 0.0 else NOT_FINITE
                silence(blocks, c)
                stopped = True
    return stopped


@kernel
def _update_residuals(alpha, Q, inverse_diagonal, R, squares, weighted, lanes):
    a = load(alpha, _ZERO, lanes)
    square, weight = spread(0.0, lanes), spread(0.0, lanes)
    for row in range(R.shape[0]):
        i = np.uint64(row)
        rest = load(R, i, lanes) - a * load(Q, i, lanes)
        store(R, i, rest)
        rest = rest * rest
        square += rest
        weight += inverse_diagonal[i] * rest
    store(squares, _ZERO, square)
    store(weighted, _ZERO, weight)


@kernel
def _update_iterates(alpha, beta, R, inverse_diagonal, X, P, lanes):
    a, b = load(alpha, _ZERO, lanes), load(beta, _ZERO, lanes)
    for row in range(R.shape[0]):
        i = np.uint64(row)
        direction = load(P, i, lanes)
        store(X, i, load(X, i, lanes) + a * direction)
        store(P, i, inverse_diagonal[i] * load(R, i, lanes) + b * direction)


@kernel
def advance(
    indptr, indices, data, inverse_diagonal, X, R, P, Q, alpha, beta, squares, weighted, next_weighted, thresholds,
    code, max_iterations, lanes,
):  # fmt: skip
    """Make up to ``max_iterations`` iterations of CG on every column, in place, until one of them stops.

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
        Of ‖r‖².
    code : int array of shape (k,), overwritten
        ``RUNNING`` for columns that are iterated; overwritten where a column stops, by ``CONVERGED`` or a reason of
        :mod:`reiterate.kernels.codes`. Iterates of others do not change.
    max_iterations : int
    lanes : tuple of length k

    Returns
    -------
    int
        Iterations made in this call, by every column that goes on or has converged.
    """
    for iteration in range(max_iterations):
        product_dots(indptr, indices, data, P, Q, beta, lanes)
        stopped = choose_steps(weighted, beta, code, alpha, (P, Q))
        _update_residuals(alpha, Q, inverse_diagonal, R, squares, next_weighted, lanes)
        for c in range(code.size):
            beta[c] = next_weighted[c] / weighted[c] if code[c] == RUNNING else 0.0
        stopped = judge_residuals(squares, thresholds, code, (R,)) or stopped
        for c in range(code.size):
            if code[c] == RUNNING or code[c] == CONVERGED:
                weighted[c] = next_weighted[c]
            else:
                alpha[c] = 0.0
                beta[c] = 0.0
        _update_iterates(alpha, beta, R, inverse_diagonal, X, P, lanes)
        if stopped:
            return iteration + 1
    return max_iterations
