"""How published packages call SciPy's solvers, row by row of the list that was collected from their code.

Every style is a small package, imported before a session begins, or while it lasts.
"""

import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg

import reiterate as rt
from reiterate.intercept import patching
from tests.intercept.outcomes import assert_same, outcome
from tests.matrices import laplacian

pytestmark = pytest.mark.usefixtures("either")

PREAMBLE = "import numpy as np\nimport scipy as scipy\nimport scipy.sparse as sp\n"


def package(source: str) -> types.ModuleType:
    module = types.ModuleType("published_package")
    exec(compile(PREAMBLE + source, "published_package.py", "exec"), vars(module))
    return module


@pytest.fixture(params=["before", "inside"])
def run(request, monkeypatch) -> Callable[..., rt.intercept.Session]:
    """Compares what a package does alone with what it does in a session; returns the session."""

    def compare(source: str, call: Callable[[Any], Any], rtol: float = 1e-8, answered: bool = True) -> Any:
        module = package(source)
        plain = outcome(lambda: call(module))
        monkeypatch.setitem(sys.modules, "published_package", module)
        with rt.tuned_scipy() as session:
            if request.param == "inside":
                module = package(source)
            ours = outcome(lambda: call(module))
        assert_same(plain, ours, rtol)
        assert any(site.solves > site.left_to_scipy for site in session.sites) is answered
        found = {id(f) for f in patching._replacements.values()}
        assert request.param == "inside" or not found & {id(value) for value in vars(module).values()}
        return session

    return compare


A = laplacian(12, 2, shift=0.1)
N = A.shape[0]
B = np.random.default_rng(0).random(N)
U = sp.csr_array(A + sp.diags_array([0.4], offsets=[1], shape=(N, N)))


def test_fipy_factors_with_odd_options_and_refines(run):
    source = """
from scipy.sparse.linalg import splu
def solve(A, b):
    maxdiag = abs(A.diagonal()).max()
    LU = splu(A.asformat("csc"), diag_pivot_thresh=maxdiag * 100, relax=1, panel_size=10, permc_spec=3)
    x = np.zeros_like(b)
    for _ in range(10):
        residual = b - A @ x
        if np.linalg.norm(residual) <= 1e-10 * np.linalg.norm(b):
            break
        x = x + LU.solve(residual)
    return x
"""
    run(source, lambda fipy: np.array([fipy.solve(U, B * k) for k in (1.0, 1.0, 2.0)]))


def test_fipy_factors_that_are_never_used(run):
    source = """
from scipy.sparse.linalg import splu
def solve(A, x):
    LU = splu(A.asformat("csc"), diag_pivot_thresh=500, relax=1, panel_size=10, permc_spec=3)
    return x.copy()
"""
    session = run(source, lambda fipy: fipy.solve(U, B), answered=False)
    assert session.sites[0].solver is None


def test_fipy_krylov_methods_as_class_attributes(run):
    source = """
from scipy.sparse.linalg import cg, cgs, bicgstab, gmres
class Solver:
    solveFnc = None
    def solve(self, A, x, b, callback=None, M=None, **more):
        return self.solveFnc(A, b, x, rtol=1e-10, atol=0, maxiter=1000, M=M, callback=callback, **more)
class PCG(Solver):
    solveFnc = staticmethod(cg)
class CGS(Solver):
    solveFnc = staticmethod(cgs)
class BiCGStab(Solver):
    solveFnc = staticmethod(bicgstab)
class GMRES(Solver):
    solveFnc = staticmethod(gmres)
"""

    def call(fipy):
        counted = []
        with_callback = fipy.PCG().solve(A, np.zeros(N), B, counted.append)
        legacy = fipy.GMRES().solve(U, np.zeros(N), B, counted.append, callback_type="legacy")
        plain = [getattr(fipy, name)().solve(A, np.zeros(N), B) for name in ("PCG", "CGS", "BiCGStab", "GMRES")]
        return with_callback[0], legacy[0], len(counted), *(x for x, _ in plain), tuple(info for _, info in plain)

    run(source, call)


