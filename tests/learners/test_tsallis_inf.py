from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners.tsallis_inf import TsallisINF, tsallis_probabilities
from tests.learners.plays import adversary, expected_change

ESTIMATORS = ["baseline", "reduced-variance", "importance-weighted"]
PUBLISHED = ["reduced-variance", "importance-weighted"]


def reference_probabilities(losses, eta):
    """The published form, ``4 (eta (L_i - z))**-2``, with z found by bisection."""
    gaps = losses - losses.min()
    bracket = (-2 * math.sqrt(len(losses)) / eta * (1 + 1e-9), -2 / eta * (1 - 1e-9))
    z = brentq(lambda z: np.sum(4 / (eta * (gaps - z)) ** 2) - 1, *bracket, xtol=1e-300, rtol=1e-15)
    return 4 / (eta * (gaps - z)) ** 2


@st.composite
def loss_vectors(draw):
    arms = draw(st.one_of(st.integers(1, 30), st.integers(1, 1000)))
    spread = 10.0 ** draw(st.floats(-8, 12))
    offset = draw(st.floats(-1e3, 1e3))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    shape = draw(st.sampled_from(["uniform", "heavy", "equal", "one ahead"]))
    if shape == "uniform":
        return offset + spread * rng.random(arms)
    if shape == "heavy":
        return offset + spread * rng.pareto(0.5, arms).clip(max=1e6)
    losses = np.full(arms, offset)
    if shape == "one ahead":
        losses[rng.integers(arms)] -= spread
    return losses


@settings(max_examples=150, deadline=None)
@given(loss_vectors(), st.floats(1e-4, 4.0), st.floats(1e-3, 1e6))
def test_probabilities_match_the_published_form(losses, eta, start):
    p, x = tsallis_probabilities(losses, eta, start)
    assert (p > 0).all()
    assert abs(p.sum() - 1) < 1e-12
    assert 1 <= x <= math.sqrt(len(losses)) * (1 + 1e-12)
    np.testing.assert_allclose(p, reference_probabilities(losses, eta), rtol=1e-9)


@settings(max_examples=50, deadline=None)
@given(loss_vectors(), st.floats(1e-4, 4.0))
def test_probabilities_do_not_depend_on_the_start(losses, eta):
    cold, x = tsallis_probabilities(losses, eta)
    for start in (x, 1e-3, 1e9):
        np.testing.assert_allclose(tsallis_probabilities(losses, eta, start)[0], cold, rtol=1e-13)


def test_probabilities_without_a_learning_rate_are_uniform():
    p, x = tsallis_probabilities(np.array([0.0, 5.0, 1e9]), 0.0)
    np.testing.assert_allclose(p, 1 / 3)
    assert x == pytest.approx(math.sqrt(3))


def test_smaller_losses_are_more_likely():
    losses = np.array([3.0, 1.0, 2.0, 10.0])
    p, _ = tsallis_probabilities(losses, 0.7)
    assert list(np.argsort(-p)) == list(np.argsort(losses))


def theorem_bound(estimator, arms, rounds):
    """Zimmert and Seldin (2021), Theorem 1, for losses in [0, 1] and any adversary."""
    if estimator == "importance-weighted":
        return 4 * math.sqrt(arms * rounds) + 1
    return 2 * math.sqrt(arms * rounds) + 10 * arms * math.log(rounds) + 16


@pytest.mark.parametrize("estimator", PUBLISHED)
def test_regret_is_below_the_bound_for_an_adversary(play, estimator):
    rounds, arms = 4000, 4
    costs = adversary(rounds)
    best = costs.sum(axis=0).min()
    regrets = [
        play(TsallisINF(arms, np.random.default_rng(s), estimator=estimator, scale=1.0), costs).sum() - best
        for s in range(6)
    ]
    assert np.mean(regrets) <= theorem_bound(estimator, arms, rounds)


@pytest.mark.parametrize("estimator", PUBLISHED)
def test_regret_is_far_below_the_bound_for_random_costs(play, estimator):
    rounds, arms = 4000, 4
    means = np.array([0.3, 0.6, 0.6, 0.6])
    regrets = []
    for s in range(6):
        costs = (np.random.default_rng(1000 + s).random((rounds, arms)) < means).astype(float)
        learner = TsallisINF(arms, np.random.default_rng(s), estimator=estimator, scale=1.0)
        regrets.append(play(learner, costs).sum() - costs[:, 0].sum())
    assert np.mean(regrets) <= 0.7 * theorem_bound(estimator, arms, rounds)


def iteration_counts(seed, rounds, noise=0.05):
    """Counts of 20 arms whose difficulty swings twelvefold together; arm 15 or so is best."""
    omega = np.linspace(1, 1.95, 20)
    left, right = 1 + 1.5 * ((1.75 - omega) / 0.75) ** 2, 1 + 0.4 * ((omega - 1.75) / 0.2) ** 2
    swing = 0.5 - 0.5 * np.cos(2 * np.pi * 5 * np.arange(rounds) / rounds)
    base = 2 * 12.5**swing * np.exp(noise * np.random.default_rng(seed).standard_normal(rounds))
    return np.maximum(1, np.round(base[:, None] * np.where(omega < 1.75, left, right)))


