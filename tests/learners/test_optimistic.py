from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners.optimistic import Optimistic, log_barrier_probabilities
from reiterate.learners.simple import Uniform
from reiterate.learners.tsallis_inf import TsallisINF
from tests.learners.plays import another_becomes_better, expected_change

ARMS = 20


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 200), st.integers(0, 2**32 - 1), st.floats(-8, 12), st.floats(1e-4, 10), st.floats(1e-3, 1e6))
def test_probabilities_match_a_bisection(arms, seed, spread, eta, start):
    losses = 10.0**spread * np.random.default_rng(seed).random(arms)
    p, x = log_barrier_probabilities(losses, eta, start)
    gaps = eta * (losses - losses.min())
    root = brentq(lambda x: np.sum(1 / (x + gaps)) - 1, 1 - 1e-9, arms * (1 + 1e-9), xtol=1e-300, rtol=1e-15)
    assert x == pytest.approx(root, rel=1e-9)
    np.testing.assert_allclose(p, 1 / (root + gaps), rtol=1e-8)
    assert abs(p.sum() - 1) < 1e-12


def test_probabilities_minimize_the_regularized_loss():
    losses, eta = np.array([3.0, 1.0, 2.0]), 0.7
    p, _ = log_barrier_probabilities(losses, eta)
    best = p.dot(losses) - np.log(p).sum() / eta
    for other in np.random.default_rng(0).dirichlet(np.ones(3), 200):
        assert other.dot(losses) - np.log(other).sum() / eta >= best - 1e-12


def mean_costs(seed):
    return 40 * np.random.default_rng(seed).permutation(np.linspace(1, 4, ARMS))


def stream(seed, rounds):
    """Costs of 20 arms that differ by up to a factor of four, with noise of 10 %."""
    return mean_costs(seed) * np.exp(0.1 * np.random.default_rng(100 + seed).standard_normal((rounds, ARMS)))


def good(seed):
    """Forecasts that are right within 10 %, in a unit of their own."""
    return 1e-6 * mean_costs(seed) * np.exp(0.1 * np.random.default_rng(200 + seed).standard_normal(ARMS))


def bad(seed):
    """Forecasts that say nothing."""
    return np.random.default_rng(300 + seed).permutation(mean_costs(seed))


def excess(play, make, rounds, seeds=6):
    """Cost beyond that of the best fixed arm, relative to it."""
    paid = [play(make(s), stream(s, rounds)).sum() / stream(s, rounds).sum(axis=0).min() - 1 for s in range(seeds)]
    return float(np.mean(paid))


def with_hints(hints):
    return lambda s: Optimistic(ARMS, np.random.default_rng(s), hints=hints(s))


def test_good_forecasts_make_the_first_plays_right(play):
    hinted = excess(play, with_hints(good), 60)
    assert hinted < 0.4
    assert hinted < 0.6 * excess(play, lambda s: TsallisINF(ARMS, np.random.default_rng(s)), 60)
    assert hinted < 0.3 * excess(play, lambda s: Uniform(ARMS, np.random.default_rng(s)), 60)


def test_the_first_play_follows_the_hints():
    learner = Optimistic(4, np.random.default_rng(0), hints=[3.0, 1.0, 3.0, 3.0])
    assert learner.probabilities[1] > 0.9
    doubted = Optimistic(4, np.random.default_rng(0), hints=[3.0, 1.0, 3.0, 3.0], trust=0)
    assert doubted.probabilities[1] < learner.probabilities[1]
    np.testing.assert_allclose(Optimistic(4, np.random.default_rng(0)).probabilities, 0.25)


def test_bad_forecasts_cost_little(play):
    unhinted = excess(play, lambda s: Optimistic(ARMS, np.random.default_rng(s)), 400)
    misled = excess(play, with_hints(bad), 400)
    reversed_order = excess(play, with_hints(lambda s: 1 / mean_costs(s)), 400)
    assert unhinted < 0.3
    assert misled < 0.45
    assert reversed_order < 0.6


def test_regret_grows_with_the_errors_of_prediction_only(play):
    """Exact repetition leaves nothing to learn after the first plays; noise does."""
    regrets = []
    for noise in (0.0, 0.3):
        total = 0.0
        for s in range(3):
            means = np.array([1.0, 1.3, 1.6, 2.0])
            costs = means * (1 + noise * np.random.default_rng(s).uniform(-1, 1, (1200, 4)))
            total += play(Optimistic(4, np.random.default_rng(s)), costs).sum() - costs[:, 0].sum()
        regrets.append(total / 3)
    rounds, arms = 1200, 4
    errors = rounds * 0.3**2 / 3
    assert regrets[0] < regrets[1]
    assert regrets[0] <= arms * math.log(rounds)
    assert regrets[1] <= 2 * math.sqrt(arms * errors * math.log(rounds)) + arms * math.log(rounds)


