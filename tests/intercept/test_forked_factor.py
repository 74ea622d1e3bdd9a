"""A factor that another thread is computing when the process forks."""

import os
import threading

import numpy as np
import pytest

from reiterate.intercept.account import Account
from reiterate.intercept.factor import LazyFactor
from reiterate.intercept.ledger import Budget, Ledger
from tests.matrices import laplacian


class Place:
    """A call site, as far as a factor needs one."""

    def __init__(self):
        self.account = Account()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_computes_it_itself(monkeypatch):
    A = laplacian(4).tocsc()
    lazy = LazyFactor(Place(), Ledger(Budget()), A, {}, A.dtype)
    computing, go_on = threading.Event(), threading.Event()
    made = LazyFactor._made

    def slowly(self):
        if threading.current_thread() is not threading.main_thread():
            computing.set()
            go_on.wait(30.0)
        return made(self)

    monkeypatch.setattr(LazyFactor, "_made", slowly)
    other = threading.Thread(target=lambda: lazy.nnz)
    other.start()
    assert computing.wait(30.0)
    child = os.fork()
    if not child:
        threading.Timer(20.0, os._exit, (3,)).start()
        os._exit(0 if np.all(np.isfinite(lazy.U.data)) else 1)
    _, status = os.waitpid(child, 0)
    go_on.set()
    other.join()
    assert os.waitstatus_to_exitcode(status) == 0
