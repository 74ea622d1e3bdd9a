"""What goes wrong around learners: feedback twice, late, never; very many arms; copies, by pickling and forking."""

from __future__ import annotations

import copy
import os
import pickle
import tracemalloc

import numpy as np
import pytest

from reiterate.contracts import Arms, Choice
from reiterate.errors import InvalidInput
from reiterate.learners import LEARNERS, make_learner

ARMS = 5
MEANS = np.array([4.0, 3.0, 1.0, 3.0, 4.0])
MANY = 10_000
MEMORY = 400e6  # bytes

every_learner = pytest.mark.parametrize("name", LEARNERS)


def of_name(name, arms=ARMS, seed=0):
    return make_learner(name, arms, np.random.default_rng(seed))


def goes_on(learner, rounds=60, seed=5):
    """What is chosen in some rounds, all told at once."""
    rng, trace = np.random.default_rng(seed), []
    for t in range(rounds):
        choice = learner.choose({"dt": float(rng.random()), "load": t % 3})
        trace.append((choice.arm, choice.probability))
        learner.observe(int(rng.integers(learner.arms)), float(rng.uniform(1.0, 9.0)), context=choice.context)
        learner.progress(choice, 0.5, 0.25)
        learner.learn(choice, float(1.0 + choice.arm % 7 + rng.random()), censored=t % 5 == 0)
    return trace


def told(learner, order, rounds=200):
    """Rounds whose feedback is told as ``order`` says: for every round, which rounds' feedback comes after it."""
    rng, choices = np.random.default_rng(1), []
    for t in range(rounds):
        choice = learner.choose({"dt": 1.0 + t % 2})
        assert 0 <= choice.arm < ARMS
        assert 0 < choice.probability <= 1
        choices.append((choice, float(MEANS[choice.arm] * rng.uniform(0.9, 1.1))))
        for k in order(t):
            learner.learn(*choices[k])
    return [choice.arm for choice, _ in choices]


ORDERS = {
    "twice": lambda t: [t, t],
    "again much later": lambda t: [t, t - 50] if t >= 50 else [t],
    "late": lambda t: [t - 30] if t >= 30 else [],
    "never": lambda t: [],
    "never of one arm's": lambda t: [t] if t % 3 else [],
    "backwards": lambda t: range(t, t - 10, -1) if t % 10 == 9 else [],
}


@pytest.mark.parametrize("order", ORDERS)
@every_learner
def test_feedback_in_any_order_is_taken(name, order):
    learner = of_name(name)
    arms = told(learner, ORDERS[order])
    restored = LEARNERS[name].from_state_dict(learner.state_dict())
    assert goes_on(restored) == goes_on(learner)
    # All of these learn; where nothing is told they have no reason to prefer an arm, and these two never do.
    if name not in ("fixed", "uniform", "censored_threshold") and order != "never":
        late = arms[100:]
        assert late.count(2) > len(late) / ARMS


@every_learner
def test_a_choice_that_was_never_made_is_as_good_as_another(name):
    learner = of_name(name)
    for t in range(50):
        learner.learn(Choice(t % ARMS, 0.3, {"dt": 1.0}), float(MEANS[t % ARMS]))
    assert len(goes_on(learner)) == 60


@every_learner
def test_very_many_arms_take_little_time_and_memory(name):
    rng = np.random.default_rng(0)
    tracemalloc.start()
    try:
        learner = of_name(name, MANY)
        for _ in range(4):
            choice = learner.choose({"dt": float(rng.random()), "load": 1.0})
            learner.learn(choice, 1.0 + choice.arm / MANY)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert 0 <= learner.choose().arm < MANY == learner.arms


@every_learner
def test_no_arms_are_refused(name):
    for none in (0, Arms((), ())):
        with pytest.raises(InvalidInput, match="arms"):
            of_name(name, none)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda learner: pickle.loads(pickle.dumps(learner))])
@pytest.mark.parametrize("rounds", [0, 2, 40])
@every_learner
def test_a_copy_goes_on_as_the_original_would(name, rounds, duplicate):
    learner = of_name(name)
    goes_on(learner, rounds, seed=1)
    other = duplicate(learner)
    assert goes_on(other) == goes_on(learner)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_parent_and_child_of_a_fork_both_go_on():
    learners = [of_name(name) for name in LEARNERS]
    for learner in learners:
        goes_on(learner, 20, seed=1)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, pickle.dumps([goes_on(learner, 10) for learner in learners]))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        theirs = pickle.loads(pipe.read())
    os.waitpid(child, 0)
    assert theirs == [goes_on(learner, 10) for learner in learners]


@pytest.mark.parametrize("cost", [-1.0, float("nan"), float("inf"), "much", None])
@pytest.mark.parametrize("name", ["hierarchical", "strongly_adaptive"])
def test_sights_that_make_no_sense_name_the_arm(name, cost):
    with pytest.raises(InvalidInput, match=r"cost: .* for arm 3 "):
        of_name(name).observe(3, cost)


@pytest.mark.parametrize("cost", [-1.0, float("nan"), float("inf"), "much", None])
def test_progress_that_makes_no_sense_names_the_arm(cost):
    with pytest.raises(InvalidInput, match=r"cost: .* for arm 3 "):
        of_name("delayed").progress(Choice(3, 0.5), cost, 0.5)
