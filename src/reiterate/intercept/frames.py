"""Tracebacks of a program without the frames that are there only because reiterate runs it."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

_PACKAGE = str(Path(__file__).resolve().parents[1])
_HERE = str(Path(__file__).resolve().parent)


def strip(error: BaseException) -> None:
    """Take our frames out of the traceback of an error, and out of those of its causes.

    Frames of this package are ours, and so are those of the rest of reiterate that it has called. What the program has
    called of reiterate itself stays.
    """
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        found = left.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            found.__traceback__ = _stripped(found.__traceback__)
            left += [found.__cause__, found.__context__]


def _stripped(traceback: TracebackType | None) -> TracebackType | None:
    kept: list[TracebackType] = []
    inside = False
    while traceback is not None:
        place = traceback.tb_frame.f_code.co_filename
        inside = _lies_in(place, _HERE) or (inside and _lies_in(place, _PACKAGE))
        if not inside:
            kept.append(traceback)
        traceback = traceback.tb_next
    following: TracebackType | None = None
    for entry in reversed(kept):
        entry.tb_next = following
        following = entry
    return following


def _lies_in(place: str, directory: str) -> bool:
    return place.startswith(directory) and place[len(directory) : len(directory) + 1] in ("/", "\\")
