"""What is made ready beside the program: begun once, stopped between two steps, and gone before a fork or the end."""

import os
import subprocess
import sys
import textwrap
import threading

import pytest

from reiterate.intercept import forking, warming
from reiterate.intercept.ledger import Budget, Ledger
from reiterate.intercept.warming import Warming


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    monkeypatch.setattr(warming, "_processors", lambda: 2)


class Steps:
    """Three steps that wait to be let go on."""

    def __init__(self):
        self.taken = []
        self.at_first, self.go_on = threading.Event(), threading.Event()

    def __call__(self):
        def first():
            self.at_first.set()
            assert self.go_on.wait(30.0)
            self.taken.append(1)

        yield first
        yield lambda: self.taken.append(2)
        yield lambda: self.taken.append(3)


def test_all_steps_are_taken_once():
    steps = Steps()
    steps.go_on.set()
    warm = Warming(steps)
    assert not warm.ready
    warm.begin()
    assert not steps.taken  # SciPy does not compute
    with warm.going_on():
        warm._thread.join(30.0)
    warm.begin()
    assert steps.taken == [1, 2, 3]
    assert warm.ready
    assert not warm.running


def test_no_step_follows_when_it_is_stopped():
    steps = Steps()
    warm = Warming(steps)
    warm.begin()
    with warm.going_on():
        assert steps.at_first.wait(30.0)
    assert warm.running
    threading.Timer(0.05, steps.go_on.set).start()
    warm.stop()
    assert steps.taken == [1]
    assert not warm.ready
    assert not warm.running


def test_an_error_is_left_to_the_first_solve():
    def failing():
        yield lambda: 1 / 0

    warm = Warming(failing)
    warm.begin()
    with warm.going_on():
        warm._thread.join(30.0)
    assert not warm.ready


def test_one_processor_is_left_to_the_program(monkeypatch):
    monkeypatch.setattr(warming, "_processors", lambda: 1)
    warm = Warming(Steps())
    warm.begin()
    assert not warm.running


def test_a_ledger_waits_for_a_second_call(monkeypatch):
    begun = []
    monkeypatch.setattr(Warming, "begin", lambda self: begun.append(1))
    ledger = Ledger(Budget())
    assert not ledger.ours_next()
    ledger.by_scipy(0.4, None)
    assert not begun
    ledger.ours_next()
    assert begun


@pytest.mark.parametrize("ending", ["", "import os; pid = os.fork(); pid or os._exit(0); os.waitpid(pid, 0)"])
def test_a_program_ends_as_always_while_it_goes_on(ending):
    code = f"""
    import reiterate.intercept.warming as warming
    warming._processors = lambda: 2
    warm = warming.Warming()
    warm.begin()
    warm._may_go_on.set()
    {ending}
    print("done")
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


def test_a_stop_is_not_missed_when_scipy_returns_meanwhile():
    steps = Steps()
    warm = Warming(steps)
    warm.begin()
    computing = warm.going_on()
    computing.__enter__()
    assert steps.at_first.wait(30.0)
    stopping = threading.Thread(target=warm.stop)
    stopping.start()
    assert warm._stopping.wait(30.0)
    computing.__exit__(None, None, None)
    steps.go_on.set()
    warm._thread.join(30.0)
    stopping.join(30.0)
    assert not warm.running
    assert steps.taken == [1]


def test_it_does_not_begin_after_the_main_thread_has_ended():
    code = """
    import threading, time
    import reiterate.intercept.warming as warming
    warming._processors = lambda: 2

    def work():
        threading.main_thread().join()
        time.sleep(0.2)
        warm = warming.Warming()
        warm.begin()
        warm.begin()
        print("done")

    threading.Thread(target=work).start()
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


def test_two_threads_begin_one(monkeypatch):
    started = []
    meeting = threading.Barrier(2)
    monkeypatch.setattr(warming, "_processors", lambda: (meeting.wait(30.0) and 2) or 2)
    monkeypatch.setattr(Warming, "_work", lambda self: (started.append(1), threading.Event().wait(0.2)))
    warm = Warming(Steps())
    threads = [threading.Thread(target=warm.begin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    warm.stop()
    assert started == [1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_after_a_fork_the_parent_goes_on_and_the_child_does_not():
    steps = Steps()
    warm = Warming(steps)
    warm.begin()
    with warm.going_on():
        assert steps.at_first.wait(30.0)
    threading.Timer(0.05, steps.go_on.set).start()
    child = os.fork()
    if not child:
        warm.begin()
        os._exit(3 if warm.running or forking.interrupted() else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not warm.running
    assert steps.taken == [1]
    warm.begin()
    assert warm.running
    assert steps.taken == [1]  # SciPy does not compute
    with warm.going_on():
        warm._thread.join(30.0)
    assert steps.taken == [1, 2, 3]
    assert warm.ready


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_of_a_step_that_could_not_be_waited_for_leaves_all_to_scipy(monkeypatch):
    monkeypatch.setattr(warming, "_PATIENCE", 0.05)
    steps = Steps()
    warm = Warming(steps)
    warm.begin()
    with warm.going_on():
        assert steps.at_first.wait(30.0)
    child = os.fork()
    if not child:
        os._exit(0 if forking.interrupted() else 3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not forking.interrupted()
    warm.begin()
    steps.go_on.set()
    warm._thread.join(30.0)
    assert steps.taken == [1]
    warm.begin()
    with warm.going_on():
        warm._thread.join(30.0)
    assert warm.ready


def test_what_was_stopped_for_good_does_not_begin_again():
    warm = Warming(Steps())
    warm.begin()
    warm.stop()
    warm.begin()
    assert not warm.running
