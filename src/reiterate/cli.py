"""The ``reiterate`` command. Heavy imports wait until a command needs them, so that help appears at once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from reiterate import __version__
from reiterate.errors import ReiterateError

if TYPE_CHECKING:
    from reiterate.gallery.stream import Simulation


class _Interrupted(BaseException):
    """Ctrl-C, by a name that Typer does not know: it would end the process without a word, or with another."""


class _Group(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _Interrupted from None


app = typer.Typer(
    cls=_Group,
    name="reiterate",
    help="Iterative computation that tunes itself.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
demo = typer.Typer(
    help="Solve a built-in simulation, once with each contender, and write a report.", no_args_is_help=True
)
app.add_typer(demo, name="demo")

Steps = Annotated[int, typer.Option(min=1, help="Time steps; each is one linear system.")]
Tolerance = Annotated[float, typer.Option(help="Relative residual of every solution.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the learners; the same seed makes the same choices.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the results as JSON, and nothing else.")]
ReportPath = Annotated[
    Path | None, typer.Option("--report", help="Where to write the HTML report [default: reiterate-NAME.html].")
]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"reiterate {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@demo.command("heat")
def demo_heat(
    nx: Annotated[int, typer.Option(min=3, help="Grid cells along a side; (nx - 1)^2 unknowns.")] = 100,
    steps: Steps = 500,
    start: Annotated[
        float, typer.Option(help="Time at which the simulation begins; at 0.5 the diffusion becomes strong.")
    ] = 0.25,
    rtol: Tolerance = 1e-8,
    seed: Seed = 0,
    as_json: AsJson = False,
    report: ReportPath = None,
) -> None:
    """Two-dimensional heat equation whose diffusion coefficient swings (Khodak et al., ICLR 2024).

    Each step is one sparse linear system. Two learners that see nothing but iteration counts tune the
    relaxation parameter omega of SSOR-preconditioned conjugate gradients, beside fixed choices and beside
    the best that hindsight could have chosen.
    """
    from reiterate import gallery

    description = (
        f"Two-dimensional heat equation on a {nx - 1} × {nx - 1} grid, Crank–Nicolson, diffusion coefficient "
        f"max(0.1 sin 2πt, −10 sin 2πt), {steps:,} steps from t = {start:g}."
    )
    simulation = _build(lambda: gallery.heat(nx=nx, steps=steps, start=start))
    _run_demo("heat", simulation, description, rtol, seed, as_json, report)


@demo.command("diffusion3d")
def demo_diffusion3d(
    size: Annotated[int, typer.Option(min=3, help="Grid cells along a side; size^3 unknowns.")] = 32,
    steps: Steps = 100,
    contrast: Annotated[float, typer.Option(help="Strength of the coefficient's variation, exp(contrast * g).")] = 3.0,
    drift: Annotated[float, typer.Option(help="How fast the coefficient changes from step to step.")] = 0.05,
    rtol: Tolerance = 1e-8,
    seed: Seed = 0,
    as_json: AsJson = False,
    report: ReportPath = None,
) -> None:
    """Three-dimensional diffusion through a drifting, strongly varying medium."""
    from reiterate import gallery

    description = (
        f"Diffusion in {size}³ cells through a medium whose coefficient varies like exp({contrast:g} g) and drifts, "
        f"{steps:,} steps."
    )
    simulation = _build(lambda: gallery.diffusion3d(size=size, steps=steps, contrast=contrast, drift=drift, seed=seed))
    _run_demo("diffusion3d", simulation, description, rtol, seed, as_json, report)


@demo.command("constant")
def demo_constant(
    nx: Annotated[int, typer.Option(min=3, help="Grid cells along a side; (nx - 1)^2 unknowns.")] = 80,
    steps: Steps = 500,
    dt: Annotated[float, typer.Option(help="Time step; the longer, the worse conditioned the matrix.")] = 0.001,
    rtol: Tolerance = 1e-8,
    seed: Seed = 0,
    as_json: AsJson = False,
    report: ReportPath = None,
) -> None:
    """Heat under a moving source: the same matrix at every step."""
    from reiterate import gallery

    description = f"Heat under a moving source on a {nx - 1} × {nx - 1} grid, one matrix, {steps:,} steps of {dt:g}."
    simulation = _build(lambda: gallery.constant(nx=nx, steps=steps, dt=dt))
    _run_demo("constant", simulation, description, rtol, seed, as_json, report)


@demo.command("newton")
def demo_newton(
    nx: Annotated[int, typer.Option(min=3, help="Grid cells along a side; (nx - 1)^2 unknowns.")] = 64,
    steps: Steps = 150,
    height: Annotated[float, typer.Option(help="Height of the frame; the higher, the more nonlinear.")] = 1.0,
    rtol: Tolerance = 1e-8,
    seed: Seed = 0,
    as_json: AsJson = False,
    report: ReportPath = None,
) -> None:
    """Minimal surfaces in a moving frame by Newton's method: every Newton step is one system."""
    from reiterate import gallery

    description = f"Minimal surface on a {nx} × {nx} grid in a frame of height {height:g}, {steps:,} Newton steps."
    simulation = _build(lambda: gallery.newton(nx=nx, steps=steps, height=height))
    _run_demo("newton", simulation, description, rtol, seed, as_json, report)


