import doctest
import json
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import reiterate as rt
import reiterate.solver
from reiterate.contracts import Status
from reiterate.learners import LEARNERS
from tests.matrices import definite_matrices, laplacian

GOLDEN = Path(__file__).parent / "golden_heat.json"


def residual(A, b, x):
    return np.linalg.norm(b - A @ x) / np.linalg.norm(b)


def decisions(learner, *, steps=60, seed=0, cost="iterations"):
    solver = rt.Solver(guesses=False, learner=learner, cost=cost, seed=seed)
    simulation = rt.gallery.heat(nx=10, steps=steps, start=0.4)
    for system in simulation:
        simulation.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
    return [[str(r.configuration), r.iterations, r.cost] for r in solver.history]


@given(definite_matrices(), st.integers(0, 2**32 - 1), st.sampled_from(["cg", "jacobi_cg", "ssor_cg", "sor", "direct"]))
def test_every_solution_is_verified_whatever_is_played(A, seed, method):
    rng = np.random.default_rng(seed)
    solver = rt.Solver([method], seed=seed, cost="work")
    for _ in range(2):
        b = rng.normal(size=A.shape[0])
        x = solver.solve(A, b)
        assert x.dtype == np.float64
        assert residual(A, b, x) <= 1e-8
        assert solver.last.residual <= 1e-8


def test_solutions_agree_with_scipy_on_a_stream():
    rng, solver = np.random.default_rng(0), rt.Solver(seed=0, rtol=1e-11)
    for k in range(30):
        A, b = laplacian(12, shift=0.01 * k), rng.normal(size=144)
        np.testing.assert_allclose(solver.solve(A, b), sp.linalg.spsolve(A.tocsc(), b), rtol=1e-7, atol=1e-9)
    assert solver.history.solves == 30


@pytest.mark.parametrize("cost", ["iterations", "work"])
@pytest.mark.parametrize("learner", [*LEARNERS, "auto"])
def test_counted_costs_and_a_seed_make_runs_equal(learner, cost):
    assert decisions(learner, cost=cost) == decisions(learner, cost=cost)
    if learner in ("uniform", "tsallis_inf"):
        assert decisions(learner, cost=cost) != decisions(learner, cost=cost, seed=1)


def test_the_deterministic_run_is_the_golden_one():
    assert decisions("tsallis_inf") == json.loads(GOLDEN.read_text())


def test_a_fixed_configuration_is_always_played():
    solver = rt.Solver(methods=["ssor_cg(omega=1.5)"])
    for _ in range(3):
        solver.solve(laplacian(8), np.ones(64))
    assert {str(record.configuration) for record in solver.history} == {"ssor_cg(omega=1.5)"}
    assert solver.last.attempts[0].status is Status.CONVERGED


def test_atol_and_tolerances_of_one_system():
    A, b = laplacian(10), np.random.default_rng(0).normal(size=100)
    solver = rt.Solver(["cg"], rtol=1e-10)
    solver.solve(A, b)
    tight = solver.last.iterations
    x = solver.solve(A, b, rtol=0.0, atol=1e-2)
    assert np.linalg.norm(b - A @ x) <= 1e-2
    assert solver.last.iterations < tight


def test_an_exact_guess_costs_nothing_and_is_kept():
    A, x = laplacian(10), np.arange(100.0)
    solver = rt.Solver(["cg"])
    np.testing.assert_array_equal(solver.solve(A, A @ x, x0=x), x)
    assert solver.last.iterations == 0


@pytest.mark.parametrize("method", ["cg", "jacobi_cg", "sor", "ssor_cg", "direct"])
def test_a_zero_right_hand_side_has_the_solution_zero(method):
    solver = rt.Solver([method])
    x = solver.solve(laplacian(6), np.zeros(36), x0=np.ones(36))
    np.testing.assert_array_equal(x, 0.0)
    singular = sp.csr_array(np.ones((3, 3)))
    np.testing.assert_array_equal(solver.solve(singular, np.zeros(3)), 0.0)


def test_an_indefinite_matrix_handed_to_cg_is_solved_by_another_method():
    A, b = laplacian(10, shift=-2.0), np.ones(100)
    for method in ("cg", "ssor_cg(omega=1.2)"):
        solver = rt.Solver([method])
        assert residual(A, b, solver.solve(A, b)) <= 1e-8
        first, *_, last = solver.last.attempts
        assert first.status is Status.BREAKDOWN
        assert "positive definite" in first.reason
        assert str(last.configuration) == "direct"
    with pytest.raises(rt.NotConverged, match="not positive definite"):
        rt.Solver(["cg"], fallback=None).solve(A, b)


def test_an_unsymmetric_matrix_goes_to_the_fallback():
    A = laplacian(6) + sp.csr_array(np.triu(np.full((36, 36), 0.1), 1))
    b = np.ones(36)
    solver = rt.Solver(["ssor_cg"])
    assert residual(A, b, solver.solve(A, b)) <= 1e-8
    assert str(solver.last.configuration) == "direct"
    with pytest.raises(rt.NotConverged, match="symmetric"):
        rt.Solver(["ssor_cg"], fallback=None).solve(A, b)


