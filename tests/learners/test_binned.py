from __future__ import annotations

import numpy as np
import pytest

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners.binned import BinnedTsallisINF


def losses_of(learner):
    return np.array([one["losses"] for one in learner.state_dict()["learnt"]])


def rounds_of(learner):
    return [one["rounds"] for one in learner.state_dict()["learnt"]]


def feed(learner, values, arms):
    rng = np.random.default_rng(7)
    for value in values:
        learner.learn(Choice(int(rng.integers(arms)), 0.5, {"c": float(value)}), float(rng.random()))


def test_each_bin_learns_its_own_best_arm(play):
    rng = np.random.default_rng(0)
    contexts = rng.random(6000)
    best = np.minimum((contexts * 3).astype(int), 2)
    costs = 5.0 + 5.0 * (np.arange(3) != best[:, None]) + rng.random((6000, 3))
    learner = BinnedTsallisINF(3, np.random.default_rng(1), bins=3, interval=(0, 1))
    paid = play(learner, costs, contexts)
    assert paid[3000:].mean() < 5.7


def test_values_outside_a_given_interval_go_to_the_end_bins():
    learner = BinnedTsallisINF(2, np.random.default_rng(0), bins=4, interval=(0, 1))
    feed(learner, [-5, 0, 0.3, 1, 9, 1e9], 2)
    assert rounds_of(learner) == [2, 1, 0, 3]


@pytest.mark.parametrize("bins", [1, 2, 5, 6])
@pytest.mark.parametrize("direction", [1, -1])
def test_doubling_merges_pairs_exactly(bins, direction):
    inside = direction * np.concatenate(([0.0, 1.0], np.linspace(0.01, 0.99, 40)))
    learner = BinnedTsallisINF(3, np.random.default_rng(0), bins=bins, scale=1.0)
    feed(learner, inside, 3)
    before, rounds = losses_of(learner), rounds_of(learner)
    learner.choose({"c": direction * 2.0})
    fine = np.zeros((2 * bins, 3))
    counts = np.zeros(2 * bins, dtype=int)
    old = slice(0, bins) if direction > 0 else slice(bins, None)
    fine[old], counts[old] = before, rounds
    np.testing.assert_array_equal(losses_of(learner), fine.reshape(bins, 2, 3).sum(axis=1))
    assert rounds_of(learner) == list(counts.reshape(bins, 2).sum(axis=1))


def test_nothing_is_lost_when_the_interval_grows_a_lot():
    learner = BinnedTsallisINF(3, np.random.default_rng(0), scale=1.0)
    values = [1.0, 1.0, 1.0 + 1e-9, 2.0, -40.0, 1e6, -1e12]
    feed(learner, values, 3)
    assert sum(rounds_of(learner)) == len(values)


def test_the_first_value_stays_at_its_end():
    for other, end in ((2.0, 0), (0.0, -1)):
        learner = BinnedTsallisINF(3, np.random.default_rng(0), bins=4)
        feed(learner, [1.0, 1.0, 1.0], 3)
        learner.choose({"c": other})
        assert rounds_of(learner)[end] == 3


def test_without_context_it_is_one_bin():
    learner = BinnedTsallisINF(3, np.random.default_rng(0))
    for context in (None, {}):
        learner.learn(learner.choose(context), 1.0)
    assert rounds_of(learner) == [0] * 6
    assert learner.state_dict()["learnt_without_context"]["rounds"] == 2


def test_the_variable_is_the_one_named_or_the_first_seen():
    named = BinnedTsallisINF(3, np.random.default_rng(0), variable="load")
    named.choose({"dt": 9.0, "load": 1.0})
    assert named.state_dict()["interval"]["low"] == 1.0
    first = BinnedTsallisINF(3, np.random.default_rng(0))
    first.choose({"dt": 9.0, "load": 1.0})
    first.choose({"load": 1.0, "dt": 9.0})
    assert first.state_dict()["interval"]["low"] == 9.0
    # Where the variable is missing, its last value stands in.
    assert first.choose({"load": 1.0}).arm in range(3)
    assert first.state_dict()["interval"]["low"] == 9.0


def test_options_out_of_range():
    rng = np.random.default_rng(0)
    with pytest.raises(InvalidInput, match="bins"):
        BinnedTsallisINF(2, rng, bins=0)
    for interval in ((1, 1), (2, 1), (0, float("nan")), (0, 1, 2), (0, float("inf")), 3):
        with pytest.raises(InvalidInput, match="interval"):
            BinnedTsallisINF(2, rng, interval=interval)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="variable"):
        BinnedTsallisINF(2, rng, variable=3)  # type: ignore[arg-type]
