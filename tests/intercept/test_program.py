"""A program ends as it ends without us: the same output, exit status, traceback and signals."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

_RUN = [sys.executable, "-m", "reiterate", "run", "--quiet"]


def _both(tmp_path, program, arguments=(), *, name="program.py", run=("program.py",), stdin="", flags=()):
    """What plain Python and we make of a program: (exit status, standard output, standard error)."""
    (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
    (tmp_path / name).write_text(textwrap.dedent(program))
    found = []
    for command in ([sys.executable, *flags], [sys.executable, *flags, *_RUN[1:]]):
        ended = subprocess.run(
            [*command, *run, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            input=stdin,
            timeout=120,
            check=False,
        )
        found.append((ended.returncode, ended.stdout, ended.stderr))
    return found


def _same(tmp_path, program, *arguments, **options):
    plain, ours = _both(tmp_path, program, *arguments, **options)
    assert ours == plain
    return plain


_AN_ERROR = """
    def inner(x):
        return 1 / x

    def outer():
        try:
            inner(0)
        except ZeroDivisionError as error:
            raise ValueError("of the program") from error

    outer()
"""
_ENDS = {
    "nothing": ("x = 1", 0),
    "an error with a cause": (_AN_ERROR, 1),
    "a syntax error": ("x = \n", 1),
    "exit with a number": ("import sys; print('out'); sys.exit(7)", 7),
    "exit with a text": ("import sys; sys.exit('that is why')", 1),
    "exit with nothing": ("raise SystemExit", 0),
    "os._exit": ("import os; print('kept', flush=True); os._exit(5)", 5),
    "a signal": ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15),
    "ctrl-c": (
        "import os, signal, atexit\natexit.register(print, 'last words')\nos.kill(os.getpid(), signal.SIGINT)",
        -2,
    ),
    "interrupted by itself": ("def f(): raise KeyboardInterrupt\nf()", -2),
    "interrupted, and caught": ("try:\n    raise KeyboardInterrupt\nexcept KeyboardInterrupt:\n    exit(3)", 3),
    "a generator that is exited": ("raise GeneratorExit('odd')", 1),
    "the end of the input": ("input()", 1),
    "a pipe that is broken": ("raise BrokenPipeError(32, 'Broken pipe')", 1),
    "an error while handling": ("import sys\ntry:\n    1 / 0\nfinally:\n    {}['x']", 1),
    "a hook of its own": (
        "import sys\nsys.excepthook = lambda kind, e, tb: print('hook', kind, e, tb.tb_lineno)\n1 / 0",
        1,
    ),
    "a hook that fails": ("import sys\ndef hook(*a): raise OSError('in the hook')\nsys.excepthook = hook\n1 / 0", 1),
    "a hook that exits": ("import sys\nsys.excepthook = lambda *a: sys.exit(9)\n1 / 0", 9),
    "a group": ("raise ExceptionGroup('some', [ValueError(1), TypeError(2)])", 1),
    "too deep": ("def f(): f()\ntry:\n    f()\nexcept RecursionError as e:\n    print('deep')\n    exit(4)", 4),
    "an error at exit": ("import atexit, sys\natexit.register(sys.exit, 4)", 0),
}


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("name", _ENDS)
def test_however_it_ends(tmp_path, name):
    program, status = _ENDS[name]
    assert _same(tmp_path, program)[0] == status


def test_what_a_program_sees_of_itself(tmp_path):
    program = """
        # -*- coding: latin-1 -*-
        import sys, os, pickle, inspect, __main__
        class Thing: pass
        print(sys.argv, sys.path, __name__, __file__, __spec__, __package__, __doc__, __builtins__, __annotations__)
        print(__loader__.path, sorted(vars()), sys.modules["__main__"] is __main__, __main__.Thing is Thing)
        print(pickle.loads(pickle.dumps(Thing())).__class__, inspect.getsource(Thing), sys.excepthook)
        print(sys.stdin.read(), sys.flags, os.getcwd(), __debug__)
        print("numpy" in sys.modules)
        def f(x: int): pass
        print(f.__annotations__)
    """
    _, out, error = _same(tmp_path, program, ["--audit", "-m", "--", "x y"], stdin="a line")
    assert error == ""
    assert "'--audit', '-m', '--', 'x y'" in out


@pytest.mark.parametrize(
    "flags",
    [["-P"], ["-O"], ["-OO"], ["-W", "error"], ["-X", "dev"], ["-X", "utf8"], ["-u"], ["-b", "-b"], ["-E"], ["-s"]],
)
def test_python_s_own_options(tmp_path, flags):
    _same(tmp_path, "import sys; print(sys.path, sys.flags, sys.warnoptions, __debug__)", flags=flags)


def test_a_program_elsewhere_a_link_to_it_and_modules_beside_it(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "beside.py").write_text("word = 'found'")
    program = "import beside, sys; print(beside.word, sys.argv, sys.path[0], __file__)"
    _same(tmp_path, program, name="deep/there.py", run=("deep/there.py",))
    (tmp_path / "link.py").symlink_to(tmp_path / "deep" / "there.py")
    assert "found" in _same(tmp_path, program, name="deep/there.py", run=("link.py",))[1]


def test_modules_packages_and_directories(tmp_path):
    program = """
        import sys
        print(sys.argv, sys.path, __name__, __file__, __spec__.name, __package__, sorted(vars()))
        raise ValueError("of the module")
    """
    assert _same(tmp_path, program, ["-x"], name="pack/sub.py", run=("-m", "pack.sub"))[0] == 1
    _same(tmp_path, program, ["-m"], name="pack/__main__.py", run=("-m", "pack"))
    _same(tmp_path, program, name="there/__main__.py", run=("there",))
    plain, ours = _both(tmp_path, "", run=("-m", "nothing_of_that_name"))
    assert ours == plain
    assert plain[0] == 1


def test_a_program_from_standard_input(tmp_path):
    program = """
        import sys, pickle, __main__
        class Thing: pass
        print(sys.argv, sys.path, __name__, __file__, __spec__, __package__, __loader__, sorted(vars()))
        print(pickle.loads(pickle.dumps(Thing())).__class__, sys.stdin.read())
        1 / 0
    """
    ended = _same(tmp_path, "", ["--quiet", "x"], run=("-",), stdin=textwrap.dedent(program))
    assert ended[0] == 1
    assert 'File "<stdin>", line 6' in ended[2]
    assert _same(tmp_path, "", run=("-",), stdin="x = \n")[0] == 1
    _same(tmp_path, "", run=("-",), stdin="import sys; print(sys.path[0])", flags=["-P"])


def test_a_program_that_is_not_there(tmp_path):
    plain, ours = _both(tmp_path, "", run=("missing.py",))
    assert (ours[0], ours[1]) == (plain[0], plain[1]) == (2, "")
    assert "can't open file" in ours[2]
    assert len(ours[2].splitlines()) == 1


_SOLVE = """
import numpy as np, scipy.sparse as sp
from scipy.sparse.linalg import spsolve, cg
def matrix(n, shift):
    return sp.diags_array([-1.0, 2.0 + shift, -1.0], offsets=[-1, 0, 1], shape=(n, n)).tocsc()
