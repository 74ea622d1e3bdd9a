"""Matrix Market files, plain or gzipped, as SciPy reads them; what is wrong with one is said with its line."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path
from typing import Any, Final

import scipy.io
import scipy.sparse as sp

from reiterate.errors import UnreadableFile
from reiterate.files import text
from reiterate.files.stored import Vector

_LINE: Final = re.compile(r"Line (\d+): (.*)", re.DOTALL)


def read_matrix(path: Path) -> Any:
    """A sparse matrix in CSR form; a dense one is made sparse."""
    return sp.csr_array(_read(path))


def read_array(path: Path) -> Vector:
    """Right-hand sides of shape (n, k), whether they are stored dense or by coordinates."""
    found = _read(path)
    dense: Vector = found.toarray() if sp.issparse(found) else found
    return dense


def _read(path: Path) -> Any:
    try:
        found = scipy.io.mmread(path)
        _check_end(path)
    except MemoryError:
        raise UnreadableFile(path, "its header announces more than fits into memory", 1) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableFile(path, f"half-written or damaged ({error})", _lines(path)) from error
    except OSError as error:
        raise UnreadableFile(path, error.strerror or str(error)) from error
    except (ValueError, OverflowError) as error:
        match = _LINE.match(str(error))
        line, why = (int(match[1]), match[2]) if match else (_lines(path), str(error))
        raise UnreadableFile(path, f"{why[:1].lower()}{why[1:].rstrip('.')}", line) from error
    return found


def _check_end(path: Path) -> None:
    """Refuse a last line without an end: where the file was cut off, its number may have lost digits."""
    if not text.ends_with_newline(path):
        raise UnreadableFile(path, text.NO_NEWLINE, _lines(path))


def _lines(path: Path) -> int:
    return max(1, text.count_lines(path))
