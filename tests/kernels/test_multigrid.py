"""The dense generalized inverse against its definition; distances between entries of a prolongator."""

import numpy as np
import pytest

from reiterate.kernels.multigrid import find_advances, invert_semidefinite


@pytest.mark.parametrize("rank", [1, 4, 7])
def test_the_generalized_inverse_is_one(rank):
    B = np.random.default_rng(rank).normal(size=(7, rank))
    A = B @ B.T
    A /= np.sqrt(np.outer(np.diag(A), np.diag(A)))
    X = A.copy()
    assert invert_semidefinite(X, 1e-12, np.empty((7, 7)))
    np.testing.assert_allclose(A @ X @ A, A, atol=1e-9)
    np.testing.assert_array_equal(X, X.T)
    assert np.linalg.eigvalsh(X)[0] >= -1e-12 * np.abs(X).max()
    assert np.linalg.matrix_rank(X, tol=1e-8) == rank


def test_zero_negative_and_nan():
    X = np.zeros((3, 3))
    assert invert_semidefinite(X, 1e-12, np.empty((3, 3)))
    assert not X.any()
    assert not invert_semidefinite(np.array([[1.0, 2.0], [2.0, 1.0]]), 1e-12, np.empty((2, 2)))
    assert not invert_semidefinite(np.array([[1.0, np.nan], [np.nan, 1.0]]), 1e-12, np.empty((2, 2)))


def test_advances_lead_from_each_entry_to_the_row_of_the_next():
    lengths = np.zeros(700, dtype=np.int64)
    lengths[[2, 3, 10, 600, 605]] = 3, 1, 2, 1, 2
    indptr = np.concatenate(([0], np.cumsum(lengths))).astype(np.uint32)
    advance = np.full(9, 99, dtype=np.uint8)
    find_advances(indptr, advance)
    assert list(advance) == [0, 0, 1, 7, 0, 255, 5, 0, 0]
