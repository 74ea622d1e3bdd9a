"""``reiterate run`` and ``reiterate record``: programs that know nothing of reiterate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from reiterate.cli.afterwards import Afterwards

VERBATIM = {"allow_interspersed_args": False}
"""Whatever follows the program's name is the program's."""

Program = Annotated[str, typer.Argument(help="Python program, or the name of a module after -m.", metavar="PROGRAM")]
Arguments = Annotated[list[str] | None, typer.Argument(help="Its own arguments.", metavar="[ARGS]...")]
IsModule = Annotated[bool, typer.Option("-m", help="The program is the name of a module, as with python -m.")]


def run(
    program: Program,
    arguments: Arguments = None,
    is_module: IsModule = False,
    audit: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the calls that SciPy solves besides, to compare.")
    ] = 0.0,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report there.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the table there as JSON.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No table at the end.")] = False,
    memory: Annotated[
        str | None, typer.Option(metavar="PATH|off", help="File for what is learnt, for the next run; off: none.")
    ] = None,
    direct_tolerance: Annotated[
        float, typer.Option(help="Largest normwise backward error of an answer to a direct call.")
    ] = 1e-12,
) -> None:
    """Run an unmodified Python program with SciPy's sparse linear solvers replaced by tuned ones.

    Every place that calls a solver is a stream of its own. Output, exit status, errors and signals are those of the
    program; a short table goes to standard error at the end. Processes that the program forks have the replaced
    solvers, too; those that it starts anew (multiprocessing's "spawn") have SciPy's.
    """
    if not 0.0 < direct_tolerance < 1.0:
        raise typer.BadParameter(f"{direct_tolerance} is not between 0 and 1.", param_hint="--direct-tolerance")
    wanted = (program, quiet, _writable("--report", report), _writable("--json", json))
    options: dict[str, Any] = {"direct_tolerance": direct_tolerance, "audit": audit}
    if memory is not None:
        options["memory"] = False if memory == "off" else memory

    def go() -> None:
        from reiterate.intercept.conclusion import Conclusion, Wanted
        from reiterate.intercept.importing import when_imported
        from reiterate.intercept.program import run_program

        conclusion = Conclusion(Wanted(*wanted))
        when_imported("scipy.sparse.linalg", lambda: conclusion.begin(options))
        run_program(program, arguments or [], is_module=is_module, ended=conclusion.prepare)

    raise Afterwards(go)


def _writable(option: str, path: Path | None) -> Path | None:
    """Where that file lies, wherever the program goes; refused before the program begins if it cannot be written."""
    if path is None:
        return None
    if path.is_dir():
        raise typer.BadParameter(f"{str(path)!r} is a directory.", param_hint=option)
    if not path.parent.is_dir():
        raise typer.BadParameter(f"there is no directory {str(path.parent)!r}.", param_hint=option)
    return path.absolute()
