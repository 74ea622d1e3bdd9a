"""Files that are there whole or not at all, whatever interrupts their writing."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO

from reiterate.errors import InvalidInput


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Have ``write`` fill a file of another name, which then takes this name.

    Raises
    ------
    InvalidInput
        It cannot be written, e.g. because the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        with open(temporary, "xb") as file:
            write(file)
        os.replace(temporary, path)
    except OSError as error:
        raise InvalidInput("directory", f"cannot write {str(path)!r} ({error.strerror or error})") from error
    finally:
        # Still there only if something went wrong, be it Ctrl-C.
        with contextlib.suppress(OSError):
            temporary.unlink()


def make_directory(path: Path) -> None:
    """Create a directory and those that it lies in, where they are not there yet."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput("directory", f"cannot create {str(path)!r} ({error.strerror or error})") from error
