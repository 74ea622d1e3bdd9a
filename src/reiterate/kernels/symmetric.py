"""Fused vector updates of methods for A = Aᵀ, real or complex: COCR and symmetric QMR.

Sources: T. Sogabe and S.-L. Zhang, "A COCR method for solving complex symmetric linear systems", J. Comput. Appl. Math.
199 (2007); R. W. Freund and N. M. Nachtigal, "A new Krylov-subspace method for symmetric indefinite linear systems",
Proc. 14th IMACS World Congress (1994).

All vectors have shape (n,). Products are xᵀy: no factor is conjugated. x takes its updates times ``scale``, because the
residual is kept divided by it.
"""

from __future__ import annotations

from reiterate.kernels.compiling import kernel, reduction_kernel


@reduction_kernel
def product(x, y):
    """Return xᵀy, ‖x‖² and ‖y‖²."""
    total = x[0] * 0
    x_square = y_square = 0.0
    for i in range(x.size):
        left, right = x[i], y[i]
        total += left * right
        x_square += left.real * left.real + left.imag * left.imag
        y_square += right.real * right.real + right.imag * right.imag
    return total, x_square, y_square


@reduction_kernel
def residual_step(alpha, scale, p, q, solved, x, r, u):
    """Step along p, with q = A p and ``solved`` = M⁻¹q: update ``x``, ``r`` and ``u`` = M⁻¹r; return ‖r‖²."""
    along = scale * alpha
    square = 0.0
    for i in range(x.size):
        x[i] += along * p[i]
        u[i] -= alpha * solved[i]
        value = r[i] - alpha * q[i]
        r[i] = value
        square += value.real * value.real + value.imag * value.imag
    return square


@kernel
def turn_pair(beta, u, image, p, q):
    """Write u + β p to ``p`` and image + β q to ``q``."""
    for i in range(p.size):
        p[i] = u[i] + beta * p[i]
        q[i] = image[i] + beta * q[i]


@reduction_kernel
def smooth(of_d, of_q, eta, scale, q, r, d, x, s):
    """Step of QMR: ``d`` = of_d · d + of_q · q is added to ``x``; its residual ``s`` += eta (r − s); return ‖s‖²."""
    square = 0.0
    for i in range(x.size):
        direction = of_d * d[i] + of_q * q[i]
        d[i] = direction
        x[i] += scale * direction
        value = s[i] + eta * (r[i] - s[i])
        s[i] = value
        square += value.real * value.real + value.imag * value.imag
    return square
