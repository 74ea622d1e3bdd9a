"""How often states have to be brought up to date, and what that makes arms cost that keep theirs."""

import numpy as np
import pytest

from reiterate.contracts import Forecast
from reiterate.engine.beliefs import Beliefs

KEEPS = Forecast(5.0, 1.0, 2.0, 3.0, 0.5)


def upkeep_after(novel: list[bool]) -> float:
    beliefs = Beliefs([KEEPS], [(0, 0)], 100.0)
    for each in novel:
        beliefs.pass_by(novel=each)
    beliefs.settle()
    return float(beliefs.upkeep[0])


def test_upkeep_falls_with_the_share_of_novel_instances():
    for unchanged in range(9):
        assert upkeep_after([True] + [False] * unchanged) == pytest.approx(2.0 / (unchanged + 2))


def test_every_other_instance_that_is_novel_halves_upkeep():
    assert upkeep_after([True, False] * 40) == pytest.approx(0.5, abs=0.06)


def test_what_was_long_ago_is_forgotten():
    assert upkeep_after([False] * 100 + [True] * 40) == pytest.approx(1.0, abs=0.02)


def test_many_at_once_are_as_one_by_one():
    beliefs = Beliefs([KEEPS], [(0, 0)], 100.0)
    beliefs.pass_by(novel=True)
    beliefs.pass_by(count=7, novel=False)
    beliefs.settle()
    assert np.isclose(beliefs.upkeep[0], upkeep_after([True] + [False] * 7))
