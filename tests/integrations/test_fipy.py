import gc

import numpy as np
import pytest

import reiterate as rt
from tests.integrations.conftest import optional

fp = optional("fipy")
integration = optional("reiterate.integrations.fipy")
pytestmark = pytest.mark.filterwarnings("ignore")


def diffusion(solver=None, steps=4, side=20):
    """Nonlinear diffusion between two walls; what every step solves with comes from ``solver()``."""
    mesh = fp.Grid2D(nx=side, ny=side)
    phi = fp.CellVariable(mesh=mesh, value=0.0)
    phi.constrain(1.0, mesh.facesLeft)
    phi.constrain(0.0, mesh.facesRight)
    equation = fp.TransientTerm() == fp.DiffusionTerm(1.0 + phi)
    for _ in range(steps):
        equation.solve(phi, dt=10.0, solver=None if solver is None else solver())
    return phi


def test_agrees_with_the_default():
    expected = np.array(diffusion())
    assert np.allclose(diffusion(integration.LinearReiterateSolver), expected, rtol=0, atol=1e-10)


def test_solvers_made_anew_share_what_they_know_of_a_variable():
    made = []

    def make():
        made.append(integration.LinearReiterateSolver())
        return made[-1]

    phi = diffusion(make)
    assert "4 solves" in made[-1].summary()
    assert integration._shared
    del phi, made[:]
    gc.collect()
    assert not integration._shared, "what is known of a variable ends with it"


def test_solvers_with_options_know_what_they_have_seen_themselves():
    solver = integration.LinearReiterateSolver(methods=["jacobi_cg"])
    diffusion(lambda: solver)
    assert {str(record.configuration) for record in solver._own.solvers[0].history} == {"jacobi_cg"}
    assert solver.last.iterations > 0


@pytest.mark.parametrize("criterion", ["default", "RHS", "unscaled", "matrix", "initial", "legacy"])
def test_criteria_are_those_of_fipy(criterion):
    mesh = fp.Grid1D(nx=200)
    phi = fp.CellVariable(mesh=mesh, value=0.5)
    phi.constrain(1.0, mesh.facesLeft)
    phi.constrain(0.0, mesh.facesRight)
    solver = integration.LinearReiterateSolver(
        tolerance=1e-6, criterion=criterion, methods=["cg"], guesses=False, fallback=None
    )
    equation = fp.TransientTerm() == fp.DiffusionTerm(5.0)
    solver = equation._prepareLinearSystem(phi, solver, (), 1.0)
    L, x, b = solver._Lxb
    L, x, b = L.copy(), x.copy(), b.copy()
    scale = {
        "unscaled": 1.0,
        "matrix": abs(L).sum(axis=1).max(),
        "initial": np.linalg.norm(L @ x - b),
    }.get(criterion, np.linalg.norm(b))
    solver._solve()
    residual = np.linalg.norm(L @ np.array(phi) - b)
    assert 1e-14 * scale < residual <= 1e-6 * scale * (1 + 1e-9)
    assert solver.convergence.tolerance_scale == pytest.approx(scale)
    assert solver.convergence.residual == pytest.approx(residual, rel=1e-6)


def test_nothing_left_to_do():
    mesh = fp.Grid1D(nx=10)
    phi = fp.CellVariable(mesh=mesh, value=0.0)
    phi.constrain(0.0, mesh.facesLeft)
    solver = integration.LinearReiterateSolver(criterion="initial")
    (fp.TransientTerm() == fp.DiffusionTerm(1.0)).solve(phi, dt=1.0, solver=solver)
    assert np.all(np.array(phi) == 0.0)
    assert type(solver.convergence).__name__ == "SciPy_Convergence"


def test_default_solvers_inside_a_block():
    before = fp.solvers.DefaultSolver
    with integration.default_solvers():
        assert fp.solvers.DefaultSolver is integration.LinearReiterateSolver
        phi = diffusion()
    assert fp.solvers.DefaultSolver is before
    assert np.allclose(phi, np.array(diffusion()), rtol=0, atol=1e-10)
    with pytest.raises(KeyError), integration.default_solvers():
        raise KeyError
    assert fp.solvers.DefaultSolver is before


def test_coupled_variables():
    def run(solver):
        mesh = fp.Grid1D(nx=60, dx=1.0)
        u, v = fp.CellVariable(mesh=mesh, value=1.0), fp.CellVariable(mesh=mesh, value=0.0)
        u.constrain(0.0, mesh.facesLeft)
        v.constrain(1.0, mesh.facesRight)
        first = fp.TransientTerm(var=u) == fp.DiffusionTerm(2.0, var=u) + fp.DiffusionTerm(-0.5, var=v)
        second = fp.TransientTerm(var=v) == fp.DiffusionTerm(0.5, var=u) + fp.DiffusionTerm(1.0, var=v)
        for _ in range(3):
            (first & second).solve(dt=5.0, solver=solver() if solver else None)
        return np.array(u), np.array(v), u

    expected, found = run(None), run(integration.LinearReiterateSolver)
    assert np.allclose(found[:2], expected[:2], rtol=0, atol=1e-9)


def test_what_does_not_converge_is_warned_of_as_in_fipy():
    from fipy.solvers.convergence import DivergenceWarning

    solver = integration.LinearReiterateSolver(iterations=2, methods=["cg"], fallback=None)
    with pytest.warns(DivergenceWarning, match="SCIPY_MAXIT"):
        phi = diffusion(lambda: solver, steps=1)
    assert np.all(np.isfinite(np.array(phi)))


def test_a_singular_matrix_is_refused_where_no_solution_exists():
    mesh = fp.Grid1D(nx=30)
    phi = fp.CellVariable(mesh=mesh, value=0.0)
    with pytest.raises(rt.InvalidInput, match="constants"):
        (fp.DiffusionTerm(1.0) == -1.0).solve(phi, solver=integration.LinearReiterateSolver())


def test_bad_input():
    with pytest.raises(rt.InvalidInput, match="methods"):
        integration.LinearReiterateSolver(methods=["no_such_method"])
    with pytest.raises(TypeError):
        integration.LinearReiterateSolver(no_such_option=1)
    mesh = fp.Grid1D(nx=10)
    phi = fp.CellVariable(mesh=mesh, value=0.0)
    phi.constrain(1.0, mesh.facesLeft)
    equation = fp.TransientTerm() == fp.DiffusionTerm(float("nan"))
    with pytest.raises(rt.InvalidInput):
        equation.solve(phi, dt=1.0, solver=integration.LinearReiterateSolver())
