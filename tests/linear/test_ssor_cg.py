"""The level-ordered, two-sweep form against the textbook: CG with the dense SSOR preconditioner."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from reiterate.contracts import Status, Stop
from reiterate.linear.door import Door
from reiterate.linear.ssor_cg import SymmetricOverRelaxedConjugateGradients
from tests.matrices import arrow, definite_matrices, laplacian

METHOD = SymmetricOverRelaxedConjugateGradients()


def textbook(A, b, x, omega, iterations):
    """Preconditioned CG with M = (D/ω + L)(D/ω)⁻¹(D/ω + U), dense; returns all iterates."""
    A = A.toarray()
    D = np.diag(A.diagonal()) / omega
    M = (D + np.tril(A, -1)) @ np.linalg.inv(D) @ (D + np.triu(A, 1))
    r = b - A @ x
    z = np.linalg.solve(M, r)
    p, rho = z, r @ z
    iterates = [x]
    for _ in range(iterations):
        alpha = rho / (p @ A @ p)
        x = x + alpha * p
        r = r - alpha * A @ p
        z = np.linalg.solve(M, r)
        rho, old = r @ z, rho
        p = z + rho / old * p
        iterates.append(x)
    return iterates


def solve(A, b, omega, *, x0=None, rtol=1e-300, iterations=10_000, previous=None, door=None):
    instance = (door or Door()).admit(A, b, None, rtol=rtol, atol=0.0)
    prepared = METHOD.prepare(instance, {"omega": omega}, previous)
    start = np.zeros(A.shape[0]) if x0 is None else x0
    stop = Stop(instance.target, iterations)
    return METHOD.iterate(prepared, instance, {"omega": omega}, start, stop), prepared, instance


@pytest.mark.parametrize("omega", [0.4, 1.0, 1.5, 1.9])
@pytest.mark.parametrize("A", [laplacian(9), laplacian(5, 3, shift=0.2), arrow(30), laplacian(20, 1)])
def test_iterates_are_those_of_the_textbook(A, omega):
    rng = np.random.default_rng(0)
    b, x0 = rng.normal(size=(2, A.shape[0]))
    expected = textbook(A, b, x0, omega, 6)
    for k in (1, 2, 6):
        progress, *_ = solve(A, b, omega, x0=x0, iterations=k)
        assert progress.iterations == k
        np.testing.assert_allclose(progress.x, expected[k], rtol=1e-8, atol=1e-8)


@given(definite_matrices(), st.floats(0.1, 1.9), st.integers(0, 2**32 - 1))
def test_converges_on_any_definite_matrix(A, omega, seed):
    rng = np.random.default_rng(seed)
    b, x0 = rng.normal(size=(2, A.shape[0]))
    progress, _, instance = solve(A, b, omega, x0=x0, rtol=1e-9)
    assert progress.status is Status.CONVERGED
    # The residual that the sweeps know is the true one, up to rounding.
    assert instance.merit(progress.x) <= 1e-9 * (1 + 1e-3) + 10 * instance.rounding_level(x0)


def test_irregular_rows_are_laid_out_in_runs():
    rng = np.random.default_rng(3)
    B = sp.random_array((60, 60), density=0.1, rng=rng)
    A = sp.csr_array(B + B.T + 20 * sp.eye_array(60))
    b = rng.normal(size=60)
    progress, prepared, _ = solve(A, b, 1.3, rtol=1e-12)
    assert len(prepared.state.lower.schedule.pieces) > 1
    np.testing.assert_allclose(progress.x, np.linalg.solve(A.toarray(), b), rtol=1e-9)


def test_segments_change_no_bit(monkeypatch):
    A, b = laplacian(20), np.random.default_rng(1).normal(size=400)
    whole, *_ = solve(A, b, 1.6, rtol=1e-10)
    monkeypatch.setattr("reiterate.linear.segments._SEGMENT_BYTES", 1.0)
    parts, *_ = solve(A, b, 1.6, rtol=1e-10)
    np.testing.assert_array_equal(parts.x, whole.x)
    assert parts.iterations == whole.iterations


def test_new_numbers_reuse_the_level_order():
    door, rng = Door(), np.random.default_rng(2)
    first, second = laplacian(10), laplacian(10, shift=3.0)
    b = rng.normal(size=100)
    _, prepared, _ = solve(first, b, 1.5, door=door, rtol=1e-9)
    again, refreshed, _ = solve(second, b, 1.5, door=door, rtol=1e-12, previous=prepared)
    assert refreshed.state is prepared.state
    assert refreshed.work < prepared.work
    np.testing.assert_allclose(again.x, np.linalg.solve(second.toarray(), b), rtol=1e-9)
    _, other, _ = solve(laplacian(11), rng.normal(size=121), 1.5, door=door, rtol=1e-9, previous=refreshed)
    assert other.state is not prepared.state


def test_an_indefinite_matrix_is_revealed():
    progress, *_ = solve(laplacian(10, shift=-2.0), np.ones(100), 1.5, rtol=1e-10)
    assert progress.status is Status.BREAKDOWN
    assert progress.revealed == {"definite": False}
    assert np.all(np.isfinite(progress.x))
