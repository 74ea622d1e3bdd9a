"""Text files of numbers: read fast, and where that fails, once more to say which line is wrong."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from reiterate.errors import UnreadableFile

NO_NEWLINE: Final = "the last line does not end, so it may be half-written; end it with a newline if it is whole"


def open_bytes(path: Path) -> IO[bytes]:
    """The file, or what was gzipped in it."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")  # type: ignore[return-value]


def ends_with_newline(path: Path) -> bool:
    """Whether the last line is complete, white space after it aside; true of an empty file."""
    if path.suffix != ".gz":
        with open(path, "rb") as file:
            end = file.seek(0, 2)
            file.seek(max(0, end - 1))
            return file.read(1) in (b"", b"\n", b"\r")
    last = b""
    with open_bytes(path) as stream:
        while block := stream.read(1 << 20):
            last = block[-1:]
    return last in (b"", b"\n", b"\r")


def count_lines(path: Path) -> int:
    """How many lines can be read, a last one without end included."""
    lines, last = 0, b"\n"
    try:
        with open_bytes(path) as stream:
            while block := stream.read(1 << 16):
                lines += block.count(b"\n")
                last = block[-1:]
    except (OSError, EOFError, zlib.error):
        pass
    return lines + (last != b"\n")


def read_table(path: Path, columns: Sequence[tuple[str, DTypeLike]]) -> tuple[list[str], NDArray[Any]]:
    """The words of the first line, and the lines below it as a structured array.

    Raises
    ------
    UnreadableFile
        Naming the first line that does not have these columns.
    """
    try:
        if not ends_with_newline(path):
            raise UnreadableFile(path, NO_NEWLINE, count_lines(path))
        with open(path, encoding="ascii") as file:
            first = file.readline().split()
            if not first:
                raise UnreadableFile(path, "the file is empty", 1)
            if not file.readline():
                return first, np.empty(0, dtype=list(columns))
            file.seek(0)
            return first, np.loadtxt(file, dtype=list(columns), comments=None, skiprows=1, ndmin=1)
    except OSError as error:
        raise UnreadableFile(path, error.strerror or str(error)) from error
    except ValueError as error:
        raise _first_bad_line(path, columns) from error


def _first_bad_line(path: Path, columns: Sequence[tuple[str, DTypeLike]]) -> UnreadableFile:
    kinds = [float if np.dtype(kind).kind == "f" else int for _, kind in columns]
    with open(path, encoding="ascii", errors="replace") as file:
        for number, line in enumerate(file, 1):
            words = line.split()
            if number == 1 or not words:
                continue
            if len(words) != len(columns):
                return UnreadableFile(path, f"{len(words)} numbers, where {len(columns)} are expected", number)
            for (name, _), kind, word in zip(columns, kinds, words, strict=True):
                try:
                    kind(word)
                except ValueError:
                    return UnreadableFile(path, f"{word[:40]!r} is no {name}", number)
    return UnreadableFile(path, "not a table of numbers")
