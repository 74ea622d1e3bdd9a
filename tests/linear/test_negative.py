"""A negative definite matrix, such as a discrete ∇², is as good as a positive definite one."""

import numpy as np
import pytest
import scipy.sparse as sp

import reiterate as rt
from reiterate.linear.door import Door
from tests.matrices import laplacian

DEFINITE = [
    "cg",
    "jacobi_cg",
    "ssor_cg(omega=1.8)",
    "ic_cg",
    "factor_cg",
    "chebyshev_cg(degree=4)",
    "deflated_cg(space=8)",
]


def neumann(m):
    A = laplacian(m)
    return sp.csr_array(A - sp.diags_array(np.asarray(A.sum(axis=1)).ravel()))


def admit(door, A):
    return door.admit(A, np.arange(1.0, A.shape[0] + 1.0), None, rtol=1e-8, atol=0.0)


@pytest.mark.parametrize("method", DEFINITE)
def test_the_same_iterations_and_the_same_solution(method):
    A, b = laplacian(12), np.random.default_rng(0).normal(size=144)
    found = []
    for sign in (1.0, -1.0):
        solver = rt.Solver([method], fallback=None, cost="work", seed=0)
        given = sp.csr_array(sign * A)
        before = given.data.copy()
        x = solver.solve(given, b)
        np.testing.assert_array_equal(given.data, before)
        assert np.linalg.norm(b - given @ x) <= 1e-8 * np.linalg.norm(b)
        assert len(solver.last.attempts) == 1
        found.append((sign * x, solver.last.iterations, solver.last.merit))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1:] == found[1][1:]


@pytest.mark.parametrize("columns", [1, 5])
@pytest.mark.parametrize("method", [["cg"], ["ssor_cg(omega=1.5)"], ["direct"], None])
def test_neumann_conditions_of_either_sign(method, columns):
    N, B = neumann(9), np.random.default_rng(1).normal(size=(81, columns))
    solver = rt.Solver(method, null_space="constant", fallback=None, seed=0, cost="work")
    X = solver.solve(-N, B)
    P = B - B.mean(axis=0)
    assert np.all(np.linalg.norm(P + N @ X, axis=0) <= 1.001e-8 * np.linalg.norm(P, axis=0))
    assert np.abs(X.mean(axis=0)).max() <= 1e-12
    assert "−A x = −b" in solver.summary()


def test_multigrid_takes_it():
    A, b = sp.csr_array(-laplacian(80)), np.ones(6400)
    solver = rt.Solver(["amg_cg"], fallback=None, seed=0)
    x = solver.solve(A, b)
    assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b)
    assert solver.last.iterations < 30


def test_only_a_symmetric_matrix_with_a_negative_diagonal_is_negated():
    A = laplacian(5)
    mixed, unsymmetric = sp.csr_array(-A), sp.csr_array(-A)
    mixed[0, 0] = 4.0
    unsymmetric[0, 1] = 3.0
    for given, negated in ((A, False), (-A, True), (mixed, False), (unsymmetric, False), ((-A).astype(complex), False)):
        instance = admit(Door(), sp.csr_array(given))
        assert instance.traits.negated == negated
        np.testing.assert_array_equal(instance.A.toarray(), (-given if negated else given).toarray())
        assert instance.traits.positive_diagonal == (negated or given is A)


def test_an_equal_matrix_is_recognized_and_negated_once():
    door, A = Door(), sp.csr_array(-laplacian(5))
    first = admit(door, A)
    again = admit(door, A.copy())
    assert again.version == first.version
    assert np.shares_memory(again.data, first.data)
    admit(door, 2.0 * A)
    back = admit(door, A)
    assert back.version == first.version
    np.testing.assert_array_equal(back.A.toarray(), -A.toarray())


def test_numbers_overwritten_by_the_caller_are_noticed():
    A, b = sp.csr_array(-laplacian(6)), np.ones(36)
    solver = rt.Solver(["ssor_cg(omega=1.3)"], fallback=None)
    for factor in (1.0, 1.5, -1.0, -2.0, 1.0):
        A.data *= factor
        x = solver.solve(A, b)
        assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b)
        assert len(solver.last.attempts) == 1


def test_complex_right_hand_sides_and_extreme_scales():
    A, rng = sp.csr_array(-laplacian(6)), np.random.default_rng(2)
    b = rng.normal(size=36) + 1j * rng.normal(size=36)
    x = rt.Solver(["cg"], fallback=None).solve(A, b)
    assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b)
    for scale in (1e200, 1e-200):
        x = rt.Solver(["cg"], fallback=None).solve(A, b.real * scale)
        assert np.linalg.norm(b.real - A @ (x / scale)) <= 1e-8 * np.linalg.norm(b.real)


def test_a_negative_diagonal_does_not_make_a_matrix_definite():
    A, rng = sp.csr_array(2.5 * sp.eye_array(81) - laplacian(9)), np.random.default_rng(3)
    solver = rt.Solver(seed=0, cost="work")
    for _ in range(4):
        b = rng.normal(size=81)
        assert np.linalg.norm(b - A @ solver.solve(A, b)) <= 1.001e-8 * np.linalg.norm(b)
