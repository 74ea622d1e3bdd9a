"""Matrices that several tests share."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st


def laplacian(m: int, dimensions: int = 2, shift: float = 0.0) -> sp.csr_array:
    """5- or 7-point Laplacian on an m^d grid, plus shift times the identity."""
    T = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(m, m))
    identity = sp.eye_array(m)
    total = sp.csr_array((m**dimensions, m**dimensions))
    for axis in range(dimensions):
        term = sp.eye_array(1)
        for other in range(dimensions):
            term = sp.kron(term, T if other == axis else identity)
        total = total + term
    return sp.csr_array(total + shift * sp.eye_array(m**dimensions))


def arrow(n: int) -> sp.csr_array:
    """Positive definite arrow: one full row and column."""
    A = sp.lil_array((n, n))
    A.setdiag(np.arange(2.0, n + 2.0))
    A[n - 1, :] = 0.1
    A[:, n - 1] = 0.1
    A[n - 1, n - 1] = float(n)
    return sp.csr_array(A)


@st.composite
def definite_matrices(draw: st.DrawFn, largest: int = 30) -> sp.csr_array:
    """Random sparse symmetric, strictly diagonally dominant with a positive diagonal, badly scaled at will."""
    n = draw(st.integers(1, largest))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.floats(0.0, 0.6))
    B = sp.random_array((n, n), density=density, rng=rng, data_sampler=lambda size: rng.uniform(-1, 1, size))
    S = sp.csr_array(B + B.T)
    diagonal = np.asarray(abs(S).sum(axis=1)).ravel() + rng.uniform(0.05, 2.0, n)
    scale = 10.0 ** rng.uniform(-draw(st.floats(0.0, 2.0)), 0.0, n)
    S.setdiag(0.0)
    A = sp.csr_array(sp.diags_array(scale) @ (S + sp.diags_array(diagonal)) @ sp.diags_array(scale))
    A.eliminate_zeros()
    A.sort_indices()
    # Scaling both sides in floating point leaves rounding asymmetry; the exact mean removes it.
    return sp.csr_array((A + A.T) / 2)


def unsigned(A: sp.csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The arrays that kernels take."""
    return A.indptr.astype(np.int32).view(np.uint32), A.indices.astype(np.int32).view(np.uint32), A.data
