from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners.sequential_halving import SequentialHalving
from reiterate.learners.simple import Uniform
from reiterate.learners.tsallis_inf import TsallisINF


def played(learner, costs, rounds):
    """The arms of some rounds with costs that never change."""
    arms = []
    for _ in range(rounds):
        choice = learner.choose()
        arms.append(choice.arm)
        learner.learn(choice, float(costs[choice.arm]))
    return arms


def test_a_tournament_follows_the_schedule_of_the_paper():
    # B = 16 log2(16) = 64 plays: 64 / (16 * 4) = 1 of each of 16 arms, 2 of the best 8, 4 of 4 and 8 of 2.
    costs = np.random.default_rng(0).permutation(16) + 1.0
    arms = played(SequentialHalving(16, np.random.default_rng(0)), costs, 64 + 256 + 32)
    rungs = [arms[16 * k : 16 * (k + 1)] for k in range(4)]
    for k, rung in enumerate(rungs):
        assert Counter(rung) == {int(arm): 2**k for arm in costs.argsort()[: 16 // 2**k]}
        # Arms alternate, so that costs which drift affect all of them alike.
        assert len(set(rung[: 16 // 2**k])) == 16 // 2**k
    assert set(arms[64:320]) == {int(costs.argmin())}
    assert Counter(arms[320:]) == dict.fromkeys(range(16), 2)


def test_brackets_grow_until_all_arms_play():
    arms = played(SequentialHalving(40, np.random.default_rng(1), bracket=4), np.arange(40) + 1.0, 12000)
    start = 0
    for entrants, plays, rest in [(4, 1, 4), (8, 1, 4), (16, 1, 4), (32, 1, 4), (40, 1, 4), (40, 2, 8)]:
        sizes = [entrants]
        while sizes[-1] > 2:
            sizes.append(-(-sizes[-1] // 2))
        length = sum(size * (entrants * plays // size) for size in sizes)
        assert len(set(arms[start : start + entrants])) == entrants
        assert len(set(arms[start : start + length])) == entrants
        start += length
        length = rest * entrants * plays * len(sizes)
        assert len(set(arms[start : start + length])) == 1
        start += length
    assert Counter(arms[start : start + 3 * 40]) == dict.fromkeys(range(40), 3)


def test_the_best_arm_is_missed_more_rarely_than_by_the_theorem():
    means, tournament = np.array([0.2, 0.5, 0.5, 0.5]), 299
    plays = (tournament + 1) * 4 * 2
    bound = 3 * 2 * math.exp(-plays / (8 * 4 / 0.3**2 * 2))
    assert bound < 0.25
    missed = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        learner = SequentialHalving(4, np.random.default_rng(seed))
        learner._tournament = tournament
        for _ in range(plays):
            choice = learner.choose()
            learner.learn(choice, float(rng.random() < means[choice.arm]))
        missed += learner.choose().arm != 0
    assert missed / 12 <= bound


def test_tournaments_take_ever_less():
    costs = np.linspace(1, 2, 12)
    learner = SequentialHalving(12, np.random.default_rng(0))
    rounds, resting = 20000, 0
    for _ in range(rounds):
        choice = learner.choose()
        resting += learner._rest > 0
        learner.learn(choice, float(costs[choice.arm]))
    assert rounds - resting < 12 * 4 * math.log2(rounds) ** 2
    assert rounds - resting < 0.12 * rounds


def many_arms(seed, rounds=200, arms=64):
    """Costs that differ by up to 4.5, with noise of five percent."""
    rng = np.random.default_rng(seed)
    return 10 * np.exp(1.5 * rng.random(arms)) * np.exp(0.05 * rng.standard_normal((rounds, arms)))


def test_it_is_the_right_choice_for_many_arms_and_a_short_stream(play):
    tables = [many_arms(seed) for seed in range(6)]
    ours, tsallis, uniform = (
        np.mean(
            [play(make(64, np.random.default_rng(s)), c).sum() / c.sum(axis=0).min() - 1 for s, c in enumerate(tables)]
        )
        for make in (SequentialHalving, TsallisINF, Uniform)
    )
    assert ours < 0.6 * tsallis
    assert ours < 0.25 * uniform


def test_a_rest_is_spent_on_another_arm_when_the_best_gets_worse():
    costs = np.array([1.0, 2.0, 3.0, 4.0])
    learner = SequentialHalving(4, np.random.default_rng(0))
    # Eight plays, then a rest of 32.
    assert set(played(learner, costs, 18)[8:]) == {0}
    costs[0] = 10.0
    assert set(played(learner, costs, 12)[6:]) == {1}


def test_stopping_early_never_makes_an_arm_look_better():
    learner = SequentialHalving(3, np.random.default_rng(0))
    for arm in (0, 1, 2, 0, 1, 2):
        learner.learn(Choice(arm, 1.0), 5.0 + arm)
    learner.learn(Choice(2, 1.0), 0.1, censored=True)
    assert learner._means[2] == pytest.approx(7.0)


def test_options_out_of_range():
    with pytest.raises(InvalidInput, match="bracket"):
        SequentialHalving(2, np.random.default_rng(0), bracket=0)
