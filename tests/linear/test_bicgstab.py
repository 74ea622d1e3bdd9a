"""BiCGStab against SciPy's iterates, BiCGStab(l) against the algorithm as published, breakdowns by name."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import bicgstab

from reiterate.contracts import Status
from reiterate.linear.bicgstab import BiConjugateGradientsStabilized
from reiterate.linear.bicgstabl import BiConjugateGradientsStabilizedL
from reiterate.linear.identity import Identity
from reiterate.linear.jacobi import Jacobi
from tests.linear.nonsymmetric import convection_diffusion, nilpotent, skew, solve
from tests.matrices import laplacian

PLAIN = BiConjugateGradientsStabilized(Identity())
SCALED = BiConjugateGradientsStabilized(Jacobi())
PLAIN_L = BiConjugateGradientsStabilizedL(Identity())
SCALED_L = BiConjugateGradientsStabilizedL(Jacobi())


@pytest.mark.parametrize("method", [PLAIN, SCALED], ids=lambda method: method.name)
def test_iterates_are_those_of_scipy(method, current):
    rng = np.random.default_rng(0)
    A = sp.csr_array(convection_diffusion(9) + sp.diags_array(rng.uniform(0.0, 2.0, 81)))
    b, x0 = rng.normal(size=(2, 81))
    M = sp.diags_array(1.0 / A.diagonal()) if method is SCALED else None
    iterates: list[np.ndarray] = []
    bicgstab(A, b, x0, rtol=1e-14, M=M, callback=lambda x: iterates.append(x.copy()))
    for k in (1, 2, 5, 9):
        progress, *_ = solve(method, A, b, x0=x0, iterations=k)
        np.testing.assert_allclose(progress.x, iterates[k - 1], rtol=1e-7, atol=1e-8)
    _, info = bicgstab(A, b, x0, rtol=1e-8, M=M, callback=lambda x: iterates.append(x))
    assert info == 0


def published(A, b, x0, degree, cycles):
    """BiCGStab(l) as Sleijpen and Fokkema print it, with the minimal residual polynomial; all iterates."""
    r, u = [b - A @ x0], [np.zeros_like(b)]
    x, shadow = x0.copy(), r[0].copy()
    rho, alpha, omega = 1.0, 0.0, 1.0
    iterates = []
    for _ in range(cycles):
        rho *= -omega
        r, u = r[:1], u[:1]
        for j in range(degree):
            product = shadow @ r[j]
            beta, rho = alpha * product / rho, product
            u = [r[i] - beta * u[i] for i in range(j + 1)]
            u.append(A @ u[j])
            alpha = rho / (shadow @ u[j + 1])
            r = [r[i] - alpha * u[i + 1] for i in range(j + 1)]
            r.append(A @ r[j])
            x = x + alpha * u[0]
        gamma = np.linalg.lstsq(np.array(r[1:]).T, r[0], rcond=None)[0]
        omega = gamma[-1]
        x = x + sum(g * v for g, v in zip(gamma, r[:-1], strict=True))
        u[0] = u[0] - sum(g * v for g, v in zip(gamma, u[1:], strict=True))
        r[0] = r[0] - sum(g * v for g, v in zip(gamma, r[1:], strict=True))
        iterates.append(x)
    return iterates


@pytest.mark.parametrize("degree", [1, 2, 4])
def test_iterates_are_those_of_the_publication(degree, monkeypatch, current):
    monkeypatch.setattr("reiterate.linear.bicgstabl._SMALLEST_COSINE", 0.0)
    rng = np.random.default_rng(1)
    A = convection_diffusion(7)
    b, x0 = rng.normal(size=(2, 49))
    expected = published(A, b, x0, degree, 4)
    for k in (1, 2, 4):
        progress, *_ = solve(PLAIN_L, A, b, x0=x0, iterations=k, l=degree)
        np.testing.assert_allclose(progress.x, expected[k - 1], rtol=1e-6, atol=1e-7)


def test_a_preconditioner_from_the_right_is_a_change_of_variables():
    rng = np.random.default_rng(2)
    A = sp.csr_array(convection_diffusion(7) + sp.diags_array(rng.uniform(0.0, 5.0, 49)))
    scaled = sp.csr_array(A @ sp.diags_array(1.0 / A.diagonal()))
    b = rng.normal(size=49)
    for k in (1, 3, 6):
        left, *_ = solve(SCALED_L, A, b, iterations=k, l=3)
        right, *_ = solve(PLAIN_L, scaled, b, iterations=k, l=3)
        np.testing.assert_allclose(left.x * A.diagonal(), right.x, rtol=1e-6, atol=1e-8)


def test_imaginary_eigenvalues_stop_bicgstab_and_not_its_generalization():
    A, b = skew(20), np.random.default_rng(3).normal(size=20)
    progress, *_ = solve(PLAIN, A, b, rtol=1e-8)
    assert progress.status is Status.BREAKDOWN
    assert progress.reason.startswith("stagnation")
    assert progress.iterations < 20
    progress, _, instance = solve(PLAIN_L, A, b, rtol=1e-8)
    assert progress.status is Status.CONVERGED
    assert instance.merit(progress.x) <= 1e-8


def test_a_vanishing_inner_product_is_met_with_another_shadow():
    # shadow·A shadow = 0 at the first step, though A is nonsingular and symmetric.
    A, b = sp.csr_array(sp.diags_array(np.tile([1.0, -1.0], 10))), np.ones(20)
    progress, _, instance = solve(PLAIN, A, b, rtol=1e-10)
    assert progress.status is Status.CONVERGED
    assert instance.merit(progress.x) <= 1e-10


@pytest.mark.parametrize("method", [PLAIN, PLAIN_L], ids=lambda method: method.name)
def test_what_is_handed_back_is_near_the_best_that_was_met(method):
    A, b = nilpotent(40), np.random.default_rng(4).normal(size=40)
    best = np.inf
    for k in (0, 3, 10, 30, 80):
        progress, _, instance = solve(method, A, b, iterations=k)
        merit = instance.merit(progress.x)
        assert merit <= 10 * best * (1 + 1e-9)
        assert merit <= 1.0 + 1e-12
        best = min(best, merit)


@pytest.mark.parametrize("factor", [1e-100, 1e100])
@pytest.mark.parametrize("method", [PLAIN, SCALED, PLAIN_L, SCALED_L], ids=lambda method: method.name)
def test_scale_does_not_matter(method, factor):
    A, b = laplacian(8), np.random.default_rng(5).normal(size=64)
    reference, *_ = solve(method, A, b, rtol=1e-9)
    for scaled_b in (b, factor * b):
        progress, *_ = solve(method, factor * A, scaled_b, rtol=1e-9)
        assert progress.status is Status.CONVERGED
        assert abs(progress.iterations - reference.iterations) <= 3
