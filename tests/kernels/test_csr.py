import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from reiterate.kernels import csr, spmd
from reiterate.linear.row_groups import RowGroups
from tests.matrices import arrow, definite_matrices, laplacian, unsigned


@given(definite_matrices(), st.integers(0, 2**32 - 1))
def test_products_equal_dense_algebra(A, seed):
    rng = np.random.default_rng(seed)
    x, b = rng.normal(size=A.shape[0]), rng.normal(size=A.shape[0])
    y, r, z = (np.empty_like(x) for _ in range(3))
    csr.matvec(*unsigned(A), x, y)
    np.testing.assert_allclose(y, A.toarray() @ x, rtol=1e-12, atol=1e-12)
    assert csr.matvec_dot(*unsigned(A), x, z) == pytest.approx(x @ y, rel=1e-9, abs=1e-12)
    np.testing.assert_array_equal(z, y)
    square = csr.residual(*unsigned(A), x, b, r)
    np.testing.assert_allclose(r, b - A.toarray() @ x, rtol=1e-12, atol=1e-12)
    assert square == pytest.approx(r @ r)


@pytest.mark.parametrize("imaginary", [0.0, 1.0])
def test_residuals_agree_bit_for_bit(imaginary):
    rng = np.random.default_rng(0)
    A = sp.random_array((800, 800), density=0.01, rng=rng, format="csr")
    A.data = A.data + imaginary * 1j * rng.normal(size=A.nnz) if imaginary else A.data
    A.sort_indices()
    b, x, y = (rng.normal(size=800).astype(A.dtype) for _ in range(3))
    r, s, t, u = (np.empty_like(b) for _ in range(4))
    square = csr.residual(*unsigned(A), x, b, r)
    np.testing.assert_allclose(r, b - A @ x, atol=1e-12)
    csr.recompute_residual(*unsigned(A), x, b, s)
    np.testing.assert_array_equal(s, r)
    assert csr.two_residuals(*unsigned(A), x, y, b, s, t) == (square, csr.residual(*unsigned(A), y, b, u))
    np.testing.assert_array_equal(s, r)
    np.testing.assert_array_equal(t, u)


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("imaginary", [0.0, 1.0])
@pytest.mark.parametrize("n", [1, 1024, 5000])
def test_products_by_groups_of_rows_have_the_same_bits(n, imaginary, parts):
    rng = np.random.default_rng(0)
    A = sp.random_array((n, n), density=min(1.0, 5.0 / n), rng=rng, format="csr")
    A.data = A.data + imaginary * 1j * rng.normal(size=A.nnz) if imaginary else A.data
    A.sort_indices()
    x = rng.normal(size=n) + (imaginary * 1j * rng.normal(size=n) if imaginary else 0.0)
    indptr, indices, data = unsigned(A)
    groups = RowGroups(indptr, indices)
    np.testing.assert_array_equal(np.sort(groups.rows), np.arange(n))
    bounds = groups.align(np.linspace(0, n, parts + 1).astype(np.uint64))
    assert (bounds[0], bounds[-1]) == (0, n)
    assert np.all(np.diff(bounds.astype(int)) >= 0)
    y, z, sums = np.empty_like(x), np.full_like(x, np.nan), np.zeros((parts, spmd.STRIDE))
    csr.matvec(indptr, indices, data, x, y)
    arrays = groups.rows, groups.indptr, groups.indices, groups.gather(data)
    dot = csr.gathered_matvec_dot_parts(*arrays, x, z, bounds, sums, spmd.new_board(1), 0)
    np.testing.assert_array_equal(z, y)
    assert dot == pytest.approx(np.vdot(x, y).real, rel=1e-9, abs=1e-9)


def test_groups_are_made_only_of_irregular_rows():
    def groups(A):
        return RowGroups.of(*unsigned(A)[:2])

    rng = np.random.default_rng(0)
    assert groups(laplacian(60)) is None
    irregular = groups(sp.random_array((4000, 4000), density=1e-3, rng=rng, format="csr"))
    widths = np.diff(irregular.indptr.astype(int))
    assert np.count_nonzero(np.diff(widths) < 0) <= 3
    assert groups(sp.random_array((100, 100), density=0.05, rng=rng, format="csr")) is None
    assert groups(sp.random_array((3000, 3000), density=0.03, rng=rng, format="csr")) is None


def test_matvec_of_a_rectangular_and_of_a_float32_matrix():
    A = sp.csr_array(np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0]]))
    y = np.empty(2)
    csr.matvec(*unsigned(A), np.array([1.0, 2.0, 3.0]), y)
    np.testing.assert_array_equal(y, [7.0, 0.0])
    single = np.empty(2, np.float32)
    csr.matvec(*unsigned(A.astype(np.float32)), np.array([1, 2, 3], np.float32), single)
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, [7.0, 0.0])


def test_find_diagonal_counts_what_is_missing():
    A = sp.csr_array(np.array([[0.0, 1.0, 0.0], [2.0, 3.0, 0.0], [4.0, 5.0, 0.0]]))
    position = np.empty(3, np.uint32)
    indptr, indices, data = unsigned(A)
    assert csr.find_diagonal(indptr, indices, position) == 2
    assert data[position[1]] == 3.0


@pytest.mark.parametrize("A", [laplacian(7), laplacian(4, 3), arrow(9)])
def test_symmetric_patterns_are_recognized(A):
    indptr, indices, _ = unsigned(A)
    cursor = np.empty(A.shape[0], np.uint32)
    assert csr.is_pattern_symmetric(indptr, indices, cursor)
    lower = sp.csr_array(sp.tril(A))
    indptr, indices, _ = unsigned(lower)
    assert not csr.is_pattern_symmetric(indptr, indices, cursor)


@given(definite_matrices(), st.floats(1e-6, 1e6), st.booleans())
def test_inspection_finds_one_unsymmetric_number(A, factor, spoil):
    n = A.shape[0]
    A = A.copy()
    off_diagonal = np.flatnonzero(np.repeat(np.arange(n), np.diff(A.indptr)) != A.indices)
    spoiled = spoil and off_diagonal.size > 0 and abs(factor - 1) > 1e-6
    if spoiled:
        A.data[off_diagonal[len(off_diagonal) // 2]] *= factor
        spoiled = not np.allclose(A.toarray(), A.toarray().T, rtol=0, atol=1e-9 * np.abs(A.data).max())
    indptr, indices, data = unsigned(A)
    position, mirror, diagonal = np.empty(n, np.uint32), np.zeros(data.size, np.uint32), np.empty(n)
    csr.find_diagonal(indptr, indices, position)
    csr.find_mirrors(indptr, indices, position, np.empty(n, np.uint32), mirror)
    symmetric, smallest, largest, coupling, _ = csr.inspect_symmetric_pattern(
        indptr, indices, data, position, mirror, diagonal, 1e-12
    )
    if spoiled:
        assert not symmetric
    elif not spoil:
        assert symmetric
    dense = A.toarray()
    np.testing.assert_array_equal(diagonal, dense.diagonal())
    assert (smallest, largest) == (dense.diagonal().min(), dense.diagonal().max())
    rows = (np.abs(dense).sum(axis=1) - np.abs(dense.diagonal())) / np.abs(dense.diagonal())
    assert coupling == pytest.approx(rows.mean())
