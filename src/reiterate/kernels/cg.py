"""The conjugate gradient method, plain and with the diagonal as preconditioner.

Source: M. R. Hestenes and E. Stiefel, "Methods of conjugate gradients for solving linear systems", J. Res.
Natl. Bur. Stand. 49 (1952). Guarantee for a symmetric positive definite A, in exact arithmetic: after k
iterations the A-norm of the error has fallen to at most 2 ((√κ − 1)/(√κ + 1))^k of what it was, κ the
condition number of the (preconditioned) matrix.

An iteration makes three passes: the product q = A p with p·q; the residual with its norm; the iterate
with the next direction. It moves 12 bytes an entry of the matrix and 84 bytes a row.
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.codes import CONVERGED, NOT_DEFINITE, NOT_FINITE, RUNNING
from reiterate.kernels.coefficients import keep
from reiterate.kernels.compiling import kernel, reduction_kernel
from reiterate.kernels.csr import matvec_dot_rows, residual
from reiterate.kernels.spmd import add_parts, barrier, consider_parting, join, parting


@reduction_kernel
def _update_residual(begin, end, alpha, q, r):
    square = 0.0
    for i in range(begin, end):
        value = r[i] - alpha * q[i]
        r[i] = value
        square += value * value
    return square


@reduction_kernel
def _update_residual_jacobi(begin, end, alpha, q, inverse_diagonal, r):
    square = 0.0
    weighted = 0.0
    for i in range(begin, end):
        value = r[i] - alpha * q[i]
        r[i] = value
        square += value * value
        weighted += value * value * inverse_diagonal[i]
    return square, weighted


@reduction_kernel
def _update_iterate(begin, end, alpha, beta, r, x, p):
    for i in range(begin, end):
        direction = p[i]
        x[i] += alpha * direction
        p[i] = r[i] + beta * direction


@reduction_kernel
def _update_iterate_jacobi(begin, end, alpha, beta, r, inverse_diagonal, x, p):
    for i in range(begin, end):
        direction = p[i]
        x[i] += alpha * direction
        p[i] = r[i] * inverse_diagonal[i] + beta * direction


@kernel
def cg_advance(
    indptr, indices, data, x, r, p, q, square, threshold, max_iterations, bounds, sums, coefficients,
    board, thread,
):  # fmt: skip
    """Make up to ``max_iterations`` iterations of CG in place.

    Parameters
    ----------
    indptr, indices, data : the matrix A, symmetric positive definite, shape (n, n)
    x, r, p : arrays of shape (n,), overwritten
        Iterate, residual and direction, which is the residual at first, as an earlier call left them.
    q : array of shape (n,), overwritten (workspace)
    square : float
        r·r, as returned last.
    threshold : float
        Return when r·r is at or below it.
    max_iterations : int
    bounds : uint64 array of shape (parts + 1,)
        Part i of the rows is ``bounds[i]:bounds[i + 1]``.
    sums : float64 array of shape (parts, 16), overwritten (workspace)
    coefficients : float64 array of shape (m + 1, 2), overwritten
        See :mod:`reiterate.kernels.coefficients`; zeros at first.
    board, thread
        See :mod:`reiterate.kernels.spmd`.

    Returns
    -------
    iterations : int
        Made in this call; fewer than asked for also where the threads had better part.
    square : float
        r·r now; r is the residual by recurrence.
    code : int
        See :mod:`reiterate.kernels.codes`.
    """
    threads = join(board, thread)
    if threads == 0:
        return 0, square, RUNNING
    result = _cg_iterations(
        indptr, indices, data, x, r, p, q, square, threshold, max_iterations,
        bounds, sums, coefficients, board, thread, threads,
    )  # fmt: skip
    barrier(board, thread, threads)
    return result


@kernel
def _cg_iterations(
    indptr, indices, data, x, r, p, q, square, threshold, max_iterations, bounds, sums,
    coefficients, board, thread, threads,
):  # fmt: skip
    parts = bounds.size - 1
    if square <= threshold:
        return 0, square, CONVERGED
    for iteration in range(max_iterations):
        for part in range(thread, parts, threads):
            sums[part, 0] = matvec_dot_rows(bounds[part], bounds[part + 1], indptr, indices, data, p, q)
        barrier(board, thread, threads)
        consider_parting(board, thread, threads)
        curvature = add_parts(sums, 0)
        if not curvature > 0.0:
            return iteration, square, NOT_DEFINITE if curvature <= 0.0 else NOT_FINITE
        alpha = square / curvature
        for part in range(thread, parts, threads):
            sums[part, 1] = _update_residual(bounds[part], bounds[part + 1], alpha, q, r)
        barrier(board, thread, threads)
        next_square = add_parts(sums, 1)
        if not next_square < np.inf:
            return iteration, square, NOT_FINITE
        for part in range(thread, parts, threads):
            _update_iterate(bounds[part], bounds[part + 1], alpha, next_square / square, r, x, p)
        barrier(board, thread, threads)
        if thread == 0:
            keep(coefficients, alpha, next_square / square)
        square = next_square
        if square <= threshold:
            return iteration + 1, square, CONVERGED
        if parting(board, threads):
            return iteration + 1, square, RUNNING
    return max_iterations, square, RUNNING


@reduction_kernel
def jacobi_cg_direction(inverse_diagonal, r, p):
    """Write the first direction p = D⁻¹ r (shape (n,)), return r·D⁻¹r."""
    weighted = 0.0
    for i in range(r.size):
        p[i] = r[i] * inverse_diagonal[i]
        weighted += r[i] * p[i]
    return weighted


@kernel
def jacobi_cg_start(indptr, indices, data, b, x, inverse_diagonal, r, p):
    """Begin at ``x``: write r = b − A x and p = D⁻¹ r (shape (n,)), return r·r and r·D⁻¹r."""
    square = residual(indptr, indices, data, x, b, r)
    return square, jacobi_cg_direction(inverse_diagonal, r, p)


@kernel
def jacobi_cg_advance(
    indptr, indices, data, inverse_diagonal, x, r, p, q, square, weighted, threshold, max_iterations,
    bounds, sums, coefficients, board, thread,
):  # fmt: skip
    """Make up to ``max_iterations`` iterations of CG preconditioned by the diagonal D of A, in place.

    Parameters and returns as :func:`cg_advance`, and besides: ``inverse_diagonal`` of shape (n,), positive;
    ``weighted``, the number r·D⁻¹r, returned after ``square``.
    """
    threads = join(board, thread)
    if threads == 0:
        return 0, square, weighted, RUNNING
    result = _jacobi_cg_iterations(
        indptr, indices, data, inverse_diagonal, x, r, p, q, square, weighted, threshold, max_iterations,
        bounds, sums, coefficients, board, thread, threads,
    )  # fmt: skip
    barrier(board, thread, threads)
    return result


@kernel
def _jacobi_cg_iterations(
    indptr, indices, data, inverse_diagonal, x, r, p, q, square, weighted, threshold, max_iterations,
    bounds, sums, coefficients, board, thread, threads,
):  # fmt: skip
    parts = bounds.size - 1
    if square <= threshold:
        return 0, square, weighted, CONVERGED
    for iteration in range(max_iterations):
        for part in range(thread, parts, threads):
            sums[part, 0] = matvec_dot_rows(bounds[part], bounds[part + 1], indptr, indices, data, p, q)
        barrier(board, thread, threads)
        consider_parting(board, thread, threads)
        curvature = add_parts(sums, 0)
        if not curvature > 0.0:
            return iteration, square, weighted, NOT_DEFINITE if curvature <= 0.0 else NOT_FINITE
        alpha = weighted / curvature
        for part in range(thread, parts, threads):
            begin, end = bounds[part], bounds[part + 1]
            sums[part, 1], sums[part, 2] = _update_residual_jacobi(begin, end, alpha, q, inverse_diagonal, r)
        barrier(board, thread, threads)
        next_square, next_weighted = add_parts(sums, 1), add_parts(sums, 2)
        if not next_square < np.inf:
            return iteration, square, weighted, NOT_FINITE
        beta = next_weighted / weighted
        for part in range(thread, parts, threads):
            _update_iterate_jacobi(bounds[part], bounds[part + 1], alpha, beta, r, inverse_diagonal, x, p)
        barrier(board, thread, threads)
        if thread == 0:
            keep(coefficients, alpha, beta)
        square, weighted = next_square, next_weighted
        if square <= threshold:
            return iteration + 1, square, weighted, CONVERGED
        if parting(board, threads):
            return iteration + 1, square, weighted, RUNNING
    return max_iterations, square, weighted, RUNNING
