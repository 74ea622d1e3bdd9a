import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reiterate.kernels.selection import keep_largest


@given(st.lists(st.integers(0, 6), max_size=40), st.integers(0, 45), st.integers(0, 2**32 - 1))
def test_the_largest_are_kept_in_order_of_their_columns(sizes, most, seed):
    size = np.array(sizes, dtype=float)
    columns = np.random.default_rng(seed).permutation(100)[: size.size].astype(np.uint32)
    best = sorted(zip(-size, columns, strict=True))[:most]
    kept = keep_largest(columns, size, columns.size, most)
    assert kept == len(best)
    np.testing.assert_array_equal(columns[:kept], sorted(column for _, column in best))
