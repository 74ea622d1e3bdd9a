"""Who answers the next call."""

import numpy as np
import pytest
import scipy.sparse as sp

from reiterate.intercept.ledger import Budget, Ledger, Mean, expected_seconds, nearest
from tests.matrices import laplacian

A = laplacian(3)


def measured(seconds: float, budget: Budget | None = None) -> Ledger:
    ledger = Ledger(budget or Budget(100.0, begun=True))
    for _ in range(5):
        ledger.by_scipy(seconds, A)
    return ledger


def test_scipy_is_measured_first():
    ledger = Ledger(Budget(100.0))
    assert not ledger.ours_next(A)
    ledger.by_scipy(0.02, A)
    assert not ledger.ours_next(A)
    ledger.by_scipy(0.02, A)
    ledger.by_scipy(0.02, A)
    assert ledger.ours_next(A)


def test_long_calls_are_measured_once():
    ledger = Ledger(Budget(100.0))
    ledger.by_scipy(2.0, A)
    assert ledger.ours_next(A)


def test_calls_that_are_expected_to_be_long_are_not_measured_at_all():
    ledger = Ledger(Budget())
    ledger.expected = 9.0
    assert ledger.ours_next(A)
    assert ledger.before() == 0.0
    ledger.by_us(0.1, 4.0)
    ledger.answered += 1
    assert ledger.before() == 9.0
    assert ledger.guessed


def test_short_calls_are_left_for_good():
    ledger = measured(1e-4)
    assert ledger.settled
    assert not any(ledger.ours_next(A) for _ in range(10_000))


def test_a_slow_first_call_is_forgotten():
    ledger = Ledger(Budget(100.0))
    for seconds in (1.0, 1e-4, 1e-4):
        ledger.by_scipy(seconds, A)
    assert ledger.usual == pytest.approx(1e-4)


def test_nothing_begins_before_it_could_have_paid(monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, "reiterate.solver", raising=False)
    budget = Budget()
    ledger = measured(0.06, budget)
    assert not ledger.ours_next(A)
    for _ in range(20):
        ledger.by_scipy(0.06, A)
    assert ledger.ours_next(A)


def test_where_we_lose_scipy_takes_over_and_we_try_again_ever_more_rarely():
    ledger = measured(0.02)
    lost, ours = 0.0, 0
    for _ in range(20_000):
        if ledger.ours_next(A):
            ledger.by_us(0.06, 0.02)
            ledger.answered += 1
            lost, ours = lost + 0.04, ours + 1
        else:
            ledger.by_scipy(0.02, A)
    assert 2 <= ours <= 20
    assert lost <= 0.03 * 20_000 * 0.02


def test_where_we_win_we_stay():
    ledger = measured(0.02)
    ours = 0
    for _ in range(1000):
        if ledger.ours_next(A):
            ledger.by_us(0.005, 0.02)
            ours += 1
        else:
            ledger.by_scipy(0.02, A)
    assert ours >= 990
    ledger.barred = True
    assert not ledger.ours_next(A)


def test_what_it_would_have_cost():
    ledger = measured(0.02)
    ledger.answered = 10
    assert ledger.before() == pytest.approx(15 * 0.02)
    ledger.for_solving().by_scipy(0.004, A, columns=4)
    ledger.columns = 6
    assert ledger.before() == pytest.approx(15 * 0.02 + 0.004 + 6 * 0.001)
    ledger.for_solving().answered = 3
    assert ledger.before() == pytest.approx(15 * 0.02 + 0.004 + 9 * 0.001)


def test_what_scipy_did_only_to_compare_is_counted_once():
    ledger = measured(0.02)
    ledger.answered = 10
    for _ in range(4):
        ledger.by_both(0.03)
    assert ledger.instead() == pytest.approx(4 * 0.03 + 6 * ledger.usual)
    assert ledger.before() == pytest.approx(5 * 0.02 + ledger.instead())
    solving = ledger.for_solving()
    ledger.columns, solving.answered = 6, 2
    solving.by_both(0.004, columns=4)
    assert ledger.instead() == pytest.approx(4 * 0.03 + 6 * ledger.usual + 0.004 + 4 * 0.001)


def test_means():
    mean = Mean()
    assert mean.mean == 0.0
    mean.add(2.0)
    mean.add(1.0)
    mean.add(3.0)
    assert (mean.mean, mean.recent) == (2.0, 1.0)
    mean.add(2.0)
    assert mean.recent == pytest.approx(1.3)


def test_dimensions_are_told_apart():
    line = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(8000, 8000)).tocsr()
    assert expected_seconds(laplacian(3)) == 0.0
    assert expected_seconds(line) < 1e-6
    assert expected_seconds(laplacian(90)) < 0.05
    assert 0.1 < expected_seconds(laplacian(20, 3)) < 1.0
    parts = sp.block_diag((line, line), format="csr")
    assert np.isfinite(expected_seconds(parts))


def test_complex_matrices_take_four_times_as_long_and_are_looked_at_without_a_warning():
    assert expected_seconds(laplacian(20, 3) * (1.0 + 1.0j)) == 4.0 * expected_seconds(laplacian(20, 3)) > 0.0


def test_who_fails_at_first_waits_before_the_next_attempt():
    ledger = measured(5.0)
    assert ledger.ours_next(A)
    ledger.by_us(0.8, 0.0)
    assert [ledger.ours_next(A) for _ in range(51)] == 50 * [False] + [True]


def test_a_ledger_is_for_matrices_with_about_as_many_entries():
    keys = [(14, 100_000, 1), (14, 300_000, 1)]
    assert nearest((14, 70_000, 1), keys) == keys[0]
    assert nearest((14, 149_000, 1), keys) == keys[0]
    assert nearest((14, 290_000, 1), keys) == keys[1]
    for stranger in ((14, 180_000, 1), (13, 100_000, 1), (14, 100_000, 2)):
        assert nearest(stranger, keys) == stranger


def test_a_vertex_that_stands_alone_does_not_hide_the_rest():
    A = laplacian(20, 3)
    alone = sp.csr_array(sp.block_diag((sp.eye_array(1), A)))
    assert expected_seconds(alone) == pytest.approx(expected_seconds(A), rel=0.1)


@pytest.mark.parametrize(("others", "begins"), [(0.1, True), (0.9, False)])
def test_nothing_is_loaded_beside_programs_that_do_something_else_most_of_the_time(monkeypatch, others, begins):
    now = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    begun = []
    budget = Budget()
    monkeypatch.setattr(budget.warming, "begin", lambda: begun.append(now[0]))
    ledger = Ledger(budget)
    for _ in range(8):
        ledger.ours_next(A)
        now[0] += 0.2
        ledger.by_scipy(0.2, A)
        now[0] += 0.2 * others / (1.0 - others)
    assert bool(begun) is begins


def test_a_first_answer_that_took_longer_than_scipy_is_held_against_the_next_run():
    first, fast = (Ledger(Budget()) for _ in range(2))
    first.by_us(2.5, 1.5)
    fast.by_us(1.2, 1.5)
    assert first.gained.recent == pytest.approx(-1.0)
    assert fast.gained.recent == pytest.approx(0.3)
    for earlier, pays in ((first, False), (fast, True)):
        ledger = Ledger(Budget(), gained=earlier.gained)
        ledger.theirs.count, ledger.theirs.recent = 1, 1.5
        assert ledger.ours_next(A) is pays
