from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners.generalized_linear import GeneralizedLinear, _Ridge
from reiterate.learners.simple import Uniform
from reiterate.learners.tsallis_inf import TsallisINF


def test_ridge_is_the_weighted_least_squares_solution():
    rng = np.random.default_rng(0)
    penalties, common_penalties = np.array([2.0, 5.0, 7.0]), np.array([0.1, 1.0, 1.0])
    ridge = _Ridge(2, penalties, common_penalties)
    arms, features = rng.integers(2, size=40), rng.normal(size=(40, 3))
    responses, weights = rng.normal(size=40), rng.uniform(0.1, 9.0, 40)
    for row in zip(arms, features, responses, weights, strict=True):
        ridge.fit(int(row[0]), row[1], float(row[2]), float(row[3]))

    def least_squares(rows, penalty, center):
        """Of sum w (r - f θ)² + sum penalty (θ - center)², as one dense least-squares problem."""
        root = np.sqrt(weights[rows])[:, None]
        matrix = np.vstack((root * features[rows], np.diag(np.sqrt(penalty))))
        right = np.concatenate((root[:, 0] * responses[rows], np.sqrt(penalty) * center))
        return np.linalg.lstsq(matrix, right)[0], matrix

    common, _ = least_squares(arms >= 0, common_penalties, np.zeros(3))
    at = rng.normal(size=3)
    predicted, squares = ridge.predict(at)
    for arm in range(2):
        theta, matrix = least_squares(arms == arm, penalties, common)
        assert predicted[arm] == pytest.approx(theta @ at)
        assert squares[arm] == pytest.approx(at @ np.linalg.inv(matrix.T @ matrix) @ at)
        assert ridge.predict_arm(arm, at) == pytest.approx((predicted[arm], squares[arm]))


def power_laws(seed, rounds):
    """Costs of 8 arms, powers of a time step and a contrast; half of the arms are erratic."""
    rng = np.random.default_rng(seed)
    step, contrast = 10.0 ** rng.uniform(-3, 1, rounds), 10.0 ** rng.uniform(0, 3, rounds)
    powers = np.array([[0.0, 0.5], [0.1, 0.4], [0.2, 0.25], [0.3, 0.1]])
    powers = np.vstack((powers, powers))
    scale = np.array([2.0, 3.0, 5.0, 8.0])
    scale = np.concatenate((scale, 0.7 * scale))
    deviations = np.repeat([0.05, 1.2], 4)
    logs = np.log(scale) + np.log(step)[:, None] * powers[:, 0] + np.log(contrast)[:, None] * powers[:, 1]
    expected = np.exp(logs + 0.5 * deviations**2)
    costs = np.exp(logs + deviations * rng.standard_normal(logs.shape))
    contexts = [{"dt": a, "contrast": b} for a, b in zip(step, contrast, strict=True)]
    return costs, expected, contexts


def regret(learner, costs, expected, contexts):
    total = 0.0
    for row, mean, context in zip(costs, expected, contexts, strict=True):
        choice = learner.choose(context)
        learner.learn(choice, float(row[choice.arm]))
        total += mean[choice.arm] - mean.min()
    return total


def test_erratic_arms_and_power_laws_are_recognized():
    excess, others = [], {TsallisINF: [], Uniform: []}
    for seed in range(3):
        costs, expected, contexts = power_laws(seed, 600)
        optimum = expected.min(axis=1).sum()
        learner = GeneralizedLinear(8, np.random.default_rng(seed))
        excess.append(regret(learner, costs, expected, contexts) / optimum)
        for other, paid in others.items():
            paid.append(regret(other(8, np.random.default_rng(seed)), costs, expected, contexts) / optimum)
    assert np.mean(excess) < 0.5 * min(np.mean(paid) for paid in others.values())


def test_the_noise_of_every_arm_is_estimated():
    rng = np.random.default_rng(0)
    learner = GeneralizedLinear(3, np.random.default_rng(0))
    deviations = np.array([0.05, 0.2, 0.6])
    for _ in range(500):
        arm, x = int(rng.integers(3)), float(rng.uniform(-1, 1))
        cost = math.exp(1 + 0.5 * arm + x + deviations[arm] * math.exp(0.5 * x) * rng.standard_normal())
        learner.learn(Choice(arm, 1 / 3, {"x": x}), cost)
    for x in (-0.7, 0.0, 0.7):
        expected = (deviations * math.exp(0.5 * x)) ** 2
        ratio = learner.noise({"x": x}) / expected
        assert (ratio > 0.4).all()
        assert (ratio < 2.5).all()
        costs = np.exp(1 + 0.5 * np.arange(3) + x + 0.5 * expected)
        np.testing.assert_allclose(learner.predict({"x": x}), costs, rtol=0.2)


