import numpy as np
import pytest
from hypothesis import given

from reiterate.kernels import csr, levels
from tests.matrices import arrow, definite_matrices, laplacian, unsigned


def level_of_rows(A):
    indptr, indices, _ = unsigned(A)
    position, level = np.empty(A.shape[0], np.uint32), np.empty(A.shape[0], np.uint32)
    csr.find_diagonal(indptr, indices, position)
    count = levels.find_levels(indptr, indices, position, level)
    return level, count


def test_levels_of_a_grid_are_its_antidiagonals():
    level, count = level_of_rows(laplacian(6))
    i, j = np.divmod(np.arange(36), 6)
    np.testing.assert_array_equal(level, i + j)
    assert count == 11


@pytest.mark.parametrize(("A", "count"), [(arrow(9), 2), (laplacian(9, 1), 9), (laplacian(4, 3), 10)])
def test_number_of_levels(A, count):
    assert level_of_rows(A)[1] == count


@given(definite_matrices())
def test_rows_depend_on_lower_levels_only(A):
    level, count = level_of_rows(A)
    rows = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
    below = A.indices < rows
    assert np.all(level[A.indices[below]] < level[rows[below]])
    assert count == level.max() + 1
    # No level is wasted: every row above level 0 waits for one just below it.
    for i in np.flatnonzero(level):
        neighbors = A.indices[A.indptr[i] : A.indptr[i + 1]]
        assert level[neighbors[neighbors < i]].max() == level[i] - 1


def test_counting_sort_is_stable():
    key = np.array([2, 0, 1, 0, 2, 1], np.uint32)
    order, result = np.array([5, 4, 3, 2, 1, 0], np.uint32), np.empty(6, np.uint32)
    levels.sort_by_key(key, 3, order, result, np.empty(4, np.uint32))
    np.testing.assert_array_equal(result, [3, 1, 5, 2, 4, 0])


def test_permute_gathers():
    natural, order = np.arange(5.0) * 10, np.array([3, 1, 4, 0, 2], np.uint32)
    permuted = np.empty(5)
    levels.permute(natural, order, permuted)
    np.testing.assert_array_equal(permuted, natural[order])
