from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.learners._arm_plays import ArmPlays


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1e6)), max_size=60))
def test_moments_are_those_of_all_values(values):
    plays = ArmPlays(3)
    for arm, value in values:
        plays.add(arm, value)
    for arm in range(3):
        own = [value for a, value in values if a == arm]
        assert plays.counts[arm] == len(own)
        assert plays.usual(arm, 7.0) == pytest.approx(np.mean(own) if own else 7.0)
        assert plays.squares[arm] == pytest.approx(np.var(own) * len(own) if own else 0.0, abs=1e-3, rel=1e-6)


def first_choices(arms, known_after, rounds):
    """The arms that are due in each round, when arm i's feedback comes ``known_after[i]`` rounds later, or never."""
    plays = ArmPlays(arms)
    due, coming = [], []
    for t in range(rounds):
        for when, arm in [one for one in coming if one[0] == t]:
            coming.remove((when, arm))
            plays.add(arm, 1.0)
        arm = plays.due()
        due.append(arm)
        arm = arms - 1 if arm is None else arm
        plays.chosen[arm] += 1
        if known_after[arm] is not None:
            coming.append((t + 1 + known_after[arm], arm))
    return due


def test_every_arm_is_due_once_in_order():
    assert first_choices(4, [0, 0, 0, 0], 6) == [0, 1, 2, 3, None, None]
    assert first_choices(4, [3, 3, 3, 3], 8)[:4] == [0, 1, 2, 3]


def test_an_arm_whose_feedback_never_comes_is_tried_ever_more_rarely():
    due = first_choices(3, [0, None, 0], 400)
    assert due[:3] == [0, 1, 2]
    assert [t for t, arm in enumerate(due) if arm == 1] == [1] + [3 * 2**k for k in range(1, 8)]


def test_without_any_feedback_arms_take_turns():
    assert first_choices(3, [None, None, None], 9) == [0, 1, 2] * 3
