import io
import json
import re
import subprocess
import sys

import pytest
from rich.console import Console
from typer.testing import CliRunner

import reiterate as rt
from reiterate import __version__, catalog
from reiterate.cli import app, main
from reiterate.gallery import GALLERY
from reiterate.learners import LEARNERS
from reiterate.linear.portfolio import METHODS


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        return CliRunner().invoke(app, list(arguments), catch_exceptions=False)

    return call


def test_help_reads_well(run):
    text = run("--help").output
    for word in ("demo", "doctor", "--version"):
        assert word in text
    text = run("demo", "heat", "--help").output
    for word in ("--nx", "--steps", "--json", "--report", "omega"):
        assert word in text
    assert run("--version").output.strip() == f"reiterate {__version__}"


@pytest.mark.parametrize(
    "arguments",
    [
        ("demo", "heat", "--nx", "12", "--steps", "30"),
        ("demo", "diffusion3d", "--size", "6", "--steps", "10"),
        ("demo", "constant", "--nx", "12", "--steps", "20"),
        ("demo", "newton", "--nx", "12", "--steps", "20"),
        ("demo", "thermal_block", "--cells", "4", "--steps", "20"),
        ("demo", "topology", "--nx", "9", "--ny", "4", "--steps", "6"),
    ],
)
def test_demo_as_json(run, tmp_path, arguments):
    result = run(*arguments, "--json")
    assert result.exit_code == 0
    found = json.loads(result.output)
    totals = {c["name"]: c["iterations"] for c in found["contenders"]}
    assert {"plain CG", "omega = 1", "omega = 1.5", "best fixed", "instance-optimal", "ChebCB"} <= set(totals)
    assert totals["instance-optimal"] <= totals["best fixed"] <= totals["omega = 1.5"]
    assert totals["instance-optimal"] == found["instance_optimal"]["iterations"]
    assert totals["best fixed"] == found["best_fixed"]["iterations"]
    assert (tmp_path / found["report"]).stat().st_size > 10_000


@pytest.mark.parametrize(
    "arguments",
    [
        ("convection", "--nx", "10", "--steps", "12"),
        ("helmholtz", "--nx", "10", "--steps", "6", "--highest", "10"),
        ("navier_stokes", "--nx", "8", "--steps", "10"),
        ("powerflow", "--buses", "20", "--steps", "12"),
    ],
)
def test_demo_without_positive_definite_matrices(run, tmp_path, arguments):
    found = json.loads(run("demo", *arguments, "--json").output)
    assert (found["solves"], found["failures"]) == (int(arguments[4]), 0)
    assert sum(configuration["solves"] for configuration in found["configurations"]) == found["solves"]
    assert "What was chosen" in (tmp_path / found["report"]).read_text(encoding="utf-8")
    text = run("demo", *arguments, "--report", "page.html").output
    assert f"{found['solves']} solves, 0 failed" in text
    assert (tmp_path / "page.html").exists()


def test_every_stream_of_the_gallery_has_a_demo(run):
    text = run("demo", "--help").output
    for name in GALLERY:
        assert name in text
        options = run("demo", name, "--help").output
        assert all(option in options for option in ("--steps", "--rtol", "--seed", "--json", "--report"))
        assert "report ." not in options


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_solved(monkeypatch, capsys):
    monkeypatch.setattr(rt.Solver, "solve", lambda *_: pytest.fail("a system was solved"))
    monkeypatch.setattr(sys, "argv", ["reiterate", "demo", "heat", "--report", "/nonexistent/x.html"])
    with pytest.raises(SystemExit):
        main()
    assert "there is no directory '/nonexistent'" in capsys.readouterr().err


def test_demo_on_a_terminal(run, tmp_path):
    result = run("demo", "heat", "--nx", "10", "--steps", "20", "--report", "page.html")
    assert result.exit_code == 0
    assert "instance-optimal" in result.output
    assert "page.html" in result.output
    assert (tmp_path / "page.html").exists()


def test_the_same_seed_makes_the_same_choices(run):
    def totals():
        found = json.loads(run("demo", "heat", "--nx", "10", "--steps", "40", "--json", "--seed", "3").output)
        return [(c["name"], c["iterations"]) for c in found["contenders"]]

    assert totals() == totals()


def test_doctor(run):
    found = json.loads(run("doctor", "--json").output)
    assert found["packages"]["numba"]
    assert found["cache"]["directory"]
    assert found["first_solve_seconds"] > 0
    text = run("doctor").output
    assert "cache: directory" in text
    assert "optional" in text
    assert found["advice"]


def test_methods(run):
    listed = run("methods").output
    assert all(name in listed for name in METHODS)
    assert "ssor_cg(omega=1.5)" in listed
    described = run("methods", "ilu_gmres").output
    assert "Saad and Schultz" in described
    assert "restart = 30: whole numbers in" in described


