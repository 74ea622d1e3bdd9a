"""What the door and the guesses need of kernels: by SciPy, as long as these would have to be compiled first.

The first solve on a machine so begins at once, while :mod:`reiterate.linear.background` has the kernels compiled. The
substitutes say the same of a matrix but for rounding errors, take up to some ten times as long, and are gone as soon
as the kernels are there. Nothing that is promised bit for bit goes through them: see :func:`insist`.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from reiterate.kernels import csr, vectors
from reiterate.kernels import fingerprint as fingerprints
from reiterate.linear import team

Index = NDArray[np.uint32]
Arrays = tuple[Index, Index, NDArray[Any]]

_waiting = False
_insisted = False


def wait() -> bool:
    """Use substitutes until :func:`arrive`; whether anybody may, see :func:`insist`."""
    global _waiting
    _waiting = not _insisted
    return _waiting


def arrive() -> None:
    """Use kernels: they are compiled, or have to be now."""
    global _waiting
    _waiting = False


def insist() -> None:
    """Use kernels in this process from now on, for a solver whose results must not depend on when they are ready."""
    global _insisted
    _insisted = True
    arrive()


def waiting() -> bool:
    """Whether substitutes are used at present."""
    return _waiting


def find_diagonal(indptr: Index, indices: Index, position: Index) -> int:
    """As :func:`reiterate.kernels.csr.find_diagonal`."""
    if not _waiting:
        return int(csr.find_diagonal(indptr, indices, position))
    size, nnz = position.size, indices.size
    keys = _rows(indptr) * size + indices.astype(np.int64)
    place = np.searchsorted(keys, np.arange(size) * (size + 1))
    position[:] = place
    missing = place == indptr[1:]
    inside = np.minimum(place, max(nnz - 1, 0))
    if nnz:
        missing |= indices[inside] != np.arange(size)
    return int(np.count_nonzero(missing))


def is_pattern_symmetric(indptr: Index, indices: Index) -> bool:
    """As :func:`reiterate.kernels.csr.is_pattern_symmetric`."""
    if not _waiting:
        return bool(csr.is_pattern_symmetric(indptr, indices, np.empty(indptr.size - 1, dtype=np.uint32)))
    mirror = _matrix((indptr, indices, np.ones(indices.size, dtype=np.int8))).T.tocsr()
    same_rows = np.array_equal(mirror.indptr, indptr.view(np.int32))
    return same_rows and np.array_equal(mirror.indices, indices.view(np.int32))


def find_mirrors(indptr: Index, indices: Index, position: Index) -> Index:
    """The mirrors that :func:`reiterate.kernels.csr.find_mirrors` writes."""
    if not _waiting:
        mirrors = np.zeros(indices.size, dtype=np.uint32)
        csr.find_mirrors(indptr, indices, position, np.empty(position.size, dtype=np.uint32), mirrors)
        return mirrors
    places = _matrix((indptr, indices, np.arange(indices.size, dtype=np.int32)))
    return np.asarray(places.T.tocsr().data).view(np.uint32)


def inspect_symmetric_pattern(
    indptr: Index,
    indices: Index,
    data: NDArray[np.float64],
    position: Index,
    mirrors: Index,
    diagonal: NDArray[np.float64],
    tolerance: float,
) -> tuple[bool, float, float, float, float]:
    """As :func:`reiterate.kernels.csr.inspect_symmetric_pattern`."""
    if not _waiting:
        facts: tuple[bool, float, float, float, float] = csr.inspect_symmetric_pattern(
            indptr, indices, data, position, mirrors, diagonal, tolerance
        )
        return facts
    np.take(data, position, out=diagonal)
    rows, first = _rows(indptr), indptr[:-1].astype(np.int64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        left = indices < rows
        difference = np.where(left, np.abs(data - data[mirrors]), 0.0)
        root = np.sqrt(np.abs(diagonal))
        symmetric = not np.any((difference != 0.0) & (difference > tolerance * root[rows] * root[indices]))
        size = np.abs(diagonal)
        entries = np.abs(data)
        entries[position] = 0.0
        off_diagonal = np.add.reduceat(entries, first)
        coupling = float(np.mean(off_diagonal / size))
        largest = np.fmax.reduce(np.abs(np.add.reduceat(data, first)) / (size + off_diagonal))
    return symmetric, float(diagonal.min()), float(diagonal.max()), coupling, float(largest)


def equal(x: Index, y: Index) -> bool:
    """Whether two arrays are equal."""
    return bool(fingerprints.equal(x, y)) if not _waiting else np.array_equal(x, y)


def fingerprint(words: NDArray[np.uint64]) -> tuple[int, int]:
    """As :func:`reiterate.kernels.fingerprint.fingerprint`, but with other numbers."""
    if not _waiting:
        first, second = fingerprints.fingerprint(words)
        return int(first), int(second)
    digest = hashlib.blake2b(words.data, digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def square_norm(r: NDArray[Any]) -> float:
    """Squared Euclidean norm of a vector, shape (n,)."""
    if not _waiting:
        return float(vectors.square_norm(r))
    return float(np.einsum("i,i->", r.conj(), r).real)


def product(arrays: Arrays, threads: int, bounds: NDArray[np.uint64], x: NDArray[Any], y: NDArray[Any]) -> None:
    """Write A x to ``y``; ``arrays`` are indptr, indices and data."""
    if not _waiting:
        team.call(threads, csr.matvec_parts, *arrays, x, y, bounds)
    else:
        y[:] = _matrix(arrays) @ x


def residual(
    arrays: Arrays,
    threads: int,
    bounds: NDArray[np.uint64],
    sums: NDArray[np.float64],
    x: NDArray[Any],
    b: NDArray[Any],
    r: NDArray[Any],
) -> float:
    """Write b − A x to ``r`` and return its squared Euclidean norm."""
    if not _waiting:
        return float(team.call(threads, csr.residual_parts, *arrays, x, b, r, bounds, sums))
    np.subtract(b, _matrix(arrays) @ x, out=r)
    return square_norm(r)


def two_residuals(
    arrays: Arrays, x: NDArray[Any], y: NDArray[Any], b: NDArray[Any], r: NDArray[Any], s: NDArray[Any]
) -> tuple[float, float]:
    """Write b − A x to ``r`` and b − A y to ``s``, and return their squared Euclidean norms."""
    if not _waiting:
        square, other = csr.two_residuals(*arrays, x, y, b, r, s)
        return float(square), float(other)
    A = _matrix(arrays)
    np.subtract(b, A @ x, out=r)
    np.subtract(b, A @ y, out=s)
    return square_norm(r), square_norm(s)


def recompute_residual(arrays: Arrays, x: NDArray[Any], b: NDArray[Any], r: NDArray[Any]) -> None:
    """Write b − A x to ``r``: to verify what iterations found."""
    if not _waiting:
        csr.recompute_residual(*arrays, x, b, r)
    else:
        np.subtract(b, _matrix(arrays) @ x, out=r)


def combine(weights: tuple[float, float, float], parts: tuple[NDArray[Any], ...], x: NDArray[Any]) -> None:
    """Write the combination of three vectors to ``x``."""
    if not _waiting:
        vectors.combine(*weights, *parts, x)
    else:
        x[:] = weights[0] * parts[0] + weights[1] * parts[1] + weights[2] * parts[2]


def warm_up() -> None:
    """Compile or load the kernels for real matrices with a symmetric pattern; the others need fewer."""
    indptr, indices = np.array([0, 1], dtype=np.uint32), np.zeros(1, dtype=np.uint32)
    position, cursor = np.zeros((2, 1), dtype=np.uint32)
    one, other, r = np.ones((3, 1))
    csr.find_diagonal(indptr, indices, position)
    csr.is_pattern_symmetric(indptr, indices, cursor)
    csr.find_mirrors(indptr, indices, position, cursor, indices.copy())
    csr.inspect_symmetric_pattern(indptr, indices, one, position, indices, other, 1e-12)
    fingerprints.equal(indptr, indptr)
    fingerprints.fingerprint(one.view(np.uint64))
    vectors.square_norm(one)
    vectors.combine(1.0, 0.0, 0.0, one, one, one, r)
    csr.recompute_residual(indptr, indices, one, one, one, r)
    csr.two_residuals(indptr, indices, one, one, one, one, r, other)
    bounds = np.array([0, 1], dtype=np.uint64)
    team.call(1, csr.matvec_parts, indptr, indices, one, other, r, bounds)
    team.call(1, csr.residual_parts, indptr, indices, one, other, one, r, bounds, team.partial_sums(1))


def _rows(indptr: Index) -> NDArray[np.int64]:
    widths = (indptr[1:] - indptr[:-1]).astype(np.int64)
    return np.repeat(np.arange(widths.size), widths)


def _matrix(arrays: Arrays) -> Any:
    indptr, indices, data = arrays
    size = indptr.size - 1
    return sp.csr_array((data, indices.view(np.int32), indptr.view(np.int32)), shape=(size, size))
