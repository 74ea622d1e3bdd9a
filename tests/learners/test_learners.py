"""What holds for every learner."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reiterate.contracts import Choice
from reiterate.errors import InvalidInput
from reiterate.learners import DEFAULT, LEARNERS, make_learner

ARMS = 7
BIT_GENERATORS = [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64]

every_learner = pytest.mark.parametrize("name", LEARNERS)


def some_rounds(learner, rounds, seed):
    """Arms and probabilities of some rounds with mixed contexts, late feedback and a censored cost."""
    rng = np.random.default_rng(seed)
    trace, pending = [], []
    for t in range(rounds):
        context = None if t % 11 == 5 else {"dt": float(rng.gamma(1.0)), "load": 2.0}
        choice = learner.choose(context)
        trace.append((choice.arm, choice.probability))
        pending.append((choice, float((3 + choice.arm) * rng.uniform(0.5, 1.5))))
        if t % 3 == 2:
            while pending:
                late, cost = pending.pop(int(rng.integers(len(pending))))
                learner.learn(late, cost, censored=t % 12 == 2)
    return trace


def as_lists(value):
    if isinstance(value, dict):
        return {key: as_lists(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_lists(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    assert value is None or type(value) in (bool, int, float, str), type(value)
    return value


@pytest.mark.parametrize("rounds", [0, 1, 2, 4, 100])
@pytest.mark.parametrize("through_json", [False, True])
@every_learner
def test_a_restored_learner_goes_on_bit_for_bit(name, through_json, rounds):
    learner = make_learner(name, ARMS, np.random.default_rng(3))
    some_rounds(learner, rounds, seed=1)
    state = learner.state_dict()
    if through_json:
        state = json.loads(json.dumps(as_lists(state)))
    restored = LEARNERS[name].from_state_dict(state)
    assert some_rounds(restored, 80, seed=2) == some_rounds(learner, 80, seed=2)
    assert as_lists(restored.state_dict()) == as_lists(learner.state_dict())


@every_learner
def test_a_state_is_a_snapshot(name):
    learner = make_learner(name, ARMS, np.random.default_rng(3))
    some_rounds(learner, 20, seed=1)
    state = learner.state_dict()
    before = json.dumps(as_lists(state))
    some_rounds(learner, 20, seed=2)
    restored = LEARNERS[name].from_state_dict(state)
    some_rounds(restored, 20, seed=2)
    assert json.dumps(as_lists(state)) == before


@pytest.mark.parametrize("bits", BIT_GENERATORS)
def test_every_bit_generator_survives(bits):
    learner = make_learner("uniform", ARMS, np.random.Generator(bits(5)))
    some_rounds(learner, 7, seed=1)
    state = json.loads(json.dumps(as_lists(learner.state_dict())))
    assert some_rounds(LEARNERS["uniform"].from_state_dict(state), 40, 2) == some_rounds(learner, 40, 2)


@every_learner
def test_the_same_seed_gives_the_same_run(name):
    runs = [some_rounds(make_learner(name, ARMS, np.random.default_rng(4)), 60, seed=1) for _ in range(2)]
    assert runs[0] == runs[1]


@every_learner
def test_one_arm_is_always_chosen(name):
    learner = make_learner(name, 1, np.random.default_rng(0))
    for t in range(40):
        choice = learner.choose({"c": float(t)})
        assert choice.arm == 0
        assert choice.probability == pytest.approx(1)
        learner.learn(choice, float(t))


@every_learner
def test_a_choice_keeps_its_context(name):
    context = {"c": 1.0}
    choice = make_learner(name, ARMS, np.random.default_rng(0)).choose(context)
    context["c"] = 2.0
    assert choice.context == {"c": 1.0}


@pytest.mark.parametrize("cost", [0.0, 1e-300, 1e300, np.float32(2), np.int64(3), 4])
@every_learner
def test_extreme_costs_are_learnt(name, cost):
    learner = make_learner(name, ARMS, np.random.default_rng(0))
    for t in range(30):
        choice = learner.choose({"c": t % 4})
        assert 0 < choice.probability <= 1
        learner.learn(choice, cost if t % 2 else 1.0)
    assert 0 <= learner.choose({"c": 0.0}).arm < learner.arms == ARMS


@pytest.mark.parametrize("cost", [-1.0, float("nan"), float("inf"), "much", None])
@every_learner
def test_costs_that_make_no_sense_name_the_arm(name, cost):
    learner = make_learner(name, ARMS, np.random.default_rng(0))
    with pytest.raises(InvalidInput, match=r"cost: .* for arm 3 ") as caught:
        learner.learn(Choice(3, 0.5, {"c": 1.0}), cost)
    assert caught.value.argument == "cost"


@every_learner
def test_choices_and_constructions_that_make_no_sense(name):
    rng = np.random.default_rng(0)
    for arm in (-1, ARMS):
        with pytest.raises(InvalidInput, match="choice"):
            make_learner(name, ARMS, rng).learn(Choice(arm, 0.5), 1.0)
    for arms in (0, -1, 2.0, True):
        with pytest.raises(InvalidInput, match="arms"):
            make_learner(name, arms, rng)
    with pytest.raises(InvalidInput, match="rng"):
        make_learner(name, ARMS, 0)  # type: ignore[arg-type]


def test_the_registry():
    assert type(make_learner("auto", 2, np.random.default_rng(0))) is LEARNERS[DEFAULT]
    with pytest.raises(
        InvalidInput, match=r"no learner 'tsalis_inf'; did you mean 'tsallis_inf'\? .*cheb_cb"
    ) as caught:
        make_learner("tsalis_inf", 2, np.random.default_rng(0))
    assert caught.value.argument == "learner"
    with pytest.raises(InvalidInput, match=r"no option 'degre'.*degree"):
        make_learner("cheb_cb", 2, np.random.default_rng(0), degre=3)
    assert make_learner("fixed", 3, np.random.default_rng(0), arm=1).choose().arm == 1


def test_states_that_make_no_sense():
    state = make_learner("tsallis_inf", 3, np.random.default_rng(0)).state_dict()
    with pytest.raises(InvalidInput, match=r"state: .*'tsallis_inf'"):
        LEARNERS["uniform"].from_state_dict(state)
    state["arms"] = 4
    with pytest.raises(InvalidInput, match="shape"):
        LEARNERS["tsallis_inf"].from_state_dict(state)
    state["generator"] = {"bit_generator": "os.system"}
    with pytest.raises(InvalidInput, match="bit generator"):
        LEARNERS["tsallis_inf"].from_state_dict(state)
