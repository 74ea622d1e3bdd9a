"""Two runs of one program: at every call site the second begins where the first has ended."""

import os
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse.linalg as spl
from typer.testing import CliRunner

from reiterate.cli import app
from reiterate.intercept import account, remembered, site
from reiterate.intercept.factoring import Factoring
from reiterate.intercept.ledger import Budget, Ledger
from reiterate.intercept.session import Session
from reiterate.memory import Store, fingerprint, store
from tests.matrices import laplacian

A = laplacian(20, 2, shift=0.1).tocsc()
N = A.shape[0]


@pytest.fixture(autouse=True)
def whatever_it_takes(monkeypatch):
    monkeypatch.setattr(remembered, "_WORTH_IT", 0.0)


@pytest.fixture(autouse=True)
def without_factors(monkeypatch):
    """It is the solver that is looked at here."""
    monkeypatch.setattr(Factoring, "wanted", lambda self, *_: False)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "memory.sqlite3"


def program(times: int = 1) -> np.ndarray:
    found = np.zeros((times, N))
    for x in found:
        x[:] = spl.spsolve(A, np.ones(N))
    return found


def run(path, times: int = 1, scipy: float | None = None, ours: float | None = None) -> site.Site:
    """The program's site; where seconds are given, its calls are written down as having taken so long."""
    session = Session(memory=path)
    session.install()
    try:
        for x in program(times):
            assert np.allclose(A @ x, 1.0)
        (found,) = session._sites.values()
        if scipy is not None:
            (ledger,) = found.ledgers().values()
            for _ in range(40):
                ledger.by_scipy(scipy, A)
        if ours is not None:
            ledger.budget.begun = True
            for _ in range(40):
                ledger.by_us(ours, scipy)
    finally:
        session.remove()
    return found


def the_ledger(found: site.Site) -> Ledger:
    (ledger,) = found.ledgers().values()
    return ledger


def test_a_site_that_gains_begins_at_once(path):
    assert run(path, scipy=0.5, ours=0.01).answered == 0
    second = run(path)
    assert (second.answered, second.left_to_scipy) == (1, 0)
    ledger = the_ledger(second)
    assert ledger.usual == pytest.approx(0.5, rel=1e-3)
    assert second.before() == (pytest.approx(0.5, rel=1e-3), "estimated")


def test_nothing_begins_that_has_not_gained_what_starting_takes(path, monkeypatch):
    monkeypatch.setattr(Ledger, "may_repeat", False)
    run(path, scipy=0.02, ours=0.01)
    monkeypatch.delitem(sys.modules, "reiterate.solver", raising=False)
    assert run(path).answered == 0


def test_a_site_that_loses_is_left_to_scipy_for_as_long_as_before(path, monkeypatch):
    monkeypatch.setattr(Ledger, "may_repeat", False)
    run(path, scipy=0.02, ours=0.5)
    second = run(path, times=10)
    assert (second.answered, second.left_to_scipy) == (0, 10)
    assert the_ledger(second).standing()[2] > 0


def test_a_site_that_is_fast_enough_is_not_looked_at(path, monkeypatch):
    monkeypatch.setattr(account, "time", SimpleNamespace(perf_counter=lambda: 0.0))
    run(path, scipy=1e-5)
    second = run(path, times=5)
    assert (second.answered, second.left_to_scipy) == (0, 5)
    ledger = the_ledger(second)
    assert ledger.settled
    assert ledger.theirs.count - ledger.theirs.earlier == 1
    assert second.light > A.nnz


def test_seconds_of_another_machine_are_forecasts(path, monkeypatch):
    run(path, scipy=0.5, ours=0.01)
    monkeypatch.setattr(store, "machine", lambda: ("another", "another machine"))
    second = run(path)
    assert second.answered == 0
    assert the_ledger(second).theirs.count == 1
    assert the_ledger(second).expected == pytest.approx(0.5, rel=1e-3)


def test_long_calls_need_not_be_measured_again_on_another_machine(path, monkeypatch):
    run(path, scipy=5.0)
    monkeypatch.setattr(store, "machine", lambda: ("another", "another machine"))
    assert run(path).answered == 1


def test_of_what_disagreed_scipy_stays_in_charge(path, monkeypatch):
    first = run(path, scipy=0.5, ours=0.01)
    the_ledger(first).barred = True
    first.options.remembered.keep()
    first.options.remembered.close()
    for where in (store.machine(), ("another", "another machine")):
        monkeypatch.setattr(store, "machine", lambda where=where: where)
        second = run(path)
        assert (second.answered, the_ledger(second).barred) == (0, True)


def test_three_runs_add_up(path):
    for _ in range(3):
        run(path, times=2)
    (entry,) = [entry for entry in Store(path).entries() if "calls" in entry.kind]
    assert entry.solves == 6


def test_what_is_written_is_not_written_once_more(path):
    found = run(path, scipy=0.5)
    path.unlink()
    found.options.remembered.close()
    assert not path.exists()


def test_a_forked_process_that_has_called_nothing_writes_nothing(path, monkeypatch):
    found = run(path, scipy=0.5)
    kept = found.options.remembered
    kept.keep()
    path.unlink()
    own = os.getpid()
    monkeypatch.setattr(remembered.os, "getpid", lambda: own + 1)
    kept.close()
    assert not path.exists()


def test_what_is_known_is_written_now_and_then(path, monkeypatch):
    monkeypatch.setattr(remembered, "_LONGEST", 0.0)
    session = Session(memory=path)
    session.install()
    try:
        program(3)
        (entry,) = [entry for entry in Store(path).entries() if "calls" in entry.kind]
        assert entry.solves == 2
    finally:
        session.remove()


