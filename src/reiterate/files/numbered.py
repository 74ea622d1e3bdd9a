"""Streams as numbered files: ``A_00000.mtx``, ``b_00000.npy`` and their like."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from reiterate.errors import InvalidInput, UnreadableFile
from reiterate.files import arrays, matrix_market
from reiterate.files.stored import Shelf, StoredStream, StoredSystem, System, as_vector

_NAME: Final = re.compile(r"(A|b|x0)_(\d+)(\.mtx|\.mtx\.gz|\.npz|\.npy)")

_MATRIX_READERS: Final[dict[str, Callable[[Path], Any]]] = {
    ".mtx": matrix_market.read_matrix,
    ".mtx.gz": matrix_market.read_matrix,
    ".npz": arrays.read_matrix,
}
_VECTOR_READERS: Final[dict[str, Callable[[Path], Any]]] = {
    ".mtx": matrix_market.read_array,
    ".mtx.gz": matrix_market.read_array,
    ".npy": arrays.read_array,
}

Numbered = dict[int, Path]


def find(directory: Path, names: list[str]) -> StoredStream | None:
    """The stream of such files in a directory, or ``None`` where it has none of them."""
    files: dict[str, Numbered] = {"A": {}, "b": {}, "x0": {}}
    for name in names:
        match = _NAME.fullmatch(name)
        if match is None or match[3] not in (_MATRIX_READERS if match[1] == "A" else _VECTOR_READERS):
            continue
        kind, number = files[match[1]], int(match[2])
        if number in kind:
            raise InvalidInput(
                "directory", f"{str(directory)!r} has {match[1]} {number} twice: {kind[number].name} and {name}"
            )
        kind[number] = directory / name
    if not any(files.values()):
        return None
    if not files["A"]:
        raise InvalidInput(
            "directory", f"{str(directory)!r} has right-hand sides, but no matrix: no A_00000.mtx or .npz"
        )
    return _stream(directory, files["A"], files["b"], files["x0"])


def _stream(directory: Path, matrices: Numbered, right_sides: Numbered, starts: Numbered) -> StoredStream:
    shelf = Shelf()
    order = sorted(matrices)
    systems = []
    for number in sorted({*matrices, *right_sides, *starts}):
        before = bisect_right(order, number)
        matrix = matrices[order[before - 1]] if before else None
        b = right_sides.get(number)
        start = starts.get(number)
        label = _digits(b or matrices.get(number) or starts[number])
        found = [file.name for file in (matrix, b, start) if file is not None]
        systems.append(StoredSystem(label, ", ".join(found), _reader(shelf, directory, label, matrix, b, start)))
    return StoredStream(
        directory, systems, f"{len(right_sides):,} right-hand sides, {len(matrices):,} matrices in {directory}"
    )


def _digits(path: Path) -> str:
    return path.name.split("_", 1)[1].split(".", 1)[0]


def _reader(
    shelf: Shelf, directory: Path, label: str, matrix: Path | None, b: Path | None, start: Path | None
) -> Callable[[], System]:
    def read() -> System:
        if b is None:
            raise UnreadableFile(directory / f"b_{label}", "there is no right-hand side (.mtx, .mtx.gz or .npy)")
        if matrix is None:
            raise UnreadableFile(directory / f"A_{label}", "there is no matrix for it, and none before it")
        A = shelf.get(matrix, lambda: _read(matrix, _MATRIX_READERS))
        x0 = None if start is None else as_vector(_read(start, _VECTOR_READERS))
        return System(A, as_vector(_read(b, _VECTOR_READERS)), x0)

    return read


def _read(path: Path, readers: dict[str, Callable[[Path], Any]]) -> Any:
    return readers[path.name[path.name.index(".") :]](path)
