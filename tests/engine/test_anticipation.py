import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.engine.anticipation import Anticipation


def follow(contexts, levels):
    """Errors of what was expected, and of expecting no change, over the second half."""
    anticipation, last = Anticipation(), None
    told, untold = [], []
    for context, level in zip(contexts, levels, strict=True):
        expected = anticipation.expect(context)
        if last is not None:
            told.append(abs(level - last - expected))
            untold.append(abs(level - last))
            anticipation.learn(level - last)
        last = level
    half = len(told) // 2
    return float(np.mean(told[half:])), float(np.mean(untold[half:])), anticipation


def test_a_number_that_difficulty_follows_is_found_among_those_that_mean_nothing():
    rng = np.random.default_rng(0)
    steps = 10.0 ** rng.uniform(-5, -1, 120)
    contexts = [{**{f"u{k}": rng.normal() for k in range(6)}, "dt": dt} for dt in steps]
    told, untold, anticipation = follow(contexts, 0.5 * np.log(steps))
    assert anticipation.trusted == ("dt",)
    assert told < 0.1 * untold


def test_two_numbers_that_only_together_tell_are_used_together():
    rng = np.random.default_rng(1)
    pairs = np.exp(rng.normal(0.0, 2.0, (150, 2)))
    contexts = [{"a": a, "b": b} for a, b in pairs]
    told, untold, anticipation = follow(contexts, np.log(pairs[:, 0]) - np.log(pairs[:, 1]))
    assert anticipation.trusted == ("a", "b")
    assert told < 0.1 * untold


@given(st.integers(0, 10_000), st.integers(1, 10))
@settings(max_examples=30, deadline=None)
def test_numbers_that_mean_nothing_are_hardly_ever_listened_to(seed, numbers):
    rng = np.random.default_rng(seed)
    contexts = [{f"u{k}": rng.normal() for k in range(numbers)} for _ in range(100)]
    told, untold, _ = follow(contexts, np.cumsum(rng.normal(0.0, 0.2, 100)))
    assert told <= 1.1 * untold


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1.0, 1e200])
def test_the_unit_of_a_number_does_not_matter(scale):
    rng = np.random.default_rng(2)
    steps = 10.0 ** rng.uniform(-2, 2, 60)
    told, untold, _ = follow([{"dt": scale * dt} for dt in steps], np.log(steps))
    assert told < 0.2 * untold


def test_numbers_may_come_go_vanish_and_change_their_sign():
    anticipation = Anticipation()
    for t in range(40):
        context = {"dt": math.sin(t), "zero": 0.0} if t % 3 else {"other": 1.0}
        assert math.isfinite(anticipation.expect(context))
        anticipation.learn(0.1 * (-1) ** t)
    assert anticipation.expect({}) == 0.0


def test_as_long_as_the_context_stays_the_same_nothing_is_expected_or_learnt():
    anticipation = Anticipation()
    for _ in range(20):
        assert anticipation.expect({"dt": 0.1}) == 0.0
        anticipation.learn(1.0)
    assert anticipation.trusted == ()


def test_thousands_of_numbers_are_cut_to_the_first():
    anticipation = Anticipation()
    rng = np.random.default_rng(0)
    for _ in range(30):
        anticipation.expect({f"u{k}": rng.normal() for k in range(3000)})
        anticipation.learn(rng.normal())
    assert len(anticipation.trusted) <= 16


def test_what_is_looked_for_later_is_taken_in_and_what_is_missed_is_not_made_up():
    rng, anticipation, level = np.random.default_rng(3), Anticipation(), 0.0
    for t in range(80):
        size = float(np.exp(rng.normal()))
        looked = t > 20 and t % 10 != 0
        expected = anticipation.expect({"dt": 0.1}, {"size": size} if looked else None)
        assert expected == 0.0 or (looked and (t - 1) % 10 != 0)
        anticipation.learn(math.log(size) - level)
        level = math.log(size)
    assert anticipation.trusted == ("size",)


def test_it_is_restless_while_difficulty_moves():
    anticipation, seen = Anticipation(), []
    for moved in [0.01] * 20 + [1.0] + [0.01] * 60:
        anticipation.learn(moved)
        seen.append(anticipation.restless)
    assert not any(seen[:20])
    assert seen[20]
    assert not seen[-1]


def test_an_estimate_gone_astray_is_not_learnt_from_as_it_is():
    rng = np.random.default_rng(4)
    steps = 10.0 ** rng.uniform(-2, 2, 100)
    levels = np.log(steps)
    levels[40:] += 1e6
    told, untold, _ = follow([{"dt": dt} for dt in steps], levels)
    assert told < 0.3 * untold
