"""Fused vector updates of MINRES with a positive definite preconditioner.

Sources: C. C. Paige and M. A. Saunders, "Solution of sparse indefinite systems of linear equations", SIAM J. Numer.
Anal. 12 (1975); the recurrence for the residual vector: S.-C. T. Choi, C. C. Paige and M. A. Saunders, "MINRES-QLP",
SIAM J. Sci. Comput. 33 (2011).

All vectors have shape (n,) and may be real or complex.
"""

from __future__ import annotations

from reiterate.kernels.compiling import kernel, reduction_kernel


@kernel
def lanczos(q, y, old, image, newest, before):
    """Write the next Lanczos vector, image · q − newest · y − before · old, to ``old``; the factors are real."""
    for i in range(q.size):
        old[i] = image * q[i] - newest * y[i] - before * old[i]


@reduction_kernel
def step(z, w, old, factors, scale, y, x, r):
    """Find the next direction and step along it.

    Parameters
    ----------
    z : array
        M⁻¹ times the Lanczos vector.
    w, old : arrays
        The last direction and the one before, which is overwritten with the new one.
    factors : float64 array of shape (6,)
        The new direction is factors[0] z − factors[1] w − factors[2] old, the step is factors[3], and the new
        residual is factors[4] r − factors[5] y.
    scale : float
        x takes its update times this, because the residual is kept divided by it.
    y : array
        The next Lanczos vector.
    x, r : arrays, overwritten

    Returns
    -------
    float
        ‖r‖².
    """
    of_z, of_w, of_old, length, of_r, of_y = factors
    along = scale * length
    square = 0.0
    for i in range(x.size):
        direction = of_z * z[i] - of_w * w[i] - of_old * old[i]
        old[i] = direction
        x[i] += along * direction
        value = of_r * r[i] - of_y * y[i]
        r[i] = value
        square += value.real * value.real + value.imag * value.imag
    return square
