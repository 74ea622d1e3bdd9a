from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners.simple import Uniform
from reiterate.learners.thompson import Thompson
from reiterate.learners.tsallis_inf import TsallisINF
from tests.learners.plays import feed

MODELS = ["lognormal", "normal"]


def fed(plays, **options):
    """A learner of as many arms as there are lists of costs, which has been told them all."""
    return feed(Thompson(len(plays), np.random.default_rng(0), **options), plays)


PLAYS = [[8.0, 11.0, 9.5, 10.0], [9.0, 14.0], [30.0]]


def pooled_variance(model):
    """By the class's description: squared deviations from the arms' means, with the guess as one observation."""
    squares, freedom = 0.2**2, 1
    for costs in PLAYS[:2]:
        values = np.log(costs) if model == "lognormal" else np.array(costs) / np.mean(costs)
        squares += ((values - values.mean()) ** 2).sum()
        freedom += len(costs) - 1
    return squares / freedom


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("arm", [0, 1, 2])
def test_the_posterior_is_bayes_theorem_s(model, arm):
    values = np.log(PLAYS[arm]) if model == "lognormal" else np.array(PLAYS[arm])
    common = pooled_variance(model) * (1.0 if model == "lognormal" else np.mean(PLAYS[arm]) ** 2)
    # Worth two observations: an inverse gamma distribution of shape 2 / 2 and scale 2 common / 2.
    prior = stats.invgamma(1.0, scale=common)

    variances = common * np.geomspace(1e-4, 1e8, 4001)

    def density(mean):
        joint = prior.pdf(variances)
        for value in values:
            joint = joint * stats.norm.pdf(value, mean, np.sqrt(variances))
        return integrate.simpson(joint * variances, x=np.log(variances))

    center, squared_scale, freedom = fed(PLAYS, model=model).posterior()
    posterior = stats.t(freedom[arm], center[arm], math.sqrt(squared_scale[arm]))
    means = center[arm] + math.sqrt(squared_scale[arm]) * np.array([-1.5, -0.4, 0.0, 0.8, 2.0])
    ratios = np.array([density(mean) for mean in means]) / posterior.pdf(means)
    np.testing.assert_allclose(ratios, ratios[2], rtol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_arms_are_drawn_with_the_probability_that_they_are_best(model):
    learner = fed([[8.0, 11.0, 9.5, 10.0], [9.0, 12.0]], model=model)
    center, squared_scale, freedom = learner.posterior()
    first, second = (stats.t(freedom[i], center[i], math.sqrt(squared_scale[i])) for i in range(2))
    # By which the lognormal model's mean costs exceed the medians, in logarithms.
    lead = 0.5 * (2 * squared_scale[1] - 4 * squared_scale[0]) if model == "lognormal" else 0.0
    expected = integrate.quad(lambda mean: first.pdf(mean) * second.sf(mean - lead), center[0] - 80, center[0] + 80)[0]
    choices = [learner.choose() for _ in range(3000)]
    deviation = math.sqrt(expected * (1 - expected) / 3000)
    assert abs(np.mean([choice.arm == 0 for choice in choices]) - expected) < 4 * deviation
    told = [choice.probability if choice.arm == 0 else 1 - choice.probability for choice in choices]
    assert abs(np.mean(told) - expected) < 4 * deviation


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1e300), st.booleans()), max_size=40),
    st.sampled_from(MODELS),
)
def test_the_posterior_is_finite_whatever_costs_are(feedback, model):
    learner = Thompson(4, np.random.default_rng(0), model=model)
    for arm, cost, censored in feedback:
        learner.learn(Choice(arm, 1.0), cost, censored=censored)
    center, squared_scale, freedom = learner.posterior()
    assert np.isfinite(center).all()
    assert np.isfinite(squared_scale).all()
    assert (squared_scale >= 0).all()
    assert (freedom >= 2).all()
    choice = learner.choose()
    assert 0 <= choice.arm < 4
    assert 0 < choice.probability <= 1


