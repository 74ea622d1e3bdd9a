"""Approximate eigenvectors of M⁻¹A for its smallest eigenvalues, as a by-product of conjugate gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from reiterate.kernels import deflation
from reiterate.linear.vectors import norm

_CHUNK = 512
_PER_RESTART = 16
_SMALLEST_STEP = 1e-280


def tridiagonal(
    alphas: Sequence[float] | NDArray[Any], betas: Sequence[float] | NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The matrix of the Lanczos process hidden in CG, whose eigenvalues are Ritz values of M⁻¹A: its two diagonals.

    Source: Golub and Van Loan, "Matrix Computations", section 11.3. ``alphas`` are the step lengths of CG; ``betas``
    the coefficients of its directions, the first of which is 0.
    """
    alpha, beta = np.array(alphas), np.array(betas)
    diagonal = 1.0 / alpha
    diagonal[1:] += beta[1:] / alpha[:-1]
    below: NDArray[np.float64] = np.sqrt(beta[1:]) / alpha[:-1]
    return diagonal, below


class LanczosWindow:
    """The vectors of the Lanczos process hidden in CG: a window of them, compressed whenever it is full.

    Source: A. Stathopoulos and K. Orginos, "Computing and deflating eigenvalues while solving multiple right-hand side
    linear systems", SIAM J. Sci. Comput. 32 (2010) (eigCG). The vectors z_j / √(r_j·z_j) are M-orthonormal, and their
    tridiagonal matrix follows from the coefficients of CG. When the window is full, the Ritz vectors of the ``wanted``
    smallest values, of this step and of the one before, take its place: their convergence is nearly that of an
    unrestricted Lanczos process. CG itself is not touched.

    An iteration moves about 4 · window / 16 + 12 vectors' bytes; nothing is allocated in iterations.

    Parameters
    ----------
    vectors
        Workspace, float32, shape (2 · wanted + 16, n), overwritten.
    wanted
        Number of eigenvectors.
    """

    def __init__(self, vectors: NDArray[np.float32], wanted: int) -> None:
        self._vectors = vectors
        self._wanted = wanted
        self._count = 0
        self._matrix = np.zeros((vectors.shape[0], vectors.shape[0]))
        self._step = np.inf
        self._factor = 0.0

    @staticmethod
    def length(wanted: int) -> int:
        """Vectors in a window."""
        return 2 * wanted + _PER_RESTART

    @staticmethod
    def traffic(wanted: int, size: int) -> float:
        """Bytes that keeping the window moves in an iteration."""
        return (12.0 + 4.0 * (LanczosWindow.length(wanted) + 4 * wanted) / _PER_RESTART) * size

    def add(self, z: NDArray[Any], weighted: float, beta: float) -> None:
        """Take in M⁻¹ r of a new step, r·M⁻¹r, and the coefficient β that belongs to it (0 in the first)."""
        coupling = -np.sqrt(beta) / self._step
        if self._count == self._vectors.shape[0]:
            row = self._compress() * coupling
        else:
            row = np.zeros(self._count)
            row[-1:] = coupling
        j = self._count
        self._matrix[j, :j] = self._matrix[:j, j] = row
        self._matrix[j, j] = beta / self._step
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            if self._factor == 0.0:
                # One factor for all leaves their matrix as it is, and keeps them in the range of single precision.
                self._factor = np.sqrt(weighted) / norm(z)
            scale = self._factor / np.sqrt(weighted)
            np.multiply(z, scale, out=self._vectors[j], casting="same_kind")
        if not np.isfinite(scale):
            self._matrix[j, j] = np.nan
        self._count = j + 1

    def close(self, alpha: float) -> None:
        """Take in the step length α along the direction that began with the last vector."""
        # A step near underflow leaves nothing to learn from; a matrix that is not finite is dropped in the end.
        self._step = alpha if alpha > _SMALLEST_STEP else np.nan
        self._matrix[self._count - 1, self._count - 1] += 1.0 / self._step

    def ritz_vectors(self) -> NDArray[np.float32]:
        """Ritz vectors of the smallest values, shape (at most ``wanted``, n); a view of the workspace."""
        if not self._count or not np.isfinite(self._matrix).all():
            return self._vectors[:0]
        kept = _smallest(self._matrix[: self._count, : self._count], self._wanted)
        self._combine(kept)
        return self._vectors[: kept.shape[1]]

    def _compress(self) -> NDArray[np.float64]:
        """Replace the full window by Ritz vectors; return their components along the last vector."""
        if not np.isfinite(self._matrix).all():
            self._matrix[:] = 0.0
            self._count = 0
            return np.zeros(0)
        full = self._count
        T = self._matrix[:full, :full]
        now = _smallest(T, self._wanted)
        before = np.zeros((full, self._wanted))
        before[:-1] = _smallest(T[:-1, :-1], self._wanted)
        Q = np.linalg.qr(np.hstack([now, before]))[0]
        values, rotation = scipy.linalg.eigh(Q.T @ T @ Q, driver="evr")
        kept = Q @ rotation
        self._combine(kept)
        self._count = kept.shape[1]
        self._matrix[:] = 0.0
        np.fill_diagonal(self._matrix[: self._count, : self._count], values)
        last: NDArray[np.float64] = kept[-1]
        return last

    def _combine(self, coefficients: NDArray[np.float64]) -> None:
        weights = np.ascontiguousarray(coefficients.T, dtype=np.float32)
        workspace = np.empty((weights.shape[0], _CHUNK), dtype=np.float32)
        deflation.combine(weights, self._vectors, workspace, self._vectors)


def _smallest(matrix: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Eigenvectors of the ``count`` smallest eigenvalues, one column each."""
    vectors: NDArray[np.float64] = scipy.linalg.eigh(matrix, driver="evr")[1]
    return vectors[:, :count]
