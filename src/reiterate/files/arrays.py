"""Files of NumPy and SciPy: ``.npy``, sparse matrices as ``.npz``, and whole streams as one ``.npz``."""

from __future__ import annotations

import contextlib
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy.sparse as sp

from reiterate.errors import UnreadableFile
from reiterate.files.stored import StoredStream, StoredSystem, System, Vector

_REQUIRED: Final = ("indptr", "indices", "shape", "values", "rhs")
_UNFIT: Final = (
    ValueError, TypeError, KeyError, IndexError, NotImplementedError, OverflowError, RuntimeError,
    SyntaxError, tokenize.TokenError,  # of a damaged header, which NumPy reads as Python
)  # fmt: skip


def read_array(path: Path) -> Vector:
    """The array in a ``.npy`` file."""
    with _explaining(path), open(path, "rb") as file:
        array: Vector = np.load(file, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it holds several arrays, as .npz files do")
    return array


def read_matrix(path: Path) -> Any:
    """The sparse matrix in a ``.npz`` file of :func:`scipy.sparse.save_npz`, its indices checked."""
    with _explaining(path), open(path, "rb") as file:
        matrix = sp.load_npz(file)
        if matrix.format in ("csr", "csc", "bsr"):
            matrix.check_format(full_check=True)
    return matrix


def is_stream(path: Path) -> bool:
    """Whether an ``.npz`` file holds a whole stream; a file that cannot be opened is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {f"{name}.npy" for name in _REQUIRED} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def open_single(path: Path) -> StoredStream:
    """The stream in a file that holds all of its systems; its arrays are read at once.

    Raises
    ------
    UnreadableFile
        The file is not of this form, or its arrays do not fit together.
    """
    with _explaining(path), open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
        missing = [name for name in _REQUIRED if name not in archive.files]
        if missing:
            raise ValueError(f"it has no {', '.join(missing)}; a stream has {', '.join(_REQUIRED)}")
        held = {name: archive[name] for name in (*_REQUIRED, "x0") if name in archive.files}
        pattern = _pattern(held)
    count = len(held["rhs"])
    digits = max(5, len(str(count)))
    systems = [
        StoredSystem(f"{k:0{digits}d}", f"system {k} of {path.name}", lambda k=k: _system(held, pattern, k))  # type: ignore[misc]
        for k in range(count)
    ]
    return StoredStream(path, systems, f"{count:,} systems with one pattern in {path}")


def _pattern(held: dict[str, Vector]) -> Any:
    """The pattern, with the first values; the arrays are checked against each other."""
    values, rhs, x0 = held["values"], held["rhs"], held.get("x0")
    if values.ndim != 2 or rhs.ndim != 2 or len(values) != len(rhs):
        raise ValueError(f"values has shape {values.shape} and rhs {rhs.shape}; they must be (K, nnz) and (K, n)")
    rows, columns = (int(side) for side in held["shape"])
    if rhs.shape[1] != rows:
        raise ValueError(f"rhs has {rhs.shape[1]} columns; the matrices have {rows} rows")
    if x0 is not None and x0.shape != rhs.shape:
        raise ValueError(f"x0 has shape {x0.shape}; rhs has {rhs.shape}")
    pattern = sp.csr_array((np.zeros(values.shape[1]), held["indices"], held["indptr"]), (rows, columns))
    pattern.check_format(full_check=True)
    return pattern


def _system(held: dict[str, Vector], pattern: Any, k: int) -> System:
    A = sp.csr_array((held["values"][k], pattern.indices, pattern.indptr), pattern.shape)
    return System(A, held["rhs"][k], held["x0"][k] if "x0" in held else None)


@contextlib.contextmanager
def _explaining(path: Path) -> Iterator[None]:
    """Whatever a damaged file makes NumPy, SciPy and zipfile raise, as one kind of error that names the file."""
    try:
        yield
    except MemoryError:
        raise UnreadableFile(path, "it says that it holds more than fits into memory") from None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error) or "it ends too early"
        raise UnreadableFile(path, f"{_beginning_small(why)}; it may be half-written") from error
    except _UNFIT as error:
        raise UnreadableFile(path, f"not a file of this form, or half-written ({error})") from error


def _beginning_small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
