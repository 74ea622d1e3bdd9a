"""``reiterate memory``."""

import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from reiterate.cli import app
from reiterate.errors import InvalidInput, ReiterateError
from reiterate.files import StreamWriter
from reiterate.memory import Store, fingerprint

HEAT = {"what": "A x = b", "size": 12, "traits": ["symmetric"], "cost": "time", "decides": "explorer", "columns": 1}
STATE = {"policy": "explorer", "solves": 7, "arms": {"cg": {"plays": 4}, "ssor_cg(omega=1.5)": {"plays": 2}}}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "memory.sqlite3"
    store = Store(path)
    store.remember(fingerprint(HEAT, "heat/main.py:3"), STATE)
    store.remember(fingerprint({**HEAT, "traits": ["complex"], "columns": 2}, ""), {**STATE, "solves": 2})
    store.close()
    return path


def memory(*arguments, path=None):
    where = [] if path is None else ["--memory", str(path)]
    done = CliRunner().invoke(app, ["memory", *map(str, arguments), *where], env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def number(path, site):
    return next(entry.id for entry in Store(path).entries() if entry.site == site)


def test_list(path):
    told = memory("list", path=path)
    assert "heat/main.py:3" in told
    assert "n < 4,096, real, symmetric" in told
    assert "complex, nonsymmetric, several columns" in told
    listed = json.loads(memory("list", "--json", path=path))
    assert {entry["site"]: entry["solves"] for entry in listed} == {"heat/main.py:3": 7, "": 2}


def test_a_list_fits_into_eighty_columns_and_cuts_nothing(tmp_path, monkeypatch):
    path = tmp_path / "memory.sqlite3"
    store, site = Store(path), "fipy/linearLUSolver.py:62 splu in LinearLUSolver._solve_"
    for k, name in enumerate((site, f"[bold]{site}", "heat.py:3")):
        store.remember(fingerprint({**HEAT, "size": 10 + k}, name), STATE)
    store.close()
    done = CliRunner().invoke(app, ["memory", "list", "--memory", str(path)], env={"COLUMNS": "80"})
    _, *lines = done.output.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in done.output
    assert "cost" not in done.output  # the same of all
    folded = "".join("".join(lines).split())
    assert "linearLUSolver.py:62" in folded
    assert "[bold]fipy" in folded


def test_an_empty_memory_says_so(tmp_path):
    (tmp_path / "m").touch()
    assert "Nothing is remembered" in memory("list", path=tmp_path / "m")
    assert json.loads(memory("list", "--json", path=tmp_path / "m")) == []


@pytest.mark.parametrize("command", [["list"], ["show", 1], ["export", "file.json"], ["forget", "--all"]])
def test_what_only_reads_makes_no_file(tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match=r"there is no file .*typo\.sqlite3.*check the name"):
        memory(*command, path=tmp_path / "typo.sqlite3")
    assert not list(tmp_path.iterdir())


def test_nothing_learnt_yet_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("REITERATE_MEMORY", str(tmp_path / "later.sqlite3"))
    assert "Nothing is remembered" in memory("list")
    assert json.loads(memory("list", "--json")) == []
    with pytest.raises(InvalidInput, match="there is no file"):
        memory("forget", "--all")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command", [["run", "--memory", "no/m.sqlite3", "p.py"], ["solve", "s", "--memory", "no/m.sqlite3"]]
)
def test_commands_refuse_a_memory_in_a_directory_that_is_not_there(tmp_path, command):
    (tmp_path / "p.py").write_text("print('begun')")
    StreamWriter(tmp_path / "s").add(np.eye(3), np.ones(3))
    done = subprocess.run(
        [sys.executable, "-m", "reiterate", *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"there is no directory {str(tmp_path / 'no')!r}; create it first" in done.stderr
    assert not (tmp_path / "no").exists()
    assert not list((tmp_path / "s").glob("x_*"))


def test_show(path):
    told = memory("show", number(path, "heat/main.py:3"), path=path)
    assert "7 solves" in told
    assert "cg  4" in told
    shown = json.loads(memory("show", number(path, "heat/main.py:3"), "--json", path=path))
    assert shown["state"] == STATE
    with pytest.raises(InvalidInput, match="no stream 99"):
        memory("show", 99, path=path)


def test_forget(path):
    assert "0 streams" in memory("forget", "--older-than", 1, path=path)
    assert "1 stream forgotten" in memory("forget", number(path, ""), path=path)
    with pytest.raises(InvalidInput, match="no stream"):
        memory("forget", 99, path=path)
    for arguments in ([], [1, "--all"], ["--all", "--older-than", 3]):
        with pytest.raises(InvalidInput, match="needs one of"):
            memory("forget", *arguments, path=path)
    assert "1 stream forgotten" in memory("forget", "--all", path=path)
    assert Store(path).entries() == []


def test_what_was_exported_can_be_imported_elsewhere(path, tmp_path):
    file, other = tmp_path / "export.json", tmp_path / "other.sqlite3"
    assert "2 streams" in memory("export", file, path=path)
    assert "2 of 2" in memory("import", file, path=other)
    assert "0 of 2" in memory("import", file, path=other)
    found = Store(other).recall(fingerprint(HEAT, "heat/main.py:3"))
    assert (found.state, found.same_stream, found.same_machine) == (STATE, True, True)
    assert Store(other).machines() == Store(path).machines()


def test_imported_knowledge_does_not_replace_more_of_it(path, tmp_path):
    file = tmp_path / "export.json"
    memory("export", file, path=path)
    store = Store(path)
    store.remember(fingerprint(HEAT, "heat/main.py:3"), {**STATE, "solves": 90})
    store.close()
    assert "0 of 2" in memory("import", file, path=path)
    assert Store(path).recall(fingerprint(HEAT, "heat/main.py:3")).state["solves"] == 90


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: "{",
        lambda whole: "[]",
        lambda whole: json.dumps({**whole, "format": "other"}),
        lambda whole: json.dumps({**whole, "version": 2}),
        lambda whole: json.dumps({**whole, "streams": 3}),
        lambda whole: json.dumps({**whole, "streams": [*whole["streams"], 3]}),
        lambda whole: json.dumps({**whole, "streams": [{**whole["streams"][0], "solves": -1}]}),
        lambda whole: json.dumps({**whole, "streams": [{**whole["streams"][0], "used": float("nan")}]}),
        lambda whole: json.dumps({**whole, "streams": [{**whole["streams"][0], "state": {"x": float("inf")}}]}),
        lambda whole: json.dumps({**whole, "streams": [{**whole["streams"][0], "site": None}]}),
    ],
)
def test_a_damaged_export_is_refused_by_name_and_nothing_is_taken_in(path, tmp_path, damage):
    file, other = tmp_path / "export.json", tmp_path / "other.sqlite3"
    memory("export", file, path=path)
    file.write_text(damage(json.loads(file.read_text())))
    with pytest.raises(InvalidInput, match=r"export\.json"):
        memory("import", file, path=other)
    assert Store(other).entries() == []


def test_files_that_cannot_be_used_are_errors(path, tmp_path):
    with pytest.raises(InvalidInput, match="cannot be read"):
        memory("import", tmp_path / "none.json", path=path)
    with pytest.raises(InvalidInput, match="cannot be written"):
        memory("export", tmp_path / "no" / "such" / "place.json", path=path)
    with pytest.raises(ReiterateError, match=str(tmp_path)):
        memory("list", path=tmp_path)


def test_memory_that_is_off_is_an_error(monkeypatch):
    monkeypatch.setenv("REITERATE_MEMORY", "off")
    with pytest.raises(InvalidInput, match="REITERATE_MEMORY"):
        memory("list")
