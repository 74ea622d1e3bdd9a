"""hypre's IJ text files, in the places where hypredrive looks for them.

The first line of a part of a matrix is ``ilower iupper jlower jupper``, the rows and columns that belong to one
process; of a part of a vector, ``jlower jupper``. The others are ``i j value`` and ``j value``, in any order. As in
hypre, a value that is given again replaces the first one, and one for a row of another part is added to it.
"""

from __future__ import annotations

import itertools
import re
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from reiterate.errors import InvalidInput, UnreadableFile
from reiterate.files import text
from reiterate.files.stored import Shelf, StoredStream, StoredSystem, System, Vector

_DIRECTORY: Final = re.compile(r"ls_(\d+)")
_PART: Final = re.compile(r"(IJ\.out\.(A|b|x0))(?:_(\d+))?\.(\d{5})")

Parts = dict[str, list[Path]]
"""The parts of a system's "A", "b" and "x0", in the order of the processes that wrote them."""


def find(directory: Path, names: list[str]) -> StoredStream | None:
    """The stream of such files in a directory, or ``None`` where it has none of them."""
    inside = sorted(
        (int(match[1]), match[1], name)
        for name in names
        if (match := _DIRECTORY.fullmatch(name)) is not None and (directory / name).is_dir()
    )
    if inside:
        found = {label: _parts(directory / name).get("", {}) for _, label, name in inside}
        places = {label: directory / name for _, label, name in inside}
    else:
        found = dict(sorted(_parts(directory).items(), key=lambda item: int(item[0] or 0)))
        places = dict.fromkeys(found, directory)
    if not found:
        return None
    if "" in found and len(found) > 1:
        raise InvalidInput("directory", f"{str(directory)!r} has IJ.out files with a number of a system and without")
    shelf = Shelf()
    systems = [_stored(shelf, places[label], label, parts) for label, parts in found.items()]
    return StoredStream(directory, systems, f"{len(systems):,} systems as IJ files in {directory}")


def _parts(directory: Path) -> dict[str, Parts]:
    """The files of every number of a system; ``""`` where names have none."""
    found: dict[str, Parts] = defaultdict(lambda: defaultdict(list))
    for path in sorted(directory.iterdir()):
        if (match := _PART.fullmatch(path.name)) is not None:
            found[match[3] or ""][match[2]].append(path)
    return found


def _stored(shelf: Shelf, place: Path, label: str, parts: Parts) -> StoredSystem:
    where = f"IJ files {label} in {place}" if label else f"IJ files in {place}"
    return StoredSystem(label or "00000", where, _reader(shelf, place, parts))


def _reader(shelf: Shelf, place: Path, parts: Parts) -> Callable[[], System]:
    def read() -> System:
        for name in ("A", "b"):
            if not parts.get(name):
                raise UnreadableFile(place / f"IJ.out.{name}.00000", f"there is no such file, and so no {name}")
        A = shelf.get(tuple(parts["A"]), lambda: read_matrix(parts["A"]))
        x0 = read_vector(parts["x0"]) if parts.get("x0") else None
        return System(A, read_vector(parts["b"]), x0)

    return read


def read_matrix(parts: list[Path]) -> Any:
    """The matrix whose rows are in these files, as CSR."""
    pieces, ranges = [], []
    for path in parts:
        head, entries = text.read_table(path, [("row", np.int64), ("column", np.int64), ("value", np.float64)])
        first_row, last_row, first_column, last_column = _bounds(path, head, 4)
        own = (entries["row"] >= first_row) & (entries["row"] <= last_row)
        _check_complete(path, entries["row"][own], first_row, last_row, "row")
        pieces += [_last_of_each(entries[own]), entries[~own]]
        ranges.append((first_row, last_row, first_column, last_column))
    rows = _joined(parts, [(r[0], r[1]) for r in ranges])
    columns = _joined(parts, [(r[2], r[3]) for r in ranges])
    together: NDArray[Any] = np.concatenate(pieces)
    for name, (first, last) in (("row", rows), ("column", columns)):
        outside = (together[name] < first) | (together[name] > last)
        if outside.any():
            number = int(together[name][outside][0])
            raise UnreadableFile(_owner(parts, name, number), f"{name} {number} is not within {first} to {last}")
    shape = (rows[1] - rows[0] + 1, columns[1] - columns[0] + 1)
    A = sp.coo_array((together["value"], (together["row"] - rows[0], together["column"] - columns[0])), shape).tocsr()
    if shape[0] == shape[1] and rows == columns:
        _look_at_ends(
            parts, A, {last_row: path for path, (_, last_row, *_) in zip(parts, ranges, strict=True)}, rows[0]
        )
    return A