def test_learners(run):
    lines = run("learners").output.splitlines()
    assert [line.split()[0] for line in lines] == list(LEARNERS)
    without = {line.split()[0] for line in lines if not re.search(r"\b(?:1[89]|20)\d\d\.$", line)}
    assert without == {"fixed", "uniform"}
    assert "Zimmert and Y. Seldin" in lines[0]


@pytest.fixture
def written(monkeypatch):
    """What the catalog writes to a terminal of 80 columns."""
    written = io.StringIO()
    monkeypatch.setattr(
        catalog, "Console", lambda: Console(file=written, force_terminal=True, width=80, color_system=None)
    )
    return written


def test_learners_fit_a_terminal(written):
    catalog.print_learners()
    lines = written.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert set(LEARNERS) <= set(lines)


def test_methods_fit_a_terminal(written):
    catalog.print_methods()
    lines = written.getvalue().splitlines()
    assert len(lines) < len(METHODS)
    assert max(len(line.rstrip()) for line in lines) <= 80
    prefixes = {line.split()[0].split("(")[0].rstrip("_") for line in lines if line.startswith("  ")}
    assert {name for name in METHODS if "_" in name} <= {f"{p}_{name}" for p in prefixes for name in METHODS}


def test_a_piped_list_has_a_line_for_every_method(run):
    lines = run("methods").output.splitlines()
    assert [line.split("(")[0].split()[0] for line in lines] == list(METHODS)


def test_a_method_may_be_given_by_its_spelling(run):
    assert run("methods", "ssor_cg(omega=1.5)").output == run("methods", "ssor_cg").output


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ilu_gmress", "did you mean 'ilu_gmres'"),
        ("SSOR_CG", "did you mean 'ssor_cg'"),
        ("nothing like it", "not a configuration"),
        ("unheard", "`reiterate methods` lists all"),
    ],
)
def test_an_unknown_method_is_explained(monkeypatch, capsys, name, words):
    monkeypatch.setattr(sys, "argv", ["reiterate", "methods", name])
    with pytest.raises(SystemExit):
        main()
    message = capsys.readouterr().err
    assert words in message
    assert len(message) < 160


def test_bad_options_are_explained(run, tmp_path, monkeypatch, capsys):
    assert run("demo", "heat", "--nx", "2").exit_code == 2
    monkeypatch.setattr(sys, "argv", ["reiterate", "demo", "heat", "--nx", "5", "--steps", "3", "--rtol", "-1"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert "rtol: -1.0 is not a finite number >= 0" in message
    assert "Traceback" not in message


def test_nothing_heavy_is_imported_for_help():
    code = (
        "import sys, reiterate, reiterate.cli\n"
        "print([m for m in ('numpy', 'numba', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


# An import hook that stands for Ctrl-C at the moment when a module is imported; "" lets everything be imported.
_HOOK = """
import sys
class Hook:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Hook())
sys.argv = ["reiterate", "demo", "heat", "--nx", "5", "--steps", "3", "--report", {report!r}]
from reiterate.__main__ import main
{before}
main()
"""


def _interrupt(tmp_path, module="", before=""):
    code = _HOOK.format(module=module, before=before, report=str(tmp_path / "page.html"))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", ["reiterate.intercept", "reiterate.cli", "typer", "rich", "numpy", "numba"])
def test_ctrl_c_during_imports_ends_the_command_quietly(tmp_path, module):
    ended = _interrupt(tmp_path, module)
    assert (ended.returncode, ended.stderr) == (130, "Interrupted.\n")


def test_ctrl_c_during_a_command_ends_it_quietly(tmp_path):
    before = (
        "import reiterate.comparison as comparison\n"
        "def compare(*arguments, **options): raise KeyboardInterrupt\n"
        "comparison.compare = compare"
    )
    ended = _interrupt(tmp_path, before=before)
    assert (ended.returncode, ended.stderr) == (130, "Interrupted.\n")
    assert "Aborted" not in ended.stdout


def test_the_package_runs_as_a_module():
    ended = subprocess.run([sys.executable, "-m", "reiterate", "--version"], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == f"reiterate {__version__}"


def test_programs_are_run_whichever_way_the_command_begins(tmp_path):
    listed = CliRunner().invoke(app, ["--help"]).output
    assert all(words in listed for words in ("Run an unmodified Python program", "write the linear systems"))
    (tmp_path / "program.py").write_text("import sys\nprint(sys.argv[1:])\nsys.exit(5)")
    for begin in ("reiterate.__main__", "reiterate.cli"):
        code = f"import sys\nfrom {begin} import main\nmain()"
        command = [sys.executable, "-c", code, "run", "--quiet", str(tmp_path / "program.py"), "--report", "-m"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stdout, ended.stderr) == (5, "['--report', '-m']\n", "")
