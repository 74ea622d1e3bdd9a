from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners import make_learner
from reiterate.learners.patient import UNIT, Patient
from tests.learners.delays import play_late

MEANS = np.array([6.5, 3.0, 5.0, 5.0])


def sticky(seed):
    """Arm 0 costs 1 at once or 12 much later, with even chances; the others are told in the next round."""
    rng = np.random.default_rng(seed)

    def draw(arm):
        if arm == 0:
            return (1.0, 0) if rng.random() < 0.5 else (12.0, 300)
        return MEANS[arm] * rng.uniform(0.8, 1.2), 0

    return draw


def test_an_arm_that_is_dear_late_is_not_taken_for_cheap():
    excess = dict.fromkeys(("patient", "tsallis_inf", "uniform"), 0.0)
    for seed in range(4):
        for name in excess:
            learner = make_learner(name, 4, np.random.default_rng(seed))
            excess[name] += play_late(learner, sticky(seed), 1000) - 3.0 * 1000
    assert excess["patient"] < 0.2 * excess["tsallis_inf"]
    assert excess["patient"] < 0.3 * excess["uniform"]


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_regret_with_heavy_tailed_delays_is_below_the_order_of_the_bound(alpha):
    """Delays with tail ``m**-alpha`` on one arm each; costs are 0 or 1, and 4 stands for the constants."""
    rounds, means = 2000, np.array([0.3, 0.6, 0.6])
    regrets = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        pulls = []

        def draw(arm, rng=rng, pulls=pulls):
            pulls.append(arm)
            return float(rng.random() < means[arm]), int(min(rng.random() ** (-1 / alpha) * (arm + 1), 1e6))

        play_late(Patient(3, np.random.default_rng(seed), alpha=alpha), draw, rounds)
        regrets.append((means[pulls] - 0.3).sum())
    assert np.mean(regrets) <= 4 * math.sqrt(3 * rounds)


def test_the_index_is_the_formula_s():
    learner = Patient(3, np.random.default_rng(0), alpha=0.25, exploration=0.7)
    costs = {0: [1.0, 2.0, 3.0, 6.0], 1: [9.0], 2: []}
    choices = [learner.choose() for _ in range(3)]
    assert sorted(choice.arm for choice in choices) == [0, 1, 2]
    learner._chosen[:] = (20, 9, 1)
    for arm, told in costs.items():
        for cost in told:
            learner.learn(Choice(arm, 1.0), cost)
    state = learner.state_dict()
    unit = UNIT * np.median([np.mean(told) for told in costs.values() if told])
    for arm, chosen in enumerate((20, 9, 1)):
        spent, out = state["sums"][arm], chosen - len(costs[arm])
        worst = max(unit, spent / max(len(costs[arm]), 1))
        expected = (spent + worst * max(out - chosen**0.75, 0)) / chosen - 0.7 * unit * math.sqrt(math.log(4) / chosen)
        assert learner.indices[arm] == pytest.approx(expected)


def test_feedback_at_once_makes_it_ucb():
    learner = Patient(2, np.random.default_rng(0))
    for t in range(50):
        choice = learner.choose()
        learner.learn(choice, 1.0 + choice.arm + 0.1 * (t % 3))
        assert not learner.outstanding.any()
    state = learner.state_dict()
    unit = UNIT * np.median(state["sums"] / state["chosen"])
    width = 0.25 * unit * np.sqrt(math.log(51) / state["chosen"])
    np.testing.assert_allclose(learner.indices, state["sums"] / state["chosen"] - width)


def test_what_never_answers_is_given_up():
    learner = Patient(3, np.random.default_rng(0))
    pulls = np.zeros(3)
    for _ in range(300):
        choice = learner.choose()
        pulls[choice.arm] += 1
        if choice.arm:
            learner.learn(choice, 5.0 + choice.arm)
    assert pulls[0] < 30
    assert learner.outstanding[0] == pulls[0]


def test_the_unit_of_costs_does_not_matter():
    totals = []
    for unit in (1.0, 2.0**-40):
        draw = sticky(0)
        scaled = lambda arm, draw=draw, unit=unit: (lambda cost, delay: (unit * cost, delay))(*draw(arm))  # noqa: E731
        totals.append(play_late(Patient(4, np.random.default_rng(0)), scaled, 300) / unit)
    assert totals[0] == totals[1]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.integers(0, 2**32 - 1), st.floats(0.05, 2.0))
def test_indices_are_finite_and_counts_add_up(arms, seed, alpha):
    rng = np.random.default_rng(seed)
    learner = Patient(arms, rng, alpha=alpha)
    waiting = []
    for t in range(60):
        choice = learner.choose()
        assert 0 <= choice.arm < arms
        waiting.append(choice)
        while waiting and rng.random() < 0.5:
            learner.learn(waiting.pop(int(rng.integers(len(waiting)))), float(rng.pareto(0.7)))
        assert learner.outstanding.sum() == len(waiting)
        assert not np.isnan(learner.indices).any()
        assert np.isfinite(learner.indices).sum() == min(t + 1, arms)


@pytest.mark.parametrize("options", [{"alpha": 0}, {"alpha": "long"}, {"exploration": -0.1}])
def test_options_out_of_range(options):
    with pytest.raises(InvalidInput, match=next(iter(options))):
        Patient(3, np.random.default_rng(0), **options)
