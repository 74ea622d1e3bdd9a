"""What the learners that play tournaments have in common."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.learners.hyperband import Hyperband
from reiterate.learners.sequential_halving import SequentialHalving

HYPERBANDS = st.builds(dict, reduction=st.integers(2, 5), deepening=st.booleans())
HALVINGS = st.builds(dict, bracket=st.integers(1, 50))


@pytest.mark.parametrize(("kind", "options"), [(Hyperband, HYPERBANDS), (SequentialHalving, HALVINGS)])
@settings(max_examples=40, deadline=None)
@given(
    data=st.data(),
    arms=st.integers(1, 40),
    costs=st.lists(st.floats(0, 1e300), min_size=1, max_size=9),
    delay=st.integers(0, 9),
)
def test_arms_are_in_range_whatever_costs_are_and_whenever_they_come(kind, options, data, arms, costs, delay):
    learner = kind(arms, np.random.default_rng(0), **data.draw(options))
    pending = []
    for t in range(150):
        choice = learner.choose()
        assert 0 <= choice.arm < arms
        assert choice.probability == 1.0
        pending.append(choice)
        if len(pending) > delay:
            learner.learn(pending.pop(t % len(pending)), costs[t % len(costs)], censored=t % 5 == 0)
    assert np.isfinite(learner._means).all()


@pytest.mark.parametrize(
    ("kind", "rounds", "most", "least"), [(Hyperband, 600, 200, 200), (SequentialHalving, 200, 20, 100)]
)
def test_an_arm_without_feedback_does_not_stop_the_others(kind, rounds, most, least):
    learner = kind(8, np.random.default_rng(0))
    chosen = []
    for _ in range(rounds):
        choice = learner.choose()
        chosen.append(choice.arm)
        if choice.arm != 3:
            learner.learn(choice, float(choice.arm + 1))
    assert chosen.count(3) < most
    assert chosen.count(0) > least
