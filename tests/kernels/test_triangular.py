import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from reiterate.kernels import csr, triangular
from reiterate.kernels.spmd import new_board
from reiterate.linear.pattern import Pattern
from reiterate.linear.triangular import FactorPattern, Layout
from tests.linear.factorizations import MATRICES, perturbed
from tests.matrices import definite_matrices, laplacian, unsigned


def levels_of(A):
    indptr, indices, _ = unsigned(A)
    position, level = np.empty(A.shape[0], np.uint32), np.empty(A.shape[0], np.uint32)
    csr.find_diagonal(indptr, indices, position)
    return level, triangular.find_common_levels(indptr, indices, position, level)


@given(definite_matrices(), st.floats(0.0, 0.7))
def test_rows_of_both_triangles_come_after_those_they_depend_on(A, dropped):
    N = perturbed(A, dropped=dropped)
    level, count = levels_of(N)
    rows, columns = N.tocoo().coords
    first, last = np.minimum(rows, columns), np.maximum(rows, columns)
    assert np.all(level[first[first < last]] < level[last[first < last]])
    assert count == level.max() + 1


@pytest.mark.parametrize(("A", "found"), [(laplacian(5), False), (laplacian(3, 3), False), (MATRICES["dense"], True)])
def test_grids_have_no_triangles(A, found):
    indptr, indices, _ = unsigned(A)
    pattern = Pattern(indptr, indices)
    assert triangular.has_triangles(indptr, indices, pattern.position, np.empty(A.shape[0], np.uint32)) == found


@pytest.mark.parametrize("storage", [np.float64, np.float32])
@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("dropped", [0.0, 0.4])
@pytest.mark.parametrize(("parts", "backward_by_width"), [(1, False), (1, True), (3, False), (3, True)])
def test_solves(name, dropped, storage, parts, backward_by_width, monkeypatch):
    A = perturbed(MATRICES[name], dropped=dropped)
    A.data = A.data / abs(A.data).max() / 4
    monkeypatch.setattr("reiterate.linear.schedule._WORTH_SPLITTING", 0.0)
    layout = Layout(FactorPattern.of(Pattern(A.indptr, A.indices)), parts, backward_by_width=backward_by_width)
    values = np.empty(layout.columns.size, storage)
    triangular.gather_entries(A.data, layout.source, 1.0, values)
    n = A.shape[0]
    r, inverse = np.random.default_rng(0).uniform(1, 2, size=(2, n))
    y, z = np.full(n, np.nan), np.empty(n)
    triangular.forward_solve(*layout.lower(values), layout.order, r, y)
    tolerance = 1e-11 if storage is np.float64 else 1e-5
    forward = np.linalg.solve(np.eye(n) + np.tril(A.toarray(), -1), r)
    np.testing.assert_allclose(y[layout.rank], forward, rtol=tolerance)
    expected = np.linalg.solve(np.eye(n) + np.triu(A.toarray(), 1), inverse[layout.rank] * forward)
    y[:] = np.nan
    triangles = *layout.lower(values), *layout.upper(values)
    triangular.solve(*triangles, layout.upper_rows, layout.order, inverse, r, y, z, new_board(1), 0)
    np.testing.assert_allclose(z, expected, rtol=tolerance, atol=tolerance)


@given(definite_matrices())
def test_an_upper_triangle_is_reflected(A):
    U, n = sp.csr_array(sp.triu(A, 1)), A.shape[0]
    indptr, position = np.empty(n + 1, np.uint32), np.empty(n, np.uint32)
    indices = np.empty(n + 2 * U.nnz, np.uint32)
    triangular.reflect(*unsigned(U)[:2], indptr, indices, position)
    np.testing.assert_array_equal(indptr, A.indptr)
    np.testing.assert_array_equal(indices, A.indices)
    np.testing.assert_array_equal(indices[position], np.arange(n))


def test_entries_are_located_in_another_pattern():
    inner = sp.csr_array([[1.0, 0, 2], [0, 3, 0], [4, 0, 5]])
    outer = sp.csr_array(np.ones((3, 3)))
    for one, other, expected in (
        (outer, inner, [0, -1, 1, -1, 2, -1, 3, -1, 4]),
        (inner, outer, [0, 2, 4, 6, 8]),
    ):
        place = np.empty(one.nnz, np.uint32)
        triangular.locate_entries(*unsigned(one)[:2], *unsigned(other)[:2], place)
        np.testing.assert_array_equal(place.view(np.int32), expected)
