"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print the results as JSON, and nothing else.")]
Memory = Annotated[
    str | None,
    typer.Option(metavar="PATH|off", help="File for what is learnt, with which the next run begins; off: none."),
]
