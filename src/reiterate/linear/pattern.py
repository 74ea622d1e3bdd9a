"""What depends on a matrix's sparsity pattern alone: computed once, shared by every instance that has it."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import reverse_cuthill_mckee

from reiterate.errors import InvalidInput
from reiterate.linear import elementary
from reiterate.linear.null_space import Constants
from reiterate.linear.row_groups import RowGroups

Index = NDArray[np.uint32]
Extended = tuple["Pattern", NDArray[np.int64], NDArray[np.int64]]

_EXTENSIONS = 2  # by a null space's pins, and by the diagonal
_PLANE = 0.59  # the exponent of the bandwidth in the size, up to which a pattern is one of a problem in the plane
_ENTRIES_OF_A_ROW = 7.0  # as much traffic as the vectors cause: 84 bytes a row, 12 an entry


class Pattern:
    """The sparsity pattern of a square matrix in compressed sparse row form, sorted and without duplicates.

    Attributes
    ----------
    indptr, indices : uint32 arrays of shape (n + 1,), (nnz,)
    position : uint32 array of shape (n,)
        Where each row keeps its diagonal entry; meaningful where ``full_diagonal``.
    full_diagonal : bool
        Whether every diagonal entry is stored.
    symmetric : bool
        Whether (j, i) is stored wherever (i, j) is.
    """

    def __init__(self, indptr: NDArray[Any], indices: NDArray[Any]) -> None:
        size, nnz = indptr.size - 1, indices.size
        _check_structure(indptr, indices)
        self.indptr = _own(indptr)
        self.indices = _own(indices)
        self.size = size
        self.nnz = nnz
        self.position: Index = np.empty(size, dtype=np.uint32)
        self.full_diagonal = elementary.find_diagonal(self.indptr, self.indices, self.position) == 0
        self._row_bounds: dict[int, NDArray[np.uint64]] = {}
        self._extended: dict[bytes, Extended] = {}
        self.symmetric = elementary.is_pattern_symmetric(self.indptr, self.indices)

    @functools.cached_property
    def constants(self) -> Constants:
        """The constants on its connected parts."""
        return Constants(self.indptr, self.indices)

    @functools.cached_property
    def mirrors(self) -> Index:
        """Where (j, i) is stored for every (i, j) left of the diagonal; only where symmetric, the diagonal full."""
        return elementary.find_mirrors(self.indptr, self.indices, self.position)

    @functools.cached_property
    def bandwidth(self) -> int:
        """The largest |i − j| of a stored entry."""
        first, last = self.indptr[:-1], self.indptr[1:]
        filled = last > first
        rows = np.flatnonzero(filled)
        if rows.size == 0:
            return 0
        left = self.indices[first[filled]].astype(np.int64)
        right = self.indices[last[filled] - 1].astype(np.int64)
        return int(max((rows - left).max(), (right - rows).max(), 0))

    @functools.cached_property
    def breadth(self) -> int:
        """The least bandwidth that is easily found: as it is, or reordered by Cuthill and McKee."""
        if self.bandwidth <= 2.0 * math.sqrt(self.size):
            return self.bandwidth
        ones = np.ones(self.nnz, dtype=np.int8)
        matrix = sp.csr_array((ones, self.indices.astype(np.int32), self.indptr.astype(np.int32)), (self.size,) * 2)
        order = reverse_cuthill_mckee(matrix, symmetric_mode=self.symmetric)
        place = np.empty(self.size, dtype=np.int32)
        place[order] = np.arange(self.size, dtype=np.int32)
        offsets = np.repeat(place, np.diff(self.indptr)) - place[self.indices]
        return int(max(offsets.max(initial=0), -offsets.min(initial=0)))

    @property
    def planar(self) -> bool:
        """Whether its bandwidth is that of a problem in the plane rather than in space."""
        return bool(self.breadth <= float(self.size) ** _PLANE)

    @functools.cached_property
    def groups(self) -> RowGroups | None:
        """An order of the rows in which products are faster, if there is one."""
        return RowGroups.of(self.indptr, self.indices)

    @functools.cached_property
    def symmetrized(self) -> tuple[Pattern, NDArray[np.int64], NDArray[np.int64]]:
        """The pattern of A + Aᵀ, and where each stored entry (i, j) lies in it, and its mirror (j, i)."""
        rows, columns = self.rows, self.indices.astype(np.int64)
        keys, mirrors = rows * self.size + columns, columns * self.size + rows
        union = np.union1d(keys, mirrors)
        counts = np.bincount(union // self.size, minlength=self.size)
        pattern = Pattern(np.concatenate(([0], np.cumsum(counts))), union % self.size)
        return pattern, np.searchsorted(union, keys), np.searchsorted(union, mirrors)

    def with_entries(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Extended:
        """The pattern with entries (rows[i], columns[i]) too; where the stored ones lie in it, and where these do."""
        name = rows.tobytes() + columns.tobytes()
        if name not in self._extended:
            while len(self._extended) >= _EXTENSIONS:
                del self._extended[next(iter(self._extended))]
            wanted = rows * self.size + columns
            indptr, indices, keys, stored = self.inserted(wanted)
            pattern = Pattern(indptr, indices) if keys.size > self.nnz else self
            self._extended[name] = pattern, stored, np.searchsorted(keys, wanted)
        return self._extended[name]

    def inserted(
        self, wanted: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The pattern with entries at keys i n + j too: indptr, indices, all keys, and where the stored entries lie."""
        own = self.rows * self.size + self.indices.astype(np.int64)
        missing = np.setdiff1d(wanted, np.take(own, np.searchsorted(own, wanted), mode="clip") if own.size else own)
        before = np.searchsorted(own, missing)
        keys = np.insert(own, before, missing)
        stored = np.arange(own.size) + np.searchsorted(missing, own)
        rows = keys // self.size
        indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=self.size))))
        return indptr, keys - rows * self.size, keys, stored

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row of each stored entry, as a new array."""
        return np.repeat(np.arange(self.size), (self.indptr[1:] - self.indptr[:-1]).astype(np.int64))

    def without_mirror(self) -> NDArray[np.int64]:
        """The places of the stored entries (i, j) of which no (j, i) is stored."""
        stored = sp.csr_array(
            (np.ones(self.nnz, dtype=np.int8), self.indices.astype(np.int32), self.indptr.astype(np.int32)),
            (self.size,) * 2,
        )
        difference = sp.coo_array(stored - stored.T)
        alone = difference.data > 0
        rows, columns = (np.asarray(index[alone], dtype=np.int64) for index in difference.coords)
        return np.searchsorted(self.rows * self.size + self.indices.astype(np.int64), rows * self.size + columns)

    @functools.cached_property
    def with_diagonal(self) -> tuple[Pattern, NDArray[np.int64]]:
        """The pattern with every diagonal entry stored, and where each stored entry lies in it."""
        if self.full_diagonal:
            return self, np.arange(self.nnz)
        diagonal = np.arange(self.size)
        pattern, stored, _ = self.with_entries(diagonal, diagonal)
        return pattern, stored

    def row_bounds(self, parts: int) -> NDArray[np.uint64]:
        """Where to cut the rows into parts that cost an iteration of CG about equally, shape (parts + 1,)."""
        if parts not in self._row_bounds:
            cost = self.indptr + _ENTRIES_OF_A_ROW * np.arange(self.size + 1.0)
            shares = np.linspace(0.0, cost[-1], parts + 1)
            self._row_bounds[parts] = np.searchsorted(cost, shares).astype(np.uint64)
        return self._row_bounds[parts]

    def matches(self, indptr: NDArray[Any], indices: NDArray[Any]) -> bool:
        """Whether these arrays describe this pattern; compared by content, because callers reuse memory."""
        return _are_equal(indptr, self.indptr) and _are_equal(indices, self.indices)


class NoPattern(Pattern):
    """Stands for a matrix of which no entries are known."""

    def __init__(self, size: int) -> None:
        nothing: Index = np.zeros(size + 1, dtype=np.uint32)
        self.indptr, self.indices = nothing, nothing[:0]
        self.size, self.nnz = size, 0
        self.position = nothing[:size]
        self.full_diagonal = self.symmetric = False

    def matches(self, indptr: NDArray[Any], indices: NDArray[Any]) -> bool:
        """Never."""
        return False


def _check_structure(indptr: NDArray[Any], indices: NDArray[Any]) -> None:
    size, nnz = indptr.size - 1, indices.size
    if max(size, nnz) >= 2**31:
        raise InvalidInput("A", f"{size} rows with {nnz} entries; at most {2**31 - 1} of each are supported")
    if indptr[0] != 0 or indptr[-1] != nnz or np.any(np.diff(indptr) < 0):
        raise InvalidInput("A", "indptr is not a monotone sequence from 0 to nnz; rebuild the matrix")
    if nnz and not (indices.min() >= 0 and indices.max() < size):
        raise InvalidInput("A", f"column indices lie outside 0…{size - 1}; rebuild the matrix")


def _are_equal(given: NDArray[Any], known: Index) -> bool:
    if given.size != known.size:
        return False
    if given.dtype == np.int32 and given.flags.carray:
        return elementary.equal(given.view(np.uint32), known)
    return np.array_equal(given, known)


def _own(index: NDArray[Any]) -> Index:
    return np.array(index, dtype=np.int32, order="C").view(np.uint32)
