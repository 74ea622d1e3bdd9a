from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners.hyperband import Hyperband
from reiterate.learners.simple import Uniform
from reiterate.learners.tsallis_inf import TsallisINF


def published_brackets(iteration, reduction=3):
    """Arms and plays of every rung, by Li et al., Algorithm 1, with R = reduction**iteration."""
    largest = reduction**iteration
    for s in range(iteration, -1, -1):
        n = math.ceil((iteration + 1) / (s + 1) * reduction**s)
        yield [(n // reduction**i, largest // reduction ** (s - i)) for i in range(s + 1)]


def test_brackets_are_those_of_the_paper():
    # Their table for R = 81 and a reduction of 3 begins with 81 arms of one play, and ends with 5 of 81.
    brackets = list(published_brackets(4))
    assert brackets[0] == [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]
    assert brackets[1] == [(34, 3), (11, 9), (3, 27), (1, 81)]
    assert brackets[4] == [(5, 81)]
    learner = Hyperband(200, np.random.default_rng(0), deepening=False)
    costs = np.random.default_rng(1).permutation(200) + 1.0
    for iteration in (1, 2, 3):
        plays = 0
        for bracket in published_brackets(iteration):
            before, entrants = 0, set(range(200))
            for arms, resource in bracket:
                counts = Counter()
                for _ in range(arms * (resource - before)):
                    choice = learner.choose()
                    assert learner._rest == 0
                    counts[choice.arm] += 1
                    learner.learn(choice, float(costs[choice.arm]))
                assert list(counts.values()) == [resource - before] * arms
                if before:
                    assert set(counts) == set(sorted(entrants, key=lambda arm: costs[arm])[:arms])
                entrants = set(counts)
                plays += arms * (resource - before)
                before = resource
        rest = plays * 2 ** (iteration - 1)
        for t in range(rest):
            choice = learner.choose()
            assert learner._rest == rest - 1 - t
            learner.learn(choice, float(costs[choice.arm]))


@pytest.mark.parametrize("deepening", [True, False])
def test_deepening_asks_only_for_plays_that_are_lacking(deepening):
    learner = Hyperband(3, np.random.default_rng(0), deepening=deepening)
    counts = Counter()
    for _ in range(400):
        choice = learner.choose()
        counts[choice.arm] += 1
        learner.learn(choice, [1.0, 2.0, 3.0][choice.arm])
    # No arm needs more than R plays, which is 27 in the third iteration.
    if deepening:
        assert counts[1] <= 27
        assert counts[2] <= 27
        assert counts[0] > 340
    else:
        assert counts[1] + counts[2] > 60


def misleading(arms):
    """Arms that rank the other way round in their first four plays."""
    ranks = [(7 * arm) % arms / arms for arm in range(arms)]
    return [lambda n, rank=rank: 60 - 30 * rank if n < 4 else 10 + 30 * rank for rank in ranks]


def rested(learner, curves, rounds, seed):
    """Total cost when an arm's cost depends on how often it has been played."""
    rng = np.random.default_rng(seed)
    plays, total = [0] * len(curves), 0.0
    for _ in range(rounds):
        choice = learner.choose()
        cost = curves[choice.arm](plays[choice.arm]) * math.exp(0.03 * rng.standard_normal())
        plays[choice.arm] += 1
        total += cost
        learner.learn(choice, cost)
    return total


def test_it_is_the_right_choice_when_first_plays_mislead():
    curves = misleading(27)
    ours, tsallis, uniform = (
        np.mean([rested(make(27, np.random.default_rng(s)), curves, 1000, s) for s in range(5)])
        for make in (Hyperband, TsallisINF, Uniform)
    )
    assert ours < 0.75 * tsallis
    assert ours < 0.75 * uniform


def test_iterations_take_ever_less():
    learner = Hyperband(9, np.random.default_rng(0), deepening=False)
    rounds, exploring = 20000, 0
    for _ in range(rounds):
        choice = learner.choose()
        exploring += learner._rest == 0
        learner.learn(choice, 1.0 + choice.arm)
    assert exploring < rounds**0.62 * math.log(rounds) ** 2
    assert exploring < 0.3 * rounds


def test_means_follow_what_arms_have_become():
    learner = Hyperband(1, np.random.default_rng(0))
    costs = [9.0, 8.0, 5.0, 4.0, 4.0]
    for cost in costs:
        learner.learn(Choice(0, 1.0), cost)
    assert learner._means[0] == pytest.approx(np.average(costs, weights=[1, 2, 3, 4, 5]))


def test_options_out_of_range():
    for options, argument in [
        ({"reduction": 1}, "reduction"),
        ({"reduction": 2.5}, "reduction"),
        ({"deepening": 1}, "deep"),
    ]:
        with pytest.raises(InvalidInput, match=argument):
            Hyperband(2, np.random.default_rng(0), **options)  # type: ignore[arg-type]
