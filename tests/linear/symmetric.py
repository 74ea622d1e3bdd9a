"""Symmetric, Hermitian and complex symmetric systems that several tests share."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

from tests.matrices import laplacian


def hermitian(m: int, shift: float = 0.0, turn: float = 0.3) -> sp.csr_array:
    """A Laplacian in a magnetic field: phases that no change of variables takes away, plus shift times the identity."""
    A = laplacian(m).astype(complex).tocoo()
    rows, columns = A.coords
    across = np.abs(rows - columns) == 1
    phase = np.exp(1j * turn * np.where(across, (rows // m) * (rows - columns), 0))
    return sp.csr_array(sp.coo_array((A.data * phase, (rows, columns)), shape=A.shape) + shift * sp.eye_array(m * m))


def damped_helmholtz(m: int, shift: float = 0.7, damping: float = 0.3, seed: int = 0) -> sp.csr_array:
    """A complex symmetric matrix: a Laplacian less a shift, with damping that varies."""
    losses = np.random.default_rng(seed).uniform(0.5 * damping, damping, m * m)
    return sp.csr_array(laplacian(m) - sp.diags_array(shift + 1j * losses))


def saddle_point(m: int, constraints: int, corner: float | None = None, seed: int = 0) -> sp.csr_array:
    """[A Bᵀ; B −corner I]; without stored diagonal entries where ``corner`` is None."""
    rng = np.random.default_rng(seed)
    B = sp.random_array((constraints, m * m), density=0.05, rng=rng) + sp.eye_array(constraints, m * m)
    lower = None if corner is None else -corner * sp.eye_array(constraints)
    return sp.csr_array(sp.block_array([[laplacian(m), B.T], [B, lower]]))


@st.composite
def hermitian_matrices(draw: st.DrawFn, largest: int = 20) -> sp.csr_array:
    """Random sparse A = Aᴴ, real or complex: singular, indefinite, with zeros on the diagonal, badly scaled at will."""
    A = draw(_mirrored(largest, conjugate=True))
    return A if draw(st.booleans()) else sp.csr_array(A.real)


@st.composite
def symmetric_matrices(draw: st.DrawFn, largest: int = 20) -> sp.csr_array:
    """Random sparse A = Aᵀ, real or complex, otherwise as :func:`hermitian_matrices`."""
    A = draw(_mirrored(largest, conjugate=False))
    return A if draw(st.booleans()) else sp.csr_array(A.real)


@st.composite
def _mirrored(draw: st.DrawFn, largest: int, *, conjugate: bool) -> sp.csr_array:
    n = draw(st.integers(1, largest))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.floats(0.0, 1.0))
    B = rng.normal(size=(n, n)) + 1j * rng.normal(size=(n, n))
    B *= rng.uniform(size=(n, n)) < density
    A = B + (B.conj().T if conjugate else B.T) + round(draw(st.floats(-3.0, 3.0)), 6) * np.eye(n)
    if draw(st.booleans()):
        np.fill_diagonal(A, np.where(rng.uniform(size=n) < 0.5, 0.0, A.diagonal()))
    scale = 10.0 ** (rng.uniform(-1.0, 1.0, n) * draw(st.floats(0.0, 3.0)))
    A = scale[:, None] * A * scale
    A = 0.5 * (A + (A.conj().T if conjugate else A.T))
    return sp.csr_array(A)
