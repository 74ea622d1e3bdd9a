"""Products with, and one-pass facts about, a sparse matrix in compressed sparse row form."""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import PREFETCH_DISTANCE, kernel, never_inline, prefetch
from reiterate.kernels.spmd import add_parts, barrier, join


@kernel
def _matvec_rows(first, last, indptr, indices, data, x, y):
    never_inline()
    end = indptr[first]
    for i in range(first, last):
        begin = end
        end = indptr[i + np.uint64(1)]
        prefetch(data, begin + PREFETCH_DISTANCE)
        prefetch(indices, begin + PREFETCH_DISTANCE)
        total = 0.0
        for k in range(begin, end):
            total += data[k] * x[indices[k]]
        y[i] = total


@kernel
def matvec_dot_rows(first, last, indptr, indices, data, x, y):
    """As :func:`matvec_dot`, rows ``first`` to ``last`` − 1 (uint64) only."""
    never_inline()
    dot = 0.0
    end = indptr[first]
    for i in range(first, last):
        begin = end
        end = indptr[i + np.uint64(1)]
        prefetch(data, begin + PREFETCH_DISTANCE)
        prefetch(indices, begin + PREFETCH_DISTANCE)
        total = 0.0
        for k in range(begin, end):
            total += data[k] * x[indices[k]]
        y[i] = total
        dot += (np.conj(x[i]) * total).real
    return dot


@kernel
def _residual_rows(first, last, indptr, indices, data, x, b, r):
    never_inline()
    square = 0.0
    end = indptr[first]
    for i in range(first, last):
        begin = end
        end = indptr[i + np.uint64(1)]
        prefetch(data, begin + PREFETCH_DISTANCE)
        prefetch(indices, begin + PREFETCH_DISTANCE)
        total = 0.0
        for k in range(begin, end):
            total += data[k] * x[indices[k]]
        difference = b[i] - total
        r[i] = difference
        square += difference.real * difference.real + difference.imag * difference.imag
    return square


@kernel
def matvec(indptr, indices, data, x, y):
    """Write A x to ``y``.

    Parameters
    ----------
    indptr, indices, data : arrays of shape (n + 1,), (nnz,), (nnz,)
        The matrix A of shape (n, m); see :mod:`reiterate.kernels`.
    x : array of shape (m,)
    y : array of shape (n,), written
    """
    _matvec_rows(np.uint64(0), np.uint64(y.size), indptr, indices, data, x, y)


@kernel
def matvec_dot(indptr, indices, data, x, y):
    """Write A x to ``y`` and return Re x·(A x), x conjugated, in one pass; shapes as :func:`matvec`, m = n."""
    return matvec_dot_rows(np.uint64(0), np.uint64(y.size), indptr, indices, data, x, y)


@kernel
def residual(indptr, indices, data, x, b, r):
    """Write b − A x to ``r`` (shape (n,)) and return its squared Euclidean norm; shapes as :func:`matvec`."""
    return _residual_rows(np.uint64(0), np.uint64(r.size), indptr, indices, data, x, b, r)


@kernel
def two_residuals(indptr, indices, data, x, y, b, r, s):
    """Write b − A x to ``r`` and b − A y to ``s``, return both squared norms; the matrix is read once."""
    square = 0.0
    other = 0.0
    end = indptr[0]
    for i in range(r.size):
        begin = end
        end = indptr[i + 1]
        prefetch(data, np.uint64(begin) + PREFETCH_DISTANCE)
        prefetch(indices, np.uint64(begin) + PREFETCH_DISTANCE)
        total = 0.0
        second = 0.0
        for k in range(begin, end):
            total += data[k] * x[indices[k]]
            second += data[k] * y[indices[k]]
        difference = b[i] - total
        r[i] = difference
        square += difference.real * difference.real + difference.imag * difference.imag
        difference = b[i] - second
        s[i] = difference
        other += difference.real * difference.real + difference.imag * difference.imag
    return square, other


@kernel
def recompute_residual(indptr, indices, data, x, b, r):
    """Write b − A x to ``r``, as :func:`residual` does: to verify what iterations found, none of which uses it."""
    end = indptr[0]
    for i in range(r.size):
        begin = end
        end = indptr[i + 1]
        prefetch(data, np.uint64(begin) + PREFETCH_DISTANCE)
        prefetch(indices, np.uint64(begin) + PREFETCH_DISTANCE)
        total = 0.0
        for k in range(begin, end):
            total += data[k] * x[indices[k]]
        r[i] = b[i] - total


