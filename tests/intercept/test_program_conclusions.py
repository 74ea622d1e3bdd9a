"""What `reiterate run` and `reiterate record` write when a program is over."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from reiterate.files import open_stream

_PROGRAM = """
import sys
import numpy as np, scipy.sparse as sp
from scipy.sparse.linalg import spsolve, splu, cg

def laplacian(m):
    T = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(m, m))
    identity = sp.eye_array(m)
    return (sp.kron(T, identity) + sp.kron(identity, T)).tocsc()

def step(A, u, dt):
    return spsolve(sp.eye_array(A.shape[0], format="csc") + dt * A, u)

A = laplacian(30)
u = np.ones(900)
for k in range(4):
    u = step(A, u, 0.1)
p, info = cg(A, u, x0=0.5 * u, rtol=1e-8)
lu = splu(A)
q = lu.solve(np.column_stack([u, p]))
np.save("solution.npy", np.column_stack([u, p, q]))
"""


def _run(tmp_path, *command, program=_PROGRAM):
    (tmp_path / "heat.py").write_text(program)
    return subprocess.run(
        [sys.executable, "-m", "reiterate", *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_table_json_and_report(tmp_path):
    program = _PROGRAM + "\nimport os\nos.mkdir('elsewhere')\nos.chdir('elsewhere')"
    files = ["--json", "out.json", "--report", "out.html"]
    ended = _run(tmp_path, "run", "--audit", "1", *files, "heat.py", program=program)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr.startswith("reiterate: 6 solves at 3 call sites")
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["program"], found["solves"], len(found["sites"])) == ("heat.py", 6, 3)
    assert [site["function"] for site in found["sites"]] == ["spsolve", "cg", "splu"]
    assert "heat.py:12 in step" in (tmp_path / "out.html").read_text()


@pytest.mark.parametrize("module", ["csgraph", "_sparsetools", "linalg._isolve", "linalg._eigen"])
def test_whatever_imports_scipy_s_solvers_first(tmp_path, module):
    ended = _run(tmp_path, "run", "heat.py", program=f"import scipy.sparse.{module}\n{_PROGRAM}")
    assert ended.returncode == 0
    assert ended.stderr.startswith("reiterate: 6 solves at 3 call sites")


def test_nothing_of_ours_is_imported_before_the_first_call(tmp_path):
    program = "import scipy.sparse.linalg, sys\nprint({'numba', 'reiterate.intercept.session'} & set(sys.modules))"
    assert _run(tmp_path, "run", "heat.py", program=program).stdout == "set()\n"


@pytest.mark.parametrize("command", ["run", "record"])
@pytest.mark.parametrize(
    ("program", "arguments", "words"),
    [
        ("", ["missing.py"], "can't open file"),
        ("def f(:", ["heat.py"], "SyntaxError"),
        ("", ["-m", "missing"], "No module named missing"),
        ("def f(:", ["-m", "heat"], "SyntaxError"),
    ],
)
def test_of_a_program_that_could_not_begin_nothing_is_told(tmp_path, command, program, arguments, words):
    files = ["--json", "out.json", "--report", "out.html"] if command == "run" else []
    ended = _run(tmp_path, command, *files, *arguments, program=program)
    assert ended.returncode != 0
    assert words in ended.stderr
    assert "SciPy" not in ended.stderr
    assert not list(tmp_path.glob("out.*"))


@pytest.mark.parametrize("arguments", [["heat.py"], ["-m", "heat"], ["."]])
def test_a_program_that_fails_is_told_of(tmp_path, arguments):
    (tmp_path / "__main__.py").write_text("1 / 0")
    ended = _run(tmp_path, "run", *arguments, program="1 / 0")
    assert ended.returncode == 1
    assert ended.stderr.endswith("called none of SciPy's sparse linear solvers.\n")


def test_quiet_says_nothing(tmp_path):
    ended = _run(tmp_path, "run", "--quiet", "heat.py")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_a_program_without_solves_gets_one_line(tmp_path):
    ended = _run(tmp_path, "run", "heat.py", program="print('hello')")
    assert ended.stdout == "hello\n"
    assert ended.stderr == "reiterate: the program called none of SciPy's sparse linear solvers.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--report", "nowhere/out.html"], "there is no directory"),
        (["--json", "."], "is a directory"),
        (["--direct-tolerance", "2"], "is not between 0 and 1"),
        (["--audit", "7"], "is not between 0 and 1"),
    ],
)
def test_bad_options_are_refused_before_the_program_begins(tmp_path, arguments, words):
    ended = _run(tmp_path, "run", *arguments, "heat.py", program="print('begun')")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert words in ended.stderr


def test_a_report_that_cannot_be_written_in_the_end_changes_no_exit_status(tmp_path):
    program = "import os, sys\nos.rmdir('gone')\nsys.exit(6)"
    (tmp_path / "gone").mkdir()
    ended = _run(tmp_path, "run", "--json", "gone/out.json", "heat.py", program=program)
    assert ended.returncode == 6
    assert "there is no directory" in ended.stderr


def test_standard_error_that_is_closed_changes_nothing(tmp_path):
    ended = _run(tmp_path, "run", "heat.py", program="import sys, os\nsys.stderr.close()\nprint('ok')\nsys.exit(4)")
    assert (ended.returncode, ended.stdout) == (4, "ok\n")


def test_recorded_systems_are_those_of_the_program(tmp_path):
    plain = _run(tmp_path, "run", "--quiet", "heat.py")
    assert plain.returncode == 0
    exact = np.load(tmp_path / "solution.npy")
    ended = _run(tmp_path, "record", "--output", "kept", "heat.py")
    assert ended.returncode == 0
    assert np.allclose(np.load(tmp_path / "solution.npy"), exact, rtol=1e-6)
    assert ended.stderr.startswith(f"reiterate: 6 systems at 3 call sites in {tmp_path / 'kept'}\n")
    names = sorted(os.listdir(tmp_path / "kept"))
    assert names == ["heat_12_step_spsolve", "heat_18_module_cg", "heat_19_module_splu"]
    steps, cg, lu = (list(open_stream(tmp_path / "kept" / name)) for name in names)
    assert (len(steps), len(cg), len(lu)) == (4, 1, 1)
    assert len(list((tmp_path / "kept" / names[0]).glob("A_*"))) == 1
    solved = np.load(tmp_path / "solution.npy")
    assert np.array_equal(cg[0].b, solved[:, 0])
    assert np.array_equal(cg[0].x0, 0.5 * solved[:, 0])
    assert np.array_equal(lu[0].b, solved[:, :2])
    assert np.allclose(lu[0].A @ solved[:, 2:], lu[0].b)
    assert np.allclose(steps[-1].A @ solved[:, 0], steps[-1].b)


def test_a_recording_has_a_limit_and_does_not_mix_with_another(tmp_path):
    ended = _run(tmp_path, "record", "--limit", "2", "heat.py")
    assert "the first 2 of 4" in ended.stderr
    assert len(open_stream(tmp_path / "heat-systems" / "heat_12_step_spsolve")) == 2
    again = _run(tmp_path, "record", "heat.py")
    assert again.returncode == 2
    assert "is not empty" in again.stderr


def test_a_program_that_solves_nothing_leaves_an_empty_recording(tmp_path):
    ended = _run(tmp_path, "record", "heat.py", program="import sys; sys.exit(5)")
    assert (ended.returncode, ended.stdout) == (5, "")
    assert "nothing recorded" in ended.stderr


@pytest.mark.skipif(os.name != "posix", reason="homes are found otherwise there")
def test_a_user_without_a_home(tmp_path):
    nobody = "import os, pwd\ndef nobody(_): raise KeyError\npwd.getpwuid = nobody\n"
    gone = "for name in ('HOME', 'XDG_DATA_HOME', 'REITERATE_MEMORY'): os.environ.pop(name, None)\n"
    ended = _run(tmp_path, "run", "--audit", "1", "heat.py", program=nobody + gone + _PROGRAM)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("nothing will be remembered in this run: there is no home directory") == 1
    assert "6 solves" in ended.stderr
    assert sorted(os.listdir(tmp_path)) == ["heat.py", "solution.npy"]
