import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Attempt, Progress, Status
from reiterate.engine import Engine
from reiterate.engine.explorer import Explorer
from reiterate.engine.extrapolation import foreseen_iterations, share_of
from reiterate.errors import Breakdown
from tests.engine.priced import Hard, Priced, arms


def engine(methods, **options):
    options.setdefault("cost", "work")
    options.setdefault("patience", 8.0)
    table = {method.name: method for method in methods}
    return Engine(table, arms(methods), [], None, np.random.default_rng(0), **options)


def play(built, solves, **instance):
    for _ in range(solves):
        built.solve(Hard(version=object(), **instance), 1.0)
    return [record.cost for record in built.history]


def chosen(built, last):
    return [str(record.configuration) for record in list(built.history)[-last:]]


FAST = ("fast", 5.0, 1.0, 1.0)
SLOW = ("slow", 5.0, 1.0, 3.0)
DEAR = ("dear", 500.0, 10.0, 1.0, 0.0)  # a factor: much to prepare, nothing to iterate


def test_forecasts_that_are_right_are_followed_from_the_first_solve_on():
    built = engine([Priced(*SLOW), Priced(*FAST), Priced(*DEAR, upkeep=500.0)])
    costs = play(built, 20)
    assert chosen(built, 20).count("fast") >= 19
    assert sum(costs) <= 105.0 + 1.05 * 20 * 100.0


def test_what_was_forecast_to_be_worse_but_is_better_is_found_within_the_budget():
    methods = [Priced(*FAST), Priced("better", 5.0, 1.0, 0.5, error=3.2)]
    built = engine(methods)
    costs = play(built, 60)
    assert chosen(built, 20).count("better") >= 18
    assert sum(costs) <= 1.15 * 60 * 50.0


@given(
    st.lists(
        st.tuples(st.floats(0.5, 300.0), st.floats(0.5, 20.0), st.floats(0.2, 5.0), st.floats(0.0, 1.0)),
        min_size=1,
        max_size=6,
    ),
    st.floats(100.0, 3000.0),
)
@settings(max_examples=60, deadline=None)
def test_a_race_costs_at_most_twice_the_best_of_two_and_little_more_of_many(prices, actual):
    """With right forecasts of all but the difficulty, which is larger than guessed.

    An iteration and the least cap are what rounding adds.
    """
    methods = [Priced(f"m{k}", *price) for k, price in enumerate(prices)]
    built = engine(methods, max_iterations=10**6)
    instance = Hard(actual=actual, version=0)
    built.solve(instance, 1.0)
    best = min(method.true.setup + method.cost(instance) for method in methods)
    slack = sum(12.0 * method.true.iteration for method in methods)
    assert built.history.last.cost <= len(built.history.last.attempts) * 1.3 * best + slack


def test_a_hard_instance_is_handed_to_what_needs_no_iterations():
    built = engine([Priced(*FAST), Priced(*DEAR)])
    built.solve(Hard(actual=1e6, version=0), 1.0)
    first, second = built.history.last.attempts
    assert (str(first.configuration), str(second.configuration)) == ("fast", "dear")
    assert built.history.last.cost <= 2.2 * 510.0


