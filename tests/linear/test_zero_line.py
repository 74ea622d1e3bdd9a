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