def test_a_zero_on_the_diagonal_goes_to_the_fallback():
    A = sp.csr_array(np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 3.0]]))
    for matrix in (
        A,
        sp.csr_array(
            (np.array([0.0, 1, 1, 0, 1, 1, 3]), A.indices.tolist() and [0, 1, 0, 1, 2, 1, 2], [0, 2, 5, 7]),
            shape=(3, 3),
        ),
    ):
        for methods in (["sor"], ["ssor_cg"]):
            solver = rt.Solver(methods)
            assert residual(matrix, np.ones(3), solver.solve(matrix, np.ones(3))) <= 1e-8
            assert str(solver.last.attempts[-1].configuration) == "direct"


def test_a_singular_matrix_is_loud():
    A = laplacian(6)
    A = A - sp.diags_array(np.asarray(A.sum(axis=1)).ravel())
    with pytest.raises(rt.InvalidInput, match="no x can meet the tolerance"):
        rt.Solver(max_iterations=200).solve(A, np.ones(36))
    B = sp.csr_array(sp.diags_array(np.linspace(1.0, 2.0, 36)) @ A)
    with pytest.raises(rt.NotConverged) as caught:
        rt.Solver(max_iterations=200).solve(B, np.ones(36))
    assert np.all(np.isfinite(caught.value.x))
    assert caught.value.merit <= 1.0
    assert caught.value.attempts
    with pytest.raises(rt.NotConverged, match="singular"):
        rt.Solver(["direct"], fallback=None).solve(sp.csr_array(np.ones((3, 3))), np.array([1.0, 2.0, 3.0]))


def test_a_diverging_iteration_is_replaced():
    A = laplacian(3, shift=-3.9)
    solver = rt.Solver(["sor(omega=1.9)"])
    assert residual(A, np.ones(9), solver.solve(A, np.ones(9))) <= 1e-8
    assert "grows" in solver.last.attempts[0].reason or "overflow" in solver.last.attempts[0].reason


@pytest.mark.parametrize("method", ["cg", "ssor_cg(omega=1.5)", "direct"])
def test_an_unreachable_tolerance_says_so_and_returns_the_best(method):
    A, b = laplacian(30), np.random.default_rng(0).normal(size=900)
    with pytest.raises(rt.ToleranceUnreachable, match="double precision") as caught:
        rt.Solver([method], rtol=1e-18).solve(A, b)
    assert residual(A, b, caught.value.x) < 1e-13
    assert caught.value.merit == pytest.approx(residual(A, b, caught.value.x), rel=0.1)


def test_a_tight_but_reachable_tolerance_is_met():
    A, b = laplacian(30), np.random.default_rng(0).normal(size=900)
    for method in ("cg", "ssor_cg(omega=1.5)", "jacobi_cg"):
        assert residual(A, b, rt.Solver([method], rtol=1e-14).solve(A, b)) <= 1.1e-14


def test_iteration_and_time_caps_lead_to_not_converged():
    A, b = laplacian(40), np.random.default_rng(0).normal(size=1600)
    with pytest.raises(rt.NotConverged) as caught:
        rt.Solver(["cg"], fallback=None, max_iterations=5).solve(A, b)
    assert caught.value.attempts[0].iterations == 5
    assert caught.value.merit < 10.0
    with pytest.raises(rt.NotConverged, match="time cap"):
        rt.Solver(["sor(omega=1.0)"], fallback=None, max_seconds=1e-4).solve(laplacian(60), np.ones(3600))


def test_ctrl_c_leaves_the_solver_usable():
    A = laplacian(120)
    b = np.random.default_rng(0).normal(size=120 * 120)
    solver = rt.Solver(["sor(omega=1.0)"], learner="fixed", max_iterations=10**9, rtol=1e-13)
    solver.solve(laplacian(5), np.ones(25))
    timer = threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        solver.solve(A, b)
    timer.join()
    x = solver.solve(laplacian(5), np.ones(25))
    assert residual(laplacian(5), np.ones(25), x) <= 1e-13
    assert solver.history.solves == 2


def test_a_changed_pattern_is_noticed():
    solver = rt.Solver(["ssor_cg(omega=1.5)"])
    for A in (laplacian(8), laplacian(9), laplacian(8), laplacian(4, 3), sp.csr_array(2 * sp.eye_array(64))):
        b = np.random.default_rng(A.shape[0]).normal(size=A.shape[0])
        assert residual(A, b, solver.solve(A, b)) <= 1e-8


def test_a_pattern_changed_in_place_gives_no_wrong_answer():
    A = laplacian(8)
    solver, b = rt.Solver(["ssor_cg(omega=1.5)"]), np.ones(64)
    solver.solve(A, b)
    A.indices[:] = A.indices[::-1].copy()[::-1]
    A.data *= 1.5
    assert residual(A, b, solver.solve(A, b)) <= 1e-8


