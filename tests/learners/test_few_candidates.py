from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.errors import InvalidInput
from reiterate.learners import Uniform
from reiterate.learners._gaussian import correlation
from reiterate.learners._line import unit_box
from reiterate.learners.few_candidates import FewCandidates
from reiterate.learners.gp_ucb import CONFIDENCE, GPUCB
from reiterate.learners.tsallis_inf import TsallisINF


def valley(rounds, arms, seed, noise=0.1):
    """Costs over a line with one smooth valley at 0.7; (rounds, arms)."""
    mean = 20 * np.exp(2.0 * np.abs(np.linspace(0, 1, arms) - 0.7) ** 1.4)
    return mean * np.exp(noise * np.random.default_rng(seed).standard_normal((rounds, arms)))


def play_with_switches(learner, costs, price):
    """Total cost if every change of the arm costs ``price``, and the number of changes."""
    total, switches, last = 0.0, 0, None
    for row in costs:
        choice = learner.choose()
        switched = last is not None and choice.arm != last
        last = choice.arm
        switches += switched
        total += row[choice.arm] + price * switched
        learner.learn(choice, row[choice.arm])
    return total, switches


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(1.05, 3.0), st.floats(0.05, 1.0))
def test_no_deviation_shrinks_by_more_than_the_factor_within_a_batch(seed, shrinkage, noise):
    rng = np.random.default_rng(seed)
    learner = FewCandidates(20, rng, shrinkage=shrinkage, kernel=(1.0, 0.2, noise))
    for _ in range(3):  # these wait for each other, which is not what is tested
        learner.learn(learner.choose(), 1.0)
    before, batch = learner.predict()[1], 1
    for _ in range(100):
        fresh = learner.state_dict()["left"] == 0
        if fresh:
            before, batch = learner.predict()[1], 0
        choice = learner.choose()
        learner.learn(choice, float(rng.lognormal()))
        batch += 1
        if batch > 1:
            assert (learner.predict()[1] >= before / shrinkage * (1 - 1e-6)).all()


@pytest.mark.parametrize("seed", range(2))
def test_batches_are_as_few_and_regret_as_small_as_the_theory_says(seed):
    rng, arms, rounds, noise, shrinkage = np.random.default_rng(seed), 30, 400, 0.5, 1.5
    learner = FewCandidates(arms, rng, kernel=(1.0, 0.2, noise), exploration=1.0, shrinkage=shrinkage)
    box = unit_box(learner.points)
    covariance = correlation(box, box, 0.2)
    truth = rng.multivariate_normal(np.zeros(arms), covariance)
    regret, batches, played = 0.0, 0, []
    for _ in range(rounds):
        batches += learner.state_dict()["left"] == 0
        choice = learner.choose()
        played.append(choice.arm)
        regret += truth[choice.arm] - truth.min()
        learner.learn(choice, math.exp(truth[choice.arm] + noise * rng.normal()))
    gained = 0.5 * np.linalg.slogdet(np.eye(rounds) + covariance[np.ix_(played, played)] / noise**2)[1]
    assert batches <= 2 * gained / math.log((shrinkage**2 + 1) / 2) + math.log2(rounds) + 1
    beta = 2 * math.log(arms * rounds**2 * math.pi**2 / (6 * CONFIDENCE))
    assert regret <= shrinkage * math.sqrt(8 / math.log(1 + noise**-2) * rounds * beta * gained)


def test_the_right_choice_when_switching_costs():
    totals = {"few": [], "gp": [], "tsallis": [], "uniform": []}
    switches = {name: [] for name in totals}
    for seed in range(3):
        costs = valley(200, 40, seed)
        for name, learner in (
            ("few", FewCandidates(40, np.random.default_rng(seed))),
            ("gp", GPUCB(40, np.random.default_rng(seed))),
            ("tsallis", TsallisINF(40, np.random.default_rng(seed))),
            ("uniform", Uniform(40, np.random.default_rng(seed))),
        ):
            total, changes = play_with_switches(learner, costs, price=20.0)
            totals[name].append(total / costs.sum(axis=0).min() - 1)
            switches[name].append(changes)
    assert np.mean(switches["few"]) < 30
    assert np.mean(totals["few"]) < 0.2
    assert np.mean(totals["few"]) < 0.7 * np.mean(totals["gp"])
    assert np.mean(totals["few"]) < 0.3 * min(np.mean(totals["tsallis"]), np.mean(totals["uniform"]))


def test_switching_stays_rare_when_feedback_is_late():
    costs, learner, pending, arms = valley(300, 40, 0), FewCandidates(40, np.random.default_rng(0)), [], []
    paid = 0.0
    for t, row in enumerate(costs):
        choice = learner.choose()
        arms.append(choice.arm)
        paid += row[choice.arm]
        pending.append((choice, float(row[choice.arm])))
        if t >= 10:
            learner.learn(*pending.pop(0))
    assert np.count_nonzero(np.diff(arms)) < 60
    assert paid < 1.15 * costs.sum(axis=0).min()


def test_a_candidate_that_is_never_heard_of_does_not_stop_the_search():
    learner, arms = FewCandidates(9, np.random.default_rng(0)), []
    for _ in range(400):
        choice = learner.choose()
        arms.append(choice.arm)
        if choice.arm != 4:  # the first to be played
            learner.learn(choice, 1.0 + abs(choice.arm - 6) / 4)
    assert arms[0] == 4
    assert arms[-100:].count(6) > 90


def test_batches_are_no_longer_than_the_play_before_them():
    learner = FewCandidates(9, np.random.default_rng(0))
    arms = []
    for _ in range(64):
        choice = learner.choose()
        arms.append(choice.arm)
        learner.learn(choice, 1.0)
        assert learner.state_dict()["left"] < len(arms)


def test_options_out_of_range():
    for shrinkage in (1.0, 0.5, 0.0):
        with pytest.raises(InvalidInput, match="shrinkage"):
            FewCandidates(2, np.random.default_rng(0), shrinkage=shrinkage)
    with pytest.raises(InvalidInput, match="inducing"):
        FewCandidates(2, np.random.default_rng(0), inducing=0)
