"""GCRO-DR against GMRES, dense least squares, and dense harmonic Ritz vectors."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Status, Stop
from reiterate.linear.gmres import GeneralizedMinimalResidual
from reiterate.linear.identity import Identity
from reiterate.linear.jacobi import Jacobi
from reiterate.linear.recycled_gmres import RecyclingGeneralizedMinimalResidual
from tests.linear.nonsymmetric import any_matrices, convection_diffusion, dense_instance, solve
from tests.linear.recycling import RecyclingStream

PLAIN = RecyclingGeneralizedMinimalResidual(Identity())
SCALED = RecyclingGeneralizedMinimalResidual(Jacobi())
METHOD = pytest.mark.parametrize("method", [PLAIN, SCALED], ids=lambda method: method.name)


def stream_of(method, restart=20, space=4, rtol=1e-8):
    return RecyclingStream(method, {"restart": restart, "space": space}, rtol, "images")


def slow(n=200, seed=0):
    """A nonsymmetric matrix with a few tiny eigenvalues."""
    rng = np.random.default_rng(seed)
    V = np.eye(n) + 0.3 * rng.normal(size=(n, n)) / np.sqrt(n)
    values = np.concatenate(([1e-4, -2e-4, 5e-4], np.linspace(0.5, 2.0, n - 3)))
    return sp.csr_array((V * values) @ np.linalg.inv(V))


@METHOD
def test_within_the_first_cycle_it_is_gmres(method):
    A, b = convection_diffusion(10), np.random.default_rng(0).normal(size=100)
    gmres = GeneralizedMinimalResidual(method.family)
    for k in (1, 7, 20):
        expected, *_ = solve(gmres, A, b, iterations=k, restart=20)
        progress, *_ = solve(method, A, b, iterations=k, restart=20, space=4)
        np.testing.assert_allclose(progress.x, expected.x, rtol=1e-9, atol=1e-12)


@METHOD
def test_restarts_remember_what_is_slow(method):
    A, b = slow(), np.random.default_rng(1).normal(size=200)
    forgets, *_ = solve(GeneralizedMinimalResidual(method.family), A, b, rtol=1e-8, restart=20, iterations=1000)
    remembers, _, instance = solve(method, A, b, rtol=1e-8, restart=20, space=4)
    assert remembers.status is Status.CONVERGED
    assert instance.merit(remembers.x) <= 1e-8 * (1 + 1e-6)
    assert remembers.iterations <= 0.75 * forgets.iterations


@METHOD
def test_instances_remember_too(method):
    rng, stream, counts = np.random.default_rng(2), stream_of(method), []
    for step in range(5):
        A = sp.csr_array(slow() + 1e-6 * step * sp.eye_array(200))
        b = rng.normal(size=200)
        progress = stream.solve(A, b)
        np.testing.assert_allclose(A @ progress.x, b, atol=1.01e-8 * np.linalg.norm(b))
        counts.append(progress.iterations)
    assert max(counts[1:]) <= 0.75 * counts[0]


@pytest.mark.parametrize("dtype", [float, complex])
def test_what_is_recycled_has_the_images_it_should(dtype):
    """A M⁻¹ U = C D with CᴴC = I, and U is near the eigenvectors of smallest value."""
    rng, n = np.random.default_rng(3), 60
    A = slow(n).toarray().astype(dtype)
    if dtype is complex:
        A = (0.6 + 0.8j) * A
    b = rng.normal(size=n).astype(dtype)
    instance = dense_instance(A, b, 1e-10)
    values = {"restart": 20, "space": 3}
    prepared = SCALED.prepare(instance, values)
    progress = SCALED.iterate(prepared, instance, values, np.zeros(n, dtype), Stop(1e-10, 1000))
    assert progress.status is Status.CONVERGED
    space = prepared.state.recycled["images", 3]
    B = A / np.abs(A.diagonal())
    np.testing.assert_allclose(B @ space.vectors.T, space.images.T * space.sizes, atol=1e-9)
    np.testing.assert_allclose(space.images.conj() @ space.images.T, np.eye(3), atol=1e-9)
    values, vectors = np.linalg.eig(B)
    slowest = vectors[:, np.argsort(np.abs(values))[:3]]
    assert np.max(scipy.linalg.subspace_angles(slowest, space.vectors.T)) <= 1e-2


def test_a_residual_in_the_recycled_space_needs_no_step():
    A, rng, stream = slow(), np.random.default_rng(4), stream_of(PLAIN, rtol=1e-6)
    for _ in range(2):
        stream.solve(A, rng.normal(size=200))
    b = stream.space.images.T @ rng.normal(size=stream.space.count)
    progress = stream.solve(A, b)
    assert progress.iterations == 1
    assert stream.instance.merit(progress.x) <= 1e-6


@METHOD
@settings(max_examples=30)
@given(any_matrices(), st.integers(2, 12), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_streams_of_any_matrices_never_make_it_worse(method, A, restart, space, seed):
    rng = np.random.default_rng(seed)
    stream = stream_of(method, restart, space)
    if not method.accepts(solve(PLAIN, A, np.ones(A.shape[0]), iterations=1)[2].traits):
        return
    if np.min(np.abs(A.diagonal())) < 1e-307:
        return
    for _ in range(4):
        b, x0 = rng.normal(size=(2, A.shape[0]))
        progress = stream.solve(A, b, x0, iterations=100)
        rounding = 10 * stream.instance.rounding_level(progress.x)
        assert np.all(np.isfinite(progress.x))
        assert stream.instance.merit(progress.x) <= stream.instance.merit(x0) * (1 + 1e-9) + rounding
        if progress.status is Status.CONVERGED:
            assert stream.instance.merit(progress.x) <= 1e-8 * (1 + 1e-6) + rounding
        A = sp.csr_array(A @ sp.diags_array(rng.uniform(0.5, 2.0, b.size)))


@METHOD
def test_segments_change_no_bit_of_a_stream(method, monkeypatch):
    rhs = np.random.default_rng(5).normal(size=(3, 200))
    whole, parts = stream_of(method), stream_of(method)
    for b in rhs:
        expected = whole.solve(slow(), b)
        with monkeypatch.context() as patch:
            patch.setattr("reiterate.linear.segments._SEGMENT_BYTES", 1.0)
            progress = parts.solve(slow(), b)
        np.testing.assert_array_equal(progress.x, expected.x)


def test_a_space_that_a_matrix_annihilates_is_dropped():
    rng, stream = np.random.default_rng(6), stream_of(PLAIN)
    stream.solve(slow(), rng.normal(size=200))
    assert stream.space.payoff.use
    progress = stream.solve(sp.csr_array((200, 200)), rng.normal(size=200))
    assert progress.status is Status.BREAKDOWN
    assert np.all(np.isfinite(progress.x))
    assert stream.solve(slow(), rng.normal(size=200)).status is Status.CONVERGED


@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_scaling_changes_nothing(scale):
    rng, stream = np.random.default_rng(7), stream_of(PLAIN)
    for _ in range(3):
        progress = stream.solve(scale * slow(), rng.normal(size=200))
        assert progress.status is Status.CONVERGED
    assert stream.space.count == 4
    assert stream.prepared.state.memory >= stream.space.memory
