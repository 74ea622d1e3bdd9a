"""What policies know of earlier runs: plain data, a prior, and never a reason to decide wrongly."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.engine import Engine
from reiterate.engine.anticipation import Anticipation
from reiterate.engine.plain import plain, restored
from reiterate.learners import LEARNERS, make_learner
from tests.engine.priced import Hard, Priced, arms

FAST = ("fast", 5.0, 1.0, 1.0)
SLOW = ("slow", 5.0, 1.0, 3.0)
DEAR = ("dear", 500.0, 10.0, 1.0, 0.0)


def engine(methods, learner=None, cost="work", **options):
    build = None if learner is None else lambda known, rng: make_learner(learner, known, rng)
    return Engine(
        {method.name: method for method in methods},
        arms(methods),
        [],
        build,
        np.random.default_rng(3),
        cost=cost,
        patience=8.0,
        **options,
    )


def play(built, solves, **instance):
    for _ in range(solves):
        built.solve(Hard(version=object(), **instance), 1.0)
    return [record.cost for record in built.history]


def known(built):
    (policy,) = built.policies()
    return json.loads(json.dumps(policy.state_dict(), allow_nan=False))


def again(methods, state, *, same_stream=True, same_machine=True, **options):
    """An engine whose policies begin with that state."""

    def recall(policy, instance):
        policy.recall(state, same_stream=same_stream, same_machine=same_machine)

    return engine(methods, recall=recall, **options)


def misjudged():
    """The best is forecast to be the worst."""
    return [Priced(*FAST), Priced(*SLOW), Priced("best", 5.0, 1.0, 0.3, error=8.0)]


def test_a_run_begins_with_what_the_last_one_found_out():
    first = engine(misjudged())
    play(first, 60)
    assert str(first.history.last.configuration) == "best"
    second = again(misjudged(), known(first))
    costs = play(second, 60)
    assert {str(record.configuration) for record in list(second.history)[:20]} == {"best"}
    assert len(next(iter(second.history)).attempts) == 1
    assert sum(costs) < 0.92 * sum(record.cost for record in first.history)


def test_the_first_solve_is_no_race_even_where_the_first_one_was():
    methods = [Priced(*FAST), Priced(*DEAR)]
    first = engine(methods)
    play(first, 20, actual=1e6)
    assert len(next(iter(first.history)).attempts) == 2
    second = again(methods, known(first))
    play(second, 1, actual=1e6)
    assert [str(attempt.configuration) for attempt in second.history.last.attempts] == ["dear"]


def test_what_takes_long_to_prepare_is_not_played_first_in_runs_that_are_short():
    methods = [Priced("light", 1.0, 1.0, 1.0), Priced(*DEAR)]
    first = engine(methods)
    play(first, 400, actual=90.0)
    assert str(first.history.last.configuration) == "dear"
    state = known(first)
    second = again(methods, state)
    play(second, 1, actual=90.0)
    assert str(second.history.last.configuration) == "dear"
    short = again(methods, {**state, "horizon": 2})
    play(short, 1, actual=90.0)
    assert str(short.history.last.configuration) == "light"


def test_arms_are_matched_by_their_spelling():
    first = engine(misjudged())
    play(first, 60)
    methods = [Priced("new", 5.0, 1.0, 2.0), *reversed(misjudged()[1:])]
    second = again(methods, known(first))
    play(second, 5)
    assert {str(record.configuration) for record in second.history} == {"best"}
    carried = known(second)["arms"]
    assert carried["fast"] == known(first)["arms"]["fast"]


def test_variances_are_wider_and_what_is_proven_counts_less():
    first = engine(misjudged())
    play(first, 60)
    (before,) = first.policies()
    second = again(misjudged(), known(first))
    after = second.group_for(Hard(version=object()))
    assert (after.beliefs.variance >= np.minimum(before.beliefs.variance, 0.42) - 1e-9).all()
    best = int(np.argmax(before.beliefs.plays))
    assert after.beliefs.variance[best] > before.beliefs.variance[best]
    assert 0 < after.beliefs.plays[best] <= 20 < before.beliefs.plays[best]
    assert not after.beliefs.ready.any()


def test_another_stream_of_the_kind_only_makes_better_forecasts():
    first = engine(misjudged())
    play(first, 60)
    second = again(misjudged(), known(first), same_stream=False)
    policy = second.group_for(Hard(version=object()))
    assert not policy.beliefs.plays.any()
    assert policy.remarks().recalled == 0
    assert str(policy.opinions()[0].configuration) == "best"
    assert policy.beliefs.difficulty_variance > 0.3


def test_seconds_of_another_machine_are_not_taken_for_those_of_this_one():
    first = engine(misjudged(), cost="time")
    play(first, 60)
    state = known(first)
    here = again(misjudged(), state, cost="time").group_for(Hard(version=object())).beliefs
    there = again(misjudged(), state, cost="time", same_machine=False).group_for(Hard(version=object())).beliefs
    best = int(np.argmax(there.plays))
    assert here.measured(best)
    assert not there.measured(best)
    assert there.plays[best] == here.plays[best] > 0
    assert there.variance[best] >= here.variance[best]
    # Work is the same everywhere.
    counted = engine(misjudged())
    play(counted, 60)
    elsewhere = again(misjudged(), known(counted), same_machine=False).group_for(Hard(version=object())).beliefs
    assert elsewhere.measured(best)


def test_what_has_failed_is_left_alone_for_a_while():
    def methods():
        return [Priced(*SLOW), Priced("bad", 0.0, 1.0, 0.1, fails=True)]

    first = engine(methods())
    play(first, 30)
    later = methods()
    play(again(later, known(first)), 5)
    assert later[1].played == 0


def test_what_was_prepared_is_not_stored_and_has_its_price():
    first = engine([Priced(*FAST), Priced(*DEAR)])
    play(first, 40, actual=1e4)
    second = again([Priced(*FAST), Priced(*DEAR)], known(first))
    costs = play(second, 3, actual=1e4)
    assert costs[0] > 500.0 > costs[1]


def test_knowledge_of_another_unit_or_version_is_not_used():
    first = engine(misjudged())
    play(first, 60)
    state = known(first)
    for other in ({**state, "unit": "time"}, {**state, "version": 2}, {**state, "policy": "ucb1"}, {}):
        fresh, told = engine(misjudged()), again(misjudged(), other)
        assert play(fresh, 20) == play(told, 20)


def test_knowledge_does_not_change_what_a_run_does_while_it_is_taken_down():
    quiet, watched = engine(misjudged()), engine(misjudged())
    play(quiet, 50)
    for _ in range(50):
        play(watched, 1)
        known(watched)
    assert [record.cost for record in quiet.history] == [record.cost for record in watched.history]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
@settings(max_examples=150)
def test_no_damage_makes_a_decision_invalid(data):
    first = engine([Priced(*FAST), Priced(*SLOW), Priced(*DEAR)])
    play(first, 8)
    state = known(first)
    for _ in range(data.draw(st.integers(1, 6))):
        table = state
        while True:
            key = data.draw(st.sampled_from(sorted(table)))
            inner = table[key]
            if not (isinstance(inner, dict) and inner and data.draw(st.booleans())):
                break
            table = inner
        table[key] = data.draw(PLAIN)
    second = again([Priced(*FAST), Priced(*SLOW), Priced(*DEAR)], state)
    costs = play(second, 6)
    assert all(0.0 < cost < math.inf for cost in costs)
    assert all(record.merit <= record.target for record in second.history)
    json.dumps(known(second))


@given(st.lists(st.floats(0.3, 3.0), min_size=1, max_size=6), st.integers(1, 40), st.floats(5.0, 3000.0))
@settings(max_examples=40)
def test_what_is_written_down_and_read_again_is_the_same(errors, solves, actual):
    methods = [Priced(f"m{k}", 5.0, 1.0, 1.0 + k, error=error) for k, error in enumerate(errors)]
    first = engine(methods)
    play(first, solves, actual=actual)
    (policy,) = first.policies()
    second = again(methods, known(first)).group_for(Hard(version=object()))
    np.testing.assert_allclose(second.beliefs._strength, policy.beliefs._strength, atol=1e-7)
    measured = policy.beliefs._measured
    factor = math.exp(policy.beliefs._common)
    costs = policy.beliefs.iterate_cost[measured]
    np.testing.assert_allclose(second.beliefs.iterate_cost[measured], factor * costs, rtol=1e-7)


def test_the_context_goes_on_meaning_what_it_meant():
    first, rng, level = Anticipation(), np.random.default_rng(0), 0.0
    for _ in range(30):
        dt = math.exp(rng.normal())
        first.expect({"dt": dt})
        first.learn(math.log(dt) - level)
        level = math.log(dt)
    assert first.trusted == ("dt",)
    second = Anticipation()
    second.recall(json.loads(json.dumps(first.state_dict())))
    assert second.expect({"dt": 1.0}) == 0.0
    assert second.trusted == ("dt",)
    assert second.expect({"dt": math.e}) == pytest.approx(1.0, abs=0.15)
    other = Anticipation()
    other.recall(first.state_dict())
    other.expect({"load": 1.0})
    assert other.trusted == ()


def test_numbers_beyond_the_context_go_on_meaning_what_they_meant():
    first, rng, level = Anticipation(), np.random.default_rng(0), 0.0
    for _ in range(40):
        size = math.exp(rng.normal())
        first.expect({"dt": 0.1}, {"index": 1.0, "size": size})
        first.learn(math.log(size) - level)
        level = math.log(size)
    assert first.trusted == ("size",)
    second = Anticipation()
    second.recall(json.loads(json.dumps(first.state_dict())))
    assert not second.restless
    second.expect({"dt": 0.1}, {"size": 1.0})
    assert second.restless
    assert second.trusted == ("size",)
    assert second.expect({"dt": 0.1}, {"size": math.e}) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize(
    "damage",
    [
        {"names": ["dt"] * 3},
        {"names": ["dt", 1, "size"]},
        {"names": ["dt", *map(str, range(40))]},
        {"given": 2},
        {"unrest": "no"},
        {"gram": [[1.0]]},
    ],
)
def test_no_damage_of_what_was_anticipated_does_harm(damage):
    first, rng = Anticipation(), np.random.default_rng(0)
    for _ in range(20):
        first.expect({"dt": 0.1}, {"index": rng.random(), "size": rng.random()})
        first.learn(rng.normal())
    second = Anticipation()
    second.recall({**first.state_dict(), **damage})
    for _ in range(10):
        assert math.isfinite(second.expect({"dt": rng.random()}, {"size": rng.random()}))
        second.learn(rng.normal())


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_learners_go_on_where_they_were(name):
    methods = [Priced(*FAST), Priced(*SLOW), Priced("third", 5.0, 1.0, 2.0)]
    first = engine(methods, learner=name)
    play(first, 25)
    state = known(first)
    second = again(methods, state, learner=name)
    learner, twin = first.policies()[0].learner, second.group_for(Hard(version=object())).learner
    learnt, gone_on = plain(learner.state_dict()), plain(twin.state_dict())
    # Runs of an ensemble must not draw the same numbers because they have the same memory.
    assert gone_on.pop("generator", None) == plain(_fresh(methods, name).state_dict()).get("generator")
    learnt.pop("generator", None)
    assert gone_on == learnt


def _fresh(methods, name):
    return engine(methods, learner=name).group_for(Hard(version=object())).learner


@given(st.data())
@settings(max_examples=60)
def test_no_damage_makes_a_learner_invalid(data):
    name = data.draw(st.sampled_from(["tsallis_inf", "cheb_cb", "ucb1", "exp3_ix"]))
    methods = [Priced(*FAST), Priced(*SLOW)]
    first = engine(methods, learner=name)
    play(first, 10)
    state = known(first)
    table = data.draw(st.sampled_from([state, state["learnt"], state["standings"]]))
    table[data.draw(st.sampled_from(sorted(table)))] = data.draw(PLAIN)
    second = again(methods, state, learner=name)
    play(second, 5)
    assert all(record.merit <= record.target for record in second.history)


def test_a_learner_of_other_arms_begins_anew_beside_what_the_engine_knows():
    methods = [Priced(*FAST), Priced(*SLOW)]
    first = engine(methods, learner="tsallis_inf")
    play(first, 30)
    second = again([Priced("new", 1.0, 1.0, 9.0), *methods], known(first), learner="tsallis_inf")
    policy = second.group_for(Hard(version=object()))
    assert policy.incumbent() is not None
    play(second, 10)
    assert policy.learner.arms == 3


def test_plain_data_comes_back_as_it_was():
    value = {"a": [1, 2.5, None, True, "x"], "b": {"c": math.inf, "d": -math.inf}}
    assert restored(json.loads(json.dumps(plain(value), allow_nan=False))) == value
    assert math.isnan(restored(plain({"n": math.nan}))["n"])
    assert plain({"v": np.arange(3.0), "n": np.int64(4), "t": (1, 2)}) == {"v": [0.0, 1.0, 2.0], "n": 4, "t": [1, 2]}
    for odd in (object(), {1: 2}, {"f": lambda: 0}):
        with pytest.raises(TypeError):
            plain(odd)
