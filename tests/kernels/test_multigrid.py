"""The dense generalized inverse against its definition."""

import numpy as np
import pytest

from reiterate.kernels.multigrid import invert_semidefinite


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
