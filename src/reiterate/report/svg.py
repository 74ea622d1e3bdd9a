"""Matplotlib figures as inline SVG whose colors and font follow the page."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING, Any

from reiterate.report.axes import titles_of
from reiterate.report.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROLE_OF = {color: role for role, color in LIGHT.roles().items()}
_HAIR = re.compile(r"(\.\d)\d+")  # nobody sees a tenth of a pixel
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def save(figure: Figure, target: Any, file_format: str, **options: Any) -> None:
    """Save a figure in the same bytes every time, with text as text, leaving the global settings alone."""
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "reiterate"}), warnings.catch_warnings():
        # Names may hold characters that Matplotlib's own font lacks; the reader's font draws them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        metadata = _NO_METADATA if file_format == "svg" else None
        figure.savefig(target, format=file_format, metadata=metadata, **options)


def inline(figure: Figure, prefix: str, description: str) -> str:
    """The figure as an ``<svg>`` element to put into a page.

    Parameters
    ----------
    figure
        Drawn in the colors of :data:`~reiterate.report.palette.LIGHT`, which become the page's variables.
    prefix
        Put in front of every id, so that two figures of a page cannot mix up their clip paths.
    description
        What the picture shows, for those who cannot see it; plain text.
    """
    from html import escape

    buffer = io.StringIO()
    save(figure, buffer, "svg", transparent=True, dpi=144)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # Matplotlib's style element would apply to the whole page; page.css has the same rule for figures only.
    text = re.sub(r"<style\b.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", text)
    text = re.sub(r'style="[^"]*"', lambda match: _themed(match.group()), text)
    text = re.sub(r'\b(?:d|x|y|transform)="[^"]*"', lambda match: _HAIR.sub(r"\1", match.group()), text)
    text = re.sub(r"<g([^>]*)>\s*((?:<use [^>]*/>\s*){3,})</g>", _hoist_style, text)
    for gid, titles in titles_of(figure).items():
        text = _with_titles(text, f"{prefix}-{gid}", titles)
    width, height = (round(72 * inches) for inches in figure.get_size_inches())
    head = f'<svg role="img" aria-label="{escape(description)}" width="{width}" height="{height}" '
    text = re.sub(r'^<svg (.*?) width="[^"]*" height="[^"]*"', rf"{_literal(head)}\1", text, count=1)
    return re.sub(r"\n\s*", "\n", text).strip()


def _literal(replacement: str) -> str:
    return replacement.replace("\\", r"\\")


def _hoist_style(match: re.Match[str]) -> str:
    """Say once for a group what Matplotlib repeats for each of its dots."""
    attributes, uses = match.groups()
    styles = set(re.findall(r' style="[^"]*"', uses))
    if len(styles) != 1 or "style=" in attributes:
        return match.group()
    (style,) = styles
    return f"<g{attributes}{style}>{uses.replace(style, '')}</g>"


def _with_titles(text: str, group: str, titles: list[str]) -> str:
    """Give a group, or each of its marks, a title, which browsers show when it is hovered over."""
    head = f'<g id="{group}">'
    begin = text.find(head)
    if begin < 0:
        return text
    begin += len(head)
    if len(titles) == 1:
        return f"{text[:begin]}<title>{_escaped(titles[0])}</title>{text[begin:]}"
    match = re.compile(r"(?:<use [^>]*/>\s*)+").search(text, begin)
    if match is None or match.group().count("<use ") != len(titles):
        return text
    marks = re.findall(r"<use ([^>]*?)\s*/>", match.group())
    named = "".join(
        f"<use {mark}><title>{_escaped(title)}</title></use>" for mark, title in zip(marks, titles, strict=True)
    )
    return text[: match.start()] + named + text[match.end() :]


def _escaped(title: str) -> str:
    from html import escape

    return escape(title, quote=False)


def _themed(style: str) -> str:
    style = re.sub(r"#[0-9a-f]{6}\b", lambda match: _variable(match.group()), style)
    style = re.sub(r"font-family: [^;\"]*(?:; )?", "", style)
    return re.sub(r"font: ([^;\"]*?[\d.]+px) [^;\"]*", r"font: \1 var(--font)", style)


def _variable(color: str) -> str:
    return f"var(--{_ROLE_OF[color]})" if color in _ROLE_OF else color
