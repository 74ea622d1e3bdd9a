"""The ``reiterate`` command. Heavy imports wait until a command needs them, so that help appears at once.

A module of this package holds the commands of one group; they are registered here.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from reiterate import __version__
from reiterate.cli import demo, inspect, memory, programs, streams
from reiterate.errors import ReiterateError
from reiterate.intercept import command


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
app.command(context_settings=programs.VERBATIM, add_help_option=False, help=command.RUN)(programs.run)
app.command(context_settings=programs.VERBATIM, add_help_option=False, help=command.RECORD)(programs.record)
app.command()(streams.solve)
app.command()(inspect.methods)
app.command()(inspect.learners)
app.command()(inspect.doctor)
app.add_typer(demo.app, name="demo")
app.add_typer(memory.app, name="memory")


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


def main() -> None:
    """Run the command; errors made for people are shown without a traceback; Ctrl-C is passed on."""
    try:
        sys.exit(app(prog_name="reiterate", standalone_mode=False))
    except ReiterateError as error:
        command.complain(str(error))
        sys.exit(2)
    except _Interrupted:
        raise KeyboardInterrupt from None
    except Exception as error:
        # Click's own, of which there may be another copy inside Typer; without a message, help has been printed.
        if not hasattr(error, "format_message"):
            raise
        if message := error.format_message():
            context = getattr(error, "ctx", None)
            command.complain(message.rstrip("."), context.command_path if context else "reiterate")
        sys.exit(getattr(error, "exit_code", 1))
