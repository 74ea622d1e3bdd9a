"""One matrix, time and again: SciPy's own factor answers, which needs nothing of ours to be loaded."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.intercept import patching
from reiterate.intercept.accuracy import backward_error, norm_of_rows
from reiterate.intercept.forking import Lock
from reiterate.intercept.shelf import SHELF, Shelf
from reiterate.linear.handlers import raised_by_handler

_GLANCE = 64  # entries by which a matrix usually differs from the last one


@dataclass(slots=True)
class _Known:
    """A copy of a matrix, how it is to be ordered, and, from the second time on, its factor and norm."""

    form: str
    ordering: Any
    indptr: NDArray[Any]
    indices: NDArray[Any]
    data: NDArray[Any]
    factor: Any = None
    norm: float = 0.0
    hopeless: bool = False

    @property
    def size(self) -> int:
        """Bytes; of the factor, those of its entries and their indices."""
        of_factor = 0 if self.factor is None else self.factor.nnz * (self.data.itemsize + self.indices.itemsize)
        return _size(self) + int(of_factor)

    def is_of(self, A: Any, ordering: Any) -> bool:
        """Whether A, to be ordered like this, is that matrix."""
        data = self.data
        if (self.form, self.ordering, data.dtype, data.size) != (A.format, ordering, A.data.dtype, A.data.size):
            return False
        if not np.array_equal(data[:_GLANCE], A.data[:_GLANCE]):
            return False
        same = np.array_equal(data, A.data) and np.array_equal(self.indices, A.indices)
        return same and np.array_equal(self.indptr, A.indptr)


class Repetition:
    """What ``spsolve`` was last given at one place, and factors of it once it has been given twice.

    A program that calls ``spsolve`` in a loop with the same matrix has it factored every time. From the second time on
    the factors that SciPy's ``splu`` makes with the same ordering are kept, and every answer of theirs is checked. One
    thread at a time: SciPy answers the others.

    Parameters
    ----------
    shelf
        Which bounds the memory of all.
    """

    def __init__(self, shelf: Shelf = SHELF) -> None:
        self._last: _Known | None = None
        self._lock = Lock()
        self._shelf = shelf
        self.itself = weakref.ref(self)

    def forget(self) -> None:
        """Give back the memory."""
        if self._last is not None:
            self.drop()
            self._shelf.keep(self, 0)

    def drop(self) -> None:
        """The same, when asked to by the shelf."""
        self._last = None

    def solve(self, A: Any, b: NDArray[Any], ordering: Any, tolerance: float) -> NDArray[Any] | None:
        """The solution, if A is the same as the last time; ``None``: it is not, or SciPy has to answer anyway.

        Parameters
        ----------
        A : SciPy CSC or CSR object of float64 or complex128, entries sorted; shape (n, n)
        b : array of shape (n,) or (n, 1)
        ordering
            As ``permc_spec`` of ``spsolve``.
        tolerance
            Normwise backward error of an answer.
        """
        if np.promote_types(A.dtype, b.dtype) != A.dtype or not self._lock.acquire(blocking=False):
            return None
        try:
            known = self._last
            if known is None or not known.is_of(A, ordering):
                self._last = None
                if self._shelf.keep(self, _size(A)):
                    self._last = _Known(A.format, ordering, A.indptr.copy(), A.indices.copy(), A.data.copy())
                return None
            if known.hopeless:
                return None
            x = _solution(known, A, b.reshape(-1), tolerance)
            if self._last is known and not self._shelf.keep(self, known.size):
                known.hopeless, known.factor = True, None  # the copy is kept, so that this is not tried again
                self._shelf.keep(self, known.size)
            return x
        finally:
            self._lock.release()


def _size(A: Any) -> int:
    return int(A.indptr.nbytes + A.indices.nbytes + A.data.nbytes)


def _solution(known: _Known, A: Any, b: NDArray[Any], tolerance: float) -> NDArray[Any] | None:
    # As `spsolve` does, which gives SuperLU the rows of a CSR matrix for the columns of its transpose.
    transposed = known.form == "csr"
    try:
        if known.factor is None:
            known.factor = patching.original("splu")(A.T if transposed else A, permc_spec=known.ordering)
            known.norm = norm_of_rows(A)
        x: NDArray[Any] = known.factor.solve(b.astype(A.dtype, copy=False), "T" if transposed else "N")
        with np.errstate(all="ignore"):
            if backward_error(A, known.norm, x, b) <= tolerance:
                return x
    except Exception as error:  # whatever it is, SciPy can answer
        if raised_by_handler(error):
            raise
    known.hopeless, known.factor = True, None
    return None
