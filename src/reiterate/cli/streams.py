"""``reiterate solve``: streams kept on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reiterate.cli.options import AsJson, Memory
from reiterate.errors import InvalidInput
from reiterate.intercept.command import complain, memory_of, missing_directory
from reiterate.progress import late_progress

if TYPE_CHECKING:
    from reiterate.files import Outcome


def solve(
    directory: Annotated[
        Path, typer.Argument(help="Directory with A_00000.mtx, b_00000.mtx …, or an .npz file that holds a stream.")
    ],
    rtol: Annotated[float, typer.Option(help="Relative residual of every solution.")] = 1e-8,
    atol: Annotated[float, typer.Option(help="Residual that is small enough whatever the right-hand side.")] = 0.0,
    output: Annotated[
        Path | None, typer.Option(help="Where solutions go; by default the directory, or NAME-solutions for a file.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="The HTML report; report.html beside the solutions.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads that an iteration may use.")] = None,
    memory: Memory = None,
    as_json: AsJson = False,
) -> None:
    """Solve the systems that a directory holds, in their order, and write x_00000.npy and a report.

    Read are Matrix Market files (.mtx, .mtx.gz), SciPy's .npz and NumPy's .npy, whole streams in one .npz, and hypre's
    IJ files. A second run goes on where the first was interrupted, and solves again what is not exact enough for its
    tolerances. Files that cannot be read are named, and the rest is
    solved; the exit status is 1 then.
    """
    from reiterate.files import open_stream, solve_stored
    from reiterate.report.page import check_path
    from reiterate.solver import Solver

    stream = open_stream(directory)
    target = output or (directory if directory.is_dir() else directory.with_name(f"{directory.stem}-solutions"))
    if report is not None:
        check_path(report)
    if (missing := missing_directory(where := memory_of(memory))) is not None:
        raise InvalidInput("--memory", missing)
    solver = Solver(rtol=rtol, atol=atol, threads=threads, memory=where, label=str(stream.source.absolute()))
    with _progress(stream.source.name, len(stream), quiet=as_json) as watch:
        outcome = solve_stored(stream, solver, target, rtol=rtol, atol=atol, watch=watch)
    page = None
    if outcome.solved or report is not None:
        page = solver.report(report or target / "report.html")
    if as_json:
        found = {**outcome.as_dict(), "solutions": str(target), "report": str(page) if page else None}
        typer.echo(json.dumps({**found, "history": solver.history.as_dict()}, indent=2))
    else:
        if outcome.solved:
            typer.echo(solver.summary())
        typer.echo(_conclusion(outcome, target, page))
    for where, why in outcome.trouble:
        complain(f"not solved: {where}\n  {why}")
    if outcome.trouble:
        raise typer.Exit(1)


def _conclusion(outcome: Outcome, target: Path, page: Path | None) -> str:
    parts = [f"{outcome.solved:,} solved in {outcome.seconds:.2f} s"]
    if outcome.renewed:
        parts[0] += f", {outcome.renewed:,} of them from solutions that were not exact enough"
    if outcome.skipped:
        parts.append(f"{outcome.skipped:,} had been solved before, as exactly as is asked for")
    if outcome.trouble:
        parts.append(f"{len(outcome.trouble):,} not solved")
    end = f" Report: {page}" if page else ""
    return f"{'; '.join(parts)}. Solutions: {target}{end}"


@contextmanager
def _progress(name: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar that appears when the work has taken a second; none where nobody looks at a terminal."""
    if quiet:
        yield lambda done: None
        return
    with late_progress(f"Solving {name}", total) as advance:
        yield lambda done: advance() if done else None
