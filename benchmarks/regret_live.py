"""Section ``live``: the default solver against every fixed configuration and every peer's default, on whole streams."""

from __future__ import annotations

import gc
import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
import scipy.sparse.linalg as spla

import reiterate as rt
from machine import processor_time
from petsc_client import PeerError, PetscClient, Scalar, find_petsc
from portfolio_systems import Stream
from regret_runs import Comparison, Run, Shares
from reiterate.linear.portfolio import DEFAULT, configurations

OURS = "reiterate"
PETSC = "PETSc default (GMRES + ILU)"
SLOW = "too slow"
RTOL = 1e-8
LENGTHS = (1, 5, 20, 100, 500)
OMEGAS = (1.0, 1.25, 1.5, 1.6, 1.7, 1.8, 1.9)
HOPELESS = 4.0  # times what our own default took, after which a configuration is stopped
HOPELESS_PEER = 12.0
HOPELESS_AT_ONCE = 20.0  # the same during the first solves, which tables of short streams need
EARLY = 20  # solves

Kind = Literal["own", "fixed", "rivals"]
LIMITS: dict[Kind, float] = {"own": math.inf, "fixed": HOPELESS, "rivals": HOPELESS_PEER}

Contender = Callable[[Any, Any, Any], float]
"""Solves a system and returns the seconds it took; raises where it cannot."""


def fixed_configurations() -> list[str]:
    """Those of the default portfolio; of the line of ssor_cg every second or so."""
    arms = [str(arm) for arm in configurations(DEFAULT)]
    kept = {f"ssor_cg(omega={omega})" for omega in OMEGAS}
    return [arm for arm in arms if not arm.startswith("ssor_cg") or arm in kept]


class Ours:
    """A solver of ours, from the door to the verified answer, and where its time goes."""

    def __init__(self, **options: Any) -> None:
        self._solver = rt.Solver(rtol=RTOL, seed=0, **options)
        self.shares = Shares()

    def __call__(self, A: Any, b: Any, x0: Any) -> float:
        history = self._solver.history
        deciding, warming = history.deciding, history.compiling
        begin = processor_time()
        self._solver.solve(A, b, x0)
        seconds = processor_time() - begin - (history.compiling - warming)
        self._tell_apart(seconds, history.deciding - deciding)
        return seconds

    def _tell_apart(self, seconds: float, deciding: float) -> None:
        record, shares = self._solver.last, self.shares
        assert record is not None
        beyond = record.cost - (record.cost if record.expected is None else record.expected)
        before = sum(attempt.seconds for attempt in record.attempts[:-1])
        shares.whole.append(seconds)
        shares.deciding.append(deciding)
        shares.racing.append(0.0 if record.trial else before)
        shares.trying.append(max(beyond, 0.0) if record.trial else 0.0)
        shares.checking.append(max(seconds - record.seconds - deciding, 0.0))


def _checked(solve: Callable[[Any, Any, Any], Any]) -> Contender:
    def timed(A: Any, b: Any, x0: Any) -> float:
        begin = processor_time()
        x = solve(A, b, x0)
        seconds = processor_time() - begin
        if not np.linalg.norm(b - A @ x) <= 1.01 * RTOL * np.linalg.norm(b):
            raise PeerError("does not reach the tolerance")
        return seconds

    return timed


def peers() -> dict[str, Contender]:
    """Defaults of SciPy and PyAMG, called as their documentation shows."""

    def cg(A: Any, b: Any, x0: Any) -> Any:
        return spla.cg(A, b, x0=x0, rtol=RTOL, maxiter=20_000)[0]

    def gmres(A: Any, b: Any, x0: Any) -> Any:
        return spla.gmres(A, b, x0=x0, rtol=RTOL, restart=30, maxiter=700)[0]

    def multigrid(A: Any, b: Any, x0: Any) -> Any:
        import pyamg

        solver = pyamg.smoothed_aggregation_solver(A)
        return solver.solve(b, x0=x0, tol=RTOL, accel="cg", maxiter=300)

    return {
        "SciPy spsolve": _checked(lambda A, b, x0: spla.spsolve(A.tocsc(), b)),
        "SciPy cg": _checked(cg),
        "SciPy gmres(30)": _checked(gmres),
        "PyAMG smoothed aggregation": _checked(multigrid),
    }


class Petsc:
    """PETSc for real and for complex numbers, each where it is installed, started when it is needed."""

    def __init__(self) -> None:
        self._clients: dict[Scalar, PetscClient | None] = {}

    def client(self, stream: Stream) -> PetscClient | None:
        """For the matrices of a stream."""
        scalar: Scalar = "complex" if any(np.iscomplexobj(system[0]) for system in stream.systems[:2]) else "real"
        if scalar not in self._clients:
            self._clients[scalar] = find_petsc(scalar)
        return self._clients[scalar]

    def close(self) -> None:
        """End the processes."""
        for client in self._clients.values():
            if client is not None:
                client.close()


