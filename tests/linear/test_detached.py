"""Processes that are nobody's children."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reiterate.linear.detached import Detached, start_detached

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there they are children that nobody waits for")

PROGRAM = """
import os, sys, time
from pathlib import Path
from reiterate.linear.detached import start_detached

here = Path(sys.argv[1])
code = "import os, sys, time\\nopen('begun', 'w').write(f'{os.getsid(0)} {os.getppid()}')\\n"
code += "while not os.path.exists('stop'): time.sleep(0.01)"
process = start_detached([sys.executable, "-c", code], here, dict(os.environ))
try:
    print("child", os.wait())
except ChildProcessError:
    print("no child")
while not (here / "begun").exists() or not (here / "begun").read_text():
    time.sleep(0.01)
session, parent = map(int, (here / "begun").read_text().split())
print(session == os.getsid(process.pid) != os.getsid(0), parent != os.getpid(), process.poll())
(here / "stop").touch()
while process.poll() is None:
    time.sleep(0.01)
print("ended", process.poll())
"""


def test_a_program_that_waits_for_its_children_does_not_meet_it(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout.splitlines() == ["no child", "True True None", "ended 0"]
    assert ended.stderr == ""


def wait_for(process: Detached) -> None:
    deadline = time.monotonic() + 30.0
    while process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_program_that_cannot_be_started_has_ended(tmp_path):
    wait_for(start_detached([str(tmp_path / "missing")], tmp_path, {}))


def test_it_gets_its_arguments_and_environment_as_they_are(tmp_path):
    code = "import os, sys; print(*sys.argv[1:], os.environ['WORD'], sep='|', file=open('told', 'w'))"
    words = ["a b", "$HOME", '"', "'; exit", ""]
    wait_for(start_detached([sys.executable, "-c", code, *words], tmp_path, {"WORD": "x y"}))
    assert (tmp_path / "told").read_text() == "|".join([*words, "x y"]) + "\n"


def test_without_a_shell_there_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("reiterate.linear.detached._SHELL", str(tmp_path / "no-shell"))
    before = descriptors()
    with pytest.raises(OSError, match="no-shell"):
        start_detached(["true"], tmp_path, {})
    assert descriptors() == before


def test_a_shell_that_starts_nothing_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("reiterate.linear.detached._CODE", "exit 3")
    before = descriptors()
    with pytest.raises(OSError, match="started nothing"):
        start_detached(["true"], tmp_path, {})
    assert descriptors() == before


def descriptors() -> int:
    known = Path("/proc/self/fd")
    return len(os.listdir(known)) if known.is_dir() else 0


def test_descriptors_of_the_program_are_not_read():
    reading, writing = os.pipe()
    process = Detached(reading, 0)
    assert process.poll() is None
    other, end = os.pipe()
    os.dup2(other, reading)
    os.write(end, b"the program's own")
    assert process.poll() == 0
    assert os.read(reading, 100) == b"the program's own"
    del process
    os.fstat(reading)
    for descriptor in (reading, writing, other, end):
        os.close(descriptor)
