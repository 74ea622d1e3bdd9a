from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import t as student

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners import make_learner
from reiterate.learners._run_length import ALPHA, KAPPA, RUNS, RunLengths
from reiterate.learners.change_point import SPREAD, ChangePoint


def marginal(values, center):
    """Log probability of a run's observations, from first principles: each given those before it."""
    kappa, mean, alpha, beta = KAPPA, center, ALPHA, ALPHA * SPREAD**2
    total = 0.0
    for x in values:
        total += student.logpdf(x, 2 * alpha, mean, np.sqrt(beta * (kappa + 1) / (alpha * kappa)))
        beta += 0.5 * kappa * (x - mean) ** 2 / (kappa + 1)
        mean, kappa, alpha = (kappa * mean + x) / (kappa + 1), kappa + 1, alpha + 0.5
    return total


def joint_by_enumeration(x, hazard):
    """Posterior of the run length, summed over every way of cutting the sequence into runs."""
    n = len(x)
    weights = {}
    for cuts in range(2**n):
        starts = [0] + [i + 1 for i in range(n) if cuts >> i & 1]
        runs = [x[a:b] for a, b in zip(starts, [*starts[1:], n], strict=True)]
        prior = (len(starts) - 1) * np.log(hazard) + (n - len(starts) + 1) * np.log1p(-hazard)
        weights.setdefault(n - starts[-1], []).append(prior + sum(marginal(run, x[0]) for run in runs))
    logs = {length: logsumexp(values) for length, values in weights.items()}
    total = logsumexp(list(logs.values()))
    return {length: np.exp(value - total) for length, value in logs.items()}


def test_the_posterior_is_that_of_enumerating_all_changes():
    x = [0.1, 0.15, 1.3, 1.2, 1.25]
    detector = RunLengths(0.1, SPREAD)
    for value in x:
        detector.update(value)
    expected = joint_by_enumeration(x, 0.1)
    for length, probability in zip(detector.lengths, detector.probabilities, strict=True):
        assert probability == pytest.approx(expected[int(length)], rel=1e-9)
    assert detector.lengths.size == len(expected)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 0.3, 0.9]), st.floats(0, 200))
def test_the_posterior_is_a_distribution_and_bounded_in_size(seed, hazard, size):
    rng = np.random.default_rng(seed)
    detector = RunLengths(hazard, SPREAD)
    for x in rng.standard_normal(80) * size + size * rng.integers(-1, 2, 80):
        detector.update(float(x))
    assert detector.lengths.size == RUNS
    assert detector.lengths[0] == 80
    assert detector.probabilities.sum() == pytest.approx(1)
    assert 0 <= detector.changed(2)[0] <= 1 + 1e-12


def test_a_jump_is_found_within_a_few_observations_and_an_outlier_is_none():
    rng = np.random.default_rng(0)
    detector = RunLengths(0.002, SPREAD)
    for x in 0.05 * rng.standard_normal(100):
        detector.update(float(x))
        assert detector.changed(2)[0] < 0.5
    for x in (5.0, 0.02, -0.03, 0.01):
        detector.update(x)
        assert detector.changed(2)[0] < 0.5
    for x in 0.5 + 0.05 * rng.standard_normal(4):
        detector.update(float(x))
    assert detector.changed(2)[0] > 0.95


def test_at_most_one_detection_in_twenty_is_false_where_the_model_holds():
    rng = np.random.default_rng(0)
    hazard, found, false = 0.02, 0, 0
    for _ in range(15):
        detector, changes, begin = RunLengths(hazard, SPREAD), [0], 0
        detector.restart(0.0)
        for t in range(150):
            if t in changes:
                deviation = np.sqrt(ALPHA * SPREAD**2 / rng.gamma(ALPHA))
                mean = deviation / np.sqrt(KAPPA) * rng.standard_normal()
            detector.update(mean + deviation * rng.standard_normal())
            if detector.changed(2)[0] > 0.95:
                found += 1
                false += not any(begin < change <= t - 1 for change in changes)
                detector.restart()
                begin = t + 1
            if rng.random() < hazard:
                changes.append(t + 1)
    assert found > 20
    assert false <= found / 20


def jumping(seed, rounds=1500, arms=8):
    """The best arm jumps twice; the one that was best becomes the worst."""
    costs = np.full((rounds, arms), 10.0)
    third = rounds // 3
    for segment, best in enumerate((2, 5, 0)):
        costs[segment * third : (segment + 1) * third, best] = 4.0
    return costs * np.exp(0.1 * np.random.default_rng(seed).standard_normal(costs.shape))


def test_a_best_arm_that_jumps_is_followed(play):
    paid = dict.fromkeys(("change_point", "tsallis_inf", "uniform"), 0.0)
    least = 0.0
    for seed in range(3):
        costs = jumping(seed)
        least += 4.0 * len(costs)
        for name in paid:
            paid[name] += play(make_learner(name, 8, np.random.default_rng(seed)), costs).sum()
    excess = {name: total - least for name, total in paid.items()}
    assert excess["change_point"] < 0.6 * excess["tsallis_inf"]
    assert excess["change_point"] < 0.3 * excess["uniform"]


def test_costs_that_do_not_change_cause_few_restarts(play):
    restarts = 0
    for seed in range(3):
        costs = np.exp(0.2 * np.random.default_rng(seed).standard_normal((1500, 6))) * np.linspace(1, 2, 6)
        learner = ChangePoint(6, np.random.default_rng(seed))
        play(learner, costs)
        restarts += learner.restarts
    assert restarts <= 1


def test_only_changes_that_matter_restart():
    def after(arm, factor):
        learner = ChangePoint(3, np.random.default_rng(0))
        rng = np.random.default_rng(1)
        for t in range(120):
            for i in range(3):
                cost = (1.0 + i) * np.exp(0.05 * rng.standard_normal())
                learner.learn(Choice(i, 1 / 3), cost * (factor if i == arm and t >= 80 else 1.0))
        return learner.restarts

    assert after(0, 1.5) == 1
    assert after(2, 0.2) == 1
    assert after(2, 2.0) == 0
    assert after(0, 1.05) == 0


def test_the_unit_of_costs_does_not_matter(play):
    costs = jumping(3, rounds=300)
    runs = []
    for unit in (1.0, 2.0**40):
        learner = ChangePoint(8, np.random.default_rng(0))
        runs.append((play(learner, unit * costs) / unit, learner.restarts))
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    assert runs[0][1] == runs[1][1]


@pytest.mark.parametrize(
    "options", [{"hazard": 0.0}, {"hazard": 1.0}, {"change": -1.0}, {"exploration": 1.1}, {"exploration": "much"}]
)
def test_options_out_of_range(options):
    with pytest.raises(InvalidInput, match=next(iter(options))):
        ChangePoint(3, np.random.default_rng(0), **options)


def test_every_arm_keeps_its_share_of_the_rounds(play):
    learner = ChangePoint(5, np.random.default_rng(0), exploration=0.2)
    play(learner, jumping(0, rounds=300, arms=8)[:, :5])
    assert learner.probabilities.min() >= 0.2 / 5
    assert learner.probabilities.sum() == pytest.approx(1)
