from dataclasses import replace

import numpy as np
import pytest

import reiterate as rt
from reiterate.configuration import Configuration
from reiterate.engine.policy import Conduct, Opinion, Policy
from reiterate.report.explanation import explain
from tests.matrices import laplacian


def play(solves, **options):
    solver = rt.Solver(seed=0, cost="work", **options)
    rng = np.random.default_rng(0)
    for k in range(solves):
        solver.solve(laplacian(20, shift=0.1 + 0.01 * k), rng.normal(size=400))
    return solver


def test_before_the_first_solve_there_is_nothing_to_explain():
    assert "race" in rt.Solver().explain()


def test_it_says_what_plays_what_was_tried_and_what_the_others_may_cost():
    solver = play(12)
    first, second, *rows = solver.explain().splitlines()
    played = {str(record.attempts[-1].configuration) for record in solver.history}
    assert first.startswith("Plays ")
    assert first.removeprefix("Plays ").split(": about")[0] in played
    assert "work units a solve" in first
    assert second.startswith("12 solves so far")
    assert any("not tried" in row for row in rows)
    costs = [float(row.split(" work units")[0].split()[-1].replace(",", "")) for row in rows if " work units" in row]
    assert costs == sorted(costs)


def test_a_learner_is_named_and_only_what_it_played_is_listed():
    solver = play(6, methods=["cg", "jacobi_cg"], learner="uniform")
    text = solver.explain()
    assert "'uniform' decides" in text
    assert "not tried" not in text


def test_every_kind_of_system_has_its_own_part():
    solver = play(3)
    solver.solve(laplacian(60), np.ones(3600))
    assert solver.explain().count("Plays ") == 2
    assert "another kind of system" in solver.explain()


class Told(Policy):
    """Nothing but what it is told to say."""

    def __init__(self, conduct):
        arm = Configuration("cg")
        super().__init__([arm])
        self.conduct = conduct
        self.known = [Opinion(arm, cost=2.0, preparing=0.0, iterations=7.0, plays=1, since=0, failing=False)]

    def turns(self, pursuit, held):
        yield self.arms[0], 1.0

    def report(self, pursuit, cost):
        pass

    def opinions(self):
        return self.known

    def remarks(self):
        return self.conduct


@pytest.mark.parametrize(
    ("conduct", "sentence"),
    [
        (Conduct(), None),
        (
            Conduct(solves=1),
            "1 solve so far; 0 were trials of something else, for 0.0 % of all cost (budget: 5 % of all cost",
        ),
        (Conduct(solves=1200, trials=1, share=0.0123), "1,200 solves so far; 1 was a trial"),
        (Conduct(learner="ucb1", solves=3), "The learner 'ucb1' decides; costs are means"),
    ],
)
def test_how_a_policy_decides_is_data_and_becomes_a_sentence_here(conduct, sentence):
    _, *lines = explain([Told(conduct)], "iterations")
    assert len(lines) == (sentence is not None)
    assert all(line.startswith(sentence) for line in lines)


def test_what_is_being_compiled_is_named():
    first, second, *_ = explain([Told(Conduct()), Told(Conduct())], "seconds", ["ssor_cg", "ic_cg"])
    assert first.startswith("Plays cg")
    assert second.startswith("Waiting for ssor_cg and ic_cg to be compiled in the background; until then")


def test_a_summary_says_so_too(monkeypatch):
    solver = rt.Solver()
    assert "waiting" not in solver.summary()
    monkeypatch.setattr(type(solver._engine), "awaited", ("ssor_cg", "ic_cg", "cg", "amg_cg", "jacobi_cg", "direct"))
    assert "(waiting for ssor_cg, ic_cg, cg, amg_cg and 2 more to be compiled in the background" in solver.summary()


@pytest.mark.parametrize(
    ("name", "steps"), [("direct", "refinement steps by a factor"), ("rslab", "refinement steps"), ("cg", "iterations")]
)
def test_what_a_direct_method_repeats_is_refinement(name, steps):
    told = Told(Conduct())
    told.known = [replace(told.known[0], configuration=Configuration(name))]
    assert f"about 7 {steps}" in explain([told], "seconds")[0]


def test_what_preparing_may_take_is_an_expectation():
    told = Told(Conduct())
    other = replace(told.known[0], configuration=Configuration("ic_cg"), preparing=66e-6, plays=0, since=None)
    told.known = [*told.known, other]
    row = explain([told], "seconds")[-1].replace("\N{NO-BREAK SPACE}", " ")
    assert row.endswith("not tried; preparing it is expected to take 66 µs")
