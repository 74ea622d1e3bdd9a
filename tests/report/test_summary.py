from reiterate.configuration import Configuration
from reiterate.contracts import Attempt, Record, Status
from reiterate.engine import History
from reiterate.report.summary import summarize


def history_of(configurations):
    history = History()
    for index, name in enumerate(configurations):
        configuration = Configuration(name)
        attempt = Attempt(configuration, Status.CONVERGED, 3, 0.5, 2.0, 1e-9)
        history.add(Record(index, configuration, 1.0, {}, [attempt], 3, 0.5, 2.0, 0.1, 1e-9, 1e-8, 2.0))
    return history


def test_nothing_yet():
    lines = summarize(History(), "seconds")
    assert lines[0].startswith("0 solves, 0 failed")
    assert len(lines) == 2


def test_the_most_used_come_first_and_the_tail_is_folded():
    lines = summarize(history_of([f"m{i}" for i in range(20)] + ["m5", "m5"]), "work units")
    assert len(lines) == 2 + 8
    assert lines[2].split() == ["m5", "3", "9", "2", "work", "units", "0"]
    assert lines[9].split() == ["13", "others", "13", "39", "2", "work", "units", "0"]
    assert len({len(line) for line in lines[1:]}) == 1


def test_seconds_are_in_the_unit_that_suits_them():
    history = history_of(["a"])
    history.tallies[Configuration("a")].cost = 0.0123
    assert summarize(history, "seconds")[2].split() == ["a", "1", "3", "12.3", "ms", "0"]


def test_a_few_are_all_shown():
    assert len(summarize(history_of("abcdefgh"), "seconds")) == 2 + 8
