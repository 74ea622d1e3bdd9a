"""Singular systems whose null space is known: against the pseudoinverse, and refusals by name."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

import reiterate as rt
from reiterate.linear.door import Door
from reiterate.linear.null_space import Spanned
from reiterate.linear.portfolio import METHODS
from tests.matrices import laplacian

METHODS_HERE = [
    name for name in METHODS if name not in ("pardiso", "cholmod") and not name.endswith("cocr")
]  # those that every machine has, for real matrices


def neumann(m):
    A = laplacian(m)
    return sp.csr_array(A - sp.diags_array(np.asarray(A.sum(axis=1)).ravel()))


def truss(m):
    """A free plane truss on an m × m grid of joints with diagonal bars, and its rigid-body modes."""
    x, y = (axis.ravel().astype(float) for axis in np.meshgrid(np.arange(m), np.arange(m)))
    bars = []
    for a in range(x.size):
        for b in range(a + 1, x.size):
            d = np.array([x[b] - x[a], y[b] - y[a]])
            if abs(d).max() <= 1.0:
                d /= np.linalg.norm(d)
                bar = np.zeros((x.size, 2))
                bar[a], bar[b] = -d, d
                bars.append(bar.ravel())
    D = sp.csr_array(np.array(bars))
    modes = np.zeros((x.size, 2, 3))
    modes[:, 0, 0] = modes[:, 1, 1] = 1.0
    modes[:, 0, 2], modes[:, 1, 2] = -y, x
    return sp.csr_array(D.T @ D), modes.reshape(-1, 3)


def enclosed_flow(n=20, pressures=6):
    """A saddle point system whose pressure is known up to a constant; nothing is stored on its second diagonal."""
    B = np.random.default_rng(3).normal(size=(n, pressures))
    B -= B.mean(axis=1, keepdims=True)
    A = sp.block_array([[sp.csr_array(np.diag(np.arange(2.0, n + 2.0))), sp.csr_array(B)], [sp.csr_array(B.T), None]])
    return sp.csr_array(A), np.concatenate([np.zeros(n), np.ones(pressures)])


def convection(n=20):
    """Zero row sums, but not zero column sums."""
    T = sp.diags_array([-1.7, 2.0, -0.3], offsets=[-1, 0, 1], shape=(n, n)).tocsr()
    return sp.csr_array(T - sp.diags_array(np.asarray(T.sum(axis=1)).ravel()))


def shortest(A, b):
    return np.linalg.pinv(A.toarray(), rcond=1e-12) @ b


def assert_shortest(A, b, x, tolerance=1e-6):
    expected = shortest(A, b)
    assert np.linalg.norm(x - expected) <= tolerance * np.linalg.norm(expected)


def rhs(A, seed=0):
    return np.random.default_rng(seed).normal(size=A.shape[0])


@pytest.mark.parametrize("method", METHODS_HERE)
def test_every_method_finds_the_shortest_displacement_of_a_free_body(method):
    K, modes = truss(4)
    x = rt.Solver([method], fallback=None, null_space=modes, seed=0).solve(K, rhs(K))
    assert_shortest(K, rhs(K), x)
    assert np.abs(modes.T @ x).max() <= 1e-12 * np.linalg.norm(modes) * np.linalg.norm(x)


@pytest.mark.parametrize("factor", [1.0, 1e150, 1e-150, -1.0])
def test_any_basis_will_do_at_any_scale(factor):
    K, modes = truss(4)
    K = factor * K
    b = factor * rhs(K)
    redundant = np.column_stack([modes @ np.array([[1.0, 2.0, 0.0], [0.0, 1e8, 1.0], [3.0, 0.0, -1.0]]), modes[:, 0]])
    x = rt.Solver(null_space=redundant, seed=0).solve(K, b)
    assert_shortest(K / factor, b / factor, x)


def test_a_vector_is_one_column_and_lists_are_arrays():
    A, b = neumann(5), rhs(neumann(5))
    for ones in (np.ones(25), [3] * 25, np.ones((25, 1))):
        assert_shortest(A, b, rt.Solver(null_space=ones).solve(A, b))


@pytest.mark.parametrize("method", ["direct", "rslab", "superlu", "minres", None])
def test_no_diagonal_where_it_has_to_be_pinned(method):
    A, z = enclosed_flow()
    solver = rt.Solver(
        None if method is None else [method], fallback="direct" if method is None else None, null_space=z
    )
    for factor in (1.0, 2.0):
        assert_shortest(factor * A, rhs(A), solver.solve(factor * A, rhs(A)))


@pytest.mark.parametrize("method", ["direct", "rslab", "superlu", "gmres", "ilu_bicgstab", None])
def test_the_left_null_space_of_a_nonsymmetric_matrix(method):
    A, b = convection(), rhs(convection())
    left = np.linalg.svd(A.toarray())[0][:, -1]
    fallback = "direct" if method is None else None
    x = rt.Solver(None if method is None else [method], fallback=fallback, null_space=(np.ones(20), left)).solve(A, b)
    assert_shortest(A, b, x)
    for null_space in ("constant", np.ones(20)):
        with pytest.raises(rt.InvalidInput, match="null space of the adjoint"):
            rt.Solver(null_space=null_space).solve(A, b)


def test_rows_and_columns_to_pin_may_have_nothing_in_common():
    A = sp.csr_array(np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 1.0], [1.0, 0.0, 3.0]]))
    Z, W = np.eye(3)[1], np.eye(3)[0]
    assert [int(pin[0]) for pin in Spanned(Z[None], W[None]).pins] == [0, 1]
    for method in ("direct", "superlu", "rslab"):
        x = rt.Solver([method], fallback=None, null_space=(Z, W)).solve(A, np.array([5.0, 1.0, 2.0]))
        np.testing.assert_allclose(A @ x, [0.0, 1.0, 2.0], atol=1e-9)
        assert abs(x[1]) <= 1e-12


@pytest.mark.parametrize("kind", ["symmetric", "hermitian"])
def test_complex_matrices(kind):
    rng = np.random.default_rng(5)
    G = rng.normal(size=(12, 9)) + 1j * rng.normal(size=(12, 9))
    A = sp.csr_array(G @ (G.T if kind == "symmetric" else G.conj().T))
    Z = np.linalg.svd(A.toarray())[2][9:].conj().T
    b = rng.normal(size=12) + 1j * rng.normal(size=12)
    for method in ("direct", "gmres"):
        x = rt.Solver([method], fallback=None, null_space=Z, rtol=1e-10).solve(A, b)
        assert_shortest(A, b, x)


def test_complex_vectors_for_a_real_matrix():
    A, b = neumann(5), rhs(neumann(5))
    assert_shortest(A, b, rt.Solver(null_space=np.ones(25) * (1 + 2j)).solve(A, b))
    x = rt.Solver(null_space=np.ones(25)).solve(A, b * (1 + 1j))
    assert_shortest(A, b * (1 + 1j), x)


def test_columns_of_b():
    K, modes = truss(4)
    B = np.random.default_rng(2).normal(size=(32, 3))
    for method in ("jacobi_cg", "direct", "ilu_gmres"):
        X = rt.Solver([method], fallback=None, null_space=modes).solve(K, B)
        for j in range(3):
            assert_shortest(K, B[:, j], X[:, j])


@pytest.mark.parametrize("make", [lambda: -neumann(5), lambda: sp.csr_array(sp.block_diag([neumann(3), -neumann(4)]))])
def test_constants_of_matrices_that_are_not_positive(make):
    A, b = make(), rhs(make())
    assert_shortest(A, b, rt.Solver(null_space="constant").solve(A, b))
    consistent = A @ rhs(A, 7)
    assert_shortest(A, consistent, rt.Solver().solve(A, consistent))
    with pytest.raises(rt.InvalidInput, match="A 1 = 0"):
        rt.Solver().solve(A, b + 1.0)


def test_constants_of_a_circulation():
    n = 16
    A = sp.csr_array(sp.eye_array(n) - sp.csr_array(np.roll(np.eye(n), 1, axis=0)))
    assert_shortest(A, rhs(A), rt.Solver(null_space="constant").solve(A, rhs(A)))


def test_constants_that_are_not_in_the_null_space_are_refused():
    for A in (laplacian(4), convection(16).T.tocsr()):
        with pytest.raises(rt.InvalidInput, match=r"null_space: 'constant': A 1 is not zero: .* it is \d.*leave"):
            rt.Solver(null_space="constant").solve(A, rhs(A))


def joined_by_zeros():
    blocks = sp.coo_array(sp.block_diag([neumann(5), neumann(4)]))
    rows, columns = (np.append(index, ends) for index, ends in zip(blocks.coords, ([0, 40], [40, 0]), strict=True))
    return sp.csr_array((np.append(blocks.data, [0.0, 0.0]), (rows, columns)), shape=(41, 41))


def test_zeros_that_are_stored_do_not_connect():
    A, b = joined_by_zeros(), rhs(joined_by_zeros())
    assert A.nnz > sp.block_diag([neumann(5), neumann(4)]).nnz
    for method in ("jacobi_cg", "direct", "minres"):
        assert_shortest(A, b, rt.Solver([method], fallback=None, null_space="constant").solve(A, b))
    with pytest.raises(rt.InvalidInput, match="A 1 = 0"):
        rt.Solver().solve(A, np.concatenate([np.full(25, 16.0), np.full(16, -25.0)]))


def test_indicators_of_parts():
    A = sp.csr_array(sp.block_diag([neumann(4), neumann(3), neumann(5)]))
    b = rhs(A)
    parts = np.repeat(np.eye(3), [16, 9, 25], axis=0)
    for null_space in (parts, "constant", np.ones(50), parts @ rhs(np.eye(3))):
        assert_shortest(A, b, rt.Solver(null_space=null_space).solve(A, b))


def test_what_is_missing_from_the_null_space_is_named():
    A = sp.csr_array(sp.block_diag([neumann(4), truss(3)[0]]))
    modes = np.vstack([np.zeros((16, 3)), truss(3)[1]])
    b = rhs(A)
    assert_shortest(A, b, rt.Solver(null_space=np.column_stack([np.repeat([1.0, 0.0], [16, 18]), modes])).solve(A, b))
    with pytest.raises(rt.InvalidInput, match="2 connected parts to zero"):
        rt.Solver(null_space=modes).solve(A, b)


def test_operators():
    A, b = neumann(5), rhs(neumann(5))
    for null_space in ("constant", np.ones(25)):
        x = rt.Solver(["minres", "gmres"], fallback=None, null_space=null_space).solve(aslinearoperator(A), b)
        assert_shortest(A, b, x)
    with pytest.raises(rt.InvalidInput, match="A Z is not zero"):
        rt.Solver(null_space=np.arange(25.0)).solve(aslinearoperator(A), b)
    with pytest.raises(rt.InvalidInput, match="adjoint"):
        rt.Solver(null_space=np.ones(20)).solve(aslinearoperator(convection()), rhs(convection()))


@pytest.mark.parametrize(
    ("null_space", "words"),
    [
        ("constants", "pass 'constant'"),
        (3, "no array of numbers"),
        ({}, "no array of numbers"),
        (["a"] * 16, "no array of numbers"),
        (np.ones((2, 2, 2)), "no array of numbers"),
        (np.zeros(16), "a column of zeros"),
        (np.eye(16), "as many columns as rows"),
        (np.full(16, np.nan), "not finite"),
        (np.ones(9), "has 9 rows; A has 16"),
        ((np.ones(16),), "a tuple of 1"),
        ((np.ones(16), np.eye(16)[:, :2]), "same dimension"),
        (np.arange(16.0), r"A Z is not zero: relative to the entries of A it is \d"),
    ],
)
def test_what_is_no_null_space_is_refused(null_space, words):
    with pytest.raises(rt.InvalidInput, match=f"null_space: .*{words}"):
        rt.Solver(null_space=null_space).solve(neumann(4), rhs(neumann(4)))


def test_a_small_part_that_is_regular_is_not_overlooked():
    A = sp.csr_array(sp.block_diag([1e12 * neumann(4), 1e-3 * laplacian(3)]))
    with pytest.raises(rt.InvalidInput, match="is not zero"):
        rt.Solver(null_space=np.ones(25)).solve(A, rhs(A))


def test_a_right_hand_side_outside_the_range_has_the_solution_zero():
    A = neumann(5)
    for null_space in ("constant", np.ones(25)):
        np.testing.assert_array_equal(rt.Solver(null_space=null_space).solve(A, np.full(25, 0.1)), np.zeros(25))


def test_a_stream_is_checked_matrix_by_matrix_and_factors_are_refreshed():
    A, z = enclosed_flow()
    door = Door(z)
    twins = [door.admit(k * A, rhs(A), None, rtol=1e-8, atol=0.0).pinned() for k in (1.0, 2.0)]
    assert twins[0].pattern is twins[1].pattern
    assert np.linalg.cond(twins[1].A.toarray()) < 1e8
    with pytest.raises(rt.InvalidInput, match="is not zero"):
        door.admit(A + sp.eye_array(26), rhs(A), None, rtol=1e-8, atol=0.0)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 15), st.integers(1, 4), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
def test_pinned_matrices_have_the_solutions_of_the_singular_ones(n, k, is_complex, symmetric, seed):
    rng = np.random.default_rng(seed)
    k = min(k, n - 1)
    G, H = rng.normal(size=(2, n, n - k)) + (1j * rng.normal(size=(2, n, n - k)) if is_complex else 0.0)
    dense = G @ (G.T if symmetric else H.T)
    Z = np.linalg.svd(dense)[2][n - k :].conj().T
    W = np.linalg.svd(dense)[0][:, n - k :]
    A, b = sp.csr_array(dense), dense @ rng.normal(size=n)
    instance = Door((Z, W)).admit(A, b, None, rtol=1e-8, atol=0.0)
    twin = instance.pinned()
    condition = np.linalg.cond(twin.A.toarray())
    x = np.linalg.solve(twin.A.toarray(), b)
    assert np.linalg.norm(b - A @ x) <= 1e-13 * condition * np.linalg.norm(b)
    assert twin.traits.symmetric <= bool(np.allclose(twin.A.toarray(), twin.A.toarray().T))
    x = instance.normalize(x)
    assert np.abs(Z.conj().T @ x).max() <= 1e-12 * max(np.linalg.norm(x), 1.0)
