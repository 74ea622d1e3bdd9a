"""Solves that go as usual are noted, and learnt from together."""

import itertools

import numpy as np

from reiterate.engine import Engine
from reiterate.engine.deferring import DeferringExplorer
from tests.engine.priced import Hard, Priced, arms

FAST, SLOW = ("fast", 5.0, 1.0, 1.0), ("slow", 5.0, 1.0, 3.0)


def engine(*methods):
    table = {method.name: method for method in methods}
    return Engine(table, arms(methods), [], None, np.random.default_rng(0), cost="work", patience=8.0)


def play(built, difficulties):
    for actual in difficulties:
        built.solve(Hard(actual=actual, version=object()), 1.0)
    (policy,) = built.policies()
    assert isinstance(policy, DeferringExplorer)
    return policy


def counted_learning(monkeypatch):
    learnt = []
    original = DeferringExplorer.__mro__[1].report

    def report(self, pursuit, cost, count=1):
        learnt.append(count)
        original(self, pursuit, cost, count)

    monkeypatch.setattr(DeferringExplorer.__mro__[1], "report", report)
    return learnt


def test_whoever_asks_is_told_of_every_solve(monkeypatch):
    learnt = counted_learning(monkeypatch)
    policy = play(engine(Priced(*FAST), Priced(*SLOW)), [100.0] * 200)
    assert policy.remarks().solves == 200 == sum(learnt)
    assert max(learnt) > 3
    assert len(learnt) < 140
    best = policy.opinions()[0]
    assert (str(best.configuration), best.since) == ("fast", 0)
    assert best.plays == 200 - policy.remarks().trials
    np.testing.assert_allclose(best.cost, 100.0 + 3.0, rtol=0.1)


def test_what_is_out_of_the_ordinary_is_learnt_at_once(monkeypatch):
    built = engine(Priced(*FAST), Priced(*SLOW))
    play(built, [100.0] * 100)
    learnt = counted_learning(monkeypatch)
    policy = play(built, [700.0])
    assert learnt[-1:] == [1]
    assert policy.opinions()[0].iterations > 200.0


def test_iterations_that_rise_slowly_are_kept_up_with():
    rising = list(itertools.accumulate([100.0, *[1.01] * 150], lambda a, b: a * b))
    policy = play(engine(Priced(*FAST), Priced(*SLOW)), rising)
    np.testing.assert_allclose(policy.opinions()[0].iterations, rising[-1], rtol=0.15)
