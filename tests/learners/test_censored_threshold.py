from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf, norm

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners import Uniform
from reiterate.learners.censored_threshold import CensoredThreshold, largest_rates
from reiterate.learners.tsallis_inf import TsallisINF

CAPS = np.linspace(0.5, 40.0, 40)
RESCUE = 4.0


def run_costs(rounds, seed):
    """What runs would cost without a cap: four in five are short, the others have a heavy tail."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(rounds) < 0.8, rng.lognormal(0.7, 0.3, rounds), 3.0 + 20.0 * rng.pareto(1.2, rounds))


def pay(cost, cap, rescue):
    return (cap + rescue, True) if cost > cap else (cost, False)


def play_caps(learner, costs, caps=CAPS, rescue=RESCUE):
    paid = []
    for cost in costs:
        choice = learner.choose()
        price, censored = pay(cost, caps[choice.arm], rescue)
        learner.learn(choice, price, censored=censored)
        paid.append(price)
    return np.array(paid)


def best_in_hindsight(costs, caps=CAPS, rescue=RESCUE):
    return min(sum(pay(cost, cap, rescue)[0] for cost in costs) for cap in caps)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(5, 80))
def test_survival_is_kaplan_and_meiers(seed, rounds):
    rng = np.random.default_rng(seed)
    caps = np.sort(rng.uniform(0.5, 10, 6))
    learner = CensoredThreshold(6, rng, points=caps)
    ended, cut = [], []
    for cost, arm in zip(run_costs(rounds, seed), rng.integers(6, size=rounds), strict=True):
        price, censored = pay(cost, caps[arm], RESCUE)
        (cut if censored else ended).append(caps[arm] if censored else cost)
        learner.learn(Choice(int(arm), 1.0), price, censored=censored)
    if not ended:
        return
    reference = ecdf(CensoredData(uncensored=ended, right=cut)).sf.evaluate(caps)
    seen = caps <= max(ended + cut)
    np.testing.assert_allclose(learner.survival()[seen], reference[seen], atol=1e-12)


def test_without_censoring_predictions_are_averages():
    rng = np.random.default_rng(0)
    caps = np.array([1.0, 2.0, 3.0, 1e9])
    learner = CensoredThreshold(4, rng, points=caps, rescue=RESCUE)
    costs = run_costs(50, 3)
    for cost in costs:
        learner.learn(Choice(3, 1.0), cost)
    expected = [np.mean([pay(cost, cap, RESCUE)[0] for cost in costs]) for cap in caps]
    np.testing.assert_allclose(learner.predict(), expected, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 200), st.integers(1, 200), st.floats(0, 4))
def test_bounds_are_wilsons(successes, trials, z):
    rate = min(successes, trials) / trials
    high = float(largest_rates(np.array([rate]), np.array([float(trials)]), z)[0])
    assert rate - 1e-12 <= high <= 1
    # Wilson's bound is where the score test just accepts the rate.
    assert abs(rate - high) == pytest.approx(z * math.sqrt(max(high * (1 - high), 0) / trials), abs=1e-7)


def test_wilsons_bounds_hold_as_often_as_they_should():
    rng, z = np.random.default_rng(0), norm.ppf(0.95)
    rates = rng.binomial(60, 0.2, 4000) / 60
    assert (largest_rates(rates, np.full(4000, 60.0), z) >= 0.2).mean() > 0.94


@pytest.mark.parametrize("seed", range(3))
def test_optimistic_costs_are_lower_bounds_whatever_caps_were_chosen(seed):
    sample = run_costs(200_000, 99)
    truth = np.array([np.where(sample > cap, cap + RESCUE, sample).mean() for cap in CAPS])
    learner = CensoredThreshold(40, np.random.default_rng(0), points=CAPS, exploration=1.0)
    for cost in run_costs(300, seed):
        choice = learner.choose()
        price, censored = pay(cost, CAPS[choice.arm], RESCUE)
        learner.learn(choice, price, censored=censored)
        assert (learner._lower_bounds() <= 1.02 * truth).all()


def test_the_right_choice_for_heavy_tails():
    excess = {"threshold": [], "tsallis": [], "uniform": []}
    for seed in range(3):
        costs = run_costs(600, seed)
        best = best_in_hindsight(costs)
        for name, learner in (
            ("threshold", CensoredThreshold(40, np.random.default_rng(seed), points=CAPS)),
            ("tsallis", TsallisINF(40, np.random.default_rng(seed))),
            ("uniform", Uniform(40, np.random.default_rng(seed))),
        ):
            excess[name].append(play_caps(learner, costs).sum() / best - 1)
    assert np.mean(excess["threshold"]) < 0.05
    assert np.mean(excess["threshold"]) < 0.2 * min(np.mean(excess["tsallis"]), np.mean(excess["uniform"]))


def test_regret_grows_far_more_slowly_than_the_number_of_caps():
    sample, regret = np.sort(run_costs(100_000, 99)), []
    sums = np.concatenate(([0.0], sample.cumsum()))
    for arms in (40, 400):
        caps = np.linspace(0.5, 40.0, arms)
        ended = sample.searchsorted(caps, side="right")
        truth = (sums[ended] + (len(sample) - ended) * (caps + RESCUE)) / len(sample)
        total = 0.0
        for seed in range(3):
            learner = CensoredThreshold(arms, np.random.default_rng(0), points=caps)
            for cost in run_costs(400, seed):
                choice = learner.choose()
                total += truth[choice.arm] - truth.min()
                price, censored = pay(cost, caps[choice.arm], RESCUE)
                learner.learn(choice, price, censored=censored)
        regret.append(total)
    assert regret[1] < 2.5 * regret[0]


def test_the_rescue_is_learnt():
    learner = CensoredThreshold(40, np.random.default_rng(0), points=CAPS)
    play_caps(learner, run_costs(300, 1))
    assert learner._mean_rescue()[0] == pytest.approx(RESCUE)


def test_forgetting_looks_again_behind_the_cap():
    # The best cap hides that all runs have become short enough for the other.
    rng, caps = np.random.default_rng(0), np.array([2.0, 10.0])
    costs = np.concatenate((rng.uniform(8, 9, 300), rng.uniform(3, 4, 300)))
    forgetful, faithful = (
        play_caps(CensoredThreshold(2, rng, points=caps, memory=memory), costs, caps, rescue=5.0)[300:].sum()
        for memory in (50, None)
    )
    assert forgetful < 1.2 * costs[300:].sum()
    assert faithful > 1.5 * costs[300:].sum()


def test_only_costs_and_caps_matter_not_their_order():
    shuffle = np.random.default_rng(1).permutation(40)
    costs = run_costs(200, 5)
    straight = play_caps(CensoredThreshold(40, np.random.default_rng(0), points=CAPS), costs)
    shuffled = play_caps(
        CensoredThreshold(40, np.random.default_rng(0), points=CAPS[shuffle]), costs, caps=CAPS[shuffle]
    )
    np.testing.assert_array_equal(straight, shuffled)


def test_the_unit_of_costs_does_not_matter():
    costs = run_costs(200, 5)
    paid = [
        play_caps(
            CensoredThreshold(40, np.random.default_rng(0), points=unit * CAPS),
            unit * costs,
            unit * CAPS,
            unit * RESCUE,
        )
        / unit
        for unit in (1.0, 2.0**-30, 2.0**30)
    ]
    np.testing.assert_allclose(paid[0], paid[1])
    np.testing.assert_allclose(paid[0], paid[2])


def test_stopping_early_never_makes_a_cap_look_better():
    learner = CensoredThreshold(40, np.random.default_rng(0), points=CAPS, rescue=RESCUE)
    play_caps(learner, run_costs(100, 1))
    before = learner.predict()
    learner.learn(Choice(20, 1.0), 5.0, censored=True)
    assert (learner.predict() >= before - 1e-12).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.booleans())
def test_choices_are_arms_and_estimates_probabilities(seed, arms, given_caps):
    rng = np.random.default_rng(seed)
    learner = CensoredThreshold(arms, rng, points=rng.pareto(1.0, arms) + 1e-9 if given_caps else None)
    for _ in range(30):
        choice = learner.choose()
        assert 0 <= choice.arm < arms
        learner.learn(choice, float(rng.pareto(0.7)), censored=rng.random() < 0.3)
        assert ((learner.survival() >= 0) & (learner.survival() <= 1)).all()
        assert np.isfinite(learner.predict()).all()


def test_options_out_of_range():
    rng = np.random.default_rng(0)
    for points in ([1.0, 0.0], [1.0], [[1.0, 1.0], [1.0, 1.0]]):
        with pytest.raises(InvalidInput, match="points"):
            CensoredThreshold(2, rng, points=points)
    with pytest.raises(InvalidInput, match="rescue"):
        CensoredThreshold(2, rng, rescue=-1.0)
    with pytest.raises(InvalidInput, match="memory"):
        CensoredThreshold(2, rng, memory=1)
