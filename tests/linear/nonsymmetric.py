"""Systems without symmetry, and how the tests of Krylov methods run on them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

from reiterate.contracts import Stop
from reiterate.linear.door import Door
from reiterate.linear.traits import LinearTraits


def convection_diffusion(m: int, dimensions: int = 2, wind: float = 20.0) -> sp.csr_array:
    """Central differences for −Δu + wind·∇u on an m^d grid, times h²."""
    peclet = 0.5 * wind / (m + 1)
    total = sp.csr_array((m**dimensions, m**dimensions))
    for axis in range(dimensions):
        strength = peclet * (axis + 1)
        T = sp.diags_array([-1.0 - strength, 2.0, -1.0 + strength], offsets=[-1, 0, 1], shape=(m, m))
        term = sp.eye_array(1)
        for other in range(dimensions):
            term = sp.kron(term, T if other == axis else sp.eye_array(m))
        total = total + term
    return sp.csr_array(total)


def cyclic_shift(n: int) -> sp.csr_array:
    """The permutation on which GMRES stands still until step n."""
    return sp.csr_array(sp.diags_array([1.0, 1.0], offsets=[-1, n - 1], shape=(n, n)))


def skew(n: int, seed: int = 0) -> sp.csr_array:
    """Aᵀ = −A, nonsingular for even n: x·Ax vanishes for every x."""
    B = np.random.default_rng(seed).normal(size=(n, n))
    Q = np.linalg.qr(B)[0]
    blocks = np.kron(np.diag(np.linspace(1.0, 3.0, n // 2)), [[0.0, 1.0], [-1.0, 0.0]])
    A = Q @ blocks @ Q.T
    return sp.csr_array(np.tril(A, -1) - np.tril(A, -1).T)


def nilpotent(n: int) -> sp.csr_array:
    """The upper shift: singular, with a single Jordan block."""
    return sp.csr_array(sp.diags_array([1.0], offsets=[1], shape=(n, n)))


def neumann(n: int) -> sp.csr_array:
    """The singular second difference, scaled so that its null space is not the constants, which would be noticed."""
    A = sp.lil_array(sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(n, n)))
    A[0, 0] = A[n - 1, n - 1] = 1.0
    D = sp.diags_array(1.0 / null_vector(n))
    return sp.csr_array(D @ A @ D)


def null_vector(n: int) -> np.ndarray:
    """What :func:`neumann` maps to zero."""
    return 1.0 / np.linspace(1.0, 1.5, n)


@st.composite
def any_matrices(draw: st.DrawFn, largest: int = 25) -> sp.csr_array:
    """Random sparse square matrices: singular, indefinite, badly scaled at will."""
    n = draw(st.integers(1, largest))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.floats(0.0, 1.0))
    B = sp.random_array((n, n), density=density, rng=rng, data_sampler=lambda size: rng.uniform(-1, 1, size))
    if draw(st.booleans()):
        B = B + B.T
    A = sp.csr_array(B + draw(st.floats(-3.0, 3.0)) * sp.eye_array(n))
    scale = 10.0 ** (rng.uniform(-1.0, 1.0, n) * draw(st.floats(0.0, 3.0)))
    return sp.csr_array(sp.diags_array(scale) @ A)


def solve(method, A, b, *, x0=None, rtol=1e-300, iterations=10_000, seconds=None, previous=None, **values):
    """Run one method from ``x0``; the progress, what was prepared, and the instance."""
    instance = Door().admit(A, b, None, rtol=rtol, atol=0.0)
    values = {parameter.name: parameter.default for parameter in method.parameters} | values
    prepared = method.prepare(instance, values, previous)
    start = np.zeros(A.shape[0]) if x0 is None else x0
    return (
        method.iterate(prepared, instance, values, start, Stop(instance.target, iterations, seconds)),
        prepared,
        instance,
    )


class DenseOperator:
    """Products with a dense matrix, real or complex: no stored sparse entries anywhere."""

    def __init__(self, A):
        self.A = A
        self.dtype = A.dtype

    def apply(self, x, y):
        y[:] = self.A @ x

    def apply_dot(self, x, y):
        y[:] = self.A @ x
        return float(np.vdot(x, y).real)

    def residual(self, x, b, r):
        r[:] = b - self.A @ x
        return float(np.vdot(r, r).real)


def dense_instance(A, b, rtol):
    """What a Krylov method needs of an instance, without a door: ``operator`` stands in for a function."""
    n = b.size
    return SimpleNamespace(
        operator=DenseOperator(A),
        b=b,
        diagonal=A.diagonal().copy(),
        traits=LinearTraits(n, n * n, symmetric=False, full_diagonal=True, positive_diagonal=False),
        pattern=SimpleNamespace(size=n, nnz=n * n),
        target=rtol,
        norm_b=float(np.linalg.norm(b)),
        version=None,
        threads=1,
    )
