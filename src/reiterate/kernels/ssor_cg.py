"""Conjugate gradients preconditioned by symmetric SOR, by Eisenstat's trick, in two fused half sweeps.

Sources: S. C. Eisenstat, "Efficient implementation of a class of preconditioned conjugate gradient methods",
SIAM J. Sci. Stat. Comput. 2 (1981); the preconditioner is that of D. M. Young (1971). Guarantee: as for
:mod:`reiterate.kernels.cg`, κ that of the preconditioned matrix; for the 5-point Laplacian and the best omega,
√κ falls from O(1/h) to O(1/√h).

Derivation. Scale symmetrically so that the diagonal is one: A = I + L + U, U = Lᵀ, and let w = 1/omega. Up to
a factor that CG does not see, the preconditioner is M = (wI + L)(wI + U). Write s = (wI + L)⁻¹ r, so that
r·M⁻¹r = s·s, and g = (wI + U) p for the direction p. Then

- p = (wI + U)⁻¹ g, g = s + β g: one backward sweep;
- p·Ap = 2 p·g + (1 − 2w) p·p, because A = (wI + L) + (wI + U) + (1 − 2w) I and p·Lp = p·Up: so the step length
  α = s·s / p·Ap is known before any product with A;
- Ap = g + (1 − w) p + L p, then r ← r − α A p and s = (wI + L)⁻¹ r: one forward sweep, in which a row reads its
  entries once for both L p and L s.

One iteration is these two half sweeps and nothing else: 12 bytes an entry and 160 bytes a row are moved, against
12 and 84 of plain CG, and r is the true residual by recurrence, so the stopping test is that of plain CG.
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.codes import CONVERGED, NOT_DEFINITE, NOT_FINITE, RUNNING
from reiterate.kernels.coefficients import keep
from reiterate.kernels.compiling import PREFETCH_DISTANCE, inlined_kernel, kernel, prefetch
from reiterate.kernels.spmd import add_parts, barrier, consider_parting, join, parting


@inlined_kernel
def _backward_rows(begin, end, width, k, columns, values, s, g, p, beta, omega):
    n = s.size
    p_dot_g = 0.0
    p_dot_p = 0.0
    for t in range(begin, end):
        i = np.uint64(n - 1 - t)
        prefetch(values, k + PREFETCH_DISTANCE)
        prefetch(columns, k + PREFETCH_DISTANCE)
        image = s[i] + beta * g[i]
        g[i] = image
        total = image
        for _ in range(width):
            total -= values[k] * p[columns[k]]
            k += np.uint64(1)
        direction = total * omega
        p[i] = direction
        p_dot_g += direction * image
        p_dot_p += direction * direction
    return k, p_dot_g, p_dot_p


@inlined_kernel
def _forward_rows(begin, end, width, k, columns, values, diagonal, x, r, s, g, p, alpha, omega):
    weight = 1.0 - 1.0 / omega
    square = 0.0
    s_dot_s = 0.0
    for t in range(begin, end):
        i = np.uint64(t)
        prefetch(values, k + PREFETCH_DISTANCE)
        prefetch(columns, k + PREFETCH_DISTANCE)
        direction = p[i]
        product = g[i] + weight * direction
        lower = 0.0
        for _ in range(width):
            j = columns[k]
            value = values[k]
            product += value * p[j]
            lower += value * s[j]
            k += np.uint64(1)
        x[i] += alpha * direction
        rest = r[i] - alpha * product
        r[i] = rest
        solved = (rest - lower) * omega
        s[i] = solved
        s_dot_s += solved * solved
        square += diagonal[i] * rest * rest
    return k, square, s_dot_s


@kernel
def _backward_pieces(first, last, pieces, columns, values, s, g, p, beta, omega):
    p_dot_g = 0.0
    p_dot_p = 0.0
    for piece in range(first, last):
        begin, end, width, k = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2], np.uint64(pieces[piece, 3])
        # A literal width lets the compiler unroll the row, which is worth a third of the time.
        if width == 3:
            _, pg, pp = _backward_rows(begin, end, 3, k, columns, values, s, g, p, beta, omega)
        elif width == 2:
            _, pg, pp = _backward_rows(begin, end, 2, k, columns, values, s, g, p, beta, omega)
        elif width == 1:
            _, pg, pp = _backward_rows(begin, end, 1, k, columns, values, s, g, p, beta, omega)
        elif width == 4:
            _, pg, pp = _backward_rows(begin, end, 4, k, columns, values, s, g, p, beta, omega)
        else:
            _, pg, pp = _backward_rows(begin, end, width, k, columns, values, s, g, p, beta, omega)
        p_dot_g += pg
        p_dot_p += pp
    return p_dot_g, p_dot_p


@kernel
def _backward_sweep(pieces, steps, columns, values, s, g, p, beta, omega, sums, board, thread, threads):
    parts = steps.shape[1]
    for part in range(thread, parts, threads):
        sums[part, 0] = 0.0
        sums[part, 1] = 0.0
    for step in range(steps.shape[0]):
        for part in range(thread, parts, threads):
            first, last = steps[step, part, 0], steps[step, part, 1]
            pg, pp = _backward_pieces(first, last, pieces, columns, values, s, g, p, beta, omega)
            sums[part, 0] += pg
            sums[part, 1] += pp
        barrier(board, thread, threads)
    return add_parts(sums, 0), add_parts(sums, 1)


@kernel
def _forward_pieces(first, last, pieces, columns, values, diagonal, x, r, s, g, p, alpha, omega):
    square = 0.0
    s_dot_s = 0.0
    for piece in range(first, last):
        begin, end, width, k = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2], np.uint64(pieces[piece, 3])
        if width == 3:
            _, rr, ss = _forward_rows(begin, end, 3, k, columns, values, diagonal, x, r, s, g, p, alpha, omega)
        elif width == 2:
            _, rr, ss = _forward_rows(begin, end, 2, k, columns, values, diagonal, x, r, s, g, p, alpha, omega)
        elif width == 1:
            _, rr, ss = _forward_rows(begin, end, 1, k, columns, values, diagonal, x, r, s, g, p, alpha, omega)
        elif width == 4:
            _, rr, ss = _forward_rows(begin, end, 4, k, columns, values, diagonal, x, r, s, g, p, alpha, omega)
        else:
            _, rr, ss = _forward_rows(begin, end, width, k, columns, values, diagonal, x, r, s, g, p, alpha, omega)
        square += rr
        s_dot_s += ss
    return square, s_dot_s


@kernel
def _forward_sweep(
    pieces, steps, columns, values, diagonal, x, r, s, g, p, alpha, omega, sums, board, thread, threads
):  # fmt: skip
    parts = steps.shape[1]
    for part in range(thread, parts, threads):
        sums[part, 2] = 0.0
        sums[part, 3] = 0.0
    for step in range(steps.shape[0]):
        for part in range(thread, parts, threads):
            first, last = steps[step, part, 0], steps[step, part, 1]
            rr, ss = _forward_pieces(first, last, pieces, columns, values, diagonal, x, r, s, g, p, alpha, omega)
            sums[part, 2] += rr
            sums[part, 3] += ss
        barrier(board, thread, threads)
    return add_parts(sums, 2), add_parts(sums, 3)


@kernel
def ssor_cg_start(scale, pieces, steps, columns, values, x, r, s, g, p, omega):
    """Begin at an iterate: scale the permuted vectors and solve for s.

    Parameters
    ----------
    scale : float64 array of shape (n,)
        1/√a_ii in level order.
    pieces, steps, columns, values : the strictly lower triangle
        As :mod:`reiterate.linear.schedule` divides and :mod:`reiterate.kernels.levels` lays it out; scaled.
    x, r : arrays of shape (n,), overwritten
        The iterate and its residual b − A x, permuted to level order; scaled on return.
    s, g, p : arrays of shape (n,), written
        s = (wI + L)⁻¹ r, and zeros.
    omega : float
        Relaxation parameter in (0, 2).

    Returns
    -------
    float
        s·s.
    """
    s_dot_s = 0.0
    for step in range(steps.shape[0]):
        for part in range(steps.shape[1]):
            for piece in range(steps[step, part, 0], steps[step, part, 1]):
                s_dot_s += _start_rows(piece, pieces, scale, columns, values, x, r, s, g, p, omega)
    return s_dot_s


@kernel
def _start_rows(piece, pieces, scale, columns, values, x, r, s, g, p, omega):
    s_dot_s = 0.0
    begin, end, width, k = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2], np.uint64(pieces[piece, 3])
    for t in range(begin, end):
        own = scale[t]
        x[t] /= own
        rest = r[t] * own
        r[t] = rest
        g[t] = 0.0
        p[t] = 0.0
        s[t] = 0.0  # a padding entry reads the row's own s
        for _ in range(width):
            rest -= values[k] * s[columns[k]]
            k += np.uint64(1)
        solved = rest * omega
        s[t] = solved
        s_dot_s += solved * solved
    return s_dot_s


@kernel
def ssor_cg_advance(
    lower_pieces, lower_steps, lower_columns, lower_values,
    upper_pieces, upper_steps, upper_columns, upper_values,
    diagonal, x, r, s, g, p, omega, square, s_dot_s, beta, threshold, max_iterations,
    sums, coefficients, board, thread,
):  # fmt: skip
    """Make up to ``max_iterations`` iterations of SSOR-preconditioned CG in place.

    Parameters
    ----------
    lower_*, upper_* : the scaled triangles, each in the order of its sweep
        ``pieces`` and ``steps`` as :mod:`reiterate.linear.schedule` makes them.
    diagonal : array of shape (n,)
        a_ii in level order; turns the scaled residual into the true one for the stopping test.
    x, r, s, g, p : arrays of shape (n,), overwritten
        As :func:`ssor_cg_start` or an earlier call left them.
    omega : float
        Relaxation parameter in (0, 2).
    square, s_dot_s, beta : float
        ‖b − A x‖², s·s and the coefficient of the last direction, as returned last (``beta`` starts at 0).
    threshold : float
        Return when ‖b − A x‖² is at or below it.
    max_iterations : int
    sums : float64 array of shape (parts, 16), overwritten (workspace)
    coefficients : float64 array of shape (m + 1, 2), overwritten
        See :mod:`reiterate.kernels.coefficients`; zeros at first.
    board, thread
        See :mod:`reiterate.kernels.spmd`.

    Returns
    -------
    iterations, square, s_dot_s, beta, code
    """
    threads = join(board, thread)
    if threads == 0:
        return 0, square, s_dot_s, beta, RUNNING
    result = _iterations(
        lower_pieces, lower_steps, lower_columns, lower_values,
        upper_pieces, upper_steps, upper_columns, upper_values,
        diagonal, x, r, s, g, p, omega, square, s_dot_s, beta, threshold, max_iterations,
        sums, coefficients, board, thread, threads,
    )  # fmt: skip
    barrier(board, thread, threads)
    return result


@kernel
def _iterations(
    lower_pieces, lower_steps, lower_columns, lower_values,
    upper_pieces, upper_steps, upper_columns, upper_values,
    diagonal, x, r, s, g, p, omega, square, s_dot_s, beta, threshold, max_iterations,
    sums, coefficients, board, thread, threads,
):  # fmt: skip
    if square <= threshold:
        return 0, square, s_dot_s, beta, CONVERGED
    shift = 1.0 - 2.0 / omega
    for iteration in range(max_iterations):
        p_dot_g, p_dot_p = _backward_sweep(
            upper_pieces, upper_steps, upper_columns, upper_values, s, g, p, beta, omega, sums, board, thread, threads
        )
        curvature = 2.0 * p_dot_g + shift * p_dot_p
        consider_parting(board, thread, threads)
        if not curvature > 0.0:
            return iteration, square, s_dot_s, beta, NOT_DEFINITE if curvature <= 0.0 else NOT_FINITE
        alpha = s_dot_s / curvature
        square, next_s_dot_s = _forward_sweep(
            lower_pieces, lower_steps, lower_columns, lower_values, diagonal, x, r, s, g, p, alpha, omega,
            sums, board, thread, threads,
        )  # fmt: skip
        beta = next_s_dot_s / s_dot_s
        s_dot_s = next_s_dot_s
        if thread == 0:
            keep(coefficients, alpha, beta)
        if square <= threshold:
            return iteration + 1, square, s_dot_s, beta, CONVERGED
        if not square < np.inf:
            return iteration + 1, square, s_dot_s, beta, NOT_FINITE
        if parting(board, threads):
            return iteration + 1, square, s_dot_s, beta, RUNNING
    return max_iterations, square, s_dot_s, beta, RUNNING


@kernel
def unscale(scale, x, result):
    """Write the iterate without its scaling, still in level order, to ``result``; all arrays of shape (n,)."""
    for t in range(x.size):
        result[t] = x[t] * scale[t]
