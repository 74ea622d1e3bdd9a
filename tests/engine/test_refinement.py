import copy
import math

import numpy as np
import pytest

from reiterate.configuration import Configuration, Parameter, ParameterSpace
from reiterate.contracts import Forecast
from reiterate.engine import Engine
from reiterate.report.explanation import explain
from tests.engine.priced import Hard, Priced


class Relaxed(Priced):
    """Iterations depend on one or two parameters; the forecast does not know how."""

    def __init__(self, name, best, bend, parameters, *, shift=0.0, setup=5.0):
        super().__init__(name, setup, 1.0, 1.0)
        self.best, self.bend, self.shift = best, bend, shift
        self.parameters = ParameterSpace(parameters)
        self.state_name = name
        self.tried = {}

    def prepare(self, instance, values, previous=None):
        prepared = super().prepare(instance, values, previous)
        prepared.state = values
        return prepared

    def strength(self, values):
        away = 0.0
        for parameter in self.parameters:
            value, best = values[parameter.name], self.best[parameter.name]
            away += (math.log(value / best) if parameter.scale == "log" else value - best) ** 2
        return 1.0 + self.bend * away

    def iterate(self, prepared, instance, values, x, stop):
        self.true = Forecast(self.true.setup, 0.0, 1.0, self.strength(values), 1.0)
        return super().iterate(prepared, instance, values, x, stop)

    def forecast(self, instance, values):
        return Forecast(self.true.setup, 0.0, 1.0, 1.2, 1.0)


OMEGA = Parameter("omega", 0.0, 2.0, 1.0, (0.5, 1.5), 3)
RESTART = Parameter("restart", 0.5, 1000, 30, (10, 90), 3, scale="log", integer=True)


def built(method, *, refines=True, recall=None, arms=None):
    if arms is None:
        arms = [Configuration(method.name, tuple(values.items())) for values in method.parameters.grid()]
    return Engine(
        {method.name: method}, arms, [], None, np.random.default_rng(0), cost="work", patience=8.0,
        refines=[method.name] if refines else [], recall=recall,
    )  # fmt: skip


def play(engine, solves, actual=100.0):
    for _ in range(solves):
        engine.solve(Hard(version=object(), actual=actual), 1.0)
    return sum([record.cost for record in engine.history])


def policy_of(engine):
    (policy,) = engine.policies()
    return policy


def added(engine):
    return policy_of(engine).refinement.added


def off_the_grid(bend=2.0):
    return Relaxed("relaxed", {"omega": 1.22}, bend, (OMEGA,))


def test_an_optimum_between_the_points_is_found_and_pays():
    without, refined = (built(off_the_grid(), refines=refines) for refines in (False, True))
    before, after = play(without, 100), play(refined, 100)
    assert after < 0.95 * before
    played = [record.configuration.values["omega"] for record in list(refined.history)[-20:]]
    assert abs(np.median(played) - 1.22) < 0.08
    assert not added(without)


def test_a_flat_line_gets_no_points():
    flat = built(off_the_grid(bend=0.0))
    play(flat, 100)
    assert not added(flat)


def test_rounding_to_whole_iterations_is_not_taken_for_a_bend():
    flat = built(off_the_grid(bend=0.02))
    play(flat, 100, actual=7.0)
    assert not added(flat)


def test_an_optimum_at_a_point_gets_few_and_costs_nothing():
    costs = [
        play(built(Relaxed("relaxed", {"omega": 1.0}, 2.0, (OMEGA,)), refines=refines), 100)
        for refines in (False, True)
    ]
    assert costs[1] <= 1.005 * costs[0]


def test_whole_numbers_on_a_logarithmic_line_stay_whole():
    method = Relaxed("restarted", {"restart": 44}, 1.0, (RESTART,))
    engine = built(method)
    play(engine, 100)
    assert added(engine)
    assert all(isinstance(arm.values["restart"], int) for arm in added(engine))
    played = [record.configuration.values["restart"] for record in list(engine.history)[-20:]]
    assert 35 <= np.median(played) <= 55


