"""Warnings as people read them: a line on standard error, without the file and line of ours that they come from."""

from __future__ import annotations

import sys
import warnings
from typing import Any, Final

_PREFIX: Final = "reiterate: "  # by which a warning says in a program where it comes from
_as_python_does: Final = warnings.showwarning


def show_as_lines() -> None:
    """From now on, in a process that is a command of ours."""
    warnings.showwarning = _show


def show_as_python_does() -> None:
    """As without us, for a program that is not ours."""
    if warnings.showwarning is _show:
        warnings.showwarning = _as_python_does


def _show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    if file is not None:
        _as_python_does(message, category, filename, lineno, file, line)
        return
    text = " ".join(str(message).split()).removeprefix(_PREFIX)
    print(f"warning: {text}", file=sys.stderr)
