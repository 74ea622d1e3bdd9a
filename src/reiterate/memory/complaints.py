"""Warnings about the memory, which no program has asked for and none must fail of."""

from __future__ import annotations

import sys
import warnings


def complain(message: str) -> None:
    """Say it once, even where warnings are errors: a program must not end because of what it has not asked for."""
    try:
        warnings.warn(f"reiterate: {message}", RuntimeWarning, stacklevel=3)
    except RuntimeWarning as warning:
        sys.stderr.write(f"{warning}\n")
