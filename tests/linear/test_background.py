import json
import sys
import weakref
from types import SimpleNamespace

import pytest

from reiterate.kernels.ready import ReadyList
from reiterate.linear import background, elementary
from reiterate.linear.background import Background
from reiterate.linear.block import ColumnByColumn
from reiterate.linear.filling import ELEMENTARY, fill, spell
from reiterate.linear.method import Variant
from reiterate.linear.portfolio import METHODS

REAL, COMPLEX = (Variant(), False), (Variant(complex=True), False)
CG, GMRES, SSOR = (METHODS[name] for name in ("cg", "gmres", "ssor_cg"))


@pytest.fixture(autouse=True)
def _as_at_first(monkeypatch):
    monkeypatch.setattr(elementary, "_waiting", False)
    monkeypatch.setattr(elementary, "_insisted", False)


class Processes:
    """Starts processes that do nothing until they are told to have done something."""

    def __init__(self):
        self.started = []
        self.ended = False

    def __call__(self, ready, wanted):
        self.ended = False
        self.started.append([spelling for spelling, _, _ in wanted])
        return SimpleNamespace(poll=lambda: 0 if self.ended else None)


@pytest.fixture
def ready(tmp_path):
    return ReadyList(tmp_path / "list.ready")


def test_one_process_for_all_that_is_missing_the_door_first(ready):
    processes = Processes()
    ours = Background(ready, processes)
    ours.begin()
    assert elementary.waiting()
    assert ours.missing([(CG, REAL), (SSOR, REAL)]) == {ELEMENTARY, "cg", "ssor_cg"}
    assert processes.started == [[ELEMENTARY, spell("cg", REAL), spell("ssor_cg", REAL)]]
    ready.add([ELEMENTARY])
    assert ours.missing([(CG, REAL), (SSOR, REAL)]) == {"cg", "ssor_cg"}
    assert not elementary.waiting()
    ready.add([spell("cg", REAL)])
    assert ours.missing([(CG, REAL), (SSOR, REAL)]) == {"ssor_cg"}
    assert len(processes.started) == 1


def test_where_all_is_ready_nothing_is_started_and_nothing_waits(ready):
    processes = Processes()
    ready.add([ELEMENTARY, spell("cg", REAL)])
    ours = Background(ready, processes)
    ours.begin()
    assert not elementary.waiting()
    assert ours.missing([(CG, REAL)]) == frozenset()
    assert processes.started == []


def test_what_a_process_has_left_undone_is_not_waited_for(ready):
    processes = Processes()
    ours = Background(ready, processes)
    ours.begin()
    assert ours.missing([(CG, REAL)]) == {ELEMENTARY, "cg"}
    processes.ended = True
    assert ours.missing([(CG, REAL)]) == frozenset()
    assert not elementary.waiting()
    assert len(processes.started) == 1
    ours.begin()
    assert not elementary.waiting()


def test_what_else_is_wanted_has_its_own_process_after_the_first(ready):
    processes = Processes()
    ours = Background(ready, processes)
    ready.add([ELEMENTARY])
    assert ours.missing([(CG, REAL)]) == {"cg"}
    assert ours.missing([(GMRES, COMPLEX)]) == {"gmres"}
    assert processes.started == [[spell("cg", REAL)]]
    processes.ended = True
    assert ours.missing([(GMRES, COMPLEX), (CG, REAL)]) == {"gmres"}
    assert processes.started[1:] == [[spell("gmres", COMPLEX)]]


def test_where_no_process_can_be_started_everything_is_compiled_here(ready):
    def refuse(ready, wanted):
        raise OSError("no more processes")

    ours = Background(ready, refuse)
    ours.begin()
    assert ours.missing([(CG, REAL)]) == frozenset()
    assert not elementary.waiting()


def test_without_a_cache_there_is_nothing_to_wait_for():
    processes = Processes()
    ours = Background(None, processes)
    ours.begin()
    ours.note("cg", REAL)
    assert ours.missing([(CG, REAL)]) == frozenset()
    assert processes.started == []


def test_what_was_compiled_here_is_noted(ready, monkeypatch):
    ours = Background(ready, Processes())
    monkeypatch.setattr("reiterate.linear.block.background", lambda: ours)
    monkeypatch.setattr("reiterate.linear.block._warm", weakref.WeakKeyDictionary())  # as in a new process
    ColumnByColumn(METHODS["jacobi_cg"]).warm_up(REAL)
    ColumnByColumn(METHODS["direct"]).warm_up(REAL)
    assert ready.names() == {spell("jacobi_cg", REAL)}


def test_a_forked_process_has_processes_of_its_own(ready):
    processes = Processes()
    ours = Background(ready, processes)
    ready.add([ELEMENTARY])
    ours.missing([(CG, REAL)])
    ours.forget()
    assert ours.missing([(CG, REAL)]) == {"cg"}
    assert len(processes.started) == 2


def test_filling_goes_on_after_a_failure_and_leaves_out_what_is_there(ready, monkeypatch):
    warmed = []
    monkeypatch.setattr("os.nice", lambda increment: warmed.append(increment), raising=False)

    def warm_up(self, variant):
        warmed.append((self.name, variant))
        if self.name == "ssor_cg":
            raise RuntimeError("the compiler fails")

    monkeypatch.setattr(ColumnByColumn, "warm_up", warm_up)
    ready.add([spell("gmres", REAL)])
    orders = [background._order(method, REAL) for method in (SSOR, GMRES, CG)]
    fill(str(ready.path), orders)
    assert warmed == [19, ("ssor_cg", REAL), ("cg", REAL)]
    assert ready.names() == {spell("gmres", REAL), spell("cg", REAL)}


@pytest.mark.parametrize(
    ("change", "possible"),
    [({}, True), ({"switch": "0"}, False), ({"executable": "/usr/bin/blender"}, False), ({"executable": ""}, False)],
)
def test_whether_a_process_may_be_started(change, possible, monkeypatch):
    monkeypatch.setenv(background.SWITCH, change.get("switch", "1"))
    monkeypatch.setattr(sys, "executable", change.get("executable", "/usr/bin/python3"))
    assert background._possible() is possible


def test_a_process_compiles_nothing_in_processes_of_its_own(ready, monkeypatch):
    started = {}
    monkeypatch.setattr(
        background, "start_detached", lambda arguments, cwd, env: started.update(arguments=arguments, cwd=cwd, env=env)
    )
    background._start(ready, [(ELEMENTARY, ELEMENTARY, ())])
    assert started["env"][background.SWITCH] == "0"
    assert started["cwd"] == ready.path.parent
    assert json.loads(started["arguments"][-1])["wanted"] == [[ELEMENTARY, ELEMENTARY, []]]
