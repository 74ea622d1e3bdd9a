from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners import Uniform
from reiterate.learners._gaussian import RATIOS, Kernel, Pool, correlation, likeliest_kernel, posterior
from reiterate.learners._line import unit_box
from reiterate.learners.gp_ucb import CONFIDENCE, GPUCB
from reiterate.learners.tsallis_inf import TsallisINF

KERNEL = Kernel(0.7, 0.3, 0.05)


def dense_posterior(places, values, kernel, targets):
    """Gaussian conditioning on every single observation, with the constant by generalized least squares."""
    covariance = kernel.variance * (correlation(places, places, kernel.length) + kernel.ratio * np.eye(len(places)))
    cross = kernel.variance * correlation(targets, places, kernel.length)
    ones = np.ones(len(places))
    level = ones @ np.linalg.solve(covariance, values) / (ones @ np.linalg.solve(covariance, ones))
    means = level + cross @ np.linalg.solve(covariance, values - level)
    variances = kernel.variance - (cross * np.linalg.solve(covariance, cross.T).T).sum(axis=1)
    return means, np.sqrt(variances)


def observations(seed, rounds, arms=9, dimension=1):
    rng = np.random.default_rng(seed)
    box = rng.random((arms, dimension))
    picks = rng.integers(arms, size=rounds)
    return box, box[picks], rng.normal(2.0, 0.5, rounds)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 3))
def test_pooled_posterior_is_that_of_single_observations(seed, rounds, dimension):
    box, places, values = observations(seed, rounds, dimension=dimension)
    pool = Pool(64, dimension)
    for place, value in zip(places, values, strict=True):
        pool.add(place, value)
    means, deviations = posterior(pool, KERNEL, box, np.zeros(9))
    expected = dense_posterior(places, values, KERNEL, box)
    np.testing.assert_allclose(means, expected[0], rtol=1e-6)
    np.testing.assert_allclose(deviations, expected[1], rtol=1e-5, atol=1e-6)


def test_what_is_due_narrows_deviations_as_its_costs_will():
    box, places, values = observations(3, 20)
    before, after = Pool(64, 1), Pool(64, 1)
    for place, value in zip(places, values, strict=True):
        before.add(place, value)
        after.add(place, value)
    due = np.zeros(9)
    due[[2, 5]] = 1.0, 2.0
    for arm in (2, 5, 5):
        after.add(box[arm], 1.0)
    means, deviations = posterior(before, KERNEL, box, due)
    np.testing.assert_allclose(means, posterior(before, KERNEL, box, np.zeros(9))[0])
    np.testing.assert_allclose(deviations, posterior(after, KERNEL, box, np.zeros(9))[1], rtol=1e-7)


def test_likelihood_of_pooled_observations_is_that_of_single_ones():
    # The grid's choice maximizes the density of all observations, prior included, with the variance in closed form.
    rng = np.random.default_rng(5)
    places = np.repeat(np.linspace(0, 1, 8), 5)[:, None]
    values = np.sin(5 * places[:, 0]) + 0.1 * rng.normal(size=40)
    pool = Pool(64, 1)
    for place, value in zip(places, values, strict=True):
        pool.add(place, value)
    kernel = likeliest_kernel(pool)
    assert kernel.ratio == 0.01
    level = np.average(values)

    def density(length, ratio):
        shape = correlation(places, places, length) + ratio * np.eye(40)
        scale = (values - level) @ np.linalg.solve(shape, values - level) / 40
        return multivariate_normal(np.full(40, level), scale * shape, allow_singular=False).logpdf(values)

    assert max(RATIOS, key=lambda ratio: density(kernel.length, ratio)) == kernel.ratio


def test_learnt_noise_is_the_true_one():
    rng = np.random.default_rng(0)
    for noise in (0.05, 0.3):
        pool = Pool(64, 1)
        for _ in range(400):
            x = rng.integers(20) / 19
            pool.add(np.array([x]), 3 * (x - 0.4) ** 2 + noise * rng.normal())
        kernel = likeliest_kernel(pool)
        assert math.sqrt(kernel.ratio * kernel.variance) == pytest.approx(noise, rel=0.6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(1, 2))
def test_merging_keeps_the_size_the_weight_and_the_mean(seed, size, dimension):
    _, places, values = observations(seed, 60, arms=40, dimension=dimension)
    pool = Pool(size, dimension)
    for place, value in zip(places, values, strict=True):
        pool.add(place, value)
    assert len(pool.weights) <= size
    assert pool.weights.sum() == pytest.approx(60)
    assert pool.weights @ pool.means == pytest.approx(values.sum())
    np.testing.assert_allclose(pool.weights @ pool.places, places.sum(axis=0))


@pytest.mark.parametrize("seed", range(3))
def test_regret_is_below_the_theorems_bound(seed):
    rng, arms, rounds, noise = np.random.default_rng(seed), 30, 150, 0.3
    learner = GPUCB(arms, rng, kernel=(1.0, 0.2, noise), exploration=1.0)
    box = unit_box(learner.points)
    covariance = correlation(box, box, 0.2)
    truth = rng.multivariate_normal(np.zeros(arms), covariance)
    regret, played = 0.0, []
    for _ in range(rounds):
        choice = learner.choose()
        regret += truth[choice.arm] - truth.min()
        played.append(choice.arm)
        learner.learn(choice, math.exp(truth[choice.arm] + noise * rng.normal()))
    # The proof's bound is by the information that was gained in fact, which is no more than γ_T.
    gained = 0.5 * np.linalg.slogdet(np.eye(rounds) + covariance[np.ix_(played, played)] / noise**2)[1]
    beta = 2 * math.log(arms * rounds**2 * math.pi**2 / (6 * CONFIDENCE))
    assert regret <= math.sqrt(8 / math.log(1 + noise**-2) * rounds * beta * gained)


