from __future__ import annotations

import heapq
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners import make_learner
from reiterate.learners.delayed import Delayed, hybrid_probabilities
from reiterate.learners.tsallis_inf import tsallis_probabilities
from tests.learners.delays import play_late


def reference_probabilities(losses, root, entropy):
    """The minimizer by two nested bisections."""

    def p(nu, loss):
        return brentq(lambda y: entropy * y - root * math.exp(-y / 2) - (nu - loss), -200, 1, xtol=1e-14)

    gaps = losses - losses.min()
    nu = brentq(
        lambda nu: sum(math.exp(p(nu, gap)) for gap in gaps) - 1,
        -entropy * math.log(len(gaps)) - root * math.sqrt(len(gaps)) - 1e-9,
        -root + 1e-9,
        xtol=1e-14,
    )
    return np.array([math.exp(p(nu, gap)) for gap in gaps])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.floats(1, 100), st.floats(0.01, 200), st.floats(-2, 3))
def test_probabilities_minimize_the_hybrid_objective(arms, seed, root, entropy, spread):
    losses = 10**spread * np.random.default_rng(seed).standard_normal(arms)
    p = hybrid_probabilities(losses, root, entropy)
    assert p.sum() == pytest.approx(1)
    np.testing.assert_allclose(p, reference_probabilities(losses, root, entropy), rtol=1e-6, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(0, 2**32 - 1), st.floats(1, 1e4), st.floats(0, 1e6), st.floats(-8, 12))
def test_probabilities_are_probabilities(arms, seed, root, entropy, spread):
    losses = 10**spread * np.random.default_rng(seed).standard_normal(arms)
    p = hybrid_probabilities(losses, root, entropy)
    assert np.isfinite(p).all()
    assert (p >= 0).all()
    assert p.sum() == pytest.approx(1)
    assert p[losses.argmin()] >= p.max() * (1 - 1e-12)  # others that differ less than rounding tells are as likely


def test_without_delays_it_is_tsallis_inf_s_distribution():
    losses = np.array([3.0, 1.0, 0.0, 40.0])
    expected, _ = tsallis_probabilities(losses, 2.0 / 5.0)
    np.testing.assert_allclose(hybrid_probabilities(losses, 5.0, 0.0), expected, rtol=1e-8)


def play_with_bounds(learner, means, rounds, delay, seed, *, bounds):
    """Costs are told after ``delay`` rounds; after one round, that they are at least 4 if they are, or all of them."""
    rng = np.random.default_rng(seed)
    waiting, total = [], 0.0
    for t in range(rounds):
        while waiting and waiting[0][0] <= t:
            _, _, choice, cost, censored = heapq.heappop(waiting)
            learner.learn(choice, cost, censored=censored)
        choice = learner.choose()
        cost = means[choice.arm] * rng.uniform(0.7, 1.3)
        total += cost
        if bounds:
            heapq.heappush(waiting, (t + 1, 2 * t, choice, min(cost, 4.0), cost > 4.0))
        if cost > 4.0 or not bounds:
            heapq.heappush(waiting, (t + 1 + delay, 2 * t + 1, choice, cost, False))
    return total


def test_bounds_that_come_early_shorten_the_blind_time():
    means = np.array([8.0, 3.0, 8.0, 6.0, 8.0, 8.0])
    excess = {}
    for name, bounds in (("delayed", True), ("delayed", False), ("tsallis_inf", False), ("uniform", False)):
        excess[name, bounds] = sum(
            play_with_bounds(make_learner(name, 6, np.random.default_rng(s)), means, 800, 300, s, bounds=bounds) - 2400
            for s in range(3)
        )
    assert excess["delayed", True] < 0.5 * excess["delayed", False]
    assert excess["delayed", True] < 0.5 * excess["tsallis_inf", False]
    assert excess["delayed", True] < 0.3 * excess["uniform", False]


