"""What ``reiterate methods`` and ``learners`` print: every method or learner, or one method in full."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.text import Text

from reiterate.configuration import Parameter, parse_spelling
from reiterate.contracts import Learner, Method
from reiterate.learners import LEARNERS
from reiterate.linear.portfolio import METHODS, method

_SPELLING_WIDTH = 38
_WIDTH = 80
_SOURCE = re.compile(r"Sources?: (.*?\b(?:1[89]|20)\d\d\b)")  # an author's initials end no sentence, a year does


def print_methods() -> None:
    """Every method: on a terminal by iteration and preconditioner; elsewhere in full, one a line, for programs."""
    console = Console()
    if not console.is_terminal:
        for known in METHODS.values():
            print(f"{_spelling(known):<62}{known.requires}")
        return
    for line in _overview():
        console.print(line, soft_wrap=True)


def _overview() -> Iterator[Text]:
    """Iterations with equal lists of preconditioners share one list; what is needed is said where it changes."""
    alone = [name for name in METHODS if _iteration(name) == name]
    lists = {name: tuple(_preconditioners(METHODS[name])) for name in alone}
    for preconditioners in dict.fromkeys(lists.values()):
        together = [METHODS[name] for name in alone if lists[name] == preconditioners]
        for known in together:
            yield _row(_spelling(known), known.requires, "bold")
        if preconditioners:
            names = "it" if len(together) == 1 else "each of them"
            yield Text(f" before {names}:", style="dim")
        for spelling, needs in preconditioners:
            yield _row(f"  {spelling}", needs)
    yield Text("\nilu_(bits=64) before gmres(restart=30) is ilu_gmres(bits=64, restart=30);")
    yield Text("`reiterate methods ilu_gmres` describes it.")


def _row(spelling: str, needs: str, style: str = "") -> Text:
    """In two columns, or in two lines where the first has no room; the second goes on in the next line."""
    column = " " * _SPELLING_WIDTH
    gap = column[len(spelling) :] or f"\n{column}"
    lines = textwrap.wrap(needs.removeprefix("a "), _WIDTH - _SPELLING_WIDTH)
    return Text.assemble((spelling, style), (gap + f"\n{column}".join(lines) if lines else "", "dim"))


def _iteration(name: str) -> str:
    """The shortest method that the name ends in: ``cg`` in ``block_jacobi_cg``."""
    return min((other for other in METHODS if f"_{name}".endswith(f"_{other}")), key=len)


def _preconditioners(iteration: Method) -> Iterator[tuple[str, str]]:
    """What may stand before an iteration: a prefix with the parameters that it brings, and what it needs on top."""
    own = {parameter.name for parameter in iteration.parameters}
    for name, known in METHODS.items():
        if name != iteration.name and _iteration(name) == iteration.name:
            brought = [parameter for parameter in known.parameters if parameter.name not in own]
            needs = known.requires.removeprefix(iteration.requires).removeprefix(", and ")
            yield _spell(name.removesuffix(iteration.name), brought), needs


def _spelling(known: Method) -> str:
    return _spell(known.name, known.parameters)


def _spell(name: str, parameters: Iterable[Parameter]) -> str:
    """As in a configuration, with defaults."""
    defaults = ", ".join(f"{parameter.name}={parameter.default:g}" for parameter in parameters)
    return f"{name}({defaults})" if defaults else name


def print_method(name: str) -> None:
    """One method, by its name or a spelling: what it is, where it comes from, what it costs, and its parameters.

    Raises
    ------
    InvalidInput
        There is no method of that name.
    """
    known = method(parse_spelling(name)[0])
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


def print_learners() -> None:
    """Every learner with what it does and where it comes from: one a line, for programs, or wrapped on a terminal."""
    console = Console()
    for name, learner in LEARNERS.items():
        sentence, source = _sentence_and_source(learner)
        if not console.is_terminal:
            print(f"{name:<24}{' '.join(filter(None, (sentence, source)))}")
            continue
        console.print(Text(name, "bold"))
        for text, style in ((sentence, ""), (source, "dim")):
            for line in textwrap.wrap(text, _WIDTH - 2):
                console.print(Text(f"  {line}", style), soft_wrap=True)
    if console.is_terminal:
        console.print(Text("\nSolver(methods, learner=...) takes a name; the default, auto, is none of them."))


def _sentence_and_source(learner: type[Learner]) -> tuple[str, str]:
    """The first sentence of a learner's description, and the first reference there; empty where it has none."""
    description = " ".join((inspect.getdoc(learner) or "").split())
    source = _SOURCE.search(description)
    return description.split(". ")[0] + ".", f"{source[1]}." if source else ""
