"""One step of the Arnoldi process, and the small least-squares problem of GMRES that grows with it.

Sources: W. E. Arnoldi (1951); Y. Saad and M. H. Schultz, "GMRES", SIAM J. Sci. Stat. Comput. 7 (1986); the
orthogonalization is modified Gram-Schmidt in its inverse compact WY form: K. Świrydowicz, J. Langou,
S. Ananthan, U. Yang and S. Thomas, "Low synchronization Gram-Schmidt and generalized minimal residual
algorithms", Numer. Linear Algebra Appl. 28 (2021).

Modified Gram-Schmidt subtracts one projection after the other, a_j = v_j·(w − Σ_{i<j} a_i v_i). Collected, this is
the triangular system (I + L) a = Vᴴw, L the strictly lower triangle of VᴴV. So a step reads the basis twice, once for
the products with w and with the newest vector (the next row of L), once to subtract, and loses no more
orthogonality than modified Gram-Schmidt one vector at a time, which sends w to memory and back for each of them.

Basis vectors are kept as u_j = ν_j v_j with ν_j near 1: the norm is only known once a vector is written, and writing it
again just to normalize it would cost another pass. The factor that brings it near 1 comes from ‖w‖² − ‖a‖².
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.codes import NOT_FINITE, RUNNING, STAGNATED
from reiterate.kernels.compiling import kernel, reduction_kernel
from reiterate.kernels.spmd import add_parts, barrier, join

_CHUNK = 2048  # of w and the newest vector: they stay in the first-level cache while the basis streams by
_ROUNDOFF = 2.2e-16
_LARGEST_CANCELLATION = 1e-20


@reduction_kernel
def _products_of_four(a, b, c, d, v, w, j, with_v, with_w):
    zero = with_w[j] * 0
    av = bv = cv = dv = aw = bw = cw = dw = zero
    for i in range(w.size):
        newest, image = v[i], w[i]
        first, second, third, fourth = np.conj(a[i]), np.conj(b[i]), np.conj(c[i]), np.conj(d[i])
        av += first * newest
        aw += first * image
        bv += second * newest
        bw += second * image
        cv += third * newest
        cw += third * image
        dv += fourth * newest
        dw += fourth * image
    with_v[j] += av
    with_v[j + 1] += bv
    with_v[j + 2] += cv
    with_v[j + 3] += dv
    with_w[j] += aw
    with_w[j + 1] += bw
    with_w[j + 2] += cw
    with_w[j + 3] += dw


@reduction_kernel
def _products_of_one(a, v, w, j, with_v, with_w):
    av = aw = with_w[j] * 0
    for i in range(w.size):
        first = np.conj(a[i])
        av += first * v[i]
        aw += first * w[i]
    with_v[j] += av
    with_w[j] += aw


@reduction_kernel
def _square(w):
    total = 0.0
    for i in range(w.size):
        total += w[i].real * w[i].real + w[i].imag * w[i].imag
    return total


@kernel
def _basis_products(basis, count, first, last, with_newest, with_image):
    """Products of ``count`` basis vectors with the last of them and with the vector after it, in one pass.

    Only components ``first`` to ``last`` − 1 of the vectors, which have shape (n,), are taken.

    Parameters
    ----------
    basis : array of shape (m + 1, n), C-contiguous
    count : int
    first, last : int
    with_newest, with_image : arrays of shape (m,), written up to ``count``
        u_j·u_last and u_j·w, w being ``basis[count]``.

    Returns
    -------
    float
        ‖w‖².
    """
    with_newest[:count] = 0
    with_image[:count] = 0
    square = 0.0
    for begin in range(first, last, _CHUNK):
        end = min(begin + _CHUNK, last)
        v, w = basis[count - 1, begin:end], basis[count, begin:end]
        square += _square(w)
        j = 0
        while j + 4 <= count:
            a, b = basis[j, begin:end], basis[j + 1, begin:end]
            c, d = basis[j + 2, begin:end], basis[j + 3, begin:end]
            _products_of_four(a, b, c, d, v, w, j, with_newest, with_image)
            j += 4
        while j < count:
            _products_of_one(basis[j, begin:end], v, w, j, with_newest, with_image)
            j += 1
    return square


@kernel
def _add_four(a, b, c, d, first, second, third, fourth, w):
    for i in range(w.size):
        w[i] += first * a[i] + second * b[i] + third * c[i] + fourth * d[i]


@kernel
def _add_one(a, first, w):
    for i in range(w.size):
        w[i] += first * a[i]


@reduction_kernel
def _scale(factor, w):
    total = 0.0
    for i in range(w.size):
        value = w[i] * factor
        w[i] = value
        total += value.real * value.real + value.imag * value.imag
    return total


@kernel
def _add_rows(basis, count, coefficients, begin, end, w):
    j = 0
    while j + 4 <= count:
        a, b = basis[j, begin:end], basis[j + 1, begin:end]
        c, d = basis[j + 2, begin:end], basis[j + 3, begin:end]
        _add_four(a, b, c, d, coefficients[j], coefficients[j + 1], coefficients[j + 2], coefficients[j + 3], w)
        j += 4
    while j < count:
        _add_one(basis[j, begin:end], coefficients[j], w)
        j += 1


@kernel
def _add_combination(basis, count, coefficients, factor, w, first, last):
    """As :func:`add_combination`, components ``first`` to ``last`` − 1 only."""
    square = 0.0
    for begin in range(first, last, _CHUNK):
        end = min(begin + _CHUNK, last)
        part = w[begin:end]
        _add_rows(basis, count, coefficients, begin, end, part)
        square += _scale(factor, part)
    return square


@kernel
def add_combination(basis, count, coefficients, factor, w):
    """Write factor · (w + Σ_j coefficients_j u_j), j < ``count``, to ``w`` of shape (n,); return its squared norm."""
    return _add_combination(basis, count, coefficients, factor, w, 0, w.size)


@kernel
def _solve_lower(lower, count, column):
    """Overwrite ``column`` with (I + L)⁻¹ column; return its squared norm."""
    square = 0.0
    for j in range(count):
        value = column[j]
        for i in range(j):
            value -= lower[j, i] * column[i]
        column[j] = value
        square += value.real * value.real + value.imag * value.imag
    return square


@kernel
def _rotate(triangle, cosines, sines, rhs, k, below):
    """Apply the old rotations to column k, and find the one that removes ``below``, a number ≥ 0 under its diagonal."""
    for j in range(k):
        upper, under = triangle[j, k], triangle[j + 1, k]
        triangle[j, k] = cosines[j] * upper + sines[j] * under
        triangle[j + 1, k] = cosines[j] * under - np.conj(sines[j]) * upper
    pivot = triangle[k, k]
    modulus = abs(pivot)
    length = np.hypot(modulus, below)
    if below == 0.0 or length == 0.0:
        cosines[k] = 1.0
        sines[k] = 0.0
    elif modulus == 0.0:
        cosines[k] = 0.0
        sines[k] = 1.0
        triangle[k, k] = below
    else:
        phase = pivot / modulus
        cosines[k] = modulus / length
        sines[k] = phase * (below / length)
        triangle[k, k] = phase * length
    rhs[k + 1] = -np.conj(sines[k]) * rhs[k]
    rhs[k] = cosines[k] * rhs[k]


@kernel
def _project(k, norms, lower, triangle, image_square, with_newest, coefficients):
    """Turn the products of a step into column k of the triangle and what is to be added to the image.

    ``coefficients`` come in as u_j·w and leave as what each u_j is multiplied by. Returns the factor that brings the
    norm of the sum near 1, and the loss of orthogonality, as :func:`arnoldi_step`.
    """
    count = k + 1
    loss = 0.0
    for j in range(k):
        overlap = np.conj(with_newest[j]) / (norms[j] * norms[k])
        lower[k, j] = overlap
        loss += overlap.real * overlap.real + overlap.imag * overlap.imag
    for j in range(count):
        coefficients[j] /= norms[j]
    within = _solve_lower(lower, count, coefficients)
    for j in range(count):
        triangle[j, k] = coefficients[j] / norms[k]
        coefficients[j] = -coefficients[j] / norms[j]
    rest = max(image_square - within, _LARGEST_CANCELLATION * image_square)
    return 1.0 / np.sqrt(rest) if rest > 0.0 else 1.0, np.sqrt(loss)


@kernel
def _close_column(k, norms, triangle, cosines, sines, rhs, norm, factor, image_square):
    """Complete column k by the norm of what is left of the image; return the residual's norm and a code."""
    below = norm / factor
    code = RUNNING
    if not below > _ROUNDOFF * np.sqrt(image_square) * np.sqrt(k + 1):
        norm = below = 0.0
        code = STAGNATED
    norms[k + 1] = norm
    _rotate(triangle, cosines, sines, rhs, k, below / norms[k])
    estimate = abs(rhs[k + 1])
    return estimate, code if estimate < np.inf else NOT_FINITE


