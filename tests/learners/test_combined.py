from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners import make_learner
from reiterate.learners.combined import LEARNING_RATE, UNIT, Combined
from reiterate.learners.tsallis_inf import tsallis_probabilities


def paid(learner, costs, price):
    """Total of the costs and of the changes, ``price`` each, and the number of changes."""
    total, changes, last = 0.0, 0, None
    for row in costs:
        choice = learner.choose()
        changes += last is not None and choice.arm != last
        last = choice.arm
        total += row[choice.arm]
        learner.learn(choice, row[choice.arm])
    return total + price * changes, changes


def costs_of_policies(seed, rounds=1500):
    means = np.array([3.0, 2.6, 2.0, 3.0, 2.8, 3.0])
    return means * np.random.default_rng(seed).uniform(0.6, 1.4, (rounds, 6))


def test_where_changes_have_a_price_they_are_few():
    price = 10.0
    excess = dict.fromkeys(("combined", "tsallis_inf", "uniform"), 0.0)
    for seed in range(3):
        costs = costs_of_policies(seed)
        for name in excess:
            options = {"price": 4.0} if name == "combined" else {}
            learner = make_learner(name, 6, np.random.default_rng(seed), **options)
            excess[name] += paid(learner, costs, price)[0] - costs[:, 2].sum()
    assert excess["combined"] < 0.6 * excess["tsallis_inf"]
    assert excess["combined"] < 0.2 * excess["uniform"]


@pytest.mark.parametrize("price", [0.5, 4.0])
def test_regret_is_below_the_order_of_the_bound_for_an_adversary(price):
    """Costs are 0 or 1 around a mean of 1/2, and the best arm changes midway; 5.25 is the source's first constant."""
    rounds, arms = 3000, 4
    regrets = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        means = np.full((rounds, arms), 0.6)
        means[: rounds // 3, 0] = 0.3
        means[rounds // 3 :, 1] = 0.3
        costs = (rng.random((rounds, arms)) < means).astype(float)
        total, _ = paid(Combined(arms, rng, price=price), costs, 0.5 * price)
        regrets.append(total - costs.sum(axis=0).min())
    bound = 5.25 * (0.5 * price * arms) ** (1 / 3) * rounds ** (2 / 3) + 6.5 * math.sqrt(arms * rounds)
    assert np.mean(regrets) <= bound


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.floats(0, 50), st.integers(0, 2**32 - 1))
def test_blocks_have_their_lengths_and_one_arm_each(arms, price, seed):
    rng = np.random.default_rng(seed)
    learner = Combined(arms, rng, price=price)
    for block in range(1, 12):
        length = max(1, math.ceil(1.5 * price / UNIT * math.sqrt(block / arms)))
        choices = []
        for _ in range(length):
            choices.append(learner.choose())
            learner.learn(choices[-1], float(rng.gamma(2.0)))
        assert len({(choice.arm, choice.probability) for choice in choices}) == 1
        assert learner.state_dict()["block"][2] == 0
        p = learner.probabilities
        assert p.sum() == pytest.approx(1)
        assert (p > 0).all()
    assert learner.length(block) == length


def test_the_update_is_that_of_blocks_with_one_baseline():
    learner = Combined(3, np.random.default_rng(0), price=2.0)
    while not learner._costs.ready or learner.state_dict()["block"][2]:
        learner.learn(learner.choose(), 1.0)
    before, level = learner.state_dict()["losses"], learner.state_dict()["costs"]["level"]
    cost = [3.0, 5.0, 2.0, 4.0, 1.0, 0.5, 2.5]
    choices = [learner.choose() for _ in range(learner.length(learner.state_dict()["blocks"] + 1))]
    # In a later block, and out of order: what the block costs beyond the level at its beginning is what counts.
    learner.choose()
    for choice, value in zip(reversed(choices), cost, strict=False):
        learner.learn(choice, value)
    expected = before.copy()
    expected[choices[0].arm] += (sum(cost[: len(choices)]) - len(choices) * level) / choices[0].probability
    np.testing.assert_allclose(learner.state_dict()["losses"], expected)
    state = learner.state_dict()
    lengths = [learner.length(n) for n in range(1, state["blocks"] + 2)]
    eta = LEARNING_RATE / (UNIT * state["costs"]["mean"] * math.sqrt(sum(n * n for n in lengths)))
    np.testing.assert_allclose(learner.probabilities, tsallis_probabilities(expected, eta)[0])


def test_estimates_of_differences_are_unbiased():
    learner = Combined(4, np.random.default_rng(1), price=3.0)
    rng = np.random.default_rng(2)
    while learner.state_dict()["blocks"] < 8 or learner.state_dict()["block"][2]:
        choice = learner.choose()
        learner.learn(choice, float(rng.uniform(1, 2) + choice.arm))
    state, p = learner.state_dict(), learner.probabilities
    cost, length = np.linspace(1, 4, 4), learner.length(9)
    expected = np.zeros(4)
    for arm in range(4):
        copy = Combined.from_state_dict(state)
        while (choice := copy.choose()).arm != arm:
            copy = Combined.from_state_dict(state)
            copy._rng = rng
        for _ in range(length):
            copy.learn(choice, cost[arm])
        assert choice.probability == pytest.approx(p[arm])
        expected += p[arm] * (copy.state_dict()["losses"] - state["losses"])
    np.testing.assert_allclose(expected - expected[0], length * (cost - cost[0]), rtol=1e-9)


def test_a_dearer_change_means_fewer():
    costs = costs_of_policies(0)
    changes = [
        paid(Combined(6, np.random.default_rng(0), price=price), costs, price)[1] for price in (0.0, 1.0, 4.0, 16.0)
    ]
    assert changes == sorted(changes, reverse=True)
    assert changes[-1] < 0.2 * changes[0]


def test_the_unit_of_costs_does_not_matter():
    costs = costs_of_policies(4, rounds=300)
    totals = [paid(Combined(6, np.random.default_rng(0)), unit * costs, unit)[0] / unit for unit in (1.0, 2.0**60)]
    assert totals[0] == totals[1]


def test_choices_that_could_not_have_been_made():
    with pytest.raises(InvalidInput, match="probability"):
        Combined(3, np.random.default_rng(0)).learn(Choice(1, 0.0), 1.0)


@pytest.mark.parametrize("price", [-1, math.inf, "high"])
def test_options_out_of_range(price):
    with pytest.raises(InvalidInput, match="price"):
        Combined(3, np.random.default_rng(0), price=price)