@pytest.mark.parametrize("delay", [0, 50])
def test_regret_is_below_the_bound_of_the_theorem(delay):
    """Zimmert and Seldin (2020), Theorem 1; costs are 0 or 1 and the best arm changes midway."""
    rounds, arms = 1500, 4
    regrets = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        costs = (rng.random((rounds, arms)) < np.where(np.arange(arms) == 2, 0.3, 0.6)).astype(float)
        costs[: rounds // 4, 2] = 1.0
        told = iter(costs)
        total = play_late(Delayed(arms, rng), lambda arm, told=told: (float(next(told)[arm]), delay), rounds)
        regrets.append(total - costs.sum(axis=0).min())
    bound = 4 * math.sqrt(arms * rounds) + math.sqrt(8 * delay * rounds * math.log(arms))
    assert np.mean(regrets) <= bound


def warm(seed=0):
    learner = Delayed(3, np.random.default_rng(seed))
    for t in range(30):
        choice = learner.choose()
        learner.learn(choice, 1.0 + choice.arm + (t % 2))
    return learner


def test_a_cost_corrects_its_bounds_exactly():
    """However often a choice is bounded before its cost is told, the estimate ends where the cost alone puts it."""
    learner = warm()
    choice = learner.choose({"dt": 0.5})
    direct = Delayed.from_state_dict(learner.state_dict())
    direct.learn(choice, 3.0)
    learner.learn(choice, 0.5, censored=True)
    learner.learn(choice, 2.5, censored=True)
    learner.learn(choice, 3.0)
    np.testing.assert_allclose(learner.state_dict()["losses"], direct.state_dict()["losses"], atol=1e-12)
    assert learner.outstanding == direct.outstanding == 0
    assert learner.state_dict()["open"] == direct.state_dict()["open"] == []


def test_a_bound_counts_as_the_mean_of_the_costs_beyond_it():
    learner = Delayed(2, np.random.default_rng(0))
    for cost in (1.0, 2.0, 9.0, 12.0):
        learner.learn(Choice(0, 0.5), cost)
    assert learner._expected(8.5) == pytest.approx(10.5)
    assert learner._expected(0.0) == pytest.approx(6.0)
    assert learner._expected(50.0) == 50.0


def test_waiting_is_counted_until_it_is_too_long():
    learner = Delayed(3, np.random.default_rng(0))
    choices = [learner.choose() for _ in range(4)]
    assert learner.outstanding >= 2
    assert learner.state_dict()["delay"] > 0
    for choice in choices:
        learner.learn(choice, 1.0)
    assert learner.outstanding == 0
    for _ in range(3000):
        learner.choose()
    assert learner.outstanding < 1500


@pytest.mark.parametrize("unit", [0, -1.0, math.nan, "large"])
def test_options_out_of_range(unit):
    with pytest.raises(InvalidInput, match="unit"):
        Delayed(3, np.random.default_rng(0), unit=unit)


def test_progress_counts_at_its_pace_until_more_is_known():
    learner = warm()
    choice = learner.choose({"dt": 0.5})
    direct = Delayed.from_state_dict(learner.state_dict())
    direct.learn(choice, 3.0)
    losses = learner.state_dict()["losses"]
    learner.progress(choice, 1.0, 0.5)
    halfway = learner.state_dict()["losses"]
    assert (halfway - losses)[choice.arm] == pytest.approx((2.0 - learner._costs.level) / choice.probability, rel=0.1)
    assert learner.outstanding == direct.outstanding == 0
    learner.progress(choice, 2.0, 0.8)  # now expected to cost 2.5
    assert (learner.state_dict()["losses"] - halfway)[choice.arm] == pytest.approx(0.5 / choice.probability)
    later = learner.state_dict()["losses"]
    learner.learn(choice, 2.2, censored=True)  # which says nothing new
    np.testing.assert_allclose(learner.state_dict()["losses"], later)
    learner.learn(choice, 2.7, censored=True)
    assert (learner.state_dict()["losses"] - later)[choice.arm] == pytest.approx(0.2 / choice.probability)
    learner = Delayed.from_state_dict(learner.state_dict())
    learner.learn(choice, 3.0)
    np.testing.assert_allclose(learner.state_dict()["losses"], direct.state_dict()["losses"], atol=1e-12)
    assert learner.state_dict()["open"] == []


def play_with_progress(learner, means, rounds, delay, seed, *, told):
    """Costs are told after ``delay`` rounds; after one round, how far a tenth of the dearest has brought the choice."""
    rng = np.random.default_rng(seed)
    waiting, total = [], 0.0
    for t in range(rounds):
        while waiting and waiting[0][0] <= t:
            _, _, choice, cost, share = heapq.heappop(waiting)
            if share is None:
                learner.learn(choice, cost)
            else:
                learner.progress(choice, cost, share)
        choice = learner.choose()
        cost = means[choice.arm] * rng.uniform(0.7, 1.3)
        total += cost
        if told:
            heapq.heappush(waiting, (t + 1, 2 * t, choice, 0.8, 0.8 / cost))
        heapq.heappush(waiting, (t + 1 + delay, 2 * t + 1, choice, cost, None))
    return total


def test_progress_shortens_the_blind_time():
    means = np.array([8.0, 3.0, 8.0, 6.0, 8.0, 8.0])
    blind, told = (
        sum(
            play_with_progress(Delayed(6, np.random.default_rng(s)), means, 800, 300, s, told=told) - 2400
            for s in range(3)
        )
        for told in (False, True)
    )
    assert told < 0.5 * blind


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, math.nan])
def test_shares_of_progress_that_make_no_sense(share):
    learner = warm()
    choice = learner.choose()
    with pytest.raises(InvalidInput, match=rf"share: .* for arm {choice.arm} "):
        learner.progress(choice, 1.0, share)
