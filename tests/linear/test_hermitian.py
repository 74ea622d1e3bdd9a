"""Complex Hermitian systems: how they are recognized, and what solves them."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator, cg

import reiterate as rt
from reiterate.contracts import Status
from reiterate.linear.block_jacobi import BlockJacobi
from reiterate.linear.door import Door
from reiterate.linear.portfolio import METHODS
from tests.linear.nonsymmetric import solve
from tests.linear.symmetric import damped_helmholtz, hermitian, hermitian_matrices
from tests.matrices import laplacian

DEFINITE = ["cg", "jacobi_cg", "block_jacobi_cg", "ic_cg", "ict_cg", "factor_cg"]
INDEFINITE = ["minres", "jacobi_minres", "block_jacobi_minres", "ssor_minres", "ic_minres", "symmlq", "jacobi_symmlq"]


def vector(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n) + 1j * rng.normal(size=n)


def traits_of(A):
    return Door().admit(A, np.ones(A.shape[0]), None, rtol=1e-8, atol=0.0).traits


@pytest.mark.parametrize("wrap", [lambda A: A, aslinearoperator], ids=["entries", "products"])
def test_symmetric_is_told_from_hermitian(wrap):
    for A, symmetric, adjoint in (
        (hermitian(4), False, True),
        (damped_helmholtz(4), True, False),
        (laplacian(4).astype(complex), True, True),
        (sp.csr_array(hermitian(4) + 1j * sp.eye_array(16)), False, False),
    ):
        traits = traits_of(wrap(A))
        assert traits.complex
        assert (traits.symmetric, traits.self_adjoint, traits.hermitian) == (symmetric, adjoint, adjoint)
    real = traits_of(wrap(laplacian(4)))
    assert (real.symmetric, real.self_adjoint, real.hermitian) == (True, False, True)


def test_rounding_errors_do_not_hide_a_hermitian_matrix():
    A = hermitian(4, shift=0.1)
    A.data = A.data * (1 + 1e-15j)
    traits = traits_of(A)
    assert traits.hermitian
    assert traits.maybe_definite


@settings(max_examples=50)
@given(hermitian_matrices())
def test_hermitian_matrices_are_recognized(A):
    assert traits_of(A).hermitian


@pytest.mark.parametrize("name", DEFINITE)
def test_definite_systems(name):
    A, b = hermitian(12, shift=0.1), vector(144)
    assert METHODS[name].accepts(traits_of(A))
    progress, *_ = solve(METHODS[name], A, b, x0=np.zeros(144, complex), rtol=1e-11)
    assert progress.status is Status.CONVERGED
    np.testing.assert_allclose(progress.x, np.linalg.solve(A.toarray(), b), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", INDEFINITE)
def test_indefinite_systems(name):
    A, b = hermitian(9, shift=-1.1), vector(81)
    progress, *_ = solve(METHODS[name], A, b, x0=np.zeros(81, complex), rtol=1e-11)
    assert progress.status is Status.CONVERGED
    np.testing.assert_allclose(progress.x, np.linalg.solve(A.toarray(), b), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", ["cg", "jacobi_cg"])
def test_iterates_are_those_of_scipy(name):
    A = hermitian(8, shift=0.05)
    D = sp.diags_array(np.linspace(1.0, 3.0, 64))
    A, b = sp.csr_array(D @ A @ D), vector(64)
    M = sp.diags_array(1.0 / A.diagonal()) if name == "jacobi_cg" else None
    iterates: list[np.ndarray] = []
    cg(A, b, rtol=1e-14, M=M, callback=lambda x: iterates.append(x.copy()), maxiter=30)
    for k in (1, 2, 5, 20):
        progress, *_ = solve(METHODS[name], A, b, x0=np.zeros(64, complex), iterations=k)
        np.testing.assert_allclose(progress.x, iterates[k - 1], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["cg", "jacobi_cg", "ic_cg"])
def test_an_indefinite_matrix_is_found_out(name):
    A = hermitian(8, shift=-1.0)
    progress, *_ = solve(METHODS[name], A, vector(64), x0=np.zeros(64, complex), rtol=1e-10)
    assert progress.status is Status.BREAKDOWN
    assert np.all(np.isfinite(progress.x))


def test_operators_without_entries():
    A, b = hermitian(8, shift=0.1), vector(64)
    for name in ("cg", "minres", "symmlq"):
        x = rt.Solver([name], fallback=None, rtol=1e-10).solve(aslinearoperator(A), b)
        np.testing.assert_allclose(x, np.linalg.solve(A.toarray(), b), rtol=1e-7, atol=1e-8)


@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_definite_blocks_are_inverted_by_cholesky(block, seed):
    rng = np.random.default_rng(seed)
    B = rng.normal(size=(10, 10)) + 1j * rng.normal(size=(10, 10))
    A = B @ B.conj().T + 0.1 * np.eye(10)
    instance = Door().admit(A, np.ones(10), None, rtol=1e-8, atol=0.0)
    assert instance.traits.maybe_definite
    M = BlockJacobi().build(instance, {"block": block})
    r, z = vector(10), np.empty(10, complex)
    M.apply(r, z)
    assert M.replaced == 0
    for begin in range(0, 10, block):
        rows = slice(begin, begin + block)
        np.testing.assert_allclose(z[rows], np.linalg.solve(A[rows, rows], r[rows]), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("shift", [0.3, -0.7], ids=["definite", "indefinite"])
def test_the_default_portfolio_solves_them(dtype, shift):
    A, b = hermitian(9, shift=shift).astype(dtype), vector(81).astype(dtype)
    solver, before = rt.Solver(seed=0), A.copy()
    for _ in range(12):
        x = solver.solve(A, b)
        assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b) * (1 + 1e-6)
    np.testing.assert_array_equal(A.data, before.data)
    assert x.dtype == np.complex128


def test_several_columns():
    A, B = hermitian(7, shift=0.2), np.array([vector(49, seed) for seed in range(9)]).T
    for name in ("cg", "jacobi_cg", "minres"):
        X = rt.Solver([name], fallback=None).solve(A, B)
        np.testing.assert_allclose(A @ X, B, atol=1e-6)


def test_nan_is_refused_at_the_door():
    A = hermitian(4)
    A.data[3] = complex(0.0, np.nan)
    with pytest.raises(rt.InvalidInput, match="A"):
        rt.solve(A, np.ones(16))
    with pytest.raises(rt.InvalidInput, match="b"):
        rt.solve(hermitian(4), np.full(16, np.nan + 0j))


def test_methods_with_real_kernels_refuse_complex_matrices():
    traits = traits_of(hermitian(4, shift=0.5))
    for name in ("ssor_cg", "sor", "amg_cg", "chebyshev_cg", "deflated_cg", "ic_deflated_cg", "amg_minres", "cholmod"):
        assert not METHODS[name].accepts(traits)
    for name in DEFINITE:
        assert METHODS[name].accepts(traits)
        assert not METHODS[name].accepts(traits_of(damped_helmholtz(4, shift=-1.0)))