@kernel
def arnoldi_step(
    basis, k, norms, lower, triangle, cosines, sines, rhs, products, bounds, sums, board, thread
):  # fmt: skip
    """Orthogonalize the image of the k-th basis vector against the basis, and rotate its coefficients into R.

    Several threads take parts of every vector; the small matrices are left to the first.

    Parameters
    ----------
    basis : array of shape (m + 1, n), C-contiguous
        Rows up to k hold u_j; row k + 1 holds w = A M⁻¹ u_k, overwritten with u_{k+1}.
    k : int
        From 0; below m.
    norms : float64 array of shape (m + 1,)
        ν_j; entry k + 1 is written.
    lower : array of shape (m, m)
        L; row k is written.
    triangle : array of shape (m + 1, m)
        R, by Givens rotations; column k is written.
    cosines : float64 array of shape (m,); sines : array of shape (m,)
        The rotations.
    rhs : array of shape (m + 1,)
        The rotated right-hand side; before the first step it is β e_1.
    products : array of shape (parts, 2, m), overwritten (workspace)
    bounds : int64 array of shape (parts + 1,)
        Part i of a vector is ``bounds[i]:bounds[i + 1]``.
    sums : float64 array of shape (parts, 16), overwritten (workspace)
    board, thread
        See :mod:`reiterate.kernels.spmd`.

    Returns
    -------
    estimate : float
        |last entry of rhs|: the norm of the residual.
    loss : float
        ‖VᴴV's newest row without its diagonal‖: how far the newest vector is from being orthogonal.
    code : int
        STAGNATED when the space is invariant, so that no further step is possible; then ``norms[k + 1]`` is 0.
    """
    threads = join(board, thread)
    if threads == 0:
        return np.inf, 0.0, NOT_FINITE
    parts, count = bounds.size - 1, k + 1
    for part in range(thread, parts, threads):
        own = products[part]
        sums[part, 0] = _basis_products(basis, count, bounds[part], bounds[part + 1], own[0], own[1])
    barrier(board, thread, threads)
    image_square = add_parts(sums, 0)
    if not image_square < np.inf:
        return np.inf, 0.0, NOT_FINITE
    coefficients = products[0, 1]
    loss = 0.0
    if thread == 0:
        for part in range(1, parts):
            for j in range(count):
                products[0, 0, j] += products[part, 0, j]
                products[0, 1, j] += products[part, 1, j]
        sums[0, 2], loss = _project(k, norms, lower, triangle, image_square, products[0, 0], coefficients)
    barrier(board, thread, threads)
    factor = sums[0, 2]
    for part in range(thread, parts, threads):
        first, last = bounds[part], bounds[part + 1]
        sums[part, 1] = _add_combination(basis, count, coefficients, factor, basis[k + 1], first, last)
    barrier(board, thread, threads)
    if thread > 0:
        return np.inf, 0.0, NOT_FINITE
    norm = np.sqrt(add_parts(sums, 1))
    estimate, code = _close_column(k, norms, triangle, cosines, sines, rhs, norm, factor, image_square)
    return estimate, loss, code


