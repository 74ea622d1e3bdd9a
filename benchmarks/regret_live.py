"""Section ``live``: the default solver against every fixed configuration and every peer's default, on whole streams."""

from __future__ import annotations

import gc
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse.linalg as spla

import reiterate as rt
from machine import processor_time
from petsc_client import PeerError, PetscClient
from portfolio_systems import Stream
from reiterate.linear.portfolio import DEFAULT, configurations

OURS = "reiterate"
RTOL = 1e-8
LENGTHS = (1, 5, 20, 100, 500)
OMEGAS = (1.0, 1.25, 1.5, 1.6, 1.7, 1.8, 1.9)
HOPELESS = 4.0  # times what our own default took, after which a configuration is stopped
HOPELESS_PEER = 12.0
HOPELESS_AT_ONCE = 20.0  # the same during the first solves, which tables of short streams need
EARLY = 20  # solves

Contender = Callable[[Any, Any, Any], float]
"""Solves a system and returns the seconds it took; raises where it cannot."""


@dataclass
class Run:
    """Seconds of every solve of one contender, and whether each reached the tolerance."""

    seconds: list[float] = field(default_factory=list)
    failed: str = ""

    def total(self, steps: int) -> float:
        """Seconds of the first so many solves; infinite where they were not all made."""
        return sum(self.seconds[:steps]) if len(self.seconds) >= steps else math.inf


def fixed_configurations() -> list[str]:
    """Those of the default portfolio; of the line of ssor_cg every second or so."""
    arms = [str(arm) for arm in configurations(DEFAULT)]
    kept = {f"ssor_cg(omega={omega})" for omega in OMEGAS}
    return [arm for arm in arms if not arm.startswith("ssor_cg") or arm in kept]


def ours(**options: Any) -> Contender:
    """A solver of ours, from the door to the verified answer."""
    solver = rt.Solver(rtol=RTOL, seed=0, **options)

    def solve(A: Any, b: Any, x0: Any) -> float:
        begin = processor_time()
        warming = solver.history.compiling
        solver.solve(A, b, x0)
        return processor_time() - begin - (solver.history.compiling - warming)

    solve.solver = solver  # type: ignore[attr-defined]
    return solve


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


def petsc_defaults(client: PetscClient, stream: Stream) -> dict[str, Contender]:
    """PETSc's own default, GMRES(30) with ILU(0), and what its manual names for definite matrices."""
    if any(np.iscomplexobj(system[0]) for system in stream.systems[:2]):
        return {}
    choices = {"PETSc default (GMRES + ILU)": {}, "PETSc CG + ICC": {"ksp_type": "cg", "pc_type": "icc"}}
    loaded: set[str] = set()

    def contender(options: dict[str, str]) -> Contender:
        def solve(A: Any, b: Any, x0: Any) -> float:
            # Streams that alternate between kinds of systems have a matrix for each.
            name = f"{stream.name} {A.nnz}"
            if name not in loaded:
                client.load(name, A, b, definite=False)
                loaded.add(name)
            client.renew(name, A, b, np.zeros(b.size) if x0 is None else x0)
            answer = client.call("solve", name=name, options=options, rtol=RTOL)
            if not answer["residual"] <= 10.0 * RTOL:
                raise PeerError("does not reach the tolerance")
            return float(answer["setup"] + answer["solve"])

        return solve

    return {name: contender(options) for name, options in choices.items()}


def play(stream: Stream, contender: Contender, pace: list[float] | None = None, hopeless: float = HOPELESS) -> Run:
    """All systems in order; stops at the first that fails, or when it has fallen hopelessly behind a pace.

    ``pace`` are the seconds of every solve of whoever sets it; ``hopeless`` is how many times as long is too long.
    """
    run = Run()
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
                run.seconds.append(contender(A, b, x0))
        except (rt.ReiterateError, PeerError, ValueError, RuntimeError, np.linalg.LinAlgError) as error:
            run.failed = str(error).split("\n")[0][:80]
            break
        spent += run.seconds[-1]
        if spent > limits[len(run.seconds) - 1]:
            run.failed = "too slow"
            break
    return run


@dataclass
class Comparison:
    """Runs of ours, of fixed configurations and of peers on one stream, and how our default ended."""

    stream: Stream
    own: dict[str, Run]
    fixed: dict[str, Run]
    rivals: dict[str, Run]
    solver: rt.Solver


def compare(stream: Stream, client: PetscClient | None, rounds: int) -> Comparison:
    """Everybody on one stream, once a round; seconds of every solve are medians over rounds."""
    # Not counted: whoever plays first pays for what is loaded once a process, and for cold caches.
    play(stream, ours())
    petsc = {} if client is None else petsc_defaults(client, stream)
    played: list[tuple[dict[str, Run], dict[str, Run], dict[str, Run]]] = []
    for _ in range(rounds):
        default = ours()
        own = {OURS: play(stream, default)}
        pace = own[OURS].seconds
        fixed = {arm: play(stream, ours(methods=[arm], fallback=None), pace) for arm in fixed_configurations()}
        own["Tsallis-INF"] = play(stream, ours(learner="tsallis_inf"))
        own["ChebCB"] = play(stream, ours(learner="cheb_cb"))
        rivals = {name: play(stream, contender, pace, HOPELESS_PEER) for name, contender in (peers() | petsc).items()}
        played.append((own, fixed, rivals))
    own, fixed, rivals = ({name: _median([one[k][name] for one in played]) for name in played[0][k]} for k in range(3))
    return Comparison(stream, own, fixed, rivals, default.solver)  # type: ignore[attr-defined]


def _median(runs: list[Run]) -> Run:
    """Of the seconds of every solve that all of them made."""
    length = min(len(run.seconds) for run in runs)
    seconds = np.median([run.seconds[:length] for run in runs], axis=0)
    return Run(np.atleast_1d(seconds).tolist() if length else [], runs[0].failed)
