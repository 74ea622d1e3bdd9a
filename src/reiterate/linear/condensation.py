"""Unknowns that a row or a column of their own determines, eliminated where the rest of the matrix is then symmetric.

A program that prescribes values replaces rows of its matrix by those of a diagonal one, and what was symmetric is so no
more. With D the unknowns that have such rows and I the others, A x = b is

    x_D = b_D / a_DD,   A_II x_I = b_I − A_ID x_D,

and where columns rather than rows have nothing but their diagonal entry,

    A_II x_I = b_I,   x_D = (b_D − A_DI x_I) / a_DD.

Either way A_II is all that has to be iterated on. This is known as static condensation.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from reiterate.linear.pattern import Pattern
from reiterate.linear.vectors import Vector

LARGEST = 2.0**300
"""Larger numbers than that, and smaller ones than its inverse, are not condensed: products might overflow."""

_KEEP = 4  # patterns: a time step may alternate between a few
_SAMPLE = 256  # pairs of entries that are compared before a pattern is made of what is left
_SYMMETRY_TOLERANCE = 1e-12

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Couplings:
    """What leads from some unknowns to the others; copies.

    Attributes
    ----------
    diagonal : array of shape (d,)
        a_DD.
    coupling : SciPy CSR object or None
        The rows of A_ID, or of A_DI, that have entries; ``None`` where none has.
    """

    diagonal: Vector
    coupling: Any


class Condensation:
    """Where the parts of a pattern's matrices are, with unknowns D determined by rows or columns of their own.

    Attributes
    ----------
    number : int
        That no other pattern of the stream has.
    pattern : Pattern
        Of A_II.
    left, given : arrays of shape (m,), (d,)
        The unknowns I and D.
    by_rows : bool
        Whether it is the rows of D, rather than the columns, that have no other entry.
    """

    def __init__(self, number: int, pattern: Pattern, data: Vector, given: NDArray[np.bool_], *, by_rows: bool) -> None:
        """``pattern`` and ``data`` are those of a matrix A; ``given``, shape (n,), says which unknowns are in D."""
        self.number = number
        self.by_rows = by_rows
        self.left, self.given = np.flatnonzero(~given), np.flatnonzero(given)
        rows, columns = pattern.rows, pattern.indices.astype(np.intp)
        self._diagonal: Places = np.flatnonzero((rows == columns) & given[rows])
        inside = ~given[rows] & ~given[columns]
        coupled = (~given[rows] & given[columns]) if by_rows else (given[rows] & ~given[columns])
        others = ~inside & ~coupled
        others[self._diagonal] = False
        place_of = np.empty(pattern.size, dtype=np.intp)
        place_of[self.left], place_of[self.given] = np.arange(self.left.size), np.arange(self.given.size)
        self._places: Places = np.flatnonzero(inside)
        self.pattern = self._core(rows, columns, place_of)
        if not self.pattern.symmetric and not data[self._places].all():
            # Stored zeros hide a symmetric matrix behind an unsymmetric pattern.
            others[self._places[data[self._places] == 0.0]] = True
            self._places = np.flatnonzero(inside & ~others)
            self.pattern = self._core(rows, columns, place_of)
        self._zeros: Places = np.flatnonzero(others)
        self._coupling: Places = np.flatnonzero(coupled)
        self._touched, row_of = np.unique(place_of[rows[self._coupling]], return_inverse=True)
        shape = self._touched.size, (self.given if by_rows else self.left).size
        self._coupling_indptr = np.concatenate(([0], np.cumsum(np.bincount(row_of, minlength=shape[0]))))
        self._coupling_template = sp.csr_array(
            (data[self._coupling], place_of[columns[self._coupling]], self._coupling_indptr), shape=shape
        )

    def _core(self, rows: NDArray[np.int64], columns: Places, place_of: Places) -> Pattern:
        widths = np.bincount(place_of[rows[self._places]], minlength=self.left.size)
        return Pattern(np.concatenate(([0], np.cumsum(widths))), place_of[columns[self._places]])

    @functools.cached_property
    def _template(self) -> Any:
        index = self.pattern.indices.view(np.int32), self.pattern.indptr.view(np.int32)
        nothing = np.zeros(self.pattern.nnz)
        template = sp.csr_array((nothing, *index), shape=(self.left.size,) * 2)
        template.has_canonical_format = True
        return template

    def apply(self, data: Vector) -> tuple[Any, Couplings] | None:
        """A_II as a CSR object, and the rest, of the matrix with these entries, shape (nnz,); copies.

        ``None`` where D is no longer determined by rows or columns of its own.
        """
        diagonal = data.take(self._diagonal)
        sizes = np.abs(diagonal)
        if not (sizes.min() > 1.0 / LARGEST and sizes.max() < LARGEST) or data.take(self._zeros).any():
            return None
        coupling = _with_data(self._coupling_template, data.take(self._coupling)) if self._coupling.size else None
        if coupling is not None and not np.isfinite(coupling.data).all():
            return None
        return _with_data(self._template, data.take(self._places)), Couplings(diagonal, coupling)

    def leaves_pairs(self, data: Vector) -> bool:
        """Whether A_II has entries off its diagonal, as far as numbers tell."""
        return int(np.count_nonzero(data[self._places])) > self.left.size

    def restrict(self, b: Vector, parts: Couplings) -> tuple[Vector, Vector]:
        """The right-hand side of what is left, and what :meth:`complete` needs: b_D, or x_D where it is known by rows.

        Infinite or no numbers where they leave double precision. ``b`` may have shape (n,) or (n, k).
        """
        rest, determined = b.take(self.left, axis=0), b.take(self.given, axis=0)
        if self.by_rows:
            with np.errstate(over="ignore", invalid="ignore"):
                determined /= parts.diagonal if b.ndim == 1 else parts.diagonal[:, None]
                if parts.coupling is not None:
                    rest[self._touched] -= parts.coupling @ determined
        return rest, determined

    def complete(self, x: Vector, determined: Vector, parts: Couplings) -> Vector:
        """All unknowns, from those that were left, shape (m,) or (m, k), and what :meth:`restrict` returned."""
        whole = np.empty((self.left.size + self.given.size, *x.shape[1:]), dtype=x.dtype)
        whole[self.left] = x
        if not self.by_rows:
            with np.errstate(over="ignore", invalid="ignore"):
                determined = determined.copy()
                if parts.coupling is not None:
                    determined[self._touched] -= parts.coupling @ x
                determined /= parts.diagonal if x.ndim == 1 else parts.diagonal[:, None]
        whole[self.given] = determined
        return whole


def condensations(pattern: Pattern, data: Vector, next_number: Callable[[], int]) -> list[Condensation]:
    """Those of a matrix that may leave a symmetric one, the one that leaves least first; usually none, and quickly."""
    candidates = sorted(_determined(pattern, data), key=lambda candidate: -int(candidate[0].sum()))
    found = [
        Condensation(next_number(), pattern, data, given, by_rows=by_rows)
        for given, by_rows in candidates
        if not given.all() and _may_be_symmetric(pattern, data, ~given)
    ]
    # Where a diagonal is left, as of a triangular matrix of two rows, symmetry is nothing to be gained.
    return [condensation for condensation in found if condensation.leaves_pairs(data)]


def _determined(pattern: Pattern, data: Vector) -> list[tuple[NDArray[np.bool_], bool]]:
    """The unknowns whose rows, and those whose columns, have no entry but one on the diagonal; without empty sets."""
    begin = pattern.indptr.astype(np.intp)
    widths = begin[1:] - begin[:-1]
    nonzero = data != 0.0
    indices = pattern.indices
    if not nonzero.all():
        widths = np.diff(np.concatenate(([0], np.cumsum(nonzero)))[begin])
        indices = indices[nonzero]
    alone_in_row, alone_in_column = widths == 1, np.bincount(indices, minlength=pattern.size) == 1
    found = []
    for alone, by_rows in ((alone_in_row, True), (alone_in_column, False)):
        if alone.any():
            given = alone & _nonzero_diagonal(pattern, data)
            if given.any():
                found.append((given, by_rows))
    return found


def _nonzero_diagonal(pattern: Pattern, data: Vector) -> NDArray[np.bool_]:
    place = np.minimum(pattern.position.astype(np.intp), pattern.nnz - 1)
    stored = (pattern.indices[place] == np.arange(pattern.size)) & (pattern.position < pattern.indptr[1:])
    return np.asarray(stored & (data[place] != 0.0))


def _may_be_symmetric(pattern: Pattern, data: Vector, left: NDArray[np.bool_]) -> bool:
    """Whether entries among the unknowns ``left`` are mirrored, as far as a sample of them tells."""
    sample = np.unique(np.linspace(0, pattern.nnz - 1, _SAMPLE).astype(np.intp))
    rows = np.searchsorted(pattern.indptr, sample, side="right") - 1
    columns = pattern.indices[sample].astype(np.intp)
    kept = left[rows] & left[columns]
    rows, columns, values = rows[kept], columns[kept], data[sample[kept]]
    index = pattern.indices.view(np.int32), pattern.indptr.view(np.int32)
    A = sp.csr_array((data, *index), shape=(pattern.size,) * 2)
    mirrored = np.asarray(A[columns, rows]).ravel()
    sizes = np.sqrt(np.abs(np.asarray(A[rows, rows]).ravel())) * np.sqrt(
        np.abs(np.asarray(A[columns, columns]).ravel())
    )
    bound = _SYMMETRY_TOLERANCE * np.maximum(sizes, np.abs(values))
    return any(bool(np.all(np.abs(values - other) <= bound)) for other in (mirrored, mirrored.conj()))


@dataclass(slots=True)
class _Known:
    """What a pattern's matrices were found to be: how they are condensed, or after how many more to look again."""

    condensation: Condensation | None = None
    wait: int = 0
    patience: int = 1


