from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners import make_learner
from reiterate.learners.strongly_adaptive import RATE, SHORTEST, STEP, StronglyAdaptive


def play_with_queries(learner, costs):
    """The cost of each round's played arm; the query's is told, not paid."""
    paid = np.empty(len(costs))
    for t, row in enumerate(costs):
        choice, query = learner.choose(), learner.query()
        paid[t] = row[choice.arm]
        learner.learn(choice, paid[t])
        learner.learn(query, row[query.arm])
    return paid


def volatile(seed, rounds=2000, arms=6, stay=250):
    """The best arm changes every ``stay`` rounds, at random."""
    rng = np.random.default_rng(seed)
    costs = np.full((rounds, arms), 3.0)
    best = 0
    for begin in range(0, rounds, stay):
        best = (best + rng.integers(1, arms)) % arms
        costs[begin : begin + stay, best] = 1.0
    return costs * rng.uniform(0.8, 1.2, costs.shape)


def test_a_best_arm_that_keeps_changing_is_followed(play):
    excess = dict.fromkeys(("strongly_adaptive", "tsallis_inf", "uniform"), 0.0)
    for seed in range(2):
        costs = volatile(seed)
        least = costs.min(axis=1).sum()
        for name in excess:
            learner = make_learner(name, 6, np.random.default_rng(seed))
            run = play_with_queries if name == "strongly_adaptive" else play
            excess[name] += run(learner, costs).sum() - least
    assert excess["strongly_adaptive"] < 0.4 * excess["tsallis_inf"]
    assert excess["strongly_adaptive"] < 0.3 * excess["uniform"]


def test_regret_over_every_interval_is_of_the_order_of_its_root():
    """Intervals begin anywhere and may cover changes; 8 stands for the theorem's logarithms, range 2 in means."""
    costs = volatile(5)
    regret = np.mean(
        [
            play_with_queries(StronglyAdaptive(6, np.random.default_rng(seed)), costs)[:, None] - costs
            for seed in range(2)
        ],
        axis=0,
    )
    sums = np.vstack((np.zeros(6), regret.cumsum(axis=0)))
    for length in (50, 125, 250, 500, 1000, 2000):
        worst = (sums[length:] - sums[:-length]).max()
        assert worst <= 8 * math.sqrt(6 * length)


def test_experts_and_weights_follow_the_published_update():
    learner = StronglyAdaptive(3, np.random.default_rng(0))
    for cost in (1.0, 2.0, 3.0):
        learner.learn(learner.query(), cost)
    level, mean = 1.5, 1.5
    losses, weight = np.zeros(3), 0.5
    eta = RATE * math.sqrt(math.log(3) / (3 * 2**SHORTEST))
    for arm, cost in ((0, 2.0), (2, 1.0), (0, 4.0)):
        p = np.exp(-eta * losses) / np.exp(-eta * losses).sum()
        q = 0.5 / 3 + 0.5 * p
        np.testing.assert_allclose(learner.probabilities, p)
        np.testing.assert_allclose(learner.query_probabilities, q)
        scale = learner.state_dict()["costs"]
        level, mean = scale["level"], scale["mean"]
        query = learner.query()
        while query.arm != arm:
            query = learner.query()
        assert query.probability == pytest.approx(q[arm])
        learner.learn(query, cost)
        losses[arm] += (cost - level) / mean / q[arm]
    # One expert is the mixture: it gains nothing over itself.
    np.testing.assert_allclose(learner.state_dict()["weights"], weight)
    np.testing.assert_allclose(learner.state_dict()["losses"], losses[None])


