import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reiterate.kernels import csr, sor
from reiterate.kernels.codes import CONVERGED, DIVERGED, NOT_FINITE, RUNNING
from tests.matrices import definite_matrices, laplacian, unsigned


def diagonal_positions(A):
    position = np.empty(A.shape[0], np.uint32)
    indptr, indices, _ = unsigned(A)
    csr.find_diagonal(indptr, indices, position)
    return position


def dense_step(A, b, x, omega, *, backward=False):
    """One sweep by its splitting, (D/omega + L) d = b − A x."""
    dense = A.toarray()
    triangle = np.triu(dense, 1) if backward else np.tril(dense, -1)
    return x + np.linalg.solve(np.diag(dense.diagonal()) / omega + triangle, b - dense @ x)


def iterate(A, b, x0, omega, iterations, *, split=None, threshold=0.0):
    arrays, position = unsigned(A), diagonal_positions(A)
    x, d, r = x0.copy(), np.empty_like(b), np.empty_like(b)
    start = square = sor.sor_start(*arrays, position, b, x, d, r, omega)
    made = 0
    for cap in [iterations] if split is None else [split, iterations - split]:
        done, square, code = sor.sor_advance(*arrays, position, x, d, omega, square, start, threshold, cap)
        made += done
    return x, square, made, code


@given(definite_matrices(), st.floats(0.05, 1.95), st.integers(0, 2**32 - 1))
def test_sweeps_equal_their_splitting(A, omega, seed):
    b, x0 = np.random.default_rng(seed).normal(size=(2, A.shape[0]))
    for sweep, backward in ((sor.sor_forward, False), (sor.sor_backward, True)):
        x = x0.copy()
        sweep(*unsigned(A), diagonal_positions(A), b, x, omega)
        np.testing.assert_allclose(x, dense_step(A, b, x0, omega, backward=backward), rtol=1e-7, atol=1e-7)


@given(definite_matrices(), st.floats(0.3, 1.9), st.integers(0, 2**32 - 1))
def test_iterates_and_residuals_equal_repeated_sweeps(A, omega, seed):
    b, x0 = np.random.default_rng(seed).normal(size=(2, A.shape[0]))
    x, square, made, code = iterate(A, b, x0, omega, 5)
    expected = x0
    for _ in range(5):
        expected = dense_step(A, b, expected, omega)
    scale = np.abs(expected).max() + np.abs(x0).max()
    if code == RUNNING:
        assert made == 5
        np.testing.assert_allclose(x, expected, rtol=0, atol=1e-9 * scale)
        true = np.linalg.norm(b - A @ x)
        assert np.sqrt(square) == pytest.approx(true, rel=1e-6, abs=1e-10 * np.linalg.norm(b))


def test_resuming_changes_no_bit():
    A = laplacian(12)
    b = np.random.default_rng(1).normal(size=144)
    whole = iterate(A, b, np.zeros(144), 1.7, 40)
    parts = iterate(A, b, np.zeros(144), 1.7, 40, split=13)
    np.testing.assert_array_equal(parts[0], whole[0])
    assert parts[1:] == whole[1:]


def test_best_omega_of_the_theory_reaches_its_rate():
    # Young: the spectral radius with the best omega is omega − 1 for the 5-point Laplacian.
    m = 15
    A = laplacian(m)
    jacobi_radius = np.cos(np.pi / (m + 1))
    omega = 2 / (1 + np.sqrt(1 - jacobi_radius**2))
    dense = A.toarray()
    splitting = np.diag(dense.diagonal()) / omega + np.tril(dense, -1)
    iteration = np.eye(m * m) - np.linalg.solve(splitting, dense)
    assert np.abs(np.linalg.eigvals(iteration)).max() == pytest.approx(omega - 1, rel=2e-2)
    _, square, made, code = iterate(A, np.ones(m * m), np.zeros(m * m), omega, 500, threshold=1e-16 * m * m)
    assert code == CONVERGED
    assert square <= 1e-16 * m * m
    assert made < 120


def test_an_unsymmetric_matrix_converges_where_theory_says():
    A = laplacian(8) + 0.0
    A = A + A.__class__(np.triu(np.full((64, 64), 1e-3), 1))
    x, _, _, code = iterate(A, np.ones(64), np.zeros(64), 1.0, 2000, threshold=1e-18)
    assert code == CONVERGED
    np.testing.assert_allclose(A @ x, 1.0, atol=1e-8)


def test_divergence_is_recognized():
    A = laplacian(3, shift=-3.9)
    code = iterate(A, np.ones(9), np.zeros(9), 1.5, 5000)[3]
    assert code in (DIVERGED, NOT_FINITE)
    A = laplacian(3)
    A.data[0] = np.nan
    assert iterate(A, np.ones(9), np.zeros(9), 1.0, 10)[3] == NOT_FINITE