def test_fipy_jacobi_preconditioner_solves_at_every_product(run):
    source = """
from scipy.sparse.linalg import LinearOperator, spsolve, cg, spilu
def jacobi(A):
    diagonal = sp.diags_array(A.diagonal()).tocsc()
    return LinearOperator(A.shape, matvec=lambda x: spsolve(diagonal, x))
def ilu(A):
    factors = spilu(A.tocsc())
    return LinearOperator(A.shape, matvec=lambda x: factors.solve(x))
def solve(A, b, callback=None):
    return [cg(A, b, M=M, rtol=1e-10, callback=callback)[0] for M in (jacobi(A), ilu(A))]
"""
    run(source, lambda fipy: tuple(fipy.solve(A, B) + fipy.solve(A, B, lambda x: None)))


def test_scikit_fem_looks_up_spsolve_and_binds_cg_as_a_default(run):
    source = """
import scipy.sparse.linalg as spl
def solver_direct(A, b, **kw):
    return spl.spsolve(A, b, **kw)
def solver_iter(A, b, krylov=spl.cg, verbose=False, **kw):
    def callback(x):
        assert x.shape == b.shape
    if "M" not in kw:
        kw["M"] = sp.dia_matrix((1.0 / A.diagonal()[None], [0]), shape=A.shape)
    sol, info = krylov(A, b, **{"callback": callback, **kw})
    assert info == 0
    return sol
def factors(A):
    inverse = spl.spilu(A.T.tocsc())
    return spl.LinearOperator(A.shape, matvec=inverse.solve), spl.splu(A.T.tocsc()).solve
"""

    def call(skfem):
        ilu, bound = skfem.factors(A)
        direct = skfem.solver_direct(A, B)
        again = skfem.solver_direct(A, B, use_umfpack=True)
        results = [skfem.solver_iter(A, B), skfem.solver_iter(A, B, rtol=1e-11, callback=None)]
        integers = ilu.matvec(np.ones(N, dtype=np.int8))
        return direct, again, *results, integers, bound(np.ones(N, dtype=np.int8)), bound(B)

    run(source, call)


def test_scikit_fem_factors_inside_eigsh(run):
    source = """
import scipy.sparse.linalg as spl
def modes(K, M):
    return spl.eigsh(K, M=M, sigma=10.0, k=3, v0=np.ones(K.shape[0]))[0]
"""
    session = run(source, lambda skfem: skfem.modes(A.tocsc(), sp.eye_array(N).tocsc()), answered=False)
    assert not session.sites


def test_pymor_from_imports(run):
    source = """
from scipy.sparse.linalg import bicgstab, spsolve, splu, lgmres, spilu, LinearOperator, lsqr
cache = {}
def factored(A, V):
    if id(A) not in cache:
        cache[id(A)] = splu(A.tocsc(), permc_spec="COLAMD")
    return cache[id(A)].solve(V)
def direct(A, V):
    return spsolve(A.tocsc(), V, permc_spec="COLAMD", use_umfpack=False)
def iterative(A, b, tolerance):
    ilu = spilu(A.tocsc(), drop_tol=1e-4, fill_factor=10, permc_spec="COLAMD")
    return bicgstab(A, b, rtol=tolerance, atol=tolerance, M=LinearOperator(A.shape, matvec=ilu.solve))
def others(A, b):
    return lgmres(A, b, rtol=1e-12, atol=1e-12, inner_m=39, outer_k=3)[0], lsqr(A, b, atol=1e-12, btol=1e-12)[0]
"""

    def call(pymor):
        block = np.random.default_rng(1).random((N, 4))
        iterative = pymor.iterative(U, B, 1e-15)
        return (
            pymor.factored(U, block),
            pymor.factored(U, block + 1.0),
            pymor.direct(U, B.reshape(N, 1)),
            iterative[0],
            *pymor.others(U, B),
        )

    run(source, call)


