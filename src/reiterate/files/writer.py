"""Writes a stream as numbered files, system by system."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from reiterate.errors import InvalidInput
from reiterate.files.whole import make_directory, write_whole


class StreamWriter:
    """Writes systems as ``A_00000.npz``, ``b_00000.npy`` and, where there is one, ``x0_00000.npy``.

    A matrix that equals the one before it is not written again: it serves until the next one. Every file is there whole
    or not at all, and the right-hand side comes last. A directory that holds systems already gets more of them.

    Parameters
    ----------
    directory
        Created if it is not there.

    Examples
    --------
    >>> import tempfile, numpy as np, scipy.sparse as sp
    >>> from reiterate.files import StreamWriter, open_stream
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     writer = StreamWriter(directory)
    ...     for k in range(3):
    ...         writer.add(sp.eye_array(4, format="csr"), np.full(4, float(k)))
    ...     stream = open_stream(directory)
    ...     print(len(stream), [system.b[0] for system in stream] == [0.0, 1.0, 2.0])
    3 True
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        make_directory(self.directory)
        names = (re.match(r"(?:A|b|x0)_(\d+)\.", path.name) for path in self.directory.iterdir())
        self._next = max((int(match[1]) + 1 for match in names if match is not None), default=0)
        self._digest = b""

    def __len__(self) -> int:
        """The number that the next system gets."""
        return self._next

    def add(self, A: Any, b: ArrayLike, x0: ArrayLike | None = None) -> None:
        """Write a system.

        Parameters
        ----------
        A
            Sparse matrix, or a dense one; not modified.
        b
            Right-hand side(s) of shape (n,) or (n, k), sparse or dense.
        x0
            Where to begin, of the shape of b.

        Raises
        ------
        InvalidInput
            A is not a matrix of numbers, or a file cannot be written.
        """
        matrix = _sparse(A)
        digest = _digest(matrix)
        if digest != self._digest:
            write_whole(self._path("A", ".npz"), lambda file: sp.save_npz(file, matrix, compressed=False))
            self._digest = digest
        if x0 is not None:
            self._save("x0", x0)
        self._save("b", b)
        self._next += 1

    def _save(self, name: str, vector: Any) -> None:
        dense = np.asarray(vector.toarray() if sp.issparse(vector) else vector)
        if dense.dtype.kind not in "biufc":
            raise InvalidInput(name, f"is an array of {dense.dtype}; numbers are wanted")
        write_whole(self._path(name, ".npy"), lambda file: np.save(file, dense, allow_pickle=False))

    def _path(self, name: str, ending: str) -> Path:
        return self.directory / f"{name}_{self._next:05d}{ending}"


def _sparse(A: Any) -> Any:
    if sp.issparse(A):
        return A.tocsr() if A.format in ("lil", "dok") else A
    dense = np.asarray(A)
    if dense.ndim != 2 or dense.dtype.kind not in "biufc":
        raise InvalidInput("A", f"a {type(A).__name__} is no matrix whose entries can be written")
    return sp.csr_array(dense)


def _digest(matrix: Any) -> bytes:
    """Of the format, the shape and all numbers of a matrix."""
    digest = hashlib.blake2b(f"{matrix.format} {matrix.shape} {matrix.dtype}".encode())
    for name in ("indptr", "indices", "data", "row", "col", "offsets"):
        if (array := getattr(matrix, name, None)) is not None:
            digest.update(np.ascontiguousarray(array).data)
    return digest.digest()
