"""``reiterate run`` and ``reiterate record``: programs that know nothing of reiterate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reiterate.cli.afterwards import Afterwards
from reiterate.cli.options import Memory, memory_of

if TYPE_CHECKING:
    from reiterate.intercept.conclusion import Conclusion

VERBATIM = {"allow_interspersed_args": False}
"""Whatever follows the program's name is the program's."""

Program = Annotated[str, typer.Argument(help="Python program, or the name of a module after -m.", metavar="PROGRAM")]
Arguments = Annotated[list[str] | None, typer.Argument(help="Its own arguments.", metavar="ARGS")]
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
    memory: Memory = None,
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
    options: dict[str, Any] = {
        "direct_tolerance": direct_tolerance,
        "audit": audit,
        "memory": memory_of(memory),
    }

    def go() -> None:
        from reiterate.intercept.conclusion import Summary, Wanted

        _run(Summary(Wanted(*wanted)), options, program, arguments, is_module)

    raise Afterwards(go)


def record(
    program: Program,
    arguments: Arguments = None,
    is_module: IsModule = False,
    output: Annotated[
        Path | None, typer.Option(help="A new or empty directory; PROGRAM-systems if not given.", file_okay=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most systems of a call site that are written.")] = 1000,
) -> None:
    """Run a Python program and write the linear systems that it has SciPy solve: a directory for each call site.

    The systems are written as `reiterate solve` reads them, e.g. to be sent to a colleague. SciPy solves them for the
    program, as always. Processes that it starts are not recorded.
    """
    name = program.rpartition(".")[2] if is_module else Path(program).stem
    target = (output or Path(f"{name}-systems")).absolute()
    if target.is_dir() and any(target.iterdir()):
        raise typer.BadParameter(f"{str(target)!r} is not empty; give a new directory.", param_hint="--output")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"cannot create {str(target)!r} ({error.strerror}).", param_hint="--output") from None

    def go() -> None:
        from reiterate.intercept.recording import Recorder, RecordingConclusion

        recorder = Recorder(target, limit)
        _run(RecordingConclusion(recorder), {"recorder": recorder}, program, arguments, is_module)

    raise Afterwards(go)


def _run(
    conclusion: Conclusion, options: dict[str, Any], program: str, arguments: list[str] | None, is_module: bool
) -> None:
    from reiterate.intercept.importing import when_imported
    from reiterate.intercept.program import run_program

    when_imported("scipy.sparse.linalg", lambda: conclusion.begin(options))
    run_program(program, arguments or [], is_module=is_module, ended=conclusion.ended)


def _writable(option: str, path: Path | None) -> Path | None:
    """Where that file lies, wherever the program goes; refused before the program begins if it cannot be written."""
    if path is None:
        return None
    if path.is_dir():
        raise typer.BadParameter(f"{str(path)!r} is a directory.", param_hint=option)
    if not path.parent.is_dir():
        raise typer.BadParameter(f"there is no directory {str(path.parent)!r}.", param_hint=option)
    return path.absolute()
