import pickle

import numpy as np
import pytest
import scipy.sparse as sp

import reiterate as rt
from tests.integrations.conftest import optional
from tests.matrices import laplacian

pymor = optional("pymor.basic")
integration = optional("reiterate.integrations.pymor")
pytestmark = pytest.mark.filterwarnings("ignore")


def operator(A, **options):
    return pymor.NumpyMatrixOperator(A, solver=integration.ReiterateSolver(**options))


@pytest.fixture
def nonsymmetric():
    A = laplacian(15)
    return sp.csc_matrix(A + sp.diags_array([0.3], offsets=[1], shape=A.shape))


def test_a_parametric_model_is_one_stream():
    problem = pymor.thermal_block_problem((2, 2))
    with pymor.new_rng(0):
        parameters = problem.parameter_space.sample_randomly(4)
    pymor.set_log_levels({"pymor": "ERROR"})
    fom, _ = pymor.discretize_stationary_cg(problem, diameter=1 / 20)
    solver = integration.ReiterateSolver()
    tuned = fom.with_(operator=fom.operator.with_(solver=solver))
    for mu in parameters:
        expected = fom.solve(mu)
        assert (tuned.solve(mu) - expected).norm() <= 1e-10 * expected.norm()
    assert "4 solves" in solver.summary()
    assert "operator" in solver.summary()


@pytest.mark.parametrize("columns", [0, 1, 5])
def test_columns_and_adjoints(nonsymmetric, columns):
    op = operator(nonsymmetric)
    V = op.range.random(columns)
    U, info = op.apply_inverse(V, return_info=True)
    assert len(U) == columns
    assert np.all((op.apply(U) - V).norm() <= 1e-11 * V.norm())
    assert not columns or info["residual"] <= 1e-12
    for W in (op.apply_inverse_adjoint(V), op.H.apply_inverse(V)):
        assert np.all((op.apply_adjoint(W) - V).norm() <= 1e-11 * V.norm())
    assert op.H.H.solver is op.solver


def test_complex_right_sides_and_matrices(nonsymmetric):
    rng = np.random.default_rng(0)
    for A in (nonsymmetric, sp.csc_matrix(nonsymmetric + 0.5j * sp.eye_array(225))):
        op = operator(A)
        V = op.range.from_numpy(rng.standard_normal((225, 2)) + 1j * rng.standard_normal((225, 2)))
        assert np.all((op.apply(op.apply_inverse(V)) - V).norm() <= 1e-10 * V.norm())
        assert np.all((op.apply_adjoint(op.apply_inverse_adjoint(V)) - V).norm() <= 1e-10 * V.norm())


def test_initial_guesses(nonsymmetric):
    op = operator(nonsymmetric, options={"methods": ["gmres"], "fallback": None})
    U = op.source.random()
    op.apply_inverse(op.apply(U), initial_guess=U)
    assert op.solver.last.iterations == 0


def test_operators_that_only_can_be_made_matrices(nonsymmetric):
    op = pymor.NumpyMatrixOperator(nonsymmetric)
    sum_of_two = pymor.LincombOperator([op, pymor.IdentityOperator(op.source)], [1.0, 2.0])
    V = op.range.random()
    U = sum_of_two.apply_inverse(V, solver=integration.ReiterateSolver())
    assert (sum_of_two.apply(U) - V).norm() <= 1e-10 * V.norm()


def test_singular_matrices_and_limits_are_inversion_errors(nonsymmetric):
    from pymor.core.exceptions import InversionError

    singular = sp.csc_matrix(np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 1.0, 1.0]]))
    op = operator(singular)
    with pytest.raises(InversionError, match="reiterate"):
        op.apply_inverse(op.range.from_numpy(np.array([[1.0], [0.0], [1.0]])))
    op = operator(nonsymmetric, options={"methods": ["gmres"], "fallback": None, "max_iterations": 2})
    with pytest.raises(InversionError, match="reiterate") as caught:
        op.apply_inverse(op.range.random())
    assert isinstance(caught.value.__cause__, rt.NotConverged)
    with pytest.raises(InversionError):
        op.apply_inverse(op.range.from_numpy(np.full((225, 1), np.nan)))


def test_bad_options():
    with pytest.raises(rt.InvalidInput, match="rtol"):
        integration.ReiterateSolver(rtol=-1.0)
    with pytest.raises(rt.InvalidInput, match="methods"):
        integration.ReiterateSolver(options={"methods": ["no_such_method"]})


def test_copies_begin_anew(nonsymmetric):
    solver = integration.ReiterateSolver(rtol=1e-9)
    op = pymor.NumpyMatrixOperator(nonsymmetric, solver=solver)
    op.apply_inverse(op.range.random())
    for copy in (solver.with_(rtol=1e-6), pickle.loads(pickle.dumps(solver))):
        assert copy.last is None
    assert pickle.loads(pickle.dumps(solver)).rtol == 1e-9
