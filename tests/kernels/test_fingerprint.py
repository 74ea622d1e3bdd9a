import numpy as np
import pytest

from reiterate.kernels.fingerprint import equal, fingerprint


def of(values):
    return tuple(map(int, fingerprint(np.asarray(values, dtype=np.float64).view(np.uint64))))


@pytest.mark.parametrize("size", [1, 3, 1023, 1024, 1025, 5000])
def test_every_bit_and_the_order_count(size):
    rng = np.random.default_rng(size)
    values = rng.normal(size=size)
    seen = {of(values)}
    for k in {0, size // 2, size - 1}:
        for bit in range(64):
            words = values.view(np.uint64).copy()
            words[k] ^= np.uint64(1) << np.uint64(bit)
            seen.add(of(words.view(np.float64)))
    assert len(seen) == 1 + 64 * len({0, size // 2, size - 1})
    assert size == 1 or of(values[::-1].copy()) != of(values)
    assert of(values.copy()) == of(values)


def test_round_numbers_that_differ_in_a_regular_way_are_told_apart():
    base, arrays = np.tile([1.0, 4.0, 1.0, 2.0], 500), set()
    for k in range(1990):
        for window in ((2.0, 1.0, 2.0), (4.0, 0.5, 4.0)):
            values = base.copy()
            values[k : k + 3] = window
            arrays.add(values.tobytes())
    assert len({of(np.frombuffer(array).copy()) for array in arrays}) == len(arrays) > 3000


def test_arrays_are_equal_by_content_and_length():
    x = np.arange(3000, dtype=np.uint32)
    assert equal(x, x.copy())
    assert not equal(x, x[:-1].copy())
    for k in (0, 1500, 2999):
        other = x.copy()
        other[k] += 1
        assert not equal(x, other)
