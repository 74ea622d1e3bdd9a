"""Fused vector updates of IDR(s).

Sources: M. B. van Gijzen and P. Sonneveld, "Algorithm 913: an elegant IDR(s) variant that efficiently exploits
biorthogonality properties", ACM Trans. Math. Softw. 38 (2011); all products of a step at once: T. P. Collignon
and M. B. van Gijzen, "Minimizing synchronization in IDR(s)", Numer. Linear Algebra Appl. 18 (2011).

Vectors have shape (n,), families of vectors shape (s, n), C-contiguous; real or complex; dot products conjugate their
first factor. x takes its updates times ``scale``, because the residual is kept divided by it.
"""

from __future__ import annotations

from reiterate.kernels.compiling import kernel, reduction_kernel

_CHUNK = 1024


@reduction_kernel
def _dot(p, v):
    total = v[0] * 0
    for i in range(v.size):
        total += p[i].conjugate() * v[i]
    return total


@reduction_kernel
def _square(v):
    total = 0.0
    for i in range(v.size):
        total += v[i].real * v[i].real + v[i].imag * v[i].imag
    return total


@kernel
def shadow_products(shadow, v, products):
    """Write p_j·v for every row of ``shadow`` to ``products`` of shape (s,); return ‖v‖²."""
    products[:] = 0
    square = 0.0
    for begin in range(0, v.size, _CHUNK):
        end = min(begin + _CHUNK, v.size)
        part = v[begin:end]
        square += _square(part)
        for j in range(shadow.shape[0]):
            products[j] += _dot(shadow[j, begin:end], part)
    return square


@kernel
def _copy(y, x):
    # Assigning slices would do the same, and take seconds to compile.
    for i in range(x.size):
        x[i] = y[i]


@kernel
def _add(alpha, y, x):
    for i in range(x.size):
        x[i] += alpha * y[i]


@reduction_kernel
def _move(alpha, scale, u, g, x, r):
    square = 0.0
    along = scale * alpha
    for i in range(x.size):
        x[i] += along * u[i]
        value = r[i] - alpha * g[i]
        r[i] = value
        square += value.real * value.real + value.imag * value.imag
    return square


@kernel
def project(images, first, coefficients, r, v):
    """Write r − Σ_j coefficients_j g_j, j from ``first``, to ``v``."""
    for begin in range(0, r.size, _CHUNK):
        end = min(begin + _CHUNK, r.size)
        part = v[begin:end]
        _copy(r[begin:end], part)
        for j in range(first, images.shape[0]):
            _add(-coefficients[j], images[j, begin:end], part)


@kernel
def new_direction(directions, first, coefficients, omega, z):
    """Write ω z + Σ_j coefficients_j u_j, j from ``first``, to ``z``."""
    for begin in range(0, z.size, _CHUNK):
        end = min(begin + _CHUNK, z.size)
        part = z[begin:end]
        for i in range(part.size):
            part[i] *= omega
        for j in range(first, directions.shape[0]):
            _add(coefficients[j], directions[j, begin:end], part)


@kernel
def biorthogonal_step(directions, images, k, overlaps, beta, scale, u, g, x, r):
    """Make a new pair biorthogonal to the shadow vectors before it, and step along it.

    Parameters
    ----------
    directions, images : arrays of shape (s, n)
        Rows before k are subtracted times ``overlaps`` from ``u`` and ``g``; the results become row k.
    k : int
    overlaps : array of shape (s,)
    beta : number
        The length of the step.
    scale : float
    u, g : arrays of shape (n,)
        The new direction and its image A u; unchanged.
    x, r : arrays of shape (n,), overwritten

    Returns
    -------
    float
        ‖r‖².
    """
    square = 0.0
    for begin in range(0, x.size, _CHUNK):
        end = min(begin + _CHUNK, x.size)
        direction, image = directions[k, begin:end], images[k, begin:end]
        _copy(u[begin:end], direction)
        _copy(g[begin:end], image)
        for j in range(k):
            _add(-overlaps[j], directions[j, begin:end], direction)
            _add(-overlaps[j], images[j, begin:end], image)
        square += _move(beta, scale, direction, image, x[begin:end], r[begin:end])
    return square


@kernel
def descend(omega, scale, z, t, x, r):
    """Write x + scale ω z to ``x`` and r − ω t to ``r``; return ‖r‖²."""
    return _move(omega, scale, z, t, x, r)
