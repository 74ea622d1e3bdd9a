"""The page that every report is: one file, nothing fetched, light and dark, readable on a telephone."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from reiterate.errors import InvalidInput
from reiterate.report.axes import NARROW, WIDE, Style
from reiterate.report.palette import DARK, LIGHT, Palette
from reiterate.report.svg import inline
from reiterate.report.words import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_WORDY = ' class="wordy"'


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of the key above a picture.

    ``mark`` is ``"solid"``, ``"dashed"``, ``"dotted"``, ``"dot"``, ``"ring"``, ``"band"``, ``"triangle"`` or
    ``"cross"``; ``role`` a color's role.
    """

    text: str
    role: str
    mark: str = "solid"


@dataclass(frozen=True, slots=True)
class Link:
    """A cell of a table that leads to a file beside the page."""

    name: str


@dataclass(slots=True)
class Page:
    """Collects the parts of a page in the order in which they are to be read; every text is plain and escaped here.

    Parameters
    ----------
    title
        Of the window, and small above the lead.
    lead
        The sentence that says what happened.
    about
        What was solved.
    """

    title: str
    lead: str
    about: str = ""
    _parts: list[str] = field(default_factory=list)
    _figures: int = 0

    def cards(self, cards: Sequence[tuple[str, str]]) -> None:
        """Add headline numbers: what it is, and below it what it means."""
        items = "".join(
            f'<div class="card"><b>{_text(big)}</b><span>{_text(small)}</span></div>' for big, small in cards
        )
        self._parts.append(f'<div class="cards">{items}</div>')

    def figure(
        self,
        heading: str,
        caption: str,
        draw: Callable[[Style], Figure],
        key: Sequence[Key] = (),
        narrow_key: Sequence[Key] = (),
    ) -> None:
        """Add a picture, drawn twice: for a desk, and for a telephone.

        Parameters
        ----------
        heading, caption
            What the picture answers, and how to look at it.
        draw
            Called with the style to draw in.
        key
            What the marks mean.
        narrow_key
            The same for marks that only the wide picture names beside its lines.
        """
        self._figures += 1
        pictures = []
        for css, width in (("wide", WIDE), ("narrow", NARROW)):
            drawing = inline(draw(Style(width)), f"f{self._figures}{css[0]}", f"{heading}. {caption}")
            pictures.append(f'<div class="{css}">{drawing}</div>')
        keys = _key(key) + _key([*narrow_key], "narrow")
        self._parts.append(
            f"<section><h2>{_text(heading)}</h2><p>{_text(caption)}</p>{keys}"
            f"<figure>{''.join(pictures)}</figure></section>"
        )

    def note(self, heading: str, text: str) -> None:
        """Add a paragraph where there is nothing to draw."""
        self._parts.append(f"<section><h2>{_text(heading)}</h2><p>{_text(text)}</p></section>")

    def table(
        self,
        heading: str,
        caption: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[str | Link]],
        strong: Sequence[int] = (),
    ) -> None:
        """Add a table; the rows numbered in ``strong`` stand out."""
        wordy = [not any(_is_number(row[i]) for row in rows) for i in range(len(columns))]
        head = "".join(
            f'<th scope="col"{_WORDY if words else ""}>{_text(column)}</th>'
            for column, words in zip(columns, wordy, strict=True)
        )
        body = "".join(_row(row, wordy, strong=number in strong) for number, row in enumerate(rows))
        self._parts.append(
            f"<section><h2>{_text(heading)}</h2><p>{_text(caption)}</p><div class='scroll'>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>"
        )

    def explanations(self, heading: str, terms: Sequence[tuple[str, str]]) -> None:
        """Add a folded list of words and what they mean."""
        items = "".join(f"<dt>{_text(term)}</dt><dd>{_text(meaning)}</dd>" for term, meaning in terms)
        self._parts.append(f"<details><summary>{_text(heading)}</summary><dl>{items}</dl></details>")

    def html(self) -> str:
        """The whole page."""
        about = f'<p class="about">{_text(self.about)}</p>' if self.about else ""
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n'
            f"<title>{_text(self.title)}</title>\n<style>\n{_stylesheet()}</style>\n</head>\n<body>\n<main>\n"
            f'<h1>{_text(self.title)}</h1>\n<p class="lead">{_text(self.lead)}</p>\n{about}\n'
            + "\n".join(self._parts)
            + "\n<footer>Written by reiterate. This file is complete in itself and fetches nothing.</footer>"
            "\n</main>\n</body>\n</html>\n"
        )

    def write(self, path: Path) -> Path:
        """Write the page to a file; see :func:`write_file`."""
        return write_file(path, self.html().encode("utf-8"))


def write_file(path: Path, content: bytes) -> Path:
    """Write a file so that a reader finds the old one or the new one, never half of it.

    Raises
    ------
    InvalidInput
        The path cannot be written; says why, and what would be right.
    """
    check_path(path, ())
    # Not from tempfile, whose files only their owner may read.
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(6)}.part")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
        os.replace(temporary, path)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InvalidInput(
            "path", f"cannot write {str(path)!r} ({why}); give a file in a directory that you may write to"
        ) from error
    finally:
        # Still there only if something went wrong, be it Ctrl-C.
        with contextlib.suppress(OSError, ValueError):
            temporary.unlink()
    return path


def check_path(path: Path, suffixes: Sequence[str] = (".html", ".htm")) -> None:
    """Refuse, before any work is done, a path that is a directory or lies in none, or ends in none of ``suffixes``."""
    # os.path.isdir, because Path.is_dir raises for a name that is too long.
    if os.path.isdir(path):
        raise InvalidInput("path", f"{str(path)!r} is a directory; give the name of a file in it")
    if not os.path.isdir(path.parent):
        raise InvalidInput("path", f"there is no directory {str(path.parent)!r}; create it first")
    if suffixes and path.suffix.lower() not in suffixes:
        raise InvalidInput("path", f"{str(path)!r} does not end in {' or '.join(suffixes)}: a report is an HTML page")


def _text(text: str) -> str:
    return escape(printable(text))


def _row(cells: Sequence[str | Link], wordy: Sequence[bool], *, strong: bool) -> str:
    css = ' class="strong"' if strong else ""
    found = [f"<td{_WORDY if words else ''}>{_cell(cell)}</td>" for cell, words in zip(cells, wordy, strict=True)]
    return f"<tr{css}>{''.join(found)}</tr>"


def _cell(cell: str | Link) -> str:
    if isinstance(cell, Link):
        return f'<a href="{escape(quote(cell.name))}">{_text(cell.name)}</a>'
    return _text(cell)


def _is_number(cell: str | Link) -> bool:
    return isinstance(cell, str) and (cell[:1].isdigit() or cell.startswith(("−", "+", "–")))


def _key(entries: Sequence[Key], css: str = "") -> str:
    if not entries:
        return ""
    items = "".join(
        f'<li><i class="{entry.mark}" style="color: var(--{entry.role})"></i>{_text(entry.text)}</li>'
        for entry in entries
    )
    return f'<ul class="key {css}">{items}</ul>'


def _stylesheet() -> str:
    style = files("reiterate.report").joinpath("page.css").read_text(encoding="utf-8")
    return style.replace("/*LIGHT*/", _variables(LIGHT)).replace("/*DARK*/", _variables(DARK))


def _variables(palette: Palette) -> str:
    return "\n".join(f"  --{role}: {color};" for role, color in palette.roles().items())
