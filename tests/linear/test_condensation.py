"""Rows and columns that determine their unknowns are eliminated where the rest is symmetric then."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import reiterate as rt
from reiterate.linear.condensed import CondensedBlock, CondensedInstance
from reiterate.linear.door import Door
from tests.matrices import laplacian


def prescribed(A, given, *, by_rows=True, diagonal=1.0, keep_zeros=False):
    """A with the rows, or columns, of the unknowns ``given`` replaced by those of a diagonal matrix."""
    A = sp.coo_array(A)
    there = np.isin(A.row if by_rows else A.col, given)
    data = A.data.copy()
    data[there] = 0.0
    data[there & (A.row == A.col)] = diagonal
    kept = np.ones(data.size, dtype=bool) if keep_zeros else data != 0.0
    return sp.csr_array((data[kept], (A.row[kept], A.col[kept])), shape=A.shape)


def admit(A, b=None, door=None, **tolerances):
    b = np.ones(A.shape[0]) if b is None else b
    return (door or Door(condenses=True)).admit(A, b, None, **{"rtol": 1e-10, "atol": 0.0, **tolerances})


@st.composite
def systems(draw):
    """A nonsymmetric A, which unknowns to eliminate from it, and a generator."""
    n = draw(st.integers(3, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["real", "symmetric", "hermitian"]))
    half = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.5)
    if kind != "real":
        half = half + 1j * rng.normal(size=(n, n)) * (half != 0.0)
    A = half + (half.conj().T if kind == "hermitian" else half.T)
    np.fill_diagonal(A, (2.0 + np.abs(A).sum(axis=1)) * draw(st.sampled_from([1.0, -1.0])))
    given = rng.choice(n, size=draw(st.integers(1, n - 1)), replace=False)
    by_rows, keep_zeros = draw(st.booleans()), draw(st.booleans())
    diagonal = draw(st.sampled_from([1.0, -3.0, 1e-5, 1e6]))
    matrix = prescribed(A, given, by_rows=by_rows, diagonal=diagonal, keep_zeros=keep_zeros)
    return matrix, given, rng


@given(systems(), st.integers(0, 3), st.booleans())
def test_solutions_are_those_of_dense_algebra(system, columns, start):
    A, _, rng = system
    shape = (A.shape[0], columns) if columns else (A.shape[0],)
    x = rng.normal(size=shape)
    if A.dtype.kind == "c":
        x = x + 1j * rng.normal(size=shape)
    b = A @ x
    before = A.data.copy(), b.copy()
    solver = rt.Solver(rtol=1e-10, cost="work", seed=0)
    for factor in (1.0, 2.0):
        found = solver.solve(A, factor * b, x0=rng.normal(size=shape).astype(b.dtype) if start else None)
        assert found.shape == shape
        residual = np.linalg.norm(factor * b - A.toarray() @ found, axis=0)
        assert np.all(residual <= 1e-10 * np.linalg.norm(factor * b, axis=0) * (1 + 1e-6))
        assert np.allclose(found, factor * x, rtol=1e-4, atol=1e-4)
    assert np.array_equal(A.data, before[0])
    assert np.array_equal(b, before[1])


@given(systems())
def test_what_is_left_is_symmetric_and_smaller(system):
    A, chosen, rng = system
    dense = A.toarray()
    instance = admit(A, np.ones(A.shape[0], dtype=A.dtype))
    rest = np.delete(np.delete(dense, chosen, axis=0), chosen, axis=1)
    symmetric = np.array_equal(dense, dense.T) or np.array_equal(dense, dense.conj().T)
    condensed = not symmetric and np.count_nonzero(rest) > len(rest)
    assert isinstance(instance, CondensedInstance) == condensed
    if not condensed:
        return
    assert instance.traits.symmetric or instance.traits.hermitian
    assert instance.b.size <= A.shape[0] - chosen.size
    y = rng.normal(size=instance.b.size).astype(A.dtype)
    b, x = np.ones(A.shape[0]), instance.complete(y)
    size = np.linalg.norm(b - dense @ x)
    assert instance.merit(y) == pytest.approx(size / np.linalg.norm(b), rel=1e-9)
    # What is iterated on has the same residual.
    assert np.linalg.norm(instance.b - instance.A @ y) == pytest.approx(size, rel=1e-6)
    assert np.array_equal(instance.restrict(x), y)


@pytest.mark.parametrize("by_rows", [True, False])
@pytest.mark.parametrize("keep_zeros", [True, False])
def test_methods_and_iterations_are_those_of_the_eliminated_system(by_rows, keep_zeros):
    """As FiPy's constraints and pyMOR's discretizers leave them: some rows are those of a diagonal matrix."""
    n, rng = 20, np.random.default_rng(1)
    L = laplacian(n)
    boundary = np.flatnonzero((np.arange(n * n) % n == 0) | (np.arange(n * n) < n))
    left = np.setdiff1d(np.arange(n * n), boundary)
    A = prescribed(L, boundary, by_rows=by_rows, keep_zeros=keep_zeros)
    b = rng.normal(size=n * n)
    whole, part = (rt.Solver(cost="work", seed=0) for _ in range(2))
    for step in range(6):
        c = b * (1.0 + 0.1 * step)
        x = whole.solve(A, c)
        values = c[boundary]
        rest = c[left] - L[left][:, boundary] @ values if by_rows else c[left]
        y = part.solve(L[left][:, left], rest, rtol=0.0, atol=1e-8 * float(np.linalg.norm(c)))
        assert whole.last.configuration == part.last.configuration
        assert abs(whole.last.iterations - part.last.iterations) <= 1
        assert np.allclose(x[left], y, rtol=0, atol=1e-6)
    assert "eliminated" in whole.summary()
    assert rt.Solver(methods=["cg"], fallback=None).solve(A, b).shape == b.shape


def test_negative_definite_rest():
    A = prescribed(-laplacian(8), [0, 5, 9])
    instance = admit(A)
    assert isinstance(instance, CondensedInstance)
    assert instance.traits.negated
    assert instance.traits.maybe_definite


def test_numbers_change_and_rows_come_and_go():
    L, door = laplacian(7), Door(condenses=True)
    n = L.shape[0]
    seen = []
    for chosen in ([0, 1], [0, 1], [0, 1, 30], [], [5], [5]):
        for factor in (1.0, 2.0):
            A = prescribed(factor * L, chosen, keep_zeros=True, diagonal=3.0) if chosen else sp.csr_array(factor * L)
            instance = admit(A, np.ones(n), door)
            y = np.linalg.solve(A.toarray(), np.ones(n))
            assert instance.merit(instance.restrict(y)) < 1e-12
            seen.append(instance.b.size)
    assert seen == [n - 2] * 4 + [n - 3] * 2 + [n] * 2 + [n - 1] * 4


def test_versions_are_those_of_the_whole_matrix():
    A, door = prescribed(laplacian(6), [0, 7]), Door(condenses=True)
    first = admit(A, door=door)
    again = admit(A.copy(), door=door)
    assert first.version == again.version
    assert first.pattern is again.pattern
    assert first.data is again.data
    changed = admit(2.0 * A, door=door)
    assert changed.version != first.version
    assert changed.pattern is first.pattern
    back = admit(A, door=door)
    assert back.version == first.version
    assert np.array_equal(back.data, first.data)


@pytest.mark.parametrize(
    "A",
    [
        laplacian(5),
        sp.csr_array(np.diag([1.0, 2.0, 3.0])),
        sp.csr_array(np.array([[1.0, 2.0], [0.0, 1.0]])),  # what is left is diagonal
        sp.csr_array(np.array([[1.0, 0.0, 0.0], [5.0, 4.0, 1.0], [0.0, 2.0, 4.0]])),  # what is left is nonsymmetric
        sp.csr_array(np.array([[0.0, 0.0, 0.0], [5.0, 4.0, 1.0], [0.0, 1.0, 4.0]])),  # a zero row
        sp.csr_array(np.array([[1e-310, 0.0, 0.0], [5.0, 4.0, 1.0], [0.0, 1.0, 4.0]])),  # its inverse overflows
        sp.csr_array(np.array([[1.0, 0.0, 0.0], [5.0, 1.0, -1.0], [0.0, -1.0, 1.0]])),  # what is left is singular
        sp.csr_array(np.array([[1.0, 0.0, 0.0], [5.0, 0.0, 0.0], [1.0, 0.0, 1.0]])),  # a zero column
    ],
    ids=["symmetric", "diagonal", "triangular", "convection", "zero row", "subnormal", "singular rest", "zero column"],
)
def test_left_to_the_usual_path(A):
    instance = admit(A)
    assert not isinstance(instance, CondensedInstance)
    assert instance.b.size == A.shape[0]


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_systems_that_have_to_be_scaled_are_not_condensed(size):
    A = prescribed(laplacian(5), [3, 4])
    x = rt.Solver(rtol=1e-10).solve(A, np.full(25, size))
    assert np.allclose(A @ (x / size), 1.0, rtol=0, atol=1e-8)
    X = rt.Solver(rtol=1e-10).solve(A, np.stack((np.full(25, size), np.ones(25)), axis=1))
    assert np.allclose(A @ (X[:, 0] / size), 1.0, rtol=0, atol=1e-8)


@pytest.mark.parametrize("place", ["given", "coupling", "left"])
def test_what_is_not_finite_is_refused_by_its_own_row(place):
    A = prescribed(laplacian(5), [12])
    row, column = {"given": (12, 12), "coupling": (11, 12), "left": (17, 18)}[place]
    solver = rt.Solver()
    solver.solve(A, np.ones(25))
    A = A.copy()
    A[row, column] = np.inf
    with pytest.raises(rt.InvalidInput, match=rf"\({row}, {column}\)"):
        solver.solve(A, np.ones(25))


def test_only_solvers_condense():
    """Who iterates himself, or preconditions, has vectors of all unknowns."""
    A = prescribed(laplacian(5), [12])
    assert admit(A, door=Door()).b.size == 25


def test_a_given_null_space_leaves_the_matrix_whole():
    A = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, -1.0], [0.0, -1.0, 1.0]])
    x = rt.solve(sp.csr_array(A), np.array([1.0, 2.0, -2.0]), null_space=np.array([0.0, 1.0, 1.0]))
    assert np.allclose(A @ x, [1.0, 2.0, -2.0])


def test_blocks_with_zero_columns_and_complex_right_hand_sides():
    A = prescribed(laplacian(6), [0, 1, 2, 20], diagonal=2.0)
    n, rng = A.shape[0], np.random.default_rng(0)
    only_given = np.zeros(n)
    only_given[20] = 3.0
    far = np.zeros(n)
    far[0] = 1.0
    B = np.stack((np.zeros(n), only_given, rng.normal(size=n), far), axis=1)
    solver = rt.Solver(rtol=1e-11)
    for start in (None, rng.normal(size=B.shape)):
        X = solver.solve(A, B, start)
        assert np.allclose(A @ X, B, rtol=0, atol=1e-9)
        assert not X[:, 0].any()
    Z = B + 1j * rng.normal(size=B.shape)
    assert np.allclose(A @ solver.solve(A, Z), Z, rtol=0, atol=1e-9)
    z = Z[:, 1]
    assert np.allclose(A @ solver.solve(A, z), z, rtol=0, atol=1e-9)
    block = Door(condenses=True).admit_block(A, B, None, rtol=1e-8, atol=0.0)
    assert isinstance(block.instance, CondensedBlock)


@pytest.mark.parametrize("width", [1, 4, 8])
def test_only_given_values_are_not_zero_where_they_couple_to_nothing(width):
    """What is left of the right-hand side is zero then, but that of the caller is not."""
    A = sp.block_diag((laplacian(4), sp.csr_array([[2.0, 0.0], [0.0, 2.0]])), format="lil")
    A[0, 16] = 1.0
    b = np.zeros((18, width))
    b[17] = 1.0
    X = rt.solve(A.tocsr(), b)
    assert np.array_equal(X, b / 2.0)


def test_the_error_has_all_unknowns():
    A = prescribed(laplacian(12), np.arange(12))
    b = np.random.default_rng(0).normal(size=144)
    solver = rt.Solver(methods=["cg"], fallback=None, max_iterations=2)
    with pytest.raises(rt.NotConverged) as caught:
        solver.solve(A, b)
    x = caught.value.x
    assert x.shape == b.shape
    assert np.linalg.norm(b - A @ x) / np.linalg.norm(b) == pytest.approx(caught.value.merit)
    with pytest.raises(rt.NotConverged) as caught:
        solver.solve(A, np.stack((b, 2.0 * b), axis=1))
    assert caught.value.x.shape == (144, 2)


def test_single_precision_dense_and_other_formats():
    A = prescribed(laplacian(6), [0, 3]).astype(np.float32)
    for matrix in (A, A.tocsc(), A.tocoo(), A.toarray()):
        x = rt.solve(matrix, np.ones(36, dtype=np.float32), rtol=1e-10)
        assert x.dtype == np.float64
        assert np.allclose(A.toarray().astype(float) @ x, 1.0, rtol=0, atol=1e-9)


def test_the_report_looks_at_condensed_systems(tmp_path):
    A, b = prescribed(laplacian(12), np.arange(12)), np.ones(144)
    solver = rt.Solver(methods=["cg"])
    for factor in (1.0, 2.0, 3.0):
        solver.solve(A, factor * b)
    A.data[:] = 1.0  # what was condensed was copied
    assert solver.report(tmp_path / "report.html").exists()


def test_looks_become_rare_where_nothing_is_found(monkeypatch):
    from reiterate.linear import known_matrices

    looks = []
    real = known_matrices.condensations
    monkeypatch.setattr(known_matrices, "condensations", lambda *args: looks.append(1) or real(*args))
    A, door = laplacian(6).tolil(), Door(condenses=True)
    A[3, 4] = -2.0
    A = A.tocsr()
    for step in range(1, 17):
        admit(step * A, door=door)
    assert len(looks) == 5