@kernel
def _solve_upper(triangle, rhs, used, y):
    """Solve with the leading ``used`` columns of R; return ‖y‖."""
    square = 0.0
    for back in range(used):
        j = used - 1 - back
        value = rhs[j]
        for i in range(j + 1, used):
            value -= triangle[j, i] * y[i]
        value /= triangle[j, j]
        y[j] = value
        square += value.real * value.real + value.imag * value.imag
    return np.sqrt(square)


@kernel
def least_squares(triangle, rhs, norms, count, y):
    """Solve R y = rhs for as many of the leading ``count`` columns as rounding errors allow; write y_j / ν_j to ``y``.

    With j columns the residual is the norm of the rest of the right-hand side, known to within u ‖R‖ ‖y‖. Where
    the space nearly holds a null vector, ‖y‖ grows faster than the residual falls, and fewer columns (for the
    others y is 0) leave the smaller sum of both.
    """
    largest = 0.0
    usable = 0
    for j in range(count):
        for i in range(j + 1):
            largest = max(largest, abs(triangle[i, j]))
    while usable < count and abs(triangle[usable, usable]) > _ROUNDOFF * largest:
        usable += 1
    rest = 0.0
    for j in range(usable, count + 1):
        rest = np.hypot(rest, abs(rhs[j]))
    best, used = np.inf, 0
    for back in range(usable + 1):
        j = usable - back
        if back > 0:
            rest = np.hypot(rest, abs(rhs[j]))
        if not rest < best:
            break
        total = rest + _ROUNDOFF * largest * _solve_upper(triangle, rhs, j, y)
        if total < best:
            best, used = total, j
    y[:count] = 0
    _solve_upper(triangle, rhs, used, y)
    for j in range(used):
        y[j] /= norms[j]
