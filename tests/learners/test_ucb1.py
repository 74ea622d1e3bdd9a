from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners.simple import Uniform
from reiterate.learners.tsallis_inf import TsallisINF
from reiterate.learners.ucb1 import UCB1
from tests.learners.plays import feed


def fed(plays, **options):
    """A learner of as many arms as there are lists of costs, which has been told them all."""
    return feed(UCB1(len(plays), np.random.default_rng(0), **options), plays)


@pytest.mark.parametrize("width", ["published", "tuned"])
def test_bounds_match_the_paper(width):
    rng = np.random.default_rng(3)
    plays = [list(4 + rng.random(n)) for n in (300, 40, 7)]
    t = sum(len(costs) for costs in plays)
    expected = []
    for costs in plays:
        n = len(costs)
        radius = math.sqrt(2 * math.log(t) / n)
        if width == "tuned":
            # In the paper's unit, where costs are at most 1.
            scaled = np.array(costs) / 5.0
            radius = math.sqrt(math.log(t) / n * min(0.25, np.var(scaled) + radius))
        expected.append(max(np.mean(costs) - 5.0 * radius, 0.0))
    np.testing.assert_allclose(fed(plays, width=width, scale=5.0).lower_bounds, expected, rtol=1e-12)


def test_ranges_are_followed_online():
    learner = fed([[10.0, 11.0, 12.0], [100.0, 101.0, 102.0], [8.0, 10.0, 12.0], [7.0]], width="published")
    median = 2.0 / 11.0
    ranges = np.array([2.0, median * 101.0, 4.0, median * 7.0])
    radius = np.sqrt(2 * math.log(10) / np.array([3, 3, 3, 1]))
    expected = np.array([11.0, 101.0, 10.0, 7.0]) - ranges * radius
    np.testing.assert_allclose(learner.lower_bounds, expected, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.floats(0, 1e100), max_size=8), min_size=1, max_size=6),
    st.sampled_from(["published", "tuned"]),
    st.sampled_from([None, 3.0]),
)
def test_bounds_lie_between_zero_and_the_means(plays, width, scale):
    learner = fed(plays, width=width, scale=scale)
    bounds = learner.lower_bounds
    assert np.isfinite(bounds).all()
    assert (bounds >= 0).all()
    assert (bounds <= learner._plays.means).all()
    assert 0 <= learner.choose().arm < len(plays)


def test_regret_is_below_the_theorem(play):
    rounds, means = 2000, np.array([0.2, 0.5, 0.6, 0.9])
    gaps = means[1:] - means[0]
    bound = 8 * math.log(rounds) * (1 / gaps).sum() + (1 + math.pi**2 / 3) * gaps.sum()
    regrets = []
    for seed in range(4):
        costs = (np.random.default_rng(seed).random((rounds, 4)) < means).astype(float)
        learner = UCB1(4, np.random.default_rng(0), width="published", scale=1.0)
        regrets.append(play(learner, costs).sum() - costs[:, 0].sum())
    assert np.mean(regrets) <= bound


def like_instances(seed, rounds=500):
    """Ten arms that differ by up to a factor of two, with noise of five percent."""
    rng = np.random.default_rng(seed)
    return rng.permutation(np.linspace(10, 20, 10)) * np.exp(0.05 * rng.standard_normal((rounds, 10)))


def excess(play, make, costs):
    return np.mean([play(make(seed), table).sum() / table.sum(axis=0).min() - 1 for seed, table in enumerate(costs)])


def test_it_is_the_right_choice_for_instances_that_are_alike(play):
    costs = [like_instances(100 + seed) for seed in range(4)]
    ours = excess(play, lambda seed: UCB1(10, np.random.default_rng(seed)), costs)
    assert ours < 0.03
    assert ours < 0.4 * excess(play, lambda seed: TsallisINF(10, np.random.default_rng(seed)), costs)
    assert ours < 0.1 * excess(play, lambda seed: Uniform(10, np.random.default_rng(seed)), costs)


def test_nothing_is_drawn_at_random(play):
    costs = like_instances(1, 100)
    runs = [play(UCB1(10, np.random.default_rng(seed)), costs) for seed in range(2)]
    np.testing.assert_array_equal(*runs)


def test_the_unit_of_costs_does_not_matter(play):
    costs = like_instances(2, 200)
    paid = [play(UCB1(10, np.random.default_rng(0)), unit * costs) / unit for unit in (1.0, 2.0**-30, 2.0**30)]
    np.testing.assert_array_equal(paid[0], paid[1])
    np.testing.assert_array_equal(paid[0], paid[2])


@pytest.mark.parametrize("at", [0, 1, 100])
def test_an_outlier_does_not_ruin_the_bounds(play, at):
    costs = like_instances(3, 800)
    costs[at] *= 1000
    paid = play(UCB1(10, np.random.default_rng(0)), costs)
    others = np.arange(800) != at
    assert paid[others].sum() / costs[others].sum(axis=0).min() - 1 < 0.02


def test_an_arm_without_feedback_does_not_stop_the_others():
    learner = UCB1(5, np.random.default_rng(0))
    chosen = []
    for _ in range(300):
        choice = learner.choose()
        chosen.append(choice.arm)
        if choice.arm != 1:
            learner.learn(choice, 5.0 - choice.arm)
    assert chosen.count(1) < 10
    assert chosen[-100:].count(4) > 90


def test_stopping_early_never_makes_an_arm_look_better():
    learner = fed([[10.0, 11.0, 12.0], [8.0, 9.0, 10.0]])
    learner.learn(Choice(1, 1.0), 0.5, censored=True)
    assert learner._plays.means[1] == pytest.approx(9.0)
    assert learner._lowest[1] == 8.0


def test_options_out_of_range():
    with pytest.raises(InvalidInput, match="tuned"):
        UCB1(2, np.random.default_rng(0), width="narrow")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="scale"):
        UCB1(2, np.random.default_rng(0), scale=0.0)
