"""Fused vector updates of BiCGStab and BiCGStab(l).

Sources: H. A. van der Vorst, "Bi-CGSTAB", SIAM J. Sci. Stat. Comput. 13 (1992); G. L. G. Sleijpen and D. R. Fokkema,
"BiCGstab(l) for linear equations involving unsymmetric matrices with complex spectrum", ETNA 1 (1993).

All vectors have shape (n,) and may be real or complex; dot products conjugate their first factor. x takes its
updates times ``scale``, because the residual is kept divided by it.

Kernels named ``…_parts`` do the same by several threads: ``bounds``, an int64 array of shape (parts + 1,), cuts the
vectors; ``dots`` and ``squares`` of shape (parts, 16), of the type of the vectors and float64, are workspace; for
``board`` and ``thread`` see :mod:`reiterate.kernels.spmd`.
"""

from __future__ import annotations

from reiterate.kernels.compiling import kernel, reduction_kernel
from reiterate.kernels.spmd import add_parts, barrier, join

_CHUNK = 1024


@reduction_kernel
def dot_and_square(x, y):
    """Return x·y and ‖y‖²."""
    dot = y[0] * 0
    square = 0.0
    for i in range(y.size):
        value = y[i]
        dot += x[i].conjugate() * value
        square += value.real * value.real + value.imag * value.imag
    return dot, square


@reduction_kernel
def subtract(alpha, v, r):
    """Write r − α v to ``r``; return its squared norm."""
    square = 0.0
    for i in range(r.size):
        value = r[i] - alpha * v[i]
        r[i] = value
        square += value.real * value.real + value.imag * value.imag
    return square


@reduction_kernel
def stabilize(alpha, omega, scale, y, z, t, shadow, x, r):
    """Write x + scale (α y + ω z) to ``x`` and r − ω t to ``r``; return shadow·r and ‖r‖²."""
    dot = r[0] * 0
    square = 0.0
    along, across = scale * alpha, scale * omega
    for i in range(r.size):
        x[i] += along * y[i] + across * z[i]
        value = r[i] - omega * t[i]
        r[i] = value
        dot += shadow[i].conjugate() * value
        square += value.real * value.real + value.imag * value.imag
    return dot, square


@kernel
def turn(beta, omega, r, v, p):
    """Write r + β (p − ω v) to ``p``."""
    for i in range(p.size):
        p[i] = r[i] + beta * (p[i] - omega * v[i])


@kernel
def dot_and_square_parts(x, y, bounds, dots, squares, board, thread):
    """As :func:`dot_and_square`."""
    threads = join(board, thread)
    if threads == 0:
        return dots[0, 0] * 0, 0.0
    for part in range(thread, bounds.size - 1, threads):
        begin, end = bounds[part], bounds[part + 1]
        dots[part, 0], squares[part, 0] = dot_and_square(x[begin:end], y[begin:end])
    barrier(board, thread, threads)
    return add_parts(dots, 0), add_parts(squares, 0)


@kernel
def subtract_parts(alpha, v, r, bounds, dots, squares, board, thread):
    """As :func:`subtract`."""
    threads = join(board, thread)
    if threads == 0:
        return 0.0
    for part in range(thread, bounds.size - 1, threads):
        begin, end = bounds[part], bounds[part + 1]
        squares[part, 0] = subtract(alpha, v[begin:end], r[begin:end])
    barrier(board, thread, threads)
    return add_parts(squares, 0)


@kernel
def stabilize_parts(alpha, omega, scale, y, z, t, shadow, x, r, bounds, dots, squares, board, thread):
    """As :func:`stabilize`."""
    threads = join(board, thread)
    if threads == 0:
        return dots[0, 0] * 0, 0.0
    for part in range(thread, bounds.size - 1, threads):
        begin, end = bounds[part], bounds[part + 1]
        dots[part, 0], squares[part, 0] = stabilize(
            alpha, omega, scale, y[begin:end], z[begin:end], t[begin:end], shadow[begin:end], x[begin:end], r[begin:end]
        )
    barrier(board, thread, threads)
    return add_parts(dots, 0), add_parts(squares, 0)


@kernel
def turn_parts(beta, omega, r, v, p, bounds, dots, squares, board, thread):
    """As :func:`turn`."""
    threads = join(board, thread)
    if threads == 0:
        return
    for part in range(thread, bounds.size - 1, threads):
        begin, end = bounds[part], bounds[part + 1]
        turn(beta, omega, r[begin:end], v[begin:end], p[begin:end])
    barrier(board, thread, threads)


@kernel
def add(alpha, y, x):
    """Write x + α y to ``x``."""
    for i in range(x.size):
        x[i] += alpha * y[i]


@reduction_kernel
def _dot_of(x, y):
    total = y[0] * 0
    for i in range(y.size):
        total += x[i].conjugate() * y[i]
    return total


@kernel
def gram(rows, matrix):
    """Write the products r_i·r_j of the rows, an array of shape (k, n), to ``matrix`` of shape (k, k), in one pass."""
    count, n = rows.shape
    matrix[:] = 0
    for begin in range(0, n, _CHUNK):
        end = min(begin + _CHUNK, n)
        for i in range(count):
            for j in range(i, count):
                matrix[i, j] += _dot_of(rows[i, begin:end], rows[j, begin:end])
    for i in range(count):
        for j in range(i):
            matrix[i, j] = matrix[j, i].conjugate()


@kernel
def _add_part(alpha, y, x):
    for i in range(x.size):
        x[i] += alpha * y[i]


@kernel
def polynomial_step(gamma, residuals, directions, x, shadow):
    """Subtract the polynomial that BiCGStab(l) has found best.

    Parameters
    ----------
    gamma : array of shape (l + 1,)
        Its coefficients; the first is not used.
    residuals, directions : arrays of shape (l + 1, n)
        Powers of B = A M⁻¹ times residual and direction; row 0 of each is overwritten with row 0 − Σ γ_j row j.
    x : array of shape (n,)
        Σ γ_j residuals_{j−1} is added.
    shadow : array of shape (n,)

    Returns
    -------
    shadow·r, ‖r‖² of the new residual
    """
    n = x.size
    dot = residuals[0, 0] * 0
    square = 0.0
    for begin in range(0, n, _CHUNK):
        end = min(begin + _CHUNK, n)
        rest = residuals[0, begin:end]
        for j in range(1, gamma.size):
            _add_part(gamma[j], residuals[j - 1, begin:end], x[begin:end])
        for j in range(1, gamma.size):
            _add_part(-gamma[j], residuals[j, begin:end], rest)
            _add_part(-gamma[j], directions[j, begin:end], directions[0, begin:end])
        part, part_square = dot_and_square(shadow[begin:end], rest)
        dot += part
        square += part_square
    return dot, square
