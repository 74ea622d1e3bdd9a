"""How multigrid gets from one level to the next: who the coarse unknowns are, and the prolongator from them.

Either kind of prolongator has a pattern that is kept for as long as the pattern of A is, and numbers that are
recomputed with A's. PyAMG makes the two decisions that are graph algorithms: aggregates, and coarse points.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from reiterate.errors import Breakdown
from reiterate.kernels import galerkin
from reiterate.linear.instance import Vector
from reiterate.linear.pattern import Index

_LANCZOS_STEPS = 6
_DAMPING = 4.0 / 3.0


class LevelPattern:
    """The pattern of one level's matrix, where its diagonal is, and the prolongator that leads to it from the next."""

    def __init__(self, indptr: Index, indices: Index, position: Index) -> None:
        self.indptr, self.indices, self.position = indptr, indices, position
        self.size = position.size
        # The last entry of a row is the farthest right, and no row is empty: each has its diagonal.
        self.bandwidth = int(np.max(indices[indptr[1:] - np.uint32(1)] - np.arange(self.size, dtype=np.int64)))
        self.transfer: Transfer | None = None

    @property
    def arrays(self) -> tuple[Index, Index]:
        """What kernels take."""
        return self.indptr, self.indices


class Transfer(Protocol):
    """A prolongator P of shape (n, n_coarse)."""

    coarse_size: int
    indptr: Index
    indices: Index

    @property
    def memory(self) -> int:
        """Bytes held besides the pattern."""

    def weights(self, level: LevelPattern, data: Vector, scale: Vector) -> Vector:
        """The numbers of P for the level's numbers, shape (nnz(P),)."""

    def simplified(self) -> Transfer | None:
        """A sparser prolongator from the same coarse unknowns, if there is one."""


class SmoothedAggregation:
    """P = (I − ω D⁻¹ A_F) T, ω = 4/3 / ρ(D⁻¹ A), with T the normalized candidate on each aggregate.

    Source: Vaněk, Mandel and Brezina (1996). Aggregates and T are kept; ω and P follow the numbers of A.
    """

    def __init__(self, aggregate: Index, candidate: Vector, norms: Vector, couplings: Any | None) -> None:
        self._aggregate, self._candidate, self.norms = aggregate, candidate, norms
        self.coarse_size = norms.size
        self._smoothed = couplings is not None
        size = aggregate.size
        if couplings is None:  # P = T: as the smoothed pattern of a graph without edges
            couplings = np.zeros(size + 1, dtype=np.int32), np.empty(0, dtype=np.int32)
        self.indptr = np.empty(size + 1, dtype=np.uint32)
        indices = np.empty(size + couplings[1].size, dtype=np.uint32)
        self._marker = np.zeros(self.coarse_size, dtype=np.int64)
        count = galerkin.smoothed_pattern(*couplings, aggregate, self._marker, self.indptr, indices)
        self.indices = indices[:count].copy()

    @property
    def memory(self) -> int:
        """Bytes held besides the pattern."""
        return self._aggregate.nbytes + self._candidate.nbytes + self._marker.nbytes

    def weights(self, level: LevelPattern, data: Vector, scale: Vector) -> Vector:
        """The numbers of P; a few Lanczos steps from a fixed vector give ρ."""
        omega = _DAMPING / spectral_radius(level, data, scale) if self._smoothed else 0.0
        weights = np.empty(self.indices.size)
        self._marker[:] = 0
        galerkin.smoothed_values(
            *level.arrays, data, scale, self._aggregate, self._candidate, self.norms, omega, self._marker,
            self.indptr, self.indices, weights,
        )  # fmt: skip
        return weights

    def simplified(self) -> Transfer | None:
        """P = T, with which a coarse matrix has at most the entries of the fine one."""
        return SmoothedAggregation(self._aggregate, self._candidate, self.norms, None) if self._smoothed else None


class DirectInterpolation:
    """Interpolation from the coarse points that an unknown depends on strongly; the splitting is kept.

    Source: Ruge and Stüben (1987); Stüben (2001) for the treatment of positive entries.
    """

    def __init__(self, coarse: Index, coarse_size: int, dependences: Any) -> None:
        self._coarse = coarse
        self.coarse_size = coarse_size
        self.indptr = np.empty(coarse.size + 1, dtype=np.uint32)
        indices = np.empty(coarse.size + dependences[1].size, dtype=np.uint32)
        count = galerkin.direct_pattern(*dependences, coarse, self.indptr, indices)
        self.indices = indices[:count].copy()

    @property
    def memory(self) -> int:
        """Bytes held besides the pattern."""
        return self._coarse.nbytes

    def weights(self, level: LevelPattern, data: Vector, scale: Vector) -> Vector:
        """The numbers of P."""
        weights = np.empty(self.indices.size)
        galerkin.direct_values(*level.arrays, data, level.position, self._coarse, self.indptr, self.indices, weights)
        return weights

    def simplified(self) -> Transfer | None:
        """There is none."""
        return None


