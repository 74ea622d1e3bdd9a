"""What must hold for every Krylov method without symmetry or definiteness, whatever it is given."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Status, Stop
from reiterate.errors import Breakdown
from reiterate.kernels import codes
from reiterate.linear import bicgstab, bicgstabl, idr, minres
from reiterate.linear.bicgstab import BiConjugateGradientsStabilized
from reiterate.linear.bicgstabl import BiConjugateGradientsStabilizedL
from reiterate.linear.gmres import FlexibleGeneralizedMinimalResidual, GeneralizedMinimalResidual
from reiterate.linear.identity import Identity
from reiterate.linear.idr import InducedDimensionReduction
from reiterate.linear.jacobi import Jacobi
from reiterate.linear.krylov import KrylovState
from reiterate.linear.minres import MinimalResidual
from reiterate.linear.preconditioner import Family, Preconditioner
from reiterate.linear.recycled_gmres import RecyclingGeneralizedMinimalResidual
from reiterate.linear.restarting import RestartedIterate
from reiterate.linear.sqmr import SymmetricQuasiMinimalResidual
from reiterate.linear.symmlq import SymmetricLQ
from tests.linear.nonsymmetric import (
    any_matrices,
    convection_diffusion,
    cyclic_shift,
    dense_instance,
    neumann,
    nilpotent,
    skew,
    solve,
)
from tests.matrices import laplacian

CLASSES = (
    GeneralizedMinimalResidual,
    FlexibleGeneralizedMinimalResidual,
    BiConjugateGradientsStabilized,
    BiConjugateGradientsStabilizedL,
    InducedDimensionReduction,
    MinimalResidual,
    RecyclingGeneralizedMinimalResidual,
    SymmetricLQ,
    SymmetricQuasiMinimalResidual,
)
SYMMETRIC = ("minres", "symmlq", "sqmr")
METHODS = [kind(family) for kind in CLASSES for family in (Identity(), Jacobi())]
METHOD = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)

HOSTILE = {
    "skew": skew(20),
    "cyclic shift": cyclic_shift(40),
    "nilpotent": nilpotent(30),
    "neumann": neumann(30),
    "zero": sp.csr_array((8, 8)),
    "one": sp.csr_array([[-3.0]]),
    "one, zero": sp.csr_array((1, 1)),
    "diagonal": sp.csr_array(sp.diags_array(np.array([1.0, -2.0, 3.0, -4.0, 5.0]))),
    "disconnected": sp.csr_array(sp.block_diag([laplacian(3), -laplacian(2), [[7.0]]])),
    "swap": sp.csr_array([[0.0, 1.0], [1.0, 0.0]]),
    "huge": 1e100 * convection_diffusion(5),
    "tiny": 1e-100 * laplacian(5),
    "rank one": sp.csr_array(np.outer(np.arange(1.0, 7.0), np.ones(6))),
}


def check(method, A, b, x0, rtol, iterations=400):
    """Right or loud, finite, no worse than the start, and nothing touched."""
    copies = A.copy(), b.copy(), x0.copy()
    try:
        progress, _, instance = solve(method, A, b, x0=x0, rtol=rtol, iterations=iterations)
    except Breakdown:
        assert np.min(np.abs(A.diagonal())) < 1e-307  # which no preconditioner can divide by
        return
    before, after = instance.merit(x0), instance.merit(progress.x)
    rounding = 10 * instance.rounding_level(progress.x)
    assert np.all(np.isfinite(progress.x))
    assert after <= before * (1 + 1e-9) + rounding
    assert (progress.status is Status.CONVERGED) <= (after <= rtol * (1 + 1e-6) + rounding)
    assert progress.iterations <= iterations
    assert (progress.status is Status.BREAKDOWN) == bool(progress.reason)
    assert (copies[0] != A).nnz == 0
    np.testing.assert_array_equal(b, copies[1])
    np.testing.assert_array_equal(x0, copies[2])


@METHOD
@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("consistent", [True, False])
def test_hostile_systems_end_loudly(method, case, consistent):
    A, rng = HOSTILE[case], np.random.default_rng(0)
    n = A.shape[0]
    b = A @ rng.normal(size=n) if consistent else rng.normal(size=n)
    if not method.accepts(solve(METHODS[0], A, b, iterations=1)[2].traits):
        return
    check(method, A, b, np.zeros(n), 1e-9)


@METHOD
@settings(max_examples=40)
@given(any_matrices(), st.integers(0, 2**32 - 1))
def test_any_matrix_is_solved_or_given_up(method, A, seed):
    rng = np.random.default_rng(seed)
    b, x0 = rng.normal(size=(2, A.shape[0]))
    if method.accepts(solve(METHODS[0], A, b, iterations=1)[2].traits):
        check(method, A, b, x0, 1e-8, iterations=200)


@METHOD
def test_solves_to_the_last_digits(method):
    symmetric = method.suffix in SYMMETRIC
    A = laplacian(12, shift=-1.3) if symmetric else convection_diffusion(12)
    b = np.random.default_rng(4).normal(size=144)
    progress, _, instance = solve(method, A, b, rtol=1e-12)
    assert progress.status is Status.CONVERGED
    assert instance.merit(progress.x) <= 1e-12 * (1 + 1e-3)
    np.testing.assert_allclose(progress.x, np.linalg.solve(A.toarray(), b), rtol=1e-8, atol=1e-9)


@METHOD
def test_an_unreachable_tolerance_ends_at_the_best_that_can_be_had(method):
    A = laplacian(8)
    progress, _, instance = solve(method, A, np.ones(64), rtol=1e-300, iterations=2000)
    assert progress.status is not Status.CONVERGED
    assert instance.merit(progress.x) <= 1e-13


@pytest.mark.parametrize("scale", [1.0, 3e5])
@pytest.mark.parametrize("room", [bicgstab, bicgstabl, idr, minres], ids=lambda room: room.__name__)
def test_the_residual_by_recurrence_is_the_true_one(room, scale):
    """Whatever the coefficients, x and r must move together: a wrong one separates them."""
    A, b = scale * laplacian(8, shift=-1.0), np.random.default_rng(1).normal(size=64)
    _, prepared, instance = solve(MinimalResidual(Jacobi()), A, b, iterations=0)
    degree = [3] if room in (idr, bicgstabl) else []
    run = room._Run(KrylovState(prepared.state.preconditioner), instance, np.ones(64), *degree)
    rounding = 1e-9 * run.norm * run.iterate.scale
    for _ in range(9):
        assert run.step() == codes.RUNNING
        if room is bicgstabl:
            run.fold()
        norm = run.norm * run.iterate.scale
        assert np.linalg.norm(b - A @ run.iterate.x) == pytest.approx(norm, rel=1e-8, abs=rounding)


@METHOD
def test_segments_change_no_bit(method, monkeypatch):
    A = laplacian(12, shift=-0.5) if method.suffix in SYMMETRIC else convection_diffusion(12)
    b = np.random.default_rng(1).normal(size=144)
    for iterations in (17, 10_000):
        whole, *_ = solve(method, A, b, rtol=1e-9, iterations=iterations)
        with monkeypatch.context() as patch:
            patch.setattr("reiterate.linear.segments._SEGMENT_BYTES", 1.0)
            parts, *_ = solve(method, A, b, rtol=1e-9, iterations=iterations)
        np.testing.assert_array_equal(parts.x, whole.x)
        assert parts.iterations == whole.iterations


@METHOD
def test_the_right_hand_side_zero_and_a_solved_start(method):
    A = laplacian(4)
    exact = np.arange(16.0)
    for b, x0 in ((np.zeros(16), np.zeros(16)), (A @ exact, exact)):
        progress, *_ = solve(method, A, b, x0=x0, rtol=1e-8)
        assert progress.status is Status.CONVERGED
        assert progress.iterations == 0
        np.testing.assert_array_equal(progress.x, x0)


@METHOD
def test_a_start_whose_residual_overflows_is_handed_back(method):
    x0 = np.full(25, 1e250)
    progress, *_ = solve(method, 1e100 * laplacian(5), np.ones(25), x0=x0, rtol=1e-8)
    assert progress.status is Status.BREAKDOWN
    assert "overflow" in progress.reason
    np.testing.assert_array_equal(progress.x, x0)


@METHOD
def test_a_time_cap_hands_back_what_there_is(method):
    A = laplacian(12) if method.suffix in SYMMETRIC else convection_diffusion(12)
    b = np.random.default_rng(1).normal(size=144)
    stop, instance = Stop(1e-12, 10_000, 0.0), solve(method, A, b, iterations=0)[2]
    values = {parameter.name: parameter.default for parameter in method.parameters}
    progress = method.iterate(method.prepare(instance, values), instance, values, np.zeros(144), stop)
    assert progress.status in (Status.TIME_CAP, Status.CONVERGED, Status.BREAKDOWN)
    assert instance.merit(progress.x) <= 1.0


@METHOD
def test_a_state_serves_later_instances_of_its_size(method):
    rng = np.random.default_rng(5)
    first, second = laplacian(8, shift=0.1), laplacian(8, shift=0.4)
    _, prepared, _ = solve(method, first, rng.normal(size=64), rtol=1e-8)
    b = rng.normal(size=64)
    again, _, instance = solve(method, second, b, rtol=1e-10, previous=prepared)
    recycles = method.suffix == "gcrodr"  # and remembers more than the preconditioner
    assert method.serves(prepared, instance) != recycles
    values = {parameter.name: parameter.default for parameter in method.parameters}
    fresh = method.iterate(method.prepare(instance, values), instance, values, np.zeros(64), Stop(1e-10, 10_000))
    if recycles:
        np.testing.assert_allclose(again.x, fresh.x, rtol=1e-6)
    else:
        np.testing.assert_array_equal(again.x, fresh.x)


@METHOD
def test_complex_systems(method):
    rng = np.random.default_rng(6)
    n = 40
    B = rng.normal(size=(n, n)) + 1j * rng.normal(size=(n, n))
    A = B + (9.0 + 6.0j) * np.eye(n)
    if method.suffix in ("minres", "symmlq"):
        A = B + B.conj().T
    elif method.suffix == "sqmr":
        A = B + B.T + (9.0 + 6.0j) * np.eye(n)
    b, x0 = rng.normal(size=(2, n)) + 1j * rng.normal(size=(2, n))
    instance = dense_instance(A, b, 1e-10)
    values = {parameter.name: parameter.default for parameter in method.parameters}
    progress = method.iterate(method.prepare(instance, values), instance, values, x0, Stop(1e-10, 2000))
    assert progress.status is Status.CONVERGED
    np.testing.assert_allclose(progress.x, np.linalg.solve(A, b), rtol=1e-5, atol=1e-6)


class _Changing(Preconditioner):
    """Near the diagonal, a different distance each time."""

    def __init__(self, instance):
        self.size = instance.traits.size
        self.random = np.random.default_rng(0)

    def apply(self, r, z):
        z[:] = r * self.random.uniform(0.2, 1.0, r.size)


class _ChangingFamily(Family):
    """noise."""

    name = "changing"
    requires = "nothing"
    varies = True

    def accepts(self, traits):
        return True

    def build(self, instance, values, previous=None):
        return _Changing(instance)


def test_only_flexible_methods_take_preconditioners_that_change():
    A, b = convection_diffusion(10), np.random.default_rng(0).normal(size=100)
    method = FlexibleGeneralizedMinimalResidual(_ChangingFamily())
    progress, _, instance = solve(method, A, b, rtol=1e-10)
    assert progress.status is Status.CONVERGED
    assert instance.merit(progress.x) <= 1e-10 * (1 + 1e-6)
    for kind in CLASSES:
        if not kind.flexible:
            with pytest.raises(TypeError, match="constant preconditioner"):
                kind(_ChangingFamily())


class _Indefinite(Jacobi):
    name = "indefinite"
    definite = False


def test_minres_takes_only_definite_preconditioners():
    with pytest.raises(TypeError, match="positive definite"):
        MinimalResidual(_Indefinite())


class _Negative(Preconditioner):
    size = 16

    def apply(self, r, z):
        np.negative(r, out=z)


class _FalselyDefinite(Jacobi):
    def build(self, instance, values, previous=None):
        return _Negative()


def test_minres_finds_out_a_preconditioner_that_is_not_definite():
    progress, *_ = solve(MinimalResidual(_FalselyDefinite()), laplacian(4), np.ones(16), rtol=1e-8)
    assert progress.status is Status.BREAKDOWN
    assert "preconditioner is not positive definite" in progress.reason


class _Poisoned(Preconditioner):
    size = 36

    def __init__(self):
        self.calls = 0

    def apply(self, r, z):
        self.calls += 1
        z[:] = r if self.calls < 5 else np.nan


class _PoisonedFamily(Jacobi):
    def build(self, instance, values, previous=None):
        return _Poisoned()


@pytest.mark.parametrize("kind", CLASSES)
def test_nan_from_a_preconditioner_never_comes_out(kind):
    rng = np.random.default_rng(3)
    progress, _, instance = solve(kind(_PoisonedFamily()), laplacian(6), rng.normal(size=36), rtol=1e-10)
    assert progress.status is Status.BREAKDOWN
    assert instance.merit(progress.x) <= 1.0


def test_a_restart_believes_only_the_true_residual():
    A, b = laplacian(4), np.ones(16)
    instance = solve(METHODS[0], A, b, rtol=1e-8, iterations=0)[2]
    residual = np.empty(16)
    iterate = RestartedIterate(instance, np.zeros(16), residual, least=0.5, patience=1)
    assert iterate.norm * iterate.scale == pytest.approx(4.0)
    exact = np.linalg.solve(A.toarray(), b)
    iterate.x[:] = 1e3
    iterate.keep(1e-3)  # a lie
    iterate.x[:] = exact * (1 + 1e-3)
    iterate.restart()
    np.testing.assert_array_equal(iterate.x, exact * (1 + 1e-3))
    np.testing.assert_allclose(residual * iterate.scale, b - A @ iterate.x, atol=1e-15)
    iterate.x[:] = exact * (1 + 1e-5)
    iterate.keep(1e-5)
    iterate.x[:] = np.nan
    np.testing.assert_array_equal(iterate.finish(1.0), exact * (1 + 1e-5))
    iterate.x[:] = 7.0
    iterate.keep(1e-9)
    iterate.x[:] = 8.0
    np.testing.assert_array_equal(iterate.finish(1e-12), exact * (1 + 1e-3))