def test_context_and_features_are_recorded():
    solver = rt.Solver(learner="cheb_cb", cost="work", seed=0)
    solver.solve(laplacian(8), np.ones(64), context={"dt": 0.1})
    assert solver.last.context["dt"] == 0.1
    assert 0.0 < solver.last.context["coupling"] < 1.0
    assert next(iter(solver.last.context)) == "dt"


def test_summary_and_repr_tell_what_happened():
    solver = rt.Solver(["cg", "ssor_cg(omega=1.5)"], learner="uniform", seed=0, cost="iterations")
    for _ in range(10):
        solver.solve(laplacian(8), np.ones(64))
    text = solver.summary()
    assert "10 solves, 0 failed" in text
    assert "ssor_cg(omega=1.5)" in text
    assert "2 configurations" in repr(solver)
    assert "0 solves" in rt.Solver().summary()


def test_one_off_and_stream():
    A, b = laplacian(8), np.ones(64)
    assert residual(A, b, rt.solve(A, b)) <= 1e-8
    assert residual(A, b, rt.solve(A, b, rtol=1e-12)) <= 1e-12
    solver = rt.Solver(seed=0)
    solutions = list(rt.solve_stream([(A, b), (A, 2 * b, b)], solver))
    assert len(solutions) == solver.history.solves == 2
    assert residual(A, 2 * b, solutions[1]) <= 1e-8
    with pytest.raises(rt.InvalidInput, match="systems"):
        list(rt.solve_stream([(A,)]))


@pytest.mark.parametrize("form", [sp.csr_array.toarray, sp.linalg.aslinearoperator, sp.coo_matrix])
@pytest.mark.parametrize("shift", [0.0, -0.5])
def test_one_off_takes_every_form_of_matrix(form, shift):
    A, b = laplacian(8, shift=shift), np.ones(64)
    assert residual(A, b, rt.solve(form(A), b)) <= 1e-8


def test_a_stream_takes_the_options_of_a_new_solver():
    A, b = laplacian(8), np.ones(64)
    (x,) = rt.solve_stream([(A, b)], rtol=1e-2, methods=["cg"], fallback=None)
    assert 1e-8 < residual(A, b, x) <= 1e-2
    with pytest.raises(rt.InvalidInput, match="either it or rtol") as caught:
        rt.solve_stream([(A, b)], rt.Solver(), rtol=1e-2)
    assert caught.value.argument == "solver"
    with pytest.raises(rt.InvalidInput, match="rtol"):
        rt.solve_stream([(A, b)], rtol=-1.0)


@pytest.mark.parametrize("shape", [(64, 0), (64, 7, 1), (63,), (1, 64), (63, 1), (63, 2), ()])
def test_a_right_hand_side_of_another_shape_is_told_what_it_may_be(shape):
    with pytest.raises(rt.InvalidInput, match=r"it must be \(64,\) or \(64, k\)") as caught:
        rt.solve(laplacian(8), np.ones(shape))
    assert caught.value.argument == "b"


def test_quick_progress_is_not_shown(capsys):
    A, b = laplacian(8), np.ones(64)
    assert len(list(rt.solve_stream([(A, b)] * 3, progress=True))) == 3
    assert capsys.readouterr() == ("", "")


def test_a_learner_of_ones_own():
    from reiterate.learners.simple import Fixed

    solver = rt.Solver(learner=lambda arms, rng: Fixed(arms, rng, arm=1))
    solver.solve(laplacian(8), np.ones(64))
    assert str(solver.last.configuration) == "jacobi_cg"


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"methods": ["nonsense"]}, "methods"),
        ({"learner": "nonsense"}, "learner"),
        ({"cost": "money"}, "cost"),
        ({"rtol": -1.0}, "rtol"),
        ({"rtol": 1.0}, "rtol"),
        ({"rtol": float("nan")}, "rtol"),
        ({"rtol": "1e-8"}, "rtol"),
        ({"atol": float("inf")}, "atol"),
        ({"atol": True}, "atol"),
        ({"seed": -1}, "seed"),
        ({"seed": "x"}, "seed"),
        ({"fallback": "nonsense"}, "fallback"),
        ({"fallback": "ssor_cg(omega=5)"}, "fallback"),
        ({"fallback": 3}, "fallback"),
        ({"max_iterations": 0}, "max_iterations"),
        ({"max_iterations": 1.5}, "max_iterations"),
        ({"max_iterations": None}, "max_iterations"),
        ({"max_seconds": 0.0}, "max_seconds"),
        ({"patience": -2}, "patience"),
        ({"patience": 0.5}, "patience"),
        ({"guesses": 3}, "guesses"),
        ({"guesses": None}, "guesses"),
    ],
)
def test_options_that_cannot_be_used(options, argument):
    with pytest.raises(rt.InvalidInput) as caught:
        rt.Solver(**options)
    assert caught.value.argument == argument


def test_docstring_example():
    assert doctest.testmod(reiterate.solver).failed == 0
    assert doctest.testmod(rt).failed == 0
