"""Inverses of the diagonal blocks of a matrix, and products with them.

Block t holds the unknowns from t · block on; the last one may be smaller. Blocks are kept dense, shape
(count, block, block).
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import inlined_kernel, kernel

_ROUNDOFF = 2.2e-16


@kernel
def count_blocks(indptr, indices, block, last_seen):
    """Return the number of block × block blocks in which an entry is stored.

    ``last_seen`` is a uint32 array with an entry for every block column, overwritten (workspace).
    """
    last_seen[:] = 0
    count = 0
    width = np.uint32(block)
    for i in range(indptr.size - 1):
        row = np.uint32(i // block + 1)
        for k in range(indptr[i], indptr[i + 1]):
            column = indices[k] // width
            if last_seen[column] != row:
                last_seen[column] = row
                count += 1
    return count


@kernel
def _cholesky_inverse(size, matrix, factor, inverse):
    """Write the inverse of a Hermitian positive definite block; False where a pivot is a rounding error or worse."""
    for j in range(size):
        pivot = matrix[j, j].real
        for k in range(j):
            pivot -= factor[j, k].real * factor[j, k].real + factor[j, k].imag * factor[j, k].imag
        if not pivot > 4.0 * size * _ROUNDOFF * matrix[j, j].real:
            return False
        root = np.sqrt(pivot)
        factor[j, j] = root
        for i in range(j + 1, size):
            value = matrix[i, j]
            for k in range(j):
                value -= factor[i, k] * np.conj(factor[j, k])
            factor[i, j] = value / root
    for j in range(size):  # L⁻¹, in the lower triangle of matrix
        matrix[j, j] = 1.0 / factor[j, j]
        for i in range(j + 1, size):
            value = factor[i, j] * matrix[j, j]
            for k in range(j + 1, i):
                value += factor[i, k] * matrix[k, j]
            matrix[i, j] = -value / factor[i, i]
    for i in range(size):
        for j in range(i + 1):
            value = matrix[i, i] * matrix[i, j]
            for k in range(i + 1, size):
                value += np.conj(matrix[k, i]) * matrix[k, j]
            inverse[i, j] = value
            inverse[j, i] = np.conj(value)
    return True


@kernel
def _gauss_jordan_inverse(size, matrix, inverse):
    """Write the inverse of a block, by elimination with partial pivoting; False where it is singular."""
    inverse[:] = 0
    largest = 0.0
    for i in range(size):
        inverse[i, i] = 1
        for j in range(size):
            largest = max(largest, abs(matrix[i, j]))
    for j in range(size):
        chosen = j
        for i in range(j + 1, size):
            if abs(matrix[i, j]) > abs(matrix[chosen, j]):
                chosen = i
        if not abs(matrix[chosen, j]) > _ROUNDOFF * _ROUNDOFF * largest:
            return False
        for k in range(size):
            matrix[j, k], matrix[chosen, k] = matrix[chosen, k], matrix[j, k]
            inverse[j, k], inverse[chosen, k] = inverse[chosen, k], inverse[j, k]
        pivot = matrix[j, j]
        for k in range(size):
            matrix[j, k] /= pivot
            inverse[j, k] /= pivot
        for i in range(size):
            multiplier = matrix[i, j]
            if i != j and multiplier != 0:
                for k in range(size):
                    matrix[i, k] -= multiplier * matrix[j, k]
                    inverse[i, k] -= multiplier * inverse[j, k]
    return True


@kernel
def _gather(indptr, indices, data, begin, size, matrix):
    matrix[:] = 0
    for i in range(size):
        for k in range(indptr[begin + i], indptr[begin + i + 1]):
            j = np.int64(indices[k]) - begin
            if 0 <= j < size:
                matrix[i, j] = data[k]


@kernel
def _is_finite(size, inverse):
    for i in range(size):
        for j in range(size):
            if not abs(inverse[i, j]) < np.inf:
                return False
    return True


@kernel
def invert_blocks(indptr, indices, data, block, definite, inverses, matrix, factor):
    """Invert every diagonal block; one that cannot be inverted is replaced by the modulus of its diagonal.

    Parameters
    ----------
    indptr, indices, data : the matrix, shape (n, n)
    block : int
    definite : bool
        Invert by Cholesky; a block that is not positive definite then counts as one that cannot be inverted.
    inverses : array of shape (count, block, block), written
    matrix, factor : arrays of shape (block, block), overwritten (workspace)

    Returns
    -------
    replaced : int
        Number of blocks that could not be inverted.
    failed : int
        The first block that has no usable diagonal either, or ``count``.
    """
    n = indptr.size - 1
    replaced = 0
    for t in range(inverses.shape[0]):
        begin = t * block
        size = min(block, n - begin)
        inverse = inverses[t]
        inverse[:] = 0
        _gather(indptr, indices, data, begin, size, matrix)
        if definite:
            inverted = _cholesky_inverse(size, matrix, factor, inverse)
        else:
            inverted = _gauss_jordan_inverse(size, matrix, inverse)
        if inverted and _is_finite(size, inverse):
            continue
        replaced += 1
        inverse[:] = 0
        _gather(indptr, indices, data, begin, size, matrix)
        for i in range(size):
            inverse[i, i] = 1.0 / abs(matrix[i, i])
        if not _is_finite(size, inverse):
            return replaced, t
    return replaced, inverses.shape[0]


@inlined_kernel
def _multiply(begin, end, block, inverses, r, z):
    for t in range(begin, end):
        first = t * block
        for i in range(block):
            total = r[first] * inverses[t, i, 0]
            for j in range(1, block):
                total += inverses[t, i, j] * r[first + j]
            z[first + i] = total


@kernel
def apply_blocks(inverses, r, z):
    """Write the products of the inverse blocks with ``r`` to ``z``; both of shape (n,)."""
    block = inverses.shape[1]
    whole = r.size // block
    # A literal size lets the compiler unroll the block.
    if block == 1:
        _multiply(0, whole, 1, inverses, r, z)
    elif block == 2:
        _multiply(0, whole, 2, inverses, r, z)
    elif block == 3:
        _multiply(0, whole, 3, inverses, r, z)
    elif block == 4:
        _multiply(0, whole, 4, inverses, r, z)
    else:
        _multiply(0, whole, block, inverses, r, z)
    first = whole * block
    for i in range(r.size - first):
        total = r[first] * inverses[whole, i, 0]
        for j in range(1, r.size - first):
            total += inverses[whole, i, j] * r[first + j]
        z[first + i] = total
