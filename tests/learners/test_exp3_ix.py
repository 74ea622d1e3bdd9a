from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners.exp3_ix import EXP3IX
from reiterate.learners.simple import Uniform
from reiterate.learners.tsallis_inf import TsallisINF


def test_rounds_match_the_paper():
    rng = np.random.default_rng(1)
    arms, scale = 4, 2.0
    learner = EXP3IX(arms, np.random.default_rng(0), scale=scale)
    losses = np.zeros(arms)
    for t in range(1, 60):
        eta = math.sqrt(math.log(arms) / (arms * t))
        weights = np.exp(-eta * losses)
        expected = weights / weights.sum()
        np.testing.assert_allclose(learner.probabilities, expected, rtol=1e-11)
        arm, cost = int(rng.integers(arms)), scale * float(rng.random())
        learner.learn(Choice(arm, float(expected[arm])), cost)
        losses[arm] += cost / scale / (expected[arm] + eta / 2)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1e300), st.booleans()), max_size=40),
    st.integers(5, 30),
    st.sampled_from([None, 1e-3, 1e6]),
)
def test_probabilities_are_positive_and_sum_to_one(feedback, arms, scale):
    learner = EXP3IX(arms, np.random.default_rng(0), scale=scale)
    for arm, cost, censored in feedback:
        learner.learn(Choice(arm, float(learner.probabilities[arm])), cost, censored=censored)
    p = learner.probabilities
    assert np.isfinite(p).all()
    assert (p > 0).all()
    assert abs(p.sum() - 1) < 1e-12
    assert 0 <= learner.choose().arm < arms


def bad_later(seed, rounds=1500, arms=8):
    """An arm is best by far for a quarter of the rounds, and then another."""
    rng = np.random.default_rng(seed)
    costs = 0.5 + 0.5 * rng.random((rounds, arms))
    first, second = rng.permutation(arms)[:2]
    costs[: rounds // 4, first] *= 0.5
    costs[rounds // 4 :, second] *= 0.3
    return costs


def theorem_bound(arms, rounds, delta):
    """Neu (2015), Theorem 1, for losses in [0, 1] and rates that depend on the round."""
    size = math.sqrt(arms * rounds * math.log(arms))
    return 4 * size + (2 * size / math.log(arms) + 1) * math.log(2 / delta)


def test_the_regret_of_every_run_is_below_the_bound(play):
    for seed in range(10):
        costs = bad_later(seed)
        paid = play(EXP3IX(8, np.random.default_rng(seed), scale=1.0), costs)
        # Of ten runs, each exceeds this bound with a probability of a tenth.
        assert paid.sum() - costs.sum(axis=0).min() <= theorem_bound(8, 1500, 0.1)


def test_it_is_the_right_choice_when_the_best_arm_changes_and_every_run_counts(play):
    worst = dict.fromkeys((EXP3IX, TsallisINF, Uniform), 0.0)
    for learner in worst:
        for seed in range(6):
            costs = bad_later(seed)
            ratio = play(learner(8, np.random.default_rng(seed)), costs).sum() / costs.sum(axis=0).min()
            worst[learner] = max(worst[learner], ratio)
    assert worst[EXP3IX] < 1.0
    assert worst[EXP3IX] < 0.7 * worst[TsallisINF]
    assert worst[EXP3IX] < 0.6 * worst[Uniform]


def test_the_draw_of_an_unlikely_arm_does_not_upset_what_was_learnt(play):
    costs = np.full((2000, 4), 2.0)
    costs[:, 1] = 1.0
    learner = EXP3IX(4, np.random.default_rng(0), scale=2.0)
    play(learner, costs)
    before = learner.probabilities
    assert before[1] > 0.9
    learner.learn(Choice(1, 1e-9), 2.0)
    # The estimate grew by less than 2 / eta, so that the exponent changed by less than 2.
    assert learner.probabilities[1] > before[1] * math.exp(-2)


def test_the_unit_of_costs_does_not_matter(play):
    costs = bad_later(3, 300)
    paid = [play(EXP3IX(8, np.random.default_rng(0)), unit * costs) / unit for unit in (1.0, 2.0**-30, 2.0**30)]
    np.testing.assert_array_equal(paid[0], paid[1])
    np.testing.assert_array_equal(paid[0], paid[2])


def test_what_all_arms_have_in_common_does_not_matter(play):
    # Without a scale, only the learning rate knows how large costs are; with four times the costs on top it is slower.
    costs = bad_later(4, 1500)
    paid = play(EXP3IX(8, np.random.default_rng(0)), 2.0 + costs) - 2.0
    uniform = play(Uniform(8, np.random.default_rng(0)), costs)
    assert paid.sum() < 0.8 * uniform.sum()


@pytest.mark.parametrize("scale", [None, 1.0])
def test_stopping_early_never_makes_an_arm_look_better(play, scale):
    learner = EXP3IX(8, np.random.default_rng(0), scale=scale)
    play(learner, bad_later(5, 100))
    before = learner.losses
    learner.learn(Choice(4, 0.1), 0.0, censored=True)
    assert learner.losses[4] > before[4]


def test_options_out_of_range():
    with pytest.raises(InvalidInput, match="scale"):
        EXP3IX(2, np.random.default_rng(0), scale=-1.0)
    for probability in (0.0, 1.5, math.nan):
        with pytest.raises(InvalidInput, match="probability"):
            EXP3IX(2, np.random.default_rng(0)).learn(Choice(0, probability), 1.0)
