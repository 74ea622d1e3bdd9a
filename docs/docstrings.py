"""Docstrings of the sources, in the dialect of Markdown that the site is made of."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:meth|class|mod|func|data|attr|exc):`~?(?:[\w.]*\.)?(\w+)`")
_SECTION = re.compile(r"^\w[\w ]*\n-{3,}$", flags=re.MULTILINE)
_DEFINITION = re.compile(r"^(\S[^\n]*)\n((?:    \S[^\n]*\n?)+)", flags=re.MULTILINE)
_TOGETHER = re.compile(r"^(\w+(?:, \w+)+)( : [^\n]*)?\n((?:    [^\n]*\n?)+)", flags=re.MULTILINE)


class Markdown(griffe.Extension):
    """Turns definition lists and roles of reStructuredText into Markdown, and gives every parameter its own entry."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        """Rewrite the docstring of an object that was found."""
        if getattr(obj, "docstring", None):
            obj.docstring.value = _rewritten(obj.docstring.value)


def _rewritten(text: str) -> str:
    text = _ROLE.sub(r"`\1`", text)
    section = _SECTION.search(text)
    begin = section.start() if section else len(text)
    prose = _DEFINITION.sub(_as_markdown, text[:begin])
    return prose + _TOGETHER.sub(_one_by_one, text[begin:])


def _as_markdown(match: re.Match[str]) -> str:
    lines = match[2].splitlines()
    body = "\n".join([f":   {lines[0].strip()}", *lines[1:]])
    return f"{match[1]}\n\n{body}\n\n"


def _one_by_one(match: re.Match[str]) -> str:
    """``rtol, atol : float`` as two entries: together they would be shown with one default."""
    body = match[3] if match[3].endswith("\n") else match[3] + "\n"
    return "".join(f"{name}{match[2] or ''}\n{body}" for name in match[1].split(", "))
