"""Successive over-relaxation: single sweeps, and a resumable iteration that knows its residual for nothing.

Source: D. M. Young, "Iterative methods for solving partial difference equations of elliptic type", Trans.
AMS 76 (1954). Guarantee: for a symmetric positive definite A the iteration converges from any start for
every 0 < omega < 2 (Ostrowski 1954); it needs a diagonal without zeros for any A.

With A = L + D + U and M = D/omega + L, a step is x ← x + d, M d = r, and the next residual is
r − A d = (M − A) d = (1/omega − 1) D d − U d. So one pass over the rows computes the residual from the old
steps d_j, j > i, and solves for the new d_i from the new ones, j < i: no separate product is needed to
know the true residual norm of every iterate.
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.codes import CONVERGED, DIVERGED, NOT_FINITE, RUNNING
from reiterate.kernels.compiling import PREFETCH_DISTANCE, kernel, prefetch
from reiterate.kernels.csr import residual

_HOPELESS_GROWTH = 1e16  # of the squared residual norm


@kernel
def sor_forward(indptr, indices, data, position, b, x, omega):
    """One forward sweep, rows 0 … n − 1, in place: x_i ← x_i + omega (b_i − Σ_j a_ij x_j) / a_ii.

    Parameters
    ----------
    indptr, indices, data : the matrix A of shape (n, n), no zero on its diagonal
    position : uint32 array of shape (n,)
        Of the diagonal entries in ``data``.
    b : array of shape (n,)
    x : array of shape (n,), overwritten
    omega : float
        Relaxation parameter in (0, 2); 1 is Gauss–Seidel.
    """
    for i in range(x.size):
        total = b[i]
        for k in range(indptr[i], indptr[i + 1]):
            total -= data[k] * x[indices[k]]
        x[i] += omega * total / data[position[i]]


@kernel
def sor_backward(indptr, indices, data, position, b, x, omega):
    """One backward sweep, rows n − 1 … 0, in place; otherwise as :func:`sor_forward`."""
    n = x.size
    for reverse in range(n):
        i = n - 1 - reverse
        total = b[i]
        for k in range(indptr[i], indptr[i + 1]):
            total -= data[k] * x[indices[k]]
        x[i] += omega * total / data[position[i]]


@kernel
def sor_start(indptr, indices, data, position, b, x, d, r, omega):
    """Begin at ``x``: write the first step, (D/omega + L) d = b − A x, to ``d``; return ‖b − A x‖².

    ``d`` and ``r`` have shape (n,) and are overwritten (``r`` is workspace); the rest as :func:`sor_forward`.
    """
    square = residual(indptr, indices, data, x, b, r)
    for i in range(x.size):
        total = r[i]
        for k in range(indptr[i], position[i]):
            total -= data[k] * d[indices[k]]
        d[i] = omega * total / data[position[i]]
    return square


@kernel
def sor_advance(indptr, indices, data, position, x, d, omega, square, start_square, threshold, max_iterations):
    """Make up to ``max_iterations`` SOR iterations in place.

    Parameters
    ----------
    indptr, indices, data, position, omega : as :func:`sor_forward`
    x, d : arrays of shape (n,), overwritten
        Iterate, and the step that is due, as :func:`sor_start` or an earlier call left them.
    square : float
        Squared residual norm of ``x``, as returned last.
    start_square : float
        The same at the start, against which divergence is judged.
    threshold : float
        Return when the squared residual norm is at or below it.
    max_iterations : int

    Returns
    -------
    iterations : int
    square : float
        Squared residual norm of ``x`` now.
    code : int
        See :mod:`reiterate.kernels.codes`.
    """
    if square <= threshold:
        return 0, square, CONVERGED
    weight = 1.0 / omega - 1.0
    for iteration in range(max_iterations):
        square = 0.0
        for i in range(x.size):
            middle = position[i]
            prefetch(data, middle + PREFETCH_DISTANCE)
            prefetch(indices, middle + PREFETCH_DISTANCE)
            step = d[i]
            x[i] += step
            total = weight * data[middle] * step
            for k in range(middle + np.uint32(1), indptr[i + 1]):
                total -= data[k] * d[indices[k]]
            square += total * total
            for k in range(indptr[i], middle):
                total -= data[k] * d[indices[k]]
            d[i] = omega * total / data[middle]
        if square <= threshold:
            return iteration + 1, square, CONVERGED
        if not square < np.inf:
            return iteration + 1, square, NOT_FINITE
        if square > _HOPELESS_GROWTH * start_square:
            return iteration + 1, square, DIVERGED
    return max_iterations, square, RUNNING
