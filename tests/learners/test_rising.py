from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners.rising import Rising
from reiterate.learners.simple import Uniform
from reiterate.learners.tsallis_inf import TsallisINF
from tests.learners.plays import feed


def fed(plays, **options):
    """A learner of as many arms as there are lists of costs, which has been told them all."""
    return feed(Rising(len(plays), np.random.default_rng(0), **options), plays)


def reference_bounds(plays, horizon, exploration):
    """The formula of the class's description, term by term."""
    t = sum(len(costs) for costs in plays)
    differences, pairs = 0.05**2, 1
    for costs in plays:
        for one, two in pairwise(costs):
            differences += (two - one) ** 2 / (one**2 + two**2)
            pairs += 1
    bounds = []
    for costs in plays:
        n = len(costs)
        h = max(1, int(0.4 * n))
        a = t - n if horizon is None else min(horizon, t - n)
        mean = sum(costs[-h:]) / h
        fall = sum((n + a - place) * (costs[place - 1] - costs[place - 1 - h]) / h for place in range(n - h + 1, n + 1))
        s = math.sqrt(differences / pairs) * mean
        bound = mean + min(0.0, fall / h) - exploration * s * (a + h - 1) * math.sqrt(math.log(t) / h**3)
        bounds.append(max(bound, 0.0))
    return bounds


@pytest.mark.parametrize(("horizon", "exploration"), [(None, 0.1), (4, 0.3), (1, 0.0)])
def test_bounds_match_the_paper(horizon, exploration):
    rng = np.random.default_rng(4)
    plays = [
        list(30 * np.exp(-np.arange(40) / 30) + rng.random(40)),
        list(20 + rng.random(17)),
        list(25 + rng.random(3)),
        [30.0, 29.0],
    ]
    learner = fed(plays, horizon=horizon, exploration=exploration)
    np.testing.assert_allclose(learner.bounds, reference_bounds(plays, horizon, exploration), rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.floats(0, 1e300), max_size=9), min_size=1, max_size=5),
    st.sampled_from([None, 1, 32]),
    st.floats(0, 10),
)
def test_bounds_are_nonnegative_and_finite_whatever_costs_are(plays, horizon, exploration):
    learner = fed(plays, horizon=horizon, exploration=exploration)
    assert np.isfinite(learner.bounds).all()
    assert (learner.bounds >= 0).all()
    assert (learner.bounds <= learner._recent).all()
    assert 0 <= learner.choose().arm < len(plays)


def rested(learner, curves, rounds, noise=0.0, seed=0):
    """Total cost when an arm's cost depends on how often it has been played."""
    rng = np.random.default_rng(seed)
    plays, total = [0] * len(curves), 0.0
    for _ in range(rounds):
        choice = learner.choose()
        cost = curves[choice.arm](plays[choice.arm]) * math.exp(noise * rng.standard_normal())
        plays[choice.arm] += 1
        total += cost
        learner.learn(choice, cost)
    return total


def flat(cost):
    return lambda n: cost


FOUR = [flat(40.0), flat(45.0), flat(50.0), flat(55.0)]
"""Arms that do not learn."""

LEARNING = [*FOUR, lambda n: 15 + 65 * math.exp(-n / 10)]
"""And one that begins at twice their cost and ends far below."""


def test_it_is_the_right_choice_when_arms_learn():
    best = sum(LEARNING[4](n) for n in range(300))

    def mean_cost(make):
        runs = (rested(make(5, np.random.default_rng(s)), LEARNING, 300, noise=0.03, seed=s) for s in range(4))
        return np.mean(list(runs))

    ours = mean_cost(Rising)
    assert ours < 1.25 * best
    assert ours < 0.6 * mean_cost(TsallisINF)
    assert ours < 0.6 * mean_cost(Uniform)


def test_arms_that_do_not_learn_cost_little():
    assert rested(Rising(4, np.random.default_rng(0)), FOUR, 300, noise=0.03) < 1.08 * 300 * 40.0


def test_the_published_regret_grows_slower_than_the_rounds():
    curves = [flat(0.5), lambda n: 0.2 + 0.8 / (1 + n) ** 2, lambda n: 0.4 + 0.5 * math.exp(-n / 5)]

    def regret(rounds):
        learner = Rising(3, np.random.default_rng(0), horizon=None, exploration=math.sqrt(10 * 2.1))
        best = min(sum(curve(n) for n in range(rounds)) for curve in curves)
        return rested(learner, curves, rounds, noise=0.001) - best

    assert regret(2000) < 1.1 * 4 ** (2 / 3) * regret(500)


def test_costs_kept_are_bounded():
    learner = fed([list(np.linspace(20, 10, 700)), [11.0, 11.0]])
    assert len(learner._latest[0]) == 256
    assert learner._windows[0] == 128
    assert learner._recent[0] == pytest.approx(np.linspace(20, 10, 700)[-128:].mean())
    assert Rising.from_state_dict(learner.state_dict()).bounds[0] == learner.bounds[0]


def test_the_unit_of_costs_does_not_matter():
    chosen = []
    for unit in (1.0, 2.0**-30, 2.0**30):
        learner, n = Rising(5, np.random.default_rng(0)), [0] * 5
        arms = []
        for _ in range(100):
            choice = learner.choose()
            arms.append(choice.arm)
            learner.learn(choice, unit * LEARNING[choice.arm](n[choice.arm]))
            n[choice.arm] += 1
        chosen.append(arms)
    assert chosen[0] == chosen[1] == chosen[2]


def test_an_arm_without_feedback_does_not_stop_the_others():
    learner = Rising(4, np.random.default_rng(0))
    chosen = []
    for t in range(200):
        choice = learner.choose()
        chosen.append(choice.arm)
        if choice.arm != 0:
            learner.learn(choice, 5.0 - choice.arm + 0.01 * (t % 3))
    assert chosen.count(0) < 10
    assert chosen.count(3) > 100


def test_stopping_early_never_makes_an_arm_look_better():
    learner = fed([[10.0] * 8, [9.0] * 8])
    learner.learn(Choice(1, 1.0), 1.0, censored=True)
    assert learner._recent[1] == pytest.approx(9.0)
    assert learner._slopes[1] == 0.0


def test_options_out_of_range():
    for options, argument in [
        ({"horizon": 0}, "horizon"),
        ({"horizon": 1.5}, "horizon"),
        ({"exploration": -1}, "expl"),
    ]:
        with pytest.raises(InvalidInput, match=argument):
            Rising(2, np.random.default_rng(0), **options)  # type: ignore[arg-type]
