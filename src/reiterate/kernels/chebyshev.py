"""Chebyshev iteration for D⁻¹A, from zero and for a fixed number of steps: a polynomial preconditioner.

Sources: G. H. Golub and R. S. Varga (1961); as a preconditioner O. G. Johnson, C. A. Micchelli and G. Paul, "Polynomial
preconditioners for conjugate gradient calculations", SIAM J. Numer. Anal. 20 (1983). After k products the error of
A z = r is T(D⁻¹A) times the first, T the Chebyshev polynomial of degree k + 1 of the interval [a, b], scaled to 1 at
0; z = q(D⁻¹A) D⁻¹ r with λ q(λ) = 1 − T(λ). On (0, a + b), |T| < 1 and so q > 0. Where k + 1 is odd, T < 0 beyond b,
and q > 0 for every λ > 0, whatever the interval.

A step is one product with the update of the vectors in the same pass: 12 bytes an entry and 52 bytes a row.
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import PREFETCH_DISTANCE, kernel, prefetch


@kernel
def _step(indptr, indices, data, inverse_diagonal, r, z, previous, momentum, weight):
    """Overwrite ``previous`` with z + momentum · (z − previous) + weight · D⁻¹ (r − A z)."""
    for i in range(r.size):
        begin = indptr[i]
        prefetch(data, begin + PREFETCH_DISTANCE)
        prefetch(indices, begin + PREFETCH_DISTANCE)
        total = 0.0
        for k in range(begin, indptr[i + 1]):
            total += data[k] * z[indices[k]]
        value = z[i]
        previous[i] = value + momentum * (value - previous[i]) + weight * inverse_diagonal[i] * (r[i] - total)


@kernel
def chebyshev(indptr, indices, data, inverse_diagonal, r, z, workspace, degree, low, high):
    """Write q(D⁻¹A) D⁻¹ r, q of the given degree, to ``z``.

    Parameters
    ----------
    indptr, indices, data : the matrix A
    inverse_diagonal : array of shape (n,)
        D⁻¹.
    r : array of shape (n,)
    z : array of shape (n,), written
    workspace : array of shape (n,), overwritten
    degree : int
        Number of products with A.
    low, high : float
        The interval [a, b], 0 < a < b.
    """
    center, radius = 0.5 * (high + low), 0.5 * (high - low)
    current, other = z, workspace
    if degree % 2 == 1:
        current, other = workspace, z
    for i in range(r.size):
        current[i] = inverse_diagonal[i] * r[i] / center
        other[i] = 0.0
    ratio = radius / center
    rho = ratio
    for _ in range(degree):
        # ratio · ρ stays away from 2, because both are at most 1 and ratio is below it.
        next_rho = 1.0 / (2.0 / ratio - rho)
        _step(indptr, indices, data, inverse_diagonal, r, current, other, next_rho * rho, 2.0 * next_rho / radius)
        rho = next_rho
        current, other = other, current


@kernel
def largest_row_sum(indptr, data, inverse_diagonal):
    """Return max_i Σ_j |a_ij| / a_ii, above which D⁻¹A has no eigenvalue (Gershgorin)."""
    largest = 0.0
    for i in range(inverse_diagonal.size):
        total = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            total += np.abs(data[k])
        largest = max(largest, total * inverse_diagonal[i])
    return largest
