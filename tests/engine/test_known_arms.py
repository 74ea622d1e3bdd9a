import math

import numpy as np
import pytest

from reiterate.configuration import Configuration, Parameter, ParameterSpace
from reiterate.contracts import Arms
from reiterate.engine import Engine
from reiterate.engine.known_arms import known_arms
from tests.engine.priced import Hard, Priced
from tests.engine.toys import Decay, Liar, Scripted, Shrink, shrink


class Tuned(Priced):
    parameters = ParameterSpace(
        (
            Parameter("drop", 0.0, 1.0, 0.1, (1e-4, 0.1), 4, "log"),
            Parameter("fill", 0, 50, 10, (2, 20), 3, integer=True),
        )
    )


def tuned(drop, fill):
    return Configuration("tuned", (("drop", drop), ("fill", fill)))


def test_configurations_become_lines_and_points_on_the_scales_of_their_parameters():
    methods = {"tuned": Tuned("tuned", 1.0, 1.0, 1.0), "shrink": Shrink(), "liar": Liar()}
    arms = [tuned(0.1, 20), shrink(0.9), tuned(1e-3, 5), Configuration("liar"), shrink(0.1)]
    known = known_arms(arms, methods)
    assert known.lines == (0, 1, 0, 2, 1)
    assert known.points == ((math.log(0.1), 20), (0.9,), (math.log(1e-3), 5), (), (0.1,))
    assert known.costs == ()
    assert len(known) == 5
    # Places follow the points, in whatever order the arms were listed.
    assert known.places() == [(0, 1), (1, 1), (0, 0), (2, 0), (1, 0)]


@pytest.mark.parametrize(("unit", "costs"), [("iterations", (200.0, 10.0)), ("work", (600.0, 27.0))])
def test_costs_are_those_of_forecasts_at_the_difficulty_guessed(unit, costs):
    methods = {
        "cheap": Priced("cheap", 5.0, 3.0, 2.0),
        "dear": Priced("dear", 500.0, 2.0, 1.0, 0.5, upkeep=7.0),
        "shrink": Shrink(),
    }
    arms = [Configuration("cheap"), Configuration("dear"), shrink(0.5)]
    assert known_arms(arms, methods, Hard(guess=100.0), unit).costs == (*costs, None)


def test_a_forecast_that_is_no_number_is_none():
    methods = {"odd": Priced("odd", 1.0, math.inf, 1.0), "free": Priced("free", 0.0, 0.0, 1.0)}
    assert known_arms([Configuration("odd"), Configuration("free")], methods, Hard()).costs == (None, None)


def test_arms_form_a_line_where_they_are_of_one_method_with_a_parameter():
    assert Arms((0, 0), ((1.0,), (2.0,))).on_one_line(most=1)
    assert not Arms((0, 1), ((1.0,), (2.0,))).on_one_line(most=1)
    assert not Arms((0, 0), ((1.0, 2.0), (2.0, 3.0))).on_one_line(most=1)
    assert Arms((0, 0), ((1.0, 2.0), (2.0, 3.0))).on_one_line(most=2)
    assert not Arms((0,), ((),)).on_one_line(most=2)


def test_the_engine_tells_who_builds_a_learner_about_the_arms_that_apply():
    told = []

    def learner(known, rng):
        told.append(known)
        return Scripted(len(known), rng)

    methods = {"shrink": Shrink(), "liar": Liar()}
    arms = [shrink(0.9), Configuration("liar"), shrink(0.1)]
    built = Engine(methods, arms, [shrink(0.5)], learner, np.random.default_rng(0))
    built.solve(Decay(), 1.0)
    assert told == [Arms((0, 1, 0), ((0.9,), (), (0.1,)))]
