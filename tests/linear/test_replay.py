"""Convergence histories and Ritz values of systems that were kept."""

import numpy as np
import pytest
import scipy.sparse as sp

import reiterate as rt
from reiterate.linear.door import Door
from reiterate.linear.portfolio import METHODS, configuration
from reiterate.linear.replay import KeptSystems
from reiterate.linear.spectrum import spectra
from tests.matrices import laplacian


def solver_with(method, **options):
    return rt.Solver([method], seed=0, cost="work", guesses=False, fallback=None, **options)


def traces_of(solver):
    return solver._kept.traces(METHODS, 5.0)


@pytest.mark.parametrize(
    "method", ["cg", "ssor_cg(omega=1.5)", "ic_cg", "jacobi_minres", "ilu_gmres(restart=5)", "bicgstab", "deflated_cg"]
)
def test_the_replay_is_the_solve(method):
    A, b = laplacian(20), np.random.default_rng(0).standard_normal(400)
    solver_with(method).solve(A, b)  # what compiling takes is not to count as a long solve
    solver = solver_with(method)
    solver.solve(A, b)
    last, hardest = traces_of(solver)
    assert hardest is None
    (stretch,) = last.stretches
    assert stretch.iterations[-1] == solver.last.iterations
    assert stretch.iterations[0] == 0
    assert stretch.residuals[0] == pytest.approx(1.0)
    assert stretch.residuals[-1] == pytest.approx(solver.last.merit, rel=1e-6)
    assert np.all(np.diff(stretch.iterations) > 0)
    assert np.all(stretch.residuals[:-1] > solver.last.target)


def test_the_hardest_is_kept_although_its_arrays_were_overwritten():
    A, rng = laplacian(20).tocsr(), np.random.default_rng(0)
    solver, b = solver_with("cg"), np.empty(400)
    numbers, iterations = A.data.copy(), []
    for shift in (1.0, 0.01, 1.0, 2.0):
        A.data[:] = numbers
        A.setdiag(A.diagonal() + shift)
        b[:] = rng.standard_normal(400)
        solver.solve(A, b)
        iterations.append(solver.last.iterations)
    last, hardest = traces_of(solver)
    assert hardest.record.index == 1
    assert hardest.stretches[0].iterations[-1] == iterations[1] == max(iterations)
    assert last.stretches[0].iterations[-1] == iterations[-1]
    A.data[0] *= 2.0
    last, hardest = traces_of(solver)
    assert "overwritten" in last.remark
    assert not last.stretches
    assert hardest.stretches


def test_what_was_not_solved_is_the_hardest():
    A, rng = laplacian(20), np.random.default_rng(0)
    solver = solver_with("cg")
    for cap in (None, 1e-14, None):
        b = rng.standard_normal(400)
        if cap:
            with pytest.raises(rt.NotConverged):
                solver.solve(A, b, rtol=1e-17)
        else:
            solver.solve(A, b)
    _, hardest = traces_of(solver)
    assert hardest.record.index == 1


def test_a_replay_teaches_the_stream_nothing():
    A, b = laplacian(20), np.ones(400)
    one, other = solver_with("chebyshev_cg"), solver_with("chebyshev_cg")
    for k in range(4):
        one.solve(A, b + k)
        other.solve(A, b + k)
        traces_of(other)
    assert [record.iterations for record in one.history] == [record.iterations for record in other.history]
    assert len(other.history) == 4


def test_large_systems_and_blocks_are_not_kept():
    kept = KeptSystems()
    assert kept.memory == 0
    A = laplacian(20)
    solver = solver_with("cg")
    solver.solve(A, np.random.default_rng(0).standard_normal((400, 3)))
    assert traces_of(solver) == (None, None)


def instance_of(A, b=None):
    b = np.random.default_rng(1).standard_normal(A.shape[0]) if b is None else b
    return Door().admit(A, b, None, rtol=1e-8, atol=0.0)


def test_ritz_values_are_the_eigenvalues_where_the_process_ends():
    wanted = np.array([1.0, 2.0, 5.0, 9.0, 20.0])
    (found,) = spectra(instance_of(sp.diags_array(wanted).tocsr()), None, METHODS, 10.0)
    np.testing.assert_allclose(found.values, wanted, rtol=1e-8)


def test_ritz_values_of_nonsymmetric_matrices_are_complex():
    A = sp.csr_array(np.array([[1.0, 2.0, 0.0], [-2.0, 1.0, 0.0], [0.0, 0.0, 4.0]]))
    (found,) = spectra(instance_of(A), None, METHODS, 10.0)
    np.testing.assert_allclose(sorted(found.values.imag), [-2.0, 0.0, 2.0], atol=1e-8)


@pytest.mark.parametrize("spelling", ["ic_cg", "ssor_cg", "amg_cg", "ilu_gmres"])
def test_a_preconditioner_draws_them_together(spelling):
    A = laplacian(24)
    plain, preconditioned = spectra(instance_of(A), configuration(spelling), METHODS, 10.0)
    assert preconditioned.preconditioner == configuration(spelling).method
    ratios = [np.abs(found.values).max() / np.abs(found.values).min() for found in (plain, preconditioned)]
    assert ratios[1] < 0.5 * ratios[0]