class KnownCondensations:
    """How the matrices of the last few patterns of a stream are condensed, by the numbers of these patterns.

    Where nothing was found, only the 2nd, 4th, 8th … matrix that is nonsymmetric is looked at again: zeros among
    the entries may come and go.
    """

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}

    def of(self, number: int) -> Condensation | None:
        """That of the pattern with this number, as its last matrix was condensed."""
        known = self._known.get(number)
        return None if known is None else known.condensation

    def worth_a_look(self, number: int) -> bool:
        """Whether a nonsymmetric matrix of this pattern is to be looked at."""
        known = self._known.pop(number, None) or _Known()
        self._known[number] = known
        while len(self._known) > _KEEP:
            del self._known[next(iter(self._known))]
        known.wait -= 1
        if known.wait > 0:
            return False
        known.patience *= 2
        known.wait = known.patience // 2
        return True

    def found(self, number: int, condensation: Condensation) -> None:
        """Condense matrices of this pattern so until :meth:`forget`."""
        self._known[number] = _Known(condensation)

    def forget(self, number: int) -> None:
        """Matrices of this pattern cannot be condensed as before; others are still looked at as they come."""
        self._known[number].condensation = None


def _with_data(template: Any, data: Vector) -> Any:
    """A matrix of the same pattern; by far faster than SciPy's constructor."""
    twin = copy.copy(template)
    twin.data = data
    return twin