def test_without_a_memory_no_file_is_made(path):
    assert run(False, scipy=0.5, ours=0.01).answered == 0
    assert run(None).answered == 0
    assert not path.exists()


def test_places_without_a_file_are_not_known_again(path):
    session = Session(memory=path)
    session.install()
    exec(compile("spsolve(A, b)", "<nowhere>", "exec"), {"spsolve": spl.spsolve, "A": A, "b": np.ones(N)})
    (found,) = session._sites.values()
    session.remove()
    assert (found.label, found.left_to_scipy) == ("", 1)
    assert not path.exists()


LEDGER = {
    "theirs": [5, 0.5],
    "gained": 0.4,
    "calls": 10,
    "growth": 1.0,
    "strictness": 0.3,
    "barred": False,
    "standing": [0.0, 3, 0, 50],
    "solving": None,
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"theirs": [5, "soon"]},
        {"theirs": [5, float("1e300")]},
        {"theirs": None},
        {"gained": None},
        {"calls": -1},
        {"growth": -2.0},
        {"strictness": 0.0},
        {"standing": [1.0]},
        {"solving": {"theirs": 3}},
        {"solving": []},
    ],
    ids=str,
)
def test_what_is_damaged_is_not_believed(path, wrong):
    found = run(path)
    key = fingerprint({"calls": "spsolve", "cost": "time"}, found.label)
    (sizes,) = (" ".join(map(str, key)) for key in found.ledgers())
    Store(path).remember(key, {"solves": 1000, "light": 0, "ledgers": {sizes: {**LEDGER, **wrong}}})
    assert run(path).answered == 0
    Store(path).remember(key, {"solves": 2000, "light": 0, "ledgers": {sizes: LEDGER}})
    assert run(path).answered == 1


@pytest.mark.parametrize("state", [{}, {"ledgers": None}, {"ledgers": {}, "light": "none"}, {"ledgers": []}], ids=str)
def test_a_damaged_site_is_not_believed(path, state):
    found = run(path)
    Store(path).remember(fingerprint({"calls": "spsolve", "cost": "time"}, found.label), {"solves": 1000, **state})
    assert run(path).left_to_scipy == 1


def test_what_a_site_knows_of_solving_with_factors(path):
    def factored():
        session = Session(memory=path)
        session.install()
        x = spl.splu(A).solve(np.ones(N))
        (found,) = session._sites.values()
        return session, found, x

    session, found, x = factored()
    ledger = next(iter(found.ledgers().values()))
    for _ in range(10):
        ledger.for_solving().by_scipy(0.25, A)
    session.remove()
    session, found, again = factored()
    session.remove()
    solving = next(iter(found.ledgers().values())).solving
    assert solving.theirs.earlier == 11
    assert np.allclose(x, again)


def test_what_a_run_is_expected_to_save_is_counted_once():
    ledger = Ledger(Budget())
    ledger.resume(0.0, 5, 0, 50, advance=1.0)
    assert ledger.budget.potential == 1.0
    for _ in range(3):
        ledger.by_scipy(0.3, A)
    assert ledger.budget.potential == 1.0
    ledger.by_scipy(0.3, A)
    assert ledger.budget.potential == pytest.approx(1.2, abs=0.01)


def test_the_list_names_the_line_and_the_function(path):
    run(path, scipy=0.5, ours=0.01)
    run(path)
    told = CliRunner().invoke(app, ["memory", "list", "--memory", str(path)], env={"COLUMNS": "200"}).output
    line = program.__code__.co_firstlineno + 3
    place = f"intercept/test_remembered.py:{line} spsolve in program"
    assert told.count(place) == 2
    assert "what calls of spsolve take" in told
    (entry,) = [entry for entry in Store(path).entries() if "calls" in entry.kind]
    told = CliRunner().invoke(app, ["memory", "show", str(entry.id), "--memory", str(path)]).output
    assert "SciPy 0.5 s a call" in told
    assert "saved 0.49 s a call" in told


def test_matrices_with_other_numbers_of_entries_have_ledgers_of_their_own(path):
    light = laplacian(13, 2, shift=0.1).tocsc()
    heavy = (light @ light @ light).tocsc()  # at one place, as of mass and stiffness
    n = light.shape[0]
    session = Session(memory=path)
    session.install()
    try:
        for k, M in enumerate(20 * [light] + 2 * [heavy]):
            assert np.allclose((k + 1.0) * M @ spl.spsolve((k + 1.0) * M, np.ones(n)), 1.0)
    finally:
        session.remove()
    (found,) = session._sites.values()
    assert light.nnz < found.light <= heavy.nnz
    assert [ledger.theirs.count for ledger in found.ledgers().values()] == [10, 2]


@pytest.mark.parametrize("state", [{"solves": 5, "other": 1}, {"solves": 1e300, "light": 0, "ledgers": {}}, {}])
def test_what_has_another_layout_is_replaced(path, state, monkeypatch):
    run(path, scipy=0.5)
    kept = Store.recall
    monkeypatch.setattr(Store, "recall", lambda *given: replace(kept(*given), state=state))
    run(path, scipy=0.25)
    monkeypatch.undo()
    monkeypatch.setattr(remembered, "_WORTH_IT", 0.0)
    assert 0.1 < the_ledger(run(path)).theirs.recent < 0.25  # of which the last call, a quick one, is a part
