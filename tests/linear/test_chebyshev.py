"""The polynomial against its definition, dense, and the promise that it is positive definite."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import chebyshev as reference

from reiterate.contracts import Status, Stop
from reiterate.errors import Breakdown
from reiterate.linear.chebyshev import Chebyshev
from reiterate.linear.door import Door
from reiterate.linear.lanczos import tridiagonal
from reiterate.linear.preconditioned_cg import PreconditionedConjugateGradients
from tests.linear.nonsymmetric import solve
from tests.matrices import arrow, definite_matrices, laplacian

METHOD = PreconditionedConjugateGradients(Chebyshev())
FAMILY = Chebyshev()


def build(A, degree, ratio=30.0, previous=None, door=None):
    instance = (door or Door()).admit(A, np.ones(A.shape[0]), None, rtol=1e-8, atol=0.0)
    return FAMILY.build(instance, {"degree": degree, "ratio": ratio}, previous)


def dense(polynomial):
    P = np.empty((polynomial.size, polynomial.size))
    for i, unit in enumerate(np.eye(polynomial.size)):
        polynomial.apply(unit, P[i])
    return P


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("A", [laplacian(6), arrow(20), sp.csr_array([[2.0]])])
def test_it_is_the_chebyshev_polynomial(A, degree):
    polynomial = build(A, degree)
    low, high = polynomial.interval
    D = np.diag(A.diagonal())
    values, V = scipy.linalg.eigh(A.toarray(), D)  # VᵀDV = I
    coefficients = np.eye(degree + 2)[degree + 1]
    T = reference.chebval((high + low - 2 * values) / (high - low), coefficients)
    T /= reference.chebval((high + low) / (high - low), coefficients)
    np.testing.assert_allclose(dense(polynomial), V @ np.diag((1 - T) / values) @ V.T, rtol=1e-9, atol=1e-12)


@given(definite_matrices(), st.integers(1, 9), st.floats(1.5, 1000.0))
def test_it_is_positive_definite(A, degree, ratio):
    P = dense(build(A, degree, ratio))
    scale = 1.0 / np.sqrt(np.diag(P))
    balanced = scale[:, None] * P * scale
    np.testing.assert_allclose(balanced, balanced.T, atol=1e-12)
    assert np.all(np.diag(P) > 0.0)
    assert np.linalg.eigvalsh(balanced).min() > 0.0


@pytest.mark.parametrize("degree", [2, 4, 8])
def test_even_degrees_are_definite_even_if_the_largest_eigenvalue_is_badly_wrong(degree):
    polynomial = build(laplacian(8), degree)
    for factor in (0.05, 0.5, 20.0):
        low, high = build(laplacian(8), degree).interval
        polynomial.interval = (factor * low, factor * high)
        assert np.linalg.eigvalsh(dense(polynomial)).min() > 0.0


def test_the_interval_ends_at_the_largest_eigenvalue_and_follows_it():
    door, polynomial = Door(), None
    for shift in (0.0, 0.5, 1.0):
        A = laplacian(15, shift=shift)
        polynomial = build(A, 4, previous=polynomial, door=door)
        largest = scipy.linalg.eigvalsh(A.toarray(), np.diag(A.diagonal()))[-1]
        assert 0.97 * largest <= polynomial.interval[1] <= 1.06 * largest
        assert polynomial.interval[0] == pytest.approx(polynomial.interval[1] / 30.0)


def test_refreshing_is_cheaper():
    door = Door()
    first = build(laplacian(15), 4, door=door)
    cold = first.setup_traffic
    assert build(laplacian(15, shift=1.0), 4, previous=first, door=door) is first
    assert first.setup_traffic < 0.6 * cold
    assert build(laplacian(16), 4, previous=first, door=door) is not first


def test_the_state_does_not_depend_on_the_callers_arrays():
    A = laplacian(6)
    polynomial = build(A, 4)
    before = dense(polynomial)
    A.data[:] = np.nan
    np.testing.assert_array_equal(dense(polynomial), before)


@pytest.mark.parametrize("degree", [2, 4, 8])
def test_it_saves_iterations(degree):
    b = np.random.default_rng(0).normal(size=900)
    plain, *_ = solve(METHOD, laplacian(30), b, rtol=1e-8, degree=1)
    progress, _, instance = solve(METHOD, laplacian(30), b, rtol=1e-8, degree=degree)
    assert progress.status is Status.CONVERGED
    assert instance.merit(progress.x) <= 1e-8 * (1 + 1e-6)
    assert progress.iterations <= 2.6 * plain.iterations / (degree + 1)


@given(definite_matrices(), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_converges_on_any_definite_matrix(A, degree, seed):
    b, x0 = np.random.default_rng(seed).normal(size=(2, A.shape[0]))
    progress, _, instance = solve(METHOD, A, b, x0=x0, rtol=1e-9, degree=degree)
    assert progress.status is Status.CONVERGED
    assert instance.merit(progress.x) <= 1e-9 * (1 + 1e-3) + 10 * instance.rounding_level(x0)


def test_a_consistent_singular_system():
    A = laplacian(16)
    A = sp.csr_array(A - sp.diags_array(A.sum(axis=1)))
    b = np.random.default_rng(1).normal(size=256)
    progress, _, instance = solve(METHOD, A, b - b.mean(), rtol=1e-8)
    assert progress.status is Status.CONVERGED
    assert instance.merit(progress.x) <= 1e-8 * (1 + 1e-6)


@pytest.mark.parametrize("scale", [1e-100, 1.0, 1e100])
def test_scaling_changes_no_iteration(scale):
    b = np.random.default_rng(2).normal(size=100)
    progress, *_ = solve(METHOD, scale * laplacian(10), b, rtol=1e-8)
    assert progress.status is Status.CONVERGED
    assert progress.iterations <= 16


def test_a_diagonal_that_cannot_be_inverted_is_named():
    with pytest.raises(Breakdown, match="inverse overflows"):
        build(sp.csr_array(sp.diags_array([1.0, 5e-324])), 4)


def test_an_indefinite_matrix_is_found_out():
    progress, *_ = solve(METHOD, laplacian(10, shift=-2.0), np.ones(100), rtol=1e-10)
    assert progress.status is Status.BREAKDOWN
    assert np.all(np.isfinite(progress.x))


def spectrum(A):
    return scipy.linalg.eigvalsh(A.toarray(), np.diag(A.diagonal()))


def play(A, solves, prepared=None, door=None, **values):
    """Solve with one state; iterations of every solve, and the state."""
    door, counts = door or Door(), []
    values = {"degree": 4, "ratio": 30.0, **values}
    for seed in range(solves):
        b = np.random.default_rng(seed).normal(size=A.shape[0])
        instance = door.admit(A, b, None, rtol=1e-8, atol=0.0)
        if prepared is None or seed == 0:
            prepared = METHOD.prepare(instance, values, prepared)
        progress = METHOD.iterate(prepared, instance, values, 0.0 * b, Stop(1e-8, 1000))
        assert progress.status is Status.CONVERGED
        assert instance.merit(progress.x) <= 1e-8 * (1 + 1e-6)
        counts.append(progress.iterations)
    return counts, prepared


def test_cg_leaves_the_tridiagonal_matrix_of_lanczos_behind():
    values = np.array([1.0, 2.0, 5.0, 7.0])
    x, r = np.zeros(4), np.array([1.0, -2.0, 0.5, 1.5])
    p, alphas, betas, square = np.zeros(4), [], [], np.inf
    for _ in range(4):
        beta = r @ r / square
        square = r @ r
        p = r + beta * p
        alpha = square / (p @ (values * p))
        x, r = x + alpha * p, r - alpha * values * p
        alphas.append(alpha)
        betas.append(beta)
    diagonal, below = tridiagonal(alphas, betas)
    np.testing.assert_allclose(scipy.linalg.eigvalsh_tridiagonal(diagonal, below), values, rtol=1e-10)


@pytest.mark.parametrize("degree", [1, 2, 4, 5, 8])
@pytest.mark.parametrize("shift", [0.02, 0.3, 3.0])
def test_the_interval_comes_to_begin_at_the_smallest_eigenvalue(degree, shift):
    A = laplacian(20, shift=shift)
    door = Door()
    counts, prepared = play(A, 14, door=door, degree=degree, ratio=1e4)
    low, high = prepared.state.preconditioner.interval
    smallest, largest = spectrum(A)[[0, -1]]
    assert 1.9 * smallest <= low <= 2.1 * smallest or low == pytest.approx(high / 1.5)
    assert 0.97 * largest <= high
    assert counts[-1] <= 0.85 * counts[0]
    # It is found once for a matrix, and known to the next.
    assert not prepared.state.preconditioner.observes
    assert play(sp.csr_array(1.01 * A), 1, prepared, door, degree=degree, ratio=1e4)[0][0] <= counts[-1] + 1


def test_the_interval_never_becomes_longer_than_it_was_asked_to_be():
    A = laplacian(40)
    _, prepared = play(A, 3, ratio=10.0)
    low, high = prepared.state.preconditioner.interval
    assert high / low == pytest.approx(10.0)


def test_the_interval_becomes_longer_again_for_a_harder_matrix():
    door = Door()
    _, prepared = play(laplacian(20, shift=10.0), 6, door=door, ratio=300.0)
    low, high = prepared.state.preconditioner.interval
    assert high / low < 5.0
    A = laplacian(20)
    _, prepared = play(A, 3, prepared, door=door, ratio=300.0)
    low, high = prepared.state.preconditioner.interval
    smallest, largest = spectrum(A)[[0, -1]]
    assert high / low == pytest.approx(0.5 * largest / smallest, rel=0.2)


@pytest.mark.parametrize("missed", [0.3, 0.6, 0.9])
def test_an_upper_end_below_the_largest_eigenvalue_is_found_out(missed):
    A, door = laplacian(15), Door()
    instance = door.admit(A, np.random.default_rng(0).normal(size=225), None, rtol=1e-8, atol=0.0)
    values = {"degree": 4, "ratio": 30.0}
    prepared = METHOD.prepare(instance, values)
    polynomial, largest = prepared.state.preconditioner, spectrum(A)[-1]
    polynomial.interval = (missed * largest / 30.0, missed * largest)
    METHOD.iterate(prepared, instance, values, np.zeros(225), Stop(1e-8, 1000))
    assert polynomial.interval[1] == pytest.approx(largest, rel=0.01)
    METHOD.prepare(door.admit(2.0 * A, np.ones(225), None, rtol=1e-8, atol=0.0), values, prepared)
    assert polynomial.interval[1] >= 2.0 - 1e-12  # the bound of Gershgorin


def test_solves_with_another_matrix_say_nothing():
    door = Door()
    polynomial = build(laplacian(15), 4, door=door)
    before = polynomial.interval
    other = door.admit(laplacian(15, shift=1.0), np.ones(225), None, rtol=1e-8, atol=0.0)
    polynomial.observe(other, np.array([0.1, 1.0]), np.array([0.01]))
    assert polynomial.interval == before
    own = door.admit(laplacian(15), np.ones(225), None, rtol=1e-8, atol=0.0)
    polynomial.observe(own, np.array([np.nan, 1.0]), np.array([0.01]))
    assert polynomial.interval == before


@given(definite_matrices(), st.integers(1, 9), st.floats(1.0, 1e6))
def test_it_stays_positive_definite_as_it_learns(A, degree, ratio):
    if ratio == 1.0:
        return
    _, prepared = play(A, 4, degree=degree, ratio=ratio)
    P = dense(prepared.state.preconditioner)
    scale = 1.0 / np.sqrt(np.diag(P))
    assert np.linalg.eigvalsh(scale[:, None] * P * scale).min() > 0.0