@kernel
def matvec_parts(indptr, indices, data, x, y, bounds, board, thread):
    """As :func:`matvec`, by several threads.

    ``bounds`` is a uint64 array of shape (parts + 1,): part i of the rows is ``bounds[i]:bounds[i + 1]``. For ``board``
    and ``thread`` see :mod:`reiterate.kernels.spmd`.
    """
    threads = join(board, thread)
    if threads > 0:
        for part in range(thread, bounds.size - 1, threads):
            _matvec_rows(bounds[part], bounds[part + 1], indptr, indices, data, x, y)
        barrier(board, thread, threads)


@kernel
def matvec_dot_parts(indptr, indices, data, x, y, bounds, sums, board, thread):
    """As :func:`matvec_dot`, by several threads; ``sums`` of shape (parts, 16) is workspace."""
    threads = join(board, thread)
    if threads == 0:
        return 0.0
    for part in range(thread, bounds.size - 1, threads):
        sums[part, 0] = matvec_dot_rows(bounds[part], bounds[part + 1], indptr, indices, data, x, y)
    barrier(board, thread, threads)
    return add_parts(sums, 0)


@kernel
def gather_rows(rows, indptr, entries, gathered_indptr, gathered):
    """Write the entries of the rows ``rows``, one after the other, to ``gathered``; :func:`gather_widths` came before.

    ``entries`` of shape (nnz,) may be column indices or values, and ``gathered`` is of the same type.
    """
    for t in range(rows.size):
        i = rows[t]
        source = np.uint64(indptr[i])
        prefetch(entries, source + PREFETCH_DISTANCE)
        for place in range(gathered_indptr[t], gathered_indptr[t + 1]):
            gathered[place] = entries[source]
            source += np.uint64(1)


@kernel
def gather_widths(rows, indptr, gathered_indptr):
    """Write where rows begin that are stored in the order ``rows``, shape (n,), to an array of shape (n + 1,)."""
    gathered_indptr[0] = 0
    for t in range(rows.size):
        i = rows[t]
        gathered_indptr[t + 1] = gathered_indptr[t] + (indptr[i + np.uint32(1)] - indptr[i])


@kernel
def _gathered_matvec_rows(first, last, rows, indptr, indices, data, x, y):
    never_inline()
    dot = 0.0
    end = indptr[first]
    for t in range(first, last):
        begin = end
        end = indptr[t + np.uint64(1)]
        prefetch(data, begin + PREFETCH_DISTANCE)
        prefetch(indices, begin + PREFETCH_DISTANCE)
        total = 0.0
        for k in range(begin, end):
            total += data[k] * x[indices[k]]
        i = rows[t]
        y[i] = total
        dot += (np.conj(x[i]) * total).real
    return dot


@kernel
def gathered_matvec_dot_parts(rows, indptr, indices, data, x, y, bounds, sums, board, thread):
    """As :func:`matvec_dot_parts`, of a matrix whose rows are stored in the order ``rows``, uint32, shape (n,).

    Where neighboring rows have different numbers of entries, the processor guesses wrongly where a row ends, and loses
    more time than the row takes; an order in which runs of rows have equally many is up to three times as fast.
    """
    threads = join(board, thread)
    if threads == 0:
        return 0.0
    for part in range(thread, bounds.size - 1, threads):
        sums[part, 0] = _gathered_matvec_rows(bounds[part], bounds[part + 1], rows, indptr, indices, data, x, y)
    barrier(board, thread, threads)
    return add_parts(sums, 0)


@kernel
def residual_parts(indptr, indices, data, x, b, r, bounds, sums, board, thread):
    """As :func:`residual`, by several threads; ``sums`` of shape (parts, 16) is workspace."""
    threads = join(board, thread)
    if threads == 0:
        return 0.0
    for part in range(thread, bounds.size - 1, threads):
        sums[part, 0] = _residual_rows(bounds[part], bounds[part + 1], indptr, indices, data, x, b, r)
    barrier(board, thread, threads)
    return add_parts(sums, 0)


@kernel
def find_diagonal(indptr, indices, position):
    """Find where each row keeps its diagonal entry.

    Parameters
    ----------
    indptr, indices : the pattern of a square matrix, sorted
    position : uint32 array of shape (n,), written
        ``position[i]`` is the index into ``data`` of a_ii; where a_ii is not stored, that of the first
        entry right of the diagonal.

    Returns
    -------
    int
        Number of rows without a stored diagonal entry.
    """
    missing = 0
    for i in range(position.size):
        k = indptr[i]
        while k < indptr[i + 1] and indices[k] < i:
            k += np.uint32(1)
        position[i] = k
        if k == indptr[i + 1] or indices[k] != i:
            missing += 1
    return missing


