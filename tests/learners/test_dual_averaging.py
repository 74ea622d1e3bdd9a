from __future__ import annotations

import math
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners.dual_averaging import PATIENCE, DelayedDualAveraging, hybrid_probabilities
from reiterate.learners.simple import Uniform
from reiterate.learners.tsallis_inf import TsallisINF, tsallis_probabilities
from tests.learners.plays import adversary, expected_change


def play_late(learner, costs, delay):
    """Total cost where feedback comes ``delay`` rounds late."""
    paid, pending = 0.0, deque()
    for row in costs:
        choice = learner.choose()
        cost = float(row[choice.arm])
        paid += cost
        pending.append((choice, cost))
        if len(pending) > delay:
            learner.learn(*pending.popleft())
    return paid


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 200),
    st.integers(0, 2**32 - 1),
    st.floats(-6, 9),
    st.floats(-3, 3),
    st.one_of(st.just(0.0), st.floats(1e-4, 1e4)),
)
def test_probabilities_satisfy_the_optimality_conditions(arms, seed, spread, tsallis, entropy):
    losses = 10.0**spread * np.random.default_rng(seed).random(arms)
    weight = 10.0**tsallis
    p = hybrid_probabilities(losses, weight, entropy)
    assert (p > 0).all()
    assert abs(p.sum() - 1) < 1e-12
    ordinary = p > 1e-200
    multiplier = (losses - weight / np.sqrt(p) + entropy * np.log(p))[ordinary]
    scale = (losses + weight / np.sqrt(p) - entropy * np.log(p))[ordinary].max()
    assert np.ptp(multiplier) <= 1e-8 * scale


def test_the_ends_of_the_hybrid_are_tsallis_and_softmax():
    losses = np.array([3.0, 1.0, 2.0, 10.0])
    np.testing.assert_allclose(hybrid_probabilities(losses, 2.0, 0.0), tsallis_probabilities(losses, 1.0)[0], rtol=1e-9)
    softmax = np.exp(-losses / 0.5)
    np.testing.assert_allclose(hybrid_probabilities(losses, 1e-9, 0.5), softmax / softmax.sum(), rtol=1e-4)


@pytest.mark.parametrize("arms", [2, 50, 5000])
def test_equal_losses_give_equal_probabilities(arms):
    np.testing.assert_allclose(hybrid_probabilities(np.full(arms, 7.0), 0.3, 40.0), 1 / arms, rtol=1e-9)


def stream(seed, rounds=400, arms=20):
    """Costs of 20 arms that differ by up to a factor of four, with noise of 10 %."""
    means = 40 * np.random.default_rng(seed).permutation(np.linspace(1, 4, arms))
    return means * np.exp(0.1 * np.random.default_rng(100 + seed).standard_normal((rounds, arms)))


def excess(learner, delay, seeds=4):
    """Cost beyond that of the best fixed arm, relative to it."""
    values = []
    for s in range(seeds):
        costs = stream(s)
        values.append(play_late(learner(20, np.random.default_rng(s)), costs, delay) / costs.sum(axis=0).min() - 1)
    return float(np.mean(values))


def test_feedback_twenty_rounds_late_costs_little():
    late = excess(DelayedDualAveraging, 20)
    # Nothing can be known in the first 21 of the 400 rounds: they alone cost 8 %.
    assert late < 0.26
    assert late < 0.75 * excess(TsallisINF, 20)
    assert late < 0.2 * excess(Uniform, 20)
    assert excess(DelayedDualAveraging, 0) < 0.15


@pytest.mark.parametrize("delay", [0, 5, 20])
def test_regret_is_below_the_bound_for_an_adversary(delay):
    """The published order with the constants of its leading terms, for costs in [0, 1]."""
    rounds, arms = 1500, 4
    costs = adversary(rounds)
    best = costs.sum(axis=0).min()
    regrets = [play_late(DelayedDualAveraging(arms, np.random.default_rng(s)), costs, delay) - best for s in range(3)]
    assert np.mean(regrets) <= 4 * math.sqrt(arms * rounds) + math.sqrt(8 * delay * rounds * math.log(arms))


def test_noisy_costs_with_random_delays():
    rng = np.random.default_rng(0)
    costs = np.array([1.0, 1.5, 1.5, 2.0]) * np.exp(0.5 * rng.standard_normal((1500, 4)))
    learner = DelayedDualAveraging(4, np.random.default_rng(0))
    pending, paid = [], 0.0
    for row in costs:
        choice = learner.choose()
        paid += row[choice.arm]
        pending.append((choice, float(row[choice.arm])))
        while len(pending) > 1 and rng.random() < 0.52:
            learner.learn(*pending.pop(int(rng.integers(len(pending)))))
        assert learner.outstanding <= len(pending)
    assert paid < 1.12 * costs[:, 0].sum()


