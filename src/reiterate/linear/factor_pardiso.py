"""Factors by Intel MKL Pardiso, where ``pypardiso`` is installed: it brings the library, which is called directly."""

from __future__ import annotations

import ctypes
import weakref
from functools import cache
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from reiterate.errors import Breakdown
from reiterate.linear.factor_memory import refuse_beyond
from reiterate.linear.factor_time import analysis_seconds, refuse_slow
from reiterate.linear.factors import Factor, Inertia
from reiterate.linear.instance import LinearInstance

_ANALYZE, _FACTOR, _SOLVE, _RELEASE = 11, 22, 33, -1
_REAL_SYMMETRIC, _REAL, _COMPLEX_SYMMETRIC, _COMPLEX = -2, 11, 6, 13

_RATE = 1e10  # operations a second

_ERRORS = {
    -1: "inconsistent input",
    -2: "not enough memory",
    -3: "reordering failed",
    -4: "a zero pivot; the matrix is singular",
    -7: "a diagonal block is singular",
    -8: "its 32-bit indices overflow",
}

_Integer = ctypes.POINTER(ctypes.c_int32)
_Handle = ctypes.POINTER(ctypes.c_int64)


class PardisoFactor(Factor):
    """L D Lᵀ or L U by Pardiso (Schenk and Gärtner): static pivoting after scaling and weighted matching.

    Tiny pivots are perturbed, which the check after the factorization judges. Real or complex; complex symmetric means
    A = Aᵀ. Once begun it cannot be stopped, not even by Ctrl-C; what its analysis estimates to miss a deadline is not
    begun.
    """

    title = "Pardiso"
    package = "pypardiso"
    remedy = "pip install pypardiso"

    def __init__(self, instance: LinearInstance, memory_limit: int, variant: int = 0) -> None:
        super().__init__(instance, memory_limit, variant)
        if self.dtype.kind == "c":
            # Whether "symmetric" means the transpose or the adjoint, the general path is right.
            self.symmetric_storage, kind = False, _COMPLEX
        else:
            self.symmetric_storage = self.symmetric
            kind = _REAL_SYMMETRIC if self.symmetric else _REAL
        self._source, indptr, indices = self._layout()
        self._system = _System(kind, self.size, indptr, indices, self._values(instance))
        # The library holds the factors outside of Python. At exit the process frees them anyway.
        weakref.finalize(self, self._system.release).atexit = False
        refuse_slow(self.title, instance, analysis_seconds(instance))
        self._system.run(_ANALYZE)
        self._operations = 1e6 * float(self._system.options[18])
        peak, kept, numeric = (1024.0 * float(self._system.options[k]) for k in (14, 15, 16))
        refuse_beyond(self.title, max(peak, kept + numeric), memory_limit)
        refuse_slow(self.title, instance, self._operations / _RATE)
        self._system.run(_FACTOR)
        self._describe()

    def refresh(self, instance: LinearInstance) -> None:
        """Factor new numbers in the old order."""
        refuse_slow(self.title, instance, self._operations / _RATE)
        self._system.values[:] = self._values(instance)
        self._system.run(_FACTOR)
        self._describe()

    def solve(self, r: NDArray[Any]) -> NDArray[Any]:
        """A⁻¹ r."""
        return self._system.solve(r, transposed=False)

    def solve_many(self, R: NDArray[Any]) -> NDArray[Any]:
        """A⁻¹ R."""
        return self._system.solve(R, transposed=False)

    def solve_transposed(self, r: NDArray[Any]) -> NDArray[Any]:
        """A⁻ᵀ r."""
        return self._system.solve(r, transposed=True)

    def inertia(self) -> Inertia | None:
        """Counted by Pardiso for real symmetric matrices, where no pivot was perturbed."""
        options = self._system.options
        if not self.symmetric_storage or self.perturbed:
            return None
        positive, negative = int(options[21]), int(options[22])
        return positive, negative, self.size - positive - negative

    def _layout(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Which entries are stored, with every diagonal entry there, as Pardiso demands; −1 stands for a zero."""
        pattern = self.pattern
        places = np.arange(1, pattern.nnz + 1)
        index = pattern.indices.view(np.int32), pattern.indptr.view(np.int32)
        stored = sp.coo_array(sp.csr_array((places, *index), shape=(self.size, self.size)))
        row, column, place = stored.row, stored.col, stored.data - 1
        if self.symmetric_storage:
            upper = column >= row
            row, column, place = row[upper], column[upper], place[upper]
        missing = np.ones(self.size, dtype=bool)
        missing[row[row == column]] = False
        extra = np.flatnonzero(missing)
        row, column = np.concatenate((row, extra)), np.concatenate((column, extra))
        place = np.concatenate((place, np.full(extra.size, -1)))
        order = np.lexsort((column, row))
        indptr = np.concatenate(([0], np.cumsum(np.bincount(row, minlength=self.size))))
        return place[order], indptr.astype(np.int32), column[order].astype(np.int32)

    def _values(self, instance: LinearInstance) -> NDArray[Any]:
        values: NDArray[Any] = np.where(self._source >= 0, instance.data[self._source], 0.0)
        return values

    def _describe(self) -> None:
        options = self._system.options
        self.perturbed = int(options[13])
        self.nnz = int(options[17])
        self.memory = 1024 * (int(options[15]) + int(options[16])) + self._system.values.nbytes
        self.reads = 2 if self.symmetric_storage else 1


class _System:
    """One handle of the library, and the arrays that it reads."""

    def __init__(self, kind: int, size: int, indptr: NDArray[Any], indices: NDArray[Any], values: NDArray[Any]) -> None:
        self.kind, self.size = kind, size
        self.indptr, self.indices, self.values = indptr, indices, values
        self.handle = np.zeros(64, dtype=np.int64)
        # Numbered from 0, so one less than in the manual.
        self.options = np.zeros(64, dtype=np.int32)
        for place, value in {
            0: 1,  # these, not the defaults
            1: 2,  # nested dissection
            9: 8 if kind == _REAL_SYMMETRIC else 13,  # pivots below 10^-8 (10^-13) ‖A‖ are perturbed
            10: 1,  # scale
            12: 1,  # weighted matching
            17: -1,  # report the fill
            18: -1,  # and the millions of operations
            34: 1,  # indices from 0
        }.items():
            self.options[place] = value

    def run(self, phase: int, b: NDArray[Any] | None = None) -> NDArray[Any]:
        """One phase; ``b`` of shape (n, k), column after column."""
        b = np.zeros((1, 1), dtype=self.values.dtype, order="F") if b is None else b
        x = np.zeros_like(b, order="F")
        error = ctypes.c_int32(0)

        def number(value: int) -> Any:
            return ctypes.byref(ctypes.c_int32(value))

        _library()(
            self.handle.ctypes.data_as(_Handle), number(1), number(1), number(self.kind), number(phase),
            number(self.size), self.values.ctypes.data_as(ctypes.c_void_p), self.indptr.ctypes.data_as(_Integer),
            self.indices.ctypes.data_as(_Integer), number(0), number(b.shape[1]), self.options.ctypes.data_as(_Integer),
            number(0), b.ctypes.data_as(ctypes.c_void_p), x.ctypes.data_as(ctypes.c_void_p), ctypes.byref(error),
        )  # fmt: skip
        if error.value:
            raise Breakdown(f"Pardiso: {_ERRORS.get(error.value, f'error {error.value}')}")
        return x

    def solve(self, r: NDArray[Any], *, transposed: bool) -> NDArray[Any]:
        self.options[11] = 2 if transposed else 0
        columns = np.asfortranarray(r.reshape(self.size, -1))
        return np.ascontiguousarray(self.run(_SOLVE, columns)).reshape(r.shape)

    def release(self) -> None:
        self.run(_RELEASE)


@cache
def _library() -> Any:
    from pypardiso import PyPardisoSolver

    function = PyPardisoSolver().libmkl.pardiso
    function.restype = None
    function.argtypes = None
    return function
