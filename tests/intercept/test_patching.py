"""Where replacements are found, and that nothing is left of them."""

import copy
import gc
import importlib
import inspect
import multiprocessing
import pickle
import subprocess
import sys
import threading
import types
import warnings
import weakref

import numpy as np
import pytest
import scipy.integrate
import scipy.sparse as sp
import scipy.sparse.linalg as spl
from scipy.sparse.linalg import spsolve

import reiterate as rt
from reiterate.intercept import Session, patching
from tests.matrices import laplacian

A = laplacian(10, 2, shift=0.1).tocsc()
B = np.random.default_rng(0).random(100)


def test_functions_are_replaced_and_restored():
    before = {name: id(getattr(spl, name)) for name in patching.NAMES}
    with rt.tuned_scipy():
        assert all(id(getattr(spl, name)) != before[name] for name in patching.NAMES)
        assert spsolve is spl.spsolve
        assert sp.linalg.spsolve is spl.spsolve
        assert spsolve.__name__ == "spsolve"
        assert spsolve.__module__.startswith("scipy.")
    assert {name: id(getattr(spl, name)) for name in patching.NAMES} == before
    assert id(spsolve) == before["spsolve"]


def test_an_exception_restores_as_well():
    before = id(spl.splu)
    with pytest.raises(ZeroDivisionError), rt.tuned_scipy():
        raise ZeroDivisionError
    assert id(spl.splu) == before


def test_what_is_kept_goes_to_scipy_afterwards():
    with rt.tuned_scipy() as session:
        kept = [spl.spsolve]
    np.testing.assert_array_equal(kept[0](A, B), spl.spsolve(A, B))
    assert not session.sites


@pytest.mark.usefixtures("either")
def test_sessions_nest_and_the_innermost_answers():
    with rt.tuned_scipy() as outer:
        with rt.tuned_scipy() as inner:
            spl.spsolve(A, B)
        assert not outer.sites
        spl.spsolve(A, B)
    assert [site.solves for site in inner.sites] == [1]
    assert [site.solves for site in outer.sites] == [1]


def test_a_session_may_end_before_one_that_began_earlier():
    before = id(spl.cg)
    first, second = Session(), Session()
    first.install()
    second.install()
    first.remove()
    assert id(spl.cg) != before
    second.remove()
    second.remove()
    assert id(spl.cg) == before


@pytest.mark.usefixtures("eager")
def test_every_line_is_a_stream_of_its_own():
    with rt.tuned_scipy() as session:
        for _ in range(3):
            spl.spsolve(A, B)
            spl.spsolve(2 * A, B)
            for name in ("cg", "bicgstab"):
                getattr(spl, name)(A, B)
    assert [(site.function, site.solves) for site in session.sites] == [
        ("spsolve", 3),
        ("spsolve", 3),
        ("cg", 3),
        ("bicgstab", 3),
    ]
    assert session.sites[0].where.startswith("test_patching.py:")
    assert session.sites[0].where.endswith("in test_every_line_is_a_stream_of_its_own")
    assert len({id(site.solver) for site in session.sites}) == 4


@pytest.mark.usefixtures("either")
def test_scipy_itself_keeps_its_own():
    class Stiff:
        jacobian = -sp.eye_array(50, format="csc")

    with rt.tuned_scipy() as session:
        scipy.integrate.solve_ivp(lambda t, y: -y, (0.0, 1.0), np.ones(50), "Radau", jac=Stiff.jacobian)
        spl.eigsh(A, k=2, sigma=0.1)
        spl.expm(A)
        spl.spsolve(A, sp.eye_array(100, format="csc"))
    assert [site.function for site in session.sites] == ["spsolve"]
    assert session.sites[0].left_to_scipy == 1


def test_a_program_that_patches_scipy_keeps_its_patch(monkeypatch):
    def patched(A, b):
        return "patched"

    monkeypatch.setattr(spl, "spsolve", patched)
    with rt.tuned_scipy():
        assert spl.spsolve(A, B) == "patched"

        def patched_inside(A, b):
            return "inside"

        spl.splu = patched_inside
    assert spl.spsolve is patched
    assert spl.splu(A, B) == "inside"
    spl.splu = patching.original("splu")


