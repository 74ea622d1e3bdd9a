"""The command line of ``reiterate run`` and ``reiterate record``.

It is read with nothing but the standard library, and nothing else is imported until the program itself does: the
program is to find the process as ``python`` would have left it, and should not wait.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from reiterate.intercept.conclusion import Conclusion

RUN: Final = "Run an unmodified Python program with SciPy's sparse linear solvers replaced by tuned ones."
RECORD: Final = "Run a Python program, and write the linear systems that it has SciPy solve."

_RUN_MORE: Final = (
    "Every place that calls a solver is a stream of its own. Output, exit status, errors and signals are those of the "
    "program; a short table goes to standard error at the end. Processes that the program forks have the replaced "
    "solvers, too; those that it starts anew (multiprocessing's spawn) have SciPy's."
)
_RECORD_MORE: Final = (
    "Every place that calls a solver gets a directory, as `reiterate solve` reads it, e.g. to be sent to a colleague. "
    "SciPy solves the systems for the program, as always. Processes that it starts are not recorded."
)


_REFUSED: Final = 2  # the exit status where nothing was done


def read(arguments: Sequence[str]) -> Callable[[], None] | None:
    """What ``reiterate`` is to do with these arguments, if it is to run or to record a program; else ``None``.

    Raises
    ------
    SystemExit
        After help, and after a line about what is wrong.
    """
    if not arguments or arguments[0] not in _COMMANDS:
        return None
    return _COMMANDS[arguments[0]](arguments[1:])


def memory_of(option: str | None) -> str | bool:
    """What ``--memory`` means to a solver: by default the user's own, unless REITERATE_MEMORY says otherwise.

    Paths are made absolute, because a program may go elsewhere.
    """
    if option is None:
        return True
    path = os.path.expanduser(option)
    if path.startswith("~"):  # there is no home directory, which whoever opens the file will say
        return path
    return False if option == "off" else os.path.abspath(path)


def missing_directory(memory: str | bool) -> str | None:
    """What is wrong with the place of a memory that was asked for."""
    parent = os.path.dirname(memory) if isinstance(memory, str) else ""
    return f"there is no directory {parent!r}; create it first" if parent and not os.path.isdir(parent) else None


def complain(message: str, command: str = "") -> None:
    """Say what is wrong as every command does, and whose help tells more."""
    red = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    print(f"\033[31mreiterate: {message}\033[0m" if red else f"reiterate: {message}", file=sys.stderr)
    if command:
        print(f"  `{command} --help` tells more.", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        complain(message, self.prog)
        raise SystemExit(_REFUSED)


def _parser(name: str, description: str, more: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"reiterate {name}",
        usage=f"reiterate {name} [OPTIONS] PROGRAM [ARGS]...\n       reiterate {name} [OPTIONS] -m MODULE [ARGS]...",
        description=f"{description} {more}",
        allow_abbrev=False,
    )
    parser.add_argument("-m", dest="is_module", action="store_true", help="PROGRAM is a module, as with python -m")
    parser.add_argument(
        "program", metavar="PROGRAM", help="the program, with its own arguments after it; - for standard input"
    )
    rest = parser.add_argument("arguments", metavar="ARGS", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    rest.required = False
    return parser


def _run(arguments: Sequence[str]) -> Callable[[], None]:
    parser = _parser("run", RUN, _RUN_MORE)
    parser.add_argument(
        "--audit", type=float, default=0.0, metavar="SHARE", help="share of the calls that SciPy solves besides"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write an HTML report there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there as JSON")
    parser.add_argument("--quiet", action="store_true", help="no table at the end")
    parser.add_argument("--memory", metavar="PATH|off", help="file for what is learnt, for the next run; off: none")
    parser.add_argument(
        "--direct-tolerance",
        type=float,
        default=1e-12,
        metavar="ERROR",
        help="largest normwise backward error of an answer to a direct call (default 1e-12)",
    )
    asked = parser.parse_args(arguments)
    if not 0.0 <= asked.audit <= 1.0:
        parser.error(f"--audit {asked.audit:g} is not between 0 and 1")
    if not 0.0 < asked.direct_tolerance < 1.0:
        parser.error(f"--direct-tolerance {asked.direct_tolerance:g} is not between 0 and 1")
    memory = memory_of(asked.memory)
    if (missing := missing_directory(memory)) is not None:
        parser.error(missing)
    report, json = _writable(parser, asked.report), _writable(parser, asked.json)
    options = {
        "direct_tolerance": asked.direct_tolerance,
        "audit": asked.audit,
        "memory": memory,
    }

    def go() -> None:
        from reiterate.intercept.conclusion import Summary, Wanted

        _go(Summary(Wanted(asked.program, asked.quiet, report, json)), options, asked)

    return go


def _record(arguments: Sequence[str]) -> Callable[[], None]:
    parser = _parser("record", RECORD, _RECORD_MORE)
    parser.add_argument(
        "--output", type=Path, metavar="DIRECTORY", help="a new or empty directory; PROGRAM-systems if not given"
    )
    parser.add_argument(
        "--limit", type=int, default=1000, metavar="N", help="most systems of a call site that are written (1000)"
    )
    asked = parser.parse_args(arguments)
    if asked.limit < 1:
        parser.error(f"--limit {asked.limit} is not a positive number")
    name = asked.program.rpartition(".")[2] if asked.is_module else Path(asked.program).stem
    target = (asked.output or Path(f"{name}-systems")).absolute()
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            parser.error(f"{str(target)!r} is not empty; give a new directory with --output")
    except OSError as error:
        parser.error(f"cannot create {str(target)!r} ({error.strerror})")

    def go() -> None:
        from reiterate.intercept.recording import Recorder, RecordingConclusion

        recorder = Recorder(target, asked.limit)
        _go(RecordingConclusion(recorder), {"recorder": recorder}, asked)

    return go


_COMMANDS: Final = {"run": _run, "record": _record}


def _go(conclusion: Conclusion, options: dict[str, Any], asked: argparse.Namespace) -> None:
    from reiterate.intercept.importing import when_imported
    from reiterate.intercept.program import run_program

    when_imported("scipy.sparse.linalg", lambda: conclusion.begin(options))
    run_program(asked.program, asked.arguments, is_module=asked.is_module, ended=conclusion.ended)


def _writable(parser: argparse.ArgumentParser, path: Path | None) -> Path | None:
    """Where that file lies, wherever the program goes; refused before the program begins if it cannot be written."""
    if path is None:
        return None
    if path.is_dir():
        parser.error(f"{str(path)!r} is a directory; give the name of a file in it")
    if not path.parent.is_dir():
        parser.error(f"there is no directory {str(path.parent)!r}; create it first")
    return path.absolute()


def main(name: str, arguments: Sequence[str]) -> None:
    """Run or record a program at once."""
    _COMMANDS[name](arguments)()
