"""How multigrid gets from one level to the next: who the coarse unknowns are, and the prolongator from them.

Either kind of prolongator has a pattern that is kept for as long as the pattern of A is, and numbers that are
recomputed with A's. PyAMG makes the two decisions that are graph algorithms: aggregates, and coarse points.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from reiterate.errors import Breakdown
from reiterate.kernels import galerkin, lanczos
from reiterate.linear.instance import Vector
from reiterate.linear.pattern import Index

_LANCZOS_STEPS = 6
_REFRESHES = 8  # after which the spectral radius is estimated anew
_SIMILAR = 0.05
_DAMPING = 4.0 / 3.0


class LevelPattern:
    """The pattern of one level's matrix, where its diagonal is, and the prolongator from the next; depth 0 is A's."""

    def __init__(self, depth: int, indptr: Index, indices: Index, position: Index) -> None:
        self.depth = depth
        self.indptr, self.indices, self.position = indptr, indices, position
        self.size = position.size
        # The last entry of a row is the farthest right, and no row is empty: each has its diagonal.
        self.bandwidth = int(np.max(indices[indptr[1:] - np.uint32(1)] - np.arange(self.size, dtype=np.int64)))
        self.transfer: Transfer | None = None

    @property
    def arrays(self) -> tuple[Index, Index]:
        """What kernels take."""
        return self.indptr, self.indices


class Transfer(ABC):
    """A prolongator P of shape (n, n_coarse), exact for a near-nullspace candidate B: P B_coarse ≈ B.

    On the finest level the candidate is constant, as for diffusion; or, if ``scaled``, D^(-1/2), as for a matrix that
    somebody has scaled. Both follow from the numbers, so that a refresh is a build with known patterns.
    """

    indptr: Index
    indices: Index
    coarse_candidate: Vector

    def __init__(self, coarse_size: int, scaled: bool) -> None:
        self.coarse_size = coarse_size
        self.scaled = scaled

    @property
    @abstractmethod
    def memory(self) -> int:
        """Bytes held besides the pattern."""

    @abstractmethod
    def weights(self, level: LevelPattern, data: Vector, scale: Vector, above: Transfer | None) -> Vector:
        """The numbers of P for the level's numbers, shape (nnz(P),)."""

    def simplified(self) -> Transfer | None:
        """A sparser prolongator from the same coarse unknowns, if there is one."""
        return None

    def candidate(self, scale: Vector, above: Transfer | None) -> Vector:
        """B on the fine side, shape (n,)."""
        if above is not None:
            return above.coarse_candidate
        return scale if self.scaled else np.ones_like(scale)


class SmoothedAggregation(Transfer):
    """P = (I − ω D⁻¹ A_F) T, ω = 4/3 / ρ(D⁻¹ A), with T the candidate on each aggregate, normalized.

    Source: Vaněk, Mandel and Brezina (1996). Aggregates are kept; ω and P follow the numbers of A.
    """

    def __init__(self, aggregate: Index, coarse_size: int, couplings: Any | None, *, scaled: bool) -> None:
        super().__init__(coarse_size, scaled)
        self.aggregate = aggregate
        self._smoothed = couplings is not None
        self._norm = self._part = 1.0
        self._refreshes = 0
        size = aggregate.size
        if couplings is None:  # P = T: as the smoothed pattern of a graph without edges
            couplings = np.zeros(size + 1, dtype=np.int32), np.empty(0, dtype=np.int32)
        self.indptr = np.empty(size + 1, dtype=np.uint32)
        indices = np.empty(size + couplings[1].size, dtype=np.uint32)
        marker = np.zeros(coarse_size, dtype=np.int64)
        count = galerkin.smoothed_pattern(*couplings, aggregate, marker, self.indptr, indices)
        self.indices = indices[:count].copy()
        self.coarse_candidate = np.empty(coarse_size)

    @property
    def memory(self) -> int:
        """Bytes held besides the pattern."""
        return self.aggregate.nbytes + self.coarse_candidate.nbytes

    def weights(self, level: LevelPattern, data: Vector, scale: Vector, above: Transfer | None) -> Vector:
        """The numbers of P."""
        candidate, norms = self.candidate(scale, above), self.coarse_candidate
        galerkin.aggregate_norms(candidate, self.aggregate, norms)
        if not (np.all(norms > 0.0) and np.all(np.isfinite(norms))):
            raise Breakdown("multigrid: the scaling of A is too extreme for a near-nullspace vector")
        omega = _DAMPING / self._radius(level, data, scale) if self._smoothed else 0.0
        weights = np.empty(self.indices.size)
        galerkin.smoothed_values(
            *level.arrays, data, scale, self.aggregate, candidate, norms, omega,
            np.zeros(self.coarse_size, dtype=np.int64), self.indptr, self.indices, weights,
        )  # fmt: skip
        return weights

    def _radius(self, level: LevelPattern, data: Vector, scale: Vector) -> float:
        """ρ: by a few Lanczos steps, or, while the norm hardly changes, as the same part of the norm as then.

        Any ω gives a valid P; one that is a few per cent off is as good.
        """
        norm = float(lanczos.largest_row_sum(*level.arrays, data, scale))
        if self._refreshes % _REFRESHES == 0 or not abs(norm - self._norm) <= _SIMILAR * self._norm:
            self._norm, self._part, self._refreshes = norm, spectral_radius(level, data, scale) / norm, 0
        self._refreshes += 1
        return self._part * norm

    def simplified(self) -> Transfer | None:
        """P = T, with which a coarse matrix has at most the entries of the fine one."""
        return (
            SmoothedAggregation(self.aggregate, self.coarse_size, None, scaled=self.scaled) if self._smoothed else None
        )


