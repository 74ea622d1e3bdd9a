"""Conjugate gradients in Eisenstat's form, :mod:`reiterate.kernels.eisenstat_cg`, on several columns at once.

Every column has coefficients of its own; both sweeps read the matrix once for all columns. Blocks have shape (n, k),
rows in level order; see :mod:`reiterate.kernels.block` for what the arrays of shape (k,) mean.
"""

from __future__ import annotations

import numpy as np

from reiterate.kernels.block import choose_steps, judge_residuals
from reiterate.kernels.codes import CONVERGED, RUNNING
from reiterate.kernels.compiling import PREFETCH_DISTANCE, inlined_kernel, kernel, prefetch
from reiterate.kernels.lanes import load, spread, store

_ZERO = np.uint64(0)
_ONE = np.uint64(1)


@inlined_kernel
def _backward_rows(begin, end, width, k, columns, values, delta, S, G, P, beta, total, lanes):
    n = np.uint64(S.shape[0])
    for t in range(begin, end):
        i = n - _ONE - np.uint64(t)
        prefetch(values, k + PREFETCH_DISTANCE)
        prefetch(columns, k + PREFETCH_DISTANCE)
        image = load(S, i, lanes) + beta * load(G, i, lanes)
        store(G, i, image)
        direction = image
        for _ in range(width):
            direction -= values[k] * load(P, np.uint64(columns[k]), lanes)
            k += _ONE
        store(P, i, direction)
        total += direction * (2.0 * image + delta[i] * direction)
    return total


@inlined_kernel
def _forward_rows(
    begin, end, width, k, columns, values, delta, pivots, X, R, S, G, P, alpha, square, weighted, lanes
):  # fmt: skip
    for t in range(begin, end):
        i = np.uint64(t)
        prefetch(values, k + PREFETCH_DISTANCE)
        prefetch(columns, k + PREFETCH_DISTANCE)
        direction = load(P, i, lanes)
        product = load(G, i, lanes) + (1.0 + delta[i]) * direction
        lower = spread(0.0, lanes)
        for _ in range(width):
            j = np.uint64(columns[k])
            value = values[k]
            product += value * load(P, j, lanes)
            lower += value * load(S, j, lanes)
            k += _ONE
        store(X, i, load(X, i, lanes) + alpha * direction)
        rest = load(R, i, lanes) - alpha * product
        store(R, i, rest)
        solved = rest - lower
        store(S, i, solved)
        square += pivots[i] * (rest * rest)
        weighted += solved * solved
    return square, weighted


@kernel
def _backward_sweep(pieces, steps, columns, values, delta, S, G, P, beta, curvatures, lanes):
    b = load(beta, _ZERO, lanes)
    total = spread(0.0, lanes)
    for step in range(steps.shape[0]):
        for part in range(steps.shape[1]):
            for piece in range(steps[step, part, 0], steps[step, part, 1]):
                begin, end, width, k = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2], np.uint64(pieces[piece, 3])
                if width == 3:
                    total = _backward_rows(begin, end, 3, k, columns, values, delta, S, G, P, b, total, lanes)
                else:
                    total = _backward_rows(begin, end, width, k, columns, values, delta, S, G, P, b, total, lanes)
    store(curvatures, _ZERO, total)


@kernel
def _forward_sweep(pieces, steps, columns, values, delta, pivots, X, R, S, G, P, alpha, squares, weighted, lanes):
    a = load(alpha, _ZERO, lanes)
    square, weight = spread(0.0, lanes), spread(0.0, lanes)
    for step in range(steps.shape[0]):
        for part in range(steps.shape[1]):
            for piece in range(steps[step, part, 0], steps[step, part, 1]):
                begin, end, width, k = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2], np.uint64(pieces[piece, 3])
                if width == 3:
                    square, weight = _forward_rows(
                        begin, end, 3, k, columns, values, delta, pivots, X, R, S, G, P, a, square, weight, lanes
                    )
                else:
                    square, weight = _forward_rows(
                        begin, end, width, k, columns, values, delta, pivots, X, R, S, G, P, a, square, weight, lanes
                    )
    store(squares, _ZERO, square)
    store(weighted, _ZERO, weight)


@kernel
def advance(
    lower_pieces, lower_steps, lower_columns, lower_values, upper_pieces, upper_steps, upper_columns, upper_values,
    delta, pivots, X, R, S, G, P, alpha, beta, squares, weighted, next_weighted, thresholds, code, max_iterations,
    lanes,
):  # fmt: skip
    """Make up to ``max_iterations`` iterations on every column, in place, until one of them stops.

    Parameters
    ----------
    lower_*, upper_* : the scaled triangles of A, each in the order of its sweep
    delta, pivots : arrays of shape (n,)
        As :func:`reiterate.kernels.eisenstat_cg.scale` knows them.
    X, R, S, G, P : arrays of shape (n, k), overwritten
    alpha, next_weighted : arrays of shape (k,), overwritten (workspace)
    beta, squares, weighted : arrays of shape (k,), overwritten
        The coefficients of the last directions (0 at first), ‖b − A x‖² and s·s.
    thresholds : array of shape (k,)
    code : int array of shape (k,), overwritten
    max_iterations : int
    lanes : tuple of length k

    Returns
    -------
    int
        Iterations made in this call, by every column that goes on or has converged.
    """
    for iteration in range(max_iterations):
        _backward_sweep(
            upper_pieces, upper_steps, upper_columns, upper_values, delta, S, G, P, beta, next_weighted, lanes
        )
        stopped = choose_steps(weighted, next_weighted, code, alpha, (R, S, G, P))
        _forward_sweep(
            lower_pieces, lower_steps, lower_columns, lower_values, delta, pivots,
            X, R, S, G, P, alpha, squares, next_weighted, lanes,
        )  # fmt: skip
        stopped = judge_residuals(squares, thresholds, code, (R, S, G, P)) or stopped
        for c in range(code.size):
            beta[c] = 0.0
            if code[c] == RUNNING or code[c] == CONVERGED:
                beta[c] = next_weighted[c] / weighted[c] if weighted[c] > 0.0 else 0.0
                weighted[c] = next_weighted[c]
        if stopped:
            return iteration + 1
    return max_iterations
