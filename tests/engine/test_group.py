"""What a learner is told besides the cost of its choice."""

import math

import numpy as np
import pytest

from reiterate import NotConverged
from reiterate.configuration import Configuration
from reiterate.engine import Engine
from reiterate.errors import InvalidInput
from tests.engine.priced import Hard
from tests.engine.toys import Broken, Decay, Liar, Scripted, Shrink, shrink

TARGET = Decay.target


class Witness(Scripted):
    """Keeps everything that it is told, in order."""

    def observe(self, arm, cost, *, context=None, censored=False):
        self.heard.append(("seen", arm, cost, censored, context))

    def progress(self, choice, cost, share):
        self.heard.append(("came", choice.arm, cost, share))


def engine(arms, rescuers=(), script=(), **options):
    methods = {method.name: method for method in (Shrink(), Liar(), Broken())}
    learners = []

    def learner(known, rng):
        learners.append(Witness(len(known), rng, script))
        return learners[-1]

    options.setdefault("cost", "iterations")
    return Engine(methods, arms, rescuers, learner, np.random.default_rng(0), **options), learners


def digits(before, after=TARGET):
    return math.log(before / after) / math.log(1.0 / TARGET)


def test_a_stopped_choice_tells_how_far_it_came_and_the_incumbent_what_it_would_have_cost():
    built, learners = engine([shrink(0.1), shrink(0.9)], script=[0, 1], patience=2.0)
    built.solve(Decay(context={"dt": 0.5}), 1.0)
    built.solve(Decay(context={"dt": 0.5}), 1.0)
    first, came, seen, told = learners[0].heard
    assert first == (0, 6.0, False)
    # 20 iterations by 0.9 are an eighth of the digits, 5 by 0.1 the rest of them.
    share = digits(1.0, 0.9**20)
    assert came == ("came", 1, 20.0, pytest.approx(share))
    assert 20.0 / share == pytest.approx(math.log(TARGET) / math.log(0.9))
    assert seen == ("seen", 0, pytest.approx(5.0 / digits(0.9**20)), False, {"dt": 0.5})
    assert told == (1, 25.0, True)


def test_who_only_finishes_the_last_digits_is_known_by_a_bound():
    built, learners = engine([shrink(0.1), shrink(0.55)], script=[0, 1], patience=2.0)
    built.solve(Decay(), 1.0)
    built.solve(Decay(), 1.0)
    _, came, seen, told = learners[0].heard
    assert came[3] == pytest.approx(digits(1.0, 0.55**20))
    assert seen == ("seen", 0, 1.0, True, {})
    assert told == (1, 21.0, True)


def test_who_begins_anew_is_seen_in_full_and_a_breakdown_is_no_progress():
    built, learners = engine([Configuration("liar"), shrink(0.5)], [shrink(0.5)])
    built.solve(Decay(), 1.0)
    assert learners[0].heard == [("seen", 1, 20.0, False, {}), (0, 22.0, True)]


def test_work_of_preparing_does_not_grow_with_the_digits_left():
    built, learners = engine([shrink(0.1), shrink(0.9)], script=[0, 1], patience=2.0, cost="work")
    built.solve(Decay(version=0), 1.0)
    built.solve(Decay(version=1), 1.0)
    _, came, seen, _ = learners[0].heard
    expected = 1.0 + 20.0 / digits(1.0, 0.9**20)
    assert came == ("came", 1, 21.0, pytest.approx(21.0 / expected))
    assert seen[2] == pytest.approx(1.0 + 5.0 / digits(0.9**20))


def test_rescuers_that_are_no_arms_and_solves_without_iterations_tell_nothing():
    built, learners = engine([Configuration("liar")], [shrink(0.5)])
    built.solve(Decay(), 1.0)
    assert learners[0].heard == [(0, 22.0, True)]
    built, learners = engine([shrink(0.5)])
    built.solve(Decay(), 1e-9)
    assert learners[0].heard == []


def test_who_plays_while_the_choice_sits_out_is_seen():
    built, learners = engine([Configuration("broken"), shrink(0.5)], [shrink(0.1)], script=[1, 0, 0])
    built._arm_methods[0].accepts = lambda traits: True
    built._arm_methods[1].accepts = lambda traits: True
    for _ in range(3):
        built.solve(Decay(), 1.0)
    alone, _, told, seen = learners[0].heard
    assert alone == (1, 20.0, False)
    assert told == (0, 21.0, True)
    # In the third solve the broken method is held: the incumbent is all that there is to learn from.
    assert seen == ("seen", 1, 20.0, False, {})


def test_learners_that_take_nothing_but_costs_are_told_all_the_same():
    methods = {"shrink": Shrink()}
    arms = [shrink(0.1), shrink(0.9)]
    scripted = []

    def learner(known, rng):
        scripted.append(Scripted(len(known), rng, [0, 1]))
        return scripted[0]

    built = Engine(methods, arms, [], learner, np.random.default_rng(0), cost="iterations", patience=2.0)
    for _ in range(2):
        built.solve(Decay(), 1.0)
    assert scripted[0].heard == [(0, 6.0, False), (1, 25.0, True)]


class Miscounting(Shrink):
    def __init__(self, work):
        super().__init__()
        self.work = work

    def iterate(self, prepared, instance, values, x, stop):
        progress = super().iterate(prepared, instance, values, x, stop)
        progress.work = self.work
        return progress


@pytest.mark.parametrize("work", [math.nan, math.inf, -3.0])
@pytest.mark.parametrize("policy", ["learner", "explorer"])
def test_work_that_makes_no_sense_names_the_configuration(work, policy):
    learner = (lambda known, rng: Scripted(len(known), rng)) if policy == "learner" else None
    built = Engine({"shrink": Miscounting(work)}, [shrink(0.5)], [], learner, np.random.default_rng(0), cost="work")
    with pytest.raises(InvalidInput, match=r"cost: .* work units of shrink\(rate=0\.5\) is not a finite") as caught:
        built.solve(Decay(), 1.0) if policy == "learner" else built.solve(Hard(), 1.0)
    assert caught.value.argument == "cost"


def test_no_arms_at_all_are_nobody_s_choice():
    built, learners = engine([], [shrink(0.5)])
    assert abs(built.solve(Decay(), 1.0)) <= TARGET
    assert learners == []
    assert built.policies()[0].opinions() == []
    assert built.policies()[0].remarks().learner is None
    with pytest.raises(NotConverged, match="shrink needs nothing"):
        built.solve(Decay(traits={"hostile": True}), 1.0)
    assert built.history.last.attempts == ()
    assert built.history.last.configuration == shrink(0.5)
    with pytest.raises(InvalidInput, match="configurations"):
        engine([])
