"""Learners replayed on tables of costs: the arithmetic of ``benchmarks/regret.py``."""

import math
from pathlib import Path

import numpy as np
import pytest

from reiterate.contracts import Choice, Learner
from reiterate.errors import InvalidInput
from reiterate.learners import LEARNERS

COSTS = np.array([[3.0, 1.0, 2.0], [3.0, 2.0, 1.0], [3.0, 1.0, 5.0], [3.0, 2.0, 1.0]])


@pytest.fixture
def tables(benchmarks):
    import regret_tables

    return regret_tables


@pytest.fixture
def replaying(benchmarks):
    import regret_replay

    return regret_replay


class Scribe(Learner):
    """Plays arms in turn and writes down what it is shown."""

    name = "scribe"

    def __init__(self, arms, rng):
        self._arms, self.seen, self.told, self.rounds = arms, [], [], 0
        Scribe.last = self

    @property
    def arms(self):
        return self._arms

    def choose(self, context=None):
        self.seen.append(context)
        self.rounds += 1
        return Choice((self.rounds - 1) % self._arms, 1.0, context)

    def learn(self, choice, cost, *, censored=False):
        self.told.append((self.rounds, choice.arm, cost, censored))

    def state_dict(self):
        return {}

    @classmethod
    def from_state_dict(cls, state):
        return cls(1, np.random.default_rng(0))


@pytest.fixture
def scribe(monkeypatch):
    monkeypatch.setitem(LEARNERS, "scribe", Scribe)
    return Scribe


def test_a_learner_is_told_what_its_choices_cost_and_nothing_else(replaying, scribe):
    contexts = [{"x": float(t)} for t in range(4)]
    paid, _ = replaying.replay("scribe", replaying.Table(COSTS, contexts), 0)
    assert paid.tolist() == [3.0, 2.0, 5.0, 3.0]
    assert scribe.last.seen == contexts
    assert scribe.last.told == [(1, 0, 3.0, False), (2, 1, 2.0, False), (3, 2, 5.0, False)]


def test_late_feedback_comes_when_it_is_due(replaying, scribe):
    replaying.replay("scribe", replaying.Table(COSTS, delays=np.array([2, 0, 5, 0])), 0)
    assert scribe.last.seen == [None] * 4
    assert scribe.last.told == [(2, 1, 2.0, False), (3, 0, 3.0, False)]


def test_rested_rows_are_counted_by_plays(replaying, scribe):
    costs = np.array([[5.0, 4.0], [3.0, 2.0], [1.0, 1.0]])
    table = replaying.Table(costs, rested=True)
    paid, _ = replaying.replay("scribe", table, 0)
    assert paid.tolist() == [5.0, 4.0, 3.0]
    assert table.optimal().tolist() == table.fixed(1).tolist() == [4.0, 2.0, 1.0]


def test_oracles_of_a_table(replaying):
    table = replaying.Table(COSTS)
    assert table.best == 1
    assert table.fixed(1).tolist() == [1.0, 2.0, 1.0, 2.0]
    assert table.optimal().tolist() == [1.0, 1.0, 1.0, 1.0]


def test_breaking_even_is_for_good(replaying):
    assert replaying.break_even([1, 1], [1, 1]) == 1
    assert replaying.break_even([5, 1, 1, 1], [2, 2, 2, 2]) == 4
    assert replaying.break_even([1, 1, 5], [2, 2, 2]) == math.inf
    assert replaying.spelled(4) == "4"
    assert replaying.spelled(math.inf) == "never"


def test_a_slow_learner_is_stopped(replaying, tables):
    with pytest.raises(replaying.TooSlow):
        replaying.replay("uniform", replaying.Table(COSTS), 0, limit=-1.0)
    scenario = replaying.Scenario("slow", "", lambda seed: replaying.Table(COSTS))
    outcome = tables.measure(scenario, ["fixed"], 2, limit=-1.0).learners["fixed"]
    assert outcome.note.startswith("slower than")
    assert math.isinf(outcome.median)


def test_figures_of_fixed_are_those_of_the_first_arm(replaying, tables):
    scenario = replaying.Scenario("tiny", "four instances", lambda seed: replaying.Table(COSTS))
    result = tables.measure(scenario, list(LEARNERS), 3)
    fixed = result.learners["fixed"]
    assert fixed.ends == pytest.approx([2.0] * 3)
    assert fixed.break_even == 1
    assert result.oracles["best fixed"].median == 1.0
    assert result.oracles["instance-optimal"].median == pytest.approx(4 / 6)
    assert set(result.ranked()) == set(LEARNERS)
    for text in (tables.detail(result), tables.overview([result]), tables.statements([result])):
        assert all(f"`{name}`" in text for name in LEARNERS)


def test_every_learner_is_said_to_be_best_somewhere_or_nowhere(replaying, tables):
    scenario = replaying.Scenario("tiny", "", lambda seed: replaying.Table(COSTS[:, [1, 0]]))
    result = tables.measure(scenario, ["fixed", "uniform"], 4)
    fixed, uniform = tables.statements([result]).splitlines()
    assert fixed.endswith(", 4 of 4)")
    assert fixed.startswith("- `fixed`: best in tiny: 1.000 (`uniform` ")
    assert uniform.startswith("- `uniform`: none; nearest in tiny, ")