def test_classes_dictionaries_and_defaults_of_loaded_modules(monkeypatch):
    module = types.ModuleType("loaded")
    module.spl = spl
    exec(
        "class Solver:\n"
        "    static = staticmethod(spl.cg)\n"
        "    plain = spl.splu\n"
        "    def solve(self, f=spl.cg, *, g=spl.gmres):\n        return f, g\n"
        "    @staticmethod\n    def made(f=spl.cgs):\n        return f\n"
        "table = {'cg': spl.cg}\n",
        vars(module),
    )
    monkeypatch.setitem(sys.modules, "loaded", module)

    def found():
        solver = module.Solver
        return [solver.static, solver.plain, *solver().solve(), solver.made(), module.table["cg"]]

    before = [id(f) for f in found()]
    with rt.tuned_scipy():
        assert [id(f) for f in found()] == [id(getattr(spl, f.__name__)) for f in found()]
        assert not set(before) & {id(f) for f in found()}
    assert [id(f) for f in found()] == before


def test_small_systems_are_left_to_scipy():
    small = laplacian(5).tocsc()
    with rt.tuned_scipy() as session:
        lu = spl.splu(small)
        assert type(lu) is spl.SuperLU
        for _ in range(5):
            spl.spsolve(small, np.ones(25))
    assert [(site.solves, site.left_to_scipy) for site in session.sites] == [(1, 1), (5, 5)]
    assert all(site.solver is None for site in session.sites)


@pytest.mark.usefixtures("eager")
def test_a_thread_that_would_have_to_wait_goes_to_scipy():
    entered, leave = threading.Event(), threading.Event()
    answers = []

    def work():
        answers.append(spl.spsolve(A, B))

    with rt.tuned_scipy() as session:
        work()
        site = next(iter(session._sites.values()))
        solve = site.solver.solve

        def slow(*args, **kwargs):
            entered.set()
            assert leave.wait(60)
            return solve(*args, **kwargs)

        site.solver.solve = slow
        thread = threading.Thread(target=work)
        thread.start()
        assert entered.wait(60)
        work()
        leave.set()
        thread.join()
    assert [s.left_to_scipy for s in session.sites] == [1]
    for x in answers:
        np.testing.assert_allclose(A @ x, B, atol=1e-9)


@pytest.mark.usefixtures("either")
def test_many_threads_at_once():
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(10):
            b = rng.random(100)
            lu = spl.splu(A)
            answers = (spl.spsolve(A, b), lu.solve(b), spl.cg(A, b, rtol=1e-11)[0])
            wrong.extend(x for x in answers if not np.allclose(A @ x, b, atol=1e-8))

    with rt.tuned_scipy() as session:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
    assert len(session.sites) == 3


@pytest.mark.usefixtures("eager")
def test_an_error_of_ours_is_nobodys_business(monkeypatch):
    from reiterate.solver import Solver

    def broken(*args, **kwargs):
        raise RuntimeError("broken")

    monkeypatch.setattr(Solver, "solve", broken)
    with rt.tuned_scipy() as session:
        np.testing.assert_array_equal(spl.spsolve(A, B), patching.original("spsolve")(A, B))
        np.testing.assert_allclose(A @ spl.splu(A).solve(B), B, atol=1e-10)
        assert spl.cg(A, B)[1] == 0
    assert [site.left_to_scipy for site in session.sites] == [1, 1, 1]


@pytest.mark.usefixtures("eager")
def test_an_interrupt_is_passed_on(monkeypatch):
    from reiterate.solver import Solver

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Solver, "solve", interrupted)
    with rt.tuned_scipy():
        with pytest.raises(KeyboardInterrupt):
            spl.spsolve(A, B)
        monkeypatch.undo()
        np.testing.assert_allclose(A @ spl.spsolve(A, B), B, atol=1e-10)


@pytest.mark.usefixtures("either")
def test_calls_of_packages_that_we_use_are_not_call_sites(monkeypatch):
    from reiterate.solver import Solver

    solve = Solver.solve

    def coarse():
        return spl.splu(A)

    def solve_with_package(self, *args, **kwargs):
        assert type(coarse()) is spl.SuperLU
        return solve(self, *args, **kwargs)

    monkeypatch.setattr(Solver, "solve", solve_with_package)
    with rt.tuned_scipy() as session:
        spl.spsolve(A, B)
        coarse()
    assert [(site.function, site.left_to_scipy) for site in session.sites] == [("spsolve", 0), ("splu", 0)]


