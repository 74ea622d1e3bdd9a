"""Pairs of sparse triangular factors as preconditioners: a layout that depends on the pattern alone, and solves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reiterate.configuration import Parameter
from reiterate.contracts import Values
from reiterate.errors import Breakdown, InvalidInput
from reiterate.kernels import block_triangular, levels, triangular
from reiterate.kernels.lanes import EIGHT, FOUR
from reiterate.linear import team
from reiterate.linear.instance import LinearInstance
from reiterate.linear.level_order import order_backward, order_rows, runs_of, widest
from reiterate.linear.pattern import Index, Pattern
from reiterate.linear.preconditioner import Preconditioner
from reiterate.linear.schedule import Schedule, divide, gather_parts, reverse, share_of_others

_SHARE_WORTH_WAKING = 0.1
_ENTRIES_WORTH_WAKING = 100_000  # both sweeps over as many take 0.3 ms, and waking a thread some 0.05 ms

BITS: Final = Parameter("bits", low=31, high=65, default=64, search=(64, 64), points=1, integer=True)
"""Precision in which factors are stored; sums and vectors stay in double precision.

32 bits halve the memory of factors but not the time: sweeps wait for gathered vectors more than for stored values, and
gain 0 to 5 per cent, so that the search leaves this parameter alone.
"""

SINGLE_AND_DOUBLE: Final[tuple[Values, ...]] = ({}, {"bits": 32})
"""Variants of families with that parameter."""

DROPPING: Final = (
    Parameter("tau", low=0.0, high=1.0, default=1e-2, search=(1e-3, 3e-2), points=4, scale="log"),
    Parameter("fill", low=0.0, high=1000.0, default=4.0, search=(2.0, 8.0), points=2, scale="log"),
)
"""The double rule of Saad (1994): the threshold below which entries are dropped, and how many of the rest are kept."""

SHIFTS: Final = (0.0, 1e-3, 1e-2, 1e-1, 1.0)
"""Multiples of the diagonal that are added to it, one after the other, until a factorization succeeds."""


def storage_type(dtype: np.dtype[Any], bits: float) -> np.dtype[Any]:
    """The type of stored factors for vectors of type ``dtype``."""
    if bits not in (32, 64):
        raise InvalidInput("bits", f"{bits!r} is no precision of factors; 32 and 64 are")
    return np.dtype(np.result_type(dtype, np.float64)) if bits == 64 else np.dtype(f"{dtype.kind}{dtype.itemsize // 2}")


@dataclass(slots=True)
class FactorPattern:
    """Where entries of a pair of triangular factors may be: rows of L, the diagonal and U, in one sorted pattern.

    Attributes
    ----------
    indptr, indices, position : uint32 arrays of shape (n + 1,), (nnz,), (n,)
        With every diagonal entry stored, at ``position``.
    source : uint32 array of shape (nnz,) or None
        Where A keeps each entry, or PADDING; ``None`` where the pattern is that of A.
    """

    indptr: Index
    indices: Index
    position: Index
    source: Index | None = None

    @classmethod
    def of(cls, pattern: Pattern) -> FactorPattern:
        """The pattern of A itself: no fill."""
        return cls(pattern.indptr, pattern.indices, pattern.position)

    @classmethod
    def with_fill(cls, indptr: Index, indices: Index, position: Index, pattern: Pattern) -> FactorPattern:
        """A pattern that differs from that of A."""
        source = np.empty(indices.size, dtype=np.uint32)
        triangular.locate_entries(indptr, indices, pattern.indptr, pattern.indices, source)
        return cls(indptr, indices, position, source)


class Layout:
    """The level order of a pattern of factors, and both triangles in the order of their sweeps.

    The entries of L come first in ``columns``, ``source`` and all arrays of values, then those of U.

    Attributes
    ----------
    order : uint32 array of shape (n,)
        Rows in level order.
    lower_count : int
        Stored entries of L.
    has_triangles : bool
        Whether elimination changes stored off-diagonal entries.
    parts : int
        Into which sweeps are cut. The rows of a part are then numbered one after another, level by level, so that
        every thread reads its own entries and vectors in one stream.
    shared : bool
        Whether levels are so large that several threads have something to do.
    sequence : uint32 array of shape (n,)
        Numbers of the rows, such that each comes after those on which it depends.
    upper_rows : uint32 array of shape (n,)
        Numbers of the rows in the order of the backward sweep: reversed, or with ``backward_by_width`` also, within a
        level, by their width in U, so that runs are long in both sweeps.
    forward, backward : Schedule
        How the sweeps are divided.
    """

    def __init__(self, pattern: FactorPattern, parts: int = 1, *, backward_by_width: bool = False) -> None:
        self.pattern = pattern
        self.parts = parts
        indptr, position = pattern.indptr, pattern.position
        self.size = size = position.size
        below = position - indptr[:-1]
        above = indptr[1:] - position - np.uint32(1)
        marker = np.empty(size, dtype=np.uint32)
        self.has_triangles = bool(triangular.has_triangles(indptr, pattern.indices, position, marker))
        padded = None if self.has_triangles else widest(below, above)
        level = np.empty(size, dtype=np.uint32)
        count = int(triangular.find_common_levels(indptr, pattern.indices, position, level))
        order, level_ends = order_rows(level, count, below, above, by_width=padded is None)
        spans = divide(below[order] if padded is None else np.full(size, padded), level_ends, parts)
        self.shared = share_of_others(spans) >= _SHARE_WORTH_WAKING
        self.sequence: Index = np.arange(size, dtype=np.uint32)
        if parts > 1:
            gathered, spans = gather_parts(spans)
            self.sequence[gathered] = self.sequence.copy()
            order = order[gathered]
        self.order = order
        self.rank: Index = np.empty(size, dtype=np.uint32)
        self.rank[order] = np.arange(size, dtype=np.uint32)
        lower_width = below[order] if padded is None else np.full(size, padded, dtype=np.uint32)
        upper_width = above[order] if padded is None else lower_width
        self.width: Index = np.concatenate((lower_width, upper_width))
        self.lower_count = int(lower_width.sum(dtype=np.int64))
        self.upper_count = int(upper_width.sum(dtype=np.int64))
        self.columns: Index = np.empty(self.lower_count + self.upper_count, dtype=np.uint32)
        self.source: Index = np.empty_like(self.columns)
        self.lower_begin: Index = np.cumsum(lower_width, dtype=np.uint32) - lower_width
        self.upper_rows = np.arange(size, dtype=np.uint32)[::-1].copy()
        if backward_by_width and padded is None:
            self.upper_rows = order_backward(level[order], upper_width, spans)
        self._lay_out(lower_width, upper_width)
        self.forward = Schedule(*runs_of(lower_width), spans)
        self.backward = Schedule(*runs_of(upper_width[self.upper_rows]), reverse(spans, size))

    def _lay_out(self, lower_width: Index, upper_width: Index) -> None:
        pattern, order, rank, count = self.pattern, self.order, self.rank, self.lower_count
        indptr, indices, position = pattern.indptr, pattern.indices, pattern.position
        columns, source = self.columns, self.source
        after = position + np.uint32(1)
        sweep = upper_width[self.upper_rows]
        levels.lay_out_triangle(
            indices, indptr[:-1], position, order, rank, lower_width, columns[:count], source[:count]
        )
        levels.lay_out_triangle(
            indices, after, indptr[1:], order[self.upper_rows], rank, sweep, columns[count:], source[count:]
        )
        columns[:count][source[:count] == levels.PADDING] = 0
        # U is stored last level first.
        self.upper_begin: Index = np.empty_like(order)
        self.upper_begin[self.upper_rows] = count + np.cumsum(sweep, dtype=np.int64) - sweep
        self.mirror: Index = np.empty(count, dtype=np.uint32)
        triangular.find_mirrors(
            indptr,
            indices,
            position,
            order,
            lower_width,
            columns[:count],
            source[:count],
            self.upper_begin,
            self.mirror,
        )
        if pattern.source is not None:
            triangular.compose(source, pattern.source)

    def lower(self, values: NDArray[Any]) -> tuple[Index, Index, Index, NDArray[Any]]:
        """Pieces, steps, columns and values of the strictly lower triangle, as sweeps take them."""
        count = self.lower_count
        return *self.forward.arrays, self.columns[:count], values[:count]

    def upper(self, values: NDArray[Any]) -> tuple[Index, Index, Index, NDArray[Any]]:
        """Pieces, steps, columns and values of the strictly upper triangle, as sweeps take them."""
        count = self.lower_count
        return *self.backward.arrays, self.columns[count:], values[count:]

    @property
    def memory(self) -> int:
        """Bytes held."""
        arrays = (
            self.columns, self.source, self.mirror, self.width, self.order, self.rank, self.upper_begin,
            self.lower_begin, self.sequence, self.upper_rows, self.forward.pieces, self.backward.pieces,
        )  # fmt: skip
        return sum(array.nbytes for array in arrays)


class TriangularFactors(Preconditioner):
    """M = (I + L) D (I + U), applied by one forward and one backward sweep.

    An application moves 4 bytes and one stored value an entry, and 68 bytes a row.

    Attributes
    ----------
    layout : Layout
    values : array of shape (entries,)
        L, then U, in the order of ``layout``; float64 or float32, complex128 or complex64.
    inverse : array of shape (n,)
        D⁻¹ in level order.
    diagonal : array of shape (n,)
        That of A in level order.
    shift : float
        Multiple of the diagonal of A that was added before factoring.
    threads : int
        That apply them.
    """

    def __init__(self, layout: Layout, dtype: np.dtype[Any], storage: np.dtype[Any]) -> None:
        self.layout = layout
        self.size = size = layout.size
        self.dtype = dtype
        self.values: NDArray[Any] = np.empty(layout.columns.size, dtype=storage)
        self.inverse: NDArray[Any] = np.empty(size, dtype=dtype)
        self.diagonal: NDArray[Any] = np.empty(size, dtype=dtype)
        self.shift = 0.0
        worth_waking = self.values.size >= _ENTRIES_WORTH_WAKING * (layout.parts - 1)
        self.threads = layout.parts if worth_waking and layout.shared else 1
        self._entries: NDArray[Any] | None = None
        self.work: NDArray[Any] = np.zeros(size, dtype=dtype)
        entry = 4.0 + storage.itemsize
        self.traffic = entry * layout.columns.size + size * (12.0 + 7.0 * dtype.itemsize)
        self.memory = layout.memory + self.values.nbytes + 3 * self.work.nbytes
        self.takes_blocks = dtype == np.float64
        self._block_work: NDArray[np.float64] = np.zeros((size, 0))

    def fill(self, instance: LinearInstance, factor: float, *, upper_only: bool = False) -> None:
        """Write ``factor`` times the entries of A to the values, and its diagonal to ``diagonal``."""
        assert instance.diagonal is not None
        begin = self.layout.lower_count if upper_only else 0
        triangular.gather_entries(instance.data, self.layout.source[begin:], factor, self.values[begin:])
        triangular.gather_entries(instance.diagonal, self.layout.order, factor, self.diagonal)

    def entries_of(self, instance: LinearInstance, scaling: NDArray[Any] | None = None) -> NDArray[Any]:
        """The entries of A in the order of ``layout``, overwritten by the next call.

        A has the pattern that was factored. Given ``scaling`` of shape (n,) in level order, h_i a_ij h_j.
        """
        if self._entries is None:
            self._entries = np.empty(self.values.size, dtype=self.dtype)
            self.memory += self._entries.nbytes
        layout = self.layout
        if scaling is None:
            triangular.gather_entries(instance.data, layout.source, 1.0, self._entries)
        else:
            triangular.gather_scaled_entries(
                instance.data, layout.source, layout.columns, layout.width, layout.upper_begin, scaling, self._entries
            )
        return self._entries

    def scale_for_storage(self, instance: LinearInstance) -> float:
        """A power of two that brings A into the range of the stored values; 1 in double precision."""
        assert instance.diagonal is not None
        if self.values.dtype.itemsize == self.dtype.itemsize:
            return 1.0
        _, exponent = math.frexp(float(np.max(np.abs(instance.diagonal))))
        return math.ldexp(1.0, max(-1000, min(1000, -exponent)))

    def fall_back(self, instance: LinearInstance) -> None:
        """After a breakdown: leave the diagonal of A, by its modulus, since others may still hold this object."""
        assert instance.diagonal is not None
        self.values[:] = 0.0
        with np.errstate(over="ignore"):
            inverse = 1.0 / np.abs(instance.diagonal[self.layout.order])
        self.inverse[:] = np.minimum(inverse, np.finfo(np.float64).max)

    def apply(self, r: NDArray[Any], z: NDArray[Any]) -> None:
        """Write M⁻¹ r to ``z``, both of shape (n,)."""
        layout, threads = self.layout, self.threads
        team.call(
            threads, triangular.solve, *layout.lower(self.values), *layout.upper(self.values), layout.upper_rows,
            layout.order, self.inverse, r, self.work, z,
        )  # fmt: skip

    def apply_block(self, R: NDArray[np.float64], Z: NDArray[np.float64]) -> None:
        """Write M⁻¹ R to ``Z``, both of shape (n, 4) or (n, 8); the factors are read once."""
        if self._block_work.shape != R.shape:
            self.memory += 8 * (R.size - self._block_work.size)
            self._block_work = np.zeros(R.shape)
        layout = self.layout
        block_triangular.solve(
            *layout.lower(self.values), *layout.upper(self.values), layout.order, self.inverse, R, self._block_work, Z,
            FOUR if R.shape[1] == len(FOUR) else EIGHT,
        )  # fmt: skip

    def block_traffic(self, width: int) -> float:
        """As for one column, with the factors read once."""
        return (4.0 + self.values.itemsize) * self.layout.columns.size + (16.0 + 48.0 * width) * self.size


def mean_widths(pattern: Pattern) -> tuple[float, float]:
    """Mean number of entries that a row of A has left and right of its diagonal."""
    below = float(np.sum(pattern.position - pattern.indptr[:-1], dtype=np.int64))
    return below / pattern.size, (pattern.nnz - pattern.size - below) / pattern.size


def capacity(width: float, size: int) -> int:
    """Entries to admit in each row of a factor, at least one, for a mean width that was asked for."""
    most = max(1, min(math.ceil(width), size))
    if most * size >= 2**31:
        raise Breakdown(f"an incomplete factor of up to {most * size} entries is too large; at most {2**31 - 1} fit")
    return most