def test_equals_share_a_victory(replaying, tables):
    scenario = replaying.Scenario("tiny", "", lambda seed: replaying.Table(COSTS))
    result = tables.measure(scenario, ["uniform", "tsallis_inf", "binned_tsallis_inf"], 2)
    result.learners["uniform"].curves = [2.0 * curve + 1.0 for curve in result.learners["uniform"].curves]
    _, first, second = tables.statements([result]).splitlines()
    assert first.startswith("- `tsallis_inf`: best in tiny: ")
    assert "like `binned_tsallis_inf`" in first
    assert "like `tsallis_inf`" in second


@pytest.mark.parametrize(
    ("error", "note"),
    [(InvalidInput("context", "is needed"), "refuses: context: is needed"), (ZeroDivisionError("by"), "fails: by")],
)
def test_who_cannot_play_is_reported(error, note, replaying, tables, monkeypatch, scribe):
    def refuse(self, context=None):
        raise error

    monkeypatch.setattr(Scribe, "choose", refuse)
    scenario = replaying.Scenario("tiny", "", lambda seed: replaying.Table(COSTS))
    result = tables.measure(scenario, ["scribe", "fixed"], 2)
    assert result.learners["scribe"].note == note
    assert result.ranked() == ["fixed"]
    assert note in tables.detail(result)
    assert "finished nowhere" in tables.statements([result])


def test_pictures_are_drawn(replaying, tables, tmp_path):
    scenario = replaying.Scenario("tiny", "", lambda seed: replaying.Table(COSTS))
    results = [tables.measure(scenario, ["fixed", "uniform", "cheb_cb"], 2)]
    assert tables.chosen(results)[0] == "cheb_cb"
    tables.draw(results, tables.chosen(results), tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 1000


def test_generators_give_positive_costs_and_repeat_themselves(benchmarks):
    import regret_synthetic

    described = (Path(__file__).parent.parent / "docs" / "regret.md").read_text()
    for scenario in regret_synthetic.scenarios(40):
        table, again, other = scenario.make(3), scenario.make(3), scenario.make(4)
        assert table.instances == 40
        assert np.isfinite(table.costs).all()
        assert (table.costs > 0).all()
        assert (table.costs == again.costs).all()
        assert (table.costs != other.costs).any()
        assert table.contexts is None or len(table.contexts) == 40
        assert f"`{scenario.name}`" in described
        assert scenario.description


def test_a_recorded_table_survives_its_file(benchmarks, tmp_path, replaying):
    import regret_recorded

    contexts = [{"a": 1.0, "b": 0.5}, {"b": 2.0}, {"a": 3.0, "b": 4.0}, {}]
    table = replaying.Table(COSTS * 1.2345678, contexts, arms=("cg", "direct", "sor(omega=1.5)"))
    regret_recorded.save(tmp_path / "table.npz", table, 100)
    kept, steps = regret_recorded.load(tmp_path / "table.npz")
    assert steps == 100
    assert kept.first(3).costs.shape == (3, 3)
    assert kept.first(3).contexts == contexts[:3]
    np.testing.assert_allclose(kept.costs, table.costs, rtol=2.0**-12)
    assert kept.contexts == contexts
    assert kept.arms == table.arms


def test_recording_counts_work_and_marks_failures(benchmarks, monkeypatch):
    import regret_recorded
    from portfolio_systems import Stream
    from reiterate import gallery

    A = next(iter(gallery.constant(nx=8, steps=1))).A
    rng = np.random.default_rng(0)
    systems = [(A, rng.standard_normal(A.shape[0]), None) for _ in range(5)]
    arms = ["cg", "sor(omega=1.5)", "chebyshev_cg(degree=4)", "direct"]
    monkeypatch.setattr(regret_recorded, "fixed_configurations", lambda: arms)
    monkeypatch.setattr(regret_recorded, "MOST_ITERATIONS", 12)
    table = regret_recorded.record(Stream("tiny", systems, definite=True))
    assert table.arms == tuple(arms)
    assert table.costs.shape == (5, 4)
    assert np.isinf(table.costs[:, 1]).all()  # twelve sweeps are too few
    assert np.isfinite(table.costs[:, [0, 3]]).all()
    # More than twenty times as dear as the cheapest, three times in a row.
    kept = np.isfinite(table.costs[:, 2]).tolist()
    assert kept == sorted(kept, reverse=True)
    assert kept[2]
    assert not kept[4]
    assert len(table.contexts) == 5
    assert (regret_recorded.record(Stream("tiny", systems, definite=True)).costs == table.costs).all()


def test_failing_and_hopeless_solves_are_stopped(benchmarks, replaying, scribe):
    import regret_recorded

    costs = np.array([[100.0, np.inf, 4.0], [50.0, np.inf, 5.0]])
    table = regret_recorded.stopped(replaying.Table(costs))
    assert table.costs.tolist() == [[80.0, 80.0, 4.0], [50.0, 100.0, 5.0]]
    assert table.censored.tolist() == [[True, True, False], [False, True, False]]
    replaying.replay("scribe", table, 0)
    assert scribe.last.told == [(1, 0, 80.0, True)]
    free = replaying.Table(np.array([[0.0, 3.0, 90.0], [0.0, 0.0, np.inf]]))
    assert regret_recorded.stopped(free).costs.tolist() == [[0.0, 3.0, 60.0], [0.0, 0.0, 20.0]]
    with pytest.raises(ValueError, match="no configuration"):
        regret_recorded.stopped(replaying.Table(np.full((1, 2), np.inf)))
