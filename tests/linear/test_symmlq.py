"""SYMMLQ against dense algebra, and against MINRES where rounding errors matter."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Status
from reiterate.linear.cg import ConjugateGradients
from reiterate.linear.identity import Identity
from reiterate.linear.incomplete_lu import IncompleteLU
from reiterate.linear.jacobi import Jacobi
from reiterate.linear.minres import MinimalResidual
from reiterate.linear.symmlq import SymmetricLQ
from tests.linear.krylov_spaces import krylov_bases
from tests.linear.nonsymmetric import neumann, null_vector, solve
from tests.linear.symmetric import hermitian_matrices
from tests.matrices import laplacian

PLAIN, SCALED = SymmetricLQ(Identity()), SymmetricLQ(Jacobi())
MINRES = MinimalResidual(Identity())


def few_small(n, condition, count, seed):
    """Indefinite, with ``count`` eigenvalues near 1/condition of the others, which are between 1 and 10."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    values = rng.uniform(1.0, 10.0, n) * rng.choice([-1.0, 1.0], n)
    values[:count] = rng.uniform(1.0, 3.0, count) * rng.choice([-1.0, 1.0], count) * 10.0 / condition
    A = (Q * values) @ Q.T
    return sp.csr_array((A + A.T) / 2), rng.normal(size=n)


def galerkin_points(A, b, count):
    """x_k in the Krylov space with b − A x_k orthogonal to it."""
    for V in krylov_bases(A, b, count):
        yield V @ np.linalg.solve(V.T @ A @ V, V.T @ b)


def test_it_ends_at_galerkin_points():
    A = sp.csr_array(laplacian(6, shift=-0.3))
    b = np.random.default_rng(0).normal(size=36)
    compared = 0
    for k, expected in enumerate(galerkin_points(A.toarray(), b, 24), 1):
        progress, *_ = solve(PLAIN, A, b, iterations=k)
        if np.linalg.norm(b - A @ expected) < 0.3 * np.linalg.norm(b):  # else x_L may be better
            np.testing.assert_allclose(progress.x, expected, rtol=1e-7, atol=1e-9)
            compared += 1
    assert compared >= 4


def test_for_definite_matrices_these_are_the_iterates_of_cg():
    A, b = laplacian(8, shift=0.2), np.random.default_rng(1).normal(size=64)
    for k in (8, 12, 20):
        expected, *_ = solve(ConjugateGradients(), A, b, iterations=k)
        progress, *_ = solve(PLAIN, A, b, iterations=k)
        np.testing.assert_allclose(progress.x, expected.x, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("method", [PLAIN, SCALED], ids=lambda method: method.name)
@settings(max_examples=60)
@given(A=hermitian_matrices(), seed=st.integers(0, 2**32 - 1))
def test_any_hermitian_matrix_is_solved_or_given_up(method, A, seed):
    n = A.shape[0]
    rng = np.random.default_rng(seed)
    b, x0 = rng.normal(size=(2, n)).astype(A.dtype)
    if method is SCALED and not np.abs(A.diagonal()).min() > 1e-300:
        return
    progress, _, instance = solve(method, A, b, x0=x0, rtol=1e-8, iterations=300)
    before, after = instance.merit(x0), instance.merit(progress.x)
    rounding = 10 * instance.rounding_level(progress.x)
    assert np.all(np.isfinite(progress.x))
    assert after <= before * (1 + 1e-9) + rounding
    assert (progress.status is Status.CONVERGED) <= (after <= 1e-8 * (1 + 1e-6) + rounding)
    assert (progress.status is Status.BREAKDOWN) == bool(progress.reason)


@pytest.mark.parametrize("method", [PLAIN, SCALED], ids=lambda method: method.name)
def test_singular_systems(method):
    A, rng = neumann(40), np.random.default_rng(4)
    consistent = A @ rng.normal(size=40)
    progress, _, instance = solve(method, A, consistent, rtol=1e-10)
    assert progress.status is Status.CONVERGED
    progress, _, instance = solve(method, A, consistent + null_vector(40), rtol=1e-10, iterations=500)
    assert progress.status is not Status.CONVERGED
    assert instance.merit(progress.x) <= 1.0 + 1e-12


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("condition", [1e6, 1e8])
def test_minres_loses_the_square_of_the_condition_and_restarts_win_it_back(condition, seed, monkeypatch):
    A, b = few_small(60, condition, 6, seed)
    reached = {}
    for method in (MINRES, PLAIN):
        once = solve(method, A, b, rtol=1e-15, iterations=5000)
        residuals: list[float] = []
        with monkeypatch.context() as patch:
            patch.setattr("reiterate.linear.restarting._MUCH", 0.0)  # no snapshots
            _record_restarts(patch, residuals)
            progress, _, instance = solve(method, A, b, rtol=1e-15, iterations=5000)
        level = instance.rounding_level(np.linalg.solve(A.toarray(), b))
        reached[method] = residuals[1] / instance.norm_b
        assert instance.merit(once[0].x) <= 10 * level
        assert progress.status is Status.BREAKDOWN
    assert reached[PLAIN] <= 10 * level
    assert reached[MINRES] >= 100 * reached[PLAIN]


@pytest.mark.parametrize("seed", range(4))
def test_symmlq_gets_there_where_restarts_do_not_help_minres(seed):
    A, b = few_small(60, 1e12, 3, seed)
    rtol = 3e-4
    stopped, _, instance = solve(MINRES, A, b, rtol=rtol, iterations=5000)
    progress, *_ = solve(PLAIN, A, b, rtol=rtol, iterations=5000)
    assert stopped.status is Status.BREAKDOWN
    assert instance.merit(stopped.x) > 0.5
    assert progress.status is Status.CONVERGED
    assert instance.merit(progress.x) <= rtol * (1 + 1e-6)


def test_it_takes_definite_preconditioners_only():
    with pytest.raises(TypeError, match="positive definite"):
        SymmetricLQ(IncompleteLU())


def _record_restarts(patch, residuals):
    from reiterate.linear.restarting import RestartedIterate

    restart = RestartedIterate.restart

    def recording(iterate):
        code = restart(iterate)
        residuals.append(iterate.norm * iterate.scale)
        return code

    patch.setattr(RestartedIterate, "restart", recording)
