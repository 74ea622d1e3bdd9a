from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners.cheb_cb import ChebCB, chebyshev_change, chebyshev_features

OMEGA = np.linspace(1, 1.95, 20)


def surface(contexts):
    """Expected cost (rounds, 20): the best omega moves from 1 to 1.9, the cost of all swings twelvefold."""
    c = np.asarray(contexts)[:, None]
    curvature = 0.8 / 0.9025 + c * (2 / 0.81 - 0.8 / 0.9025)
    return 2 * 12.5**c * (1 + curvature * (OMEGA - (1 + 0.9 * c)) ** 2)


def stream(seed, rounds, kind):
    rng = np.random.default_rng(9000 + seed)
    phase = 2 * np.pi * 5 * np.arange(rounds) / rounds
    contexts = 0.5 - 0.5 * np.cos(phase) if kind == "swinging" else rng.beta(1, 1, rounds)
    mean = surface(contexts)
    costs = np.maximum(1, np.round(mean * (1 + 0.05 * rng.uniform(-1, 1, mean.shape))))
    return costs, -0.15 + 0.6 * contexts, costs[np.arange(rounds), mean.argmin(axis=1)]


@given(st.floats(-1, 1), st.integers(1, 12))
def test_features_are_chebyshev_polynomials(x, degree):
    np.testing.assert_allclose(chebyshev_features(x, degree), chebyshev.chebvander(x, degree - 1).ravel(), atol=1e-13)


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 1), st.integers(1, 10))
def test_change_of_variable_is_exact(x, slope, share, degree):
    offset = (1 - abs(slope)) * (2 * share - 1)
    change = chebyshev_change(slope, offset, degree)
    expected = chebyshev_features(slope * x + offset, degree)
    np.testing.assert_allclose(change @ chebyshev_features(x, degree), expected, atol=1e-12)


@pytest.mark.parametrize("interval", [(-0.15, 0.45), None])
@pytest.mark.parametrize("kind", ["random", "swinging"])
def test_total_cost_is_close_to_the_instance_optimum(play, kind, interval):
    excess, early = [], []
    for s in range(3):
        costs, contexts, optimum = stream(s, 5000, kind)
        paid = play(ChebCB(20, np.random.default_rng(s), interval=interval), costs, contexts)
        excess.append(paid.sum() / optimum.sum() - 1)
        early.append(paid[:100].sum() / optimum[:100].sum() - 1)
    assert np.mean(excess) < 0.025
    assert np.mean(early) < 0.2


def test_easy_instances_first_do_not_hide_the_best_arms_of_hard_ones(play):
    # The first tenth lies in a hundredth of the context's range, costs little, and favors other arms.
    arms = np.arange(20)
    phase = np.sin(2 * np.pi * 5 * np.arange(5000) / 5000)
    contexts = np.where(phase > 0, 0.1, -10.0) * phase
    easy, hard = 4 + 0.35 * np.abs(arms - 3), 18 + np.where(arms < 15, 2.2 * (15 - arms), 5.0 * (arms - 15))
    mean = easy + np.minimum(contexts[:, None] / 10, 1) ** 0.5 * (hard - easy)
    excess = []
    for s in range(8):
        costs = np.round(mean * np.exp(0.03 * np.random.default_rng(s).standard_normal(mean.shape)))
        paid = play(ChebCB(20, np.random.default_rng(s)), costs, contexts)
        excess.append(paid.sum() / costs[np.arange(5000), mean.argmin(axis=1)].sum() - 1)
    assert np.mean(excess) < 0.025
    assert np.max(excess) < 0.03


def test_without_context_it_finds_the_best_arm(play):
    rng = np.random.default_rng(0)
    costs = np.linspace(5, 15, 10) * rng.uniform(0.8, 1.2, (2000, 10))
    paid = play(ChebCB(10, np.random.default_rng(1)), costs)
    assert paid[500:].mean() < 5.2


def test_a_known_cost_surface_is_recovered():
    coefficients = np.array([[10, 2, 1, 0.5], [12, -3, 0, 0], [9, 0, 2, -1]])
    learner = ChebCB(3, np.random.default_rng(0), interval=(2, 6))
    rng = np.random.default_rng(1)
    for t in range(6000):
        value = float(rng.uniform(2, 6))
        cost = chebyshev.chebval((value - 4) / 2, coefficients[t % 3]) + 0.1 * rng.standard_normal()
        learner.learn(Choice(t % 3, 1.0, {"c": value}), float(cost))
    for value in (2.0, 3.1, 4.0, 5.7, 6.0):
        expected = chebyshev.chebval((value - 4) / 2, coefficients.T)
        np.testing.assert_allclose(learner.predict({"c": value}), expected, rtol=0.01)