@pytest.mark.usefixtures("eager")
def test_without_a_solver_everything_is_scipys():
    with rt.tuned_scipy(memory="no such store") as session:
        session._solver_options["unknown"] = 1
        for _ in range(2):
            np.testing.assert_array_equal(spl.spsolve(A, B), patching.original("spsolve")(A, B))
            assert spl.splu(A).solve(B).shape == B.shape
    assert [(site.solves, site.left_to_scipy) for site in session.sites] == [(2, 2), (2, 2)]


def _in_child(queue):
    queue.put(spl.spsolve(A, B))


@pytest.mark.usefixtures("either")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_processes_go_on():
    context = multiprocessing.get_context("fork")
    with rt.tuned_scipy():
        spl.spsolve(A, B)
        queue = context.Queue()
        child = context.Process(target=_in_child, args=(queue,))
        child.start()
        x = queue.get(timeout=60)
        child.join()
    np.testing.assert_allclose(A @ x, B, atol=1e-10)


@pytest.mark.usefixtures("either")
def test_nothing_holds_matrices_that_the_program_has_dropped():
    matrix = A.copy()
    with rt.tuned_scipy():
        lu = spl.splu(matrix)
        lu.solve(B)
        dropped = weakref.ref(matrix)
        del matrix
        gc.collect()
        assert dropped() is None


@pytest.mark.usefixtures("either")
def test_a_recorder_is_told_of_every_system():
    class Recorder:
        def __init__(self):
            self.systems = []

        def add(self, site, A, b, x0):
            self.systems.append((site.function, A.shape, b.shape, x0))

    recorder = Recorder()
    session = Session(recorder=recorder)
    session.install()
    try:
        tiny = sp.eye_array(1, format="csc")
        spl.spsolve(tiny, np.ones(1))
        spl.spsolve(A, B)
        lu = spl.splu(A)
        lu.solve(B)
        lu.solve(B, "T")
        spl.factorized(A)(np.ones((100, 2)))
        spl.cg(A, B, B)
        spl.cg(tiny, np.ones(1))
    finally:
        session.remove()
    assert [function for function, *_ in recorder.systems] == ["spsolve"] * 2 + ["splu"] * 2 + ["factorized"] + [
        "cg"
    ] * 2
    assert recorder.systems[5][3] is B


@pytest.mark.parametrize(
    ("keywords", "name"),
    [({"direct_tolerance": 0.0}, "direct_tolerance"), ({"audit": 2.0}, "audit"), ({"learner": "nobody"}, "learner")],
)
def test_options_are_refused_by_name(keywords, name):
    with pytest.raises(rt.InvalidInput, match=name), rt.tuned_scipy(**keywords):
        raise AssertionError


