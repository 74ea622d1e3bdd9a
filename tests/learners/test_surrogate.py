from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners import Uniform
from reiterate.learners.surrogate import (
    Surrogate,
    quadratic_features,
    sor_features,
    sor_spectral_radius,
    tradeoff_features,
)
from reiterate.learners.tsallis_inf import TsallisINF

MODELS = ["quadratic", "tradeoff", "sor"]


def sor_radius(omega, n=30):
    """Spectral radius of SOR on the n by n points Poisson problem in one dimension, from the dense matrix."""
    A = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    M = np.diag(np.diag(A)) / omega + np.tril(A, -1)
    return np.abs(np.linalg.eigvals(np.eye(n) - np.linalg.solve(M, A))).max()


def sor_costs(rounds, omega, seed, noise=0.1):
    counts = np.array([5 - math.log(1e6) / math.log(sor_radius(w)) for w in omega])
    return counts * np.exp(noise * np.random.default_rng(seed).standard_normal((rounds, len(omega))))


def tradeoff_costs(rounds, arms, seed, noise=0.1):
    u = np.linspace(0, 1, arms)
    mean = 2 + 6 * np.exp(3 * (u - 1)) + 40 * np.exp(-6 * u)
    return mean * np.exp(noise * np.random.default_rng(seed).standard_normal((rounds, arms)))


def quadratic_costs(rounds, arms, seed, noise=0.1):
    mean = 10 * np.exp(3 * (np.linspace(0, 1, arms) - 0.65) ** 2)
    return mean * np.exp(noise * np.random.default_rng(seed).standard_normal((rounds, arms)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_the_quadratic_fit_is_the_least_squares_parabola_of_log_costs(seed):
    rng = np.random.default_rng(seed)
    learner = Surrogate(12, rng, model="quadratic")
    arms, costs = rng.integers(12, size=60), rng.uniform(1, 3, 60)
    for arm, cost in zip(arms, costs, strict=True):
        learner._observe(int(arm), math.log(cost))
    parabola = np.polyfit(arms, np.log(costs), 2)
    np.testing.assert_allclose(learner.predict(), np.polyval(parabola, np.arange(12)), atol=2e-3)


def test_sor_features_are_those_of_a_consistently_ordered_matrix():
    omega = np.array([0.5, 1.0, 1.5, 1.75, 1.85, 1.95])
    exact = [sor_radius(w, 30) for w in omega]
    np.testing.assert_allclose(sor_spectral_radius(omega, math.cos(math.pi / 31)), exact, rtol=1e-6)
    features = sor_features(omega)
    np.testing.assert_array_equal(features[:, :, 1].min(axis=1), 1.0)
    # For Jacobi's radius 0.5 the best of these factors is 1, for 0.9999 it is 1.95.
    assert features[-1, :, 1].argmin() == 1
    assert features[0, :, 1].argmin() == 5


@pytest.mark.parametrize("features", [quadratic_features, tradeoff_features])
def test_features_are_finite_and_of_one_size(features):
    values = features(np.linspace(0, 1, 50)[:, None])
    assert np.isfinite(values).all()
    assert np.abs(values).max() <= 1


def test_quadratic_features_have_all_products():
    assert quadratic_features(np.random.default_rng(0).random((9, 3))).shape == (1, 9, 10)


@pytest.mark.parametrize("seed", range(3))
def test_regret_is_below_that_of_the_linear_theorem(seed):
    rng, arms, rounds, noise = np.random.default_rng(seed), 50, 200, 0.2
    u = np.linspace(-1, 1, arms)
    truth = 0.8 * (u - rng.uniform(-0.8, 0.8)) ** 2
    learner = Surrogate(arms, rng, model="quadratic", exploration=1.0)
    regret = 0.0
    for _ in range(rounds):
        choice = learner.choose()
        regret += truth[choice.arm] - truth.min()
        learner.learn(choice, math.exp(truth[choice.arm] + noise * rng.normal()))
    # Abbasi-Yadkori et al. (2011), Theorem 3, with λ = 1, |x|² <= 3, |θ| <= 2, δ = 0.1.
    volume = 3 * math.log(1 + 3 * rounds / 3)
    beta = (noise * math.sqrt(volume + 2 * math.log(10)) + 2) ** 2
    assert regret <= 4 * math.sqrt(rounds * volume * beta)


def right_scenario(model, seed):
    arms, rounds = 60, 150
    if model == "sor":
        points = np.linspace(0.8, 1.98, arms)
        return points, sor_costs(rounds, points, seed)
    costs = tradeoff_costs if model == "tradeoff" else quadratic_costs
    return np.linspace(0, 1, arms), costs(rounds, arms, seed)


@pytest.mark.parametrize("model", MODELS)
def test_the_right_choice_when_the_formula_is_known(play, model):
    excess = {"surrogate": [], "tsallis": [], "uniform": []}
    for seed in range(2):
        points, costs = right_scenario(model, seed)
        best = costs.sum(axis=0).min()
        for name, learner in (
            ("surrogate", Surrogate(60, np.random.default_rng(seed), points=points, model=model)),
            ("tsallis", TsallisINF(60, np.random.default_rng(seed))),
            ("uniform", Uniform(60, np.random.default_rng(seed))),
        ):
            excess[name].append(play(learner, costs).sum() / best - 1)
    # A dozen trials suffice; with SOR they cost up to ten times as much as the best arm.
    assert np.mean(excess["surrogate"]) < (0.5 if model == "sor" else 0.08)
    assert np.mean(excess["surrogate"]) < 0.25 * min(np.mean(excess["tsallis"]), np.mean(excess["uniform"]))


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30))
def test_choices_are_arms_and_predictions_finite(model, seed, arms):
    rng = np.random.default_rng(seed)
    learner = Surrogate(arms, rng, model=model)
    for _ in range(25):
        choice = learner.choose()
        assert 0 <= choice.arm < arms
        learner.learn(choice, float(rng.pareto(0.7)), censored=rng.random() < 0.2)
        assert np.isfinite(learner.predict()).all()


