"""The file: what is kept, what is found again, and what happens when the file or the disk is not what it should be."""

import os
import sqlite3
import subprocess
import sys
import threading
import warnings

import pytest

import reiterate as rt
from reiterate.memory import Store, chosen_path, fingerprint, open_store, place, schema, store
from reiterate.memory.recognition import machine

HEAT = {"what": "A x = b", "size": 12, "traits": ["symmetric"]}
WAVES = {"what": "A x = b", "size": 12, "traits": ["complex"]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "memory.sqlite3"


def known(solves, **more):
    return {"solves": solves, "arms": {"cg": {"strength": 0.25}}, **more}


@pytest.fixture
def elsewhere(monkeypatch):
    """From now on this is another machine."""

    def move():
        monkeypatch.setattr(store, "machine", lambda: ("elsewhere", "another processor"))

    return move


def test_what_is_remembered_is_recalled_by_another_store(path):
    here = fingerprint(HEAT, "heat/main.py:3")
    assert Store(path).remember(here, known(5))
    found = Store(path).recall(here)
    assert found.state == known(5)
    assert (found.same_stream, found.same_machine) == (True, True)
    assert Store(path).recall(fingerprint(WAVES, "heat/main.py:3")) is None


def test_what_is_long_is_compressed(path):
    here, state = fingerprint(HEAT), known(1, arms={f"arm{k}": {"strength": 0.125} for k in range(500)})
    kept = Store(path)
    kept.remember(here, state)
    assert kept.recall(here).state == state
    assert kept.entries()[0].bytes < 0.2 * len(str(state))


def test_look_up_falls_back_to_another_machine_then_to_another_stream(path, elsewhere):
    here, there = fingerprint(HEAT, "a.py:1"), fingerprint(HEAT, "b.py:1")
    kept = Store(path)
    kept.remember(there, known(2))
    found = kept.recall(here)
    assert (found.same_stream, found.same_machine) == (False, True)
    elsewhere()
    kept.remember(here, known(7))
    found = kept.recall(here)
    assert (found.state["solves"], found.same_stream, found.same_machine) == (7, True, True)
    found = kept.recall(there)
    assert (found.state["solves"], found.same_stream, found.same_machine) == (2, True, False)


def test_streams_without_a_place_are_never_the_same(path):
    kept = Store(path)
    kept.remember(fingerprint(HEAT), known(2))
    assert not kept.recall(fingerprint(HEAT)).same_stream


def test_what_comes_from_fewer_solves_does_not_replace_what_is_fresh(path, monkeypatch):
    here, kept = fingerprint(HEAT, "a.py:1"), Store(path)
    kept.remember(here, known(50))
    kept.remember(here, known(3))
    assert kept.recall(here).state["solves"] == 50
    tomorrow = store.time.time() + 86400.0
    monkeypatch.setattr(store.time, "time", lambda: tomorrow)
    kept.remember(here, known(3))
    assert kept.recall(here).state["solves"] == 3


def test_size_is_bounded_and_the_least_recently_used_go(path):
    kept = Store(path, streams=40)
    for k in range(100):
        kept.remember(fingerprint({"k": k}), known(k))
    left = {entry.kind["k"] for entry in kept.entries()}
    assert len(left) <= 40 + store._LOOKS
    assert set(range(90, 100)) <= left
    assert 0 not in left
    small = Store(path.with_name("small"), size=20_000)
    for k in range(300):
        small.remember(fingerprint({"k": k}), known(k, text=os.urandom(300).hex()))
    assert sum(entry.bytes for entry in small.entries()) <= 20_000 + store._LOOKS * 700
    assert small.path.stat().st_size < 200_000


def test_what_is_too_large_is_not_stored(path):
    kept = Store(path)
    assert not kept.remember(fingerprint(HEAT), known(1, text=os.urandom(2**18).hex()))
    assert kept.on


def test_forgetting(path, monkeypatch):
    kept = Store(path)
    for k in range(4):
        kept.remember(fingerprint({"k": k}), known(k))
    assert kept.forget(kept.entries()[0].id) == 1
    assert kept.forget(10**6) == 0
    assert kept.forget(unused_for=3600.0) == 0
    tomorrow = store.time.time() + 86400.0
    monkeypatch.setattr(store.time, "time", lambda: tomorrow)
    kept.remember(fingerprint({"k": 9}), known(1))
    assert kept.forget(unused_for=3600.0) == 3
    assert kept.forget() == 1
    assert kept.entries() == []
    assert kept.machines() == {}
    kept.remember(fingerprint(HEAT), known(1))
    assert kept.machines().keys() == {machine()[0]}


def damage_garbage(path):
    path.write_bytes(b"garbage " * 4096)


def damage_half(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def damage_middle(path):
    whole = bytearray(path.read_bytes())
    whole[200:] = os.urandom(len(whole) - 200)
    path.write_bytes(whole)


def damage_tables(path):
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE streams")
    connection.close()


def damage_columns(path):
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE streams RENAME COLUMN state TO estate")
    connection.close()


@pytest.mark.parametrize(
    "damage", [damage_garbage, damage_half, damage_middle, damage_tables, damage_columns], ids=lambda f: f.__name__
)
def test_a_damaged_file_is_set_aside_with_one_warning(path, damage):
    here = fingerprint(HEAT, "a.py:1")
    first = Store(path)
    for k in range(50):
        first.remember(fingerprint({"k": k}), known(k))
    first.close()
    damage(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        second = Store(path)
        assert second.recall(here) is None
        assert second.remember(here, known(3))
        assert second.recall(here).state == known(3)
    assert [str(warning.message).count("is damaged; it is now") for warning in caught] == [1]
    assert path.with_name("memory.sqlite3.corrupt-1").exists()
    second.close()
    damage(path)
    with pytest.warns(RuntimeWarning, match="corrupt-2"):
        Store(path).recall(here)


def test_a_damaged_entry_is_dropped(path):
    here, kept = fingerprint(HEAT, "a.py:1"), Store(path)
    for text in (b"{", b"[1]", b"\xff\xfe", b'"x"'):
        kept.remember(here, known(3))
        kept.close()
        connection = sqlite3.connect(path)
        connection.execute("UPDATE streams SET packed = ?, state = ?", (len(text) % 2, text))
        connection.commit()
        connection.close()
        assert kept.recall(here) is None
        assert kept.entries() == []


def test_an_empty_file_is_filled(path):
    path.touch()
    kept = Store(path)
    assert kept.remember(fingerprint(HEAT), known(1))


def off_with_one_warning(kept, match):
    here = fingerprint(HEAT, "a.py:1")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert not kept.remember(here, known(1))
        assert kept.recall(here) is None
        assert not kept.remember(here, known(2))
    (warning,) = caught
    assert "nothing will be remembered" in str(warning.message)
    assert match in str(warning.message)
    assert not kept.on


def test_a_file_of_a_later_version_is_left_alone(path):
    kept = Store(path)
    kept.remember(fingerprint(HEAT), known(1))
    kept.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    off_with_one_warning(Store(path), "later version")
    assert path.read_bytes() == before


def test_the_database_of_another_program_is_left_alone(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE accounts (name TEXT)")
    connection.close()
    before = path.read_bytes()
    off_with_one_warning(Store(path), "another program")
    assert path.read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="permissions mean something else there")
def test_a_home_that_cannot_be_written_turns_memory_off(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    script = (
        "import os, sys, warnings\n"
        "from pathlib import Path\n"
        "from reiterate.memory import Store, fingerprint\n"
        "from reiterate.memory.recognition import machine\n"
        "machine(), warnings.warn('known', stacklevel=1)\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"  # root may write anywhere
        "kept = Store(Path(sys.argv[1]) / 'data' / 'memory.sqlite3')\n"
        "for _ in range(2):\n"
        "    assert not kept.remember(fingerprint({}), {'solves': 1})\n"
        "    assert kept.recall(fingerprint({})) is None\n"
    )
    for part in (*tmp_path.parents, tmp_path):
        if str(part).startswith("/tmp/"):
            part.chmod(part.stat().st_mode | 0o055)
    done = subprocess.run([sys.executable, "-c", script, str(home)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("reiterate: nothing will be remembered") == 1


@pytest.mark.parametrize("place", ["directory", "below a file"])
def test_a_place_that_cannot_be_a_file_turns_memory_off(tmp_path, place):
    (tmp_path / "file").touch()
    where = tmp_path if place == "directory" else tmp_path / "file" / "memory.sqlite3"
    off_with_one_warning(Store(where), str(where))


def test_only_the_directory_of_its_own_is_made(tmp_path, monkeypatch):
    named, own = tmp_path / "typo" / "memory.sqlite3", tmp_path / "own" / "deeper" / "memory.sqlite3"
    monkeypatch.setattr(schema, "default_path", lambda: own)
    off_with_one_warning(Store(named), f"there is no directory '{named.parent}'; create it first")
    assert not named.parent.exists()
    store = Store(own)
    assert store.remember(fingerprint({"what": "A x = b"}, "a"), {"solves": 1})
    store.close()
    assert own.exists()


class Failing:
    """A connection that fails from some point on."""

    def __init__(self, connection, message, code):
        self._connection, self._message, self._code = connection, message, code

    def execute(self, query, *values):
        if query.startswith("INSERT INTO streams"):
            error = sqlite3.OperationalError(self._message)
            error.sqlite_errorcode = self._code
            raise error
        return self._connection.execute(query, *values)

    def close(self):
        self._connection.close()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("database or disk is full", sqlite3.SQLITE_FULL),
        ("disk I/O error", sqlite3.SQLITE_IOERR),
        ("attempt to write a readonly database", sqlite3.SQLITE_READONLY),
        ("something nobody knows", None),
    ],
)
def test_a_full_disk_turns_memory_off(path, monkeypatch, message, code):
    connect = schema.connect
    monkeypatch.setattr(schema, "connect", lambda *arguments: Failing(connect(*arguments), message, code))
    off_with_one_warning(Store(path), message)


def test_a_file_that_is_locked_is_tried_again_later(path):
    here, kept = fingerprint(HEAT, "a.py:1"), Store(path)
    assert kept.remember(here, known(1))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert not kept.remember(here, known(2))
    assert kept.recall(here).state["solves"] == 1
    assert kept.on
    other.execute("ROLLBACK")
    assert kept.remember(here, known(2))
    other.close()


def test_warnings_that_are_errors_do_not_end_the_program(tmp_path, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Store(tmp_path).recall(fingerprint(HEAT)) is None
    assert "nothing will be remembered" in capsys.readouterr().err


def test_older_files_are_brought_up_to_date(path, monkeypatch):
    here, kept = fingerprint(HEAT, "a.py:1"), Store(path)
    kept.remember(here, known(4))
    kept.close()
    later = [*schema.MIGRATIONS, "ALTER TABLE streams ADD COLUMN note TEXT NOT NULL DEFAULT ''; CREATE TABLE notes (x)"]
    monkeypatch.setattr(schema, "MIGRATIONS", later)
    assert Store(path).recall(here).state == known(4)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    assert connection.execute("SELECT note FROM streams").fetchall() == [("",)]
    connection.close()


def test_an_update_that_fails_leaves_the_file_as_it_was(path, monkeypatch):
    here, kept = fingerprint(HEAT, "a.py:1"), Store(path)
    kept.remember(here, known(4))
    kept.close()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, "CREATE TABLE notes (x); ALTER TABLE nobody ADD y"])
        connect = schema.connect
        with pytest.raises(sqlite3.OperationalError):
            connect(path, 0.1)
    assert Store(path).recall(here).state == known(4)


def test_threads_share_a_store(path):
    kept, failed = Store(path), []

    def work(number):
        written = [kept.remember(fingerprint({"k": k}, f"{number}"), known(k), patiently=True) for k in range(20)]
        failed.append(not all(written))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(failed)
    assert len(kept.entries()) == 80


def test_where_the_file_is(monkeypatch, tmp_path):
    monkeypatch.delenv("REITERATE_MEMORY")
    assert chosen_path(None) is None
    assert chosen_path(False) is None
    assert chosen_path(True).name == "memory.sqlite3"
    assert chosen_path(tmp_path / "m") == tmp_path / "m"
    assert chosen_path("m").is_absolute()
    monkeypatch.setenv("REITERATE_MEMORY", str(tmp_path / "n"))
    assert chosen_path(None) == chosen_path(True) == tmp_path / "n"
    assert chosen_path(False) is None
    monkeypatch.setenv("REITERATE_MEMORY", "off")
    assert chosen_path(None) is chosen_path(True) is None
    assert chosen_path(tmp_path / "m") == tmp_path / "m"
    monkeypatch.setenv("REITERATE_MEMORY", "on")
    assert chosen_path(None).name == "memory.sqlite3"
    with pytest.raises(ValueError, match="memory"):
        chosen_path(3)
    with pytest.raises(ValueError, match="memory"):
        chosen_path("")


def test_a_process_has_one_store_for_a_file(tmp_path):
    assert open_store(tmp_path / "m") is open_store(str(tmp_path / "m"))
    assert not open_store(False).on
    mine = Store(tmp_path / "mine")
    assert open_store(mine) is mine


def test_a_file_that_was_named_by_mistake_is_left_alone(tmp_path):
    path = tmp_path / "program.py"
    path.write_text("print('no memory')\n" * 200)
    with pytest.warns(RuntimeWarning):
        Store(path).recall(fingerprint({"kind": "any"}, "somewhere"))
    assert path.read_text() == "print('no memory')\n" * 200
    assert list(tmp_path.iterdir()) == [path]


def without_home(monkeypatch):
    import pwd

    def nobody(_):
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for name in ("HOME", "XDG_DATA_HOME", "REITERATE_MEMORY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.skipif(os.name != "posix", reason="homes are found otherwise there")
@pytest.mark.parametrize("memory", [True, "~/mine", "on", "~/theirs"])
def test_without_a_home_memory_is_off_with_one_warning(tmp_path, monkeypatch, memory):
    monkeypatch.setattr(place, "_said", set())
    monkeypatch.chdir(tmp_path)
    without_home(monkeypatch)
    if memory in ("on", "~/theirs"):
        monkeypatch.setenv("REITERATE_MEMORY", memory)
        memory = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert place.store_if_wanted(memory) is None
        assert place.store_if_wanted(memory) is None
        solver = rt.Solver(memory=memory)
    assert [str(w.message).partition(":")[0] for w in caught] == ["reiterate"]
    assert "no home directory" in str(caught[0].message)
    assert solver is not None
    assert not list(tmp_path.iterdir())  # e.g. a directory called ~


def test_a_working_directory_that_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(place, "_said", set())
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.warns(RuntimeWarning, match="nothing will be remembered"):
        assert place.store_if_wanted("memory.sqlite3") is None
    assert place.store_if_wanted(tmp_path / "memory.sqlite3") is not None


def test_the_end_of_a_process_waits_a_while_for_all_it_has_to_write(path, monkeypatch):
    monkeypatch.setattr(store, "_LAST_WAIT", 0.3)
    waits = []
    kept = Store(path)
    work = kept._with_wait
    monkeypatch.setattr(kept, "_with_wait", lambda do, wait: (waits.append(wait), work(do, wait))[1])
    assert kept.remember(fingerprint(HEAT, "a.py:0"), known(1), patiently=True)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(1, 40):
            assert not kept.remember(fingerprint(HEAT, f"a.py:{number}"), known(1), patiently=True)
    (warning,) = caught
    assert "not all that this run has learnt" in str(warning.message)
    assert 0.2 < waits[1] <= 0.3
    assert max(waits[2:]) < 0.1
    assert waits[-1] == 0.0
    assert kept.on
    other.execute("ROLLBACK")
    other.close()
    assert kept.remember(fingerprint(HEAT, "a.py:1"), known(1), patiently=True)
    soon = store.time.monotonic() + 100.0
    monkeypatch.setattr(store.time, "monotonic", lambda: soon)
    assert kept.remember(fingerprint(HEAT, "a.py:1"), known(2), patiently=True)
    assert waits[-1] == 0.3


def test_opening_a_file_that_is_busy_has_the_same_end(path):
    path.parent.mkdir(exist_ok=True)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    kept = Store(path)
    begin = store.time.monotonic()
    assert kept.recall(fingerprint(HEAT)) is None
    with pytest.warns(RuntimeWarning, match="busy"):
        assert not kept.remember(fingerprint(HEAT), known(1), patiently=True)
    assert store.time.monotonic() - begin < 5.0  # a solve's half second and the two of the end, on a machine at work
    assert kept.on
    other.close()
    assert kept.remember(fingerprint(HEAT), known(1))
