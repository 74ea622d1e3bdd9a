import numpy as np

from reiterate.configuration import Configuration
from reiterate.engine.outlook import Outlooks
from reiterate.engine.policy import Policy


class Counting(Policy):
    def __init__(self):
        super().__init__([Configuration("a"), Configuration("b")])
        self.asked = 0

    def turns(self, pursuit, held):
        return iter(())

    def report(self, pursuit, cost):
        return

    def costs(self):
        self.asked += 1
        return np.array([self.asked, np.nan])


def test_snapshots_are_bounded_and_evenly_spread():
    outlooks, policy = Outlooks(), Counting()
    kind = outlooks.number_of(policy)
    for index in range(5000):
        outlooks.look(kind, index, seconds=1e6)
    taken = outlooks.of(kind, 4999)
    index = np.array([outlook.index for outlook in taken])
    assert index[0] == 0
    assert index[-1] == 4999
    assert 200 <= index.size <= 402
    assert np.diff(index).max() <= 4 * np.median(np.diff(index))
    assert np.isnan(taken[0].costs[1])


def test_where_solves_are_quick_only_the_first_have_one():
    outlooks, policy = Outlooks(), Counting()
    kind = outlooks.number_of(policy)
    for index in range(1000):
        outlooks.look(kind, index, seconds=0.0)
    assert policy.asked == 16


def test_every_policy_has_its_own_kind():
    outlooks, one, other = Outlooks(), Counting(), Counting()
    assert [outlooks.number_of(policy) for policy in (one, other, one)] == [0, 1, 0]
    outlooks.look(1, 0, 1.0)
    assert (one.asked, other.asked) == (0, 1)
    assert len(outlooks.of(0, 0)) == 1  # what is believed now, though nobody looked before
