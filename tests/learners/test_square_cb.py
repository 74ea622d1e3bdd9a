from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners._covariates import Covariates
from reiterate.learners._inverse_gap import inverse_gap_weights
from reiterate.learners._kernel_regression import (
    ARM_PENALTY,
    COMMON_PENALTY,
    LENGTH,
    GroupedKernelRegression,
    kernel,
)
from reiterate.learners.simple import Uniform
from reiterate.learners.square_cb import SquareCB
from reiterate.learners.tsallis_inf import TsallisINF

unit_vectors = st.integers(1, 12).flatmap(
    lambda arms: st.tuples(*(st.lists(st.floats(0, 1), min_size=arms, max_size=arms) for _ in range(2)))
)


@given(unit_vectors, st.floats(1e-3, 1e6))
def test_inverse_gap_weights_satisfy_the_inequality_of_the_theorem(vectors, gamma):
    predictions, truth = (np.array(vector) for vector in vectors)
    p = inverse_gap_weights(predictions, gamma)
    assert (p >= 0).all()
    assert p.sum() == pytest.approx(1)
    regret = p @ (truth - truth.min())
    assert regret <= 2 * p.size / gamma + gamma / 4 * (p @ (predictions - truth) ** 2) + 1e-9


def dense_reference(points, arms, responses, at):
    """Both regressions on single observations, by dense algebra."""

    def gram(one, two):
        strayed = (one[:, None, :] - two[None, :, :]) / LENGTH
        return kernel((strayed**2).sum(axis=2) / points.shape[1])

    def ridge(where, values, penalty):
        return gram(at, where) @ np.linalg.solve(gram(where, where) + penalty * np.eye(len(where)), values)

    level = responses.mean()
    inner = gram(points, points)
    fit = inner @ np.linalg.solve(inner + COMMON_PENALTY * np.eye(len(points)), responses - level)
    residuals = responses - level - fit
    expected = np.empty((arms.max() + 1, len(at)))
    for arm in range(arms.max() + 1):
        own = arms == arm
        expected[arm] = ridge(points[own], residuals[own], ARM_PENALTY)
    return expected + level + ridge(points, responses - level, COMMON_PENALTY)


def test_the_oracle_is_kernel_ridge_regression_on_every_observation():
    rng = np.random.default_rng(0)
    places = rng.permuted(np.tile(np.linspace(-2, 2, 10), (2, 1)), axis=1).T
    which, arms = rng.integers(10, size=60), rng.integers(3, size=60)
    points, responses = places[which], rng.normal(size=60)
    oracle = GroupedKernelRegression(3, 2, 12)
    for arm, point, response in zip(arms, points, responses, strict=True):
        oracle.observe(int(arm), point, point, float(response))
    oracle.rescale(lambda raw: raw)
    at = rng.normal(size=(5, 2))
    predicted = np.array([[oracle.predict(model, point)[0] for point in at] for model in range(4)]).transpose(0, 2, 1)
    alone = np.array([[oracle.predict_arm(arm, point) for point in at] for arm in range(3)]).transpose(2, 0, 1)
    np.testing.assert_allclose(alone, predicted)
    np.testing.assert_allclose(predicted[-1], dense_reference(points, arms, responses, at), rtol=1e-9, atol=1e-9)
    single = dense_reference(points[:, :1], arms, responses, at[:, :1])
    np.testing.assert_allclose(predicted[1], single, rtol=1e-9, atol=1e-9)


def test_groups_stay_bounded_and_lose_nothing():
    rng = np.random.default_rng(0)
    oracle = GroupedKernelRegression(2, 3, 6)
    for _ in range(150):
        point = rng.normal(size=3)
        oracle.observe(int(rng.integers(2)), point, point, 1.0)
    state = oracle.state_dict()
    assert max(state["used"]) == 6
    assert state["used"][0] == 1
    np.testing.assert_allclose(state["counts"][1:].sum(axis=(1, 2)), 150)
    np.testing.assert_allclose(state["sums"], state["counts"])
    for model in range(5):
        np.testing.assert_allclose(oracle.predict(model, np.zeros(3))[0], 1.0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=70))
def test_covariates_are_finite_and_bounded(values):
    covariates = Covariates()
    covariates.admit({"a": values[0], "b": 1.0})
    for value in values:
        covariates.observe({"a": value, "b": 1.0})
        standardized = covariates.standardize(covariates.raw({"a": value, "b": 1.0}))
        assert (abs(standardized) <= 4).all()
        assert standardized[1] == 0
    assert covariates.standardize(covariates.raw(None)).shape == (2,)


def test_covariates_over_decades_count_by_their_logarithms():
    covariates = Covariates()
    values = 10.0 ** np.random.default_rng(0).uniform(-6, 2, 256)
    covariates.admit({"dt": 1.0, "angle": -1.0})
    for value in values:
        covariates.observe({"dt": value, "angle": -value})
    standardized = covariates.standardize(np.stack((values, -values), axis=1))[:, 0]
    logs = np.log(values)
    np.testing.assert_allclose(standardized, (logs - logs.mean()) / logs.std(), rtol=1e-9)


def test_final_covariates_stay():
    covariates = Covariates(8)
    covariates.admit({"a": 1.0})
    changes = [t for t in range(1, 40) if covariates.observe({"a": float(t)})]
    assert changes == [1, 2, 4, 8]
    restored = Covariates.from_state_dict(covariates.state_dict())
    np.testing.assert_array_equal(restored.standardize(np.array([3.0])), covariates.standardize(np.array([3.0])))
    assert not any(restored.observe({"a": 1e3}) for _ in range(40))


