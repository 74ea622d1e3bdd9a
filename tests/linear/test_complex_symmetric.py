"""COCR and symmetric QMR against their definitions, dense algebra and each other."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

import reiterate as rt
from reiterate.contracts import Status, Stop
from reiterate.errors import Breakdown
from reiterate.linear.cocr import ConjugateOrthogonalConjugateResidual
from reiterate.linear.door import Door
from reiterate.linear.identity import Identity
from reiterate.linear.incomplete_cholesky import IncompleteCholesky
from reiterate.linear.incomplete_lu import ThresholdIncompleteLU
from reiterate.linear.portfolio import DEFAULT, METHODS, suits
from reiterate.linear.sqmr import SymmetricQuasiMinimalResidual
from tests.linear.krylov_spaces import krylov_bases
from tests.linear.nonsymmetric import solve
from tests.linear.symmetric import damped_helmholtz, hermitian, symmetric_matrices
from tests.matrices import laplacian

COCR, SQMR = ConjugateOrthogonalConjugateResidual(Identity()), SymmetricQuasiMinimalResidual(Identity())
NAMES = [name for name in METHODS if name.endswith(("cocr", "sqmr"))]
METHOD = pytest.mark.parametrize("name", NAMES)


def vector(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n) + 1j * rng.normal(size=n)


def test_residuals_of_cocr_are_conjugate_orthogonal_to_the_images_of_the_space(current):
    A, b = damped_helmholtz(6), vector(36)
    for k, V in enumerate(krylov_bases(A, b, 12), 1):
        progress, *_ = solve(COCR, A, b, x0=0 * b, iterations=k)
        expected = V @ np.linalg.solve((A @ V).T @ (A @ V), (A @ V).T @ b)
        np.testing.assert_allclose(progress.x, expected, rtol=1e-6, atol=1e-8)


def test_iterates_of_symmetric_qmr_are_smoothed_ones_of_cocg(current):
    A, b = damped_helmholtz(6), vector(36)
    points, residuals, tau = np.zeros(36, complex), b, 1.0 / np.vdot(b, b).real
    for k, V in enumerate(krylov_bases(A, b, 12), 1):
        galerkin = V @ np.linalg.solve(V.T @ A @ V, V.T @ b)
        r = b - A @ galerkin
        tau += 1.0 / np.vdot(r, r).real
        eta = 1.0 / (tau * np.vdot(r, r).real)
        points, residuals = points + eta * (galerkin - points), residuals + eta * (r - residuals)
        progress, *_ = solve(SQMR, A, b, x0=0 * b, iterations=k)
        np.testing.assert_allclose(progress.x, points, rtol=1e-6, atol=1e-8)


@METHOD
@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_complex_symmetric_systems(name, dtype):
    A, b = damped_helmholtz(10).astype(dtype), vector(100).astype(dtype)
    progress, _, instance = solve(METHODS[name], A, b, x0=np.zeros(100, complex), rtol=1e-11)
    assert progress.status is Status.CONVERGED
    assert instance.merit(progress.x) <= 1e-11 * (1 + 1e-6)
    np.testing.assert_allclose(progress.x, np.linalg.solve(A.toarray().astype(complex), b), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("sqmr")])
def test_real_indefinite_systems_with_indefinite_preconditioners(name):
    A, b = laplacian(10, shift=-0.5), np.random.default_rng(1).normal(size=100)
    progress, *_ = solve(METHODS[name], A, b, rtol=1e-11)
    assert progress.status is Status.CONVERGED
    np.testing.assert_allclose(progress.x, np.linalg.solve(A.toarray(), b), rtol=1e-7, atol=1e-8)


def test_factors_of_an_earlier_indefinite_matrix():
    old, new = laplacian(20, shift=-0.50), laplacian(20, shift=-0.52)
    b = np.random.default_rng(2).normal(size=400)
    method = METHODS["factor_sqmr"]
    _, prepared, _ = solve(method, old, b, rtol=1e-9)
    instance = Door().admit(new, b, None, rtol=1e-9, atol=0.0)
    progress = method.iterate(prepared, instance, {}, np.zeros(400), Stop(1e-9, 1000))
    assert progress.status is Status.CONVERGED
    assert progress.iterations <= 30


@METHOD
@settings(max_examples=30, deadline=None)
@given(A=symmetric_matrices(), seed=st.integers(0, 2**32 - 1))
def test_any_symmetric_matrix_is_solved_or_given_up(name, A, seed):
    method, n = METHODS[name], A.shape[0]
    rng = np.random.default_rng(seed)
    b, x0 = rng.normal(size=(2, n)).astype(A.dtype)
    copies = A.copy(), b.copy(), x0.copy()
    if not method.accepts(Door().admit(A, b, None, rtol=1e-8, atol=0.0).traits):
        return
    try:
        progress, _, instance = solve(method, A, b, x0=x0, rtol=1e-8, iterations=200)
    except Breakdown:
        return
    before, after = instance.merit(x0), instance.merit(progress.x)
    rounding = 10 * instance.rounding_level(progress.x)
    assert np.all(np.isfinite(progress.x))
    assert after <= before * (1 + 1e-9) + rounding
    assert (progress.status is Status.CONVERGED) <= (after <= 1e-8 * (1 + 1e-6) + rounding)
    assert (progress.status is Status.BREAKDOWN) == bool(progress.reason)
    for given_array, copy in zip((A.data, b, x0), (copies[0].data, *copies[1:]), strict=True):
        np.testing.assert_array_equal(given_array, copy)


HOSTILE = {
    "quasi-null": (np.array([[1.0, 1.0j], [1.0j, -1.0]]), np.array([1.0, 1.0j])),
    "quasi-null image": (np.array([[1.0, 1.0j], [1.0j, -1.0]]), np.array([1.0, 0.0])),
    "swap": (np.array([[0.0, 1.0], [1.0, 0.0]], complex), np.array([1.0, 0.0])),
    "zero": (np.zeros((3, 3), complex), np.ones(3)),
    "regular, quasi-null start": (np.array([[2.0, 0.0], [0.0, 2.0 + 1e-3j]]), np.array([1.0, 1.0j])),
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("method", [COCR, SQMR], ids=lambda method: method.name)
def test_breakdowns_are_named(method, case):
    A, b = HOSTILE[case]
    progress, _, instance = solve(method, sp.csr_array(A), b.astype(complex), x0=np.zeros(len(b), complex), rtol=1e-10)
    assert np.all(np.isfinite(progress.x))
    assert instance.merit(progress.x) <= 1.0 + 1e-12
    if progress.status is not Status.CONVERGED:
        assert progress.status is Status.BREAKDOWN
        assert "without conjugation vanishes" in progress.reason or "stagnation" in progress.reason
    if case == "quasi-null":
        assert "without conjugation vanishes" in progress.reason


def test_a_breakdown_is_rescued():
    A = sp.csr_array(np.array([[0.0, 1.0], [1.0, 1.0j]]))
    x = rt.Solver(["cocr", "sqmr"]).solve(A, np.array([1.0, 0.0j]))
    np.testing.assert_allclose(A @ x, [1.0, 0.0], atol=1e-8)


@METHOD
def test_the_right_hand_side_zero_and_a_solved_start(name):
    A, exact = damped_helmholtz(4), vector(16)
    for b, x0 in ((0 * exact, 0 * exact), (A @ exact, exact)):
        progress, *_ = solve(METHODS[name], A, b, x0=x0, rtol=1e-8)
        assert progress.status is Status.CONVERGED
        assert progress.iterations == 0
        np.testing.assert_array_equal(progress.x, x0)


@METHOD
def test_segments_change_no_bit(name, monkeypatch):
    A, b = damped_helmholtz(9), vector(81)
    whole, *_ = solve(METHODS[name], A, b, x0=0 * b, rtol=1e-9)
    monkeypatch.setattr("reiterate.linear.segments._SEGMENT_BYTES", 1.0)
    parts, *_ = solve(METHODS[name], A, b, x0=0 * b, rtol=1e-9)
    np.testing.assert_array_equal(parts.x, whole.x)


def test_an_unreachable_tolerance_ends_at_the_best_that_can_be_had():
    A, b = damped_helmholtz(8), vector(64)
    for method in (COCR, SQMR):
        progress, _, instance = solve(method, A, b, x0=0 * b, rtol=1e-300, iterations=3000)
        assert progress.status is not Status.CONVERGED
        assert instance.merit(progress.x) <= 1e-13


def test_operators_without_entries():
    A, b = damped_helmholtz(8), vector(64)
    for name in ("cocr", "sqmr"):
        x = rt.Solver([name], fallback=None, rtol=1e-10).solve(aslinearoperator(A), b)
        np.testing.assert_allclose(x, np.linalg.solve(A.toarray(), b), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("kind", [ConjugateOrthogonalConjugateResidual, SymmetricQuasiMinimalResidual])
def test_only_symmetric_preconditioners_are_taken(kind):
    for family in (ThresholdIncompleteLU(), IncompleteCholesky()):
        with pytest.raises(TypeError, match="symmetric preconditioner"):
            kind(family)


def test_what_they_accept():
    def traits_of(A):
        return Door().admit(A, np.ones(16), None, rtol=1e-8, atol=0.0).traits

    for A, cocr, sqmr in (
        (damped_helmholtz(4), True, True),
        (hermitian(4), False, False),
        (laplacian(4), False, True),
        (sp.csr_array(np.triu(np.ones((16, 16)))), False, False),
    ):
        assert (METHODS["jacobi_cocr"].accepts(traits_of(A)), METHODS["jacobi_sqmr"].accepts(traits_of(A))) == (
            cocr,
            sqmr,
        )


def test_the_default_portfolio_has_them_where_they_apply():
    helmholtz = Door().admit(damped_helmholtz(4), np.ones(16), None, rtol=1e-8, atol=0.0).traits
    names = {spelling.split("(")[0] for spelling in DEFAULT}
    chosen = {name for name in names if METHODS[name].accepts(helmholtz) and suits(name, helmholtz)}
    assert {"ilu_cocr", "ssor_cocr", "ilu_gmres", "direct"} <= chosen
    assert not {"cocr", "ilu_sqmr", "ilu_bicgstab", "cg", "minres"} & chosen


def test_the_helmholtz_stream_is_solved_by_default():
    solver = rt.Solver(seed=0)
    simulation = rt.gallery.helmholtz(20, 12, lowest=5.0, highest=15.0)
    for system in simulation:
        x = solver.solve(system.A, system.b, system.x0, context=system.context)
        assert np.linalg.norm(system.b - system.A @ x) <= 1e-8 * np.linalg.norm(system.b) * (1 + 1e-6)
        simulation.advance(x)
