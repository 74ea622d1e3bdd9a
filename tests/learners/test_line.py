"""What learners over a line or a box share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import truncnorm

from reiterate.contracts import Choice
from reiterate.learners import make_learner
from reiterate.learners._line import CommonLevel, truncated_mean, unit_box
from reiterate.learners.tsallis_inf import TsallisINF

LINE_LEARNERS = ["gp_ucb", "few_candidates", "surrogate"]


@settings(max_examples=60, deadline=None)
@given(st.floats(-3, 3), st.floats(0.05, 3), st.floats(-20, 20))
def test_truncated_means(mean, deviation, bound):
    ours = truncated_mean(mean, deviation, bound)
    assert ours >= max(mean, bound)
    if abs(bound - mean) < 15 * deviation:
        expected = truncnorm.mean((bound - mean) / deviation, np.inf, loc=mean, scale=deviation)
        assert ours == pytest.approx(expected, rel=2e-3, abs=2e-3 * deviation)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(1, 3))
def test_points_are_stretched_to_the_unit_box(seed, arms, dimension):
    places = np.random.default_rng(seed).normal(size=(arms, dimension)) * 10.0 ** np.arange(dimension)
    box = unit_box(places)
    assert box.min() >= 0
    assert box.max() <= 1
    np.testing.assert_array_equal(box.argsort(axis=0), places.argsort(axis=0))


def test_noise_has_no_common_level():
    rng, absent = np.random.default_rng(0), 0
    level = CommonLevel()
    for residual in rng.standard_normal(1000):
        level.update(float(residual), 1.0)
        absent += level.value == 0.0
    assert absent > 900


def test_a_common_level_is_followed():
    rng, level, errors = np.random.default_rng(0), CommonLevel(), []
    truth = 1.2 * np.sin(np.arange(600) / 20)
    for swing in truth:
        errors.append(level.value - swing)
        level.update(float(swing + 0.1 * rng.standard_normal()), 1.0)
    assert np.sqrt(np.mean(np.square(errors[30:]))) < 0.15


@pytest.mark.parametrize("name", LINE_LEARNERS)
def test_difficulty_that_swings_does_not_hide_the_valley(play, name):
    rounds, arms, excess, usual = 400, 20, [], []
    swing = 10 ** (0.5 - 0.5 * np.cos(2 * np.pi * 3 * np.arange(rounds) / rounds))[:, None]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        mean = 1 + 3 * np.abs(np.linspace(0, 1, arms) - rng.uniform(0.2, 0.8))
        costs = swing * mean * np.exp(0.1 * rng.standard_normal((rounds, arms)))
        best = costs.sum(axis=0).min()
        excess.append(play(make_learner(name, arms, np.random.default_rng(seed)), costs).sum() / best - 1)
        usual.append(play(TsallisINF(arms, np.random.default_rng(seed)), costs).sum() / best - 1)
    assert np.mean(excess) < 0.6 * np.mean(usual)


@pytest.mark.parametrize("name", LINE_LEARNERS)
def test_feedback_that_never_comes_is_not_waited_for_forever(name):
    learner = make_learner(name, 9, np.random.default_rng(0))
    for _ in range(30):
        learner.choose()
    for _ in range(200):
        choice = learner.choose()
        learner.learn(choice, 1.0 + abs(choice.arm - 6))
    due = learner.state_dict()["line"]["due"]
    assert due.sum() == 0


@pytest.mark.parametrize("name", LINE_LEARNERS)
def test_feedback_on_arms_that_were_not_chosen_is_learnt(name):
    learner = make_learner(name, 9, np.random.default_rng(0))
    for t in range(60):
        learner.learn(Choice(t % 9, 1.0), 1.0 + abs(t % 9 - 6))
    assert abs(learner.choose().arm - 6) <= 1
