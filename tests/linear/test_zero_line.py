"""Systems with a zero row or column: singular, and solved where that can be."""

import numpy as np
import pytest
import scipy.sparse as sp

import reiterate as rt
from reiterate.linear.door import Door
from tests.matrices import laplacian


def without(A, rows=(), columns=(), *, stored=False):
    """A with these rows and columns zero, stored as such or not."""
    A = sp.coo_array(A)
    row, column = A.coords
    kept = ~(np.isin(row, rows) | np.isin(column, columns))
    if stored:
        return sp.csr_array(sp.coo_array((A.data * kept, (row, column)), shape=A.shape))
    return sp.csr_array(sp.coo_array((A.data[kept], (row[kept], column[kept])), shape=A.shape))


UNSYMMETRIC = sp.diags_array([-1.6, 4.0, -0.4], offsets=[-1, 0, 1], shape=(81, 81)).tocsr()


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(
    ("A", "rows", "columns"),
    [
        (laplacian(9), [40], [40]),
        (laplacian(9), [0, 40, 80], [0, 40, 80]),
        (laplacian(9), [40], []),
        (UNSYMMETRIC, [40], [40]),
        (UNSYMMETRIC, [40], []),
        (UNSYMMETRIC.astype(complex) * (1 + 0.5j), [40], [40]),
        (sp.diags_array(np.arange(1.0, 6.0)), [2], [2]),
    ],
    ids=["symmetric", "several", "row only", "unsymmetric", "unsymmetric row", "complex", "diagonal"],
)
def test_a_consistent_system_is_solved(A, rows, columns, stored):
    A = without(A, rows, columns, stored=stored)
    solver, rng = rt.Solver(seed=0, cost="work"), np.random.default_rng(0)
    for _ in range(4):
        b = A @ rng.normal(size=A.shape[0])
        x = solver.solve(A, b)
        assert np.linalg.norm(b - A @ x) <= 1.001e-8 * np.linalg.norm(b)


@pytest.mark.parametrize("stored", [False, True])
def test_an_inconsistent_one_is_refused(stored):
    A = without(laplacian(9), [40], [40], stored=stored)
    with pytest.raises(rt.NotConverged) as caught:
        rt.Solver(seed=0).solve(A, np.ones(81))
    assert np.isfinite(caught.value.x).all()


def test_what_is_a_zero_line():
    def found(A):
        return Door().admit(sp.csr_array(A), np.ones(A.shape[0]), None, rtol=1e-8, atol=0.0).traits.zero_line

    hollow = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 2.0], [3.0, 0.0, 0.0]])
    assert not found(hollow)
    assert not found(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert found(np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert found(np.array([[1.0, 1.0], [0.0, 0.0]]))
    assert found(np.zeros((2, 2)))
    for stored in (False, True):
        assert found(without(laplacian(4), [3], [3], stored=stored))
        assert found(without(laplacian(4), [3], stored=stored))
        assert found(without(laplacian(4), columns=[3], stored=stored))
        assert not found(without(laplacian(4), stored=stored))


@pytest.mark.parametrize("columns", [None, 2])
def test_a_row_without_an_equation_is_named_and_ends_the_search(columns):
    A = without(laplacian(9), [40], [40])
    b = np.ones(81) if columns is None else np.ones((81, columns))
    with pytest.raises(
        rt.NotConverged, match=r"^row 40 of A has no entry but zeros, and b is not zero there"
    ) as caught:
        rt.Solver(seed=0, cost="work").solve(A, b)
    assert len(caught.value.attempts) == 1
    assert "max_iterations" not in str(caught.value)
    assert "give that row an entry" in str(caught.value)


def test_as_little_as_the_tolerance_allows_may_be_there():
    A = without(laplacian(9), [40], [40])
    b = A @ np.linspace(0.0, 1.0, 81)
    b[40] = 0.5e-8 * np.linalg.norm(b)
    x = rt.Solver(seed=0, cost="work").solve(A, b)
    assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b)


def test_a_column_without_an_entry_is_named_and_no_cap_is_blamed():
    A = without(laplacian(9), [], [40])
    with pytest.raises(rt.NotConverged, match=r"^column 40 of A has no entry but zeros: the matrix is sing") as caught:
        rt.Solver(["gmres"], seed=0, max_iterations=3).solve(A, np.ones(81))
    assert "max_iterations" not in str(caught.value)


def test_a_row_of_zeros_whose_null_space_is_given_is_no_obstacle():
    A, unit = without(laplacian(9), [40], [40]), np.eye(81)[40]
    b = np.ones(81)
    x = rt.Solver(["minres"], fallback="direct", null_space=unit).solve(A, b)
    assert np.linalg.norm(b - unit - A @ x) <= 1e-8 * 9.0


def dependent_by_pattern(n=60):
    """Three rows whose only entries are in one column; no line is zero."""
    rng = np.random.default_rng(0)
    A = (sp.random_array((n, n), density=0.1, rng=rng) + 3.0 * sp.eye_array(n)).tolil()
    for i in (3, 9, 20):
        A[i, :] = 0.0
        A[i, 5] = 1.0 + i
    A = sp.csr_array(A)
    A.eliminate_zeros()
    return A


def test_where_the_pattern_proves_singularity_two_others_try_at_most():
    A, rng = dependent_by_pattern(), np.random.default_rng(1)
    solver = rt.Solver(seed=0, cost="work")
    with pytest.raises(
        rt.NotConverged, match=r"^the matrix is structurally singular: structural rank 58 of 60; "
    ) as caught:
        solver.solve(A, rng.normal(size=60))
    names = [attempt.configuration.method for attempt in caught.value.attempts]
    assert [name for name in names if not name.startswith(("direct", "factor"))] == ["bicgstab", "gmres"]
    b = A @ rng.normal(size=60)
    x = solver.solve(A, b)
    assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b)
