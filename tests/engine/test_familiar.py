"""The short way in which beliefs take in what is usual, next to the long one."""

import numpy as np
import pytest

from reiterate.contracts import Forecast
from reiterate.engine.beliefs import Beliefs
from reiterate.engine.familiar import FamiliarBeliefs

FORECASTS = [Forecast(5.0, 1.0, 2.0, 3.0, 0.5), Forecast(8.0, 0.5, 1.0, 9.0, 0.4), Forecast(1.0, 1.0, 4.0, 1.0, 0.0)]
LINES = [(0, 0), (0, 1), (1, 0)]


def believed(beliefs):
    beliefs.settle()
    numbers = [beliefs.running(), beliefs.iterations(), beliefs.variance, beliefs.plays, beliefs.deviations_from(0)]
    return np.concatenate([*numbers, [beliefs.log_difficulty, beliefs.difficulty_variance, beliefs.spread]])


@pytest.mark.parametrize("arm", range(3))
def test_the_short_way_leads_to_what_the_long_one_does(arm):
    rng = np.random.default_rng(arm)
    long, short = Beliefs(FORECASTS, LINES, 100.0), FamiliarBeliefs(FORECASTS, LINES, 100.0)
    usual = 0
    for solve in range(60):
        player = arm if solve % 20 else (arm + 1) % 3
        iterations = int(rng.integers(25, 30) * (3 if solve == 40 else 1))
        iterating, preparing = iterations * float(rng.uniform(1.8, 2.2)), float(rng.uniform(0.9, 1.1))
        digits = float(rng.uniform(15.0, 18.0))
        for beliefs in (long, short):
            beliefs.pass_by(0.0, digits)
        anew = not long.ready[player]
        long.observe_cost(player, iterations, iterating, preparing, anew=anew)
        long.observe_iterations(player, iterations)
        if not anew and short.take_in_usual(player, iterations, iterating, preparing, in_a_row=True):
            usual += 1
        else:
            short.observe_cost(player, iterations, iterating, preparing, anew=anew)
            short.observe_iterations(player, iterations)
        assert short.changed() == long.changed()
        np.testing.assert_allclose(short.outlook_of(arm), (long.iterations_of(arm), long.running_of(arm)), rtol=1e-12)
    assert usual > 40
    np.testing.assert_allclose(believed(short), believed(long), rtol=1e-10)


def test_a_stranger_is_not_taken_in_the_short_way():
    beliefs = FamiliarBeliefs(FORECASTS, LINES, 100.0)
    beliefs.pass_by()
    assert not beliefs.take_in_usual(0, 20, 40.0, 1.0, in_a_row=True)
    assert beliefs.plays[0] == 0


def test_who_is_to_be_prepared_anew_is_no_longer_familiar():
    beliefs = FamiliarBeliefs(FORECASTS, LINES, 100.0)
    for solve in range(8):
        beliefs.pass_by()
        beliefs.observe_cost(0, 20, 40.0, 1.0, anew=solve == 0)
        beliefs.observe_iterations(0, 20)
    beliefs.pass_by()
    assert beliefs.take_in_usual(0, 20, 40.0, 1.0, in_a_row=True, count=3)
    assert beliefs.plays_of(0) == 11
    beliefs.forget([0])
    beliefs.pass_by()
    assert not beliefs.take_in_usual(0, 20, 40.0, 1.0, in_a_row=True)
    assert beliefs.plays[0] == 11