@kernel
def is_pattern_symmetric(indptr, indices, cursor):
    """Whether (j, i) is stored wherever (i, j) is.

    The entries of row j, met in order of their column, are exactly those that column j would list in
    order of its rows; so one moving cursor per row finds every mirror entry without a search.

    Parameters
    ----------
    indptr, indices : the pattern of a square matrix, sorted
    cursor : uint32 array of shape (n,), overwritten (workspace)
    """
    n = cursor.size
    for i in range(n):
        cursor[i] = indptr[i]
    for i in range(n):
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            mirror = cursor[j]
            if mirror == indptr[j + 1] or indices[mirror] != i:
                return False
            cursor[j] = mirror + np.uint32(1)
    return True


@kernel
def find_mirrors(indptr, indices, position, cursor, mirror):
    """Find where (j, i) is stored for every (i, j) left of the diagonal, in a symmetric pattern with a full diagonal.

    Parameters
    ----------
    indptr, indices : the pattern of a square matrix, sorted
    position : uint32 array of shape (n,)
        Of the diagonal entries (:func:`find_diagonal`).
    cursor : uint32 array of shape (n,), overwritten (workspace)
    mirror : uint32 array of shape (nnz,), written at the places of entries left of the diagonal
    """
    n = position.size
    for i in range(n):
        cursor[i] = position[i] + np.uint32(1)
    for i in range(n):
        for k in range(indptr[i], position[i]):
            j = indices[k]
            mirror[k] = cursor[j]
            cursor[j] += np.uint32(1)


@kernel
def _is_symmetric(indptr, indices, data, position, mirror, diagonal, tolerance):
    """Whether no two mirror images differ by more than rounding; parameters as :func:`inspect_symmetric_pattern`."""
    for i in range(position.size):
        bound = tolerance * np.sqrt(abs(diagonal[i]))
        for k in range(indptr[i], position[i]):
            difference = data[k] - data[mirror[k]]
            if difference != 0.0 and abs(difference) > bound * np.sqrt(abs(diagonal[indices[k]])):
                return False
    return True


@kernel
def inspect_symmetric_pattern(indptr, indices, data, position, mirror, diagonal, tolerance):
    """Facts about the numbers of a matrix whose pattern is symmetric and has a full diagonal, usually in one pass.

    Parameters
    ----------
    indptr, indices, data : the matrix
    position : uint32 array of shape (n,)
        Of the diagonal entries (:func:`find_diagonal`).
    mirror : uint32 array of shape (nnz,)
        See :func:`find_mirrors`.
    diagonal : float64 array of shape (n,), written
    tolerance : float
        a_ij and a_ji count as equal when they differ by at most ``tolerance`` · sqrt(|a_ii|) · sqrt(|a_jj|).

    Returns
    -------
    symmetric : bool
    smallest_diagonal, largest_diagonal : float
    coupling : float
        Mean over the rows of Σ_{j≠i} |a_ij| / |a_ii|: near 1 for an elliptic operator, small where a mass
        term dominates. Free of units, hence comparable between instances.
    largest_row_sum : float
        Largest |Σ_j a_ij| / Σ_j |a_ij|: rounding errors where constant vectors are in the null space.
    """
    n = position.size
    smallest = np.inf
    largest = -np.inf
    coupling = 0.0
    different = 0
    largest_row_sum = 0.0
    end = indptr[0]
    for i in range(n):
        begin = end
        end = indptr[i + 1]
        value = data[position[i]]
        diagonal[i] = value
        smallest = min(smallest, value)
        largest = max(largest, value)
        off_diagonal = 0.0
        row_sum = value
        for k in range(begin, position[i]):
            off_diagonal += abs(data[k])
            row_sum += data[k]
            different |= data[k] != data[mirror[k]]
        for k in range(position[i] + np.uint32(1), end):
            off_diagonal += abs(data[k])
            row_sum += data[k]
        coupling += off_diagonal / abs(value)
        size = abs(value) + off_diagonal
        if abs(row_sum) > largest_row_sum * size:  # most rows are spared the division
            largest_row_sum = abs(row_sum) / size
    symmetric = different == 0 or _is_symmetric(indptr, indices, data, position, mirror, diagonal, tolerance)
    return symmetric, smallest, largest, coupling / max(n, 1), largest_row_sum
