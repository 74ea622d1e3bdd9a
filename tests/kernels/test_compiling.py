import importlib
import pkgutil
import subprocess
import sys
import weakref

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import aslinearoperator

import reiterate as rt
from reiterate import kernels
from reiterate.kernels import cg, csr, levels, sor, spmd, ssor_cg
from reiterate.linear import block, team
from reiterate.linear.door import Door
from reiterate.linear.factor_engines import ENGINES
from reiterate.linear.method import LinearMethod
from reiterate.linear.portfolio import METHODS
from tests.matrices import laplacian

MODULES = (cg, csr, levels, sor, spmd, ssor_cg)
EVERY_MODULE = [
    importlib.import_module(f"reiterate.kernels.{module.name}") for module in pkgutil.iter_modules(kernels.__path__)
]


def signatures(modules=MODULES):
    return {
        (module.__name__, name): len(function.signatures)
        for module in modules
        for name, function in vars(module).items()
        if hasattr(function, "signatures") and function.__module__ == module.__name__
    }


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_compiled_within_a_timed_solve(method):
    if method in ENGINES and not ENGINES[method].available():
        pytest.skip(f"{ENGINES[method].title} is not installed")
    METHODS[method].warm_up()
    solver = rt.Solver(["direct"])
    for _ in range(2):
        solver.solve(laplacian(5), np.ones(25))
    before = signatures()
    solver = rt.Solver([method])
    A = laplacian(9).tocoo()
    for b in (np.ones(81), list(range(81)), np.ones(81, np.float32), np.ones((81, 2))[:, 1]):
        solver.solve(A, b, x0=np.ones(81, int))
    assert signatures() == before


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("free", [False, True])
def test_nor_for_complex_numbers_or_an_operator(method, free):
    A = sp.csr_array(laplacian(9) + (0.0 if method in ("cg", "minres") else 1j) * sp.eye_array(81))
    A = aslinearoperator(A) if free else A
    instance = Door().admit(A, np.ones(81), None, rtol=1e-8, atol=0.0)
    if not METHODS[method].accepts(instance.traits):
        pytest.skip("does not apply")
    if method in ENGINES and not ENGINES[method].available():
        pytest.skip(f"{ENGINES[method].title} is not installed")
    METHODS[method].warm_up(METHODS[method].variant_of(instance))
    solver = rt.Solver([method], fallback=None, guesses=False)
    before = signatures(EVERY_MODULE)
    solver.solve(A, np.ones(81))
    assert signatures(EVERY_MODULE) == before


def test_each_type_of_numbers_is_rehearsed_once(monkeypatch):
    rehearsed = []
    monkeypatch.setattr(block, "_warm", weakref.WeakKeyDictionary())  # as in a new process
    monkeypatch.setattr(LinearMethod, "rehearse", lambda self, A: rehearsed.append((self.name, A.dtype, type(A))))
    monkeypatch.setattr(LinearMethod, "rehearse_columns", lambda self: rehearsed.append("block"))
    solver = rt.Solver(["jacobi_gmres(restart=30)"], fallback=None)
    A, b = laplacian(6), np.ones(36)
    C = sp.csr_array(A + 1j * sp.eye_array(36))
    for _ in range(2):
        solver.solve(A, b)
        solver.solve(C, b)
    assert [entry[:2] for entry in rehearsed] == [("jacobi_gmres", float), ("jacobi_gmres", complex)]
    rehearsed.clear()
    for _ in range(2):
        solver.solve(C, np.outer(b, np.arange(1.0, 4.0)) * 1j)
    assert [entry[:2] for entry in rehearsed] == [("jacobi_gmres", complex)]
    rehearsed.clear()
    solver = rt.Solver(["cg"], fallback=None)
    solver.solve(aslinearoperator(A), b)
    assert [entry[0] for entry in rehearsed] == ["cg"]
    assert not sp.issparse(rehearsed[0][2])
    for _ in range(2):
        solver.solve(A, np.outer(b, np.arange(1.0, 4.0)))
    assert rehearsed[1:] == [("cg", np.dtype(float), type(sp.csr_array((1, 1)))), "block"]


def test_threads_need_no_other_kernels(monkeypatch):
    monkeypatch.setattr(team, "available_processors", lambda: 2)
    METHODS["ssor_cg"].warm_up()
    solver = rt.Solver(["ssor_cg(omega=1.5)"], threads=2, fallback=None)
    before = signatures()
    solver.solve(laplacian(9), np.ones(81))
    assert signatures() == before


def test_kernels_run_where_nothing_can_be_cached():
    # A function that is in no file has no place in Numba's cache, like any in a read-only installation.
    code = (
        "import numba\n"
        "from reiterate.kernels.compiling import kernel\n"
        "def twice(x):\n"
        "    return 2 * x\n"
        "try:\n"
        "    numba.njit(cache=True)(twice)\n"
        "except RuntimeError:\n"
        "    print('refused')\n"
        "print(kernel(twice)(21))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.split() == ["refused", "42"], found.stderr
