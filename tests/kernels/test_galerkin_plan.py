"""Planned Galerkin products against SciPy's."""

import numpy as np
import pytest
import scipy.sparse as sp

from reiterate.kernels import galerkin_plan
from tests.kernels.test_galerkin import transposed
from tests.matrices import laplacian, unsigned


def planned(A, P, pattern, numbers):
    """Pᵀ A P of ``numbers`` on ``pattern`` by a plan made of patterns, and what the diagonal's terms add up to."""
    (n, m), (indptr, indices, _), (p_indptr, p_indices, weights) = P.shape, unsigned(A), unsigned(P)
    position = np.flatnonzero(indices == np.repeat(np.arange(n), np.diff(A.indptr))).astype(np.uint32)
    c_indptr, c_indices, _ = unsigned(pattern)
    width = np.empty(n, np.uint32)
    fine = indptr, indices, position, p_indptr, p_indices
    inner, outer = galerkin_plan.count_terms(*fine, np.zeros(m, np.uint32), width)
    slots, places = np.full(inner, 9999, np.uint16), np.full(outer, 9999, np.uint16)
    columns, place = np.empty(width.sum(), np.uint32), np.empty(m, np.uint32)
    galerkin_plan.assign_slots(*fine, np.zeros(m, np.uint32), place, slots, columns)
    r_indptr, r_indices, _ = transposed(P)
    complete = galerkin_plan.assign_places(
        p_indptr, p_indices, r_indptr, r_indices, width, columns, c_indptr, c_indices, place, places
    )
    if not complete:
        return None
    half, magnitude = np.full(c_indices.size, np.nan), np.full(m, np.nan)
    galerkin_plan.refresh_half(
        indptr, indices, position, numbers, p_indptr, p_indices, weights,
        width, slots, places, c_indptr, np.empty(width.max()), magnitude, half,
    )  # fmt: skip
    diagonal = np.flatnonzero(pattern.indices == np.repeat(np.arange(m), np.diff(pattern.indptr))).astype(np.uint32)
    galerkin_plan.add_transpose(c_indptr, c_indices, diagonal, np.empty(m, np.uint32), half)
    return sp.csr_array((half, pattern.indices, pattern.indptr), shape=(m, m)), magnitude


def symmetric(seed):
    """A symmetric matrix with all of its diagonal, and other numbers on its pattern."""
    rng = np.random.default_rng(seed)
    B = sp.random_array((60, 60), density=0.05, rng=rng)
    A = sp.csr_array(B + B.T + sp.eye_array(60))
    A.sort_indices()
    other = rng.normal(size=(60, 60))
    return A, A.multiply(other + other.T).tocsr()


def prolongator(seed, empty_rows):
    P = sp.random_array((60, 12), density=0.2, rng=np.random.default_rng(seed)).tolil()
    P[np.arange(12), np.arange(12)] = 1.0
    if empty_rows:
        P[[0, 17, 59]] = 0.0
        P[1, 0] = 2.0
    P = sp.csr_array(P)
    P.eliminate_zeros()
    P.sort_indices()
    return P


@pytest.mark.parametrize("empty_rows", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_planned_product_is_the_product(seed, empty_rows):
    (A, other), P = symmetric(seed), prolongator(seed, empty_rows)
    pattern = sp.csr_array(abs(P).T @ abs(A) @ abs(P))
    pattern.sort_indices()
    other.sort_indices()
    found, magnitude = planned(A, P, pattern, other.data)
    expected = (P.T @ other @ P).toarray()
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-12, atol=1e-13 * np.abs(expected).max())
    np.testing.assert_array_equal(found.toarray(), found.toarray().T)
    D = sp.diags_array(np.maximum(other.diagonal(), 0.0))
    np.testing.assert_allclose(magnitude, (P.T @ D @ P).diagonal(), rtol=1e-12, atol=1e-14)


def test_a_pattern_that_lacks_entries_of_the_product_is_reported():
    A, P = laplacian(8), sp.csr_array(np.kron(np.eye(16), np.ones((4, 1))))
    A.sort_indices()
    assert planned(A, P, sp.csr_array(sp.eye_array(16)), A.data) is None
