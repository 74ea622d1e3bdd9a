import json
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from reiterate.cli import app, main
from reiterate.files import StreamWriter, open_stream
from tests.matrices import laplacian


@pytest.fixture
def directory(tmp_path):
    writer = StreamWriter(tmp_path / "stream")
    for k in range(5):
        writer.add(laplacian(8, shift=1.0 + k), np.arange(64.0))
    return writer.directory


def _run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_a_directory_is_solved_and_reported(directory, tmp_path):
    result = _run("solve", directory)
    assert result.exit_code == 0
    assert "5 solved in" in result.output
    assert len(list(directory.glob("x_*.npy"))) == 5
    assert "All 5 systems solved" in (directory / "report.html").read_text(encoding="utf-8")
    (directory / "x_00003.npy").unlink()
    page = tmp_path / "page.html"
    found = json.loads(_run("solve", directory, "--json", "--report", page, "--threads", "1").output)
    assert (found["solved"], found["skipped"], found["trouble"]) == (1, 4, [])
    assert found["history"]["solves"] == 1
    assert page.exists()


def test_an_interrupted_run_goes_on_without_touching_the_report_when_all_is_solved(directory):
    _run("solve", directory)
    before = (directory / "report.html").read_bytes()
    result = _run("solve", directory)
    assert "0 solved" in result.output
    assert "5 had been solved before" in result.output
    assert (directory / "report.html").read_bytes() == before


def test_trouble_is_told_and_is_the_exit_status(directory, tmp_path):
    data = (directory / "A_00002.npz").read_bytes()
    (directory / "A_00002.npz").write_bytes(data[:100])
    result = _run("solve", directory, "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "4 solved" in result.output
    assert "1 not solved" in result.output
    assert "A_00002.npz" in result.stderr
    assert not (tmp_path / "out" / "x_00002.npy").exists()
    assert (tmp_path / "out" / "x_00004.npy").exists()
    assert not list(directory.glob("x_*"))


def test_a_file_that_holds_a_stream(tmp_path):
    A = laplacian(8)
    values = np.stack([A.data * (k + 1) for k in range(3)])
    shape, rhs = np.array(A.shape), np.ones((3, 64))
    np.savez(tmp_path / "heat.npz", indptr=A.indptr, indices=A.indices, shape=shape, values=values, rhs=rhs)
    assert _run("solve", tmp_path / "heat.npz").exit_code == 0
    assert len(list((tmp_path / "heat-solutions").glob("x_*.npy"))) == 3


def test_nothing_to_solve_is_an_error_of_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["reiterate", "solve", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert "holds no stream" in message
    assert len(message.splitlines()) == 1


def test_what_was_learnt_of_a_directory_is_kept(directory, tmp_path, monkeypatch):
    monkeypatch.setenv("REITERATE_MEMORY", "")
    _run("solve", directory, "--memory", "off", "--output", tmp_path / "first")
    assert not (tmp_path / "memory.sqlite3").exists()
    _run("solve", directory, "--memory", tmp_path / "memory.sqlite3", "--output", tmp_path / "second")
    assert (tmp_path / "memory.sqlite3").exists()


def test_solutions_that_are_not_exact_enough_are_solved_again_from_where_they_are(directory):
    def residuals():
        return [
            np.linalg.norm(s.b - s.A @ np.load(directory / f"x_{k:05d}.npy")) / np.linalg.norm(s.b)
            for k, s in enumerate(open_stream(directory))
        ]

    solves = ("solve", directory, "--memory", "off", "--rtol")
    _run(*solves, "1e-2")
    for k, system in enumerate(open_stream(directory)):  # whatever it was solved by, it is not exact
        np.save(directory / f"x_{k:05d}.npy", np.load(directory / f"x_{k:05d}.npy") + 1e-3 * system.b)
    before = residuals()
    assert min(before) > 1e-4
    tighter = _run(*solves, "1e-10")
    assert "5 solved in" in tighter.output
    assert "5 of them from solutions that were not exact enough" in tighter.output
    assert max(residuals()) <= 1e-10
    looser = _run(*solves, "1e-3", "--json")
    assert [json.loads(looser.output)[name] for name in ("solved", "skipped", "renewed")] == [0, 5, 0]
    assert max(residuals()) <= 1e-10


@pytest.mark.parametrize("found", [np.full(64, np.nan), np.ones(3), np.full(64, 1e9), np.ones(64, dtype=complex)])
def test_what_is_no_solution_is_no_start(directory, found):
    for k in range(5):
        np.save(directory / f"x_{k:05d}.npy", found)
    result = json.loads(_run("solve", directory, "--memory", "off", "--json").output)
    assert (result["solved"], result["renewed"], result["trouble"]) == (5, 0, [])


def _command(directory, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "reiterate", *map(str, arguments)],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_warning_is_a_line(directory, tmp_path):
    sqlite3.connect(tmp_path / "theirs.sqlite3").execute("CREATE TABLE t (x)").connection.commit()
    ended = _command(tmp_path, "solve", directory, "--memory", "theirs.sqlite3")
    assert ended.returncode == 0
    (line,) = ended.stderr.splitlines()
    assert line.startswith("warning: nothing will be remembered in this run: ")


@pytest.mark.parametrize("before", [[], ["--"]])
def test_warnings_of_a_program_stay_as_they_are(tmp_path, before):
    (tmp_path / "warns.py").write_text("import warnings\nwarnings.warn('beware')\n")
    plain = subprocess.run(
        [sys.executable, "warns.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    ended = _command(tmp_path, *before, "run", "--quiet", "warns.py")
    assert "UserWarning: beware" in plain.stderr
    assert ended.stderr.replace(f"{tmp_path}/", "") == plain.stderr.replace(f"{tmp_path}/", "")


def test_trouble_is_told_to_people_who_have_no_error_in_their_hands(directory):
    result = _run("solve", directory, "--memory", "off", "--rtol", "1e-17")
    assert result.exit_code == 1
    assert "can be met" in result.stderr
    assert ".x" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "line", "command"),
    [
        (["run"], "the following arguments are required: PROGRAM", "reiterate run"),
        (["record", "--limit", "0", "p.py"], "--limit 0 is not a positive number", "reiterate record"),
        (["bogus"], "No such command 'bogus'", "reiterate"),
        (["memory", "bogus"], "No such command 'bogus'", "reiterate memory"),
        (["solve", ".", "--threads", "0"], "Invalid value for '--threads': ", "reiterate solve"),
    ],
)
def test_whatever_is_wrong_with_a_command_is_told_in_one_style(tmp_path, arguments, line, command):
    ended = _command(tmp_path, *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    what, where = ended.stderr.splitlines()
    assert what.startswith(f"reiterate: {line}")
    assert where == f"  `{command} --help` tells more."


def test_a_command_group_alone_shows_its_help(tmp_path):
    ended = _command(tmp_path, "memory")
    assert "forget" in ended.stdout + ended.stderr
    assert "tells more" not in ended.stderr
