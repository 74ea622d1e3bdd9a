import subprocess
import sys

import numpy as np
import pytest

import reiterate as rt
from reiterate.kernels import cg, csr, levels, sor, spmd, ssor_cg
from reiterate.linear import team
from reiterate.linear.factor_engines import ENGINES
from reiterate.linear.portfolio import METHODS
from tests.matrices import laplacian

MODULES = (cg, csr, levels, sor, spmd, ssor_cg)


def signatures():
    return {
        (module.__name__, name): len(function.signatures)
        for module in MODULES
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
