"""Pictures of a comparison as files, for a README or a slide."""

from __future__ import annotations

import io
from pathlib import Path

from reiterate.errors import InvalidInput
from reiterate.report.axes import Style
from reiterate.report.data import Comparison
from reiterate.report.landscape import is_empty
from reiterate.report.page import check_path, write_file
from reiterate.report.palette import DARK, LIGHT
from reiterate.report.svg import save

_FORMATS = ("png", "svg", "pdf")


def save_comparison_figure(comparison: Comparison, path: Path, *, dark: bool = False) -> Path:
    """Save one wide picture: what the best learner chose against the optimum, and what everyone took.

    Parameters
    ----------
    comparison
        What the contenders did.
    path
        Ends in ``.png``, ``.svg`` or ``.pdf``; its directory must exist.
    dark
        Draw on a dark ground.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    InvalidInput
        ``path`` cannot be written or ends otherwise, or the comparison is empty.
    """
    from reiterate.report.overview import overview

    path = Path(path)
    check_path(path, ())
    file_format = path.suffix.lower().removeprefix(".")
    if file_format not in _FORMATS:
        raise InvalidInput("path", f"{path.name!r} ends in none of {', '.join('.' + name for name in _FORMATS)}")
    if is_empty(comparison):
        raise InvalidInput("comparison", "has no steps; there is nothing to draw")
    style = Style(1120, DARK if dark else LIGHT)
    figure = overview(comparison, style)
    buffer = io.BytesIO()
    save(figure, buffer, file_format, facecolor=style.palette.paper, dpi=144)
    return write_file(path, buffer.getvalue())
