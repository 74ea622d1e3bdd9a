"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print the results as JSON, and nothing else.")]
Memory = Annotated[
    str | None,
    typer.Option(metavar="PATH|off", help="File for what is learnt, with which the next run begins; off: none."),
]


def memory_of(option: str | None) -> str | bool:
    """What a solver is told: by default the user's own memory, unless REITERATE_MEMORY says otherwise.

    Paths are made absolute, because a program may go elsewhere.
    """
    if option is None:
        return True
    return False if option == "off" else str(Path(option).expanduser().absolute())