@demo.command("thermal_block")
def demo_thermal_block(
    blocks: Annotated[int, typer.Option(min=1, help="Blocks along a side, each of its own conductivity.")] = 3,
    cells: Annotated[int, typer.Option(min=2, help="Grid cells along the side of a block.")] = 24,
    steps: Steps = 150,
    contrast: Annotated[float, typer.Option(help="Conductivities are from 1/contrast to contrast.")] = 10.0,
    rtol: Tolerance = 1e-8,
    seed: Seed = 0,
    as_json: AsJson = False,
    report: ReportPath = None,
) -> None:
    """Heat through blocks whose conductivities wander: a sweep through parameter space."""
    from reiterate import gallery

    description = (
        f"Heat through {blocks} × {blocks} blocks of {cells} × {cells} cells with conductivities "
        f"from {1 / contrast if contrast else 0:g} to {contrast:g}, {steps:,} points of parameter space."
    )
    simulation = _build(lambda: gallery.thermal_block(blocks=blocks, cells=cells, steps=steps, contrast=contrast))
    _run_demo("thermal_block", simulation, description, rtol, seed, as_json, report)


def _build(make: Any) -> Simulation:
    simulation: Simulation = make()
    return simulation


def _run_demo(
    name: str, simulation: Simulation, description: str, rtol: float, seed: int, as_json: bool, report: Path | None
) -> None:
    from reiterate.comparison import compare
    from reiterate.report.comparison import write_comparison_report

    if as_json:
        comparison = compare(simulation, name, description, rtol=rtol, seed=seed)
    else:
        from reiterate.terminal import demo_progress

        with demo_progress(description) as watch:
            comparison = compare(simulation, name, description, rtol=rtol, seed=seed, watch=watch)
    path = write_comparison_report(comparison, report or Path(f"reiterate-{name}.html"))
    if as_json:
        typer.echo(json.dumps({**comparison.as_dict(), "report": str(path)}, indent=2))
    else:
        from reiterate.terminal import print_comparison

        print_comparison(comparison, path)


@app.command()
def methods(
    name: Annotated[str | None, typer.Argument(help="A method to describe in full, e.g. ilu_gmres.")] = None,
) -> None:
    """List the methods for linear systems with their parameters, or describe one of them."""
    from reiterate import catalog

    if name is None:
        catalog.print_methods()
    else:
        catalog.print_method(name)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what was found: versions, processor, threads, cache, optional backends."""
    from reiterate.diagnosis import examine
    from reiterate.terminal import print_findings

    findings = examine()
    if as_json:
        typer.echo(json.dumps(findings, indent=2))
    else:
        print_findings(findings)


def main() -> None:
    """Run the command; errors made for people are shown without a traceback; Ctrl-C is passed on."""
    try:
        app()
    except ReiterateError as error:
        typer.secho(f"reiterate: {error}", fg="red", err=True)
        sys.exit(2)
    except _Interrupted:
        raise KeyboardInterrupt from None
