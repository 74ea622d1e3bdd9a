"""What ``reiterate methods`` prints: every method with its parameters, or one of them in full."""

from __future__ import annotations

import inspect

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reiterate.configuration import Parameter
from reiterate.linear.portfolio import METHODS, method


def print_methods() -> None:
    """One line a method: its spelling with defaults, and what it needs."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("method", no_wrap=True)
    table.add_column("needs", style="dim")
    for name, known in METHODS.items():
        defaults = ", ".join(f"{parameter.name}={parameter.default:g}" for parameter in known.parameters)
        table.add_row(Text(f"{name}({defaults})" if defaults else name), known.requires)
    Console().print(table)


def print_method(name: str) -> None:
    """One method: what it is, where it comes from, what it costs, and its parameters.

    Raises
    ------
    InvalidInput
        There is no method of that name.
    """
    known = method(name)
    console = Console()
    headline, _, rest = (known.__doc__ or "").partition("\n")
    console.print(Text(headline.replace("``", "")))
    for paragraph in inspect.cleandoc("\n" + rest).replace("``", "").split("\n\n"):
        console.print(Text(" ".join(paragraph.split())))
    console.print(Text(f"\nNeeds {known.requires}."))
    for parameter in known.parameters:
        console.print(Text(_describe(parameter)))


def _describe(parameter: Parameter) -> str:
    low, high = parameter.search
    kind = "whole numbers" if parameter.integer else "numbers"
    return (
        f"  {parameter.name} = {parameter.default:g}: {kind} in ({parameter.low:g}, {parameter.high:g}), "
        f"searched from {low:g} to {high:g} ({parameter.points} values, {parameter.scale})"
    )
