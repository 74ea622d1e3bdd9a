"""A divided sweep does every row once, reads its own entries, and never two levels between two barriers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reiterate.linear import schedule as module
from reiterate.linear.schedule import Schedule, divide, gather_parts, reverse, share_of_others


@st.composite
def sweeps(draw):
    """Sizes of levels, and the width of every row."""
    sizes = draw(st.lists(st.integers(1, 12), min_size=1, max_size=8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return np.array(sizes), rng.integers(0, draw(st.integers(1, 5)), sum(sizes))


def runs_of(width):
    runs = np.concatenate(([0], np.flatnonzero(np.diff(width)) + 1, [width.size])).astype(np.uint32)
    return runs, width[runs[:-1]].astype(np.uint32)


@given(sweeps(), st.integers(1, 4), st.floats(0.0, 60.0), st.booleans())
def test_every_row_is_done_once_in_an_allowed_order(sweep, parts, worth, backward):
    sizes, width = sweep
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_WORTH_SPLITTING", worth)
        spans = divide(width, np.cumsum(sizes), parts)
    level = np.repeat(np.arange(sizes.size), sizes)
    if backward:
        spans, level, width = reverse(spans, width.size), level[::-1], width[::-1]
    schedule = Schedule(*runs_of(width), spans)
    offset = np.concatenate(([0], np.cumsum(width)))
    assert schedule.steps.shape[1:] == (parts, 2)
    done = []
    for step in schedule.steps:
        busy, rows_of_step = 0, []
        for first, last in step:
            rows = []
            for begin, end, stored, place in schedule.pieces[first:last]:
                assert begin < end
                assert np.all(width[begin:end] == stored)
                assert offset[begin] == place
                rows += range(begin, end)
            busy += bool(rows)
            assert rows == sorted(rows)
            rows_of_step += rows
        if busy > 1:
            assert np.unique(level[rows_of_step]).size == 1
        done += sorted(rows_of_step)
    assert done == list(range(width.size))


def test_one_part_is_one_step():
    width = np.array([0, 1, 1, 2, 2, 2])
    schedule = Schedule(*runs_of(width), divide(width, [1, 3, 6], 1))
    np.testing.assert_array_equal(schedule.steps, [[[0, 3]]])
    np.testing.assert_array_equal(schedule.pieces, [[0, 1, 0, 0], [1, 3, 1, 0], [3, 6, 2, 2]])


def test_large_levels_are_halved_and_small_ones_are_joined():
    sizes = np.array([1, 3, 1000, 2000, 2, 1])
    spans = divide(np.full(sizes.sum(), 3), np.cumsum(sizes), 2)
    expected = [[[0, 4], [4, 4]], [[4, 504], [504, 1004]], [[1004, 2004], [2004, 3004]], [[3004, 3007], [3007, 3007]]]
    np.testing.assert_array_equal(spans, expected)


def test_rows_of_a_part_are_gathered():
    sizes = np.array([1, 600, 1000, 2])
    spans = divide(np.full(sizes.sum(), 3), np.cumsum(sizes), 2)
    order, gathered = gather_parts(spans)
    np.testing.assert_array_equal(np.sort(order), np.arange(sizes.sum()))
    for (old_begin, old_end), (begin, end) in zip(spans.reshape(-1, 2), gathered.reshape(-1, 2), strict=True):
        np.testing.assert_array_equal(order[begin:end], np.arange(old_begin, old_end))
    np.testing.assert_array_equal(gathered[1:, :, 0], gathered[:-1, :, 1])


def test_the_share_of_others_is_that_of_large_levels():
    ends = np.array([10, 20, 60])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_WORTH_SPLITTING", 50.0)
        assert share_of_others(divide(np.zeros(60), ends, 2)) == pytest.approx(20 / 60)
        assert share_of_others(divide(np.zeros(60), ends, 1)) == 0.0
        patch.setattr(module, "_WORTH_SPLITTING", 1e9)
        assert share_of_others(divide(np.zeros(60), ends, 2)) == 0.0
