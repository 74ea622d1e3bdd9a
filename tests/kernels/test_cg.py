import numpy as np
import pytest
import scipy.sparse.linalg as spla
from hypothesis import given
from hypothesis import strategies as st

from reiterate.kernels import cg, csr
from reiterate.kernels.codes import CONVERGED, NOT_DEFINITE, NOT_FINITE, RUNNING
from reiterate.kernels.spmd import new_board
from tests.matrices import definite_matrices, laplacian, unsigned


def run(A, b, x0, iterations, *, split=None, threshold=0.0, jacobi=False, parts=1):
    """Iterate in one call, or in two; returns x, r·r, iterations made and the last code."""
    shared = (
        np.linspace(0, b.size, parts + 1).astype(np.uint64),
        np.zeros((parts, 16)),
        np.zeros((9, 2)),
        new_board(1),
        0,
    )
    arrays = unsigned(A)
    x, r, p, q = x0.copy(), *(np.empty_like(b) for _ in range(3))
    inverse = (1.0 / A.diagonal()).astype(b.dtype)
    if jacobi:
        state = cg.jacobi_cg_start(*arrays, b, x, inverse, r, p)
    else:
        state = (csr.residual(*arrays, x, b, r),)
        p[:] = r
    made, code = 0, RUNNING
    for cap in [iterations] if split is None else [split, iterations - split]:
        if jacobi:
            done, *state, code = cg.jacobi_cg_advance(*arrays, inverse, x, r, p, q, *state, threshold, cap, *shared)
        else:
            done, *state, code = cg.cg_advance(*arrays, x, r, p, q, *state, threshold, cap, *shared)
        made += done
    return x, state[0], made, code


@pytest.mark.parametrize("jacobi", [False, True])
def test_iterates_are_those_of_scipy(jacobi):
    A = laplacian(12, shift=0.1)
    A = A + A.__class__(np.diag(np.linspace(0, 5, 144)))
    b = np.random.default_rng(0).normal(size=144)
    M = np.diag(1.0 / A.diagonal()) if jacobi else None
    expected, _ = spla.cg(A, b, rtol=1e-30, maxiter=15, M=M)
    x, _, made, code = run(A, b, np.zeros(144), 15, jacobi=jacobi)
    assert (made, code) == (15, RUNNING)
    np.testing.assert_allclose(x, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("jacobi", [False, True])
@pytest.mark.parametrize("parts", [2, 5, 300])
def test_parts_change_nothing_but_rounding(jacobi, parts):
    A, b = laplacian(15, shift=0.01), np.random.default_rng(1).normal(size=225)
    whole = run(A, b, np.zeros(225), 20, jacobi=jacobi)
    cut = run(A, b, np.zeros(225), 20, jacobi=jacobi, parts=parts)
    np.testing.assert_allclose(cut[0], whole[0], rtol=1e-12, atol=1e-13)
    assert cut[2:] == whole[2:]


@pytest.mark.parametrize("jacobi", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_resuming_changes_no_bit(jacobi, dtype):
    A = laplacian(15, shift=0.01).astype(dtype)
    b = np.random.default_rng(1).normal(size=225).astype(dtype)
    whole = run(A, b, np.zeros(225, dtype), 30, jacobi=jacobi)
    for split in (1, 7, 29):
        parts = run(A, b, np.zeros(225, dtype), 30, split=split, jacobi=jacobi)
        np.testing.assert_array_equal(parts[0], whole[0])
        assert parts[1:] == whole[1:]


@given(definite_matrices(), st.integers(0, 2**32 - 1), st.booleans())
def test_converges_to_the_solution_from_any_start(A, seed, jacobi):
    rng = np.random.default_rng(seed)
    solution, x0 = rng.normal(size=(2, A.shape[0]))
    b = A @ solution
    threshold = (1e-10 * np.linalg.norm(b)) ** 2
    x, square, made, code = run(A, b, x0, 2000, threshold=threshold, jacobi=jacobi)
    assert code == CONVERGED
    assert made <= 2000
    assert square <= threshold
    assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b) + 1e-12


def test_error_bound_of_the_theory_holds():
    A = laplacian(20)
    eigenvalues = np.linalg.eigvalsh(A.toarray())
    kappa = eigenvalues[-1] / eigenvalues[0]
    b = np.random.default_rng(2).normal(size=400)
    solution = np.linalg.solve(A.toarray(), b)

    def energy(e):
        return np.sqrt(e @ (A @ e))

    rate = (np.sqrt(kappa) - 1) / (np.sqrt(kappa) + 1)
    for k in (5, 20, 40):
        x, *_ = run(A, b, np.zeros(400), k)
        assert energy(x - solution) <= 2 * rate**k * energy(solution)


@pytest.mark.parametrize("jacobi", [False, True])
def test_an_indefinite_matrix_is_recognized(jacobi):
    A = laplacian(10, shift=-2.0)
    b = np.ones(100)
    x, square, _, code = run(A, b, np.zeros(100), 500, threshold=1e-20, jacobi=jacobi)
    assert code == NOT_DEFINITE
    assert np.isfinite(square)
    assert np.all(np.isfinite(x))


def test_nan_and_overflow_are_recognized():
    A = laplacian(5)
    A.data[3] = np.nan
    assert run(A, np.ones(25), np.zeros(25), 10)[3] == NOT_FINITE
    huge = laplacian(5) * 1e200
    assert run(huge, np.full(25, 1e200), np.ones(25), 10)[3] == NOT_FINITE


def test_a_solved_system_takes_no_iteration():
    A = laplacian(5)
    x, square, made, code = run(A, A @ np.ones(25), np.ones(25), 10)
    assert (square, made, code) == (0.0, 0, CONVERGED)
    np.testing.assert_array_equal(x, np.ones(25))
