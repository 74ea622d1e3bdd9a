"""A process that is forked while other threads hold our locks goes on, if need be with SciPy alone."""

import os
import signal
import threading

import numpy as np
import pytest
import scipy.sparse.linalg as spl

import reiterate as rt
from reiterate.intercept import forking, patching
from reiterate.intercept.conclusion import _Waiting
from reiterate.intercept.forking import Lock
from tests.matrices import laplacian

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

A = laplacian(20, 2, shift=0.1).tocsc()
B = np.ones(400)


def held_elsewhere(lock):
    """Hold a lock in another thread; returns what lets it go."""
    holding, go_on = threading.Event(), threading.Event()

    def hold():
        with lock:
            holding.set()
            go_on.wait(60.0)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holding.wait(30.0)

    def let_go():
        go_on.set()
        thread.join()

    return let_go


def in_child(work):
    """The exit status of a forked process: 0 where ``work`` returned something true in time."""
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(30)
        status = 1
        try:
            status = 0 if work() else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def solve():
    """At three lines, one of which every child of a test has not met before."""
    x = spl.spsolve(A, B)
    lu = spl.splu(A)
    return np.allclose(A @ x, B) and np.allclose(A @ lu.solve(B), B) and lu.nnz > 0 and spl.cg(A, B)[1] == 0


LOCKS = {
    "session": (lambda session: session._lock, True),
    "call site": (lambda session: next(iter(session._sites.values()))._lock, True),
    "memory": (lambda session: session.options.remembered._lock, True),
    "installing": (lambda session: patching._lock, True),
    "auditing": (lambda session: session.options.lock, False),
    "repeating": (lambda session: next(iter(session._sites.values())).repetition._lock, False),
}


@pytest.mark.usefixtures("eager")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", LOCKS)
def test_a_child_of_a_process_that_holds_a_lock_goes_on(name, tmp_path):
    find, delicate = LOCKS[name]
    with rt.tuned_scipy(memory=tmp_path / "memory.sqlite3", audit=0.5) as session:
        assert solve()
        answered = [site.solves - site.left_to_scipy for site in session.sites]
        let_go = held_elsewhere(find(session))
        try:

            def work():
                right = solve() and np.allclose(A @ spl.spsolve(A, B), B)
                ours = [site.solves - site.left_to_scipy for site in session.sites] != answered
                session.remove()
                return right and ours != delicate and forking.interrupted() == delicate

            assert in_child(work) == 0
        finally:
            let_go()
        assert solve()
        assert not forking.interrupted()
        assert [site.solves - site.left_to_scipy for site in session.sites] != answered


def test_factors_of_before_the_fork_go_on(monkeypatch):
    from reiterate.intercept.ledger import Ledger

    monkeypatch.setattr(Ledger, "ours_next", lambda self, A=None: not self.barred)
    with rt.tuned_scipy() as session:
        lu = spl.splu(A)
        lu.solve(B)
        let_go = held_elsewhere(next(iter(session._sites.values()))._lock)
        try:
            assert in_child(lambda: np.allclose(A @ lu.solve(B), B) and lu.L.shape == A.shape) == 0
        finally:
            let_go()


def test_a_child_does_not_wait_for_a_session_that_another_thread_begins():
    waiting = _Waiting(lambda: None)
    let_go = held_elsewhere(waiting._lock)
    try:
        assert in_child(lambda: waiting.look(None, "spsolve") is None) == 0
    finally:
        let_go()


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_thread_that_forks_may_let_go_what_it_holds(reentrant):
    lock = Lock(reentrant=reentrant)

    def work():
        return lock.acquire(blocking=False)

    with lock:
        child = os.fork()
        if not child:
            signal.alarm(30)
    if not child:
        os._exit(0 if work() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
