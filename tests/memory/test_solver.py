"""Two runs of one program: the second begins with what the first has learnt."""

import gc
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import reiterate as rt
from reiterate.memory import Store, recollection, store
from reiterate.memory.recognition import call_site

STREAMS = {
    "diffusion3d": lambda: rt.gallery.diffusion3d(size=14, steps=25),
    "constant": lambda: rt.gallery.constant(nx=40, steps=40),
    "newton": lambda: rt.gallery.newton(nx=30, steps=30),
    "helmholtz": lambda: rt.gallery.helmholtz(nx=30, steps=20),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "memory.sqlite3"


def run(simulation, **options):
    """Solve a stream; returns the policies, and the records."""
    solver = rt.Solver(cost="work", **options)
    for system in simulation:
        simulation.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
    policies = solver._engine.policies()
    records = list(solver.history)
    del solver
    gc.collect()
    return policies, records


@pytest.mark.parametrize("name", STREAMS)
def test_the_second_run_begins_where_the_first_ended(path, name):
    _, first = run(STREAMS[name](), memory=path, label=name)
    _, second = run(STREAMS[name](), memory=path, label=name)
    # No race, but at once what the first run ended with, or what it had found to be as good.
    assert len(second[0].attempts) == 1
    assert second[0].cost <= first[0].cost
    assert sum(record.cost for record in second) <= 1.02 * sum(record.cost for record in first)
    good = {record.configuration.method for record in first[-10:]}
    assert second[0].configuration.method in good


def test_without_memory_everything_is_as_before(path):
    plain = run(STREAMS["diffusion3d"]())[1]
    empty = run(STREAMS["diffusion3d"](), memory=path)[1]
    again = run(STREAMS["diffusion3d"](), memory=False)[1]
    assert [r.cost for r in plain] == [r.cost for r in empty] == [r.cost for r in again]
    assert [r.configuration for r in plain] == [r.configuration for r in empty]


def test_the_same_memory_makes_the_same_decisions(path, tmp_path):
    run(STREAMS["newton"](), memory=path, label="x")
    copy = tmp_path / "copy.sqlite3"
    copy.write_bytes(path.read_bytes()) if not Path(f"{path}-wal").exists() else _copied(path, copy)
    first, second = (run(STREAMS["newton"](), memory=where, label="x")[1] for where in (path, copy))
    assert [record.configuration for record in first] == [record.configuration for record in second]
    assert [record.cost for record in first] == [record.cost for record in second]


def _copied(path, copy):
    with sqlite3.connect(path) as source, sqlite3.connect(copy) as target:
        source.backup(target)


def test_another_stream_of_the_kind_is_a_weaker_prior(path):
    run(STREAMS["diffusion3d"](), memory=path, label="one")
    (policy,), _ = run(rt.gallery.diffusion3d(size=14, steps=1), memory=path, label="two")
    assert policy.beliefs.plays.sum() <= 1
    assert policy.remarks().recalled == 0
    (policy,), _ = run(rt.gallery.diffusion3d(size=14, steps=1), memory=path, label="one")
    assert policy.remarks().recalled == 25


def test_another_machine_is_known_by_its_iterations(path, monkeypatch):
    for move in (False, True):
        if move:
            monkeypatch.setattr(store, "machine", lambda: ("elsewhere", "another processor"))
        solver = rt.Solver(memory=Store(path), label="x")
        simulation = STREAMS["diffusion3d"]()
        for system in simulation:
            simulation.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
            if move:
                (policy,) = solver._engine.policies()
                assert policy.remarks().recalled == 25
                assert 0 < policy.beliefs._measured.sum() < policy.beliefs.plays.astype(bool).sum() + 2
                break
        del solver
        gc.collect()
    assert len(Store(path).machines()) == 2


def test_learners_by_name_go_on(path):
    run(STREAMS["constant"](), memory=path, label="x", learner="tsallis_inf", methods=["ssor_cg"], seed=0)
    (policy,), _ = run(
        rt.gallery.constant(nx=40, steps=1), memory=path, label="x", learner="tsallis_inf", methods=["ssor_cg"], seed=0
    )
    assert policy.remarks().recalled == 40
    (other,), _ = run(rt.gallery.constant(nx=40, steps=1), memory=path, label="x", learner="ucb1", seed=0)
    assert other.remarks().recalled == 0


def test_a_stream_is_known_by_the_line_that_makes_its_solver(path, tmp_path):
    program = tmp_path / "project" / "main.py"
    program.parent.mkdir()
    program.write_text(
        "import sys, numpy as np, scipy.sparse as sp, reiterate as rt\n"
        "A = sp.diags_array([-1.0, 2.1, -1.0], offsets=[-1, 0, 1], shape=(300, 300)).tocsr()\n"
        "solver = rt.Solver(['cg', 'jacobi_cg'], cost='work', memory=sys.argv[1])\n"
        "for k in range(5): solver.solve(A, np.ones(300) * (k + 1))\n"
        "print(max(policy.remarks().recalled for policy in solver._engine.policies()))\n"
    )
    told = [
        subprocess.run([sys.executable, program, path], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert told[0].strip() == "0"
    assert int(told[1]) > 0
    assert {entry.site for entry in Store(path).entries()} == {"project/main.py:3"}


def test_the_place_of_a_call_is_outside_of_the_package():
    scope = {"__name__": "notebook", "call_site": call_site}
    exec(compile("where = call_site()", "<ipython-input-1>", "exec"), scope)
    assert scope["where"] == ""
    assert call_site().startswith("memory/test_solver.py:")


def test_knowledge_is_written_rarely_and_at_the_end(path, monkeypatch):
    written = []
    remember = Store.remember

    def counted(self, *arguments, **options):
        written.append(arguments)
        return remember(self, *arguments, **options)

    monkeypatch.setattr(Store, "remember", counted)
    monkeypatch.setattr(recollection, "_WAIT", 0.0)
    monkeypatch.setattr(recollection, "_LONGEST", 1e9)
    solver = rt.Solver(["jacobi_cg", "cg"], cost="work", memory=path)
    A = sp.diags_array([-1.0, 2.1, -1.0], offsets=[-1, 0, 1], shape=(300, 300)).tocsr()
    for k in range(100):
        solver.solve(A, np.ones(300) * (k + 1))
    assert [state["solves"] for _, state in written] == [1, 2, 4, 8, 16, 32, 64]
    del solver
    gc.collect()
    assert written[-1][1]["solves"] == 100
    json.dumps(written[-1][1], allow_nan=False)


def test_what_could_not_be_written_because_of_others_is_written_in_the_end(path):
    solver = rt.Solver(["jacobi_cg"], cost="work", memory=path, label="x")
    A = sp.diags_array([-1.0, 2.1, -1.0], offsets=[-1, 0, 1], shape=(300, 300)).tocsr()
    Store(path).entries()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    solver.solve(A, np.ones(300))
    other.execute("ROLLBACK")
    assert Store(path).entries() == []
    del solver
    gc.collect()
    assert [entry.solves for entry in Store(path).entries()] == [1]
    other.close()


def test_solves_that_fail_are_remembered_too_and_raise_what_they_raise(path):
    solver = rt.Solver(["cg"], fallback=None, cost="work", memory=path, label="x")
    A = sp.diags_array([1.0, -1.0] * 20).tocsr() + sp.eye_array(40, k=1) + sp.eye_array(40, k=-1)
    with pytest.raises(rt.NotConverged):
        solver.solve(A.tocsr(), np.ones(40))
    assert solver.history.failures == 1


def test_a_solver_that_forks_leaves_the_file_whole(path):
    script = (
        "import os, sys, numpy as np, scipy.sparse as sp, reiterate as rt\n"
        "A = sp.diags_array([-1.0, 2.1, -1.0], offsets=[-1, 0, 1], shape=(300, 300)).tocsr()\n"
        "solver = rt.Solver(['cg', 'jacobi_cg'], cost='work', memory=sys.argv[1], label='x')\n"
        "for k in range(4): solver.solve(A, np.ones(300) * (k + 1))\n"
        "child = os.fork()\n"
        "for k in range(4): solver.solve(A, np.ones(300) * (k + 1))\n"
        "if child: assert os.waitpid(child, 0)[1] == 0\n"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert sum(entry.solves for entry in Store(path).entries()) == 8


def test_no_memory_means_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("REITERATE_MEMORY", "off")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    for memory in (None, False, True):
        run(rt.gallery.constant(nx=12, steps=1), memory=memory)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.delenv("REITERATE_MEMORY")
    run(rt.gallery.constant(nx=12, steps=1))
    assert list(tmp_path.iterdir()) == []


def test_a_python_without_sqlite_has_no_memory_and_everything_else(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    monkeypatch.delitem(sys.modules, "reiterate.memory.store")
    monkeypatch.delitem(sys.modules, "reiterate.memory.schema")
    A = sp.diags_array([-1.0, 2.1, -1.0], offsets=[-1, 0, 1], shape=(30, 30)).tocsr()
    with pytest.warns(RuntimeWarning, match="nothing will be remembered"):
        solver = rt.Solver(["cg"], memory=path)
    assert solver.solve(A, np.ones(30)).shape == (30,)
    assert not path.exists()
