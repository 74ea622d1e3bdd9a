"""``reiterate run`` and ``reiterate record`` in the list of commands.

They are read by :mod:`reiterate.intercept.command`, before anything of this package is imported.
"""

from __future__ import annotations

from typing import Annotated

import typer

from reiterate.cli.warned import show_as_python_does
from reiterate.intercept import command

VERBATIM = {"allow_interspersed_args": False, "ignore_unknown_options": True}
"""Nothing is read here."""

Arguments = Annotated[list[str] | None, typer.Argument(metavar="PROGRAM [ARGS]...")]


def run(arguments: Arguments = None) -> None:
    """Stand in the list of commands, and read nothing."""
    show_as_python_does()
    command.main("run", arguments or [])


def record(arguments: Arguments = None) -> None:
    """Stand in the list of commands, and read nothing."""
    show_as_python_does()
    command.main("record", arguments or [])
