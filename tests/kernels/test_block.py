"""Products with blocks, and lock-step conjugate gradients, against dense algebra and the kernels for one column."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.kernels import block, cg, codes, lanes
from reiterate.linear import team
from reiterate.linear.pattern import Pattern
from tests.matrices import arrow, laplacian, unsigned


def begin(A, X, B):
    """The arrays of :func:`block.advance` after the matrix."""
    inverse = 1.0 / A.diagonal()
    R = B - A @ X
    P = inverse[:, None] * R
    width = B.shape[1]
    alpha, beta, next_weighted = np.zeros((3, width))
    squares, weighted = (R * R).sum(axis=0), (R * P).sum(axis=0)
    thresholds, code = np.zeros(width), np.zeros(width, dtype=np.int64)
    return [inverse, X, R, P, np.empty_like(R), alpha, beta, squares, weighted, next_weighted, thresholds, code]


LANES = {4: lanes.FOUR, 8: lanes.EIGHT}


@given(
    size=st.sampled_from([1, 2, 63, 64, 65, 200]),
    width=st.sampled_from([4, 8]),
    density=st.floats(0.0, 0.3),
    seed=st.integers(0, 1000),
)
@settings(max_examples=50, deadline=None)
def test_products_are_those_of_dense_algebra(size, width, density, seed):
    rng = np.random.default_rng(seed)
    A = sp.csr_array(sp.random_array((size, size), density=density, rng=rng, format="csr"))
    X, Y, dots = rng.normal(size=(size, width)), np.full((size, width), np.nan), np.full(width, np.nan)
    block.product_dots(*unsigned(A), X, Y, dots, LANES[width])
    np.testing.assert_allclose(Y, A.toarray() @ X, atol=1e-13 * (size + 1))
    np.testing.assert_allclose(dots, (X * Y).sum(axis=0), atol=1e-12 * (size + 1))


@pytest.mark.parametrize("A", [laplacian(9), arrow(70)], ids=["grid", "arrow"])
def test_iterates_are_those_of_single_columns_and_segments_change_no_bit(A):
    n, rng = A.shape[0], np.random.default_rng(0)
    X, B = rng.normal(size=(2, n, 8))
    once, twice = begin(A, X.copy(), B), begin(A, X.copy(), B)
    assert block.advance(*unsigned(A), *once, 10, lanes.EIGHT) == 10
    for _ in range(2):
        assert block.advance(*unsigned(A), *twice, 5, lanes.EIGHT) == 5
    np.testing.assert_array_equal(once[1], twice[1])
    for j in range(8):
        x, r, p, q = X[:, j].copy(), *np.empty((3, n))
        scalars = cg.jacobi_cg_start(*unsigned(A), B[:, j].copy(), x, once[0], r, p)
        shared = Pattern(*unsigned(A)[:2]).row_bounds(1), team.partial_sums(1), np.zeros((1, 2))
        team.call(1, cg.jacobi_cg_advance, *unsigned(A), once[0], x, r, p, q, *scalars, 0.0, 10, *shared)
        np.testing.assert_allclose(once[1][:, j], x, rtol=1e-10, atol=1e-10)


def test_it_returns_as_soon_as_a_column_arrives_and_lets_it_rest():
    A, rng = laplacian(6), np.random.default_rng(1)
    B = rng.normal(size=(36, 4))
    B[:, 2] = np.linalg.eigh(A.toarray())[1][:, 0]
    state = begin(A, np.zeros_like(B), B)
    state[-2][:] = 1e-16
    assert block.advance(*unsigned(A), *state, 100, lanes.FOUR) == 1
    np.testing.assert_array_equal(state[-1], [codes.RUNNING, codes.RUNNING, codes.CONVERGED, codes.RUNNING])
    rested = state[1][:, 2].copy()
    assert block.advance(*unsigned(A), *state, 100, lanes.FOUR) < 100
    assert codes.CONVERGED in state[-1][[0, 1, 3]]
    np.testing.assert_array_equal(state[1][:, 2], rested)
    np.testing.assert_allclose(A @ rested, B[:, 2], atol=1e-8)


@pytest.mark.parametrize(
    ("sign", "size", "expected"), [(-1.0, 1.0, codes.NOT_DEFINITE), (1.0, 1e200, codes.NOT_FINITE)]
)
def test_breakdowns_have_names_and_leave_finite_iterates(sign, size, expected):
    A = laplacian(4)
    B = np.ones((16, 4))
    B[:, 1] *= size
    with np.errstate(over="ignore"):
        state = begin(A, np.zeros_like(B), B)
    A.data *= sign
    for _ in range(4):
        if state[-1][1] == codes.RUNNING:
            block.advance(*unsigned(A), *state, 50, lanes.FOUR)
    assert state[-1][1] == expected
    assert np.isfinite(state[1]).all()


def test_what_becomes_of_one_column_changes_no_bit_of_another():
    A, rng = laplacian(6), np.random.default_rng(2)
    B = rng.normal(size=(36, 4))
    alone = begin(A, np.zeros_like(B), B)
    block.advance(*unsigned(A), *alone, 8, lanes.FOUR)
    B[:, 1] *= 1e200
    with np.errstate(over="ignore"):
        state = begin(A, np.zeros_like(B), B)
    made = 0
    while made < 8:
        made += block.advance(*unsigned(A), *state, 8 - made, lanes.FOUR)
    assert state[-1][1] == codes.NOT_FINITE
    for c in (0, 2, 3):
        np.testing.assert_array_equal(state[1][:, c], alone[1][:, c])
