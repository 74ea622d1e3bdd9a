"""Deadlines and Ctrl-C against factorizations that would take longer, whatever the clock says."""

import signal
import threading
import time

import numpy as np
import pytest

import reiterate as rt
from reiterate.contracts import Status
from reiterate.errors import Breakdown, OutOfTime
from reiterate.linear import factor_memory, factor_rslab, factor_time
from reiterate.linear.factor_engines import ENGINES, factorize_by_what_works
from reiterate.linear.factor_memory import refuse_long_work
from reiterate.linear.factor_rslab import RslabFactor
from reiterate.linear.factor_superlu import SuperLUFactor
from reiterate.linear.factor_time import run_until_deadline
from reiterate.linear.factors import factorize
from tests.linear.factor_cases import GENERAL, admit
from tests.matrices import laplacian

LONG = 1.0  # seconds, an estimate that is worth a thread
FOREVER = 60.0


@pytest.fixture
def instance():
    return admit(laplacian(5))


@pytest.fixture(autouse=True)
def _nobody_left_behind():
    yield
    factor_time._left_behind.clear()


def soon():
    return time.perf_counter() + 0.02


@pytest.mark.parametrize("seconds", [0.0, LONG])
def test_what_is_done_in_time_returns_or_raises(instance, seconds):
    assert run_until_deadline("engine", instance, lambda: 7, seconds) == 7
    with pytest.raises(ZeroDivisionError):
        run_until_deadline("engine", instance, lambda: 1 // 0, seconds)


def test_what_is_estimated_to_miss_the_deadline_is_not_begun(instance):
    instance.deadline = time.perf_counter() + 0.5 * LONG
    with pytest.raises(OutOfTime, match=r"engine: factoring is estimated to take 1 s or more; .* s are left"):
        run_until_deadline("engine", instance, lambda: pytest.fail("begun"), LONG)
    instance.deadline = time.perf_counter() - 1.0
    with pytest.raises(OutOfTime, match="no time is left"):
        run_until_deadline("engine", instance, lambda: pytest.fail("begun"), 0.0)


def test_what_can_be_canceled_is_and_has_ended(instance, monkeypatch):
    monkeypatch.setattr(factor_time, "SHORT", 0.0)
    canceled, ended = threading.Event(), threading.Event()
    instance.deadline = soon()

    def task():
        canceled.wait(FOREVER)
        ended.set()

    with pytest.raises(OutOfTime, match="abandoned"):
        run_until_deadline("engine", instance, task, 0.0, canceled.set)
    assert ended.is_set()


def test_what_cannot_be_canceled_is_left_behind_one_at_a_time(instance, monkeypatch):
    monkeypatch.setattr(factor_time, "SHORT", 0.0)
    release = threading.Event()
    instance.deadline = soon()
    with pytest.raises(OutOfTime, match="abandoned"):
        run_until_deadline("engine", instance, lambda: release.wait(FOREVER), 0.0)
    instance.deadline = time.perf_counter() + FOREVER
    with pytest.raises(OutOfTime, match="still running"):
        run_until_deadline("engine", instance, lambda: pytest.fail("begun"), 0.0)
    (thread,) = factor_time._left_behind
    release.set()
    thread.join()
    assert run_until_deadline("engine", instance, lambda: 7, 0.0) == 7
    assert not factor_time._left_behind


def test_ctrl_c_cancels(instance):
    canceled = threading.Event()

    def task():
        signal.raise_signal(signal.SIGINT)
        canceled.wait(FOREVER)

    with pytest.raises(KeyboardInterrupt):
        run_until_deadline("engine", instance, task, LONG, canceled.set)
    assert canceled.is_set()


def test_ctrl_c_reaches_a_real_factorization(monkeypatch):
    monkeypatch.setattr(factor_rslab, "_RATE", 1.0)
    instance = admit(laplacian(15, 3))
    factor = factorize(instance, RslabFactor)
    analysis = factor._symbolic

    class Signaling:
        def factor(self, values, interrupt):
            signal.raise_signal(signal.SIGINT)
            while not interrupt.is_set:
                time.sleep(0.001)
            return analysis.factor(values, interrupt=interrupt)

    factor._symbolic = Signaling()
    with pytest.raises(KeyboardInterrupt):
        factor.refresh(admit(laplacian(15, 3)))


def test_a_numeric_phase_is_stopped_half_way(monkeypatch):
    monkeypatch.setattr(factor_time, "SHORT", 0.0)
    instance = admit(laplacian(24, 3))
    factor = factorize(instance, RslabFactor)
    before = factor._factor
    factor._operations = 0.0  # what makes the estimate far too low
    instance.deadline = time.perf_counter() + 0.002
    with pytest.raises(OutOfTime):
        factor.refresh(instance)
    assert factor._factor is before


@pytest.mark.parametrize("engine", GENERAL)
def test_every_engine_heeds_the_deadline(engine):
    instance = admit(laplacian(40))
    instance.deadline = time.perf_counter() - 1.0
    with pytest.raises(OutOfTime, match=ENGINES[engine].title):
        factorize(instance, ENGINES[engine])
    with pytest.raises(OutOfTime):
        factorize_by_what_works(instance)
    instance.deadline = None
    factor = factorize(instance, ENGINES[engine])
    instance = admit(2.0 * laplacian(40))
    instance.deadline = time.perf_counter() - 1.0
    with pytest.raises(OutOfTime):
        factor.refresh(instance)


def test_what_cannot_be_stopped_is_estimated_first(monkeypatch):
    instance = admit(laplacian(30))
    fill, operations = factor_memory._triangle_fill("SuperLU", instance)
    assert fill < operations < fill**2
    instance.deadline = time.perf_counter() + FOREVER
    refuse_long_work("SuperLU", instance, operations / (0.5 * FOREVER))
    with pytest.raises(OutOfTime, match="SuperLU"):
        refuse_long_work("SuperLU", instance, operations / (2.0 * FOREVER))
    monkeypatch.setattr(factor_memory, "_triangle_fill", lambda *_: pytest.fail("analyzed"))
    refuse_long_work("SuperLU", instance, 900.0**3)
    instance.deadline = None
    refuse_long_work("SuperLU", instance, 1e-9)


def test_factors_that_outgrow_their_estimate_are_given_up(monkeypatch):
    A = laplacian(40)
    needed = factorize(admit(A), SuperLUFactor).memory
    monkeypatch.setattr("reiterate.linear.factor_superlu.refuse_large_fill", lambda *_, **__: None)
    with pytest.raises(Breakdown, match=r"SuperLU: contrary to the estimate the factors take .*; the limit is"):
        factorize(admit(A), SuperLUFactor, memory_limit=needed - 1)
    assert factorize(admit(A), SuperLUFactor, memory_limit=needed).memory == needed


def test_a_solve_goes_on_with_another_method(monkeypatch):
    monkeypatch.setattr(factor_time, "_ANALYSIS_SECONDS", 0.6 * FOREVER / laplacian(40, 3).nnz)
    A, b = laplacian(40, 3), np.ones(40**3)
    solver = rt.Solver(["direct"], fallback="jacobi_cg", max_seconds=FOREVER)
    x = solver.solve(A, b)
    assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b)
    first, second = solver.last.attempts
    assert (first.configuration.method, first.status) == ("direct", Status.TIME_CAP)
    assert "rslab: factoring is estimated to take" in first.reason
    assert second.configuration.method == "jacobi_cg"


def test_a_solve_that_runs_out_of_time_says_so():
    A = laplacian(40, 3)
    with pytest.raises(
        rt.NotConverged, match=r"rslab: factoring is estimated to take .* raise .*max_seconds"
    ) as caught:
        rt.Solver(["direct"], fallback=None, max_seconds=0.3).solve(A, np.ones(A.shape[0]))
    assert [attempt.status for attempt in caught.value.attempts] == [Status.TIME_CAP]
