"""Harmonic Ritz vectors from the small matrices of a cycle of GMRES."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from reiterate.kernels import deflation

_RANK = 1e-12


@dataclass(slots=True)
class HarmonicChoice:
    """What to keep of a cycle: coefficients, one column for each vector to keep.

    A cycle ends with A M⁻¹ V̂ = Ŵ G, where V̂ = [U V], Ŵ = [C V₊], and the rotations of least squares give Ω G = R. A
    harmonic Ritz vector V̂ z of value θ fulfills GᴴG z = θ Gᴴ Ŵᴴ V̂ z (Morgan 1995), that is R⁻¹ (Ω Ŵᴴ V̂) z = z / θ.

    Attributes
    ----------
    images : array of shape (rows of Ŵ, kept)
        C in terms of the (not normalized) rows of the basis.
    vectors : array of shape (columns of V̂, kept)
        U in terms of U and the (not normalized) rows of the basis.
    """

    images: NDArray[Any]
    vectors: NDArray[Any]

    @classmethod
    def of(
        cls,
        triangle: NDArray[Any],
        cosines: NDArray[np.float64],
        sines: NDArray[Any],
        norms: NDArray[np.float64],
        basis: NDArray[Any],
        recycled: NDArray[Any],
        made: int,
        count: int,
    ) -> HarmonicChoice | None:
        """The choice of at most ``count`` vectors after ``made`` columns, of which U, ``recycled``, is the first."""
        R, held = triangle[:made, :made], recycled.shape[0]
        sizes = np.abs(np.diag(R))
        if not np.isfinite(R).all() or not sizes.min() > _RANK * np.abs(R).max():
            return None
        inverse_norms = np.divide(1.0, norms[: made + 1], out=np.zeros(made + 1), where=norms[: made + 1] > 0.0)
        overlaps = np.eye(made + 1, made, dtype=R.dtype)
        if held:
            products = np.empty((made + 1, held), R.dtype)
            deflation.inner_products(basis[: made + 1], recycled, products)
            overlaps[:, :held] = products * inverse_norms[:, None]
        for j in range(held, made):
            upper, under = overlaps[j].copy(), overlaps[j + 1].copy()
            overlaps[j] = cosines[j] * upper + sines[j] * under
            overlaps[j + 1] = cosines[j] * under - np.conj(sines[j]) * upper
        matrix = _solve_upper(R, overlaps[:made])
        if not np.isfinite(matrix).all():
            return None
        kept = _leading(matrix, count)
        Q, S = scipy.linalg.qr(np.triu(R) @ kept, mode="economic")
        if not np.abs(np.diag(S)).min() > _RANK * np.abs(np.diag(S)).max():
            return None
        vectors = _divide_by_upper(kept, S)
        images = np.zeros((made + 1, Q.shape[1]), R.dtype)
        images[:made] = Q
        for j in range(made - 1, held - 1, -1):
            upper, under = images[j].copy(), images[j + 1].copy()
            images[j] = cosines[j] * upper - sines[j] * under
            images[j + 1] = np.conj(sines[j]) * upper + cosines[j] * under
        vectors[held:] *= inverse_norms[held:made, None]
        return cls(images * inverse_norms[:, None], vectors)


# Not SciPy's: LAPACK would wake threads for these tiny systems, and wait for them on a busy machine.
def _solve_upper(triangle: NDArray[Any], rhs: NDArray[Any]) -> NDArray[Any]:
    """R⁻¹ B, for the upper triangle R of the matrix given."""
    solution = np.empty_like(rhs)
    for i in range(rhs.shape[0] - 1, -1, -1):
        solution[i] = (rhs[i] - triangle[i, i + 1 :] @ solution[i + 1 :]) / triangle[i, i]
    return solution


def _divide_by_upper(matrix: NDArray[Any], triangle: NDArray[Any]) -> NDArray[Any]:
    """B R⁻¹, for the upper triangle R of the matrix given."""
    quotient = np.empty_like(matrix)
    for j in range(matrix.shape[1]):
        quotient[:, j] = (matrix[:, j] - quotient[:, :j] @ triangle[:j, j]) / triangle[j, j]
    return quotient


def _leading(matrix: NDArray[Any], count: int) -> NDArray[Any]:
    """An orthonormal basis of the invariant subspace for the ``count`` largest eigenvalues; of a pair both or none."""
    count = min(count, matrix.shape[0])
    values, vectors = scipy.linalg.eig(matrix)
    order = np.argsort(-np.abs(values), kind="stable")
    if matrix.dtype.kind == "c":
        return np.asarray(scipy.linalg.qr(vectors[:, order[:count]], mode="economic")[0])
    columns: list[NDArray[Any]] = []
    for i in order:
        if values[i].imag < 0.0:
            continue  # its conjugate stands for both
        parts = [vectors[:, i].real] if values[i].imag == 0.0 else [vectors[:, i].real, vectors[:, i].imag]
        if len(columns) + len(parts) <= count:
            columns.extend(parts)
        if len(columns) == count:
            break
    if not columns:
        columns = [vectors[:, order[0]].real]
    return np.asarray(scipy.linalg.qr(np.array(columns).T, mode="economic")[0])
