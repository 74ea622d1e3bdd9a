import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from reiterate.linear.equilibration import Equilibration, scale
from reiterate.linear.pattern import Pattern
from tests.matrices import laplacian


def equilibrate(A, *, symmetric):
    pattern = Pattern(A.indptr, A.indices)
    found = Equilibration.of(pattern, A.data, symmetric=symmetric)
    return found, None if found is None else sp.csr_array((found.scaled(pattern, A.data), A.indices, A.indptr))


def largest(A):
    return abs(A).max(axis=1).toarray().ravel(), abs(A).max(axis=0).toarray().ravel()


@given(st.integers(0, 2**32 - 1), st.booleans(), st.floats(5.0, 70.0))
def test_rows_and_columns_become_comparable(seed, symmetric, spread):
    rng = np.random.default_rng(seed)
    left = 10.0 ** rng.uniform(-spread, spread, 16)
    right = left if symmetric else 10.0 ** rng.uniform(-spread, spread, 16)
    A = sp.csr_array(sp.diags_array(left) @ laplacian(4) @ sp.diags_array(right))
    found, scaled = equilibrate(A, symmetric=symmetric)
    if found is None:
        return
    for values in largest(scaled):
        assert np.all((values > 0.1) & (values <= 4.0))
    if symmetric:
        np.testing.assert_allclose(scaled.toarray(), scaled.toarray().T, rtol=1e-12)


def test_a_balanced_matrix_is_left_alone():
    for symmetric in (True, False):
        assert equilibrate(laplacian(6), symmetric=symmetric)[0] is None


@pytest.mark.parametrize("factor", [1e200, 1e-200])
def test_a_matrix_of_extreme_size_is_brought_near_one(factor):
    found, scaled = equilibrate(sp.csr_array(laplacian(4) * factor), symmetric=True)
    assert found is not None
    assert 0.2 < abs(scaled).max() <= 4.0


def test_scaling_changes_no_digit():
    values = np.array([1.1, -2.3e-300, 0.0, 5.0e200])
    exponents = np.array([3, 900, 5, -700], dtype=np.int32)
    np.testing.assert_array_equal(scale(scale(values, exponents), -exponents), values)
    complex_values = (values + 1j * values[::-1]).reshape(2, 2)
    moved = scale(complex_values, np.array([1, -1], dtype=np.int32))
    np.testing.assert_array_equal(moved, complex_values * np.array([[2.0], [0.5]]))
    assert np.isinf(scale(np.array([1e300]), np.array([500], dtype=np.int32)))[0]


def test_complex_blocks_are_scaled_in_any_order_of_memory():
    block = np.arange(12.0).reshape(4, 3) * (1 + 2j)
    exponents = np.array([0, 3, -2, 700], dtype=np.int32)
    expected = block * (2.0**exponents)[:, None]
    for given_block in (block, np.asfortranarray(block), np.repeat(block, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(scale(given_block, exponents), expected)
