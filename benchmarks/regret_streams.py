"""Streams for ``benchmarks/regret.py``: closed loops of the gallery, solved once with care, and stored ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import scipy.sparse.linalg as spla

from portfolio_systems import Stream, stored_streams
from reiterate import gallery

GALLERY: dict[str, Callable[[int], Any]] = {
    "heat": lambda steps: gallery.heat(nx=64, steps=steps),
    "diffusion3d": lambda steps: gallery.diffusion3d(24, steps),
    "constant": lambda steps: gallery.constant(nx=80, steps=steps),
    "convection": lambda steps: gallery.convection(steps=steps),
    "newton": lambda steps: gallery.newton(nx=64, steps=steps),
    "thermal_block": lambda steps: gallery.thermal_block(steps=steps),
    "helmholtz": lambda steps: gallery.helmholtz(steps=steps),
    "navier_stokes": lambda steps: gallery.navier_stokes(steps=steps),
    "topology": lambda steps: gallery.topology(steps=steps),
    "powerflow": lambda steps: gallery.powerflow(steps=steps),
}
DRIFTING = ("diffusion3d", "convection", "newton", "thermal_block", "helmholtz", "navier_stokes", "topology")
"""Those whose matrices change so much that the best configuration may change with them."""


def streams(names: list[str], steps: int, directory: Path) -> Iterator[Stream]:
    """The streams of these names, or all: those of the gallery, then those stored in a directory."""
    for name, simulation in GALLERY.items():
        if not names or name in names:
            yield closed_loop(name, simulation(steps), steps)
    if directory.is_dir():
        yield from (stream for stream in stored_streams(directory, steps) if not names or stream.name in names)


def closed_loop(name: str, simulation: Any, steps: int) -> Stream:
    """What a simulation asks for when every system is solved to rounding.

    Systems and starts depend on earlier solutions to within the tolerance only, so that every contender may be given
    the same ones.
    """
    systems: list[tuple[Any, Any, Any]] = []
    contexts = []
    for system in simulation:
        contexts.append(dict(system.context))
        systems.append((system.A.copy(), system.b.copy(), None if system.x0 is None else system.x0.copy()))
        if len(systems) == steps:
            break
        simulation.advance(_solution(*systems[-1]))
    return Stream(name, systems, definite=False, contexts=contexts)


def _solution(A: Any, b: Any, x0: Any) -> Any:
    import reiterate as rt

    try:
        return rt.solve(A, b, x0, rtol=1e-12)
    except rt.NotConverged:
        return spla.spsolve(A.tocsc(), b)
