import logging

import numpy as np
import pytest
import scipy.sparse as sp

import reiterate as rt
from tests.integrations.conftest import optional

skfem = optional("skfem")
pytestmark = pytest.mark.filterwarnings("ignore")


def poisson(refined=4):
    from skfem.models.poisson import laplace, unit_load

    basis = skfem.Basis(skfem.MeshTri().refined(refined), skfem.ElementTriP1())
    return laplace.assemble(basis), unit_load.assemble(basis), basis.get_dofs()


def test_solves_what_the_default_solves():
    A, b, walls = poisson()
    solver = rt.integrations.skfem.solver()
    for factor in (1.0, 2.0, -3.0):
        system = skfem.condense(A, factor * b, D=walls)
        expected = skfem.solve(*system)
        assert np.allclose(skfem.solve(*system, solver=solver), expected, rtol=0, atol=1e-10 * np.abs(expected).max())
    assert "3 solves" in solver.summary()
    assert solver.last.residual <= 1e-12
    assert "1 streams" in repr(solver)


def test_meshes_of_several_sizes_pass_through_one_solver():
    solver = rt.integrations.skfem.solver(rtol=1e-10)
    for refined in (2, 3, 4, 3):
        A, b, walls = poisson(refined)
        x = skfem.solve(*skfem.condense(A, b, D=walls), solver=solver)
        inner = np.setdiff1d(np.arange(b.size), walls.flatten())
        assert np.linalg.norm((b - A @ x)[inner]) <= 1e-9 * np.linalg.norm(b)


def test_options_of_a_solve_pass_through():
    A, b, walls = poisson()
    solver = rt.integrations.skfem.solver(methods=["cg"])
    skfem.solve(*skfem.condense(A, b, D=walls), solver=solver, rtol=1e-3)
    assert 1e-12 < solver.last.residual <= 1e-3


def test_what_does_not_converge_is_warned_of_as_in_scikit_fem(caplog):
    A, b, walls = poisson()
    stopped = {"methods": ["cg"], "fallback": None, "max_iterations": 3}
    system = skfem.condense(A, b, D=walls)
    with caplog.at_level(logging.WARNING, logger="skfem.utils"):
        x = skfem.solve(*system, solver=rt.integrations.skfem.solver(**stopped))
    assert "did not converge" in caplog.text
    assert np.all(np.isfinite(x))
    with pytest.raises(rt.NotConverged):
        skfem.solve(*system, solver=rt.integrations.skfem.solver(strict=True, **stopped))


def test_a_singular_matrix(caplog):
    A = sp.csr_matrix(np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 1.0, 1.0]]))
    with caplog.at_level(logging.WARNING, logger="skfem.utils"):
        skfem.solve(A, np.array([1.0, 0.0, 1.0]), solver=rt.integrations.skfem.solver())
    assert "did not converge" in caplog.text


def test_bad_input():
    A, b, walls = poisson()
    solver = rt.integrations.skfem.solver()
    with pytest.raises(rt.InvalidInput, match="eigenvalue"):
        skfem.solve(A, sp.csr_matrix(A), solver=solver)
    with pytest.raises(rt.InvalidInput, match="b"):
        solver(A, "right side")
    with pytest.raises(rt.InvalidInput, match="strict"):
        rt.integrations.skfem.solver(strict="yes")
    with pytest.raises(rt.InvalidInput, match="rtol"):
        rt.integrations.skfem.solver(rtol=-1.0)
    with pytest.raises(TypeError):
        skfem.solve(*skfem.condense(A, b, D=walls), solver=solver, permc_spec="COLAMD")
    b[3] = np.nan
    with pytest.raises(rt.InvalidInput, match="b"):
        solver(A, b)
