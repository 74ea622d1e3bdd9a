"""Recycled spaces: what they must never change (the answers), and what they should (the iterations)."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Status, Stop
from reiterate.kernels import deflation
from reiterate.linear.deflated_cg import DeflatedConjugateGradients
from reiterate.linear.door import Door
from reiterate.linear.identity import Identity
from reiterate.linear.jacobi import Jacobi
from reiterate.linear.lanczos import LanczosWindow
from reiterate.linear.payoff import Payoff
from reiterate.linear.preconditioned_cg import PreconditionedConjugateGradients
from reiterate.linear.recycled_space import RecycledSpace
from tests.linear.recycling import RecyclingStream
from tests.matrices import arrow, definite_matrices, laplacian

PLAIN = DeflatedConjugateGradients(Identity())
SCALED = DeflatedConjugateGradients(Jacobi())
METHOD = pytest.mark.parametrize("method", [PLAIN, SCALED], ids=lambda method: method.name)


def stream_of(method, space=4, rtol=1e-8):
    return RecyclingStream(method, {"space": space}, rtol, "deflation")


def slow(n=300, slow_ones=4, seed=0):
    """A definite matrix with a few tiny eigenvalues, whose eigenvectors are spread out."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    values = np.concatenate((np.geomspace(1e-5, 1e-3, slow_ones), np.linspace(0.5, 2.0, n - slow_ones)))
    A = (Q * values) @ Q.T
    return sp.csr_array((A + A.T) / 2)


@METHOD
def test_the_first_solve_is_that_of_cg(method):
    A, b = laplacian(12), np.random.default_rng(0).normal(size=144)
    stream = stream_of(method)
    progress = stream.solve(A, b)
    reference = PreconditionedConjugateGradients(method.family)
    prepared = reference.prepare(stream.instance, {})
    expected = reference.iterate(prepared, stream.instance, {}, np.zeros(144), Stop(1e-8, 10_000))
    np.testing.assert_allclose(progress.x, expected.x, rtol=1e-13)
    assert progress.iterations == expected.iterations
    assert stream.space.exists


@METHOD
def test_slow_directions_cost_iterations_only_once(method):
    A, rng = slow(), np.random.default_rng(1)
    stream = stream_of(method)
    counts = []
    for _ in range(4):
        b = rng.normal(size=300)
        progress = stream.solve(A, b)
        assert progress.status is Status.CONVERGED
        np.testing.assert_allclose(A @ progress.x, b, atol=1e-8 * np.linalg.norm(b) * 1.01)
        counts.append(progress.iterations)
    # Without the four, the condition number is 4: about ln(2e8) iterations.
    assert max(counts[1:]) <= 25 < counts[0]


@METHOD
def test_it_follows_a_matrix_that_drifts(method, monkeypatch):
    monkeypatch.setattr(Payoff, "give_up", lambda _: None)  # whether it pays is another question
    rng = np.random.default_rng(2)
    A, stream, counts = laplacian(24), stream_of(method, space=8), []
    for step in range(8):
        k = 1.0 + 0.3 * np.sin(np.linspace(0.0, 6.0, 576) + 0.1 * step)
        drifted = sp.csr_array(sp.diags_array(k) @ A @ sp.diags_array(k))
        drifted = sp.csr_array((drifted + drifted.T) / 2)
        b = rng.normal(size=576)
        progress = stream.solve(drifted, b)
        assert stream.instance.merit(progress.x) <= 1e-8 * (1 + 1e-4)
        counts.append(progress.iterations)
    assert max(counts[2:]) <= 0.75 * counts[0]


