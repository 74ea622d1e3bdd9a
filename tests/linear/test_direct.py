"""Direct methods: verified solutions or a reason, lagged factors, factors as preconditioners."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import reiterate as rt
from reiterate.contracts import Prepared, Status, Stop
from reiterate.errors import Breakdown
from reiterate.linear.direct import Direct, DirectBy
from reiterate.linear.direct_factor import DirectFactor
from reiterate.linear.door import Door
from reiterate.linear.factor_engines import ENGINES
from reiterate.linear.portfolio import METHODS
from reiterate.linear.preconditioned_cg import PreconditionedConjugateGradients
from tests.linear.factor_cases import GENERAL, admit, attempt, convection, regular, singular
from tests.matrices import definite_matrices, laplacian

METHOD = Direct()
FACTOR_CG = PreconditionedConjugateGradients(DirectFactor())


def run(method, instance, prepared=None, previous=None, x0=None, iterations=100):
    prepared = prepared or method.prepare(instance, {}, previous)
    x = np.zeros(instance.b.size) if x0 is None else x0
    return method.iterate(prepared, instance, {}, x, Stop(instance.target, iterations)), prepared


@pytest.mark.parametrize("name", ["direct", *GENERAL])
@pytest.mark.parametrize("case", regular())
def test_regular_matrices_are_solved_or_the_reason_is_given(name, case):
    A = regular()[case]
    x_true = np.random.default_rng(5).normal(size=A.shape[0])
    instance = admit(A, A @ x_true, rtol=1e-10)
    prepared, reason = attempt(lambda: METHODS[name].prepare(instance, {}))
    if prepared is None:
        assert name == "pardiso"
        assert "perturbed" in reason
        return
    progress, _ = run(METHODS[name], instance, prepared)
    assert progress.status is Status.CONVERGED
    assert progress.iterations <= 3
    assert instance.merit(progress.x) <= 1e-10


@pytest.mark.parametrize("case", singular())
def test_singular_matrices_give_a_reason_and_no_solution(case):
    A, reason = singular()[case]
    b = np.arange(1.0, A.shape[0] + 1.0)
    with pytest.raises(rt.NotConverged, match=reason):
        rt.Solver(["direct"], fallback=None).solve(A, b)


def test_consistent_singular_systems_are_solved():
    A = singular()["a hidden null space"][0]
    b = A @ np.random.default_rng(0).normal(size=36)
    x = rt.Solver(["direct"], fallback=None).solve(A, b)
    assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b)


@given(st.integers(1, 25), st.floats(0.0, 1.0), st.integers(0, 2**32 - 1))
def test_any_matrix_gives_a_verified_solution_or_a_breakdown(n, density, seed):
    rng = np.random.default_rng(seed)
    A = sp.csr_array(sp.random_array((n, n), density=density, rng=rng))
    A = sp.csr_array(sp.diags_array(10.0 ** rng.uniform(-30, 30, n)) @ A)
    instance = admit(A, rng.normal(size=n), rtol=1e-6)
    prepared, reason = attempt(lambda: METHOD.prepare(instance, {}))
    if prepared is None:
        assert "singular" in reason or "scaled" in reason
        return
    progress, _ = run(METHOD, instance, prepared)
    assert np.all(np.isfinite(progress.x))
    assert (progress.status is Status.CONVERGED) == (instance.merit(progress.x) <= 1e-6)


def test_indefiniteness_is_revealed():
    progress, _ = run(METHOD, admit(laplacian(7, shift=-2.0)))
    assert progress.revealed == {"definite": False}
    progress, _ = run(METHOD, admit(laplacian(7)))
    assert not progress.revealed


@pytest.mark.parametrize("name", ["direct", *GENERAL])
def test_a_factor_of_an_earlier_instance_serves(name):
    method, door = METHODS[name], Door()
    first = admit(convection(8), door=door)
    _, prepared = run(method, first)
    near, far = admit(convection(8) * 1.1, door=door), admit(convection(8) * -3.0, door=door)
    assert method.serves(prepared, near)
    progress, _ = run(method, near, prepared)
    assert progress.status is Status.CONVERGED
    assert 2 <= progress.iterations <= 12
    assert near.merit(progress.x) <= near.target
    assert not progress.revealed
    progress, _ = run(method, far, prepared)
    assert progress.status is Status.BREAKDOWN
    assert "refinement" in progress.reason
    assert not method.serves(prepared, admit(convection(9)))


def test_caps_are_honored_and_the_start_is_left_alone():
    instance = admit(laplacian(6), rtol=1e-30)
    x0 = np.ones(36)
    progress, _ = run(METHOD, instance, x0=x0, iterations=0)
    assert (progress.status, progress.iterations) == (Status.ITERATION_CAP, 0)
    progress, _ = run(METHOD, instance, x0=x0)
    assert progress.status is Status.BREAKDOWN
    assert "limit" in progress.reason
    np.testing.assert_array_equal(x0, 1.0)
    start = Stop(instance.target, 10, max_seconds=0.0)
    progress = METHOD.iterate(METHOD.prepare(instance, {}), instance, {}, x0, start)
    assert progress.status is Status.TIME_CAP


def test_work_counts_a_refresh_and_not_known_numbers():
    door = Door()
    first, second = admit(laplacian(8), door=door), admit(laplacian(8, shift=1.0), door=door)
    prepared = METHOD.prepare(first, {})
    work = prepared.work
    refreshed = METHOD.prepare(second, {}, prepared)
    assert refreshed.state is prepared.state
    assert refreshed.work == work > 0.0
    assert METHOD.prepare(second, {}, refreshed).work == 0.0
    assert refreshed.memory > 0


def test_a_limit_of_memory_is_a_reason():
    with pytest.raises(Breakdown, match=r"SuperLU: .*limit is 1000 bytes.*rslab: .*limit"):
        Direct(memory_limit=1000).prepare(admit(laplacian(40)), {})
    with pytest.raises(Breakdown, match="SuperLU"):
        DirectBy("superlu", memory_limit=1000).prepare(admit(laplacian(40)), {})


def test_a_missing_engine_is_named_by_the_solver(monkeypatch):
    monkeypatch.setattr(ENGINES["pardiso"], "package", "no_such_package")
    with pytest.raises(rt.InvalidInput, match="pip install pypardiso"):
        rt.Solver(["pardiso"]).solve(laplacian(4), np.ones(16))
    assert METHODS["direct"].prepare(admit(laplacian(4)), {}).state.preconditioner.factor.title == "SuperLU"


def test_a_stream_of_changing_matrices():
    solver, rng = rt.Solver(["direct"], fallback=None, rtol=1e-13), np.random.default_rng(0)
    for k in range(6):
        A = convection(9, wind=0.1 * k) if k != 3 else laplacian(5)
        b = rng.normal(size=A.shape[0])
        x = solver.solve(A, b)
        np.testing.assert_allclose(x, np.linalg.solve(A.toarray(), b), rtol=1e-9)


@given(definite_matrices(), st.integers(0, 2**32 - 1))
def test_own_factors_precondition_in_one_iteration(A, seed):
    instance = admit(A, np.random.default_rng(seed).normal(size=A.shape[0]))
    progress, _ = run(FACTOR_CG, instance)
    assert progress.status is Status.CONVERGED
    assert progress.iterations <= 2  # the second only where rounding of an ill-conditioned matrix asks for it


def test_old_factors_precondition_in_a_few():
    door, rng = Door(), np.random.default_rng(1)
    _, prepared = run(FACTOR_CG, admit(laplacian(12), door=door))
    changed = laplacian(12)
    changed.setdiag(changed.diagonal() * rng.uniform(1.0, 1.3, 144))
    instance = admit(changed, door=door)
    assert FACTOR_CG.serves(prepared, instance)
    progress, _ = run(FACTOR_CG, instance, prepared)
    plain, _ = run(METHODS["cg"], instance, iterations=1000)
    assert progress.status is Status.CONVERGED
    assert 2 <= progress.iterations < plain.iterations / 2
    # Rank two apart: three iterations, whatever the size of the change.
    changed = laplacian(12)
    changed[5, 5] *= 1e3
    changed[77, 77] *= 1e2
    progress, _ = run(FACTOR_CG, admit(changed, door=door), prepared)
    assert progress.iterations <= 3


def test_indefinite_factors_are_refused_as_preconditioners_of_cg():
    instance = admit(laplacian(7, shift=-2.0))
    with pytest.raises(Breakdown, match="not positive definite"):
        FACTOR_CG.prepare(instance, {})
    assert instance.traits.definite is False
    general = DirectFactor(definite=False)
    built = general.build(admit(convection(6)), {})
    z = np.empty(36)
    built.apply(np.ones(36), z)
    np.testing.assert_allclose(convection(6) @ z, 1.0)
    assert general.accepts(instance.traits)
    assert not DirectFactor().accepts(instance.traits)


def test_spoilt_factors_do_not_serve():
    door = Door()
    instance = admit(laplacian(6), door=door)
    prepared = FACTOR_CG.prepare(instance, {})
    assert isinstance(prepared, Prepared)
    prepared.state.preconditioner.factor.data = None
    assert not FACTOR_CG.serves(prepared, instance)
