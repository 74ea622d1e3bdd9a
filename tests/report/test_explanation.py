import numpy as np

import reiterate as rt
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
