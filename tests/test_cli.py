import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from reiterate import __version__
from reiterate.cli import app, main
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


def test_an_unknown_method_is_explained(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["reiterate", "methods", "ilu_gmress"])
    with pytest.raises(SystemExit):
        main()
    assert "did you mean 'ilu_gmres'" in capsys.readouterr().err


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


@pytest.mark.parametrize("module", ["reiterate.cli", "typer", "rich", "numpy", "numba"])
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
