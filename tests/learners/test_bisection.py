from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners import Uniform
from reiterate.learners.bisection import Bisection, majority_reliability
from reiterate.learners.tsallis_inf import TsallisINF


def swinging_valley(rounds, arms, seed, noise=0.1):
    """Costs with one valley, of arms in order, on instances whose difficulty swings tenfold, slowly; (rounds, arms)."""
    rng = np.random.default_rng(seed)
    u = np.linspace(0, 1, arms)
    mean = 1 + 3 * np.abs(u - rng.uniform(0.2, 0.8))
    swing = 10 ** (0.5 - 0.5 * np.cos(2 * np.pi * 3 * np.arange(rounds) / rounds))
    return swing[:, None] * mean * np.exp(noise * rng.standard_normal((rounds, arms)))


def test_one_answer_multiplies_weights_by_bayes_rule():
    learner = Bisection(10, np.random.default_rng(0), reliability=0.8)
    low, high = 3, 6  # the golden section of ten equal weights
    played = {learner.choose().arm for _ in range(2)}
    assert played == {low, high}
    learner.learn(Choice(low, 1.0), 1.0)
    learner.learn(Choice(high, 1.0), 2.0)
    expected = np.where(np.arange(10) < high, 0.8, 0.2)
    np.testing.assert_allclose(learner.weights, expected / expected.sum())


@pytest.mark.parametrize(("left", "right", "likely"), [(2.0, 1.0, (4, 10)), (1.0, 1.0, (3, 7))])
def test_the_other_answers(left, right, likely):
    learner = Bisection(10, np.random.default_rng(0))
    learner.learn(Choice(3, 1.0), left)
    learner.learn(Choice(6, 1.0), right)
    assert learner.weights.nonzero()[0].tolist() == list(range(10))
    assert np.flatnonzero(learner.weights == learner.weights.max()).tolist() == list(range(*likely))


@settings(max_examples=40, deadline=None)
@given(st.floats(0.51, 0.99), st.integers(0, 6))
def test_reliability_of_a_majority_is_binomial(p, half):
    votes = 2 * half + 1
    assert majority_reliability(p, votes) == pytest.approx(binom.sf(half, votes, p))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 60), st.sampled_from([1, 3]))
def test_weights_are_probabilities_whatever_the_costs(seed, arms, repeats):
    rng = np.random.default_rng(seed)
    learner = Bisection(arms, rng, repeats=repeats)
    for _ in range(60):
        learner.learn(learner.choose(), float(rng.integers(3)), censored=rng.random() < 0.2)
        assert learner.weights.sum() == pytest.approx(1)
        assert (learner.weights > 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 300))
def test_without_noise_the_best_arm_is_found_in_logarithmic_time(seed, arms):
    rng = np.random.default_rng(seed)
    best = int(rng.integers(arms))
    learner = Bisection(arms, rng, reliability=0.9)
    for _ in range(int(2 * (4 + 3.5 * math.log2(arms)))):
        choice = learner.choose()
        learner.learn(choice, 1.0 + abs(choice.arm - best))
    assert learner.weights.argmax() == best


