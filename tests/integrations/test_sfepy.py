import numpy as np
import pytest
import scipy.sparse as sp

import reiterate as rt
from tests.integrations.conftest import optional
from tests.matrices import laplacian

optional("sfepy")
integration = optional("reiterate.integrations.sfepy")
base = optional("sfepy.base.base")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def messages(monkeypatch):
    """What SfePy says."""
    said = []
    monkeypatch.setattr(integration, "output", lambda text, verbose=True: verbose and said.append(text))
    base.output.set_output(quiet=True)
    yield said
    base.output.set_output(quiet=False)


def test_registered_under_its_name():
    from sfepy.solvers import Solver

    solver = Solver.any_from_conf(base.Struct(name="ls", kind="ls.reiterate", options={"methods": ["ic_cg"]}))
    assert isinstance(solver, integration.ReiterateSolver)
    assert solver.get_tolerance() == (0.0, 1e-12)


def test_solves_as_every_linear_solver_of_sfepy():
    A = laplacian(20)
    rng = np.random.default_rng(0)
    status = {}
    solver = integration.ReiterateSolver({}, mtx=A)
    for _ in range(3):
        x = rng.standard_normal(400)
        assert np.allclose(solver(A @ x, x0=np.zeros(400), status=status), x, rtol=0, atol=1e-9)
    assert status["converged"]
    assert status["n_iter"] >= 1
    assert status["time"] > 0.0
    assert "3 solves" in solver.summary()


def test_newton_in_a_problem():
    from sfepy.discrete import Equation, Equations, FieldVariable, Integral, Material, Problem
    from sfepy.discrete.conditions import Conditions, EssentialBC
    from sfepy.discrete.fem import FEDomain, Field
    from sfepy.mesh.mesh_generators import gen_block_mesh
    from sfepy.solvers.ls import ScipyDirect
    from sfepy.solvers.nls import Newton
    from sfepy.terms import Term

    def run(linear_solver):
        domain = FEDomain("d", gen_block_mesh([1.0, 1.0], [12, 12], [0.5, 0.5], verbose=False))
        whole = domain.create_region("Omega", "all")
        left = domain.create_region("Left", "vertices in x < 1e-6", "facet")
        field = Field.from_args("T", np.float64, 1, whole, approx_order=1)
        u, v = FieldVariable("u", "unknown", field), FieldVariable("v", "test", field, primary_var_name="u")
        integral, load = Integral("i", order=2), Material("f", val=1.0)
        stiff = Term.new("dw_laplace(v, u)", integral, whole, v=v, u=u)
        force = Term.new("dw_volume_lvf(f.val, v)", integral, whole, f=load, v=v)
        problem = Problem("p", equations=Equations([Equation("balance", stiff - force)]))
        problem.set_bcs(ebcs=Conditions([EssentialBC("fixed", left, {"u.0": 0.0})]))
        problem.set_solver(Newton({}, lin_solver=linear_solver, status=base.IndexedStruct()))
        return problem.solve(save_results=False)()

    expected = run(ScipyDirect({}))
    found = run(integration.ReiterateSolver({}))
    assert np.abs(found - expected).max() <= 1e-10 * np.abs(expected).max()


def test_what_does_not_converge_is_said(messages):
    A = laplacian(20)
    stopped = {"i_max": 2, "options": {"methods": ["cg"], "fallback": None}}
    status = {}
    x = integration.ReiterateSolver(stopped)(np.ones(400), mtx=A, status=status)
    assert np.all(np.isfinite(x))
    assert status["converged"] is False
    assert any("not converged" in message for message in messages)
    with pytest.raises(rt.NotConverged):
        integration.ReiterateSolver({**stopped, "strict": True})(np.ones(400), mtx=A)


def test_a_singular_matrix_is_said(messages):
    A = sp.csr_array(np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 1.0, 1.0]]))
    integration.ReiterateSolver({})(np.array([1.0, 0.0, 1.0]), mtx=A)
    assert any("not converged" in message for message in messages)


def test_tolerances_of_the_call_count(messages):
    A = laplacian(20)
    solver = integration.ReiterateSolver({"verbose": True, "options": {"methods": ["cg"], "fallback": None}})
    solver(np.ones(400), mtx=A, eps_r=1e-3)
    assert 1e-12 < solver.last.residual <= 1e-3
    assert any("iterations" in message for message in messages)


def test_bad_input():
    with pytest.raises(rt.InvalidInput, match="options"):
        integration.ReiterateSolver({"options": ["cg"]})
    with pytest.raises(rt.InvalidInput, match="methods"):
        integration.ReiterateSolver({"options": {"methods": ["no_such_method"]}})
    with pytest.raises(rt.InvalidInput, match="b"):
        integration.ReiterateSolver({})(np.full(9, np.nan), mtx=laplacian(3))
