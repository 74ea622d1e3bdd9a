"""Conjugate gradients preconditioned by an incomplete Cholesky factor without fill, in two sweeps an iteration.

For M = (I + L) D (I + Lᴴ) whose L has the pattern of the lower triangle of A, everything that an iteration needs can be
gathered by the two sweeps of the preconditioner. Write A = A_L + D_A + A_U, s = (I + L)⁻¹ r, hence r·M⁻¹r = s·D⁻¹s,
and g for D (I + Lᴴ) times the direction p, so that g = s + β g is a recurrence. Then

- p = (I + Lᴴ)⁻¹ D⁻¹ g is a backward sweep, in which a row reads the p of later rows: enough for q = A_U p as well;
- p·Ap = Re p·(2 q + D_A p), because p·A_L p is the conjugate of p·A_U p: the step length α is known;
- Ap = A_L p + D_A p + q, then r ← r − α A p and s = (I + L)⁻¹ r are one forward sweep.

An iteration moves 20 bytes an off-diagonal entry (16 with factors in single precision) and 144 bytes a row; column
indices are read once for both matrices. The separate product, solves and updates would move 24 bytes and 200. The idea
is that of Eisenstat, SIAM J. Sci. Stat. Comput. 2 (1981), whose trick needs L to be a multiple of A_L; this form does
not, at the price of reading both.

All vectors are in level order; the triangles of A and of M share a layout (:mod:`reiterate.kernels.triangular`).
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.codes import CONVERGED, NOT_DEFINITE, NOT_FINITE, RUNNING
from reiterate.kernels.coefficients import keep
from reiterate.kernels.compiling import PREFETCH_DISTANCE, inlined_kernel, kernel, prefetch
from reiterate.kernels.spmd import add_parts, barrier, consider_parting, join, parting


@inlined_kernel
def _backward_rows(begin, end, width, k, columns, values, entries, inverse, diagonal, s, g, p, q, beta):
    n = np.uint64(s.size)
    one = np.uint64(1)
    curvature = 0.0
    for t in range(begin, end):
        i = n - one - np.uint64(t)
        prefetch(values, k + PREFETCH_DISTANCE)
        prefetch(entries, k + PREFETCH_DISTANCE)
        prefetch(columns, k + PREFETCH_DISTANCE)
        image = s[i] + beta * g[i]
        g[i] = image
        direction = inverse[i] * image
        product = 0.0 * image
        for _ in range(width):
            later = p[columns[k]]
            direction -= values[k] * later
            product += entries[k] * later
            k += one
        p[i] = direction
        q[i] = product
        curvature += (np.conj(direction) * (2.0 * product + diagonal[i] * direction)).real
    return k, curvature


@inlined_kernel
def _forward_rows(begin, end, width, k, columns, values, entries, inverse, diagonal, x, r, s, p, q, alpha):
    square = 0.0
    weighted = 0.0
    for t in range(begin, end):
        i = np.uint64(t)
        prefetch(values, k + PREFETCH_DISTANCE)
        prefetch(entries, k + PREFETCH_DISTANCE)
        prefetch(columns, k + PREFETCH_DISTANCE)
        direction = p[i]
        product = q[i] + diagonal[i] * direction
        lower = 0.0 * direction
        for _ in range(width):
            j = columns[k]
            product += entries[k] * p[j]
            lower += values[k] * s[j]
            k += np.uint64(1)
        x[i] += alpha * direction
        rest = r[i] - alpha * product
        r[i] = rest
        solved = rest - lower
        s[i] = solved
        square += (np.conj(rest) * rest).real
        weighted += (np.conj(solved) * solved * inverse[i]).real
    return k, square, weighted


@kernel
def _backward_pieces(first, last, pieces, columns, values, entries, inverse, diagonal, s, g, p, q, beta):
    curvature = 0.0
    for piece in range(first, last):
        begin, end, width, k = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2], np.uint64(pieces[piece, 3])
        # A literal width lets the compiler unroll the row.
        if width == 3:
            _, part = _backward_rows(begin, end, 3, k, columns, values, entries, inverse, diagonal, s, g, p, q, beta)
        elif width == 2:
            _, part = _backward_rows(begin, end, 2, k, columns, values, entries, inverse, diagonal, s, g, p, q, beta)
        elif width == 4:
            _, part = _backward_rows(begin, end, 4, k, columns, values, entries, inverse, diagonal, s, g, p, q, beta)
        elif width == 1:
            _, part = _backward_rows(begin, end, 1, k, columns, values, entries, inverse, diagonal, s, g, p, q, beta)
        else:
            _, part = _backward_rows(
                begin, end, width, k, columns, values, entries, inverse, diagonal, s, g, p, q, beta
            )
        curvature += part
    return curvature


@kernel
def _backward_sweep(
    pieces, steps, columns, values, entries, inverse, diagonal, s, g, p, q, beta, sums, board, thread, threads
):  # fmt: skip
    parts = steps.shape[1]
    for part in range(thread, parts, threads):
        sums[part, 0] = 0.0
    for step in range(steps.shape[0]):
        for part in range(thread, parts, threads):
            sums[part, 0] += _backward_pieces(
                steps[step, part, 0], steps[step, part, 1], pieces, columns, values, entries,
                inverse, diagonal, s, g, p, q, beta,
            )  # fmt: skip
        barrier(board, thread, threads)
    return add_parts(sums, 0)


@kernel
def _forward_pieces(first, last, pieces, columns, values, entries, inverse, diagonal, x, r, s, p, q, alpha):
    square = 0.0
    weighted = 0.0
    for piece in range(first, last):
        begin, end, width, k = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2], np.uint64(pieces[piece, 3])
        if width == 3:
            _, rr, ss = _forward_rows(
                begin, end, 3, k, columns, values, entries, inverse, diagonal, x, r, s, p, q, alpha
            )
        elif width == 2:
            _, rr, ss = _forward_rows(
                begin, end, 2, k, columns, values, entries, inverse, diagonal, x, r, s, p, q, alpha
            )
        elif width == 4:
            _, rr, ss = _forward_rows(
                begin, end, 4, k, columns, values, entries, inverse, diagonal, x, r, s, p, q, alpha
            )
        elif width == 1:
            _, rr, ss = _forward_rows(
                begin, end, 1, k, columns, values, entries, inverse, diagonal, x, r, s, p, q, alpha
            )
        else:
            _, rr, ss = _forward_rows(
                begin, end, width, k, columns, values, entries, inverse, diagonal, x, r, s, p, q, alpha
            )
        square += rr
        weighted += ss
    return square, weighted


@kernel
def _forward_sweep(
    pieces, steps, columns, values, entries, inverse, diagonal, x, r, s, p, q, alpha, sums, board, thread, threads
):  # fmt: skip
    parts = steps.shape[1]
    for part in range(thread, parts, threads):
        sums[part, 1] = 0.0
        sums[part, 2] = 0.0
    for step in range(steps.shape[0]):
        for part in range(thread, parts, threads):
            rr, ss = _forward_pieces(
                steps[step, part, 0], steps[step, part, 1], pieces, columns, values, entries,
                inverse, diagonal, x, r, s, p, q, alpha,
            )  # fmt: skip
            sums[part, 1] += rr
            sums[part, 2] += ss
        barrier(board, thread, threads)
    return add_parts(sums, 1), add_parts(sums, 2)


@kernel
def start(inverse, s, g, p):
    """Return s·D⁻¹s, and write zeros to ``g`` and ``p``; all arrays of shape (n,)."""
    weighted = 0.0
    for i in range(s.size):
        weighted += (np.conj(s[i]) * s[i] * inverse[i]).real
        g[i] = 0.0
        p[i] = 0.0
    return weighted


@kernel
def advance(
    lower_pieces, lower_steps, lower_columns, lower_values, lower_entries,
    upper_pieces, upper_steps, upper_columns, upper_values, upper_entries,
    inverse, diagonal, x, r, s, g, p, q, square, weighted, beta, threshold, max_iterations,
    sums, coefficients, board, thread,
):  # fmt: skip
    """Make up to ``max_iterations`` iterations in place.

    Parameters
    ----------
    lower_*, upper_* : the triangles, each in the order of its sweep
        ``pieces`` and ``steps`` as :mod:`reiterate.linear.schedule` makes them; ``values`` are those of L and Lᴴ,
        ``entries`` those of A.
    inverse, diagonal : arrays of shape (n,)
        D⁻¹, and the diagonal of A.
    x, r, s, g, p, q : arrays of shape (n,), overwritten
        The iterate, its residual, s = (I + L)⁻¹ r, and what :func:`start` or an earlier call left.
    square, weighted, beta : float
        ‖r‖², s·D⁻¹s and the coefficient of the last direction, as returned last (``beta`` starts at 0).
    threshold : float
        Return when ‖r‖² is at or below it.
    max_iterations : int
    sums : float64 array of shape (parts, 16), overwritten (workspace)
    coefficients : float64 array of shape (m + 1, 2), overwritten
        See :mod:`reiterate.kernels.coefficients`; zeros at first.
    board, thread
        See :mod:`reiterate.kernels.spmd`.

    Returns
    -------
    iterations, square, weighted, beta, code
    """
    threads = join(board, thread)
    if threads == 0:
        return 0, square, weighted, beta, RUNNING
    result = _iterations(
        lower_pieces, lower_steps, lower_columns, lower_values, lower_entries,
        upper_pieces, upper_steps, upper_columns, upper_values, upper_entries,
        inverse, diagonal, x, r, s, g, p, q, square, weighted, beta, threshold, max_iterations,
        sums, coefficients, board, thread, threads,
    )  # fmt: skip
    barrier(board, thread, threads)
    return result


@kernel
def _iterations(
    lower_pieces, lower_steps, lower_columns, lower_values, lower_entries,
    upper_pieces, upper_steps, upper_columns, upper_values, upper_entries,
    inverse, diagonal, x, r, s, g, p, q, square, weighted, beta, threshold, max_iterations,
    sums, coefficients, board, thread, threads,
):  # fmt: skip
    if square <= threshold:
        return 0, square, weighted, beta, CONVERGED
    for iteration in range(max_iterations):
        curvature = _backward_sweep(
            upper_pieces, upper_steps, upper_columns, upper_values, upper_entries, inverse, diagonal,
            s, g, p, q, beta, sums, board, thread, threads,
        )  # fmt: skip
        consider_parting(board, thread, threads)
        if not curvature > 0.0:
            return iteration, square, weighted, beta, NOT_DEFINITE if curvature <= 0.0 else NOT_FINITE
        alpha = weighted / curvature
        square, next_weighted = _forward_sweep(
            lower_pieces, lower_steps, lower_columns, lower_values, lower_entries, inverse, diagonal,
            x, r, s, p, q, alpha, sums, board, thread, threads,
        )  # fmt: skip
        beta = next_weighted / weighted
        weighted = next_weighted
        if thread == 0:
            keep(coefficients, alpha, beta)
        if square <= threshold:
            return iteration + 1, square, weighted, beta, CONVERGED
        if not square < np.inf:
            return iteration + 1, square, weighted, beta, NOT_FINITE
        if parting(board, threads):
            return iteration + 1, square, weighted, beta, RUNNING
    return max_iterations, square, weighted, beta, RUNNING