def solve(k, n=600):
    A = matrix(n, 0.1 * (k + 1))
    x = spsolve(A, np.arange(n) + 1.0)
    return bool(np.linalg.norm(A @ x - np.arange(n) - 1.0) < 1e-9 * n * n)
"""


def test_errors_inside_of_replaced_calls_show_no_frame_of_ours(tmp_path):
    program = _SOLVE + "\nsolve(1)\nspsolve(matrix(600, 0.1), np.ones(3))"
    plain, ours = _both(tmp_path, program)
    assert ours == plain
    assert "ValueError" in plain[2]
    program = (
        _SOLVE + "\ndef stop(x): raise KeyError('from the callback')\ncg(matrix(600, 0.1), np.ones(600), callback=stop)"
    )
    plain, ours = _both(tmp_path, program)
    assert ours[0] == plain[0] == 1
    assert "reiterate/intercept" not in ours[2]
    assert "from the callback" in ours[2]


def test_a_program_that_uses_reiterate_itself_sees_its_frames(tmp_path):
    _, ours = _both(tmp_path, "import reiterate as rt\nrt.solve(None, None)")
    assert ours[0] == 1
    assert "solving.py" in ours[2]
    assert "intercept" not in ours[2]


def test_threads_that_outlive_the_main_thread(tmp_path):
    program = (
        _SOLVE
        + """
import threading, time, atexit
def work(k):
    time.sleep(0.2)
    print(k, [solve(k) for k in range(5)], flush=True)
threads = [threading.Thread(target=work, args=(k,)) for k in range(1)]
for thread in threads: thread.start()
atexit.register(lambda: print("at exit", solve(1)))
"""
    )
    _same(tmp_path, program)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(tmp_path, method):
    program = (
        _SOLVE
        + f"""
import multiprocessing, sys
class Kept:
    pass
def task(k):
    return solve(k), __name__.replace("__mp_main__", "__main__"), Kept, sys.argv
if __name__ == "__main__":
    print([solve(k) for k in range(5)])
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        print(pool.map(task, range(6)))
"""
    )
    _, out, _ = _same(tmp_path, program, ["argument"])
    assert "False" not in out


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_that_exits_says_nothing(tmp_path):
    program = (
        _SOLVE
        + "\nimport os, sys\nif os.fork() == 0:\n    solve(1)\n    sys.exit(3)\nprint(os.wait()[1] >> 8, solve(1))"
    )
    (tmp_path / "program.py").write_text(program)
    command = [*_RUN[:-1], "program.py"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout == "3 True\n"
    assert ended.stderr.count("reiterate: ") == 1
    assert "Not counted: what 1 forked process solved" in ended.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_in_the_middle_of_solves(tmp_path):
    program = _SOLVE + "\nprint('begun', flush=True)\nk = 0\nwhile True:\n    solve(k := k + 1, 3000)"
    (tmp_path / "program.py").write_text(program)
    with subprocess.Popen(
        [*_RUN[:-1], "program.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(3.0)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    traceback, _, table = error.partition("KeyboardInterrupt\n")
    assert traceback.startswith("Traceback (most recent call last):\n")
    assert "reiterate/intercept" not in traceback
    assert table.startswith("reiterate: ")


def test_nothing_is_imported_before_the_program_does(tmp_path):
    heavy = "{'numpy', 'scipy', 'numba', 'rich', 'typer', 'click', 'pydantic'}"
    assert _same(tmp_path, f"import sys\nprint({heavy} & set(sys.modules))")[1] == "set()\n"


def test_a_program_that_patches_scipy_itself(tmp_path):
    program = (
        _SOLVE
        + """
import scipy.sparse.linalg as la
kept = la.spsolve
def mine(A, b):
    print("mine", end=" ")
    return kept(A, b)
la.spsolve = mine
spsolve = mine
print(solve(1), la.spsolve is mine)
la.spsolve = kept
"""
    )
    assert "mine True True" in _same(tmp_path, program)[1]
