"""What errors and summaries tell people to do."""

import copy
import inspect
import pickle
import re

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as sla

import reiterate as rt
from reiterate.errors import Breakdown
from reiterate.linear.door import Door
from tests.matrices import laplacian


def unsymmetric(n):
    return sp.diags_array([-1.5, 4.0, -0.5], offsets=[-1, 0, 1], shape=(n, n)).tocsr()


@pytest.mark.parametrize("methods", [["direct"], ["superlu"], ["factor_cg"], ["factor_gmres"]])
def test_a_memory_limit_that_was_in_the_way_is_named(methods):
    A, b = laplacian(14, 3), np.ones(14**3)
    with pytest.raises(rt.NotConverged, match="raise memory_limit") as caught:
        rt.Solver(methods, fallback=None, memory_limit=1e5).solve(A, b)
    assert "no cap" not in str(caught.value)
    assert "max_iterations" not in str(caught.value)


def test_next_to_other_caps():
    A, b = laplacian(14, 3), np.ones(14**3)
    with pytest.raises(rt.NotConverged, match="raise memory_limit, raise max_iterations or max_seconds"):
        rt.Solver(["cg"], max_iterations=2, memory_limit=1e5).solve(A, b)


def test_nor_is_it_named_where_it_would_not_help():
    with pytest.raises(rt.NotConverged, match="no cap was in the way") as caught:
        rt.Solver(["direct"], fallback=None, memory_limit=1e9).solve(sp.csr_array(np.ones((5, 5))), np.arange(5.0))
    assert "memory_limit" not in str(caught.value)


def test_a_breakdown_keeps_its_message_and_its_remedy():
    breakdown = Breakdown("it does not fit", "raise memory_limit")
    assert (str(breakdown), breakdown.remedy) == ("it does not fit", "raise memory_limit")
    assert Breakdown("it is singular").remedy == ""


def test_a_method_that_never_applied_is_named():
    solver = rt.Solver(["ssor_cg", "ilu_gmres(restart=30)"], seed=0, cost="work")
    assert "never applicable" not in solver.summary()
    solver.solve(unsymmetric(30), np.ones(30))
    assert "(ssor_cg: never applicable: needs a real symmetric positive definite matrix)" in solver.summary()
    assert solver.summary().count("never applicable") == 1
    solver.solve(laplacian(5), np.ones((25, 2)))
    assert "never applicable" not in solver.summary()


def test_an_explanation_says_so_too():
    solver = rt.Solver(["cg"], seed=0, cost="work")
    solver.solve(unsymmetric(30), np.ones(30))
    assert solver.explain().splitlines() == [
        "None of the methods to choose from applies; the fallback is played.",
        "cg: never applicable: needs a Hermitian positive definite matrix",
    ]
    solver.solve(laplacian(5), np.ones(25))
    assert "never applicable" not in solver.explain()


@pytest.mark.parametrize(
    ("A", "words"),
    [
        (unsymmetric(30), "a real nonsymmetric matrix of 30 rows with a positive diagonal"),
        (laplacian(4), "a real symmetric matrix of 16 rows with a positive diagonal"),
        (-laplacian(4), "a real symmetric matrix of 16 rows with a negative diagonal"),
        (1j * laplacian(4), "a complex symmetric matrix of 16 rows with a diagonal that is not positive"),
        (sp.csr_array([[0.0, 1.0], [1.0, 0.0]]), "a real symmetric matrix of 2 rows with zeros on its diagonal"),
        (
            sla.aslinearoperator(unsymmetric(30)),
            "a real nonsymmetric operator of which only products are known, of 30 rows",
        ),
    ],
)
def test_what_a_matrix_is_in_words(A, words):
    assert str(Door().admit(A, np.ones(A.shape[0]), None, rtol=1e-8, atol=0.0).traits) == words