def kinked_stream(seed, rounds, useless):
    """Costs of 8 arms: "load" moves the best one, with a jump; the other numbers of the context are noise."""
    rng = np.random.default_rng(seed)
    load, noise = rng.uniform(-1, 1, rounds), rng.normal(size=(rounds, useless))
    best = np.where(load < 0.2, 1 + (load + 1) * 1.5, 6)
    mean = 5.0 * np.exp(load)[:, None] * (1 + 0.15 * abs(np.arange(8) - best[:, None]))
    costs = mean * np.exp(0.05 * rng.standard_normal(mean.shape))
    names = [f"n{j}" for j in range(useless)]
    contexts = [dict(zip(names, row, strict=True)) | {"load": x} for row, x in zip(noise, load, strict=True)]
    return costs, contexts, costs[np.arange(rounds), mean.argmin(axis=1)].sum()


def total(learner, costs, contexts):
    paid = 0.0
    for row, context in zip(costs, contexts, strict=True):
        choice = learner.choose(context)
        learner.learn(choice, float(row[choice.arm]))
        paid += row[choice.arm]
    return paid


@pytest.mark.parametrize("useless", [0, 3])
def test_it_finds_the_number_that_matters(useless):
    costs, contexts, optimum = kinked_stream(0, 600, useless)
    learner = SquareCB(8, np.random.default_rng(0))
    excess = total(learner, costs, contexts) / optimum - 1
    others = [
        total(other(8, np.random.default_rng(0)), costs, contexts) / optimum - 1 for other in (TsallisINF, Uniform)
    ]
    assert excess < 0.2 * min(others)
    assert learner.relevance["load"] > 0.99


def test_useless_numbers_do_not_hurt():
    rng = np.random.default_rng(0)
    costs = np.linspace(5, 15, 8) * rng.uniform(0.8, 1.2, (500, 8))
    contexts = [dict(zip("abcd", row, strict=True)) for row in rng.normal(size=(500, 4))]
    learner = SquareCB(8, np.random.default_rng(0))
    paid = total(learner, costs, contexts)
    best = costs[:, 0].sum()
    assert paid / best - 1 < 0.05
    assert learner.relevance[""] > 0.99


def test_regret_is_below_the_bound_of_the_theorem():
    # Theorem 1 with delta = 0.1, R measured: squared distances of predictions from expected costs, in [0, 1].
    rounds, arms = 500, 6
    rng = np.random.default_rng(0)
    x = rng.random(rounds)
    mean = 0.2 + 0.6 * abs(np.linspace(0, 1, arms) - x[:, None])
    learner = SquareCB(arms, np.random.default_rng(1), optimism=0.0)
    regret = squared = 0.0
    for t in range(rounds):
        context = {"x": x[t]}
        choice = learner.choose(context)
        if t >= 3:
            squared += (learner.predict(context)[choice.arm] - mean[t, choice.arm]) ** 2
        regret += mean[t, choice.arm] - mean[t].min()
        learner.learn(choice, float(mean[t, choice.arm] * rng.uniform(0.8, 1.2)))
    assert regret <= 4 * np.sqrt(arms * rounds * squared) + 8 * np.sqrt(arms * rounds * np.log(20))
    assert regret < 0.25 * rounds * (mean.mean() - mean.min(axis=1).mean())


def test_the_unit_of_costs_does_not_matter():
    costs, contexts, _ = kinked_stream(0, 120, 1)
    paid = [total(SquareCB(8, np.random.default_rng(0)), unit * costs, contexts) / unit for unit in (1.0, 2.0**-20)]
    assert paid[0] == pytest.approx(paid[1])


def test_stopping_early_never_makes_an_arm_look_better():
    costs, contexts, _ = kinked_stream(0, 100, 0)
    learner = SquareCB(8, np.random.default_rng(0))
    total(learner, costs, contexts)
    before = learner.predict(contexts[0])
    learner.learn(Choice(4, 0.1, contexts[0]), 0.0, censored=True)
    assert learner.predict(contexts[0])[4] > 0.99 * before[4]


def test_options_and_contexts_out_of_range():
    rng = np.random.default_rng(0)
    for option, value in (("centers", 0), ("centers", 2.5), ("exploration", 0.0), ("optimism", -1.0)):
        with pytest.raises(InvalidInput, match=option):
            SquareCB(2, rng, **{option: value})
    for value in (float("nan"), float("inf"), 1e200, "high"):
        with pytest.raises(InvalidInput, match="context: c="):
            SquareCB(2, rng).choose({"c": value})


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1e12), st.floats(-1e90, 1e90)), min_size=1, max_size=40),
    st.integers(1, 5),
    st.integers(0, 3),
    st.integers(1, 4),
)
def test_everything_stays_finite(rounds, arms, variables, centers):
    learner = SquareCB(arms, np.random.default_rng(0), centers=centers)
    for t, (cost, value) in enumerate(rounds):
        choice = learner.choose({f"v{j}": value if j == 0 else (j * t) % 5 for j in range(variables)})
        assert 0 <= choice.arm < arms
        assert 0 < choice.probability <= 1
        learner.learn(choice, cost, censored=t % 5 == 4)
    assert np.isfinite(learner.predict()).all()
    assert sum(learner.relevance.values()) == pytest.approx(1)


def test_a_restored_learner_goes_on_after_groups_have_merged():
    costs, contexts, _ = kinked_stream(0, 240, 2)
    learner = SquareCB(8, np.random.default_rng(0), centers=6)
    total(learner, costs[:120], contexts[:120])
    assert learner.state_dict()["oracle"]["used"] == [1, 6, 6, 6, 6]
    restored = SquareCB.from_state_dict(learner.state_dict())
    assert total(restored, costs[120:], contexts[120:]) == total(learner, costs[120:], contexts[120:])
    np.testing.assert_array_equal(restored.predict(contexts[0]), learner.predict(contexts[0]))
