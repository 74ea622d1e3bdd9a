"""Solves with pairs of sparse triangular factors, :mod:`reiterate.kernels.triangular`, for several columns at once."""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import PREFETCH_DISTANCE, inlined_kernel, kernel, prefetch
from reiterate.kernels.lanes import load, spread, store

_ZERO = np.uint64(0)
_ONE = np.uint64(1)
_LOOKAHEAD = np.uint64(8)  # rows that are gathered or scattered through the order are asked for this far ahead


@inlined_kernel
def _forward_rows(begin, end, width, k, columns, values, order, R, Y, lanes):
    last = np.uint64(order.size - 1)
    for row in range(begin, end):
        t = np.uint64(row)
        prefetch(values, k + PREFETCH_DISTANCE)
        prefetch(columns, k + PREFETCH_DISTANCE)
        prefetch(R, np.uint64(order[min(t + _LOOKAHEAD, last)]))
        total = load(R, np.uint64(order[t]), lanes)
        for _ in range(width):
            total -= values[k] * load(Y, np.uint64(columns[k]), lanes)
            k += _ONE
        store(Y, t, total)


@inlined_kernel
def _backward_rows(begin, end, width, k, columns, values, order, inverse, Y, Z, lanes):
    n = np.uint64(order.size)
    for t in range(begin, end):
        i = n - _ONE - np.uint64(t)
        prefetch(values, k + PREFETCH_DISTANCE)
        prefetch(columns, k + PREFETCH_DISTANCE)
        prefetch(Z, np.uint64(order[max(i, _LOOKAHEAD) - _LOOKAHEAD]))
        total = inverse[i] * load(Y, i, lanes)
        for _ in range(width):
            total -= values[k] * load(Y, np.uint64(columns[k]), lanes)
            k += _ONE
        store(Y, i, total)
        store(Z, np.uint64(order[i]), total)


@kernel
def solve(
    lower_pieces, lower_steps, lower_columns, lower_values, upper_pieces, upper_steps, upper_columns, upper_values,
    order, inverse, R, Y, Z, lanes,
):  # fmt: skip
    """Write (I + U)⁻¹ D⁻¹ (I + L)⁻¹ R to ``Z``, by one forward and one backward sweep.

    Parameters
    ----------
    lower_*, upper_*, order, inverse
        As :func:`reiterate.kernels.triangular.solve` takes them.
    R, Z : arrays of shape (n, k), in natural order; ``Z`` is written
    Y : array of shape (n, k), overwritten
        Holds the solution in level order on return.
    lanes : tuple of length k
    """
    store(Y, _ZERO, spread(0.0, lanes))  # padding multiplies it by zero, which must not be 0 · ∞
    for step in range(lower_steps.shape[0]):
        for part in range(lower_steps.shape[1]):
            for piece in range(lower_steps[step, part, 0], lower_steps[step, part, 1]):
                begin, end, width = lower_pieces[piece, 0], lower_pieces[piece, 1], lower_pieces[piece, 2]
                k = np.uint64(lower_pieces[piece, 3])
                if width == 3:
                    _forward_rows(begin, end, 3, k, lower_columns, lower_values, order, R, Y, lanes)
                else:
                    _forward_rows(begin, end, width, k, lower_columns, lower_values, order, R, Y, lanes)
    for step in range(upper_steps.shape[0]):
        for part in range(upper_steps.shape[1]):
            for piece in range(upper_steps[step, part, 0], upper_steps[step, part, 1]):
                begin, end, width = upper_pieces[piece, 0], upper_pieces[piece, 1], upper_pieces[piece, 2]
                k = np.uint64(upper_pieces[piece, 3])
                if width == 3:
                    _backward_rows(begin, end, 3, k, upper_columns, upper_values, order, inverse, Y, Z, lanes)
                else:
                    _backward_rows(begin, end, width, k, upper_columns, upper_values, order, inverse, Y, Z, lanes)