def valley(rounds, box, seed, noise=0.1):
    """Costs over a box with one smooth valley at 0.7, 0.7, …; (rounds, K)."""
    mean = 20 * np.exp(2.0 * ((box - 0.7) ** 2).sum(axis=1) ** 0.7)
    return mean * np.exp(noise * np.random.default_rng(seed).standard_normal((rounds, len(box))))


@pytest.mark.parametrize("dimension", [1, 2])
def test_the_right_choice_on_a_fine_grid(play, dimension):
    side = np.linspace(0, 1, 100 if dimension == 1 else 10)
    points = np.stack(np.meshgrid(*[side] * dimension), axis=-1).reshape(-1, dimension)
    excess = {name: [] for name in ("gp", "tsallis", "uniform")}
    for seed in range(2):
        costs = valley(120, points, seed)
        best = costs.sum(axis=0).min()
        for name, learner in (
            ("gp", GPUCB(100, np.random.default_rng(seed), points=points)),
            ("tsallis", TsallisINF(100, np.random.default_rng(seed))),
            ("uniform", Uniform(100, np.random.default_rng(seed))),
        ):
            excess[name].append(play(learner, costs).sum() / best - 1)
    assert np.mean(excess["gp"]) < 0.08 * dimension
    assert np.mean(excess["gp"]) < 0.3 * min(np.mean(excess["tsallis"]), np.mean(excess["uniform"]))


def test_forgetting_follows_a_valley_that_moves(play):
    u = np.linspace(0, 1, 25)
    bottoms = np.where(np.arange(600) < 400, 0.2, 0.8)[:, None]
    costs = 10 * np.exp(2 * (u - bottoms) ** 2 + 0.05 * np.random.default_rng(1).standard_normal((600, 25)))
    forgetful, faithful = (
        play(GPUCB(25, np.random.default_rng(0), memory=memory), costs)[400:].sum() for memory in (30, None)
    )
    assert forgetful < 1.12 * costs[400:].sum(axis=0).min()
    assert forgetful < 0.95 * faithful


def test_few_places_suffice_for_many_arms(play):
    costs = valley(120, np.linspace(0, 1, 200)[:, None], 0)
    learner = GPUCB(200, np.random.default_rng(0), inducing=10)
    assert play(learner, costs).sum() < 1.1 * costs.sum(axis=0).min()
    assert len(learner.state_dict()["pool"]["weights"]) <= 10


def test_choices_made_before_feedback_differ():
    learner = GPUCB(50, np.random.default_rng(0))
    assert len({learner.choose().arm for _ in range(6)}) == 6


def test_the_first_choice_is_central_and_ignores_units():
    assert GPUCB(5, np.random.default_rng(0)).choose().arm == 2
    points = [[0.0, 1e6], [5.0, 2e6], [10.0, 3e6]]
    assert GPUCB(3, np.random.default_rng(0), points=points).choose().arm == 1


def test_the_unit_of_costs_does_not_matter(play):
    costs = valley(60, np.linspace(0, 1, 20)[:, None], 3)
    paid = [play(GPUCB(20, np.random.default_rng(0)), unit * costs) / unit for unit in (1.0, 1e-9, 1e9)]
    np.testing.assert_allclose(paid[0], paid[1])
    np.testing.assert_allclose(paid[0], paid[2])


def test_stopping_early_never_makes_an_arm_look_better(play):
    learner = GPUCB(20, np.random.default_rng(0))
    play(learner, valley(40, np.linspace(0, 1, 20)[:, None], 3))
    before = learner.predict()[0]
    learner.learn(Choice(4, 1.0), 0.0, censored=True)
    assert learner.predict()[0][4] >= before[4] - 1e-9
    learner.learn(Choice(4, 1.0), 1e4, censored=True)
    assert learner.predict()[0][4] > before[4]


def test_an_outlier_is_survived(play):
    costs = valley(100, np.linspace(0, 1, 20)[:, None], 5)
    costs[7] *= 1e4
    paid = play(GPUCB(20, np.random.default_rng(0)), costs)
    assert paid[8:].sum() < 1.25 * costs[8:].sum(axis=0).min()


def test_options_out_of_range():
    rng = np.random.default_rng(0)
    for points in ([0.0], [[0.0], [1.0], [2.0]], [0.0, math.nan], "ab", [[], []]):
        with pytest.raises(InvalidInput, match="points"):
            GPUCB(2, rng, points=points)
    with pytest.raises(InvalidInput, match="inducing"):
        GPUCB(2, rng, inducing=1)
    with pytest.raises(InvalidInput, match="memory"):
        GPUCB(2, rng, memory=1.0)
    for kernel in ((1.0, 1.0), (1.0, 0.0, 1.0), 3.0):
        with pytest.raises(InvalidInput, match="kernel"):
            GPUCB(2, rng, kernel=kernel)
