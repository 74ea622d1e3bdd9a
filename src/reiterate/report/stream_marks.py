"""What the pictures of a stream have in common: one color a method, and what hovering over a solve shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reiterate.contracts import Record
from reiterate.report.axes import Style
from reiterate.report.words import seconds as duration
from reiterate.report.words import several

_MARKERS = "oDsv"


def method_marks(methods: Iterable[str], style: Style) -> dict[str, tuple[str, str]]:
    """Color and marker of every method that began a solve, the same in every picture."""
    colors = style.palette.methods
    return {
        method: (colors[number % len(colors)], _MARKERS[number // len(colors) % len(_MARKERS)])
        for number, method in enumerate(sorted(set(methods)))
    }


def began(records: Sequence[Record]) -> set[str]:
    """The methods that began a solve."""
    return {record.configuration.method for record in records}


def titles(records: Sequence[Record], style: Style) -> list[str]:
    """A line about every record; none on a telephone, where nothing hovers."""
    if style.narrow:
        return []
    return [
        f"solve {record.index + 1}: {record.configuration}, {several(record.iterations, 'iteration')}, "
        f"{duration(record.seconds)}{', a trial' if record.trial else ''}"
        for record in records
    ]