def test_sfepy_uses_the_module_and_retries_with_the_old_keyword(run):
    source = """
import scipy.sparse.linalg as sls
class Direct:
    def __init__(self):
        self.sls = sls
        sls.use_solver(useUmfpack=False)
        self.factorized = {}
    def solve(self, A, b):
        return self.sls.spsolve(A, b)
    def presolve(self, A, b):
        key = hash(A.data.tobytes())
        if key not in self.factorized:
            self.factorized[key] = self.sls.factorized(A.tocsc())
        return self.factorized[key](b)
def iterative(method, A, b):
    seen = []
    solver = getattr(sls, method)
    try:
        x, info = solver(A, b, rtol=1e-10, atol=0.0, x0=np.zeros_like(b), maxiter=500, callback=None)
    except TypeError:
        x, info = solver(A, b, tol=1e-10, x0=np.zeros_like(b), maxiter=500, callback=None)
    try:
        solver(A, b, tol=1e-10)
    except TypeError as error:
        seen.append(str(error))
    return x, info, seen[0]
"""

    def call(sfepy):
        direct = sfepy.Direct()
        first = direct.solve(A, B), direct.presolve(A, B), direct.presolve(A, 2.0 * B)
        return *first, *sfepy.iterative("cg", A, B), *sfepy.iterative("bicgstab", A, B)

    run(source, call)


def test_pandapower_complex_sides_and_factors_in_turn(run):
    source = """
from scipy.sparse.linalg import spsolve, splu, factorized
def newton(J, F):
    return spsolve(J, F, permc_spec=None, use_umfpack=True)
def decoupled(Bp, Bpp, b):
    first, second = splu(Bp), splu(Bpp)
    x = b
    for _ in range(3):
        x = second.solve(first.solve(x) + b)
    return x
def estimation(A, B):
    return spsolve(A, B), factorized(A)(B.toarray()[:, 0].copy())
"""

    def call(pandapower):
        sparse = sp.random_array((N, 5), density=0.2, format="csc", rng=np.random.default_rng(0))
        return (
            pandapower.newton(U, B + 1j * B[::-1]),
            pandapower.newton(U, B),
            pandapower.decoupled(A.tocsc(), U.tocsc(), B),
            *pandapower.estimation(U.tocsc(), sparse),
        )

    run(source, call)


def test_pypower_several_and_sparse_right_sides(run):
    source = """
from scipy.sparse.linalg import spsolve
def ptdf(B, Bf):
    return spsolve(B, Bf)
"""

    def call(pypower):
        return (
            pypower.ptdf(U.tocsc(), np.random.default_rng(2).random((N, 7))),
            pypower.ptdf(U.tocsc(), sp.csc_matrix(sp.eye_array(N))),
            pypower.ptdf(U, sp.eye_array(N, format="csr")),
        )

    run(source, call)


def test_wntr_turns_the_rank_warning_into_an_error(run):
    source = """
import warnings
def step(J, r):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Matrix is exactly singular", sp.linalg.MatrixRankWarning)
        try:
            return -sp.linalg.spsolve(J, r, permc_spec="COLAMD", use_umfpack=False), 0
        except sp.linalg.MatrixRankWarning:
            return None, 1
"""
    isolated = U.tolil()
    isolated[5, :] = 0.0
    isolated[:, 5] = 0.0
    run(source, lambda wntr: (*wntr.step(U, B), wntr.step(isolated.tocsr(), B)[1]))


def test_quantecon_keeps_the_function_on_the_instance(run):
    source = """
from scipy.sparse.linalg import spsolve
class Process:
    def __init__(self):
        self.linear_solver = spsolve
    def evaluate(self, A, b):
        return self.linear_solver(A, b)
"""
    run(source, lambda quantecon: quantecon.Process().evaluate(U, B))


