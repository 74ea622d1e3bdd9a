"""Null spaces of singular matrices, such as the constants of a pressure equation with pure Neumann conditions.

A singular system has a solution where b is orthogonal to null(Aᴴ), and then it has many: the one orthogonal to null(A),
which is the shortest, is taken. Since A x is orthogonal to null(Aᴴ), ‖b − A x‖² = ‖P b − A x‖² + ‖b − P b‖² with the
projection P onto the range, so that what is left of b outside the range is a lower bound for every residual, known
before solving.
"""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from reiterate.errors import InvalidInput
from reiterate.linear.vectors import Vector, norm

Pins = tuple[NDArray[np.int64], NDArray[np.int64]]

_ROUNDING = 1e-15  # a projected b of this relative size is nothing but rounding errors
_TOLERATED_LOSS = 1e-2  # of the smallest singular value, for rows and columns to be the same
_ALIKE = 1e-10


class NullSpace(ABC):
    """null(A), and null(Aᴴ), which is orthogonal to the range of A."""

    @abstractmethod
    def project(self, x: Vector) -> Vector:
        """What is left of ``x``, shape (n,), without its component in null(A)."""

    @abstractmethod
    def project_range(self, b: Vector) -> Vector:
        """What is left of ``b``, shape (n,), without its component in null(Aᴴ)."""

    @property
    @abstractmethod
    def pins(self) -> Pins:
        """Rows R and columns C such that W[R] and Z[C] are regular, for bases Z of null(A) and W of null(Aᴴ).

        With any δ_i ≠ 0 the matrix B = A + Σ δ_i e_{R_i} e_{C_i}ᵀ is then regular, and where b is in the range of A,
        B x = b implies A x = b: Wᴴ of both sides leaves Σ δ_i W[R_i]ᴴ x[C_i] = 0, so that x[C] = 0.
        """

    def admit(self, b: Vector, rtol: float, atol: float, *, insist: bool) -> tuple[Vector, float, float]:
        """The right-hand side in the range of A, with tolerances that make its solution one of the original system.

        ``insist``: the caller asked for the projection, and the residual is that of the projected b.

        Raises
        ------
        InvalidInput
            No x can meet the tolerance.
        """
        # Twice, because one projection leaves rounding errors of the size of what it takes away.
        projected = self.project_range(self.project_range(b))
        size = norm(b)
        if insist:
            nothing = norm(projected) <= _ROUNDING * size
            return (np.zeros_like(b) if nothing else projected), rtol, atol
        outside = norm(b - projected)
        allowed = max(rtol * size, atol)
        if outside > 0.7 * allowed:
            raise InvalidInput(
                "b",
                f"has a component of relative size {outside / size:.1e} along the constants, which A maps to zero "
                "(A 1 = 0): no x can meet the tolerance. Pass b - b.mean(), or Solver(null_space='constant') to have "
                "it projected",
            )
        if allowed == 0.0:
            return projected, rtol, atol
        share = outside / allowed
        return projected, 0.0, allowed * math.sqrt((1.0 - share) * (1.0 + share))


class Constants(NullSpace):
    """The constants on the connected parts of a pattern, given by its ``indptr`` and ``indices``."""

    def __init__(self, indptr: NDArray[np.uint32], indices: NDArray[np.uint32]) -> None:
        size = indptr.size - 1
        ones = np.ones(indices.size, dtype=np.int8)
        graph = sp.csr_array((ones, indices.view(np.int32), indptr.view(np.int32)), shape=(size, size))
        self.count, self._part = connected_components(graph, directed=False)
        self._sizes: NDArray[np.int64] = np.bincount(self._part, minlength=self.count)

    @classmethod
    def of(cls, matrix: sp.csr_array) -> Constants:
        """Those on the parts that entries other than zero connect."""
        stored = matrix.data != 0.0
        ends = np.concatenate(([0], np.cumsum(stored)))[matrix.indptr]
        return cls(ends.astype(np.int32).view(np.uint32), matrix.indices[stored].astype(np.int32).view(np.uint32))

    @functools.cached_property
    def pins(self) -> Pins:
        """One unknown of every part."""
        first = np.unique(self._part, return_index=True)[1].astype(np.int64)
        return first, first

    def project(self, x: Vector) -> Vector:
        """What is left of ``x``, shape (n,), without its mean on every part."""
        if self.count == 1:
            mean: complex = x.mean()
            return np.asarray(x - mean)
        return np.asarray(x - (self._sums(x) / self._sizes)[self._part])

    def project_range(self, b: Vector) -> Vector:
        """The same, because constants are in null(Aᴴ) too."""
        return self.project(b)

    def contain(self, basis: Vector) -> bool:
        """Whether the rows of ``basis``, orthonormal, shape (k, n), are constant on every part."""
        return all(norm(self.project(row)) <= _ALIKE for row in basis)

    def lie_in(self, basis: Vector) -> bool:
        """Whether the orthonormal rows of ``basis`` span the constants on every part."""
        if self.count > basis.shape[0]:
            return False
        shares = np.sum([np.abs(self._sums(row)) ** 2 / self._sizes for row in basis], axis=0)
        return bool(np.all(1.0 - shares <= _ALIKE))

    def _sums(self, x: Vector) -> Vector:
        if x.dtype.kind == "c":
            return np.asarray(self._sums(x.real) + 1j * self._sums(x.imag))
        return np.bincount(self._part, weights=x, minlength=self.count)


class Spanned(NullSpace):
    """The spaces that orthonormal rows span: ``right``, shape (k, n), null(A), and ``left`` null(Aᴴ)."""

    def __init__(self, right: Vector, left: Vector) -> None:
        self.right = right
        self.left = left

    def project(self, x: Vector) -> Vector:
        """The difference x − Z Zᴴ x."""
        return _without(self.right, x)

    def project_range(self, b: Vector) -> Vector:
        """The difference b − W Wᴴ b."""
        return _without(self.left, b)

    @functools.cached_property
    def pins(self) -> Pins:
        """Pivots of Zᴴ and Wᴴ; the same rows and columns where that costs little."""
        rows, columns = _pivots(self.left), _pivots(self.right)
        for both in (columns, rows):
            if all(
                _smallest(basis[:, both]) >= _TOLERATED_LOSS * _smallest(basis[:, own])
                for basis, own in ((self.left, rows), (self.right, columns))
            ):
                return both, both
        return rows, columns


def _without(basis: Vector, x: Vector) -> Vector:
    # Not BLAS, which would wake threads for it.
    components = np.einsum("kn,n->k", basis.conj(), x)
    return np.asarray(x - np.einsum("kn,k->n", basis, components))


def _pivots(basis: Vector) -> NDArray[np.int64]:
    """Columns, as many as there are rows, that QR with column pivoting (Businger and Golub 1965) takes first."""
    order = scipy.linalg.qr(basis, mode="r", pivoting=True)[1]
    return np.sort(order[: basis.shape[0]]).astype(np.int64)


def _smallest(square: Vector) -> float:
    return float(np.linalg.svd(square, compute_uv=False)[-1])