def test_scipy_is_not_imported_for_programs_that_do_not_use_it():
    code = (
        "import sys\n"
        "from reiterate.intercept import Session\n"
        "session = Session()\n"
        "session.install()\n"
        "assert 'numpy' not in sys.modules and 'scipy' not in sys.modules\n"
        "import scipy.sparse as sp\n"
        "from scipy.sparse.linalg import spsolve\n"
        "from numpy import ones\n"
        "assert spsolve(sp.eye_array(3, format='csc'), ones(3)).tolist() == [1.0] * 3\n"
        "assert [site.function for site in session.sites] == ['spsolve']\n"
        "assert 'numba' not in sys.modules\n"
        "session.remove()\n"
        "assert spsolve.__code__.co_filename.endswith('linsolve.py')\n"
        "assert len([f for f in sys.meta_path if 'reiterate' in type(f).__module__]) == 0\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("eager")
def test_a_solver_that_is_busy_elsewhere_has_not_failed():
    calls = {
        "spsolve": lambda: spl.spsolve(A, B),
        "splu": lambda: kept[0].solve(B),
        "cg": lambda: spl.cg(A, B, rtol=1e-12)[0],
    }
    kept = []

    def state(site):
        return site.answered, [(ledger._tries, ledger._rest, ledger._debt) for ledger in site.ledgers().values()]

    with rt.tuned_scipy() as session:
        kept.append(spl.splu(A))
        for call in calls.values():
            call()
        kept[0] = spl.splu(A)
        sites = list(session._sites.values())
        before = [state(site) for site in sites]
        for site in sites:
            assert site._lock.acquire(blocking=False)
        for call in calls.values():
            np.testing.assert_allclose(A @ call(), B, atol=1e-9)
        for site in sites:
            site._lock.release()
        assert kept[0]._rent < np.inf
        assert [state(site) for site in sites] == before
        calls["spsolve"]()
        calls["cg"]()
    assert sum(site.answered for site in sites) == sum(answered for answered, _ in before) + 2


@pytest.mark.usefixtures("eager")
def test_what_a_program_asks_of_functions_and_factors():
    def asked():
        told = []
        for name in patching.NAMES:
            function = getattr(spl, name)
            told += [inspect.signature(function), inspect.getfullargspec(function), function.__doc__, function.__name__]
            told += [pickle.loads(pickle.dumps(function)) is function, copy.deepcopy(function) is function]
        for make in (spl.splu, spl.spilu):
            for lu in (make(A), make(A)):
                for _ in range(2):
                    told += [
                        isinstance(lu, spl.SuperLU),
                        lu.__class__,
                        type(lu).__name__,
                        repr(lu).partition(" at ")[0],
                    ]
                    told += [[name for name in dir(lu) if not name.startswith("_")], lu.shape, lu.nnz, lu == lu]
                    told += [lu.solve(rhs=B).shape, lu.solve(B, trans="T").shape]
        return told

    plain = asked()
    with rt.tuned_scipy():
        assert asked() == plain


def test_a_module_of_scipys_that_is_loaded_again():
    before = {name: id(getattr(spl, name)) for name in patching.NAMES}
    with rt.tuned_scipy() as session:
        importlib.reload(spl)
        replaced = spl.spsolve
        np.testing.assert_allclose(A @ spl.spsolve(A, B), B, atol=1e-9)
        assert id(replaced) != before["spsolve"]
    assert len(session.sites) == 1
    assert {name: id(getattr(spl, name)) for name in patching.NAMES} == before
    importlib.reload(spl)
    assert {name: id(getattr(spl, name)) for name in patching.NAMES} == before


@pytest.mark.usefixtures("eager")
def test_errors_of_ours_around_a_solve_are_nobodys_business_either(monkeypatch):
    from reiterate.intercept import direct, krylov, site

    def broken(*_):
        raise ValueError("broken")

    for module in (direct, krylov):
        monkeypatch.setattr(module, "looks_singular", broken)
    singular = spl.splu(A) and sp.csc_array((100, 100))
    with rt.tuned_scipy() as session:
        np.testing.assert_allclose(A @ spl.spsolve(A, B), B, atol=1e-10)
        assert type(spl.splu(A)) is type(spl.spilu(A)) is spl.SuperLU
        assert spl.cg(A, B, x0=0.5 * B)[1] == 0
        with pytest.raises(RuntimeError, match="singular"):
            spl.splu(singular)
        with pytest.raises(RuntimeError, match="singular"):
            spl.factorized(singular)
        monkeypatch.setattr(site.Site, "ledger", broken)
        np.testing.assert_allclose(A @ spl.spsolve(A, B), B, atol=1e-10)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(sp.SparseEfficiencyWarning):
                spl.spsolve(A.tolil(), B)
    assert all(site.answered == 0 for site in session._sites.values())


def test_a_finalizer_at_the_very_end_solves(tmp_path):
    program = (
        "import numpy as np, scipy.sparse as sp, scipy.sparse.linalg as spl\n"
        "A = sp.diags_array([-1.0, 2.1, -1.0], offsets=[-1, 0, 1], shape=(400, 400)).tocsc()\n"
        "class Last:\n"
        "    def __del__(self, A=A, np=np, spl=spl, kept=spl.splu(A)):\n"
        "        b = np.ones(400)\n"
        "        for x in (spl.spsolve(A, b), spl.splu(A).solve(b), kept.solve(b)):\n"
        "            print(np.linalg.norm(A @ x - b) < 1e-3)\n"
        "last = Last()\n"
    )
    (tmp_path / "program.py").write_text(program)
    ended = subprocess.run(
        [sys.executable, "-m", "reiterate", "run", "--quiet", "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "True\n" * 3, "")
