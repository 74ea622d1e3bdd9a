"""Iterative refinement of a block with direct factors."""

from __future__ import annotations

import time

import numpy as np

from reiterate.contracts import Progress, Status, Stop
from reiterate.linear.block import Block, BlockInstance, norms
from reiterate.linear.factors import Factor
from reiterate.linear.work import in_matvecs, traffic

_PATIENCE = 5  # steps before the rate is judged


def refine_block(factor: Factor, instance: BlockInstance, x: Block, stop: Stop) -> Progress:
    """Repeat X ← X + M⁻¹(B − A X) on the columns that need it, each for as long as that pays.

    The factors are read once for all columns. A column at which refinement ends short of its target does not keep the
    others from theirs. One iteration is one solve with every column that is left.

    Parameters
    ----------
    factor
    instance
    x : array of shape (n, k)
        Columns that are worse than zero are replaced by it.
    stop

    Returns
    -------
    Progress
        Without ``revealed``.
    """
    begin = time.perf_counter()
    best = x.astype(instance.b.dtype, order="C")
    residual = instance.b - instance.A @ best
    sizes, zero = norms(residual), norms(instance.b)
    worse = ~(sizes <= zero)
    best[:, worse], residual[:, worse], sizes[worse] = 0.0, instance.b[:, worse], zero[worse]
    targets = np.sqrt(instance.square_thresholds)
    first, stuck = sizes.copy(), np.zeros(sizes.size, dtype=bool)
    finite = True
    progress = Progress(best, Status.CONVERGED, 0, 0.0)
    while (left := np.flatnonzero((sizes > targets) & ~stuck)).size:
        if progress.iterations >= stop.max_iterations:
            progress.status = Status.ITERATION_CAP
            return progress
        late = stop.max_seconds is not None and time.perf_counter() - begin > stop.max_seconds
        if late and progress.iterations:
            progress.status = Status.TIME_CAP
            return progress
        # Engines solve for column after column, and are faster where each lies in one piece.
        step = factor.solve_many(np.asfortranarray(residual[:, left]))
        candidate = np.add(best[:, left], step, order="C")
        rest = instance.b[:, left] - instance.A @ candidate
        rest_sizes = norms(rest)
        progress.iterations += 1
        progress.work += _work(factor, instance, left.size)
        better = rest_sizes < sizes[left]
        slow = (progress.iterations > _PATIENCE) & (rest_sizes > first[left] * 0.5**progress.iterations)
        stuck[left] = ~better | slow
        finite &= bool(np.isfinite(rest_sizes).all())
        improved = left[better]
        best[:, improved], residual[:, improved] = candidate[:, better], rest[:, better]
        sizes[improved] = rest_sizes[better]
    if (sizes > targets).any():
        progress.status = Status.BREAKDOWN
        progress.reason = "" if finite else "overflow or NaN: the factors are numerically singular"
    return progress


def _work(factor: Factor, instance: BlockInstance, columns: int) -> float:
    """Of one solve and one residual: factors and matrix are read once, vectors for every column."""
    moved = factor.traffic + traffic(instance.pattern, entries=1.0, row_bytes=4.0)
    vectors = 8.0 * factor.dtype.itemsize * instance.pattern.size * columns
    return in_matvecs(instance.pattern, moved + vectors)