def test_what_never_comes_is_forgotten():
    rng = np.random.default_rng(0)
    costs = np.array([1.0, 2.0, 3.0]) * np.exp(0.2 * rng.standard_normal((1500, 3)))
    learner = DelayedDualAveraging(3, np.random.default_rng(0))
    paid = 0.0
    for row in costs:
        choice = learner.choose()
        paid += row[choice.arm]
        if rng.random() < 0.7:
            learner.learn(choice, float(row[choice.arm]))
        assert learner.outstanding <= PATIENCE + 1
    assert paid < 1.1 * costs[:, 0].sum()


def test_what_is_outstanding_is_counted():
    learner = DelayedDualAveraging(3, np.random.default_rng(0))
    choices = [learner.choose() for _ in range(5)]
    assert learner.outstanding == 5
    learner.learn(choices[3], 1.0)
    assert learner.outstanding == 4
    learner.learn(Choice(0, 0.123), 1.0)
    assert learner.outstanding == 4


def test_predictions_stand_in_for_outstanding_losses():
    learner = DelayedDualAveraging(2, np.random.default_rng(0))
    for arm in (0, 1) * 5:
        learner.learn(Choice(arm, 0.5), 1.0 + 0.1 * arm)
    before = learner.probabilities[0]
    for _ in range(10):
        learner.choose()
    assert learner.probabilities[0] > before
    tsallis, entropy = learner._weights()
    expected = hybrid_probabilities(learner.losses + 11 * np.array([1.0, 1.1]), tsallis, entropy)
    np.testing.assert_allclose(learner.probabilities, expected)


def test_estimates_of_losses_are_unbiased_for_likely_arms():
    learner = DelayedDualAveraging(3, np.random.default_rng(0))
    for arm in (0, 1, 2) * 3:
        learner.learn(Choice(arm, 0.5), 10.0 + 0.1 * arm)
    cost = learner.predictions + np.array([0.02, -0.01, 0.01])
    np.testing.assert_allclose(expected_change(learner, cost), cost, rtol=1e-12)


def test_one_lucky_draw_does_not_make_a_bad_arm_the_favorite():
    costs = np.array([1.0, 4.0, 4.0]) * np.exp(0.05 * np.random.default_rng(0).standard_normal((1000, 3)))
    learner = DelayedDualAveraging(3, np.random.default_rng(0))
    play_late(learner, costs, 20)
    learner.learn(Choice(2, float(learner.probabilities[2])), 0.0)
    assert learner.probabilities[0] > 0.8


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.floats(-9, 9), st.floats(0, 12), st.integers(0, 30))
def test_probabilities_stay_sound(arms, seed, unit, spread, delay):
    rng = np.random.default_rng(seed)
    costs = 10.0 ** (unit + spread * rng.random(arms)) * rng.exponential(size=(60, arms))
    learner = DelayedDualAveraging(arms, np.random.default_rng(seed))
    for rows in np.split(costs, 6):
        play_late(learner, rows, min(delay, 8))
        p = learner.probabilities
        assert (p > 0).all()
        assert abs(p.sum() - 1) < 1e-12
        assert np.isfinite(learner.losses).all()


def test_the_unit_of_costs_does_not_matter():
    costs = stream(1, 200)
    paid = [
        play_late(DelayedDualAveraging(20, np.random.default_rng(0)), unit * costs, 20) / unit
        for unit in (1.0, 2.0**-40, 2.0**40)
    ]
    assert paid[0] == paid[1] == paid[2]


def test_stopping_early_never_makes_an_arm_look_better():
    learner = DelayedDualAveraging(20, np.random.default_rng(0))
    play_late(learner, stream(0, 100), 5)
    before, predicted = learner.losses, learner.predictions
    learner.learn(Choice(4, 0.1), 0.0, censored=True)
    assert learner.losses[4] - before[4] >= predicted[4] * (1 - 1e-12)


def test_options_and_probabilities_out_of_range():
    with pytest.raises(InvalidInput, match="steadiness"):
        DelayedDualAveraging(2, np.random.default_rng(0), steadiness=0.0)
    for probability in (0.0, 1.5, math.nan):
        with pytest.raises(InvalidInput, match="probability"):
            DelayedDualAveraging(2, np.random.default_rng(0)).learn(Choice(0, probability), 1.0)
