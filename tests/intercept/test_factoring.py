"""When factors of our own are to answer."""

import pytest
import scipy.sparse as sp

from reiterate.intercept.factoring import Factoring
from reiterate.intercept.ledger import Budget, Ledger
from reiterate.intercept.mean import Mean
from tests.matrices import laplacian

LARGE, SMALL, ENTRIES = 20_000, 1000, 100_000
A = sp.csc_array(laplacian(40))
WIDE = sp.csc_array(laplacian(200))


def taken(*seconds: float) -> Mean:
    found = Mean()
    for each in seconds:
        found.add(each)
    return found


def test_they_come_before_scipy_where_it_may_take_long():
    assert Factoring().wanted(LARGE, ENTRIES, Mean(), None)
    assert not Factoring().wanted(SMALL, ENTRIES, Mean(), None)
    assert Factoring().wanted(SMALL, ENTRIES, taken(0.01), None)
    assert not Factoring().wanted(SMALL, ENTRIES, taken(1e-4), None)


def test_scipy_is_first_where_factors_are_for_nothing():
    assert not Factoring().wanted(LARGE, ENTRIES, Mean(), guess=0.01)
    assert not Factoring().wanted(LARGE, ENTRIES, Mean(), guess=100.0)
    assert not Factoring().wanted(LARGE, LARGE, Mean(), None)


def test_scipy_is_measured_where_it_may_be_faster_and_that_may_pay():
    tried = Factoring()
    tried.answered(0.1, 0.0, 1e7)
    assert tried.wanted(LARGE, ENTRIES, Mean(), None)
    tried.answered(0.1, 0.0, 1e7)
    assert not tried.wanted(LARGE, ENTRIES, Mean(), None)
    assert tried.wanted(LARGE, ENTRIES, Mean(), guess=1.0)  # within a factor of 6
    tried.answered(0.1, 0.0, 1e9)
    assert tried.wanted(LARGE, ENTRIES, Mean(), None)


def test_scipy_is_not_measured_for_one_call_of_every_run():
    tried = Factoring()
    for _ in range(5):
        tried.answered(0.4, 0.0, 1e7)
        again = Factoring()
        again.resume(*tried.state())
        tried = again
        assert tried.wanted(LARGE, ENTRIES, Mean(), 0.5)


def test_the_faster_answers():
    faster, slower = Factoring(), Factoring()
    for _ in range(3):
        faster.answered(0.1, 0.0, 1e7)
        slower.answered(0.3, 0.0, 1e7)
    assert faster.wanted(LARGE, ENTRIES, taken(0.2), None)
    assert not slower.wanted(LARGE, ENTRIES, taken(0.2), None)


def test_slower_answers_go_on_until_as_much_as_a_call_is_lost():
    tried, theirs, lost = Factoring(), taken(0.1), 0.0
    while tried.wanted(LARGE, ENTRIES, theirs, None):
        tried.answered(0.13, 0.0, 1e7)
        lost += 0.03
    assert 0.1 < lost < 0.15
    for _ in range(60):
        theirs.add(0.1)
    assert tried.wanted(LARGE, ENTRIES, theirs, None)


def test_patterns_are_expected_to_last_at_first():
    tried, theirs = Factoring(), taken(0.1)
    for _ in range(2):
        tried.answered(0.45, 0.4, 1e7)
        assert tried.wanted(LARGE, ENTRIES, theirs, None)
    tried.answered(0.45, 0.4, 1e7)  # they did not
    assert not tried.wanted(LARGE, ENTRIES, theirs, None)


def test_they_are_given_up_when_they_fail_twice():
    tried = Factoring()
    for _ in range(2):
        assert tried.wanted(LARGE, ENTRIES, Mean(), None)
        tried.failed()
    assert not tried.wanted(LARGE, ENTRIES, Mean(), None)


def test_they_are_not_computed_where_that_would_take_longer_than_scipy():
    assert Factoring().most_operations(taken(0.1)) < Factoring().most_operations(Mean())


def test_what_is_resumed_is_what_was_known():
    tried, again = Factoring(), Factoring()
    tried.answered(0.1, 0.0, 6e9)
    again.resume(*tried.state())
    assert again.state() == tried.state()
    assert again.seconds.earlier == 1
    assert again.wanted(LARGE, ENTRIES, Mean(), None)
    for wrong in (float("nan"), -1.0, float("inf")):
        with pytest.raises(ValueError, match="believed"):
            Factoring().resume(1, wrong, 0, 0.0)


def ledger() -> Ledger:
    return Ledger(Budget(100.0, begun=True), factoring=Factoring())


def test_factors_then_scipy_then_the_faster():
    found = ledger()
    assert found.next(WIDE) == "factors"
    for _ in range(2):
        found.by_factors(0.05, 0.0, WIDE, 1e6)
    assert found.next(WIDE) == "SciPy"
    found.by_scipy(0.1, WIDE)
    assert found.next(WIDE) == "factors"


def test_the_solver_comes_after_a_few_of_them():
    found = ledger()
    for _ in range(14):
        assert found.next(WIDE) == "factors"
        found.by_factors(0.4, 0.0, WIDE, 1e10)
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
    assert found.instead() == 0.0
    found.by_factors(0.05, 0.0, WIDE, 6e9)
    assert found.guessed
    assert found.instead() == pytest.approx(1.0)
    found.by_scipy(0.1, WIDE)
    assert not found.guessed
    found.by_factors(0.05, 0.0, WIDE, 1e6)
    assert found.instead() == pytest.approx(0.2)
    assert found.before() == pytest.approx(0.3)