def read_vector(parts: list[Path]) -> Vector:
    """The vector whose pieces are in these files."""
    pieces, ranges = [], []
    for path in parts:
        head, entries = text.read_table(path, [("index", np.int64), ("value", np.float64)])
        first, last = _bounds(path, head, 2)
        own = (entries["index"] >= first) & (entries["index"] <= last)
        _check_complete(path, entries["index"][own], first, last, "index")
        pieces.append((entries[own], entries[~own]))
        ranges.append((first, last))
    first, last = _joined(parts, ranges)
    vector: Vector = np.zeros(last - first + 1)
    for mine, _ in pieces:
        vector[mine["index"] - first] = mine["value"]
    for path, (_, others) in zip(parts, pieces, strict=True):
        if ((others["index"] < first) | (others["index"] > last)).any():
            raise UnreadableFile(path, f"an index is not within {first} to {last}")
        np.add.at(vector, others["index"] - first, others["value"])
    return vector


def _bounds(path: Path, head: list[str], count: int) -> list[int]:
    try:
        bounds = [int(word) for word in head]
    except ValueError:
        bounds = []
    if len(bounds) != count or max(map(abs, bounds)) >= 2**62:
        raise UnreadableFile(path, f"{' '.join(head)[:60]!r} is not the {count} bounds that IJ files begin with", 1)
    return bounds


def _check_complete(path: Path, found: NDArray[np.int64], first: int, last: int, what: str) -> None:
    """Every row of a part must be there: these files do not say how many lines they have, and may be cut off."""
    present = np.unique(found)
    if len(present) == max(0, last - first + 1):
        return
    gaps = np.flatnonzero(present != first + np.arange(len(present)))
    absent = first + int(gaps[0] if len(gaps) else len(present))
    raise UnreadableFile(path, f"{what} {absent} is missing; the file may be half-written", text.count_lines(path))


def _look_at_ends(parts: list[Path], A: Any, lasts: dict[int, Path], first: int) -> None:
    """Warn where a file seems to be cut off within its last row, which no number in it tells.

    That is where only last rows lack what all others have: the entry on the diagonal, or the counterpart of an entry of
    their column. It is said of the first such file of a stream only: where it is whole after all, so are the others.
    """
    place = parts[0].parent.parent if _DIRECTORY.fullmatch(parts[0].parent.name) else parts[0].parent
    found = None if place in _looked_at else _absent(A, np.array(list(lasts)) - first)
    if found is not None:
        _looked_at.add(place)
        row, column = found[0] + first, found[1] + first
        path = lasts[row]
        warnings.warn(
            f"{path}, line {text.count_lines(path)}: row {row}, the last one, has no entry in column {column}, "
            "as the other rows and columns let expect; the file may be cut off",
            RuntimeWarning,
            stacklevel=2,
        )


def _absent(A: Any, lasts: NDArray[np.int64]) -> tuple[int, int] | None:
    """Row and column of an entry that a last row lacks; ``None`` where others lack such entries, too, or none does."""
    pattern = sp.csr_array((np.ones(A.nnz, dtype=np.int8), A.indices, A.indptr), shape=A.shape)
    empty = np.flatnonzero(pattern.diagonal() == 0)
    difference = (pattern - pattern.T.tocsr()).tocoo()
    column, row = (index[difference.data > 0] for index in difference.coords)  # of entries that have no counterpart
    if not (np.isin(empty, lasts).all() and np.isin(row, lasts).all()):
        return None
    if row.size and A.nnz - A.shape[0] + empty.size > row.size:  # others have one
        return int(row[0]), int(column[0])
    return (int(empty[0]), int(empty[0])) if empty.size else None


_looked_at: set[Path] = set()


def _last_of_each(entries: NDArray[Any]) -> NDArray[Any]:
    """Entries without those that a later one with the same row and column replaces."""
    backwards = entries[::-1]
    keys: NDArray[np.int64] = np.stack([backwards["row"], backwards["column"]])
    order = np.lexsort(keys)
    keys = keys[:, order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    # The sort is stable, so that of equal keys the first one backwards is the last one in the file.
    kept: NDArray[Any] = backwards[order[new]]
    return kept


def _joined(parts: list[Path], ranges: list[tuple[int, int]]) -> tuple[int, int]:
    """First and last index of parts that follow on one another without gaps."""
    in_order = sorted(zip(ranges, parts, strict=True))
    for ((_, last), _), ((first, _), path) in itertools.pairwise(in_order):
        if first != last + 1:
            raise UnreadableFile(path, f"begins at {first}, where {last + 1} is expected; is a part missing?", 1)
    return in_order[0][0][0], in_order[-1][0][1]


def _owner(parts: list[Path], name: str, number: int) -> Path:
    """The first part that has an entry with that index."""
    for path in parts:
        _, entries = text.read_table(path, [("row", np.int64), ("column", np.int64), ("value", np.float64)])
        if (entries[name] == number).any():
            return path
    return parts[0]
