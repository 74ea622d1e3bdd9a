import math
import time

import numpy as np
import pytest

from reiterate import NotConverged, ToleranceUnreachable
from reiterate.configuration import Configuration
from reiterate.contracts import Obstacle, Status
from reiterate.engine import Engine
from tests.engine.toys import Broken, Decay, Liar, Scripted, Shrink, Slow, Unpreparable, shrink

LIAR, BROKEN, UNPREPARABLE, SLOW = (Configuration(name) for name in ("liar", "broken", "unpreparable", "slow"))


def engine(arms, rescuers=(), script=(), **options):
    methods = {method.name: method for method in (Shrink(), Liar(), Broken(), Unpreparable(), Slow())}
    learners = []

    def learner(known, rng):
        learners.append(Scripted(len(known), rng, script))
        return learners[-1]

    options.setdefault("cost", "iterations")
    built = Engine(methods, arms, rescuers, learner, np.random.default_rng(0), **options)
    return built, methods, learners


def test_choice_is_played_verified_learnt_and_recorded():
    built, methods, learners = engine([shrink(0.1), shrink(0.5)], script=[1, 0])
    assert abs(built.solve(Decay(context={"c": 2.0}), 1.0)) <= 1.5e-6
    assert abs(built.solve(Decay(), 1.0)) <= 1.5e-6
    assert learners[0].heard == [(1, 20.0, False), (0, 6.0, False)]
    first, second = built.history
    assert str(first.configuration) == "shrink(rate=0.5)"
    assert (first.iterations, first.cost, first.context) == (20, 20.0, {"c": 2.0})
    assert second.merit <= second.target
    assert methods["shrink"].warmed == 1


def test_every_variant_of_the_code_is_warmed_up_once():
    built, methods, _ = engine([shrink(0.5)])
    for traits in ({}, {"variant": "complex"}, {}, {"variant": "complex"}):
        built.solve(Decay(traits=traits), 1.0)
    assert methods["shrink"].variants == [None, "complex"]


@pytest.mark.parametrize(("cost", "expected"), [("iterations", 20.0), ("work", 21.0)])
def test_cost_units(cost, expected):
    built, _, learners = engine([shrink(0.5)], cost=cost)
    built.solve(Decay(), 1.0)
    assert learners[0].heard[0][1] == expected


def test_time_is_what_methods_took():
    built, _, learners = engine([shrink(0.5)], cost="time")
    built.solve(Decay(), 1.0)
    record = built.history.last
    assert learners[0].heard[0][1] == record.seconds > 0.0
    assert record.overhead > 0.0


def test_a_lie_is_found_out_and_a_rescuer_finishes_from_the_same_iterate():
    built, _, learners = engine([LIAR], [shrink(0.5)])
    assert abs(built.solve(Decay(), 1.0)) <= 1.5e-6
    lie, rescue = built.history.last.attempts
    assert lie.status is Status.BREAKDOWN
    assert "true one did not" in lie.reason
    assert rescue.status is Status.CONVERGED
    assert learners[0].heard[0][2] is True
    assert built.history.tallies[LIAR].rescued == 1


def test_nobody_returns_an_unverified_iterate():
    built, *_ = engine([LIAR])
    with pytest.raises(NotConverged) as caught:
        built.solve(Decay(), 1.0)
    error = caught.value
    assert (error.x, error.merit, error.target) == (1.0, 1.0, 1.5e-6)
    assert error.attempts[0].configuration == LIAR
    assert "liar" in str(error)
    assert built.history.failures == 1


def test_what_an_attempt_reveals_excludes_later_candidates():
    built, *_ = engine([BROKEN], [shrink(0.5), LIAR])
    with pytest.raises(NotConverged) as caught:
        built.solve(Decay(), 1.0)
    assert [a.configuration.method for a in caught.value.attempts] == ["broken", "liar"]
    assert caught.value.x == 1.0


def test_a_nan_never_replaces_the_best_iterate():
    built, *_ = engine([BROKEN])
    with pytest.raises(NotConverged) as caught:
        built.solve(Decay(), 0.25)
    assert caught.value.x == 0.25
    assert caught.value.merit == 0.25


def test_what_cannot_be_prepared_is_passed_over():
    built, *_ = engine([UNPREPARABLE], [shrink(0.5)])
    assert abs(built.solve(Decay(), 1.0)) <= 1.5e-6
    assert built.history.last.attempts[0].reason == "cannot be prepared"


def test_patience_stops_a_bad_choice_and_the_incumbent_finishes():
    built, _, learners = engine([shrink(0.1), shrink(0.9)], script=[0, 1], patience=2.0)
    built.solve(Decay(), 1.0)
    built.solve(Decay(), 1.0)
    capped, finish = built.history.last.attempts
    assert capped.status is Status.ITERATION_CAP
    assert capped.iterations == 20
    assert str(finish.configuration) == "shrink(rate=0.1)"
    # From 0.9^20 ≈ 0.12 instead of 1: what the bad choice achieved is not lost.
    assert finish.iterations == math.ceil(math.log(1.5e-6 / 0.9**20) / math.log(0.1))
    assert learners[0].heard[1] == (1, 25.0, True)


