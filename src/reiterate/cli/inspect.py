"""``reiterate methods``, ``learners`` and ``doctor``: what there is, and what was found."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from reiterate.cli.options import AsJson


def methods(
    name: Annotated[str | None, typer.Argument(help="A method to describe in full, e.g. ilu_gmres.")] = None,
) -> None:
    """List the methods for linear systems with their parameters, or describe one of them."""
    from reiterate import catalog

    if name is None:
        catalog.print_methods()
    else:
        catalog.print_method(name)


def learners() -> None:
    """List the online learners by name, with what each does and where it comes from."""
    from reiterate import catalog

    catalog.print_learners()


def doctor(as_json: AsJson = False) -> None:
    """Say what was found: versions, processor, threads, cache, optional backends."""
    from reiterate.diagnosis import examine
    from reiterate.terminal import print_findings

    findings = examine()
    if as_json:
        typer.echo(json.dumps(findings, indent=2))
    else:
        print_findings(findings)
