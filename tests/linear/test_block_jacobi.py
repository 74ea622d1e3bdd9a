"""Diagonal blocks: detected, inverted, applied; against dense algebra."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from reiterate.contracts import Status
from reiterate.errors import Breakdown
from reiterate.linear import block_jacobi
from reiterate.linear.block_jacobi import BlockJacobi, detect_block
from reiterate.linear.door import Door
from reiterate.linear.gmres import GeneralizedMinimalResidual
from reiterate.linear.jacobi import Jacobi
from reiterate.linear.preconditioned_cg import PreconditionedConjugateGradients
from tests.linear.nonsymmetric import any_matrices, convection_diffusion, solve
from tests.matrices import arrow, definite_matrices, laplacian

CG = PreconditionedConjugateGradients(BlockJacobi())
GMRES = GeneralizedMinimalResidual(BlockJacobi())
FAMILY = BlockJacobi()


def coupled(A, block, seed=0, symmetric=True):
    """Several unknowns at every node of A, strongly coupled within the node."""
    rng = np.random.default_rng(seed)
    blocks = []
    for _ in range(A.shape[0]):
        B = rng.normal(size=(block, block))
        blocks.append(B @ B.T + 0.01 * np.eye(block) if symmetric else B + 3.0 * np.eye(block))
    S = rng.normal(size=(block, block)) * 0.01
    S = S @ S.T + 0.001 * np.eye(block)
    return sp.csr_array(sp.kron(A, S) + sp.block_diag(blocks))


def build(A, block=0, previous=None, door=None):
    instance = (door or Door()).admit(A, np.ones(A.shape[0]), None, rtol=1e-8, atol=0.0)
    return FAMILY.build(instance, {"block": block}, previous)


def dense(blocks):
    P = np.empty((blocks.size, blocks.size))
    for i, unit in enumerate(np.eye(blocks.size)):
        column = np.empty(blocks.size)
        blocks.apply(unit, column)
        P[:, i] = column
    return P


def expected(A, block):
    full = A.toarray()
    n = full.shape[0]
    return scipy.linalg.block_diag(*(np.linalg.inv(full[i : i + block, i : i + block]) for i in range(0, n, block)))


@pytest.mark.parametrize("block", [2, 3, 4, 5, 6])
def test_dense_blocks_are_detected(block):
    assert build(coupled(laplacian(4), block)).block == block
    assert build(coupled(laplacian(4), block, symmetric=False)).block == block


@pytest.mark.parametrize(
    "A", [laplacian(6), laplacian(12, 1), laplacian(4, 3), arrow(12), convection_diffusion(6), sp.csr_array([[2.0]])]
)
def test_scalar_problems_have_blocks_of_one(A):
    blocks = build(A)
    assert blocks.block == 1
    np.testing.assert_allclose(dense(blocks), np.diag(1.0 / A.diagonal()), rtol=1e-14)


@pytest.mark.parametrize("block", [1, 2, 3, 4, 5, 6, 7, 20, 64])
@pytest.mark.parametrize("symmetric", [True, False])
def test_inverses_are_those_of_dense_algebra(block, symmetric):
    A = coupled(laplacian(5, 1), 4, symmetric=symmetric)  # 20 unknowns: the last block may be smaller
    blocks = build(A, block)
    assert blocks.replaced == 0
    np.testing.assert_allclose(dense(blocks), expected(A, block), rtol=1e-9, atol=1e-9)


@given(definite_matrices(), st.integers(1, 8))
def test_it_is_positive_definite_where_the_matrix_is(A, block):
    P = dense(build(A, block))
    np.testing.assert_array_equal(P, P.T)
    scale = 1.0 / np.sqrt(np.diag(P))
    assert np.linalg.eigvalsh(scale[:, None] * P * scale).min() > 0.0


@given(any_matrices(), st.integers(1, 8))
def test_any_matrix_is_inverted_or_given_up(A, block):
    instance = Door().admit(A, np.ones(A.shape[0]), None, rtol=1e-8, atol=0.0)
    if not FAMILY.accepts(instance.traits):
        return
    try:
        P = dense(build(A, block))
    except Breakdown:
        assert np.min(np.abs(A.diagonal())) < 1e-307
    else:
        assert np.all(np.isfinite(P))


def test_it_saves_iterations_where_unknowns_are_coupled():
    A = coupled(laplacian(10), 3)
    b = np.random.default_rng(1).normal(size=300)
    point, *_ = solve(PreconditionedConjugateGradients(Jacobi()), A, b, rtol=1e-8)
    progress, _, instance = solve(CG, A, b, rtol=1e-8)
    assert progress.status is Status.CONVERGED
    assert instance.merit(progress.x) <= 1e-8 * (1 + 1e-4)
    assert progress.iterations <= 0.5 * point.iterations


def test_without_symmetry():
    A = coupled(convection_diffusion(8), 3, symmetric=False)
    b = np.random.default_rng(2).normal(size=192)
    progress, *_ = solve(GMRES, A, b, rtol=1e-10)
    assert progress.status is Status.CONVERGED
    np.testing.assert_allclose(progress.x, np.linalg.solve(A.toarray(), b), rtol=1e-6, atol=1e-8)


@given(definite_matrices(), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_converges_on_any_definite_matrix(A, block, seed):
    b, x0 = np.random.default_rng(seed).normal(size=(2, A.shape[0]))
    progress, _, instance = solve(CG, A, b, x0=x0, rtol=1e-9, block=block)
    assert progress.status is Status.CONVERGED
    assert instance.merit(progress.x) <= 1e-9 * (1 + 1e-3) + 10 * instance.rounding_level(x0)


def test_the_size_is_found_once_for_a_pattern_and_numbers_are_refreshed(monkeypatch):
    door = Door()
    first = build(coupled(laplacian(4), 3), door=door)
    monkeypatch.setattr(block_jacobi, "detect_block", lambda _: pytest.fail("detected again"))
    other = coupled(laplacian(4), 3, seed=5)
    again = build(other, previous=first, door=door)
    assert again is first
    np.testing.assert_allclose(dense(again), expected(other, 3), rtol=1e-8, atol=1e-8)


def test_singular_blocks_leave_their_diagonal():
    A = sp.csr_array(sp.block_diag([[[4.0, 2.0], [2.0, 1.0]], [[3.0, 1.0], [1.0, 2.0]]]))
    blocks = build(A, 2)
    assert blocks.replaced == 1
    np.testing.assert_allclose(dense(blocks)[:2, :2], np.diag([0.25, 1.0]))


def test_rows_are_exchanged_where_the_first_pivot_is_small():
    A = sp.csr_array([[1e-30, 1.0], [-1.0, 1e-30]])
    blocks = build(A, 2)
    assert blocks.replaced == 0
    np.testing.assert_allclose(dense(blocks), [[0.0, -1.0], [1.0, 0.0]], atol=1e-15)


def test_what_has_no_inverse_is_named():
    A = sp.csr_array([[5e-324, 0.0, 0.0], [0.0, 1.0, 2.0], [0.0, 0.0, 1.0]])
    with pytest.raises(Breakdown, match="unknown 0 is singular"):
        build(A, 1)


@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_scaling_changes_nothing(scale):
    A = coupled(laplacian(5, 1), 4)
    np.testing.assert_allclose(dense(build(scale * A)) * scale, dense(build(A)), rtol=1e-9)


def test_complex_blocks():
    rng = np.random.default_rng(3)
    A = sp.csr_array(rng.normal(size=(8, 8)) + 1j * rng.normal(size=(8, 8)) + 5.0 * np.eye(8))
    b = rng.normal(size=8) + 1j * rng.normal(size=8)
    progress, *_ = solve(GMRES, A, b, x0=np.zeros(8, dtype=complex), rtol=1e-10, block=4)
    assert progress.status is Status.CONVERGED
    np.testing.assert_allclose(progress.x, np.linalg.solve(A.toarray(), b), rtol=1e-7)


def test_a_dense_matrix_counts_as_blocks_of_six():
    instance = Door().admit(sp.csr_array(np.ones((12, 12)) + np.eye(12)), np.ones(12), None, rtol=1e-8, atol=0.0)
    assert detect_block(instance.pattern) == 6
