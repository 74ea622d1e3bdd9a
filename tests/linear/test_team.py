"""Several threads give the result of one up to rounding, the same bits every time, and never hang."""

import os
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import reiterate as rt
from reiterate.contracts import Status, Stop
from reiterate.errors import InvalidInput
from reiterate.kernels import spmd
from reiterate.kernels.compiling import kernel
from reiterate.linear import bicgstab, gmres, operator, row_groups, schedule, team, triangular
from reiterate.linear.door import Door
from reiterate.linear.portfolio import METHODS
from tests.linear.factorizations import MATRICES
from tests.matrices import arrow, laplacian

CASES = {
    "grid": laplacian(40),
    "cube": laplacian(9, 3, shift=0.1),
    "triangles": MATRICES["triangles"],
    "arrow": arrow(50),
    "single": laplacian(1),
}


NAMES = ["cg", "jacobi_cg", "ssor_cg", "ic_cg", "ict_cg", "ilu_gmres", "fgmres", "ilu_gcrodr", "ilu_bicgstab"]


def within(seconds, function):
    """What ``function`` returns, unless it takes longer than it may."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "hangs"
    assert found, "raised"
    return found[0]


@pytest.fixture
def fresh(monkeypatch):
    """A team of its own, on as many processors as it wants, that splits even the smallest tasks."""
    monkeypatch.setattr(team, "_team", team.Team())
    monkeypatch.setattr(team, "available_processors", lambda: 8)
    monkeypatch.setattr(schedule, "_WORTH_SPLITTING", 0.0)
    monkeypatch.setattr(operator, "_ENTRIES_WORTH_WAKING", 0)
    monkeypatch.setattr(triangular, "_ENTRIES_WORTH_WAKING", 0)
    monkeypatch.setattr(bicgstab, "_UNKNOWNS_WORTH_WAKING", 0)
    monkeypatch.setattr(gmres, "_NUMBERS_WORTH_WAKING", 0)
    monkeypatch.setattr(row_groups, "_IRREGULAR", 0.0)
    monkeypatch.setattr(row_groups, "_WINDOW", 16)
    monkeypatch.setattr(team, "_IDLE_SECONDS", 0.5)
    # Small systems are not worth it, and other programs may want the processors: workers take part all the same.
    monkeypatch.setattr(team._Pause, "goes_on", lambda self: False)
    yield team._team
    for worker in team._team._workers:
        worker.retire()


def iterate(name, A, threads, iterations=8):
    method = METHODS[name]
    values = {parameter.name: parameter.default for parameter in method.parameters}
    b, x = np.random.default_rng(0).normal(size=(2, A.shape[0]))
    instance = Door(threads=threads).admit(A, b, None, rtol=1e-13, atol=0.0)
    return method.iterate(method.prepare(instance, values), instance, values, x, Stop(instance.target, iterations))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NAMES)
def test_threads_change_nothing_but_rounding(name, case, fresh):
    alone = iterate(name, CASES[case], 1)
    for threads in (2, 3):
        together = within(60, lambda threads=threads: iterate(name, CASES[case], threads))
        assert (together.iterations, together.status) == (alone.iterations, alone.status)
        np.testing.assert_allclose(together.x, alone.x, rtol=1e-7, atol=1e-7 * abs(alone.x).max())


@pytest.mark.parametrize("name", ["cg", "ssor_cg", "ic_cg", "ilu_gmres", "ilu_gcrodr", "ilu_bicgstab"])
def test_bits_depend_on_the_number_of_parts_only(name, fresh, monkeypatch):
    together = within(60, lambda: iterate(name, CASES["cube"], 3))
    again = within(60, lambda: iterate(name, CASES["cube"], 3))
    np.testing.assert_array_equal(again.x, together.x)
    monkeypatch.setattr(team, "available_processors", lambda: 1)
    np.testing.assert_array_equal(iterate(name, CASES["cube"], 3).x, together.x)
    monkeypatch.setattr(team, "available_processors", lambda: 2)
    np.testing.assert_array_equal(within(60, lambda: iterate(name, CASES["cube"], 3)).x, together.x)


def test_one_processor_needs_no_worker(fresh, monkeypatch):
    monkeypatch.setattr(team, "available_processors", lambda: 1)
    iterate("ssor_cg", CASES["cube"], 4)
    assert fresh._workers == []


def await_workers(board):
    """Give workers more time than callers usually have, since other programs may want the processors."""
    deadline = time.monotonic() + 10
    while board[spmd.ARRIVED] < board.size // spmd.STRIDE - 2 and time.monotonic() < deadline:
        time.sleep(1e-4)


def count(board, thread):
    """How many threads take part."""
    if thread == 0:
        await_workers(board)
    return spmd.join(board, thread)


def test_all_take_part(fresh):
    assert within(20, lambda: [fresh.call(threads, count) for threads in (1, 2, 4, 2)]) == [1, 2, 4, 2]


@kernel
def take_turns(number, rounds, board, thread):
    """Add to one number in turns, which only a barrier keeps from going wrong."""
    threads = spmd.join(board, thread)
    for turn in range(rounds):
        if turn % threads == thread:
            number[0] += turn
        spmd.barrier(board, thread, threads)


def test_a_barrier_holds(fresh):
    def total(threads):
        number = np.zeros(1)
        fresh.call(threads, take_turns, number, 3000)
        return number[0]

    assert within(60, lambda: [total(threads) for threads in (1, 2, 3)]) == [sum(range(3000))] * 3


def test_a_worker_survives_what_it_raises(fresh):
    def faulty(board, thread):
        if thread == 1:
            raise ValueError("in a worker")
        return spmd.join(board, thread)

    assert within(20, lambda: [fresh.call(2, task) for task in (count, faulty, count)]) == [2, 1, 2]
    assert len(fresh._workers) == 1


def test_what_the_caller_raises_dismisses_the_workers(fresh):
    dismissed = []

    def interrupted(board, thread):
        if thread == 0:
            await_workers(board)
            raise KeyboardInterrupt
        dismissed.append(spmd.join(board, thread))

    def attempt():
        with pytest.raises(KeyboardInterrupt):
            fresh.call(2, interrupted)
        return fresh.call(2, count)

    assert within(20, attempt) == 2
    assert dismissed == [0]


def test_nobody_waits_for_a_worker_that_does_not_come(fresh, monkeypatch):
    expected = within(60, lambda: iterate("ssor_cg", CASES["cube"], 2)).x
    with monkeypatch.context() as patch:
        patch.setattr(team._Worker, "start", lambda *_: None)
        alone = within(60, lambda: iterate("ssor_cg", CASES["cube"], 2))
    np.testing.assert_array_equal(alone.x, expected)
    # The lost worker is replaced.
    assert within(20, lambda: [fresh.call(2, count) for _ in range(3)])[-1] == 2


def test_calls_that_were_not_worthwhile_lead_to_pauses():
    pause = team._Pause()
    assert not pause.goes_on()
    for length in (1, 3, 7):
        pause.learn(worthwhile=False)
        assert [pause.goes_on() for _ in range(length + 1)] == [True] * length + [False]
    pause.learn(worthwhile=True)
    assert not pause.goes_on()


def wait_for_the_worker(seconds, board, thread):
    """Have thread 0 wait for thread 1, and report how much of its time that took."""
    threads = spmd.join(board, thread)
    if thread == 1:
        time.sleep(seconds)
    spmd.barrier(board, thread, threads)
    return spmd.share_of_waiting(board) if threads == 2 else None


def test_waiting_is_measured(fresh):
    shares = within(30, lambda: [fresh.call(2, wait_for_the_worker, 0.1) for _ in range(3)])
    assert all(share is None or 0.5 < share <= 1.0 for share in shares)


@pytest.mark.parametrize("name", ["cg", "jacobi_cg", "ssor_cg", "ic_cg"])
def test_parting_changes_no_bit(name, fresh, monkeypatch):
    expected = iterate(name, CASES["cube"], 2)
    call = fresh.call
    made = []

    def part_at_once(threads, kernel, *arguments):
        """As if thread 0 had always waited for too long."""
        board = spmd.new_board(2)
        board[spmd.VERDICT + 1] = 1
        together = [None, None]

        def enter(thread):
            together[thread] = kernel(*arguments, board, thread)

        worker = threading.Thread(target=enter, args=(1,), daemon=True)
        worker.start()
        await_workers(board)
        enter(0)
        worker.join(30)
        if isinstance(together[0], tuple):
            made.append(together[0][0])
            if board[spmd.VERDICT] == spmd.BEGIN:
                assert together[0] == together[1]
        return together[0]

    monkeypatch.setattr(fresh, "call", part_at_once)
    parted = within(60, lambda: iterate(name, CASES["cube"], 2))
    monkeypatch.setattr(fresh, "call", call)
    np.testing.assert_array_equal(parted.x, expected.x)
    assert parted.iterations == expected.iterations
    assert 1 in made


def test_whoever_finds_the_workers_busy_goes_alone(fresh):
    begun, go_on = threading.Event(), threading.Event()

    def slow(board, thread):
        begun.set()
        assert go_on.wait(20)

    holder = threading.Thread(target=fresh.call, args=(2, slow))
    holder.start()
    assert begun.wait(20)
    assert within(20, lambda: fresh.call(2, count)) == 1
    go_on.set()
    holder.join(20)
    assert not holder.is_alive()
    assert within(20, lambda: [fresh.call(2, count) for _ in range(3)])[-1] == 2


def test_many_solvers_at_once(fresh):
    A = CASES["cube"]
    rng = np.random.default_rng(1)
    B = rng.normal(size=(8, A.shape[0]))
    found = [None] * len(B)

    def stream(i):
        solver = rt.Solver(["ssor_cg(omega=1.5)", "cg"][i % 2 : i % 2 + 1], threads=2, rtol=1e-10)
        for _ in range(5):
            found[i] = solver.solve(A, B[i])

    threads = [threading.Thread(target=stream, args=(i,), daemon=True) for i in range(len(B))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    for x, b in zip(found, B, strict=True):
        assert np.linalg.norm(b - A @ x) <= 1e-10 * np.linalg.norm(b)


def test_breakdowns_are_those_of_one_thread(fresh):
    A = laplacian(12, shift=-2.0)
    for name in ("cg", "jacobi_cg", "ssor_cg"):
        progress = within(30, lambda name=name: iterate(name, A, 2, iterations=500))
        assert progress.status is Status.BREAKDOWN
        assert progress.revealed == {"definite": False}
        assert np.all(np.isfinite(progress.x))


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "two"])
def test_a_number_of_threads_is_a_positive_integer(threads):
    with pytest.raises(InvalidInput, match="threads"):
        rt.Solver(threads=threads)


def run(code, **options):
    """Run a program that has two threads whatever the machine has."""
    head = """
        import os, signal, threading, numpy as np, reiterate as rt
        from reiterate.linear import team
        from tests.matrices import laplacian
        team.available_processors = lambda: 2
        A, b = laplacian(60), np.ones(3600)
    """
    program = textwrap.dedent(head) + textwrap.dedent(code)
    command = [sys.executable, "-W", "ignore", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processors cannot be chosen here")
def test_a_process_that_may_use_one_processor_does():
    code = """
        import os, numpy as np, reiterate as rt
        from reiterate.linear import team
        from tests.matrices import laplacian
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        A, b = laplacian(10), np.ones(100)
        x = rt.Solver(["ssor_cg"], threads=2).solve(A, b)
        assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b)
        print(len(team._team._workers))
    """
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert found.stdout.split() == ["0"], found.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_process_gets_workers_of_its_own():
    found = run("""
        expected = rt.Solver(["cg"], threads=2).solve(A, b)
        for _ in range(3):
            child = os.fork()
            if child == 0:
                signal.alarm(60)
                same = np.array_equal(rt.Solver(["cg"], threads=2).solve(A, b), expected)
                os._exit(0 if same and len(team._team._workers) == 1 else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        print("done")
    """)
    assert found.stdout.split() == ["done"], found.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_ctrl_c_stops_a_solve_and_the_next_one_works():
    found = run("""
        solver = rt.Solver(["cg"], threads=2, rtol=1e-8, fallback=None, max_iterations=10**9, patience=None)
        solver.solve(A, b)
        for pause in (0.2, 0.3, 0.4):
            timer = threading.Timer(pause, lambda: os.kill(os.getpid(), signal.SIGINT))
            timer.start()
            try:
                while True:
                    solver.solve(A, b, rtol=1e-12)
            except KeyboardInterrupt:
                timer.join()
            x = solver.solve(A, b)
            assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b)
        print("done")
    """)
    assert found.stdout.split() == ["done"], found.stderr