def test_without_patience_a_choice_is_played_to_its_end():
    built, *_ = engine([shrink(0.1), shrink(0.9)], script=[0, 1])
    built.solve(Decay(), 1.0)
    built.solve(Decay(), 1.0)
    assert len(built.history.last.attempts) == 1


def test_a_breaking_method_is_tried_ever_more_rarely():
    built, methods, _ = engine([BROKEN], [shrink(0.5)])
    broken = methods["broken"]
    broken.accepts = lambda traits: True
    methods["shrink"].accepts = lambda traits: True
    for _ in range(64):
        built.solve(Decay(), 1.0)
    assert broken.tries == 6
    assert built.history.solves == 64


def test_no_applicable_arm_goes_straight_to_the_rescuers():
    built, _, learners = engine([shrink(0.5)], [LIAR])
    with pytest.raises(NotConverged):
        built.solve(Decay(traits={"hostile": True}), 1.0)
    assert learners == []
    built, *_ = engine([shrink(0.5)])
    with pytest.raises(NotConverged, match="shrink needs nothing"):
        built.solve(Decay(traits={"hostile": True}), 1.0)


def test_a_solved_instance_teaches_nothing():
    built, _, learners = engine([shrink(0.5)])
    assert built.solve(Decay(), 1e-9) == 1e-9
    assert learners[0].heard == []
    assert built.history.last.iterations == 0


def test_a_target_below_rounding_says_so_and_ends_at_once():
    built, *_ = engine([LIAR], [shrink(0.5)])
    with pytest.raises(ToleranceUnreachable, match="double precision") as caught:
        built.solve(Decay(level=1e-3), 1e-4)
    assert caught.value.x == 1e-4
    assert len(caught.value.attempts) == 1


def test_states_are_shared_by_what_they_depend_on_and_handed_on():
    built, methods, _ = engine([shrink(0.1), shrink(0.5)], script=[0, 1, 0])
    for _ in range(3):
        built.solve(Decay(), 1.0)
    seen = methods["shrink"].preparations
    assert [rate for rate, _ in seen] == [0.1, 0.5, 0.1]
    assert [previous is None for _, previous in seen] == [True, True, False]


def test_each_set_of_applicable_arms_has_its_own_learner():
    built, _, learners = engine([shrink(0.5), LIAR], [shrink(0.5)], script=[0, 0, 0])
    built.solve(Decay(), 1.0)
    with pytest.raises(NotConverged):
        built.solve(Decay(traits={"hostile": True}), 1.0)
    built.solve(Decay(), 1.0)
    assert [learner.arms for learner in learners] == [2, 1]
    assert [len(learner.heard) for learner in learners] == [2, 1]


def test_a_time_limit_ends_the_search_for_rescuers():
    built, *_ = engine([LIAR], [shrink(0.5)], max_seconds=1e-9)
    with pytest.raises(NotConverged) as caught:
        built.solve(Decay(), 1.0)
    assert len(caught.value.attempts) == 1


def test_preparing_gets_a_share_of_the_time_and_another_method_follows():
    for rescuers, share in (([shrink(0.5)], 0.5), ([], 1.0)):
        built, methods, _ = engine([SLOW], rescuers, max_seconds=1000.0)
        before = time.perf_counter()
        if rescuers:
            assert abs(built.solve(Decay(), 1.0)) <= 1.5e-6
        else:
            with pytest.raises(NotConverged, match="slow: too slow"):
                built.solve(Decay(), 1.0)
        (deadline, *_) = methods["slow"].deadlines
        assert before <= deadline - share * 1000.0 <= time.perf_counter()
        assert built.history.last.attempts[0].status is Status.TIME_CAP


def test_there_is_no_deadline_without_a_time_limit():
    built, methods, _ = engine([SLOW], [shrink(0.5)])
    built.solve(Decay(deadline=0.0), 1.0)
    assert methods["slow"].deadlines == [None]


def test_what_was_too_slow_to_prepare_is_tried_ever_more_rarely():
    built, methods, _ = engine([SLOW], [shrink(0.5)], max_seconds=1000.0)
    for _ in range(64):
        built.solve(Decay(), 1.0)
    assert len(methods["slow"].deadlines) == 6


@pytest.mark.parametrize("proof", [True, False])
def test_an_obstacle_leads_the_message_and_its_proof_ends_the_search(proof):
    built, *_ = engine([BROKEN], [UNPREPARABLE])
    obstacle = Obstacle("it never shrinks", "take another one", proof)
    with pytest.raises(NotConverged, match=r"^it never shrinks; not converged") as caught:
        built.solve(Decay(traits={"obstacle": obstacle}), 1.0)
    assert str(caught.value).endswith("take another one")
    assert (len(caught.value.attempts) == 1) is proof
