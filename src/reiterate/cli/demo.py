"""``reiterate demo``: built-in simulations, solved and reported."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reiterate.cli.options import AsJson

if TYPE_CHECKING:
    from reiterate.gallery.stream import Simulation

app = typer.Typer(help="Solve a built-in simulation, and write a report.", no_args_is_help=True)

Side = Annotated[int, typer.Option(min=3, help="Grid cells along a side.")]
Steps = Annotated[int, typer.Option(min=1, help="Time steps; each is one linear system.")]
Tolerance = Annotated[float, typer.Option(help="Relative residual of every solution.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the learners; the same seed makes the same choices.")]
ReportPath = Annotated[
    Path | None, typer.Option("--report", help="Where to write the HTML report; reiterate-NAME.html if not given.")
]


def _demo(describe: Callable[..., str]) -> Callable[..., str]:
    """Make a command that runs the built-in simulation of that name.

    Its options are those of ``describe``, which go to the simulation as they are, and those that all demos share.
    ``describe`` returns a sentence about what they lead to.
    """
    own = inspect.signature(describe, eval_str=True).parameters

    def command(**options: Any) -> None:
        _run_demo(describe, {name: options[name] for name in own}, options)

    shared = inspect.signature(_shared_options, eval_str=True).parameters
    together = [*own.values(), *(parameter for name, parameter in shared.items() if name not in own)]
    command.__signature__ = inspect.Signature(together)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in together}
    app.command(describe.__name__, help=inspect.getdoc(describe))(command)
    return describe


def _shared_options(rtol: Tolerance = 1e-8, seed: Seed = 0, as_json: AsJson = False, report: ReportPath = None) -> None:
    """What every demo can be told."""


@_demo
def heat(
    nx: Side = 100,
    steps: Steps = 500,
    start: Annotated[
        float, typer.Option(help="Time at which the simulation begins; at 0.5 the diffusion becomes strong.")
    ] = 0.25,
) -> str:
    """Two-dimensional heat equation whose diffusion coefficient swings (Khodak et al., ICLR 2024).

    Each step is one sparse linear system. Two learners that see nothing but iteration counts tune the
    relaxation parameter omega of SSOR-preconditioned conjugate gradients, beside fixed choices and beside
    the best that hindsight could have chosen.
    """
    return (
        f"Two-dimensional heat equation on a {nx - 1} × {nx - 1} grid, Crank–Nicolson, diffusion coefficient "
        f"max(0.1 sin 2πt, −10 sin 2πt), {steps:,} steps from t = {start:g}."
    )


@_demo
def diffusion3d(
    size: Annotated[int, typer.Option(min=3, help="Grid cells along a side; size^3 unknowns.")] = 32,
    steps: Steps = 100,
    contrast: Annotated[float, typer.Option(help="Strength of the coefficient's variation, exp(contrast * g).")] = 3.0,
    drift: Annotated[float, typer.Option(help="How fast the coefficient changes from step to step.")] = 0.05,
    seed: Seed = 0,
) -> str:
    """Three-dimensional diffusion through a drifting, strongly varying medium."""
    return (
        f"Diffusion in {size}³ cells through a medium whose coefficient varies like exp({contrast:g} g) and drifts, "
        f"{steps:,} steps."
    )


@_demo
def constant(
    nx: Side = 80,
    steps: Steps = 500,
    dt: Annotated[float, typer.Option(help="Time step; the longer, the worse conditioned the matrix.")] = 0.001,
) -> str:
    """Heat under a moving source: the same matrix at every step."""
    return f"Heat under a moving source on a {nx - 1} × {nx - 1} grid, one matrix, {steps:,} steps of {dt:g}."


@_demo
def convection(
    nx: Side = 80,
    steps: Steps = 200,
    highest: Annotated[float, typer.Option(help="Largest Péclet number of the sweep.")] = 1e4,
) -> str:
    """Heat in a recirculating wind that freshens and calms down: nonsymmetric matrices.

    One solver chooses among the default methods.
    """
    return f"Heat in a recirculating wind, Péclet number up to {highest:,g} and back, {steps:,} steps."


@_demo
def newton(
    nx: Side = 64,
    steps: Steps = 150,
    height: Annotated[float, typer.Option(help="Height of the frame; the higher, the more nonlinear.")] = 1.0,
) -> str:
    """Minimal surfaces in a moving frame by Newton's method: every Newton step is one system."""
    return f"Minimal surface on a {nx} × {nx} grid in a frame of height {height:g}, {steps:,} Newton steps."