@pytest.mark.parametrize("model", MODELS)
def test_the_unit_of_costs_does_not_matter(play, model):
    costs = quadratic_costs(50, 20, 3)
    paid = [
        play(Surrogate(20, np.random.default_rng(0), model=model), unit * costs) / unit for unit in (1.0, 1e-9, 1e9)
    ]
    np.testing.assert_allclose(paid[0], paid[1])
    np.testing.assert_allclose(paid[0], paid[2])


def test_two_coordinates(play):
    side = np.linspace(0, 1, 9)
    points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    x, y = points.T
    mean = 10 * np.exp(2 * (x - 0.3) ** 2 + (y - 0.7) ** 2 + (x - 0.3) * (y - 0.7))
    costs = mean * np.exp(0.1 * np.random.default_rng(0).standard_normal((120, 81)))
    learner = Surrogate(81, np.random.default_rng(0), points=points)
    assert play(learner, costs).sum() < 1.1 * costs.sum(axis=0).min()


def test_stopping_early_never_makes_an_arm_look_better(play):
    learner = Surrogate(20, np.random.default_rng(0))
    play(learner, quadratic_costs(40, 20, 3))
    before = learner.predict()
    learner.learn(Choice(4, 1.0), 0.0, censored=True)
    assert learner.predict()[4] >= before[4] - 1e-3


def test_options_out_of_range():
    rng = np.random.default_rng(0)
    with pytest.raises(InvalidInput, match="tradeoff"):
        Surrogate(2, rng, model="cubic")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="line"):
        Surrogate(2, rng, model="tradeoff", points=[[0.0, 0.0], [1.0, 1.0]])
    with pytest.raises(InvalidInput, match="SOR"):
        Surrogate(2, rng, model="sor", points=[1.0, 2.0])
    with pytest.raises(InvalidInput, match="memory"):
        Surrogate(2, rng, memory=1)
