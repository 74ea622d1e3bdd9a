"""Direct factors as a preconditioner, above all those of an earlier instance."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Values
from reiterate.errors import Breakdown
from reiterate.linear.factor_engines import factorize_by_what_works
from reiterate.linear.factors import Factor
from reiterate.linear.instance import LinearInstance
from reiterate.linear.preconditioner import Family, Preconditioner
from reiterate.linear.traits import LinearTraits


class FactorPreconditioner(Preconditioner):
    """Direct factors as M; what direct methods keep, too, so that one factorization serves all of them."""

    def __init__(self, factor: Factor) -> None:
        self.factor = factor
        self.dtype = factor.dtype
        self.traffic = factor.traffic
        self.setup_traffic = factor.setup_traffic
        self.memory = factor.memory
        self.process = os.getpid() if factor.threads else None
        self.takes_blocks = factor.dtype == np.float64

    @property
    def size(self) -> int:  # type: ignore[override]
        """Unknowns; -1 once the factors are spoilt."""
        # No size is served by factors that a failed refresh has spoilt.
        return self.factor.size if self.factor.data is not None else -1

    def apply(self, r: NDArray[Any], z: NDArray[Any]) -> None:
        """One solve with the factors."""
        z[:] = self.factor.solve(r)

    def apply_block(self, R: NDArray[np.float64], Z: NDArray[np.float64]) -> None:
        """All columns at once."""
        # Engines are faster where each column lies in one piece.
        Z[:] = self.factor.solve_many(np.asfortranarray(R))

    def block_traffic(self, width: int) -> float:
        """The factors are read once."""
        return self.traffic + 64.0 * width * self.factor.size


class DirectFactor(Family):
    """direct factors of A, or of the A of an earlier instance, by the first engine whose factors stand a check.

    With its own matrix a Krylov method converges in one iteration; with one that differs by a matrix of rank k in
    k + 1, and with one near it in a few. That pays where factoring costs much more than a few solves. Setup: as
    :class:`~reiterate.linear.direct.Direct`.

    Parameters
    ----------
    definite : bool
        Whether M must be symmetric positive definite, as CG and MINRES need; the inertia of the factors says so.
    memory_limit : int, optional
        Bytes that a factorization may take, by an estimate made before it; default: half of the machine's memory.
    """

    name = "factor"
    symmetric = True

    def __init__(self, *, definite: bool = True, memory_limit: int | None = None) -> None:
        self.definite = definite
        self.memory_limit = memory_limit
        kind = "a Hermitian positive definite matrix with" if definite else ""
        self.requires = f"{kind} factors that fit into memory".strip()

    def accepts(self, traits: LinearTraits) -> bool:
        """Any matrix, or any that may be positive definite."""
        return traits.maybe_definite if self.definite else traits.entries

    def build(self, instance: LinearInstance, values: Values, previous: Preconditioner | None = None) -> Preconditioner:
        """Factor A; for a known pattern without symbolic work, for known numbers not at all."""
        held = previous.factor if isinstance(previous, FactorPreconditioner) else None
        factor = factorize_by_what_works(instance, held, self.memory_limit)
        if self.definite:
            inertia = factor.inertia()
            if inertia is not None and inertia[0] < factor.size:
                if factor.indefinite:
                    instance.reveal({"definite": False})
                raise Breakdown(f"{inertia[1]} negative and {inertia[2]} zero pivots: A is not positive definite")
        return FactorPreconditioner(factor)