MEANS, DEVIATIONS = np.array([10.0, 11.0, 12.0, 13.0]), np.array([1.0, 1.0, 2.0, 0.5])


def uneven_noise(seed, rounds=1000):
    rng = np.random.default_rng(seed)
    return np.maximum(MEANS + DEVIATIONS * rng.standard_normal((rounds, 4)), 0.0)


def mean_regret(play, make, tables):
    return np.mean([play(make(s), costs).sum() - costs[:, 0].sum() for s, costs in enumerate(tables)])


@pytest.mark.parametrize("model", MODELS)
def test_regret_is_near_what_no_learner_can_improve_on(play, model):
    gaps = MEANS[1:] - MEANS[0]
    asymptotic = (gaps * math.log(1000) / (0.5 * np.log1p(gaps**2 / DEVIATIONS[1:] ** 2))).sum()
    tables = [uneven_noise(s) for s in range(6)]
    regret = mean_regret(play, lambda s: Thompson(4, np.random.default_rng(s), model=model), tables)
    assert 0 < regret < 1.2 * asymptotic


def test_it_is_the_right_choice_for_noise_that_differs_from_arm_to_arm(play):
    tables = [uneven_noise(10 + s) for s in range(5)]
    ours, tsallis, uniform = (
        mean_regret(play, lambda s, make=make: make(4, np.random.default_rng(s)), tables)
        for make in (Thompson, TsallisINF, Uniform)
    )
    assert ours < 0.6 * tsallis
    assert ours < 0.1 * uniform


def test_costs_without_noise_end_exploration(play):
    costs = np.tile([3.0, 2.0, 2.5], (200, 1))
    paid = play(Thompson(3, np.random.default_rng(0)), costs)
    assert (paid[-100:] == 2.0).all()


def test_the_normal_model_is_for_costs_that_are_often_zero(play):
    costs = (np.random.default_rng(1).random((1000, 3)) < [0.6, 0.3, 0.6]).astype(float)
    paid = play(Thompson(3, np.random.default_rng(0), model="normal"), costs)
    assert paid.sum() < 1.2 * costs[:, 1].sum()


def test_the_unit_of_costs_does_not_matter(play):
    costs = uneven_noise(2, 200)
    for model in MODELS:
        paid = [
            play(Thompson(4, np.random.default_rng(0), model=model), u * costs) / u for u in (1.0, 2.0**-30, 2.0**30)
        ]
        np.testing.assert_allclose(paid[0], paid[1], rtol=1e-12)
        np.testing.assert_allclose(paid[0], paid[2], rtol=1e-12)


@pytest.mark.parametrize("at", [1, 2, 100])
def test_an_outlier_does_not_ruin_the_posterior(play, at):
    costs = uneven_noise(3, 500)
    costs[at] *= 1000
    paid = play(Thompson(4, np.random.default_rng(0)), costs)
    others = np.arange(500) != at
    assert paid[others].sum() / costs[others].sum(axis=0).min() - 1 < 0.05


@pytest.mark.parametrize("model", MODELS)
def test_stopping_early_never_makes_an_arm_look_better(model):
    learner = fed(PLAYS, model=model)
    before = learner.posterior()[0]
    learner.learn(Choice(0, 1.0), 0.5, censored=True)
    assert learner.posterior()[0][0] == pytest.approx(before[0])
    learner = fed([*PLAYS, []], model=model)
    learner.learn(Choice(3, 1.0), 0.5, censored=True)
    level = learner._costs.sizes.level
    assert learner.posterior()[0][3] == pytest.approx(math.log(level) if model == "lognormal" else level)


def test_free_instances_teach_nothing():
    learner = fed([[0.0] * 5, [0.0] * 3])
    assert [learner.choose().arm for _ in range(4)] == [0, 1, 0, 1]


def test_options_out_of_range():
    with pytest.raises(InvalidInput, match="lognormal"):
        Thompson(2, np.random.default_rng(0), model="poisson")  # type: ignore[arg-type]
