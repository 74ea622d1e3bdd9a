"""Fused updates of vectors, for iterations whose preconditioner is not part of the kernel.

All arrays have shape (n,) and may be real or complex; dot products conjugate their first factor.
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import reduction_kernel


@reduction_kernel
def dot(x, y):
    """Return x·y."""
    total = np.conj(x[0]) * y[0]
    for i in range(1, x.size):
        total += np.conj(x[i]) * y[i]
    return total


@reduction_kernel
def square_norm(x):
    """Return ‖x‖²."""
    total = 0.0
    for i in range(x.size):
        total += x[i].real * x[i].real + x[i].imag * x[i].imag
    return total


@reduction_kernel
def step(alpha, p, q, x, r):
    """Write x + α p to ``x`` and r − α q to ``r``; return the new ‖r‖²."""
    total = 0.0
    for i in range(x.size):
        x[i] += alpha * p[i]
        rest = r[i] - alpha * q[i]
        r[i] = rest
        total += rest.real * rest.real + rest.imag * rest.imag
    return total


@reduction_kernel
def turn(beta, z, p):
    """Write z + β p to ``p``."""
    for i in range(p.size):
        p[i] = z[i] + beta * p[i]


@reduction_kernel
def combine(a, b, c, u, v, w, x):
    """Write a u + b v + c w to ``x``."""
    for i in range(x.size):
        x[i] = a * u[i] + b * v[i] + c * w[i]
