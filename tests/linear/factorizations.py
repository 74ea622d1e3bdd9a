"""Incomplete factorizations as the textbooks write them, dense, and helpers that several tests share."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from reiterate.linear.door import Door
from tests.matrices import arrow, laplacian


def incomplete_lu(A, pattern, modification=0.0):
    """M = L U with every fill outside ``pattern`` dropped, and ``modification`` times it added to the diagonal."""
    F = A.copy()
    for i in range(len(A)):
        for k in np.flatnonzero(pattern[i, :i]):
            F[i, k] /= F[k, k]
            for j in range(k + 1, len(A)):
                change = F[i, k] * F[k, j]
                if pattern[i, j]:
                    F[i, j] -= change
                else:
                    F[i, i] -= modification * change
    return (np.tril(F, -1) + np.eye(len(A))) @ np.triu(F)


def with_triangles(n=40, seed=0):
    """Irregular, symmetric M-matrix in whose graph there are triangles."""
    B = sp.random_array((n, n), density=0.1, rng=np.random.default_rng(seed))
    A = -abs(sp.csr_array(B + B.T))
    A.setdiag(0.0)
    A = sp.csr_array(A + sp.diags_array(0.1 - np.asarray(A.sum(axis=1)).ravel()))
    A.sort_indices()
    return A


def perturbed(A, seed=1, dropped=0.0):
    """A nonsymmetric matrix, of the same pattern unless entries are to be ``dropped``."""
    rng = np.random.default_rng(seed)
    N = A.copy()
    N.data = N.data * rng.uniform(0.8, 1.2, N.nnz)
    if dropped:
        kept = rng.uniform(size=N.nnz) >= dropped
        rows = np.repeat(np.arange(N.shape[0]), np.diff(N.indptr))
        kept |= rows == N.indices
        N.data[~kept] = 0.0
        N.eliminate_zeros()
    return N


def hub(n=150):
    """A first row that is full, and a few triangles through it."""
    A = np.diag(np.full(n, 3.0 * n)) + sp.diags_array([-1.0, -1.0], offsets=[-7, 7], shape=(n, n)).toarray()
    A[0, 1:] = A[1:, 0] = -1.0
    return sp.csr_array(A)


MATRICES = {
    "hub": hub(),
    "grid": laplacian(6),
    "cube": laplacian(4, 3, shift=0.2),
    "line": laplacian(15, 1),
    "arrow": arrow(12),
    "reversed arrow": sp.csr_array(arrow(12).toarray()[::-1, ::-1]),
    "triangles": with_triangles(),
    "diagonal": sp.csr_array(sp.diags_array(np.arange(1.0, 6.0))),
    "one": sp.csr_array([[2.0]]),
    "disconnected": sp.block_diag([laplacian(3), sp.eye_array(2), with_triangles(9)], format="csr"),
    "dense": sp.csr_array(np.full((7, 7), -1.0) + 8.0 * np.eye(7)),
}


def admit(A, b=None, *, door=None, rtol=1e-8):
    return (door or Door()).admit(A, np.ones(A.shape[0]) if b is None else b, None, rtol=rtol, atol=0.0)


def inverse_of(preconditioner):
    """M⁻¹ as a dense matrix, one application a column."""
    n = preconditioner.size
    columns = np.empty((n, n), dtype=preconditioner.dtype)
    for column, unit in zip(columns, np.eye(n, dtype=preconditioner.dtype), strict=True):
        untouched = unit.copy()
        preconditioner.apply(unit, column)
        np.testing.assert_array_equal(unit, untouched)
    return columns.T


def defaults(family, **values):
    return {**{p.name: p.default for p in family.parameters}, **values}