@_demo
def thermal_block(
    blocks: Annotated[int, typer.Option(min=1, help="Blocks along a side, each of its own conductivity.")] = 3,
    cells: Annotated[int, typer.Option(min=2, help="Grid cells along the side of a block.")] = 24,
    steps: Steps = 150,
    contrast: Annotated[float, typer.Option(help="Conductivities are from 1/contrast to contrast.")] = 10.0,
) -> str:
    """Heat through blocks whose conductivities wander: a sweep through parameter space."""
    return (
        f"Heat through {blocks} × {blocks} blocks of {cells} × {cells} cells with conductivities "
        f"from {1 / contrast:g} to {contrast:g}, {steps:,} points of parameter space."
    )


@_demo
def helmholtz(
    nx: Side = 60,
    steps: Steps = 60,
    highest: Annotated[float, typer.Option(help="Largest frequency of the sweep.")] = 50.0,
) -> str:
    """Waves through a lens at rising frequency: complex, indefinite matrices.

    One solver chooses among the default methods.
    """
    return f"Waves through a lens at frequencies up to {highest:g}, {steps:,} of them."


@_demo
def navier_stokes(
    nx: Side = 48,
    steps: Steps = 200,
    reynolds: Annotated[float, typer.Option(help="Reynolds number of the flow.")] = 1000.0,
) -> str:
    """Flow in a box under a lid that swings: nonsymmetric and singular symmetric systems by turns.

    One solver chooses among the default methods.
    """
    return f"Flow in a box of {nx} × {nx} cells under a lid that swings, Reynolds number {reynolds:,g}."


@_demo
def topology(
    nx: Annotated[int, typer.Option(min=2, help="Cells along the cantilever.")] = 60,
    ny: Annotated[int, typer.Option(min=2, help="Cells across it.")] = 20,
    steps: Steps = 60,
    volume: Annotated[float, typer.Option(help="Share of the box that may be filled.")] = 0.4,
) -> str:
    """Topology of a cantilever, optimized: one badly conditioned system for every design."""
    return f"Topology of a cantilever of {nx} × {ny} cells, {volume:.0%} of them filled, {steps:,} designs."


@_demo
def powerflow(
    buses: Annotated[int, typer.Option(min=3, help="Buses of the grid.")] = 300,
    steps: Steps = 235,
    loading: Annotated[float, typer.Option(help="How heavily the grid is loaded.")] = 1.0,
    seed: Seed = 0,
) -> str:
    """A power grid through the day by Newton's method: small nonsymmetric matrices.

    One solver chooses among the default methods.
    """
    return f"A power grid of {buses} buses through the day by Newton's method, {steps:,} systems."


def _run_demo(describe: Callable[..., str], own: dict[str, Any], shared: dict[str, Any]) -> None:
    from reiterate.gallery import GALLERY
    from reiterate.report.page import check_path

    name = describe.__name__
    path: Path = shared["report"] or Path(f"reiterate-{name}.html")
    check_path(path)
    simulation, description = GALLERY[name](**own), describe(**own)
    # Without positive definite matrices there is no omega to tune.
    run = _compare if simulation.definite else _tune
    found = run(name, simulation, description, path, shared)
    if shared["as_json"]:
        typer.echo(json.dumps({**found, "report": str(path)}, indent=2))


def _compare(name: str, simulation: Simulation, description: str, path: Path, shared: dict[str, Any]) -> dict[str, Any]:
    """Contenders beside oracles, and the report of who would have done better."""
    from reiterate.comparison import compare
    from reiterate.report.comparison import write_comparison_report
    from reiterate.terminal import print_comparison

    with _watching(description, shared) as watch:
        comparison = compare(simulation, name, description, rtol=shared["rtol"], seed=shared["seed"], **watch)
    write_comparison_report(comparison, path)
    if not shared["as_json"]:
        print_comparison(comparison, path)
    return comparison.as_dict()


def _tune(name: str, simulation: Simulation, description: str, path: Path, shared: dict[str, Any]) -> dict[str, Any]:
    """One solver that chooses among the default methods, and the report of what it chose."""
    from reiterate.comparison import tune

    with _watching(description, shared) as watch:
        solver = tune(simulation, rtol=shared["rtol"], seed=shared["seed"], **watch)
    solver.report(path)
    if not shared["as_json"]:
        typer.echo(f"{solver.summary()}\nReport: {path}")
    return {"title": name, "description": description, **solver.history.as_dict()}


@contextmanager
def _watching(description: str, shared: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Live progress as an option of the run; nothing where only JSON is wanted."""
    if shared["as_json"]:
        yield {}
        return
    from reiterate.terminal import demo_progress

    with demo_progress(description) as watch:
        yield {"watch": watch}
