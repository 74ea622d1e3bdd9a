"""Fused vector updates of SYMMLQ with a positive definite preconditioner.

Source: C. C. Paige and M. A. Saunders, "Solution of sparse indefinite systems of linear equations", SIAM J. Numer.
Anal. 12 (1975).

All vectors have shape (n,) and may be real or complex; the factors are real.
"""

from __future__ import annotations

from reiterate.kernels.compiling import kernel, reduction_kernel


@reduction_kernel
def lanczos(q, y, old, image, newest, before):
    """Write the next Lanczos vector, image · q − newest · y − before · old, to ``old``; return its squared norm."""
    square = 0.0
    for i in range(q.size):
        value = image * q[i] - newest * y[i] - before * old[i]
        old[i] = value
        square += value.real * value.real + value.imag * value.imag
    return square


@kernel
def step(z, inverse, along_w, along_v, cosine, sine, w, x):
    """Write x + along_w · w + along_v · v to ``x``, with v = inverse · z, and then sine · w − cosine · v to ``w``."""
    for i in range(x.size):
        v = inverse * z[i]
        direction = w[i]
        x[i] += along_w * direction + along_v * v
        w[i] = sine * direction - cosine * v