def test_quiet_streams_have_less_regret_by_far():
    totals = []
    for deviation in (0.02, 0.5):
        rng = np.random.default_rng(0)
        x = rng.uniform(-1, 1, 300)
        logs = 0.5 * x[:, None] * np.linspace(-1, 1, 6)
        learner = GeneralizedLinear(6, np.random.default_rng(0))
        total = 0.0
        for row, value in zip(logs, x, strict=True):
            choice = learner.choose({"x": value})
            total += row[choice.arm] - row.min()
            learner.learn(choice, math.exp(row[choice.arm] + deviation * rng.standard_normal()))
        totals.append(total)
    assert totals[0] < 0.5 * totals[1]


def test_regret_is_below_the_elliptical_bound():
    # While the truth is within b standard errors of every arm, a round costs at most 2 b e of the arm played,
    # and the potential lemma (Abbasi-Yadkori, Pál and Szepesvári 2011) bounds the sum of these.
    rng = np.random.default_rng(0)
    arms, rounds, deviation = 5, 400, 0.1
    x = rng.uniform(-1, 1, rounds)
    slopes = np.linspace(-0.3, 0.3, arms)
    learner = GeneralizedLinear(arms, np.random.default_rng(0), confidence=1.0)
    total = 0.0
    for value in x:
        logs = slopes * value
        choice = learner.choose({"x": value})
        total += logs[choice.arm] - logs.min()
        learner.learn(choice, math.exp(logs[choice.arm] + deviation * rng.standard_normal()))
    radius = math.sqrt(math.log(1 + rounds))
    # Weighted by 1 / v, squared errors sum to at most 2 v K n log(1 + T / (K n)), up to the ridge.
    potential = 2 * deviation**2 * arms * 2 * math.log(1 + rounds / (arms * 2))
    assert total <= 2 * radius * math.sqrt(rounds * potential)
    assert total < 0.1 * rounds * 0.3


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0, 1e12), min_size=1, max_size=40),
    st.integers(1, 5),
    st.integers(0, 3),
)
def test_everything_stays_finite(costs, arms, variables):
    learner = GeneralizedLinear(arms, np.random.default_rng(0))
    for t, cost in enumerate(costs):
        choice = learner.choose({f"v{j}": 10.0 ** ((j + 1) * t % 7) for j in range(variables)})
        assert 0 <= choice.arm < arms
        assert 0 < choice.probability <= 1
        learner.learn(choice, cost, censored=t % 5 == 4)
    assert np.isfinite(learner.predict()).all()
    assert (learner.noise() > 0).all()


def test_all_arms_are_alike_at_first():
    choice = GeneralizedLinear(8, np.random.default_rng(0)).choose({"x": 1.0})
    assert choice.probability == 1 / 8


def test_an_outlier_does_not_ruin_the_fit():
    costs, expected, contexts = power_laws(0, 400)
    for at in (0, 1, 200):
        spoilt = costs.copy()
        spoilt[at] *= 1000
        learner = GeneralizedLinear(8, np.random.default_rng(0))
        assert regret(learner, spoilt, expected, contexts) / expected.min(axis=1).sum() < 0.8


def test_the_unit_of_costs_does_not_matter():
    costs, expected, contexts = power_laws(0, 100)
    totals = [
        regret(GeneralizedLinear(8, np.random.default_rng(0)), unit * costs, expected, contexts)
        for unit in (1.0, 2.0**-20)
    ]
    assert totals[0] == pytest.approx(totals[1])


def test_stopping_early_never_makes_an_arm_look_better():
    costs, expected, contexts = power_laws(0, 100)
    learner = GeneralizedLinear(8, np.random.default_rng(0))
    regret(learner, costs, expected, contexts)
    before = learner.predict(contexts[0])
    learner.learn(Choice(4, 1.0, contexts[0]), 0.0, censored=True)
    assert learner.predict(contexts[0])[4] > 0.999 * before[4]


def test_options_out_of_range():
    with pytest.raises(InvalidInput, match="confidence"):
        GeneralizedLinear(2, np.random.default_rng(0), confidence=0.0)


@pytest.mark.parametrize("rounds", [60, 255, 300])
def test_a_restored_learner_goes_on_while_all_is_fitted_anew_and_after(rounds):
    costs, expected, contexts = power_laws(0, rounds + 80)
    learner = GeneralizedLinear(8, np.random.default_rng(0))
    regret(learner, costs[:rounds], expected[:rounds], contexts[:rounds])
    restored = GeneralizedLinear.from_state_dict(learner.state_dict())
    rest = costs[rounds:], expected[rounds:], contexts[rounds:]
    assert regret(restored, *rest) == regret(learner, *rest)
    np.testing.assert_array_equal(restored.predict(contexts[0]), learner.predict(contexts[0]))
