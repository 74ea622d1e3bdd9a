from __future__ import annotations

from reiterate.learners._counted_costs import Counted, CountedCosts


def test_the_first_three_costs_wait_for_each_other():
    costs = CountedCosts()
    assert costs.take(0, 1000.0, False) == []
    assert costs.take(1, 2.0, True) == []
    # The level is the mean of the smaller two, and an outlier what exceeds it by ten times its mean.
    assert costs.take(2, 4.0, False) == [Counted(0, 33.0, False), Counted(1, 2.0, True), Counted(2, 4.0, False)]
    assert costs.take(0, 5.0, False) == [Counted(0, 5.0, False)]


def test_a_given_scale_cuts_costs_off_from_the_first():
    costs = CountedCosts(scale=2.0)
    assert costs.take(0, 1.0, False) == [Counted(0, 1.0, False)]
    assert costs.take(1, 5.0, True) == [Counted(1, 2.0, True)]
