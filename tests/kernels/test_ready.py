import subprocess
import sys

import pytest

from reiterate.kernels import ready
from reiterate.kernels.ready import ReadyList, alone, ready_list


def test_names_are_appended_once_and_seen_by_others(tmp_path):
    ours, theirs = ReadyList(tmp_path / "list"), ReadyList(tmp_path / "list")
    assert ours.names() == frozenset()
    ours.add(["a b", "c"])
    theirs.add(["c", "d"])
    assert ours.names() == theirs.names() == {"a b", "c", "d"}
    assert (tmp_path / "list").read_text() == "a b\nc\nd\n"


def test_where_nothing_can_be_written_nothing_is_ready(tmp_path):
    nowhere = ReadyList(tmp_path / "missing" / "list")
    nowhere.add(["a"])
    assert nowhere.names() == frozenset()


def test_a_list_that_is_no_text_has_no_names(tmp_path):
    (tmp_path / "list").write_bytes(b"\xff\xfe\n")
    assert ReadyList(tmp_path / "list").names() == frozenset()


def test_the_list_lies_where_numba_keeps_kernels_and_is_another_for_other_sources(tmp_path, monkeypatch):
    where = ready_list().path
    assert where.parent.is_dir()
    assert ready_list().path == where
    monkeypatch.setattr(ready.platform, "machine", lambda: "another")
    assert ready_list().path != where
    assert ready_list().path.parent == where.parent


def test_one_at_a_time(tmp_path, monkeypatch):
    path = tmp_path / "lock"
    with alone(path) as first:
        assert first
        monkeypatch.setattr(ready, "_PATIENCE", 0.0)
        with alone(path) as second:
            assert not second
    with alone(path) as third:
        assert third


@pytest.mark.skipif(sys.platform == "win32", reason="processes are ended in another way there")
def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path, monkeypatch):
    path = tmp_path / "lock"
    code = (
        "import sys, pathlib, time\nfrom reiterate.kernels.ready import alone\n"
        "with alone(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    monkeypatch.setattr(ready, "_PATIENCE", 0.0)
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with alone(path) as while_held:
            assert not while_held
        holder.kill()
    with alone(path) as afterwards:
        assert afterwards


def test_numba_is_not_imported_to_wait():
    code = "import sys, reiterate.linear.filling; print('numba' in sys.modules, 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == ["False"] * 2