def test_openpnm_tries_the_old_keyword_first(run):
    source = """
from scipy.sparse.linalg import cg
def solve(A, b):
    try:
        return cg(A, b, tol=1e-10, atol=0.0)
    except TypeError:
        return cg(A, b, rtol=1e-10, atol=0.0)
"""
    run(source, lambda openpnm: openpnm.solve(A, B))


def test_pytdgl_factors_an_exactly_singular_matrix(run):
    source = """
def solve(A, b):
    sp.linalg.use_solver(useUmfpack=False)
    return sp.linalg.factorized(A)(b)
"""
    neumann = laplacian(12).tolil()
    neumann.setdiag(0.0)
    neumann = neumann.tocsc()
    neumann = (sp.diags_array(-np.asarray(neumann.sum(axis=1)).ravel()) + neumann).tocsc()
    alone = outcome(lambda: scipy.sparse.linalg.factorized(neumann)(B - B.mean()))
    assert alone[1] is None or "singular" in alone[1][1]
    run(source, lambda pytdgl: pytdgl.solve(neumann, B - B.mean()), answered=False)


def test_ceviche_alternates_a_matrix_and_its_transpose(run):
    source = """
import scipy.sparse.linalg as spl
SOLVERS = {"direct": spl.spsolve, "iterative": {"bicgstab": spl.bicgstab}, "gmres": spl.gmres}
def adjoint(A, b):
    x = SOLVERS["direct"](A, b)
    return x, SOLVERS["direct"](A.T, x), SOLVERS["gmres"](A, b, rtol=1e-11)[0]
"""
    C = sp.csr_array(U + 0.3j * sp.eye_array(N))
    run(source, lambda ceviche: tuple(x for k in (1.0, 2.0) for x in ceviche.adjoint(C, k * B + 1j)))


def test_felupe_binds_spsolve_as_a_default(run):
    source = """
from scipy.sparse.linalg import spsolve
def newton(A, b, *, solver=spsolve):
    return solver(A, b)
class Job:
    def run(self, A, b, solver=spsolve):
        return solver(A, b)
"""
    run(source, lambda felupe: (felupe.newton(U, B), felupe.Job().run(U, B)))


def test_simpeg_factors_csr_in_a_closure(run):
    source = """
from scipy.sparse.linalg import splu
def wrapped(fun, factorize=True):
    class Solver:
        def __init__(self, A, **kwargs):
            self.solver = fun(A, **kwargs)
        def __mul__(self, rhs):
            X = np.empty_like(rhs)
            for i in range(rhs.shape[1]):
                X[:, i] = self.solver.solve(rhs[:, i])
            return X
    return Solver
SolverLU = wrapped(splu)
"""
    sides = np.random.default_rng(3).random((N, 3))

    def call(pymatsolver):
        return (pymatsolver.wrapped(pymatsolver.splu)(U) * sides,)

    run(source, call)


def test_py_pde_falls_back_when_warned(run):
    source = """
import warnings
from scipy.sparse.linalg import spsolve, MatrixRankWarning
def solve(matrix, rhs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return spsolve(matrix, rhs), "direct"
        except MatrixRankWarning:
            return np.linalg.lstsq(matrix.toarray(), rhs, rcond=None)[0], "least squares"
"""
    n = 40
    neumann = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(n, n)).tolil()
    neumann[0, 0] = neumann[n - 1, n - 1] = 1.0
    consistent = neumann.tocsc() @ np.arange(float(n))
    run(source, lambda pde: pde.solve(U.tocsc(), B) + pde.solve(neumann.tocsc(), consistent))