class DirectInterpolation(Transfer):
    """Interpolation from the coarse points that an unknown depends on strongly; the splitting is kept.

    Source: Ruge and Stüben (1987); Stüben (2001) for the treatment of positive entries.
    """

    def __init__(self, coarse: Index, coarse_size: int, dependences: Any, *, scaled: bool) -> None:
        super().__init__(coarse_size, scaled)
        self.coarse = coarse
        self.indptr = np.empty(coarse.size + 1, dtype=np.uint32)
        indices = np.empty(coarse.size + dependences[1].size, dtype=np.uint32)
        count = galerkin.direct_pattern(*dependences, coarse, self.indptr, indices)
        self.indices = indices[:count].copy()
        self.coarse_candidate = np.empty(coarse_size)

    @property
    def memory(self) -> int:
        """Bytes held besides the pattern."""
        return self.coarse.nbytes + self.coarse_candidate.nbytes

    def weights(self, level: LevelPattern, data: Vector, scale: Vector, above: Transfer | None) -> Vector:
        """The numbers of P."""
        candidate = self.candidate(scale, above)
        self.coarse_candidate = candidate[self.coarse != galerkin.NONE]
        weights = np.empty(self.indices.size)
        galerkin.direct_values(
            *level.arrays, data, level.position, self.coarse, candidate, self.indptr, self.indices, weights
        )
        return weights


def aggregate_unknowns(
    level: LevelPattern, data: Vector, scale: Vector, theta: float, above: Transfer | None
) -> SmoothedAggregation | None:
    """Aggregates of strongly coupled unknowns; ``None`` where there are no couplings."""
    from pyamg.aggregation.aggregate import standard_aggregation

    couplings = _graph(level, galerkin.strong_couplings, data, scale, theta)
    if couplings[1].size == 0:
        return None
    operator, roots = standard_aggregation(_as_matrix(*couplings))
    aggregate = np.full(level.size, galerkin.NONE, dtype=np.uint32)
    aggregate[np.diff(operator.indptr) > 0] = operator.indices
    scaled = _is_scaled(level, data, scale) if above is None else above.scaled
    return SmoothedAggregation(aggregate, roots.size, couplings, scaled=scaled)


def split_points(
    level: LevelPattern, data: Vector, scale: Vector, theta: float, above: Transfer | None
) -> DirectInterpolation | None:
    """A splitting into coarse and fine points; ``None`` where there are no couplings."""
    from pyamg.classical.split import RS

    scaled = _is_scaled(level, data, scale) if above is None else above.scaled
    finest = scale if scaled else np.ones_like(scale)
    candidate = finest if above is None else above.coarse_candidate
    dependences = _graph(level, galerkin.strong_dependences, data, scale, theta, candidate)
    if dependences[1].size == 0:
        return None
    # A point without couplings is relaxed exactly; PyAMG may call it coarse, which would carry it down all levels.
    coupled = np.diff(dependences[0]) > 0
    chosen = (RS(_as_matrix(*dependences)) == 1) & coupled
    count = int(np.count_nonzero(chosen))
    coarse = np.full(level.size, galerkin.NONE, dtype=np.uint32)
    coarse[chosen] = np.arange(count, dtype=np.uint32)
    return DirectInterpolation(coarse, count, dependences, scaled=scaled)


def spectral_radius(level: LevelPattern, data: Vector, scale: Vector) -> float:
    """The largest Ritz value of D⁻¹A after a few Lanczos steps from a fixed pseudorandom vector."""
    v, w, u = np.empty(level.size), np.zeros(level.size), np.empty(level.size)
    steps = min(_LANCZOS_STEPS, level.size)
    T = np.zeros((steps, steps))
    lanczos.start(scale, v, u)
    beta = 0.0
    for k in range(steps):
        T[k, k] = alpha = lanczos.multiply(*level.arrays, data, scale, u, beta, v, w)
        beta = math.sqrt(lanczos.orthogonalize(alpha, v, w))
        if not beta > 1e-10 or k + 1 == steps:
            break
        T[k, k + 1] = T[k + 1, k] = beta
        lanczos.normalize(1.0 / beta, scale, w, u)
        v, w = w, v
    if not np.all(np.isfinite(T)):
        raise Breakdown("multigrid: overflow in the estimate of the spectral radius")
    return max(float(np.linalg.eigvalsh(T)[-1]), 1.0)  # at least the mean of the eigenvalues of a unit diagonal


def _graph(level: LevelPattern, kernel: Any, data: Vector, scale: Vector, theta: float, *candidate: Vector) -> Any:
    indptr, indices = np.empty(level.size + 1, dtype=np.int32), np.empty(level.indices.size, dtype=np.int32)
    count = kernel(*level.arrays, data, scale, *candidate, theta, indptr, indices)
    return indptr, indices[:count]


def _as_matrix(indptr: NDArray[np.int32], indices: NDArray[np.int32]) -> Any:
    size = indptr.size - 1
    return sp.csr_array((np.ones(indices.size, dtype=np.int8), indices, indptr), shape=(size, size))


def _is_scaled(level: LevelPattern, data: Vector, scale: Vector) -> bool:
    """Whether A maps D^(-1/2) closer to zero than constants, in units of its diagonal."""
    constant, scaled = (galerkin.rayleigh_quotient(*level.arrays, data, scale, v) for v in (np.ones_like(scale), scale))
    return not constant <= scaled
