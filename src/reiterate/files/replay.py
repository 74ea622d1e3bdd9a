"""Solves a stream on disk in its order, and writes a file for each solution."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from reiterate.errors import NotConverged, ReiterateError
from reiterate.files.arrays import read_array
from reiterate.files.stored import StoredStream, StoredSystem, System, Vector
from reiterate.files.whole import make_directory, write_whole


class Solves(Protocol):
    """What can solve a system: a :class:`reiterate.Solver`."""

    def solve(self, A: Any, b: Any, x0: Any = None) -> Vector:
        """The solution within the tolerances that it was made with."""
        ...


@dataclass(slots=True)
class Outcome:
    """What became of a stream.

    Attributes
    ----------
    solved, skipped : int
        Systems solved now; systems whose solution was there and is one to these tolerances.
    renewed : int
        Of those solved now, those whose solution was there, but not as exact as is asked for; it was the start.
    trouble : list of (str, str)
        Files of the systems that were not solved, and why.
    seconds : float
        Reading and writing included.
    """

    solved: int = 0
    skipped: int = 0
    renewed: int = 0
    trouble: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, e.g. for JSON."""
        trouble = [{"system": where, "why": why} for where, why in self.trouble]
        counts = {"solved": self.solved, "skipped": self.skipped, "renewed": self.renewed}
        return {**counts, "trouble": trouble, "seconds": self.seconds}


def solve_stored(
    stream: StoredStream,
    solver: Solves,
    output: Path,
    *,
    rtol: float,
    atol: float = 0.0,
    watch: Callable[[int], None] = lambda done: None,
) -> Outcome:
    """Solve what is not solved yet, and write ``x_00000.npy`` and so on.

    Parameters
    ----------
    stream
        What to solve.
    solver
        Made with the tolerances below.
    output
        Directory for the solutions; created if it is not there.
    rtol, atol
        A solution that is there already counts where ‖b − A x‖ ≤ max(rtol ‖b‖, atol) in every column.
    watch
        Told how many systems are done with.

    Returns
    -------
    Outcome
        Systems that cannot be read or solved are listed in it; the others are solved all the same.

    Raises
    ------
    InvalidInput
        The directory cannot be written to.
    """
    make_directory(output)
    outcome = Outcome()
    start = time.perf_counter()
    for done, stored in enumerate(stream.systems):
        watch(done)
        _solve_one(stored, solver, output / f"x_{stored.label}.npy", (rtol, atol), outcome)
        outcome.seconds = time.perf_counter() - start
    watch(len(stream))
    return outcome


def _solve_one(
    stored: StoredSystem, solver: Solves, path: Path, tolerances: tuple[float, float], outcome: Outcome
) -> None:
    try:
        system = stored.read()
        earlier = _earlier(path, system)
        start, renewed = system.x0, False
        if earlier is not None:
            residual, size = _norm(system.b - system.A @ earlier), _norm(system.b)
            if np.all(residual <= np.maximum(tolerances[0] * size, tolerances[1])):
                outcome.skipped += 1
                return
            if renewed := bool(np.all(residual < size)):
                start = earlier
        x = solver.solve(system.A, system.b, start)
    except ReiterateError as error:
        outcome.trouble.append((stored.where, error.told() if isinstance(error, NotConverged) else str(error)))
        return
    write_whole(path, lambda file: np.save(file, x, allow_pickle=False))
    outcome.solved += 1
    outcome.renewed += renewed


def _earlier(path: Path, system: System) -> Vector | None:
    """What an earlier run has written, if it may be a solution of this system; a damaged file may not."""
    if not path.exists():
        return None
    try:
        x = read_array(path)
    except (ReiterateError, ValueError):
        return None
    if x.shape != system.b.shape or x.dtype.kind not in "fc" or not np.isfinite(x).all():
        return None
    return x if np.can_cast(x.dtype, np.result_type(system.A.dtype, system.b.dtype, np.float64)) else None


def _norm(vectors: Vector) -> Vector:
    """Of every column."""
    return np.atleast_1d(np.linalg.norm(vectors, axis=0))
