from __future__ import annotations

import numpy as np
import pytest

from reiterate.errors import InvalidInput
from reiterate.learners.oracles import BestFixed, InstanceOptimal

COSTS = np.array([[1.0, 2.0, 9.0], [9.0, 2.0, 1.0], [9.0, 3.0, 4.0]])


def test_best_fixed_plays_the_best_column(play):
    assert play(BestFixed(3, np.random.default_rng(0), costs=COSTS), COSTS).sum() == 7


def test_instance_optimal_plays_the_best_of_each_row(play):
    oracle = InstanceOptimal(3, np.random.default_rng(0), costs=COSTS)
    assert play(oracle, COSTS).sum() == 5
    with pytest.raises(InvalidInput, match="3 rounds"):
        oracle.choose()


def test_state_goes_on(play):
    oracle = InstanceOptimal(3, np.random.default_rng(0), costs=COSTS)
    oracle.choose()
    assert InstanceOptimal.from_state_dict(oracle.state_dict()).choose().arm == 2
    best = BestFixed(3, np.random.default_rng(0), costs=COSTS)
    assert BestFixed.from_state_dict(best.state_dict()).choose() == best.choose()


@pytest.mark.parametrize("oracle", [BestFixed, InstanceOptimal])
@pytest.mark.parametrize("costs", [COSTS[:, :2], COSTS[0], -COSTS, COSTS * np.nan, COSTS[:0]])
def test_costs_that_make_no_sense(oracle, costs):
    with pytest.raises(InvalidInput, match="costs"):
        oracle(3, np.random.default_rng(0), costs=costs)