def test_openmdao_transposed_solves_and_operators(run):
    source = """
import scipy.sparse.linalg
from scipy.sparse.linalg import splu, gmres, LinearOperator
SOLVERS = {"gmres": gmres}
class Direct:
    def linearize(self, A):
        self._lu = splu(A)
    def solve(self, b, mode):
        return self._lu.solve(b, "N" if mode == "fwd" else "T")
def krylov(A, b):
    products = []
    def matvec(x):
        products.append(1)
        return A @ x
    operator = LinearOperator(A.shape, matvec=matvec, dtype=float)
    x, info = SOLVERS["gmres"](operator, b, M=None, restart=20, x0=np.zeros_like(b), maxiter=1000, atol=1e-12,
                               rtol=1e-12, callback=lambda r: None, callback_type="legacy")
    return x, info, len(products)
"""

    def call(openmdao):
        direct = openmdao.Direct()
        direct.linearize(U.tocsc())
        return direct.solve(B, "fwd"), direct.solve(B, "rev"), *openmdao.krylov(U, B)

    run(source, call)


def test_pynite_imports_inside_functions_and_counts_warnings(run):
    source = """
import warnings
def analyze(K, P):
    from scipy.sparse.linalg import spsolve
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        D = spsolve(K.tocsr(), P)
    return D.reshape(len(D), 1), len([w for w in caught if w.category.__name__ == "MatrixRankWarning"])
"""
    unstable = A.tolil()
    unstable[0, :] = 0.0
    unstable[:, 0] = 0.0

    def call(pynite):
        good, bad = pynite.analyze(A, B.reshape(N, 1)), pynite.analyze(unstable, B.reshape(N, 1))
        return *good, *bad

    run(source, call)


def test_nutils_factors_and_names_methods(run):
    source = """
import scipy.sparse.linalg
def solve_scipy(A, b, method, **keywords):
    return getattr(scipy.sparse.linalg, method)(A, b, **keywords)
def arnoldi(A, b, steps):
    inverse = scipy.sparse.linalg.factorized(A.tocsc())
    x = np.zeros_like(b)
    for _ in range(steps):
        x = x + inverse(b - A @ x)
    return x
"""

    def call(nutils):
        x, info = nutils.solve_scipy(A, B, "cg", rtol=0, atol=1e-10 * np.linalg.norm(B))
        return x, info, nutils.arnoldi(U, B, 2)

    run(source, call)


def test_landlab_dense_matrices(run):
    source = """
from scipy.sparse.linalg import cg, spsolve
def solve(A, b):
    return cg(A, b, M=np.diag(1.0 / np.diag(A)), rtol=1e-10)[0], spsolve(A, b)
"""
    run(source, lambda landlab: landlab.solve(A.toarray(), B), answered=False)


def test_pyamg_coarsest_level_and_names(run):
    source = """
import scipy as sp
import scipy.sparse.linalg as sla
class Coarse:
    def __call__(self, A, b):
        if not hasattr(self, "LU"):
            self.LU = sp.sparse.linalg.splu(sp.sparse.csc_array(A))
        return self.LU.solve(np.ravel(b))
def accelerated(A, b, name):
    return getattr(sla, name)(A, b, rtol=1e-10)
"""

    def call(pyamg):
        coarse = pyamg.Coarse()
        return coarse(A, B), coarse(A, B[:, None]), *pyamg.accelerated(A, B, "minres")

    run(source, call)


def test_openfoam_users_absolute_tolerance_counts(run):
    source = """
from scipy.sparse.linalg import cg
def correct(A, b, p):
    mean = A @ np.full_like(p, p.mean())
    factor = np.abs(A @ p - mean).sum() + np.abs(b - mean).sum()
    return cg(A, b, x0=p, rtol=0.0, atol=1e-9 * factor / len(b))
"""
    exact = 1e5 + np.random.default_rng(4).random(N)
    start = exact + 1e-3
    b = A @ exact

    def call(openfoam):
        x, info = openfoam.correct(A, b, start)
        allowed = 1e-9 * (np.abs(A @ (start - start.mean())).sum() + np.abs(b - A @ np.full(N, start.mean())).sum()) / N
        assert np.linalg.norm(b - A @ start) > 10.0 * allowed
        assert np.linalg.norm(b - A @ x) <= allowed
        return x, info

    run(source, call)
