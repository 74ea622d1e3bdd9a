"""Learners that are told where arms lie, or what they may cost."""

from __future__ import annotations

import numpy as np
import pytest

import reiterate as rt
from reiterate.contracts import Arms, Learner
from reiterate.errors import InvalidInput
from reiterate.learners import LEARNERS, Fixed, make_learner
from reiterate.options import learner_builder
from tests.matrices import laplacian

LINE = Arms((0, 0, 0, 0), ((1.9,), (1.1,), (1.5,), (1.3,)), (4.0, 2.0, None, 8.0))
METHODS = Arms((0, 1, 0), ((2.0,), (), (1.0,)))
PLANE = Arms((0,) * 4, ((1.0, 3.0), (0.0, 3.0), (1.0, 2.0), (0.0, 2.0)))
SPACE = Arms((0,) * 2, ((1.0,) * 4, (2.0,) * 4))


def of_name(name, known, **options):
    return make_learner(name, known, np.random.default_rng(0), **options)


@pytest.mark.parametrize("known", [LINE, METHODS, PLANE, SPACE])
@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_can_be_built_for_known_arms(name, known):
    learner = of_name(name, known)
    assert learner.arms == len(known)
    for _ in range(30):
        choice = learner.choose()
        learner.learn(choice, 1.0 + choice.arm)
    again = type(learner).from_state_dict(learner.state_dict())
    assert [again.choose().arm for _ in range(20)] == [learner.choose().arm for _ in range(20)]


@pytest.mark.parametrize("name", ["gp_ucb", "few_candidates", "surrogate"])
def test_points_are_those_of_one_method_with_a_few_parameters(name):
    assert of_name(name, LINE).points.tolist() == [[1.9], [1.1], [1.5], [1.3]]
    assert of_name(name, PLANE).points.shape == (4, 2)
    for known in (METHODS, SPACE):
        assert (of_name(name, known).points == of_name(name, len(known)).points).all()


def test_bisection_follows_the_order_of_the_parameter():
    learner = of_name("bisection", LINE)
    assert {learner.choose().arm for _ in range(2)} == {3, 2}  # the golden section of 1.1, 1.3, 1.5, 1.9
    assert of_name("bisection", PLANE)._order.tolist() == [0, 1, 2, 3]


def test_methods_are_the_lines_of_the_hierarchy():
    learner = of_name("hierarchical", METHODS)
    assert learner.state_dict()["lines"] == [[0, 1.0], [1, 0.0], [0, 0.0]]
    # One look teaches something about the other arm of the method, and less about another method.
    for _ in range(6):
        learner.observe(0, 5.0)
    learner.observe(0, 50.0)
    first, other, second = np.log(learner.predict())
    assert abs(second - first) < abs(other - first)


def test_forecasts_are_hints_and_what_has_none_is_neither_good_nor_bad():
    learner = of_name("optimistic", LINE)
    assert learner.predictions == pytest.approx([2.0, 1.0, 2.0, 4.0])
    assert learner.probabilities.argmax() == 1
    assert (of_name("optimistic", METHODS).predictions == 1.0).all()


def test_options_override_what_is_known():
    assert of_name("optimistic", LINE, hints=[1.0, 1.0, 1.0, 1.0]).predictions == pytest.approx([1.0] * 4)
    with pytest.raises(InvalidInput, match="points"):
        of_name("gp_ucb", LINE, points=[1.0])


def test_a_callable_gets_the_number_of_arms_and_a_name_what_is_known():
    given = []

    def factory(arms, rng):
        given.append(arms)
        return Fixed(arms, rng)

    rng = np.random.default_rng(0)
    assert isinstance(learner_builder(factory)(LINE, rng), Learner)
    assert given == [4]
    assert type(given[0]) is int
    assert learner_builder(Fixed)(LINE, rng).arms == 4
    assert (learner_builder("gp_ucb")(LINE, rng).points[:, 0] == [1.9, 1.1, 1.5, 1.3]).all()


def test_a_solver_tells_its_learner():
    given = ["ssor_cg(omega=1.8)", "ssor_cg(omega=1.2)", "cg", "ssor_cg(omega=1.5)"]
    lines = rt.Solver(given, "hierarchical", cost="iterations", seed=0)
    line = rt.Solver([given[0], given[1], given[3]], "gp_ucb", cost="iterations", seed=0)
    hints = rt.Solver(given, "optimistic", cost="iterations", seed=0)
    for solver in (lines, line, hints):
        solver.solve(laplacian(8), np.ones(64))
    learner = lines._engine.policies()[0].learner
    assert learner.state_dict()["lines"] == [[0, 2.0], [0, 0.0], [1, 0.0], [0, 1.0]]
    assert line._engine.policies()[0].learner.points[:, 0].tolist() == [1.8, 1.2, 1.5]
    predicted = hints._engine.policies()[0].learner.state_dict()["hints"]
    assert predicted[2] > predicted[3]  # cg takes more iterations than with SSOR