def test_nothing_is_said_of_methods_that_nobody_asked_for():
    solver = rt.Solver(seed=0, cost="work")
    solver.solve(unsymmetric(30), np.ones(30))
    assert "never applicable" not in solver.summary()


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_solver_says_why_it_cannot_be_pickled(duplicate):
    solver = rt.Solver(["cg"])
    solver.solve(laplacian(4), np.ones(16))
    with pytest.raises(TypeError, match="same arguments"):
        duplicate(solver)
    assert pickle.loads(pickle.dumps(solver.history)).solves == 1


@pytest.mark.parametrize(
    ("method", "needed"),
    [
        ("amg_cg", "a Hermitian positive definite matrix, and real entries"),
        ("deflated_cg", "a real symmetric positive definite matrix"),
        ("ic_deflated_cg", "a real symmetric positive definite matrix"),
        ("jacobi_deflated_cg", "a real symmetric positive definite matrix"),
    ],
)
def test_what_a_method_needs_is_what_its_preconditioner_needs_too(method, needed):
    A = laplacian(4).astype(complex)
    A[0, 1], A[1, 0] = -1.0 + 0.5j, -1.0 - 0.5j
    with pytest.raises(rt.NotConverged, match=f"{method} needs {needed}. The instance is a complex Hermitian"):
        rt.Solver([method], fallback=None).solve(A, np.ones(16))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tol", "rtol"),
        ("maxiter", "max_iterations"),
        ("verbose", "progress=True"),
        ("fall_back", "did you mean fallback?"),
        ("qqq", "known are methods, learner"),
    ],
)
def test_an_option_of_another_name_is_explained(name, hint):
    for kind in (rt.InvalidInput, TypeError):
        with pytest.raises(kind, match=rf"{name}: is no option; .*{re.escape(hint)}"):
            rt.Solver(**{name: 1})
    with pytest.raises(rt.InvalidInput, match=f"{name}: is no option"):
        rt.solve(laplacian(3), np.ones(9), **{name: 1})


def test_the_signature_of_a_solver_is_kept():
    assert list(inspect.signature(rt.Solver).parameters)[:3] == ["methods", "learner", "cost"]
    assert rt.Solver.__init__.__annotations__["rtol"] == "float"


@pytest.mark.parametrize("matrix", [laplacian(3), laplacian(3).toarray(), sla.aslinearoperator(laplacian(3))])
@pytest.mark.parametrize("shape", [(9,), (9, 1)])
def test_a_matrix_and_a_vector_in_the_wrong_order(matrix, shape):
    solver = rt.Solver(["cg"])
    with pytest.raises(rt.InvalidInput, match=r"the matrix comes first: solve\(A, b\)"):
        solver.solve(np.ones(shape), matrix)
    assert solver.solve(matrix, np.ones(shape)).shape == shape


def test_other_faults_are_not_taken_for_that():
    for A, b in [(np.ones(9), np.ones((8, 8))), (laplacian(3), laplacian(3)), (np.ones((1, 2)), np.ones((2, 2)))]:
        with pytest.raises(rt.InvalidInput) as caught:
            rt.Solver(["cg"]).solve(A, b)
        assert "comes first" not in str(caught.value)


@pytest.mark.parametrize("options", [{}, {"max_iterations": 30}, {"methods": ["cg"], "max_iterations": 30}])
def test_that_a_tolerance_of_zero_is_out_of_reach_is_not_blamed_on_caps(options):
    with pytest.raises(rt.ToleranceUnreachable, match="is below what double precision can reach"):
        rt.Solver(rtol=0.0, cost="work", seed=0, **options).solve(laplacian(9), np.ones(81))


def test_a_report_is_a_page(tmp_path):
    solver = rt.Solver(["cg"])
    for name in ("e.pdf", "e", "html"):
        with pytest.raises(rt.InvalidInput, match=r"path: .* does not end in \.html or \.htm"):
            solver.report(tmp_path / name)
    assert not list(tmp_path.iterdir())
    assert solver.report(tmp_path / "e.HTM").exists()
