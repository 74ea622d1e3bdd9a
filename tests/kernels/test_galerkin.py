"""Sparse products and transposes against SciPy's."""

import numpy as np
import pytest
import scipy.sparse as sp

from reiterate.kernels import galerkin
from tests.matrices import laplacian, unsigned


def case(seed):
    rng = np.random.default_rng(seed)
    A = laplacian(8)
    A.sort_indices()
    P = sp.csr_array(sp.random_array((64, 9), density=0.3, rng=rng))
    P.sort_indices()
    return A, P


def transposed(P):
    t = np.empty(P.shape[1] + 1, np.uint32), np.empty(P.nnz, np.uint32), np.empty(P.nnz)
    galerkin.transpose(*unsigned(P), *t)
    return t


def as_scipy(arrays, shape):
    indptr, indices, data = arrays
    count = int(indptr[-1])
    return sp.csr_array((data[:count], indices[:count].astype(np.int32), indptr.astype(np.int32)), shape=shape)


def test_transpose():
    _, P = case(0)
    T = as_scipy(transposed(P), (9, 64))
    np.testing.assert_array_equal(T.toarray(), P.toarray().T)
    assert T.has_sorted_indices


@pytest.mark.parametrize("capacity", [200, 30])
def test_products_are_resumed_where_the_capacity_ended(capacity):
    A, P = case(1)
    R = transposed(P)
    stamp, sums, found = np.zeros(64, np.uint32), np.empty(64), np.empty(64, np.uint32)
    coarse_stamp, coarse_sums, indptr = np.zeros(9, np.uint32), np.zeros(9), np.empty(10, np.uint32)
    indices, data = np.empty(capacity, np.uint32), np.empty(capacity)
    done = calls = 0
    while done < 9:
        done = galerkin.galerkin_product(
            *unsigned(A), *R, *unsigned(P), done, stamp, sums, found, coarse_stamp, coarse_sums, indptr, indices, data
        )
        calls += 1
        if done < 9:
            indices, data = np.resize(indices, indices.size + 20), np.resize(data, data.size + 20)
    assert (calls > 1) == (capacity == 30)
    expected = (P.T @ A @ P).toarray()
    np.testing.assert_allclose(as_scipy((indptr, indices, data), (9, 9)).toarray(), expected, rtol=1e-13, atol=1e-14)
    again = np.empty(indices.size)
    stamp[:] = 0
    galerkin.refresh_galerkin_product(
        *unsigned(A), *R, *unsigned(P), stamp, sums, found, coarse_sums, indptr, indices, again
    )
    np.testing.assert_allclose(as_scipy((indptr, indices, again), (9, 9)).toarray(), expected, rtol=1e-13, atol=1e-14)


def test_strong_couplings_and_dependences():
    A = sp.csr_array(np.array([[4.0, -2.0, -0.1, 0.0], [-2.0, 4.0, 1.0, 0.0], [-0.1, 1.0, 4.0, 0.0], [0, 0, 0, 1.0]]))
    scale = 1.0 / np.sqrt(A.diagonal())
    indptr, indices = np.empty(5, np.int32), np.empty(A.nnz, np.int32)
    count = galerkin.strong_couplings(*unsigned(A), scale, 0.1, indptr, indices)
    assert list(indptr) == [0, 1, 3, 4, 4]
    assert list(indices[:count]) == [1, 0, 2, 1]
    count = galerkin.strong_dependences(*unsigned(A), scale, np.ones(4), 0.6, indptr, indices)
    assert list(indices[:count]) == [1, 0, 1]
