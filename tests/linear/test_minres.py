"""MINRES against SciPy's iterates and dense algebra, with and without a preconditioner."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import minres

from reiterate.contracts import Status
from reiterate.linear.identity import Identity
from reiterate.linear.jacobi import Jacobi
from reiterate.linear.minres import MinimalResidual
from reiterate.linear.traits import LinearTraits
from tests.linear.krylov_spaces import krylov_bases
from tests.linear.nonsymmetric import neumann, null_vector, solve
from tests.matrices import laplacian

PLAIN = MinimalResidual(Identity())
SCALED = MinimalResidual(Jacobi())


def indefinite(m: int, seed: int = 0) -> sp.csr_array:
    """A shifted Laplacian with a diagonal of both signs."""
    shift = np.random.default_rng(seed).uniform(-8.0, 2.0, m * m)
    return sp.csr_array(laplacian(m) + sp.diags_array(shift))


@pytest.mark.parametrize("method", [PLAIN, SCALED], ids=lambda method: method.name)
def test_iterates_are_those_of_scipy(method, current):
    A = indefinite(8)
    b = np.random.default_rng(1).normal(size=64)
    M = sp.diags_array(1.0 / abs(A.diagonal())) if method is SCALED else None
    iterates: list[np.ndarray] = []
    minres(A, b, rtol=1e-14, M=M, callback=lambda x: iterates.append(x.copy()), maxiter=30)
    for k in (1, 2, 3, 10, 20):
        progress, *_ = solve(method, A, b, iterations=k)
        np.testing.assert_allclose(progress.x, iterates[k - 1], rtol=1e-6, atol=1e-7)


@settings(max_examples=40)
@given(st.integers(2, 25), st.integers(0, 2**32 - 1), st.booleans())
def test_the_residual_never_grows_in_the_norm_of_the_preconditioner(n, seed, scaled):
    rng = np.random.default_rng(seed)
    B = rng.normal(size=(n, n))
    A = sp.csr_array(B + B.T)
    b = rng.normal(size=n)
    weight = 1.0 / np.abs(A.diagonal()) if scaled else np.ones(n)
    last = np.inf
    for k in range(12):
        progress, _, instance = solve(SCALED if scaled else PLAIN, A, b, iterations=k)
        r = b - A @ progress.x
        if instance.merit(progress.x) == 1.0:
            continue  # larger in the Euclidean norm, so the start was handed back
        size = np.sqrt(r @ (weight * r))
        assert size <= last * (1 + 1e-9) + 1e-9
        last = size


def test_it_is_the_optimum_over_the_krylov_space():
    A, b = indefinite(6), np.random.default_rng(2).normal(size=36)
    for k, V in enumerate(krylov_bases(A, b, 12), 1):
        images = A @ V
        y = np.linalg.lstsq(images, b, rcond=None)[0]
        progress, _, instance = solve(PLAIN, A, b, iterations=k)
        assert instance.merit(progress.x) * instance.norm_b == pytest.approx(np.linalg.norm(b - images @ y), rel=1e-8)


def test_as_many_steps_as_distinct_eigenvalues():
    A = sp.csr_array(sp.diags_array(np.repeat([1.0, -2.0, 5.0, -0.1], 10)))
    progress, *_ = solve(PLAIN, A, np.random.default_rng(3).normal(size=40), rtol=1e-11)
    assert progress.status is Status.CONVERGED
    assert progress.iterations == 4


@pytest.mark.parametrize("method", [PLAIN, SCALED], ids=lambda method: method.name)
def test_singular_systems(method):
    A, rng = neumann(40), np.random.default_rng(4)
    consistent = A @ rng.normal(size=40)
    progress, _, instance = solve(method, A, consistent, rtol=1e-10)
    assert progress.status is Status.CONVERGED
    progress, _, instance = solve(method, A, consistent + null_vector(40), rtol=1e-10, iterations=500)
    assert progress.status is not Status.CONVERGED
    assert instance.merit(progress.x) <= 1.0 + 1e-12


@pytest.mark.parametrize("condition", [1e4, 1e8, 1e12])
def test_ill_conditioned_systems_are_right_or_loud(condition):
    rng = np.random.default_rng(5)
    Q = np.linalg.qr(rng.normal(size=(50, 50)))[0]
    values = np.geomspace(1.0, 1.0 / condition, 50) * rng.choice([-1.0, 1.0], 50)
    A = (Q * values) @ Q.T
    A = sp.csr_array((A + A.T) / 2)
    progress, _, instance = solve(PLAIN, A, A @ np.ones(50), rtol=1e-9, iterations=3000)
    if progress.status is Status.CONVERGED:
        assert instance.merit(progress.x) <= 1e-9 * (1 + 1e-6)
    assert instance.merit(progress.x) <= 1e-3
    if condition == 1e4:
        assert progress.status is Status.CONVERGED


def test_it_takes_symmetric_matrices_only():
    assert not PLAIN.accepts(LinearTraits(3, 9, symmetric=False, full_diagonal=True, positive_diagonal=True))
    assert PLAIN.accepts(LinearTraits(3, 9, symmetric=True, full_diagonal=False, positive_diagonal=False))
    assert not SCALED.accepts(LinearTraits(3, 9, symmetric=True, full_diagonal=False, positive_diagonal=False))
    assert "symmetric" in SCALED.requires
    assert "diagonal" in SCALED.requires
