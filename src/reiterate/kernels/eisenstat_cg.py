"""Conjugate gradients preconditioned by M = (D + A_L) D⁻¹ (D + A_U) with any positive diagonal D, in Eisenstat's form.

A = A_L + D_A + A_U is Hermitian, and M differs from it on the diagonal and in fill only. Where no triangle is stored,
as on 5- and 7-point grids, the incomplete Cholesky factors without fill, modified or not, are of this form, and D
holds their pivots. Source: S. C. Eisenstat, "Efficient implementation of a class of preconditioned conjugate gradient
methods", SIAM J. Sci. Stat. Comput. 2 (1981).

Derivation. Scale symmetrically by D^(-1/2): A = L + (2 + δ) + U and M = (I + L)(I + U), where 2 + δ is the diagonal of
A over D. Write s = (I + L)⁻¹ r, so that r·M⁻¹r = s·s, and g = (I + U) p for the direction p. Then

- p = (I + U)⁻¹ g, g = s + β g: one backward sweep;
- p·Ap = 2 Re p·g + p·δp, because A = (I + L) + (I + U) + δ: so the step length is known before any product with A;
- Ap = g + (1 + δ) p + L p, then r ← r − α A p and s = (I + L)⁻¹ r: one forward sweep, in which a row reads its
  entries once for both L p and L s.

One iteration is these two half sweeps and nothing else: 12 bytes an off-diagonal entry and 128 bytes a row. r is the
scaled residual by recurrence, whose true norm is √(r·D r). All vectors are in level order
(:mod:`reiterate.kernels.triangular`).
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.codes import CONVERGED, NOT_DEFINITE, NOT_FINITE, RUNNING
from reiterate.kernels.coefficients import keep
from reiterate.kernels.compiling import PREFETCH_DISTANCE, inlined_kernel, kernel, prefetch
from reiterate.kernels.spmd import add_parts, barrier, consider_parting, join, parting


@inlined_kernel
def _backward_rows(begin, end, width, k, columns, values, delta, s, g, p, beta):
    n = np.uint64(s.size)
    one = np.uint64(1)
    curvature = 0.0
    for t in range(begin, end):
        i = n - one - np.uint64(t)
        prefetch(values, k + PREFETCH_DISTANCE)
        prefetch(columns, k + PREFETCH_DISTANCE)
        image = s[i] + beta * g[i]
        g[i] = image
        direction = image
        for _ in range(width):
            direction -= values[k] * p[columns[k]]
            k += one
        p[i] = direction
        curvature += (np.conj(direction) * (2.0 * image + delta[i] * direction)).real
    return k, curvature


@inlined_kernel
def _forward_rows(begin, end, width, k, columns, values, delta, pivots, x, r, s, g, p, alpha):
    square = 0.0
    weighted = 0.0
    for t in range(begin, end):
        i = np.uint64(t)
        prefetch(values, k + PREFETCH_DISTANCE)
        prefetch(columns, k + PREFETCH_DISTANCE)
        direction = p[i]
        product = g[i] + (1.0 + delta[i]) * direction
        lower = 0.0 * direction
        for _ in range(width):
            j = columns[k]
            value = values[k]
            product += value * p[j]
            lower += value * s[j]
            k += np.uint64(1)
        x[i] += alpha * direction
        rest = r[i] - alpha * product
        r[i] = rest
        solved = rest - lower
        s[i] = solved
        square += (np.conj(rest) * rest).real * pivots[i]
        weighted += (np.conj(solved) * solved).real
    return k, square, weighted


@kernel
def _backward_pieces(first, last, pieces, columns, values, delta, s, g, p, beta):
    curvature = 0.0
    for piece in range(first, last):
        begin, end, width, k = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2], np.uint64(pieces[piece, 3])
        # A literal width lets the compiler unroll the row, which is worth a third of the time.
        if width == 3:
            _, part = _backward_rows(begin, end, 3, k, columns, values, delta, s, g, p, beta)
        elif width == 2:
            _, part = _backward_rows(begin, end, 2, k, columns, values, delta, s, g, p, beta)
        elif width == 1:
            _, part = _backward_rows(begin, end, 1, k, columns, values, delta, s, g, p, beta)
        else:
            _, part = _backward_rows(begin, end, width, k, columns, values, delta, s, g, p, beta)
        curvature += part
    return curvature


@kernel
def _backward_sweep(pieces, steps, columns, values, delta, s, g, p, beta, sums, board, thread, threads):
    parts = steps.shape[1]
    for part in range(thread, parts, threads):
        sums[part, 0] = 0.0
    for step in range(steps.shape[0]):
        for part in range(thread, parts, threads):
            first, last = steps[step, part, 0], steps[step, part, 1]
            sums[part, 0] += _backward_pieces(first, last, pieces, columns, values, delta, s, g, p, beta)
        barrier(board, thread, threads)
    return add_parts(sums, 0)


@kernel
def _forward_pieces(first, last, pieces, columns, values, delta, pivots, x, r, s, g, p, alpha):
    square = 0.0
    weighted = 0.0
    for piece in range(first, last):
        begin, end, width, k = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2], np.uint64(pieces[piece, 3])
        if width == 3:
            _, rr, ss = _forward_rows(begin, end, 3, k, columns, values, delta, pivots, x, r, s, g, p, alpha)
        elif width == 2:
            _, rr, ss = _forward_rows(begin, end, 2, k, columns, values, delta, pivots, x, r, s, g, p, alpha)
        elif width == 1:
            _, rr, ss = _forward_rows(begin, end, 1, k, columns, values, delta, pivots, x, r, s, g, p, alpha)
        else:
            _, rr, ss = _forward_rows(begin, end, width, k, columns, values, delta, pivots, x, r, s, g, p, alpha)
        square += rr
        weighted += ss
    return square, weighted


@kernel
def _forward_sweep(
    pieces, steps, columns, values, delta, pivots, x, r, s, g, p, alpha, sums, board, thread, threads
):  # fmt: skip
    parts = steps.shape[1]
    for part in range(thread, parts, threads):
        sums[part, 1] = 0.0
        sums[part, 2] = 0.0
    for step in range(steps.shape[0]):
        for part in range(thread, parts, threads):
            first, last = steps[step, part, 0], steps[step, part, 1]
            rr, ss = _forward_pieces(first, last, pieces, columns, values, delta, pivots, x, r, s, g, p, alpha)
            sums[part, 1] += rr
            sums[part, 2] += ss
        barrier(board, thread, threads)
    return add_parts(sums, 1), add_parts(sums, 2)


@kernel
def scale(diagonal, pivots, scaling, delta, x, r):
    """Scale the system of an iterate.

    Parameters
    ----------
    diagonal : array of shape (n,)
        Of A, in level order like all arrays.
    pivots : real array of shape (n,)
        D.
    scaling, delta : arrays of shape (n,), written
        1/√D and the diagonal of A over D, less 2.
    x, r : arrays of shape (n,), overwritten
        The iterate and its residual b − A x; scaled on return.
    """
    for t in range(x.size):
        root = np.sqrt(pivots[t])
        scaling[t] = 1.0 / root
        delta[t] = diagonal[t].real / pivots[t] - 2.0
        x[t] *= root
        r[t] /= root


@kernel
def start(pieces, steps, columns, values, r, s, g, p):
    """Write s = (I + L)⁻¹ r to ``s``, and zeros to ``g`` and ``p``; return s·s.

    ``pieces``, ``steps``, ``columns``, ``values`` are the scaled lower triangle; the vectors have shape (n,).
    """
    weighted = 0.0
    s[0] = 0.0  # padding multiplies it by zero
    for step in range(steps.shape[0]):
        for part in range(steps.shape[1]):
            for piece in range(steps[step, part, 0], steps[step, part, 1]):
                weighted += _start_rows(piece, pieces, columns, values, r, s, g, p)
    return weighted


@kernel
def _start_rows(piece, pieces, columns, values, r, s, g, p):
    weighted = 0.0
    begin, end, width, k = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2], np.uint64(pieces[piece, 3])
    for t in range(begin, end):
        rest = r[t]
        g[t] = 0.0
        p[t] = 0.0
        for _ in range(width):
            rest -= values[k] * s[columns[k]]
            k += np.uint64(1)
        s[t] = rest
        weighted += (np.conj(rest) * rest).real
    return weighted


@kernel
def advance(
    lower_pieces, lower_steps, lower_columns, lower_values, upper_pieces, upper_steps, upper_columns, upper_values,
    delta, pivots, x, r, s, g, p, square, weighted, beta, threshold, max_iterations,
    sums, coefficients, board, thread,
):  # fmt: skip
    """Make up to ``max_iterations`` iterations in place.

    Parameters
    ----------
    lower_*, upper_* : the scaled triangles of A, each in the order of its sweep
        ``pieces`` and ``steps`` as :mod:`reiterate.linear.schedule` makes them.
    delta, pivots : real arrays of shape (n,)
        δ, as :func:`scale` wrote it, and D, which turns the scaled residual into the true one.
    x, r, s, g, p : arrays of shape (n,), overwritten
        As :func:`scale` and :func:`start`, or an earlier call, left them.
    square, weighted, beta : float
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
    iterations, square, weighted, beta, code
    """
    threads = join(board, thread)
    if threads == 0:
        return 0, square, weighted, beta, RUNNING
    result = _iterations(
        lower_pieces, lower_steps, lower_columns, lower_values, upper_pieces, upper_steps, upper_columns, upper_values,
        delta, pivots, x, r, s, g, p, square, weighted, beta, threshold, max_iterations,
        sums, coefficients, board, thread, threads,
    )  # fmt: skip
    barrier(board, thread, threads)
    return result


@kernel
def _iterations(
    lower_pieces, lower_steps, lower_columns, lower_values, upper_pieces, upper_steps, upper_columns, upper_values,
    delta, pivots, x, r, s, g, p, square, weighted, beta, threshold, max_iterations,
    sums, coefficients, board, thread, threads,
):  # fmt: skip
    if square <= threshold:
        return 0, square, weighted, beta, CONVERGED
    for iteration in range(max_iterations):
        curvature = _backward_sweep(
            upper_pieces, upper_steps, upper_columns, upper_values, delta, s, g, p, beta, sums, board, thread, threads
        )
        consider_parting(board, thread, threads)
        if not curvature > 0.0:
            return iteration, square, weighted, beta, NOT_DEFINITE if curvature <= 0.0 else NOT_FINITE
        alpha = weighted / curvature
        square, next_weighted = _forward_sweep(
            lower_pieces, lower_steps, lower_columns, lower_values, delta, pivots,
            x, r, s, g, p, alpha, sums, board, thread, threads,
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
