"""When factors of our own are to answer."""

import pytest
import scipy.sparse as sp

from reiterate.intercept.factoring import Factoring
from reiterate.intercept.ledger import Budget, Ledger
from reiterate.intercept.mean import Mean
from tests.matrices import laplacian

LARGE, SMALL = 20_000, 1000
A = sp.csc_array(laplacian(40))
WIDE = sp.csc_array((20_000, 20_000))  # for its shape


def taken(*seconds: float) -> Mean:
    found = Mean()
    for each in seconds:
        found.add(each)
    return found


def test_they_come_before_scipy_where_it_may_take_long():
    assert Factoring().wanted(LARGE, Mean(), None)
    assert not Factoring().wanted(SMALL, Mean(), None)
    assert Factoring().wanted(SMALL, taken(0.01), None)
    assert not Factoring().wanted(SMALL, taken(1e-4), None)


def test_scipy_is_measured_where_it_may_be_faster():
    tried = Factoring()
    tried.answered(0.1, operations=1e7, theirs=Mean())
    assert not tried.wanted(LARGE, Mean(), None)
    assert tried.wanted(LARGE, Mean(), guess=1.0)  # within a factor of 6
    tried.answered(0.1, operations=1e9, theirs=Mean())
    assert tried.wanted(LARGE, Mean(), None)


def test_the_faster_answers():
    faster, slower = Factoring(), Factoring()
    for _ in range(3):
        faster.answered(0.1, 1e7, taken(0.2))
        slower.answered(0.3, 1e7, taken(0.2))
    assert faster.wanted(LARGE, taken(0.2), None)
    assert not slower.wanted(LARGE, taken(0.2), None)


def test_finding_out_costs_two_calls():
    tried, theirs, lost = Factoring(), taken(0.1), 0.0
    while tried.wanted(LARGE, theirs, None):
        tried.answered(0.35, 1e7, theirs)
        lost += 0.25
    assert lost <= 3 * 0.25


def test_they_are_given_up_when_they_fail_twice():
    tried = Factoring()
    for _ in range(2):
        assert tried.wanted(LARGE, Mean(), None)
        tried.failed(0.1)
    assert not tried.wanted(LARGE, Mean(), None)


def test_they_are_not_computed_where_that_would_take_longer_than_scipy():
    assert Factoring().most_operations(taken(0.1)) < Factoring().most_operations(Mean())


def test_what_is_resumed_is_what_was_known():
    tried, again = Factoring(), Factoring()
    tried.answered(0.1, 6e9, Mean())
    again.resume(*tried.state())
    assert again.state() == tried.state()
    assert again.seconds.earlier == 1
    assert again.wanted(LARGE, Mean(), None)
    for wrong in (float("nan"), -1.0, float("inf")):
        with pytest.raises(ValueError, match="believed"):
            Factoring().resume(1, wrong, 0, 0.0)


def ledger() -> Ledger:
    return Ledger(Budget(100.0, begun=True), factoring=Factoring())


def test_factors_then_scipy_then_the_faster():
    found = ledger()
    assert found.next(WIDE) == "factors"
    found.by_factors(0.05, WIDE, 1e6)
    assert found.next(WIDE) == "SciPy"
    found.by_scipy(0.1, WIDE)
    assert found.next(WIDE) == "factors"


def test_the_solver_comes_after_a_few_of_them():
    found = ledger()
    for _ in range(4):
        assert found.next(WIDE) == "factors"
        found.by_factors(0.3, WIDE, 1e10)
    assert found.next(WIDE) == "solver"
    for _ in range(20):
        found.by_us(1.0, found.rival)  # slower
    assert found.next(WIDE) == "factors"


def test_without_them_nothing_is_answered_directly():
    assert Ledger(Budget(100.0)).next(A) == "SciPy"
    barred = ledger()
    barred.barred = True
    assert barred.next(WIDE) == "SciPy"


def test_what_scipy_would_have_taken_is_told_once_it_is_known():
    found = ledger()
    found.by_factors(0.05, WIDE, 1e6)
    assert found.instead() is None
    found.by_scipy(0.1, WIDE)
    found.by_factors(0.05, WIDE, 1e6)
    assert found.instead() == pytest.approx(0.2)
    assert found.before() == pytest.approx(0.3)
