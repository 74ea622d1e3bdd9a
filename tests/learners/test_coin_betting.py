from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners.coin_betting import CoinBetting, betting_fractions
from reiterate.learners.simple import Uniform
from reiterate.learners.tsallis_inf import TsallisINF
from tests.learners.plays import another_becomes_better


def log_wealth(coins):
    """What betting on these coins makes of 1."""
    fractions = [
        float(betting_fractions(np.array([coins[:t].sum()]), np.array([np.abs(coins[:t]).sum()]))[0])
        for t in range(len(coins))
    ]
    return float(np.log1p(np.array(fractions) * coins).sum())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([-1.0, 1.0]), min_size=1, max_size=60))
def test_wealth_from_signs_is_the_krichevsky_trofimov_mixture(signs):
    """The mixture of all biases under the Jeffreys prior has a closed form, a quotient of Beta functions."""
    coins = np.array(signs)
    heads, tails, tosses = (coins > 0).sum(), (coins < 0).sum(), len(coins)
    closed = (
        tosses * math.log(2)
        + math.lgamma(heads + 0.5)
        + math.lgamma(tails + 0.5)
        - math.lgamma(tosses + 1)
        - math.log(math.pi)
    )
    assert log_wealth(coins) == pytest.approx(closed, abs=1e-9)
    guaranteed = coins.sum() ** 2 / (2 * tosses) - math.log(math.e * math.sqrt(math.pi * tosses))
    assert closed >= guaranteed - 1e-9


def known(arms, first, seed=0):
    """A learner that has had the first cost of every arm."""
    learner = CoinBetting(arms, np.random.default_rng(seed))
    for _ in range(arms):
        choice = learner.choose()
        learner.learn(choice, first[choice.arm])
    return learner


@pytest.mark.parametrize("kind", ["random", "turning", "alternating"])
def test_regret_with_all_losses_seen_is_below_the_bound(kind):
    rounds, arms = 1500, 5
    rng = np.random.default_rng(0)
    losses = (rng.random((rounds, arms)) < 0.5 - 0.1 * (np.arange(arms) == 2)).astype(float)
    if kind == "turning":
        losses = np.tile(np.array([0.0, 1, 1, 1, 1]), (rounds, 1))
        losses[rounds // 3 :] = [1, 0, 1, 1, 1]
    if kind == "alternating":
        losses = (np.arange(rounds)[:, None] + np.arange(arms)) % 2.0
    learner = known(arms, np.ones(arms))
    paid = 0.0
    for row in losses:
        paid += float(learner.mixture.dot(row))
        learner._settle(row)
    bound = math.sqrt(rounds * (2 * math.log(arms) + math.log(rounds) + 5))
    assert paid - losses.sum(axis=0).min() <= bound


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.floats(-9, 9), st.floats(0, 12))
def test_no_money_is_made_out_of_nothing(arms, seed, unit, spread):
    rng = np.random.default_rng(seed)
    means = 10.0 ** (unit + spread * rng.random(arms))
    learner = CoinBetting(arms, np.random.default_rng(seed))
    for t in range(60):
        choice = learner.choose()
        learner.learn(choice, float(means[choice.arm] * rng.exponential()), censored=t % 7 == 0)
        p = learner.probabilities
        assert (p > 0).all() or t < arms
        assert abs(p.sum() - 1) < 1e-12
        assert abs(learner.mixture.sum() - 1) < 1e-12
        assert (learner.wealth > 0).all()
        assert learner.prior.dot(learner.wealth) <= learner.prior.sum() * (1 + 1e-9)


def costs_over_decades(seed, rounds=600, arms=12, decades=5):
    """Every arm a factor dearer than the one before it, in an odd unit, with noise of 30 %."""
    rng = np.random.default_rng(seed)
    means = 17.0 * 10.0 ** np.linspace(0, decades, arms)
    rng.shuffle(means)
    return means * np.exp(0.3 * rng.standard_normal((rounds, arms)))


def test_dear_arms_are_paid_for_once(play):
    excess = {learner: [] for learner in (CoinBetting, TsallisINF, Uniform)}
    for s in range(4):
        costs = costs_over_decades(s)
        for learner, values in excess.items():
            paid = play(learner(12, np.random.default_rng(s)), costs).sum()
            # Whoever does not know the scale must try every arm once, and no more is needed.
            values.append((paid - costs[0].sum()) / costs.sum(axis=0).min())
    mean = {learner: np.mean(values) for learner, values in excess.items()}
    assert mean[CoinBetting] < 25
    assert mean[CoinBetting] < 0.3 * mean[TsallisINF]
    assert mean[CoinBetting] < 0.01 * mean[Uniform]


