"""Factors by rslab: L D Lᵀ (Bunch and Kaufman) of symmetric, L U of general matrices, real or complex."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import rslab
import scipy.sparse as sp
from numpy.typing import NDArray

from reiterate.errors import Breakdown
from reiterate.linear.factor_memory import refuse_beyond
from reiterate.linear.factors import Factor, Inertia
from reiterate.linear.instance import LinearInstance

_SYMMETRY_TOLERANCE = 1e-12
_ALWAYS_SUPERNODAL = 0.0  # on symmetric matrices L D Lᵀ beats KLU even where there is little work


class RslabFactor(Factor):
    """Factors by rslab's automatic path; for new numbers they are recomputed in place.

    Symmetric values (for complex matrices A = Aᵀ, not Hermitian) give a supernodal L D Lᵀ; others a supernodal L U with
    threshold pivoting, or KLU where the analysis predicts little work. It equilibrates by itself, and gives
    the same bits whatever the number of threads.
    """

    title = "rslab"
    package = "rslab"
    remedy = "pip install rslab"

    def __init__(self, instance: LinearInstance, memory_limit: int) -> None:
        super().__init__(instance, memory_limit)
        pattern = self.pattern
        shape = (pattern.size, pattern.size)
        places = np.arange(pattern.nnz, dtype=np.int32)
        index = pattern.indices.view(np.int32), pattern.indptr.view(np.int32)
        columns = sp.csr_array((places, *index), shape=shape).tocsc()
        self._source = columns.data
        options: dict[str, float] = {}
        if self.symmetric:
            options["supernodal_flops_per_entry"] = _ALWAYS_SUPERNODAL
            options["symmetry_tol"] = 0.0 if self.dtype.kind == "c" else _SYMMETRY_TOLERANCE
        values = instance.data[self._source]
        A = sp.csc_array((values, columns.indices, columns.indptr), shape=shape)
        with _translated():
            symbolic = rslab.analyze(A, path="auto", **options)
            refuse_beyond(self.title, symbolic.memory_plan(self.dtype.name)["peak_bytes"], memory_limit)
            self._factor = symbolic.factor(values)
        self._describe()

    def refresh(self, instance: LinearInstance) -> None:
        """Factor new numbers in place."""
        with _translated():
            self._factor.refactor(instance.data[self._source])
        self._describe()

    def solve(self, r: NDArray[Any]) -> NDArray[Any]:
        """A⁻¹ r."""
        with _translated():
            return np.asarray(self._factor.solve(r))

    def solve_many(self, R: NDArray[Any]) -> NDArray[Any]:
        """A⁻¹ R."""
        with _translated():
            return np.asarray(self._factor.solve_many(R))

    def solve_transposed(self, r: NDArray[Any]) -> NDArray[Any]:
        """A⁻ᵀ r."""
        with _translated():
            return np.asarray(self._factor.solve_transpose(r))

    def inertia(self) -> Inertia | None:
        """Read off D, where L D Lᵀ was the path."""
        if self.dtype.kind == "c" or self._factor.backend != "ldlt":
            return None
        counts = self._factor.diagnostics()["numeric"].get("inertia")
        return None if counts is None else (int(counts[0]), int(counts[1]), int(counts[2]))

    def _describe(self) -> None:
        self.perturbed = int(self._factor.n_perturbed)
        self.nnz = int(self._factor.factor_nnz)
        self.memory = int(self._factor.heap_bytes) + self._source.nbytes + self.dtype.itemsize * self.pattern.nnz
        self.reads = 2 if self._factor.backend == "ldlt" else 1


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what rslab raises into a breakdown."""
    try:
        yield
    except (RuntimeError, ValueError, MemoryError) as error:
        raise Breakdown(f"rslab: {error}") from None
    except BaseException as error:
        # A panic of compiled Rust code arrives as a type that cannot be imported and is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise Breakdown(f"rslab: internal error: {error}") from None
