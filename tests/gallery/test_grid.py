import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from reiterate.gallery.grid import Stencil, bump


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple), st.integers(0, 2**32 - 1))
def test_stencil_matrices_equal_a_loop_over_the_points(shape, seed):
    d = len(shape)
    bands = np.random.default_rng(seed).uniform(1.0, 2.0, (2 * d + 1, *shape))
    stencil = Stencil(shape)
    n = int(np.prod(shape))
    expected = np.zeros((n, n))
    for row, point in enumerate(np.ndindex(*shape)):
        expected[row, row] = bands[(d, *point)]
        for axis in range(d):
            for band, move in ((stencil.lower(axis), -1), (stencil.upper(axis, d), 1)):
                neighbor = list(point)
                neighbor[axis] += move
                if 0 <= neighbor[axis] < shape[axis]:
                    expected[row, np.ravel_multi_index(neighbor, shape)] = bands[(band, *point)]
    data = stencil.gather(bands)
    A = stencil.matrix(data)
    np.testing.assert_array_equal(A.toarray(), expected)
    np.testing.assert_array_equal(data[stencil.diagonal], np.diag(expected))
    assert A.nnz == np.count_nonzero(expected)
    assert isinstance(A, csr_array)
    assert A.has_canonical_format
    assert A.indices.dtype == A.indptr.dtype == np.int32


def test_bump_values():
    x = np.array([0.5, 0.6, 0.7, 0.75, 0.8])
    np.testing.assert_allclose(
        bump((x,), (0.5,), 0.25),
        [1.0, np.exp(1 - 1 / (1 - 0.16)), np.exp(1 - 1 / (1 - 0.64)), 0.0, 0.0],
        rtol=1e-13,
    )
    y = np.linspace(0.0, 1.0, 3)
    values = bump((x[:, None], y[None, :]), (0.5, 0.5), 0.25)
    assert values.shape == (5, 3)
    assert values[0, 1] == 1.0
    assert np.all(values[:, [0, 2]] == 0.0)


def test_bump_raises_no_floating_point_error_at_its_boundary():
    with np.errstate(all="raise"):
        x = np.array([0.5, 1.0, np.nextafter(1.0, 0.0), np.nextafter(1.0, 2.0)])
        values = bump((x,), (0.0,), 1.0)
    np.testing.assert_array_equal(values[1:], 0.0)


@given(st.floats(-2.0, 2.0), st.floats(0.01, 2.0))
def test_bump_lies_between_0_and_1_and_vanishes_outside(center, radius):
    x = np.linspace(-2.0, 2.0, 101)
    values = bump((x,), (center,), radius)
    assert np.all((values >= 0.0) & (values <= 1.0))
    assert np.all(values[np.abs(x - center) > radius] == 0.0)


def test_bump_needs_one_center_coordinate_an_axis():
    with pytest.raises(ValueError, match="zip"):
        bump((np.zeros(3),), (0.0, 0.0), 1.0)