def test_an_arm_that_was_never_played_is_believed_average():
    learner = ChebCB(3, np.random.default_rng(0), interval=(0, 1))
    for t in range(600):
        value = (t % 50) / 49
        learner.learn(Choice(t % 2, 1.0, {"c": value}), 10 * value + 2 * (t % 2))
    low, high, unknown = learner.predict({"c": 0.5})
    assert low < unknown < high
    assert unknown == pytest.approx((low + high) / 2, abs=0.1)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=5, max_size=60), st.integers(1, 7))
def test_learning_the_interval_changes_nothing(values, degree):
    learnt = ChebCB(3, np.random.default_rng(0), degree=degree)
    for value in values:
        learnt.choose({"c": value})
    final = learnt.state_dict()["interval"]
    if final["high"] - final["low"] < 1e-6:
        return
    known = ChebCB(3, np.random.default_rng(0), degree=degree, interval=(final["low"], final["high"]))
    learnt = ChebCB(3, np.random.default_rng(0), degree=degree)
    rng = np.random.default_rng(1)
    for value in values:
        choice, cost = Choice(int(rng.integers(3)), 0.5, {"c": value}), float(rng.uniform(5, 9))
        learnt.learn(choice, cost)
        known.learn(choice, cost)
    for key in ("grams", "moments"):
        np.testing.assert_allclose(learnt.state_dict()[key], known.state_dict()[key], rtol=1e-9, atol=1e-8)
    for value in (final["low"], final["high"], values[0]):
        np.testing.assert_allclose(learnt.predict({"c": value}), known.predict({"c": value}), rtol=1e-7)


def test_constant_and_missing_contexts():
    learner = ChebCB(2, np.random.default_rng(0))
    for t in range(60):
        context = (None, {}, {"c": 3.0})[t % 3]
        choice = learner.choose(context)
        learner.learn(choice, 5.0 + choice.arm)
    assert learner.predict({"c": 3.0}).argmin() == 0
    assert learner.predict().argmin() == 0


@pytest.mark.parametrize("at", [0, 1, 700])
def test_an_outlier_does_not_ruin_the_fit(play, at):
    costs, contexts, optimum = stream(0, 2000, "random")
    costs[at] *= 1000
    paid = play(ChebCB(20, np.random.default_rng(0)), costs, contexts)
    others = np.arange(2000) != at
    assert paid[others].sum() / optimum[others].sum() - 1 < 0.06


def test_the_unit_of_costs_does_not_matter(play):
    costs, contexts, _ = stream(0, 300, "random")
    paid = [play(ChebCB(20, np.random.default_rng(0)), unit * costs, contexts) / unit for unit in (1.0, 2.0**-20)]
    np.testing.assert_array_equal(*paid)


def test_late_feedback_in_any_order_gives_the_same_fit():
    forward, backward = (ChebCB(3, np.random.default_rng(0), interval=(0, 1)) for _ in range(2))
    values = np.linspace(0, 1, 40)
    pending = [(forward.choose({"c": float(v)}), 4.0 + float(v)) for v in values]
    for choice, cost in pending:
        forward.learn(choice, cost)
    for choice, cost in reversed(pending):
        backward.learn(choice, cost)
    np.testing.assert_allclose(forward.predict({"c": 0.3}), backward.predict({"c": 0.3}), rtol=1e-10)


def test_stopping_early_never_makes_an_arm_look_better(play):
    costs, contexts, _ = stream(0, 200, "random")
    learner = ChebCB(20, np.random.default_rng(0))
    play(learner, costs, contexts)
    context = {"c": float(contexts[0])}
    before = learner.predict(context)
    learner.learn(Choice(4, 0.1, context), 0.0, censored=True)
    # The fit common to all arms moves a little, since the others' predictions do not change alike.
    assert learner.predict(context)[4] > 0.995 * before[4]


def test_state_does_not_grow_with_the_rounds(play):
    costs, contexts, _ = stream(0, 400, "random")
    learner = ChebCB(20, np.random.default_rng(0))
    sizes = []
    for part in (slice(0, 100), slice(100, 400)):
        play(learner, costs[part], contexts[part])
        state = learner.state_dict()
        sizes.append((state["grams"].size, len(state["held"]), len(state["costs"]["recent"])))
    assert sizes[0] == sizes[1]


def test_options_out_of_range():
    rng = np.random.default_rng(0)
    for option, value in (("degree", 0), ("degree", 2.5), ("exploration", 0.0), ("optimism", -1.0)):
        with pytest.raises(InvalidInput, match=option):
            ChebCB(2, rng, **{option: value})  # type: ignore[arg-type]
    for value in (float("nan"), float("inf"), 1e200, "high"):
        with pytest.raises(InvalidInput, match="context: c="):
            ChebCB(2, rng).choose({"c": value})  # type: ignore[dict-item]
