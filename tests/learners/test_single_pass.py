from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.errors import InvalidInput
from reiterate.learners import make_learner
from reiterate.learners.single_pass import SinglePass


def paid(learner, means, rounds, seed, deviation=0.1):
    """Total of the played arms' mean costs, while the learner sees noise on them."""
    rng = np.random.default_rng(seed)
    total = 0.0
    for _ in range(rounds):
        choice = learner.choose()
        total += means[choice.arm]
        learner.learn(choice, means[choice.arm] * max(1.0 + deviation * rng.standard_normal(), 0.0))
    return total


def test_a_good_one_of_ten_thousand_arms_is_found_in_a_thousand_rounds():
    totals = dict.fromkeys(("single_pass", "tsallis_inf", "uniform"), 0.0)
    for seed in range(2):
        means = np.random.default_rng(50 + seed).uniform(1, 10, 10_000)
        for name in totals:
            totals[name] += paid(make_learner(name, 10_000, np.random.default_rng(seed)), means, 1000, seed)
    excess = {name: total / 2000 - 1 for name, total in totals.items()}
    assert excess["single_pass"] < 0.5 * excess["tsallis_inf"]
    assert excess["single_pass"] < 0.2 * excess["uniform"]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_every_arm_is_met_once(arms, seed):
    learner = SinglePass(arms, np.random.default_rng(seed), exploration=1e9)
    met = [learner.king]
    for _ in range(4 * arms + 10):
        choice = learner.choose()
        assert 0 <= choice.arm < arms
        if choice.arm != met[-1] and choice.arm != learner.king:
            met.append(choice.arm)
        learner.learn(choice, 1.0 if choice.arm == met[0] else 2.0)
    assert sorted(met) == list(range(arms))
    assert learner.met == arms
    assert learner.king == met[0]


def test_an_arm_better_by_the_accuracy_becomes_king_and_stays():
    """Each seed is a trial of the theorem's two kinds of error; delta = 0.1 leaves room for four in forty."""
    wrong = 0
    for seed in range(40):
        means = np.full(30, 1.0)
        means[seed % 30] = 0.9
        learner = SinglePass(30, np.random.default_rng(seed), accuracy=0.1, exploration=1e9)
        paid(learner, means, 1500, seed, deviation=0.05)
        assert learner.met == 30
        wrong += learner.king != seed % 30
    assert wrong <= 0.1 * 40


def test_without_noise_the_best_arm_wins():
    means = np.random.default_rng(1).uniform(1, 2, 50)
    learner = SinglePass(50, np.random.default_rng(0), exploration=1e9)
    paid(learner, means, 400, 0, deviation=0.0)
    assert learner.king == means.argmin()


@pytest.mark.parametrize("exploration", [0.5, 1.0, 2.0])
def test_challengers_play_no_more_than_their_share(exploration):
    rng = np.random.default_rng(0)
    learner = SinglePass(5000, rng, exploration=exploration)
    challenged = 0
    for t in range(1, 1001):
        king = learner.king
        choice = learner.choose()
        challenged += choice.arm != king
        assert challenged <= exploration * t ** (2 / 3)
        learner.learn(choice, (1.0 if choice.arm == king else 2.0) + 0.05 * rng.random())
    assert challenged > 0.9 * exploration * 1000 ** (2 / 3)


def test_the_number_of_costs_to_win_the_first_level_is_the_formula_s():
    """A challenger that stays ahead by less than chance allows is asked for all the costs of its level."""
    accuracy, delta = 0.2, 0.1
    learner = SinglePass(2, np.random.default_rng(0), accuracy=accuracy, delta=delta, exploration=1e9)
    king = learner.king
    plays = {king: 0, 1 - king: 0}
    while learner.king == king:
        choice = learner.choose()
        plays[choice.arm] += 1
        learner.learn(choice, 0.88 if choice.arm != king else 0.8 + 0.4 * (plays[king] % 2))
    squares, freedom = learner.state_dict()["deviation"]
    wanted = 8 * squares / freedom / accuracy**2 * (3 - math.log(delta))

    def worth(challenger, king):
        return challenger * king / (challenger + king)

    assert worth(plays[1 - king] - 1, plays[king]) < wanted <= worth(plays[1 - king], plays[king])


def test_memory_does_not_grow_with_arms():
    sizes = []
    for arms in (10, 10**9):
        learner = SinglePass(arms, np.random.default_rng(0))
        for _ in range(100):
            choice = learner.choose()
            learner.learn(choice, 1.0 + choice.arm % 3)
        sizes.append(len(json.dumps(learner.state_dict())))
    assert abs(sizes[0] - sizes[1]) < 60


def test_the_unit_of_costs_does_not_matter():
    means = np.random.default_rng(5).uniform(1, 10, 500)
    totals = [
        paid(SinglePass(500, np.random.default_rng(0)), unit * means, 400, 0) / unit
        for unit in (1.0, 2.0**50, 2.0**-50)
    ]
    assert totals[0] == totals[1] == totals[2]


def test_being_stopped_early_does_not_make_an_arm_king():
    learner = SinglePass(40, np.random.default_rng(0), exploration=1e9)
    king = learner.king
    for _ in range(200):
        choice = learner.choose()
        learner.learn(choice, 1.0 if choice.arm == king else 0.2, censored=choice.arm != king)
    assert learner.king == king


@pytest.mark.parametrize("options", [{"accuracy": 0.0}, {"delta": 1.0}, {"delta": 0}, {"exploration": -1}])
def test_options_out_of_range(options):
    with pytest.raises(InvalidInput, match=next(iter(options))):
        SinglePass(3, np.random.default_rng(0), **options)
