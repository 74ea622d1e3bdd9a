"""A small space that deflates conjugate gradients, carried from instance to instance."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from reiterate.kernels import deflation, vectors
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.operator import Operator
from reiterate.linear.payoff import Payoff
from reiterate.linear.vectors import norm

Apply = Callable[[NDArray[Any], NDArray[Any]], None]

_RANK = 1e-10  # directions of relative size below it are rounding errors of the others
_NEAR = 0.05
_CHUNK = 512
_UNKNOWN = object()


class RecycledSpace:
    """W, near the eigenvectors of M⁻¹A with the smallest eigenvalues, and how it deflates a system.

    Attributes
    ----------
    vectors : float32 array of shape (k, n)
        The columns of W.
    inverse : array of shape (k, k)
        (WᵀAW)⁻¹ for the matrix it was refreshed with last, or one close to it.
    weight : float
        Where the eigenvalues are moved to: a mean of the spectrum of M⁻¹A.
    payoff : Payoff
        Whether it is worth its cost.
    """

    def __init__(self, size: int) -> None:
        self.vectors: NDArray[np.float32] = np.empty((0, size), dtype=np.float32)
        self.inverse = np.empty((0, 0))
        self.weight = 0.0
        self.payoff = Payoff()
        self._version: Hashable = _UNKNOWN
        self._energy = np.empty((0, 0))
        self._probe = 0
        self._products = np.empty(0)

    @property
    def exists(self) -> bool:
        """Whether there is a vector in it."""
        return bool(self.vectors.shape[0])

    @property
    def memory(self) -> int:
        """Bytes held."""
        return self.vectors.nbytes

    def drop(self) -> None:
        """Forget the vectors."""
        self.replace(self.vectors[:0])

    def replace(self, vectors: NDArray[np.float32]) -> None:
        """Take other vectors, which are copied."""
        self.vectors = vectors.copy()
        self._products = np.empty(self.vectors.shape[0])
        self._version = _UNKNOWN

    def refresh(self, instance: LinearInstance, precondition: Apply, r: Vector, workspace: NDArray[Any]) -> int:
        """Compute WᵀAW for the instance's matrix, unless it is known or nearly so; how many products with A that took.

        One column, another each time, is computed to find out how far the old matrix is from the new one.
        A space that is seen to be useless is dropped. ``r`` is a residual, ``workspace`` has shape (2, n).
        """
        probes = 0
        if self._version is not _UNKNOWN:
            if self._version is not None and self._version == instance.version:
                return 0
            probes = 1
            if self._is_near(instance, workspace):
                self._version = instance.version
                return probes
        count = self.vectors.shape[0]
        energy = _gram(self.vectors, instance.operator, workspace)
        z, image = workspace
        precondition(r, z)
        weighted = float(vectors.dot(r, z))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            self.weight = float(np.float64(instance.operator.apply_dot(z, image)) / weighted)
        inverse = _invert(energy)
        if inverse is None or not 0.0 < self.weight < np.inf:
            self.payoff.give_up()
            self.drop()
        else:
            self.inverse, self._energy = inverse, energy
            self._version = instance.version
        return int(count + 1 + probes)

    def _is_near(self, instance: LinearInstance, workspace: NDArray[Any]) -> bool:
        """Whether one column of WᵀAW is what it was, within a few percent in the energy norm."""
        self._probe = (self._probe + 1) % self.vectors.shape[0]
        x, image = workspace
        x[:] = self.vectors[self._probe]
        instance.operator.apply(x, image)
        deflation.project(self.vectors, image, self._products)
        scale = np.sqrt(np.diag(self._energy))
        drift = np.abs(self._products - self._energy[self._probe]) / (scale * scale[self._probe])
        return bool(drift.max() <= _NEAR)

    def project(self, r: Vector, x: Vector) -> None:
        """Add W (WᵀAW)⁻¹ Wᵀ r to ``x``: the error is then A-orthogonal to W."""
        deflation.project(self.vectors, r, self._products)
        deflation.correct(self.vectors, self.inverse @ self._products, r, x)

    def correct(self, r: Vector, z: Vector) -> float:
        """Add weight · W (WᵀAW)⁻¹ Wᵀ r to ``z`` and return r·z."""
        deflation.project(self.vectors, r, self._products)
        return float(deflation.correct(self.vectors, self.weight * (self.inverse @ self._products), r, z))

    def traffic(self, count: int) -> float:
        """Bytes that a correction with ``count`` vectors moves."""
        return float((8.0 * count + 32.0) * self.vectors.shape[1])

    def improve(
        self,
        instance: LinearInstance,
        precondition: Apply,
        found: NDArray[np.float32],
        count: int,
        workspace: NDArray[Any],
    ) -> int:
        """Choose the best ``count`` vectors from W and those found by the last solve.

        Harmonic Ritz vectors: A Y = θ A M⁻¹ A Y on the whole, i.e. those that minimize (A w)·M⁻¹(A w) / w·Aw (Morgan
        1995). Returns how many products with A, and as many applications of M, that took.
        """
        if not found.shape[0] or not np.isfinite(found).all():
            return 0
        if not self.exists:
            self.replace(found[:count] / np.linalg.norm(found[:count], axis=1, keepdims=True))
            return 0
        candidates = np.concatenate((self.vectors, found / np.linalg.norm(found, axis=1, keepdims=True)))
        energy, square = _harmonic_grams(candidates, instance.operator, precondition, workspace)
        chosen = _smallest(energy, square, count)
        if chosen is None:
            self.payoff.give_up()
            self.drop()
        else:
            self.replace(_combine(candidates, chosen))
        return int(candidates.shape[0])


def _gram(vectors: NDArray[np.float32], operator: Operator, workspace: NDArray[Any]) -> NDArray[np.float64]:
    """WᵀAW, by one product with A for every column."""
    count = vectors.shape[0]
    energy = np.empty((count, count))
    x, image = workspace
    for j in range(count):
        x[:] = vectors[j]
        operator.apply(x, image)
        deflation.project(vectors, image, energy[j])
    energy *= 0.5  # before the sum, which might overflow
    return energy + energy.T


def _harmonic_grams(
    candidates: NDArray[np.float32], operator: Operator, precondition: Apply, workspace: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """CᵀAC and (AC)ᵀM⁻¹(AC)."""
    count = candidates.shape[0]
    energy, square = np.empty((2, count, count))
    images = np.zeros_like(candidates)
    sizes = np.empty(count)
    x, image = workspace
    for j in range(count):
        x[:] = candidates[j]
        operator.apply(x, image)
        deflation.project(candidates, image, energy[j])
        precondition(image, x)
        sizes[j] = norm(image)
        with np.errstate(invalid="ignore", divide="ignore"):
            images[j] = image / sizes[j]
        deflation.project(images, x, square[j])
    square *= sizes
    square = np.tril(square) + np.tril(square, -1).T
    return 0.5 * (energy + energy.T), square


def _balance(energy: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """A basis in which ``energy`` is the identity, without the directions that are rounding errors, if it is definite.

    Returns the basis, one column a direction, and the scale of the eigenvalues.
    """
    diagonal = np.diag(energy)
    if not (np.isfinite(energy).all() and np.all(diagonal > 0.0)):
        return None
    scale = 1.0 / np.sqrt(diagonal)
    values, directions = scipy.linalg.eigh(scale[:, None] * energy * scale)
    if values[0] < -_RANK * values[-1]:
        return None
    kept = values > _RANK * values[-1]
    return scale[:, None] * directions[:, kept] / np.sqrt(values[kept]), values


def _invert(energy: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The (pseudo-)inverse, where the matrix is positive definite but for rounding errors."""
    balanced = _balance(energy)
    if balanced is None:
        return None
    basis = balanced[0]
    inverse = basis @ basis.T
    return inverse if np.isfinite(inverse).all() else None


def _smallest(energy: NDArray[np.float64], square: NDArray[np.float64], count: int) -> NDArray[np.float64] | None:
    """Coefficients of the harmonic Ritz vectors of the ``count`` smallest values, one column each."""
    balanced = _balance(energy)
    if balanced is None or not np.isfinite(square).all():
        return None
    basis = balanced[0]
    reduced = basis.T @ square @ basis
    if not np.isfinite(reduced).all():
        return None
    directions = scipy.linalg.eigh(reduced)[1]
    return np.asarray(basis @ directions[:, :count])


def _combine(vectors: NDArray[np.float32], coefficients: NDArray[np.float64]) -> NDArray[np.float32]:
    """Combinations of the vectors, one for each column of coefficients, of norm 1 or nearly."""
    weights = (coefficients / np.abs(coefficients).max(axis=0)).T.astype(np.float32)
    combined = np.empty((weights.shape[0], vectors.shape[1]), dtype=np.float32)
    deflation.combine(weights, vectors, np.empty((weights.shape[0], _CHUNK), dtype=np.float32), combined)
    combined /= np.linalg.norm(combined, axis=1, keepdims=True)
    return combined