def test_total_cost_is_close_to_the_best_fixed_arm_when_difficulty_swings(play):
    excess = []
    for s in range(3):
        costs = iteration_counts(1000 + s, 5000)
        excess.append(play(TsallisINF(20, np.random.default_rng(s)), costs).sum() / costs.sum(axis=0).min() - 1)
    assert np.mean(excess) < 0.03


def two_regimes(seed):
    """Counts of 20 arms over 5000 rounds: hard instances favor arm 15, and easy ones, in between, arm 3."""
    arms = np.arange(20)
    easy = 4 + 0.35 * np.abs(arms - 3)
    hard = 18 + np.where(arms < 15, 2.2 * (15 - arms), 5.0 * (arms - 15))
    share = np.sin(2 * np.pi * 5 * np.arange(5000) / 5000)[:, None]
    mean = np.where(share < 0, easy * (1 + 0.3 * share), easy + np.maximum(share, 0) ** 0.5 * (hard - easy))
    mean = np.roll(mean, 500, axis=0)
    return np.round(mean * np.exp(0.05 * np.random.default_rng(seed).standard_normal(mean.shape)))


def test_easy_instances_do_not_undo_what_hard_ones_taught(play):
    excess = []
    for s in range(10):
        costs = two_regimes(s)
        excess.append(play(TsallisINF(20, np.random.default_rng(s)), costs).sum() / costs.sum(axis=0).min() - 1)
    assert np.mean(excess) < 0.06
    assert np.max(excess) < 0.15


def test_an_arm_known_to_be_bad_is_not_made_the_favorite_by_one_draw(play):
    costs = 10 + 10.0 * (np.arange(20) != 7) + np.random.default_rng(0).random((3000, 20))
    learner = TsallisINF(20, np.random.default_rng(0))
    play(learner, costs)
    assert learner.probabilities[7] > 0.9
    state = learner.state_dict()
    for arm in range(20):
        lucky = TsallisINF.from_state_dict(state)
        lucky.learn(Choice(arm, float(learner.probabilities[arm])), 3.0)
        assert lucky.probabilities.argmax() == 7


def test_the_unit_of_costs_does_not_matter(play):
    costs = iteration_counts(1, 400)
    paid = [play(TsallisINF(20, np.random.default_rng(0)), unit * costs) / unit for unit in (1.0, 2.0**-30, 2.0**30)]
    np.testing.assert_array_equal(paid[0], paid[1])
    np.testing.assert_array_equal(paid[0], paid[2])


@pytest.mark.parametrize("at", [0, 1, 700])
def test_an_outlier_does_not_ruin_the_scale(play, at):
    costs = iteration_counts(3, 2000)
    costs[at] *= 1000
    paid = play(TsallisINF(20, np.random.default_rng(0)), costs)
    others = np.arange(2000) != at
    assert paid[others].sum() / costs[others].sum(axis=0).min() - 1 < 0.08


@pytest.mark.parametrize("scale", [None, 40.0])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimates_of_differences_are_unbiased(play, estimator, scale):
    costs = iteration_counts(5, 300)
    learner = TsallisINF(20, np.random.default_rng(2), estimator=estimator, scale=scale)
    play(learner, costs)
    cost = np.linspace(3, 9, 20)
    expected = expected_change(learner, cost)
    constant = expected[0] - cost[0]
    np.testing.assert_allclose(expected - constant, cost, rtol=1e-8)
    if estimator != "baseline":
        assert abs(constant) < 1e-8


def test_late_feedback_in_any_order_adds_up():
    forward, backward = (
        TsallisINF(3, np.random.default_rng(0), estimator="importance-weighted", scale=1.0) for _ in range(2)
    )
    costs = np.random.default_rng(1).random(50)
    pending = [(forward.choose(), float(cost)) for cost in costs]
    for choice, cost in pending:
        forward.learn(choice, cost)
    for choice, cost in reversed(pending):
        backward.learn(choice, cost)
    np.testing.assert_allclose(forward.losses, backward.losses, rtol=1e-12)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_stopping_early_never_makes_an_arm_look_better(play, estimator):
    learner = TsallisINF(20, np.random.default_rng(0), estimator=estimator)
    play(learner, iteration_counts(7, 200))
    before = learner.losses
    learner.learn(Choice(4, 0.1), 0.0, censored=True)
    change = learner.losses - before
    assert change[4] >= change.min() - 1e-12


def test_merging_adds_up(play):
    one, two = (TsallisINF(20, np.random.default_rng(s)) for s in range(2))
    play(one, iteration_counts(1, 100))
    play(two, iteration_counts(2, 50))
    total = one.losses + two.losses
    one.absorb(two)
    np.testing.assert_array_equal(one.losses, total)
    assert one.learnt()["rounds"] == 150


def test_free_instances_teach_nothing():
    learner = TsallisINF(3, np.random.default_rng(0))
    for _ in range(30):
        learner.learn(learner.choose(), 0.0)
    np.testing.assert_allclose(learner.probabilities, 1 / 3)


def test_options_out_of_range():
    rng = np.random.default_rng(0)
    with pytest.raises(InvalidInput, match="importance-weighted"):
        TsallisINF(2, rng, estimator="exp3")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="scale"):
        TsallisINF(2, rng, scale=0.0)
    for probability in (0.0, -1.0, 1.5, math.nan):
        with pytest.raises(InvalidInput, match="probability"):
            TsallisINF(2, rng).learn(Choice(0, probability), 1.0)
