"""The default policy where time is what costs, and clock and machine misbehave: on a clock of our own."""

import time

import numpy as np
import pytest

from reiterate.engine import Engine
from tests.engine.priced import Hard, Priced, arms

HOUR = 3600.0
TICK = 1e-6  # what looking at the clock takes


class Clock:
    """Goes on by what methods take, and jumps when it is looked at for a given time."""

    def __init__(self):
        self.now, self.looks, self.jump = 1e5, 0, (0, 0.0)

    def __call__(self):
        self.looks += 1
        self.now += TICK + (self.jump[1] if self.looks == self.jump[0] else 0.0)
        return self.now


class Timed(Priced):
    """Takes a millisecond for each unit of work."""

    clock = None

    def prepare(self, instance, values, previous=None):
        prepared = super().prepare(instance, values, previous)
        self.clock.now += 1e-3 * prepared.work
        return prepared

    def iterate(self, prepared, instance, values, x, stop):
        progress = super().iterate(prepared, instance, values, x, stop)
        self.clock.now += 1e-3 * progress.work
        return progress


@pytest.fixture
def clock(monkeypatch):
    ours = Clock()
    monkeypatch.setattr(Timed, "clock", ours)
    monkeypatch.setattr(time, "perf_counter", ours)
    return ours


def engine():
    methods = [
        Timed("fast", 5.0, 1.0, 1.0),
        Timed("second", 5.0, 1.0, 1.3),
        Timed("bad", 5.0, 1.0, 6.0, error=0.1),  # which looks best before it is tried
        Timed("dear", 500.0, 10.0, 1.0, 0.0, upkeep=500.0),
    ]
    table = {method.name: method for method in methods}
    return Engine(table, arms(methods), [], None, np.random.default_rng(0), cost="time", patience=8.0)


def play(built, solves):
    for _ in range(solves):
        assert abs(built.solve(Hard(version=object()), 1.0)) <= Hard.target
    return [str(record.configuration) for record in list(built.history)[-solves:]]


def looks_of(clock, solves):
    """At which looks at the clock so many solves begin, and the last ends."""
    built, looks = engine(), []
    for _ in range(solves):
        looks.append(clock.looks)
        play(built, 1)
    return [*looks, clock.looks]


def test_the_clock_of_these_tests_is_the_one_that_costs_are_taken_from(clock):
    built = engine()
    assert play(built, 40)[-20:].count("fast") >= 18
    assert built.history.last.cost == pytest.approx(0.1, rel=0.06)


@pytest.mark.parametrize("hours", [-7.0, -1.0, 1.0, 7.0])
@pytest.mark.parametrize("solve", [0, 1, 2, 3, 5, 11, 30])
def test_a_clock_that_jumps_neither_breaks_a_solve_nor_leaves_a_bad_arm_in_charge(clock, hours, solve):
    begins = looks_of(clock, solve + 1)
    for look in range(begins[-2] + 1, begins[-1] + 1):
        clock.__init__()
        clock.jump = (look, hours * HOUR)
        built = engine()
        played = play(built, solve + 61)
        assert all(record.seconds >= 0.0 and record.overhead >= 0.0 for record in built.history)
        assert played[-30:].count("fast") + played[-30:].count("second") >= 26, (look, played)
        assert built.policies()[0].opinions()[0].cost > 0.0


def test_a_clock_that_stands_still_or_only_jumps_breaks_nothing(monkeypatch):
    monkeypatch.setattr(Timed, "clock", Clock())
    monkeypatch.setattr(time, "perf_counter", lambda: 5.0)
    assert len(play(engine(), 40)) == 40
    rng = np.random.default_rng(0)
    monkeypatch.setattr(time, "perf_counter", lambda: float(rng.normal(0.0, HOUR)))
    assert len(play(engine(), 40)) == 40


def test_a_machine_that_becomes_twice_as_slow_keeps_its_incumbent(clock, monkeypatch):
    built = engine()
    assert play(built, 60)[-1] == "fast"
    trials = built.policies()[0].trials.made
    monkeypatch.setattr(Priced, "slowness", 2.0)
    assert play(built, 60).count("fast") >= 52
    assert built.policies()[0].trials.made - trials <= 8
    assert built.history.last.cost == pytest.approx(0.2, rel=0.06)