def petsc_defaults(client: PetscClient | None, stream: Stream) -> dict[str, Contender]:
    """PETSc's own default, GMRES(30) with ILU(0), and what its manual names for definite matrices."""
    if client is None:
        return {}
    choices = {PETSC: {}, "PETSc CG + ICC": {"ksp_type": "cg", "pc_type": "icc"}}
    loaded: set[str] = set()

    def contender(options: dict[str, str]) -> Contender:
        def solve(A: Any, b: Any, x0: Any) -> float:
            # Streams that alternate between kinds of systems have a matrix for each.
            name = f"{stream.name} {A.nnz}"
            if name not in loaded:
                client.load(name, A, b, definite=False)
                loaded.add(name)
            client.renew(name, A, b, np.zeros_like(b) if x0 is None else x0)
            answer = client.call("solve", name=name, options=options, rtol=RTOL)
            if not answer["residual"] <= 10.0 * RTOL:
                raise PeerError("does not reach the tolerance")
            return float(answer["setup"] + answer["solve"])

        return solve

    return {name: contender(options) for name, options in choices.items()}


def play(
    stream: Stream, contender: Contender, pace: list[float] | None = None, hopeless: float = HOPELESS
) -> tuple[list[float], str]:
    """Seconds of all systems in order; stops at the first that fails, or when it has fallen hopelessly behind a pace.

    ``pace`` are the seconds of every solve of whoever sets it; ``hopeless`` is how many times as long is too long.
    Why it stopped, if it did, comes second.
    """
    seconds: list[float] = []
    limits = [math.inf] * len(stream.systems)
    if pace is not None:
        limits = (hopeless * np.cumsum(pace)).tolist()
        limits[:EARLY] = [HOPELESS_AT_ONCE * sum(pace[:EARLY])] * min(EARLY, len(limits))
    spent = 0.0
    gc.collect()  # or whoever plays next pays for what others have left behind
    for A, b, x0 in stream.systems:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                seconds.append(contender(A, b, x0))
        except (rt.ReiterateError, PeerError, ValueError, RuntimeError, np.linalg.LinAlgError) as error:
            return seconds, str(error).split("\n")[0][:80] or type(error).__name__
        spent += seconds[-1]
        if spent > limits[len(seconds) - 1]:
            return seconds, SLOW
    return seconds, ""


def compare(stream: Stream, petsc: Petsc, rounds: int) -> Comparison:
    """Everybody on one stream, once a round, in reverse order every second time.

    Our default of the first round sets the pace.
    """
    result = Comparison(stream.name, stream.size, len(stream.systems))
    # Not counted: whoever plays first pays for what is loaded once a process, and for cold caches.
    play(stream, Ours())
    pace: list[float] | None = None
    for number in range(rounds):
        everybody = _everybody(stream, petsc)
        for kind, name, make in reversed(everybody) if number % 2 else everybody:
            run = getattr(result, kind).setdefault(name, Run())
            if number and not run.rounds[0]:
                run.rounds.append([])  # who failed on the first system would fail again, which can take long
                continue
            contender = make()
            hopeless = LIMITS[kind]
            seconds, failed = play(stream, contender, None if math.isinf(hopeless) else pace, hopeless)
            run.rounds.append(seconds)
            run.slow = run.slow or failed == SLOW
            run.failed = run.failed or ("" if failed == SLOW else failed)
            if name == OURS:
                assert isinstance(contender, Ours)
                pace = pace or seconds
                result.shares.append(contender.shares)
    return result


def _everybody(stream: Stream, petsc: Petsc) -> list[tuple[Kind, str, Callable[[], Contender]]]:
    """Kind, name and maker of all contenders of a round, our default first.

    What one contender has prepared is gone before the next one is made.
    """
    own: dict[str, Callable[[], Contender]] = {
        OURS: Ours,
        "Tsallis-INF": partial(Ours, learner="tsallis_inf"),
        "ChebCB": partial(Ours, learner="cheb_cb"),
    }
    fixed = {arm: partial(Ours, methods=[arm], fallback=None) for arm in fixed_configurations()}
    rivals = peers() | petsc_defaults(petsc.client(stream), stream)
    everybody: list[tuple[Kind, str, Callable[[], Contender]]] = [("own", name, make) for name, make in own.items()]
    everybody += [("fixed", name, make) for name, make in fixed.items()]
    everybody += [("rivals", name, partial(_same, solve)) for name, solve in rivals.items()]
    return everybody


def _same(contender: Contender) -> Contender:
    return contender