def aggregate_unknowns(
    level: LevelPattern, data: Vector, scale: Vector, theta: float, candidate: Vector | None
) -> SmoothedAggregation | None:
    """Aggregates of strongly coupled unknowns; ``None`` where there are no couplings.

    ``candidate`` is the near-nullspace vector, shape (n,); ``None`` on the finest level, where it is chosen.
    """
    from pyamg.aggregation.aggregate import standard_aggregation

    couplings = _graph(level, galerkin.strong_couplings, data, scale, theta)
    if couplings[1].size == 0:
        return None
    operator, roots = standard_aggregation(_as_matrix(*couplings))
    aggregate = np.full(level.size, galerkin.NONE, dtype=np.uint32)
    aggregate[np.diff(operator.indptr) > 0] = operator.indices
    if candidate is None:
        candidate = _near_null_vector(level, data, scale)
    norms = np.empty(roots.size)
    galerkin.aggregate_norms(candidate, aggregate, norms)
    if not (np.all(norms > 0.0) and np.all(np.isfinite(norms))):
        raise Breakdown("multigrid: the scaling of A is too extreme for a near-nullspace vector")
    return SmoothedAggregation(aggregate, candidate, norms, couplings)


def split_points(level: LevelPattern, data: Vector, scale: Vector, theta: float) -> DirectInterpolation | None:
    """A splitting into coarse and fine points; ``None`` where there are no couplings."""
    from pyamg.classical.split import RS

    dependences = _graph(level, galerkin.strong_dependences, data, scale, theta)
    if dependences[1].size == 0:
        return None
    # A point without couplings is relaxed exactly; PyAMG may call it coarse, which would carry it down all levels.
    coupled = np.diff(dependences[0]) > 0
    chosen = (RS(_as_matrix(*dependences)) == 1) & coupled
    count = int(np.count_nonzero(chosen))
    coarse = np.full(level.size, galerkin.NONE, dtype=np.uint32)
    coarse[chosen] = np.arange(count, dtype=np.uint32)
    return DirectInterpolation(coarse, count, dependences)


def spectral_radius(level: LevelPattern, data: Vector, scale: Vector) -> float:
    """The largest Ritz value of D⁻¹A after a few Lanczos steps from a fixed pseudorandom vector."""
    v, w, u = np.empty(level.size), np.zeros(level.size), np.empty(level.size)
    steps = min(_LANCZOS_STEPS, level.size)
    T = np.zeros((steps, steps))
    galerkin.lanczos_start(scale, v, u)
    beta = 0.0
    for k in range(steps):
        T[k, k] = alpha = galerkin.lanczos_multiply(*level.arrays, data, scale, u, beta, v, w)
        beta = math.sqrt(galerkin.lanczos_orthogonalize(alpha, v, w))
        if not beta > 1e-10 or k + 1 == steps:
            break
        T[k, k + 1] = T[k + 1, k] = beta
        galerkin.lanczos_normalize(1.0 / beta, scale, w, u)
        v, w = w, v
    if not np.all(np.isfinite(T)):
        raise Breakdown("multigrid: overflow in the estimate of the spectral radius")
    return max(float(np.linalg.eigvalsh(T)[-1]), 1.0)  # at least the mean of the eigenvalues of a unit diagonal


def _graph(level: LevelPattern, kernel: Any, data: Vector, scale: Vector, theta: float) -> Any:
    indptr, indices = np.empty(level.size + 1, dtype=np.int32), np.empty(level.indices.size, dtype=np.int32)
    count = kernel(*level.arrays, data, scale, theta, indptr, indices)
    return indptr, indices[:count]


def _as_matrix(indptr: NDArray[np.int32], indices: NDArray[np.int32]) -> Any:
    size = indptr.size - 1
    return sp.csr_array((np.ones(indices.size, dtype=np.int8), indices, indptr), shape=(size, size))


def _near_null_vector(level: LevelPattern, data: Vector, scale: Vector) -> Vector:
    """Ones, as for diffusion; or D^(-1/2), as for a matrix that was scaled: whichever A maps closer to zero."""
    ones = np.ones(level.size)
    if galerkin.rayleigh_quotient(*level.arrays, data, scale, ones) <= galerkin.rayleigh_quotient(
        *level.arrays, data, scale, scale
    ):
        return ones
    return scale