def test_the_error_falls_geometrically_when_answers_are_as_reliable_as_assumed():
    # Every comparison tells the better side with probability 3/4 however close its two arms are.
    # The arms' weights have a floor, hence the median: the mean's error would end there.
    errors = np.zeros(4)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        best = int(rng.integers(1000))
        learner = Bisection(1000, rng)
        for t in range(160):
            low, high = sorted((learner.choose().arm, learner.choose().arm))
            truth = abs(low - best) < abs(high - best)
            wins = truth if rng.random() < 0.75 else not truth
            learner.learn(Choice(low, 1.0), 1.0 if wins else 2.0)
            learner.learn(Choice(high, 1.0), 2.0 if wins else 1.0)
            if t % 40 == 0:
                errors[t // 40] += abs(int(learner.weights.cumsum().searchsorted(0.5)) - best) / 40
    assert errors[1] < 0.2 * errors[0]
    assert errors[2] < 0.3 * errors[1]
    assert errors[3] < errors[2]


@pytest.mark.parametrize("arms", [20, 200])
def test_the_right_choice_when_difficulty_swings_over_a_fine_grid(play, arms):
    excess = {"bisection": [], "tsallis": [], "uniform": []}
    for seed in range(3):
        costs = swinging_valley(400, arms, seed)
        best = costs.sum(axis=0).min()
        for name, learner in (
            ("bisection", Bisection(arms, np.random.default_rng(seed))),
            ("tsallis", TsallisINF(arms, np.random.default_rng(seed))),
            ("uniform", Uniform(arms, np.random.default_rng(seed))),
        ):
            excess[name].append(play(learner, costs).sum() / best - 1)
    assert np.mean(excess["bisection"]) < 0.1
    assert np.mean(excess["bisection"]) < 0.5 * min(np.mean(excess["tsallis"]), np.mean(excess["uniform"]))


def test_only_the_order_of_points_matters(play):
    costs = swinging_valley(100, 12, 5)
    shuffle = np.random.default_rng(1).permutation(12)
    straight = play(Bisection(12, np.random.default_rng(0)), costs)
    points = np.exp(np.arange(12.0))[shuffle]
    shuffled = play(Bisection(12, np.random.default_rng(0), points=points), costs[:, shuffle])
    np.testing.assert_array_equal(straight, shuffled)


def test_an_edge_that_is_best_is_found(play):
    for best in (0, 29):
        costs = 1.0 + np.abs(np.arange(30) - best) * np.ones((150, 1))
        learner = Bisection(30, np.random.default_rng(0))
        play(learner, costs)
        assert learner.weights.argmax() == best
        assert learner.choose().arm in (best, abs(best - 1))


def test_rechecking_follows_a_valley_that_moves(play):
    u = np.linspace(0, 1, 15)
    costs = 1 + np.abs(u - np.where(np.arange(800) < 400, 0.2, 0.8)[:, None])
    rechecking, sure = (
        play(Bisection(15, np.random.default_rng(0), recheck=recheck), costs)[400:].sum() for recheck in (5, None)
    )
    assert rechecking < 1.15 * costs[400:].sum(axis=0).min()
    assert rechecking < sure


def test_a_censored_cost_counts_as_more():
    learner = Bisection(10, np.random.default_rng(0))
    learner.learn(Choice(3, 1.0), 1.0, censored=True)
    learner.learn(Choice(6, 1.0), 5.0)
    assert learner.weights[9] > learner.weights[0]


def test_feedback_that_belongs_to_no_pair_is_ignored():
    learner = Bisection(10, np.random.default_rng(0))
    before = learner.weights
    for arm in (0, 1, 9):
        learner.learn(Choice(arm, 1.0), 1.0)
    for _ in range(15):
        learner.learn(Choice(3, 1.0), 1.0)
    np.testing.assert_array_equal(learner.weights, before)


def test_an_arm_that_is_never_heard_of_loses():
    learner = Bisection(10, np.random.default_rng(0))
    for _ in range(16):
        learner.learn(Choice(6, 1.0), 1.0)
    assert learner.weights[3] < learner.weights[4]
    assert learner.weights[9] > learner.weights[0]


def test_arms_that_are_never_heard_of_do_not_stop_the_search():
    learner = Bisection(10, np.random.default_rng(0))
    for _ in range(2000):
        choice = learner.choose()
        if choice.arm not in (3, 6):
            learner.learn(choice, 1.0 + abs(choice.arm - 8))
    assert learner.weights.argmax() == 8


def test_a_majority_of_comparisons_decides():
    learner = Bisection(10, np.random.default_rng(0), repeats=3)
    for left, right in ((2.0, 1.0), (1.0, 2.0), (2.0, 1.0)):
        learner.learn(Choice(3, 1.0), left)
        learner.learn(Choice(6, 1.0), right)
    likely = majority_reliability(0.75, 3)
    assert learner.weights[9] / learner.weights[0] == pytest.approx(likely / (1 - likely))
    undecided = Bisection(10, np.random.default_rng(0), repeats=3)
    for left, right in ((2.0, 1.0), (1.0, 2.0), (1.0, 1.0)):
        undecided.learn(Choice(3, 1.0), left)
        undecided.learn(Choice(6, 1.0), right)
    assert undecided.weights[0] == undecided.weights[9] < undecided.weights[5]


def test_options_out_of_range():
    rng = np.random.default_rng(0)
    for reliability in (0.5, 1.0):
        with pytest.raises(InvalidInput, match="reliability"):
            Bisection(3, rng, reliability=reliability)
    with pytest.raises(InvalidInput, match="odd"):
        Bisection(3, rng, repeats=2)
    with pytest.raises(InvalidInput, match="line"):
        Bisection(2, rng, points=[[0.0, 1.0], [1.0, 2.0]])
    with pytest.raises(InvalidInput, match="recheck"):
        Bisection(2, rng, recheck=0)