@settings(max_examples=30)
@given(definite_matrices(), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_any_stream_of_definite_matrices_is_solved(A, space, seed):
    rng = np.random.default_rng(seed)
    stream = stream_of(SCALED, space=space, rtol=1e-9)
    for _ in range(4):
        b, x0 = rng.normal(size=(2, A.shape[0]))
        kept = x0.copy()
        progress = stream.solve(A, b, x0)
        assert progress.status is Status.CONVERGED
        np.testing.assert_array_equal(x0, kept)
        merit = stream.instance.merit(progress.x)
        assert merit <= 1e-9 * (1 + 1e-3) + 10 * stream.instance.rounding_level(x0)
        scale = sp.diags_array(rng.uniform(0.5, 2.0, b.size))
        A = sp.csr_array(scale @ A @ scale)
        A = sp.csr_array((A + A.T) / 2)


@METHOD
def test_a_consistent_singular_system(method):
    m = 16
    A = laplacian(m)
    A = sp.csr_array(A - sp.diags_array(A.sum(axis=1)))
    rng, stream = np.random.default_rng(3), stream_of(method)
    for _ in range(4):
        b = rng.normal(size=m * m)
        progress = stream.solve(A, b - b.mean())
        assert progress.status is Status.CONVERGED
        assert stream.instance.merit(progress.x) <= 1e-8 * (1 + 1e-4)


@METHOD
@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_scaling_changes_nothing(method, scale):
    rng, one, other = np.random.default_rng(4), stream_of(method), stream_of(method)
    for _ in range(3):
        b = rng.normal(size=300)
        assert other.solve(scale * slow(), b).iterations <= one.solve(slow(), b).iterations + 3


@METHOD
@pytest.mark.parametrize("A", [sp.csr_array([[2.0]]), sp.csr_array(sp.eye_array(5)), arrow(30), laplacian(7, 1)])
def test_small_and_odd_systems(method, A):
    rng, stream = np.random.default_rng(5), stream_of(method, space=6)
    for _ in range(4):
        b = rng.normal(size=A.shape[0])
        np.testing.assert_allclose(stream.solve(A, b).x, np.linalg.solve(A.toarray(), b), rtol=1e-6, atol=1e-7)


def test_an_indefinite_matrix_drops_the_space_and_is_revealed():
    rng, stream = np.random.default_rng(6), stream_of(SCALED)
    stream.solve(laplacian(10), rng.normal(size=100))
    assert stream.space.payoff.use
    progress = stream.solve(laplacian(10, shift=-2.0), rng.normal(size=100))
    assert not stream.space.exists
    assert progress.status is Status.BREAKDOWN
    assert progress.revealed == {"definite": False}
    assert np.all(np.isfinite(progress.x))
    assert stream.solve(laplacian(10), rng.normal(size=100)).status is Status.CONVERGED


@METHOD
def test_a_solved_start_is_handed_back(method):
    A, rng, stream = laplacian(10), np.random.default_rng(7), stream_of(method)
    exact = rng.normal(size=100)
    for _ in range(3):
        stream.solve(A, rng.normal(size=100))
        progress = stream.solve(A, A @ exact, exact)
        assert progress.iterations == 0
        np.testing.assert_array_equal(progress.x, exact)


def test_a_start_that_overflows_is_reported():
    stream = stream_of(SCALED)
    stream.solve(laplacian(5), np.ones(25))
    progress = stream.solve(laplacian(5), np.ones(25), np.full(25, 1e300))
    assert progress.status is Status.BREAKDOWN


@METHOD
def test_segments_change_no_bit(method, monkeypatch):
    rng = np.random.default_rng(8)
    rhs = rng.normal(size=(3, 300))
    whole, parts = stream_of(method), stream_of(method)
    for b in rhs:
        expected = whole.solve(slow(), b)
        with monkeypatch.context() as patch:
            patch.setattr("reiterate.linear.segments._SEGMENT_BYTES", 1.0)
            progress = parts.solve(slow(), b)
        np.testing.assert_array_equal(progress.x, expected.x)
        assert progress.work == pytest.approx(expected.work)


def test_the_same_matrix_needs_no_products():
    A, rng, stream = slow(), np.random.default_rng(9), stream_of(PLAIN)
    for _ in range(6):
        stream.solve(A, rng.normal(size=300))
    r, workspace = rng.normal(size=300), np.empty((2, 300))
    apply = stream.prepared.state.preconditioner.apply
    assert stream.space.refresh(stream.instance, apply, r, workspace) == 0
    stream.solve(2.0 * A, rng.normal(size=300))
    assert stream.space.refresh(stream.instance, apply, r, workspace) == 0
    assert stream.prepared.state.memory >= stream.space.memory > 0


def test_a_drifting_matrix_needs_all_products_only_now_and_then():
    rng, stream = np.random.default_rng(14), stream_of(PLAIN)
    for _ in range(3):
        stream.solve(slow(), rng.normal(size=300))
    products = []
    apply, workspace = stream.prepared.state.preconditioner.apply, np.empty((2, 300))
    stream.space.replace(stream.space.vectors)
    for step in range(12):
        A = sp.csr_array((1.0 + 0.02 * step) * slow())
        instance = stream.door.admit(A, rng.normal(size=300), None, rtol=1e-8, atol=0.0)
        products.append(stream.space.refresh(instance, apply, instance.b, workspace))
        W = stream.space.vectors.astype(float)
        energy = W @ (A @ W.T)
        assert np.abs(stream.space.inverse @ energy - np.eye(4)).max() <= 0.06
    assert products[0] == 5
    assert products.count(1) >= 8
    assert products.count(6) >= 2


@METHOD
def test_the_space_outlives_a_rebuild_of_the_preconditioner(method):
    rng, stream = np.random.default_rng(15), stream_of(method)
    stream.solve(slow(), rng.normal(size=300))
    space, old = stream.space, stream.prepared.state.preconditioner
    stream.prepared = method.rebuild(stream.instance, stream.values, stream.prepared)
    assert stream.space is space
    assert space.exists
    assert stream.prepared.state.preconditioner is not old
    stream.solve(slow(), rng.normal(size=300))
    assert stream.solve(slow(), rng.normal(size=300)).iterations <= 25


def test_an_old_preconditioner_serves_a_new_matrix_with_the_space():
    rng, stream = np.random.default_rng(10), stream_of(SCALED)
    for _ in range(3):
        stream.solve(slow(), rng.normal(size=300))
    b = rng.normal(size=300)
    instance = stream.door.admit(sp.csr_array(slow() + 0.001 * sp.eye_array(300)), b, None, rtol=1e-8, atol=0.0)
    assert not stream.method.serves(stream.prepared, instance)  # the diagonal costs nothing
    stream.prepared.state.preconditioner.setup_traffic *= 1e6
    assert stream.method.serves(stream.prepared, instance)
    progress = stream.method.iterate(stream.prepared, instance, stream.values, np.zeros(300), Stop(1e-8, 1000))
    assert progress.status is Status.CONVERGED
    assert instance.merit(progress.x) <= 1e-8 * (1 + 1e-4)


@pytest.mark.parametrize("rows", [1, 3, 4, 9])
def test_kernels_against_numpy(rows):
    rng = np.random.default_rng(11)
    W = rng.normal(size=(rows, 5000)).astype(np.float32)
    r, z = rng.normal(size=(2, 5000))
    products = np.empty(rows)
    deflation.project(W, r, products)
    np.testing.assert_allclose(products, W @ r, rtol=1e-10)
    expected = z + products @ W
    assert deflation.correct(W, products, r, z) == pytest.approx(r @ expected, rel=1e-10)
    np.testing.assert_allclose(z, expected, rtol=1e-12, atol=1e-12)
    weights = rng.normal(size=(2, rows)).astype(np.float32)
    target = W.copy() if rows > 1 else np.empty((2, 5000), dtype=np.float32)
    source = target if rows > 1 else W
    deflation.combine(weights, source, np.empty((2, 300), dtype=np.float32), target)
    np.testing.assert_allclose(target[:2], weights @ W, rtol=1e-4, atol=1e-4)


def test_the_preconditioner_moves_eigenvalues_as_promised():
    """For any W of full rank: the smallest does not fall, the largest grows by at most the weight."""
    rng, n = np.random.default_rng(12), 40
    A = slow(n)
    door = Door().admit(A, rng.normal(size=n), None, rtol=1e-8, atol=0.0)
    family = Jacobi().build(door, {})
    for W in (np.linalg.eigh(A.toarray())[1][:, :4].T, rng.normal(size=(5, n))):
        space = RecycledSpace(n)
        space.replace(W.astype(np.float32))
        assert space.refresh(door, family.apply, door.b, np.empty((2, n))) == W.shape[0] + 1
        P = np.empty((n, n))
        for i, unit in enumerate(np.eye(n)):
            family.apply(unit, P[i])
            space.correct(unit, P[i])
        np.testing.assert_allclose(P, P.T, rtol=1e-6, atol=1e-8 * np.abs(P).max())
        before = scipy.linalg.eigvalsh(A.toarray(), np.diag(A.diagonal()))
        after = np.sort(np.linalg.eigvals(P @ A.toarray()).real)
        assert after[0] >= before[0] * (1 - 1e-5)
        assert after[-1] <= (before[-1] + space.weight) * (1 + 1e-5)
    x, b = np.zeros(n), door.b
    space.project(b, x)
    np.testing.assert_allclose(space.vectors @ (b - A @ x), 0.0, atol=1e-9)


def test_the_window_finds_eigenvectors():
    A, wanted = laplacian(20, 1, shift=0.01).toarray(), 3
    A = np.kron(np.diag([1.0, 1.7, 2.9, 3.3, 5.1]), A)
    n = A.shape[0]
    b = np.random.default_rng(13).normal(size=n)
    window = LanczosWindow(np.empty((LanczosWindow.length(wanted), n), dtype=np.float32), wanted)
    r, p, weighted = b.copy(), np.zeros(n), np.inf
    for _ in range(70):
        beta, weighted = (r @ r) / weighted, r @ r
        p = r + beta * p
        alpha = weighted / (p @ A @ p)
        window.add(r, weighted, beta)
        window.close(alpha)
        r = r - alpha * (A @ p)
    found = window.ritz_vectors().astype(float)
    values, vectors = np.linalg.eigh(A)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    # Rayleigh-Ritz pairs: the projected matrix is diagonal, and its entries are close to the eigenvalues.
    projected = found @ A @ found.T
    np.testing.assert_allclose(projected, np.diag(np.diag(projected)), atol=1e-5)
    np.testing.assert_allclose(np.diag(projected), values[:wanted], rtol=5e-2)
    for i in range(2):
        assert abs(vectors[:, i] @ found[i]) >= 0.99


def test_a_window_survives_numbers_that_are_not_finite():
    window = LanczosWindow(np.empty((LanczosWindow.length(2), 30), dtype=np.float32), 2)
    for j in range(45):
        window.add(np.ones(30), 1.0, np.inf if j == 7 else 0.5)
        window.close(1.0)
    assert window.ritz_vectors().shape == (2, 30)
    window.add(np.ones(30), 1.0, np.inf)
    assert window.ritz_vectors().shape[0] == 0


def _record(payoff, cost, *, used, exists=True, iterations=80):
    payoff.record(used=used, exists=exists, iterations=iterations, decades=8.0, unit=1.0, moved=8.0 * cost)


def test_a_space_that_does_not_pay_is_given_up_for_longer_and_longer():
    payoff, rests = Payoff(), []
    for _ in range(3):
        assert payoff.harvest
        assert not payoff.use
        _record(payoff, 10.0, used=False)
        while payoff.use:
            _record(payoff, 11.0, used=True)
        assert payoff.given_up
        rest = 0
        while payoff.given_up:
            _record(payoff, 10.0, used=False, exists=False)
            rest += 1
        rests.append(rest)
    assert rests == [8, 16, 32]


def test_a_space_that_pays_is_kept_checked_and_improved_when_it_has_aged():
    payoff = Payoff()
    _record(payoff, 10.0, used=False)
    payoff.built(30.0)
    used = [payoff.use]
    for _ in range(59):
        _record(payoff, 5.0, used=payoff.use)
        used.append(payoff.use)
    assert used.count(False) == 1
    assert not payoff.harvest
    _record(payoff, 6.0, used=True, iterations=100)
    assert not payoff.harvest
    _record(payoff, 6.0, used=True, iterations=100)
    assert payoff.harvest  # 2 · 20 iterations too many, for a price of 30
    payoff.built(30.0)
    _record(payoff, 6.0, used=True, iterations=100)
    assert not payoff.harvest
