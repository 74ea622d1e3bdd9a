from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners.hierarchical import (
    DRIFT,
    FIRST_NOISE,
    LEVEL_VARIANCE,
    LINE_VARIANCE,
    MOST,
    PLACE_VARIANCE,
    Hierarchical,
    matern,
)
from reiterate.learners.simple import Uniform
from reiterate.learners.tsallis_inf import TsallisINF

LINES = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)]


def prior(lines, neighborhood=5.0):
    line, place = (np.array(column, dtype=float) for column in zip(*lines, strict=True))
    near = matern(abs(place[:, None] - place) / neighborhood)
    return (line[:, None] == line) * (LINE_VARIANCE + PLACE_VARIANCE * near)


def test_the_posterior_is_that_of_the_gaussian_hierarchy():
    # Conditioning all responses at once, with the drift's variance in what they have in common.
    rng = np.random.default_rng(0)
    arms, responses = rng.integers(6, size=15), 0.2 * rng.normal(size=15)
    learner = Hierarchical(6, np.random.default_rng(0), lines=LINES)
    for arm, response in zip(arms, responses, strict=True):
        learner._update(learner._effects(int(arm), np.zeros(0)), float(response))
    order = np.arange(1, 16)
    # The first feedback finds the common variance at its cap, from which it cannot grow.
    common = LEVEL_VARIANCE + DRIFT * FIRST_NOISE * (np.minimum(order[:, None], order) - 1)
    among = prior(LINES)
    joint = common + among[np.ix_(arms, arms)] + FIRST_NOISE * np.eye(15)
    gains = np.linalg.solve(joint, among[arms]).T
    mean, covariance = learner._relative(np.zeros(0))
    np.testing.assert_allclose(mean, gains @ responses, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(covariance, among - gains @ among[arms], rtol=1e-9, atol=1e-12)


def test_what_is_learnt_spreads_to_neighbors_then_to_the_line_then_to_none():
    lines = [(0, place) for place in range(12)] + [(1, 0)]
    learner = Hierarchical(13, np.random.default_rng(0), lines=lines)
    for _ in range(3):
        for arm in (0, 12):
            learner.learn(Choice(arm, 1.0), 10.0)
    for _ in range(20):
        learner.learn(Choice(0, 1.0), 3.0)
    costs = learner.predict()
    assert costs[0] < costs[1] < costs[5] < costs[11] < costs[12]


def portfolio(seed, rounds):
    """Log costs of 4 methods with 12 parameters each, a parabola on each line, harder and easier instances."""
    rng = np.random.default_rng(seed)
    level, best, width = rng.normal(0, 0.7, 4), rng.uniform(0, 11, 4), rng.uniform(0.005, 0.02, 4)
    mean = (level[:, None] + width[:, None] * (np.arange(12) - best[:, None]) ** 2).ravel()
    difficulty = 0.5 * np.sin(np.arange(rounds) / 20)
    costs = 7.0 * np.exp(mean + difficulty[:, None] + 0.05 * rng.standard_normal((rounds, 48)))
    return costs, costs[:, mean.argmin()].sum()


def test_few_rounds_are_enough_for_methods_with_many_parameters(play):
    lines = [(arm // 12, arm % 12) for arm in range(48)]
    excess, others = [], {TsallisINF: [], Uniform: []}
    for seed in range(5):
        costs, best = portfolio(seed, 150)
        excess.append(play(Hierarchical(48, np.random.default_rng(seed), lines=lines), costs).sum() / best - 1)
        for other, paid in others.items():
            paid.append(play(other(48, np.random.default_rng(seed)), costs).sum() / best - 1)
    assert np.mean(excess) < 0.35 * min(np.mean(paid) for paid in others.values())


def test_the_context_moves_the_best_method_and_the_best_parameter():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 400)
    places = np.arange(8)
    one = 0.02 * (places - (3.5 + 3 * x[:, None])) ** 2
    two = 0.02 * (places - (3.5 - 3 * x[:, None])) ** 2 + 0.8 * x[:, None]
    costs = np.exp(np.hstack((one, two)) + 0.05 * rng.standard_normal((400, 16)))
    learner = Hierarchical(16, np.random.default_rng(0), lines=[(arm // 8, arm % 8) for arm in range(16)])
    without = Hierarchical(16, np.random.default_rng(0), lines=[(arm // 8, arm % 8) for arm in range(16)])
    paid = [0.0, 0.0]
    for t, row in enumerate(costs):
        for which, (one_learner, context) in enumerate(((learner, {"x": x[t]}), (without, None))):
            choice = one_learner.choose(context)
            one_learner.learn(choice, float(row[choice.arm]))
            paid[which] += row[choice.arm]
    optimum = costs.min(axis=1).sum()
    assert paid[0] / optimum - 1 < 0.25 * (paid[1] / optimum - 1)


def test_bayes_regret_is_below_the_bound_of_thompson_sampling():
    # Russo and Van Roy (2016): s sqrt(2 K H T) with H <= log K, for log costs drawn from the prior.
    arms, rounds, noise = 6, 60, 0.05
    among = prior([(0, place) for place in range(arms)])
    root = np.linalg.cholesky(among)
    regrets = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        mean = root @ rng.standard_normal(arms)
        learner = Hierarchical(arms, np.random.default_rng(seed))
        regret = 0.0
        for _ in range(rounds):
            choice = learner.choose()
            regret += mean[choice.arm] - mean.min()
            learner.learn(choice, float(np.exp(mean[choice.arm] + math.sqrt(noise) * rng.standard_normal())))
        regrets.append(regret)
    spread = math.sqrt(PLACE_VARIANCE + noise)
    assert np.mean(regrets) < spread * math.sqrt(2 * arms * math.log(arms) * rounds)
    # Far from uniform play, too.
    assert np.mean(regrets) < 0.35 * rounds * 0.5


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(-50, 50)), min_size=1, max_size=12),
    st.lists(st.floats(0, 1e12), min_size=1, max_size=25),
    st.integers(0, 3),
)
def test_probabilities_are_frequencies_and_all_stays_finite(lines, costs, variables):
    learner = Hierarchical(len(lines), np.random.default_rng(0), lines=lines)
    for t, cost in enumerate(costs):
        choice = learner.choose({f"v{j}": math.sin((j + 1) * t) for j in range(variables)})
        assert 0 <= choice.arm < len(lines)
        assert choice.probability * 32 == int(choice.probability * 32) > 0
        learner.learn(choice, cost, censored=t % 5 == 4)
    state = learner.state_dict()
    assert np.isfinite(state["mean"]).all()
    assert np.isfinite(learner.predict()).all()
    covariance = state["covariance"]
    np.testing.assert_array_equal(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9


def test_the_noise_is_measured():
    rng = np.random.default_rng(0)
    for deviation in (0.02, 0.4):
        learner = Hierarchical(4, np.random.default_rng(0))
        for _ in range(300):
            learner.learn(Choice(int(rng.integers(4)), 0.25), float(np.exp(deviation * rng.standard_normal())))
        assert deviation**2 / 3 < learner.state_dict()["noise"] < 3 * deviation**2


def test_an_outlier_does_not_ruin_the_posterior(play):
    costs, best = portfolio(0, 150)
    lines = [(arm // 12, arm % 12) for arm in range(48)]
    for at in (0, 1, 60):
        spoilt = costs.copy()
        spoilt[at] *= 1000
        paid = play(Hierarchical(48, np.random.default_rng(0), lines=lines), spoilt)
        assert np.delete(paid, at).sum() / best - 1 < 0.4


def test_the_unit_of_costs_does_not_matter(play):
    costs, _ = portfolio(0, 100)
    paid = [play(Hierarchical(48, np.random.default_rng(0)), unit * costs).sum() / unit for unit in (1.0, 2.0**-20)]
    assert paid[0] == pytest.approx(paid[1])


def test_stopping_early_never_makes_an_arm_look_better(play):
    costs, _ = portfolio(0, 100)
    learner = Hierarchical(48, np.random.default_rng(0))
    play(learner, costs)
    before = learner.predict()
    learner.learn(Choice(4, 0.1), 0.0, censored=True)
    assert learner.predict()[4] > 0.999 * before[4]


def test_options_out_of_range():
    rng = np.random.default_rng(0)
    for lines in ([(0, 0)], [(0, 0), (0, math.nan)], [0, 1], 3, "ab"):
        with pytest.raises(InvalidInput, match="lines"):
            Hierarchical(2, rng, lines=lines)
    with pytest.raises(InvalidInput, match="neighborhood"):
        Hierarchical(2, rng, neighborhood=0.0)


@pytest.mark.parametrize("rounds", [60, 255, 300])
def test_a_restored_learner_goes_on_while_all_is_taken_in_again_and_after(play, rounds):
    rng = np.random.default_rng(0)
    costs, contexts = np.exp(rng.normal(size=(rounds + 80, 6))), rng.normal(size=rounds + 80)
    learner = Hierarchical(6, np.random.default_rng(0), lines=LINES)
    play(learner, costs[:rounds], contexts[:rounds])
    restored = Hierarchical.from_state_dict(learner.state_dict())
    paid = [play(one, costs[rounds:], contexts[rounds:]) for one in (learner, restored)]
    np.testing.assert_array_equal(*paid)
    np.testing.assert_array_equal(learner.predict({"c": 0.3}), restored.predict({"c": 0.3}))


def test_of_very_many_arms_some_represent_the_others():
    # Two lines of a thousand places each, given in any order; the valley of one is the best of all.
    places = np.random.default_rng(0).permutation(1000)
    lines = [(line, float(place)) for place in places for line in (0, 1)]
    costs = np.array([math.exp(0.5 + line + 2.0 * ((place - 700.0) / 1000.0) ** 2) for line, place in lines])
    learner = Hierarchical(2000, np.random.default_rng(0), lines=lines)
    assert learner._mean.size == 1 + MOST
    for _ in range(200):
        choice = learner.choose()
        learner.learn(choice, float(costs[choice.arm]))
    chosen = [learner.choose() for _ in range(40)]
    # Whoever plays either line at random pays 2.5 times as much as the best, on the right one 1.3 times.
    assert costs[[choice.arm for choice in chosen]].mean() < 1.2 * costs.min()
    assert all(0 < choice.probability <= 1 for choice in chosen)
    # Arms that are never played count for those that are.
    near = [lines.index((1, float(place))) for place in (699, 700, 701)]
    predictions = learner.predict()
    assert predictions.shape == (2000,)
    assert predictions[near] == pytest.approx(math.exp(1.5), rel=0.3)
    before = learner.predict()[near[1]]
    learner.observe(near[1], 100.0)
    assert learner.predict()[near[1]] > before
