"""GMRES against the least-squares optimum over dense Krylov spaces, and SciPy's residual history."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import gmres

from reiterate.contracts import Status
from reiterate.kernels import arnoldi, codes, spmd
from reiterate.linear.gmres import FlexibleGeneralizedMinimalResidual, GeneralizedMinimalResidual
from reiterate.linear.identity import Identity
from reiterate.linear.jacobi import Jacobi
from tests.linear.krylov_spaces import krylov_bases
from tests.linear.nonsymmetric import (
    any_matrices,
    convection_diffusion,
    cyclic_shift,
    neumann,
    null_vector,
    skew,
    solve,
)

PLAIN = GeneralizedMinimalResidual(Identity())
SCALED = GeneralizedMinimalResidual(Jacobi())
FLEXIBLE = FlexibleGeneralizedMinimalResidual(Jacobi())
PLAIN_FLEXIBLE = FlexibleGeneralizedMinimalResidual(Identity())


def optima(A, b, x0, inverse, steps):
    """Smallest ‖b − A x‖ over x0 + M⁻¹ K_k(A M⁻¹, r0), k = 0 … steps, by orthonormal dense bases."""
    r, preconditioned = b - A @ x0, A @ sp.diags_array(inverse)
    norms = [np.linalg.norm(r)]
    for V in krylov_bases(preconditioned, r, steps):
        images = preconditioned @ V
        y = np.linalg.lstsq(images, r, rcond=None)[0]
        norms.append(np.linalg.norm(r - images @ y))
    return np.array(norms)


@pytest.mark.parametrize("method", [PLAIN, SCALED, FLEXIBLE], ids=lambda method: method.name)
@pytest.mark.parametrize("A", [convection_diffusion(6), convection_diffusion(3, 3, wind=80.0), skew(30)])
def test_every_residual_is_the_optimum_over_the_krylov_space(method, A):
    rng = np.random.default_rng(0)
    A = sp.csr_array(A + sp.diags_array(rng.uniform(0.5, 3.0, A.shape[0])))
    b, x0 = rng.normal(size=(2, A.shape[0]))
    inverse = np.ones(b.size) if method is PLAIN else 1.0 / A.diagonal()
    expected = optima(A, b, x0, inverse, 15)
    for k in range(16):
        progress, _, instance = solve(method, A, b, x0=x0, iterations=k, restart=30)
        assert progress.iterations == k
        assert instance.merit(progress.x) * instance.norm_b == pytest.approx(expected[k], rel=1e-9)


def test_the_history_is_that_of_scipy_across_restarts():
    A = convection_diffusion(10)
    b = np.random.default_rng(1).normal(size=100)
    history: list[float] = []
    gmres(A, b, rtol=1e-12, restart=8, maxiter=5, callback=history.append, callback_type="pr_norm")
    for k in (1, 5, 8, 9, 16, 17, 30):
        progress, _, instance = solve(PLAIN, A, b, iterations=k, restart=8)
        assert instance.merit(progress.x) == pytest.approx(history[k - 1], rel=1e-7)


@settings(max_examples=40)
@given(any_matrices(), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_the_residual_never_grows(A, restart, seed):
    rng = np.random.default_rng(seed)
    b, x0 = rng.normal(size=(2, A.shape[0]))
    merit = np.inf
    for k in range(0, 20, 2):
        progress, _, instance = solve(PLAIN, A, b, x0=x0, iterations=k, restart=restart)
        assert instance.merit(progress.x) <= merit * (1 + 1e-8) + 10 * instance.rounding_level(progress.x)
        merit = instance.merit(progress.x)


@pytest.mark.parametrize("method", [PLAIN, PLAIN_FLEXIBLE], ids=lambda method: method.name)
def test_without_restart_it_ends_after_n_steps(method):
    for A in (cyclic_shift(25), skew(24), convection_diffusion(5)):
        b = np.zeros(A.shape[0])
        b[0] = 1.0
        progress, _, instance = solve(method, A, b, rtol=1e-10, restart=60)
        assert progress.status is Status.CONVERGED
        assert progress.iterations <= A.shape[0]
        assert instance.merit(progress.x) <= 1e-10


def test_as_many_steps_as_distinct_eigenvalues():
    A = sp.csr_array(sp.diags_array(np.repeat([1.0, -2.0, 5.0], 20)))
    progress, *_ = solve(PLAIN, A, np.ones(60), rtol=1e-12)
    assert progress.iterations == 3
    assert progress.status is Status.CONVERGED


def test_stagnation_across_a_restart_is_detected_at_once():
    b = np.zeros(40)
    b[0] = 1.0
    progress, *_ = solve(PLAIN, cyclic_shift(40), b, rtol=1e-8, restart=10)
    assert progress.status is Status.BREAKDOWN
    assert progress.reason.startswith("stagnation")
    assert progress.iterations == 10


def test_a_singular_system():
    A, rng = neumann(30), np.random.default_rng(2)
    consistent = A @ rng.normal(size=30)
    progress, _, instance = solve(PLAIN, A, consistent, rtol=1e-10, restart=40)
    assert progress.status is Status.CONVERGED
    inconsistent = consistent + null_vector(30)
    progress, _, instance = solve(PLAIN, A, inconsistent, rtol=1e-10, restart=40)
    assert progress.status is Status.BREAKDOWN
    # A is symmetric, so its range and null space are orthogonal, and GMRES finds the least-squares solution.
    assert instance.merit(progress.x) * instance.norm_b == pytest.approx(np.linalg.norm(null_vector(30)), rel=1e-6)


def test_the_space_ends_with_the_unknowns():
    progress, *_ = solve(SCALED, sp.csr_array([[2.0, 1.0], [-1.0, 3.0]]), np.array([1.0, 2.0]), rtol=1e-12, restart=50)
    assert progress.status is Status.CONVERGED
    assert progress.iterations <= 3


def _arnoldi_basis(columns):
    """The basis that the kernel makes of given columns, taken as the images."""
    m, n = columns.shape
    basis = np.zeros((m, n))
    basis[0] = columns[0] / np.linalg.norm(columns[0])
    norms = np.ones(m)
    lower, triangle = np.zeros((m - 1, m - 1)), np.zeros((m, m - 1))
    cosines, sines = np.zeros((2, m - 1))
    workspace = np.empty((1, 2, m - 1)), np.array([0, n]), np.zeros((1, spmd.STRIDE)), spmd.new_board(1), 0
    rhs = np.zeros(m)
    rhs[0] = 1.0
    for k in range(m - 1):
        basis[k + 1] = columns[k + 1]
        *_, code = arnoldi.arnoldi_step(basis, k, norms, lower, triangle, cosines, sines, rhs, *workspace)
        assert code == codes.RUNNING
    return basis / norms[:, None]


def _gram_schmidt(columns, *, modified):
    V: list[np.ndarray] = []
    for column in columns:
        w = column.copy()
        for v in V:
            w = w - (v @ (w if modified else column)) * v
        V.append(w / np.linalg.norm(w))
    return np.array(V)


def _loss(V):
    return np.linalg.norm(V @ V.T - np.eye(V.shape[0]))


@pytest.mark.parametrize("condition", [1e2, 1e6, 1e10])
@pytest.mark.parametrize("n", [50, 5000])
def test_orthogonality_is_that_of_modified_gram_schmidt(condition, n):
    rng = np.random.default_rng(3)
    left, right = np.linalg.qr(rng.normal(size=(n, 20)))[0], np.linalg.qr(rng.normal(size=(20, 20)))[0]
    columns = np.ascontiguousarray(((left * np.geomspace(1.0, 1.0 / condition, 20)) @ right).T)
    loss = _loss(_arnoldi_basis(columns))
    assert loss <= 5 * _loss(_gram_schmidt(columns, modified=True))
    if condition == 1e10:
        assert loss <= 1e-2 * _loss(_gram_schmidt(columns, modified=False))


def test_lost_orthogonality_does_not_deceive():
    """A matrix so ill-conditioned that the basis degenerates long before the space is exhausted."""
    rng = np.random.default_rng(4)
    Q, R = np.linalg.qr(rng.normal(size=(60, 60)))[0], np.linalg.qr(rng.normal(size=(60, 60)))[0]
    A = sp.csr_array((Q * np.geomspace(1.0, 1e-13, 60)) @ R)
    progress, _, instance = solve(PLAIN, A, A @ np.ones(60), rtol=1e-10, iterations=500, restart=60)
    assert (progress.status is Status.CONVERGED) == (instance.merit(progress.x) <= 1e-10 * (1 + 1e-6))
    assert instance.merit(progress.x) <= 1e-6


def test_a_constant_preconditioner_makes_flexible_gmres_gmres():
    A, b = convection_diffusion(9), np.random.default_rng(5).normal(size=81)
    for k in (7, 30, 41):
        flexible, *_ = solve(FLEXIBLE, A, b, iterations=k)
        fixed, *_ = solve(SCALED, A, b, iterations=k)
        np.testing.assert_allclose(flexible.x, fixed.x, rtol=1e-9, atol=1e-11)
