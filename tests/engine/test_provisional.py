import numpy as np
import pytest

from reiterate.configuration import Configuration
from reiterate.engine import Engine, provisional
from reiterate.learners import make_learner
from tests.engine.priced import Hard, Priced

FAST, OTHER, ALWAYS, SUBSTITUTE = (Configuration(name) for name in ("fast", "other", "always", "substitute"))


class Compiled(Priced):
    compiled = True

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.warmed = 0

    def warm_up(self, variant=None):
        self.warmed += 1


class Elsewhere:
    """Says what is missing, and remembers what it was asked."""

    def __init__(self, *names):
        self.names = set(names)
        self.asked = []

    def __call__(self, wanted):
        self.asked.append([method.name for method, _ in wanted])
        return frozenset(self.names)


def make(missing, monkeypatch, arms=(OTHER, FAST, ALWAYS), rescuers=(), learner=None, **changed):
    monkeypatch.setattr(provisional, "_LOOK", -1.0)
    methods = {
        "other": Compiled("other", 1.0, 5.0, 1.0),
        "fast": Compiled("fast", 1.0, 1.0, 1.0),
        "always": Priced("always", 10.0, 40.0, 1.0),
        "substitute": Priced("substitute", 1.0, 10.0, 1.0),
        **changed,
    }
    options = {"cost": "work", "substitutes": [SUBSTITUTE], "missing": missing}
    return Engine(methods, arms, rescuers, learner, np.random.default_rng(0), **options), methods


def played(engine):
    return [attempt.configuration.method for record in engine.history for attempt in record.attempts]


def test_substitutes_play_only_while_something_is_missing(monkeypatch):
    missing = Elsewhere("other", "fast")
    engine, methods = make(missing, monkeypatch)
    for _ in range(5):
        engine.solve(Hard(), 1.0)
    assert "substitute" in played(engine)
    assert set(played(engine)) <= {"substitute", "always"}
    assert methods["fast"].warmed == methods["other"].warmed == 0
    missing.names.clear()
    for _ in range(20):
        engine.solve(Hard(), 1.0)
    later = played(engine)[-20:]
    assert "substitute" not in later
    assert later.count("fast") > 15
    assert SUBSTITUTE not in {opinion.configuration for policy in engine.policies() for opinion in policy.opinions()}


def test_what_is_there_plays_while_the_rest_is_missing(monkeypatch):
    missing = Elsewhere("other")
    engine, methods = make(missing, monkeypatch)
    for _ in range(5):
        engine.solve(Hard(), 1.0)
    assert played(engine)[0] == "fast"
    assert methods["other"].warmed == methods["other"].played == 0


def test_the_groups_own_policy_has_learnt_from_what_its_arms_did(monkeypatch):
    missing = Elsewhere("other")
    engine, _ = make(missing, monkeypatch)
    for _ in range(6):
        engine.solve(Hard(), 1.0)
    fast = played(engine).count("fast")
    [provisional_policy] = engine.policies()
    own = engine.group_for(Hard())
    assert {arm.method for arm in provisional_policy.arms} == {"other", "fast", "always", "substitute"}
    assert {arm.method for arm in own.arms} == {"other", "fast", "always"}
    known = {opinion.configuration: opinion for opinion in own.opinions()}
    assert known[FAST].plays == fast
    assert known[FAST].preparing == 0.0
    assert own.solves == 6


def test_what_stands_in_is_listed_instead_of_its_group(monkeypatch):
    missing = Elsewhere("other", "fast")
    engine, _ = make(missing, monkeypatch)
    engine.solve(Hard(), 1.0)
    engine.solve(Hard(kind="another"), 1.0)
    assert [SUBSTITUTE in policy.arms for policy in engine.policies()] == [True, True]
    assert engine.awaited == ("fast", "other")
    missing.names.clear()
    engine.solve(Hard(), 1.0)
    assert [SUBSTITUTE in policy.arms for policy in engine.policies()] == [False, True]
    assert engine.awaited == ()


def test_nobody_asks_again_once_nothing_is_missing(monkeypatch):
    missing = Elsewhere()
    engine, _ = make(missing, monkeypatch)
    for guess in (100.0, 50.0):
        for _ in range(5):
            engine.solve(Hard(guess=guess, traits={"guess": guess}), 1.0)
    assert len(missing.asked) == 1


def test_the_most_promising_is_asked_for_first(monkeypatch):
    missing = Elsewhere("other", "fast")
    engine, _ = make(missing, monkeypatch)
    engine.solve(Hard(), 1.0)
    assert missing.asked[0] == ["fast", "other"]


def test_when_nobody_else_can_play_code_is_compiled_at_once(monkeypatch):
    missing = Elsewhere("fast")
    failing = Priced("substitute", 1.0, 10.0, 1.0, fails=True)
    engine, methods = make(missing, monkeypatch, arms=(FAST,), substitute=failing)
    x = engine.solve(Hard(), 1.0)
    assert Hard().merit(x) <= Hard().target
    assert played(engine) == ["substitute", "fast"]
    assert methods["fast"].warmed == 1


def test_a_learner_by_name_waits_for_its_code(monkeypatch):
    missing = Elsewhere("other", "fast")
    engine, _ = make(missing, monkeypatch, learner=lambda arms, rng: make_learner("ucb1", arms, rng))
    engine.solve(Hard(), 1.0)
    assert missing.asked == []
    assert played(engine) == ["other"]


def test_it_is_not_asked_all_the_time(monkeypatch):
    missing = Elsewhere("other", "fast")
    engine, _ = make(missing, monkeypatch)
    monkeypatch.setattr(provisional, "_LOOK", 1e9)
    for _ in range(4):
        engine.solve(Hard(), 1.0)
    assert len(missing.asked) == 1


@pytest.mark.parametrize("name", ["other", "elsewhere"])
def test_what_concerns_no_arm_is_waited_for_without_substitutes(name, monkeypatch):
    missing = Elsewhere(name)
    engine, _ = make(missing, monkeypatch)
    engine.solve(Hard(), 1.0)
    assert engine._provisional.waits
    assert (engine.policies()[0].arms[-1] == SUBSTITUTE) is (name == "other")
