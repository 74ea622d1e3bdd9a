"""Operators that can only multiply."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import reiterate as rt
from tests.matrices import laplacian


def convection(n):
    return sp.csr_array(sp.diags_array([-1.5, 3.0, -0.5], offsets=[-1, 0, 1], shape=(n, n)))


def relative(A, b, x):
    return np.linalg.norm(b - A @ x) / np.linalg.norm(b)


@pytest.mark.parametrize(
    ("A", "methods"),
    [
        (laplacian(9), {"cg", "minres", "symmlq", "bicgstab", "gmres"}),
        (sp.csr_array(laplacian(7) - 2.3 * sp.eye_array(49)), {"cg", "minres", "symmlq", "bicgstab", "gmres"}),
        (convection(60), {"bicgstab", "gmres"}),
        (sp.csr_array(convection(60) + 0.4j * sp.eye_array(60)), {"bicgstab", "gmres"}),
        (sp.csr_array(laplacian(7) + 0.4j * sp.eye_array(49)), {"cocr", "bicgstab", "gmres"}),
    ],
    ids=["definite", "indefinite", "nonsymmetric", "complex", "complex symmetric"],
)
def test_products_are_enough(A, methods):
    b = np.random.default_rng(0).normal(size=A.shape[0])
    solver = rt.Solver(seed=0, cost="work")
    operator = aslinearoperator(A)
    for _ in range(4):
        assert relative(A, b, solver.solve(operator, b)) <= 1e-8
    assert {a.configuration.method for record in solver.history for a in record.attempts} <= methods


def test_every_method_that_needs_no_entries():
    A, b = laplacian(8), np.random.default_rng(1).normal(size=64)
    for method in ("cg", "minres", "symmlq", "sqmr", "gmres", "fgmres", "bicgstab", "bicgstabl", "idr"):
        solver = rt.Solver([method], fallback=None, seed=0)
        assert relative(A, b, solver.solve(aslinearoperator(A), b)) <= 1e-8


def test_anything_with_matvec_will_do():
    class Shifted:
        shape, dtype = (25, 25), np.dtype(np.float32)

        def matvec(self, x):
            return laplacian(5, shift=1.0) @ x

    b = np.ones(25)
    assert relative(laplacian(5, shift=1.0), b, rt.Solver().solve(Shifted(), b)) <= 1e-8


def test_methods_that_need_entries_say_so():
    with pytest.raises(rt.NotConverged, match="no method applies"):
        rt.Solver(["ssor_cg"]).solve(aslinearoperator(laplacian(5)), np.ones(25))


@pytest.mark.parametrize(
    ("operator", "words"),
    [
        (LinearOperator((5, 4), matvec=lambda x: x[:5], dtype=float), "square"),
        (LinearOperator((5, 5), matvec=lambda x: x * np.nan, dtype=float), "not a finite vector"),
        (LinearOperator((5, 5), matvec=lambda x: x, dtype="O"), "dtype"),
    ],
)
def test_what_cannot_multiply_is_refused(operator, words):
    with pytest.raises(rt.InvalidInput, match=words):
        rt.Solver().solve(operator, np.ones(5))
