import pytest

from reiterate.configuration import Configuration
from reiterate.contracts import Attempt, Record, Status
from reiterate.engine import History

GOOD, BAD = Configuration("good"), Configuration("bad")


def record(configuration, cost, *, rescuer=None, merit=1e-9, index=0):
    attempts = [Attempt(configuration, Status.CONVERGED, int(cost), 0.5, cost, merit)]
    if rescuer is not None:
        attempts = [Attempt(configuration, Status.BREAKDOWN, 1, 0.5, 1.0, 1.0, "broke")]
        attempts.append(Attempt(rescuer, Status.CONVERGED, int(cost), 0.5, cost, merit))
    return Record(index, configuration, 0.5, {}, attempts, int(cost), 0.5, cost, 0.1, merit, 1e-8, cost)


def test_totals_cover_what_is_forgotten():
    history = History(keep=3)
    for index in range(10):
        history.add(record(GOOD, 2.0, index=index))
    assert len(history) == 3
    assert [r.index for r in history] == [7, 8, 9]
    assert history.solves == 10
    assert history.tallies[GOOD].cost == 20.0
    assert history.seconds == 5.0


def test_help_is_counted():
    history = History()
    history.add(record(BAD, 1.0, rescuer=GOOD))
    assert history.tallies[BAD].rescued == 1


def test_failures_are_counted_apart():
    history = History()
    history.add(record(GOOD, 5.0, merit=1.0))
    assert (history.solves, history.failures) == (0, 1)


def test_a_merit_that_is_no_number_is_a_failure():
    history = History()
    history.add(record(GOOD, 5.0, merit=float("nan")))
    assert (history.solves, history.failures) == (0, 1)


def test_it_is_subscripted_like_a_list_of_what_is_kept():
    history = History(keep=3)
    with pytest.raises(IndexError):
        history[-1]
    for index in range(5):
        history.add(record(GOOD, 2.0, index=index))
    assert history[-1] is history.last
    assert history[0].index == 2
    assert [r.index for r in history[-2:]] == [3, 4]
    assert [r.index for r in history[::-1]] == [4, 3, 2]
    with pytest.raises(IndexError):
        history[3]