def test_an_expert_begins_anew_with_its_interval():
    learner = StronglyAdaptive(4, np.random.default_rng(0))
    span = 2**SHORTEST
    for t in range(1, 8 * span + 1):
        choice = learner.choose()
        state = learner.state_dict()
        assert len(state["weights"]) == 1 + int(math.log2(max(t // span, 1)))
        for expert, losses in enumerate(state["losses"]):
            if t % (span * 2**expert) == 0:
                assert not losses.any()
                assert state["weights"][expert] == pytest.approx(min(0.5, STEP / math.sqrt(span * 2**expert)))
            elif t > 6:
                assert losses.any()
        learner.learn(choice, 1.0 + choice.arm)


def test_estimates_of_queries_are_unbiased():
    learner = StronglyAdaptive(5, np.random.default_rng(0))
    play_with_queries(learner, volatile(1, rounds=100, arms=5))
    state, q = learner.state_dict(), learner.query_probabilities
    cost = np.linspace(1, 3, 5)
    expected = np.zeros(5)
    for arm in range(5):
        copy = StronglyAdaptive.from_state_dict(state)
        query = copy.query()
        while query.arm != arm:
            query = copy.query()
        copy.learn(query, cost[arm])
        expected += q[arm] * (copy.state_dict()["losses"][0] - state["losses"][0])
    differences = (cost - cost[0]) / state["costs"]["mean"]
    np.testing.assert_allclose(expected - expected[0], differences, rtol=1e-9)


def test_with_queries_what_is_played_is_not_learnt_from():
    learner = StronglyAdaptive(3, np.random.default_rng(0))
    play_with_queries(learner, volatile(0, rounds=50, arms=3))
    before = learner.state_dict()["losses"]
    learner.learn(Choice(1, 0.1), 5.0)
    np.testing.assert_array_equal(learner.state_dict()["losses"], before)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**32 - 1), st.sampled_from([1e-6, 1.0, 1e8]), st.booleans())
def test_probabilities_are_probabilities(arms, seed, spread, queries):
    rng = np.random.default_rng(seed)
    learner = StronglyAdaptive(arms, rng)
    for _ in range(70):
        choices = [learner.choose(), *([learner.query()] if queries else [])]
        for choice in choices:
            assert 0 <= choice.arm < arms
            learner.learn(choice, float(spread ** rng.standard_normal()))
    for p in (learner.probabilities, learner.query_probabilities):
        assert p.sum() == pytest.approx(1)
        assert (p >= 0).all()
    assert learner.query_probabilities.min() >= 0.5 / arms * (1 - 1e-12)


@pytest.mark.parametrize("exploration", [0, 1.5, "all"])
def test_options_out_of_range(exploration):
    with pytest.raises(InvalidInput, match="exploration"):
        StronglyAdaptive(3, np.random.default_rng(0), exploration=exploration)


def stopped_and_finished(learner, costs, *, sights):
    """Total cost where a choice is stopped at twice what the best known arm costs, which then finishes half of it."""
    known, total = np.full(costs.shape[1], np.inf), 0.0
    for row in costs:
        choice, incumbent = learner.choose(), int(known.argmin())
        cap = 2.0 * known[incumbent]
        stopped = choice.arm != incumbent and row[choice.arm] > cap
        paid = cap + 0.5 * row[incumbent] if stopped else row[choice.arm]
        if stopped and sights:
            learner.observe(incumbent, row[incumbent])
        known[choice.arm] = np.inf if stopped else paid
        learner.learn(choice, paid, censored=stopped)
        total += paid
    return total


def test_what_finishes_is_a_second_observation():
    without, sights = (
        sum(
            stopped_and_finished(StronglyAdaptive(6, np.random.default_rng(s)), volatile(s), sights=told)
            for s in range(6)
        )
        for told in (False, True)
    )
    assert sights < without


def test_a_sight_counts_once_and_only_where_there_are_no_queries():
    learner = StronglyAdaptive(3, np.random.default_rng(0))
    learner.observe(1, 0.5)  # the unit is not known yet
    assert not learner.state_dict()["losses"].any()
    for cost in (1.0, 2.0, 3.0):
        learner.learn(learner.choose(), cost)
    before, level, mean = learner.state_dict()["losses"], learner._costs.level, learner._costs.mean
    learner.observe(1, 0.5)
    moved = learner.state_dict()["losses"] - before
    np.testing.assert_allclose(moved[:, 1], (0.5 - level) / mean)
    assert not moved[:, [0, 2]].any()
    learner.observe(2, 0.5, censored=True)
    assert (learner.state_dict()["losses"][:, 2] == before[:, 2]).all()
    with pytest.raises(InvalidInput, match="for arm 1 "):
        learner.observe(1, math.nan)
    with pytest.raises(InvalidInput, match="choice"):
        learner.observe(3, 1.0)
    learner.query()
    learner.observe(0, 0.5)
    assert (learner.state_dict()["losses"][:, 0] == before[:, 0]).all()
