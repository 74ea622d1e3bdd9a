import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import aslinearoperator

import reiterate as rt
from reiterate.contracts import Status, Stop
from reiterate.errors import Breakdown
from reiterate.linear.block import ColumnByColumn
from reiterate.linear.door import Door
from reiterate.linear.portfolio import DEFAULT, METHODS, configuration
from reiterate.linear.uncompiled import SUBSTITUTES, UNCOMPILED
from tests.kernels.test_compiling import EVERY_MODULE, signatures
from tests.matrices import laplacian

DEFINITE = ("scipy_cg", "pyamg_cg")
GENERAL = ("scipy_bicgstab", "scipy_ilu_bicgstab")


def convection(points=12):
    wind = sp.diags_array([-0.4, 0.4], offsets=[-1, 1], shape=(points**2, points**2))
    return sp.csr_array(laplacian(points) + wind)


def helmholtz(points=12):
    return sp.csr_array(laplacian(points) + (0.3j - 0.2) * sp.eye_array(points**2))


def hermitian(points=12):
    turn = sp.diags_array([-0.3j, 0.3j], offsets=[-1, 1], shape=(points**2, points**2), dtype=complex)
    return sp.csr_array(laplacian(points) + turn)


def admit(A, b=None, **tolerances):
    options = {"rtol": 1e-8, "atol": 0.0, **tolerances}
    return Door().admit(A, np.ones(A.shape[0]) if b is None else b, None, **options)


def run(name, instance, start=None, iterations=1000, seconds=None):
    method = UNCOMPILED[name]
    prepared = method.prepare(instance, {})
    start = instance.origin() if start is None else start
    return method.iterate(prepared, instance, {}, start, Stop(instance.target, iterations, seconds))


@pytest.mark.parametrize(
    ("name", "A"),
    [
        *((name, laplacian(20)) for name in UNCOMPILED),
        ("scipy_cg", hermitian()),
        ("scipy_cg", aslinearoperator(laplacian(12))),
        *((name, A) for name in GENERAL for A in (convection(), helmholtz())),
        ("scipy_bicgstab", aslinearoperator(convection())),
        (
            "scipy_ilu_bicgstab",
            sp.csr_array(sp.block_array([[laplacian(5), sp.eye_array(25)], [sp.eye_array(25), None]])),
        ),
    ],
)
def test_the_residual_is_reached(name, A):
    instance = admit(A)
    assert UNCOMPILED[name].accepts(instance.traits)
    start = np.linspace(0.0, 1.0, A.shape[0]).astype(instance.b.dtype)
    kept = start.copy()
    progress = run(name, instance, start)
    assert progress.status is Status.CONVERGED
    assert instance.merit(progress.x) <= 1e-8
    assert progress.iterations > 0
    assert progress.work > 0.0
    np.testing.assert_array_equal(start, kept)


@pytest.mark.parametrize("name", UNCOMPILED)
def test_caps_are_kept_and_the_iteration_goes_on_from_there(name):
    instance = admit(laplacian(20))
    first = run(name, instance, iterations=2)
    assert (first.status, first.iterations) == (Status.ITERATION_CAP, 2)
    whole = run(name, instance)
    assert run(name, instance, first.x).iterations <= whole.iterations + 2
    at_the_cap = run(name, instance, iterations=whole.iterations)
    assert at_the_cap.status is Status.CONVERGED
    np.testing.assert_array_equal(at_the_cap.x, whole.x)


@pytest.mark.parametrize("name", ["scipy_cg", "scipy_bicgstab"])
def test_a_time_cap_is_heeded_soon(name):
    progress = run(name, admit(laplacian(80), rtol=1e-10), seconds=0.0)
    assert progress.status is Status.TIME_CAP
    assert progress.iterations < 100


@pytest.mark.parametrize("name", UNCOMPILED)
def test_nothing_is_iterated_at_the_solution(name):
    A = laplacian(10)
    x = np.arange(100.0)
    progress = run(name, admit(A, A @ x), x)
    assert (progress.status, progress.iterations) == (Status.CONVERGED, 0)


def test_indefiniteness_is_revealed():
    A = sp.diags_array([-1.0, 1.0, -1.0], offsets=[-1, 0, 1], shape=(40, 40)).tocsr()
    progress = run("scipy_cg", admit(A, np.arange(40.0)))
    assert progress.status is Status.BREAKDOWN
    assert progress.revealed == {"definite": False}


@pytest.mark.parametrize("name", ["scipy_cg", "scipy_bicgstab"])
def test_overflow_ends_it(name):
    instance = admit(laplacian(5) * 1e200)
    progress = run(name, instance, np.full(25, 1e200))
    assert progress.status is Status.BREAKDOWN


def test_a_singular_matrix_has_no_incomplete_factors():
    with pytest.raises(Breakdown, match="SuperLU"):
        UNCOMPILED["scipy_ilu_bicgstab"].prepare(admit(sp.csr_array([[1.0, 1.0], [1.0, 1.0]])), {})


@pytest.mark.parametrize("name", UNCOMPILED)
def test_an_old_state_serves_a_later_matrix_of_its_size_and_type(name):
    method = UNCOMPILED[name]
    prepared = method.prepare(admit(laplacian(20)), {})
    later = admit(sp.csr_array(laplacian(20) + 0.1 * sp.eye_array(400)))
    assert method.serves(prepared, later)
    progress = method.iterate(prepared, later, {}, later.origin(), Stop(later.target, 1000))
    assert later.merit(progress.x) <= 1e-8
    assert not method.serves(prepared, admit(laplacian(19)))
    assert not method.serves(prepared, admit(helmholtz(20)))


def test_nothing_random_is_used_or_disturbed():
    before = np.random.get_state()[1:3]  # noqa: NPY002 - what a program may depend on
    first, second = (run("pyamg_cg", admit(laplacian(30))).x for _ in range(2))
    after = np.random.get_state()[1:3]  # noqa: NPY002
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(before[0], after[0])
    assert before[1] == after[1]


@pytest.mark.parametrize("name", UNCOMPILED)
def test_they_compile_nothing(name):
    before = signatures(EVERY_MODULE)
    ColumnByColumn(UNCOMPILED[name]).warm_up()
    run(name, admit(laplacian(7)))
    assert signatures(EVERY_MODULE) == before
    assert not UNCOMPILED[name].compiled


@pytest.mark.parametrize("name", UNCOMPILED)
def test_they_are_forecast_to_be_dearer_than_what_is_compiled(name):
    method, instance = UNCOMPILED[name], admit(laplacian(40))
    own, alike = method.forecast(instance, {}), METHODS[method.alike].forecast(instance, {})
    assert own.iteration > alike.iteration
    assert (own.strength, own.power) == (alike.strength, alike.power)


def test_nobody_can_ask_for_them_and_every_default_method_that_compiles_says_so():
    assert not set(UNCOMPILED) & set(METHODS)
    assert {c.method for c in SUBSTITUTES} == set(UNCOMPILED)
    assert not {c.method for c in rt.Solver().configurations} & set(UNCOMPILED)
    assert {n for n in (configuration(s).method for s in DEFAULT) if not METHODS[n].compiled} == {"direct"}