@given(st.lists(st.floats(0.3, 3.0), min_size=2, max_size=8), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_trials_stay_within_their_budget(errors, seed):
    """5 % of all cost, one solve, what better arms were believed to save, and one trial under way."""
    rng = np.random.default_rng(seed)
    methods = [
        Priced(f"m{k}", 5.0 * rng.random(), 1.0, float(np.exp(0.3 * rng.standard_normal())), error=error)
        for k, error in enumerate(errors)
    ]
    built = engine(methods)
    play(built, 80)
    (policy,) = built._groups.values()
    assert isinstance(policy, Explorer)
    assert policy.trials.spent <= 0.05 * policy.total + 3.0 * policy.total / policy.solves + policy.trials.saved


def test_what_fails_is_left_alone_ever_longer():
    bad = Priced("bad", 0.0, 1.0, 0.1, fails=True)
    built = engine([Priced(*FAST), bad])
    play(built, 200)
    assert bad.played < 10
    assert chosen(built, 1) == ["fast"]


def test_everything_failing_is_an_error_and_not_an_endless_loop():
    from reiterate import NotConverged

    built = engine([Priced(f"bad{k}", 0.0, 1.0, 1.0, fails=True) for k in range(3)])
    for _ in range(10):
        with pytest.raises(NotConverged):
            built.solve(Hard(version=object()), 1.0)


def test_harder_instances_are_not_held_against_the_arm_that_met_them():
    built = engine([Priced(*FAST), Priced(*SLOW)])
    for actual in (100.0, 120.0, 150.0, 200.0, 260.0, 330.0, 400.0, 500.0):
        built.solve(Hard(actual=actual, version=object()), 1.0)
    assert chosen(built, 8).count("fast") >= 7


def test_the_best_arm_that_becomes_the_worst_is_left():
    methods = [Priced(*FAST), Priced("second", 5.0, 1.0, 1.3)]
    built = engine(methods)
    play(built, 60)
    assert chosen(built, 1) == ["fast"]
    methods[0].true = type(methods[0].true)(5.0, 0.0, 1.0, 4.0, 1.0)
    costs = play(built, 60)[60:]
    assert chosen(built, 10) == ["second"] * 10
    assert sum(costs) <= 1.25 * 60 * 130.0


def test_a_machine_that_becomes_slower_is_not_mistaken_for_an_arm_that_does(monkeypatch):
    built = engine([Priced(*FAST), Priced("second", 5.0, 1.0, 1.2), Priced("third", 5.0, 1.0, 1.4)])
    play(built, 60)
    (policy,) = built._groups.values()
    trials = policy.trials.made
    monkeypatch.setattr(Priced, "slowness", 2.0)
    play(built, 60)
    assert chosen(built, 60).count("fast") >= 52
    assert policy.trials.made - trials <= 8


def test_a_clock_that_jumps_once_changes_little(monkeypatch):
    built = engine([Priced(*FAST), Priced("second", 5.0, 1.0, 1.2)])
    play(built, 30)
    monkeypatch.setattr(Priced, "slowness", 1e6)
    play(built, 1)
    monkeypatch.setattr(Priced, "slowness", 1.0)
    play(built, 60)
    assert chosen(built, 60).count("fast") >= 55


def test_two_kinds_of_instances_do_not_disturb_each_other():
    built = engine([Priced(*FAST), Priced(*DEAR)])
    for _ in range(30):
        built.solve(Hard(kind="easy", actual=20.0, version=object()), 1.0)
        built.solve(Hard(kind="hard", actual=1e5, version=object()), 1.0)
    records = list(built.history)[-20:]
    assert [str(record.configuration) for record in records] == ["fast", "dear"] * 10


def test_ten_thousand_arms():
    rng = np.random.default_rng(0)
    methods = [Priced(f"m{k}", 1.0, 1.0, float(1.0 + rng.random())) for k in range(10_000)]
    built = engine(methods)
    costs = play(built, 5)
    assert max(costs[1:]) <= 2.0 * min(method.true.strength for method in methods) * 100.0


def test_without_arms_that_apply_the_rescuers_play():
    only = Priced(*FAST)
    built = Engine({"fast": only}, [], arms([only]), None, np.random.default_rng(0), cost="work")
    built.solve(Hard(version=0), 1.0)
    assert chosen(built, 1) == ["fast"]


@given(st.floats(1e-12, 1e-2), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_share_of_is_the_part_of_the_digits_that_was_gained(target, first, second):
    early, late = sorted((first, second))
    before, after = target**early, target**late
    share = share_of(1.0, before, after, target)
    assert share == pytest.approx(max(late - early, 0.05), abs=1e-9)


@pytest.mark.parametrize("merits", [(math.inf, 1.0, 0.5), (1.0, 0.5, 0.9), (0.0, 0.0, 0.0), (1.0, 1.0, math.nan)])
def test_share_of_what_has_gained_nothing_is_the_least(merits):
    assert share_of(*merits, 1e-8) == 0.05


def test_without_patience_nothing_is_stopped():
    built = engine([Priced(*FAST), Priced(*DEAR)], patience=None)
    built.solve(Hard(actual=5e3, version=0), 1.0)
    (only,) = built.history.last.attempts
    assert str(only.configuration) == "fast"


def test_who_was_stopped_goes_on_when_the_others_cannot():
    refused = Priced("refused", 500.0, 1.0, 1.0, 0.0)
    built = engine([Priced(*FAST), refused])

    def prepare(instance, values, previous=None):
        raise Breakdown("too large")

    refused.prepare = prepare
    built.solve(Hard(actual=5e3, version=0), 1.0)
    first, second, third = built.history.last.attempts
    assert [str(a.configuration) for a in (first, second, third)] == ["fast", "refused", "fast"]
    (policy,) = built._groups.values()
    assert not policy.beliefs.ready[1]
    assert [opinion.failing for opinion in policy.opinions() if str(opinion.configuration) == "refused"] == [True]


def test_few_race_however_many_there_are():
    methods = [Priced(f"m{k}", 3.0 * 1.2**k, 1.0, 1.0 / 1.1**k, 1.0) for k in range(40)]
    built = engine(methods)
    instance = Hard(actual=1e5, version=0)
    built.solve(instance, 1.0)
    assert len(built.history.last.attempts) <= 12
    best = min(method.true.setup + method.cost(instance) for method in methods)
    assert built.history.last.cost <= 4.0 * best


def test_after_a_change_what_had_lost_time_and_again_is_tried_soon():
    first, second = Priced(*FAST), Priced("second", 5.0, 1.0, 2.0, error=0.5)
    built = engine([first, second])
    play(built, 200)
    assert chosen(built, 10).count("fast") >= 9
    first.true = type(first.true)(5.0, 0.0, 1.0, 3.0, 1.0)
    second.true = type(second.true)(5.0, 0.0, 1.0, 0.5, 1.0)
    play(built, 15)
    assert chosen(built, 5) == ["second"] * 5


def harder_by_context(useful, solves, seed, useless=0):
    """Instances whose difficulty jumps at random, in a stream that tells beforehand, or does not."""
    rng = np.random.default_rng(seed)
    built = engine([Priced(*FAST), Priced("steady", 5.0, 3.0, 10.0, 0.3)])
    fast = steady = 0.0
    for _ in range(solves):
        actual = float(rng.choice([10.0, 1000.0]))
        context = {f"useless{k}": float(rng.normal()) for k in range(useless)}
        if useful:
            context["dt"] = 1e-4 * actual * float(rng.uniform(0.9, 1.1))
        built.solve(Hard(actual=actual, version=object(), context=context), 1.0)
        fast += actual
        steady += 3.0 * math.ceil(10.0 * actual**0.3)
    return sum(record.cost for record in built.history), fast, steady


def test_with_a_context_that_tells_the_difficulty_every_fixed_choice_is_beaten():
    costs = np.array([harder_by_context(True, 200, seed) for seed in range(6)])
    untold = sum(harder_by_context(False, 200, seed)[0] for seed in range(6))
    assert np.all(costs[:, 0] < 1.15 * costs[:, 1:].min(axis=1))
    assert costs[:, 0].sum() < costs[:, 1:].min(axis=1).sum()
    assert costs[:, 0].sum() < 0.95 * untold


@pytest.mark.parametrize("seed", range(3))
def test_what_means_nothing_in_a_context_does_no_harm(seed):
    plain, _, _ = harder_by_context(False, 200, seed)
    crowded, _, _ = harder_by_context(False, 200, seed, useless=10)
    assert crowded <= 1.1 * plain
    told, fast, steady = harder_by_context(True, 200, seed, useless=10)
    assert told < 1.05 * min(fast, steady)


def harder_where_more_changed(solves, seed, told=True, useless=0):
    """Cost, and mean error of log iterations, where difficulty follows a feature of the instances."""
    rng = np.random.default_rng(seed)
    built = engine([Priced(*FAST), Priced("steady", 5.0, 3.0, 10.0, 0.3)])
    errors = []
    for _ in range(solves):
        change = 10.0 ** rng.uniform(-4.0, 0.0)
        actual = 1e4 * change**0.75 * math.exp(0.1 * rng.normal())
        features = {f"useless{k}": float(rng.lognormal()) for k in range(useless)}
        if told:
            features["rhs_change"] = change
        built.solve(Hard(actual=actual, version=object(), features=features), 1.0)
        record = built.history.last
        if record.expected and not record.trial and len(record.attempts) == 1:
            errors.append(abs(math.log(record.expected / record.cost)))
    return sum(record.cost for record in built.history), float(np.mean(errors[-solves // 2 :]))


@pytest.mark.parametrize("useless", [0, 9])
def test_features_that_tell_the_difficulty_make_forecasts_better_and_solves_cheaper(useless):
    told = np.array([harder_where_more_changed(200, seed, useless=useless) for seed in range(4)]).mean(axis=0)
    untold = np.array([harder_where_more_changed(200, seed, told=False) for seed in range(4)]).mean(axis=0)
    assert told[0] < 0.97 * untold[0]
    assert told[1] < 0.5 * untold[1]


def test_features_that_mean_nothing_do_no_harm():
    plain = sum(harder_where_more_changed(200, seed, told=False)[0] for seed in range(4))
    crowded = sum(harder_where_more_changed(200, seed, told=False, useless=10)[0] for seed in range(4))
    assert crowded <= 1.05 * plain


class Shy(Hard):
    """Counts who looks at its features."""

    looks = 0

    @property
    def features(self):
        Shy.looks += 1
        return {"rhs_change": 0.5}

    @features.setter
    def features(self, given):
        pass


def test_nobody_looks_at_features_while_the_difficulty_stays_as_it_is():
    built, rng = engine([Priced(*FAST), Priced(*SLOW)]), np.random.default_rng(0)
    for _ in range(60):
        built.solve(Shy(actual=float(rng.uniform(99.0, 101.0)), version=object()), 1.0)
    assert Shy.looks < 20
    before = Shy.looks
    for _ in range(10):
        built.solve(Shy(actual=float(rng.choice([50.0, 200.0])), version=object()), 1.0)
    assert Shy.looks > before + 5


def test_the_digits_to_gain_are_known_before_and_not_mistaken_for_difficulty():
    built = engine([Priced(*FAST), Priced("exact", 5.0, 12.0, 5.0, 0.0)])
    rng = np.random.default_rng(0)
    total = best = 0.0
    for _ in range(100):
        start = float(rng.choice([1.0, 1e-6]))
        built.solve(Hard(actual=100.0, version=object()), start, start)
        total += built.history.last.cost
        best += 60.0 if start == 1.0 else 25.0
    assert total <= 1.3 * best


class Shared(Priced):
    state_name = "factor"


def test_who_shares_a_state_that_is_there_need_not_prepare_it():
    built = engine([Shared("one", 300.0, 10.0, 1.0, 0.0), Shared("two", 300.0, 9.0, 1.0, 0.0, error=1.3)])
    built.solve(Hard(version=0), 1.0)
    (policy,) = built._groups.values()
    assert policy.beliefs.ready.all()
    costs = play(built, 30)[1:]
    assert max(costs) < 300.0 + 30.0
    assert chosen(built, 5) == ["two"] * 5


class Heavy(Priced):
    def prepare(self, instance, values, previous=None):
        prepared = super().prepare(instance, values, previous)
        prepared.memory = 1000
        return prepared


def test_a_state_that_was_evicted_counts_as_not_prepared():
    methods = [Heavy("one", 300.0, 1.0, 1.0), Heavy("two", 300.0, 1.0, 0.5, error=2.2)]
    built = engine(methods, memory_limit=1500)
    play(built, 40)
    assert {str(record.configuration) for record in built.history} == {"one", "two"}
    assert built.memory <= 1500
    (policy,) = built._groups.values()
    assert policy.beliefs.ready.sum() == 1


class Slow(Priced):
    """Takes a hundred times as long as forecast."""

    def iterate(self, prepared, instance, values, x, stop):
        begin, done = time.perf_counter(), 0
        rate = instance.target ** (1.0 / self.iterations(instance)) * (1.0 - 1e-12)
        while abs(x) > stop.target and done < stop.max_iterations:
            if stop.max_seconds is not None and time.perf_counter() - begin > stop.max_seconds:
                return Progress(x, Status.TIME_CAP, done, float(done))
            time.sleep(100.0 * self.true.iteration)
            x *= rate
            done += 1
        return Progress(x, Status.CONVERGED if abs(x) <= stop.target else Status.ITERATION_CAP, done, float(done))


def test_an_arm_whose_iterations_take_much_longer_than_forecast_is_stopped_by_the_clock():
    built = engine([Priced("usual", 0.0, 1e-4, 1.0), Slow("slow", 0.0, 1e-5, 1.0)], cost="time")
    built.solve(Hard(actual=100.0, version=0), 1.0)
    first, second = built.history.last.attempts
    assert (str(first.configuration), first.status) == ("slow", Status.TIME_CAP)
    assert str(second.configuration) == "usual"
    assert first.iterations < 50


class Plateau(Priced):
    """Gains nothing in the first three quarters of its iterations; may know all the same how many are left."""

    foresees = True

    def iterate(self, prepared, instance, values, x, stop):
        self.played += 1
        iterations = self.iterations(instance)
        done = min(iterations, stop.max_iterations)
        x, status = (instance.target, Status.CONVERGED) if done == iterations else (x, Status.ITERATION_CAP)
        left = iterations - done if self.foresees and done < iterations else None
        return Progress(x, status, done, done * self.true.iteration, remaining=left)


def test_what_an_iteration_foresees_tells_more_than_the_digits_of_a_plateau():
    costs = {}
    for foresees in (False, True):
        late = Plateau("late", 5.0, 1.0, 2.5, error=0.4)
        late.foresees = foresees
        built = engine([late, Priced("steady", 150.0, 1.0, 4.0, error=0.075)])
        costs[foresees] = sum(play(built, 8))
        first = next(iter(built.history)).attempts[0]
        assert (str(first.configuration), first.status) == ("late", Status.ITERATION_CAP)
    assert costs[True] < 0.8 * costs[False]


@pytest.mark.parametrize("remaining", [-1.0, math.nan, math.inf, 1e300])
def test_what_cannot_be_foreseen_is_not_believed(remaining):
    attempt = Attempt(arms([Priced(*FAST)])[0], Status.ITERATION_CAP, 10, 1.0, 1.0, 0.5, remaining=remaining)
    assert foreseen_iterations(attempt, 1.0, 1.0, 1e-8) is None


def test_who_went_on_from_anothers_iterate_foresees_the_rest_only():
    attempt = Attempt(arms([Priced(*FAST)])[0], Status.ITERATION_CAP, 10, 1.0, 1.0, 1e-5, remaining=30.0)
    assert foreseen_iterations(attempt, 1.0, 1e-4, 1e-8) == pytest.approx(80.0)


def test_iterations_that_stay_the_same_are_believed_to():
    built = engine([Priced(*FAST), Priced(*SLOW)])
    play(built, 150)
    expected = [record.expected for record in list(built.history)[10:]]
    np.testing.assert_allclose(expected, 100.0, rtol=0.1)