def test_with_two_parameters_one_is_refined_at_a_time():
    method = Relaxed("both", {"omega": 1.22, "restart": 30}, 2.0, (OMEGA, RESTART))
    engine = built(method)
    play(engine, 200)
    assert added(engine)
    for arm in added(engine):
        assert arm.values["restart"] in (10, 30, 90) or arm.values["omega"] in (0.5, 1.0, 1.5)


def test_points_are_few_however_long_a_stream_is():
    method = off_the_grid(bend=20.0)
    engine = built(method)
    for solve in range(300):
        method.best = {"omega": 0.7 + 0.6 * (solve // 60 % 2) + 0.001 * solve}
        engine.solve(Hard(version=object()), 1.0)
    assert len(added(engine)) <= 4
    assert len(policy_of(engine).arms) == 3 + len(added(engine))


def test_decisions_are_the_same_twice():
    chosen = []
    for _ in range(2):
        engine = built(off_the_grid())
        play(engine, 60)
        chosen.append([str(record.configuration) for record in engine.history])
    assert chosen[0] == chosen[1]


def test_what_was_added_is_explained_and_seen_in_snapshots():
    engine = built(off_the_grid())
    play(engine, 60)
    (first, *_) = added(engine)
    text = "\n".join(explain(engine.policies(), "work", ()))
    assert f"Added between the points of a line: {first}" in text
    sizes = {outlook.costs.size for outlook in engine.outlooks.of(0, 59)}
    assert sizes == {3 + len(added(engine))}


def test_what_was_added_is_remembered():
    engine = built(off_the_grid())
    play(engine, 60)
    state = policy_of(engine).state_dict()
    again = built(off_the_grid(), recall=lambda policy, _: policy.recall(state, same_stream=True, same_machine=True))
    play(again, 5)
    assert added(again) == added(engine)
    assert again.history.last.configuration in added(engine)
    assert len(policy_of(again).state_dict()["arms"]) == len(state["arms"])


@pytest.mark.parametrize(
    "name", ["relaxed(omega=9.0)", "relaxed(omega=", "other(omega=1.1)", "relaxed", "relaxed(x=1)"]
)
def test_a_remembered_point_that_cannot_be_is_carried_on_and_nothing_else(name):
    engine = built(off_the_grid())
    play(engine, 20)
    state = copy.deepcopy(policy_of(engine).state_dict())
    state["arms"][name] = {"added": 1, "strength": 0.1, "variance": 0.1, "plays": 3, "seen": 1}
    again = built(off_the_grid(), recall=lambda policy, _: policy.recall(state, same_stream=True, same_machine=True))
    play(again, 3)
    assert name in policy_of(again).state_dict()["arms"]
    assert name not in map(str, policy_of(again).arms)


def test_what_takes_long_to_prepare_is_not_added_for_little():
    engines = [built(Relaxed(str(setup), {"omega": 1.22}, 2.0, (OMEGA,), setup=setup)) for setup in (5.0, 5000.0)]
    for engine in engines:
        engine._methods[next(iter(engine._methods))].state_parameters = ("omega",)
        play(engine, 40)
    assert [bool(added(engine)) for engine in engines] == [True, False]


def test_where_a_list_was_given_it_is_not_left():
    engine = built(off_the_grid(), refines=False)
    play(engine, 60)
    state = policy_of(engine).state_dict()
    state["arms"]["relaxed(omega=1.22)"] = {"added": 1, "strength": -0.5, "variance": 0.01, "plays": 3, "seen": 1}
    again = built(
        off_the_grid(),
        refines=False,
        recall=lambda policy, _: policy.recall(state, same_stream=True, same_machine=True),
    )
    play(again, 20)
    assert len(policy_of(again).arms) == 3


def test_an_arm_that_shares_a_state_that_is_there_need_not_prepare_it():
    method = off_the_grid()
    engine = built(method)
    play(engine, 60)
    policy = policy_of(engine)
    assert policy.beliefs.ready[3:].all()