def test_the_best_of_similar_arms_is_found(play):
    excess = []
    for s in range(4):
        costs = (1 + 0.3 * (np.arange(10) != 4)) * np.exp(0.2 * np.random.default_rng(s).standard_normal((1500, 10)))
        paid = play(CoinBetting(10, np.random.default_rng(s)), costs)
        excess.append(paid.sum() / costs[:, 4].sum() - 1)
    assert np.mean(excess) < 0.08


def test_an_arm_that_becomes_better_is_found(play):
    costs = another_becomes_better()
    learner = CoinBetting(4, np.random.default_rng(0))
    paid = play(learner, costs)
    assert learner.probabilities.argmax() == 2
    assert paid.sum() < 1.35 * costs.sum(axis=0).min()


def test_the_unit_of_costs_does_not_matter(play):
    costs = costs_over_decades(1, 300)
    paid = [play(CoinBetting(12, np.random.default_rng(0)), unit * costs) / unit for unit in (1.0, 2.0**-40, 2.0**40)]
    np.testing.assert_array_equal(paid[0], paid[1])
    np.testing.assert_array_equal(paid[0], paid[2])


def test_every_arm_is_tried_once_first():
    learner = CoinBetting(6, np.random.default_rng(0))
    choices = [learner.choose() for _ in range(6)]
    assert sorted(choice.arm for choice in choices) == list(range(6))
    assert [choice.probability for choice in choices] == pytest.approx([1 / n for n in range(6, 0, -1)])
    for choice in choices[1:]:
        learner.learn(choice, 5.0)
    missing = choices[0].arm
    assert learner.mixture[missing] == 0 < learner.probabilities[missing]


def test_the_prior_is_the_inverse_square_of_first_costs():
    learner = known(4, np.array([2.0, 1.0, 4.0, 1e9]))
    np.testing.assert_allclose(learner.prior, [0.25, 1, 1 / 16, 1e-12])
    np.testing.assert_allclose(learner.mixture, learner.prior / learner.prior.sum())
    # Zero says nothing about ratios: it counts as the least of the others.
    free = known(3, np.array([0.0, 0.0, 7.0]))
    np.testing.assert_allclose(free.prior, [1, 1, 1])


def test_estimates_of_losses_are_unbiased(monkeypatch):
    seen = []
    monkeypatch.setattr(CoinBetting, "_settle", lambda self, losses: seen.append(losses))
    state = known(4, np.array([2.0, 1.0, 4.0, 9.0])).state_dict()
    cost = np.array([3.0, 0.5, 5.0, 1.0])
    p = CoinBetting.from_state_dict(state).probabilities
    for arm in range(4):
        CoinBetting.from_state_dict(state).learn(Choice(arm, float(p[arm])), float(cost[arm]))
    np.testing.assert_allclose(p @ np.array(seen), cost, rtol=1e-9)


def test_one_lucky_draw_does_not_make_a_dear_arm_the_favorite(play):
    costs = np.array([1.0, 1.2, 1e6]) * np.exp(0.1 * np.random.default_rng(0).standard_normal((200, 3)))
    learner = CoinBetting(3, np.random.default_rng(0))
    play(learner, costs)
    learner.learn(Choice(2, float(learner.probabilities[2])), 1e5)
    assert learner.probabilities[2] < 1e-3


def test_stopping_early_never_makes_an_arm_look_better():
    state = known(3, np.array([2.0, 3.0, 4.0])).state_dict()
    learner, reference = (CoinBetting.from_state_dict(state) for _ in range(2))
    learner.learn(Choice(0, 0.5), 0.0, censored=True)
    reference.learn(Choice(0, 0.5), 2.0)
    np.testing.assert_array_equal(learner.probabilities, reference.probabilities)
    learner = CoinBetting(3, np.random.default_rng(0))
    for arm, cost in ((0, 2.0), (1, 6.0)):
        learner.learn(Choice(arm, 0.5), cost)
    learner.learn(Choice(2, 0.5), 0.0, censored=True)
    np.testing.assert_allclose(learner.prior, [1, 1 / 9, 1 / 4])


def test_options_and_probabilities_out_of_range():
    with pytest.raises(InvalidInput, match="exploration"):
        CoinBetting(2, np.random.default_rng(0), exploration=0.0)
    for probability in (0.0, 1.5, math.nan):
        with pytest.raises(InvalidInput, match="probability"):
            CoinBetting(2, np.random.default_rng(0)).learn(Choice(0, probability), 1.0)
