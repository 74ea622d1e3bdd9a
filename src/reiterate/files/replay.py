"""Solves a stream on disk in its order, and writes a file for each solution."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from reiterate.errors import ReiterateError
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
        Systems solved now; systems whose solution was there and is one.
    trouble : list of (str, str)
        Files of the systems that were not solved, and why.
    seconds : float
        Reading and writing included.
    """

    solved: int = 0
    skipped: int = 0
    trouble: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, e.g. for JSON."""
        trouble = [{"system": where, "why": why} for where, why in self.trouble]
        return {"solved": self.solved, "skipped": self.skipped, "trouble": trouble, "seconds": self.seconds}


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
        if _is_solved(path, system, *tolerances):
            outcome.skipped += 1
            return
        x = solver.solve(system.A, system.b, system.x0)
    except ReiterateError as error:
        outcome.trouble.append((stored.where, str(error)))
        return
    write_whole(path, lambda file: np.save(file, x, allow_pickle=False))
    outcome.solved += 1


def _is_solved(path: Path, system: System, rtol: float, atol: float) -> bool:
    """Whether the solution is there, for this system and to this tolerance; a damaged file is none."""
    if not path.exists():
        return False
    try:
        x = read_array(path)
        if x.shape != system.b.shape or x.dtype.kind not in "fc":
            return False
        residual = np.linalg.norm(system.b - system.A @ x, axis=0)
        return bool(np.all(residual <= np.maximum(rtol * np.linalg.norm(system.b, axis=0), atol)))
    except (ReiterateError, ValueError):
        return False