def test_an_arm_that_becomes_better_is_found(play):
    costs = another_becomes_better()
    learner = Optimistic(4, np.random.default_rng(0))
    paid = play(learner, costs)
    assert learner.probabilities.argmax() == 2
    assert paid.sum() < 1.35 * costs.sum(axis=0).min()


def test_estimates_of_losses_are_unbiased_for_likely_arms():
    learner = Optimistic(3, np.random.default_rng(0), trust=0)
    for arm in (0, 1, 2, 0, 1, 2):
        learner.learn(Choice(arm, 0.5), 10.0 + arm)
    assert (learner.probabilities > 0.1).all()
    cost = learner.predictions + np.array([0.2, -0.1, 0.1])
    np.testing.assert_allclose(expected_change(learner, cost), cost, rtol=1e-12)


def test_predictions_start_as_hints_and_become_means():
    learner = Optimistic(3, np.random.default_rng(0), hints=[1.0, 2.0, 4.0])
    learner.learn(Choice(0, 0.5), 10.0)
    np.testing.assert_allclose(learner.predictions, [10, 20, 40])
    for _ in range(400):
        learner.learn(Choice(2, 0.5), 12.0)
    assert learner.predictions[2] == pytest.approx(12, rel=0.02)


def test_one_lucky_draw_does_not_make_a_bad_arm_the_favorite(play):
    costs = np.array([1.0, 4.0, 4.0]) * np.exp(0.05 * np.random.default_rng(0).standard_normal((1500, 3)))
    learner = Optimistic(3, np.random.default_rng(0))
    play(learner, costs)
    learner.learn(Choice(2, float(learner.probabilities[2])), 0.0)
    assert learner.probabilities.argmax() == 0
    assert learner.probabilities[0] > 0.8


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.floats(-9, 9), st.floats(0, 12))
def test_probabilities_stay_sound(arms, seed, unit, spread):
    rng = np.random.default_rng(seed)
    means = 10.0 ** (unit + spread * rng.random(arms))
    learner = Optimistic(arms, np.random.default_rng(seed), hints=10.0 ** (spread * rng.random(arms)))
    for t in range(60):
        choice = learner.choose()
        learner.learn(choice, float(means[choice.arm] * rng.exponential()), censored=t % 7 == 0)
        p = learner.probabilities
        assert (p > 0).all()
        assert abs(p.sum() - 1) < 1e-12
        assert np.isfinite(learner.losses).all()


def test_the_units_of_costs_and_hints_do_not_matter(play):
    costs, hints = stream(1, 200), good(1)
    paid = [
        play(Optimistic(ARMS, np.random.default_rng(0), hints=unit * hints), unit * costs) / unit
        for unit in (1.0, 2.0**-40, 2.0**40)
    ]
    np.testing.assert_array_equal(paid[0], paid[1])
    np.testing.assert_array_equal(paid[0], paid[2])


def test_stopping_early_never_makes_an_arm_look_better(play):
    learner = Optimistic(ARMS, np.random.default_rng(0))
    play(learner, stream(0, 100))
    before = learner.losses
    predicted = learner.predictions
    learner.learn(Choice(4, 0.1), 0.0, censored=True)
    assert learner.losses[4] - before[4] >= predicted[4] * (1 - 1e-12)


@pytest.mark.parametrize(
    ("hints", "message"),
    [
        ([1.0, 2.0], r"shape \(2,\)"),
        ([1.0, 0.0, 2.0], "for arm 1 is not finite and positive"),
        ([1.0, 2.0, math.nan], "for arm 2"),
        ("many", "not a sequence of numbers"),
    ],
)
def test_hints_that_make_no_sense(hints, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        Optimistic(3, np.random.default_rng(0), hints=hints)
    assert caught.value.argument == "hints"


def test_options_and_probabilities_out_of_range():
    with pytest.raises(InvalidInput, match="trust"):
        Optimistic(2, np.random.default_rng(0), trust=-1.0)
    for probability in (0.0, 1.5, math.nan):
        with pytest.raises(InvalidInput, match="probability"):
            Optimistic(2, np.random.default_rng(0)).learn(Choice(0, probability), 1.0)
