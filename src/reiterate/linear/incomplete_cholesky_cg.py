"""Conjugate gradients with incomplete Cholesky factors without fill, in two sweeps an iteration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from reiterate.contracts import Prepared, Progress, Stop, Values
from reiterate.kernels import eisenstat_cg, incomplete_cholesky_cg, levels, triangular
from reiterate.linear import team
from reiterate.linear.block import Block, BlockInstance
from reiterate.linear.block_eisenstat_cg import EisenstatRecurrence, Triangle
from reiterate.linear.cg_segments import run_cg_in_segments
from reiterate.linear.incomplete_cholesky import CholeskyFactors, IncompleteCholesky
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.krylov import KrylovState
from reiterate.linear.lock_step import FEWEST, iterate_in_lock_step
from reiterate.linear.method import Variant
from reiterate.linear.preconditioned_cg import PreconditionedConjugateGradients
from reiterate.linear.work import in_matvecs

_Beginning = tuple[Callable[..., Any], tuple[Any, ...], tuple[float, float, float], Callable[[], Vector]]


class IncompleteCholeskyConjugateGradients(PreconditionedConjugateGradients):
    """``ic_cg``: conjugate gradients with IC(0) or MIC(0), fused into two sweeps on level-ordered rows.

    The iterates of :class:`PreconditionedConjugateGradients`, up to rounding. A solve begins with one pass that lays
    the numbers of A out in level order; factors of an earlier instance of the same pattern serve as well. Where the
    pattern has no triangles (grids of 5 or 7 points), only the pivots of the factors are used, and an iteration moves
    12 nnz + 116 n bytes (:mod:`reiterate.kernels.eisenstat_cg`); otherwise 20 nnz + 124 n, or 16 nnz + 128 n with
    ``bits=32`` (:mod:`reiterate.kernels.incomplete_cholesky_cg`).
    """

    def __init__(self) -> None:
        super().__init__(IncompleteCholesky())

    def warm_up(self, variant: Variant | None = None) -> None:
        """Run on two small systems, one of which has triangles."""
        super().warm_up(variant)
        self.rehearse(sp.csr_array(8.0 * np.eye(3) - 1.0))

    def traffic_of(self, instance: LinearInstance, state: KrylovState) -> float:
        """Bytes that an iteration moves."""
        factors = state.preconditioner
        if not isinstance(factors, CholeskyFactors) or factors.matrix_pattern is not instance.pattern:
            return super().traffic_of(instance, state)
        item = instance.b.itemsize
        if factors.layout.has_triangles:
            return (4.0 + item + factors.values.itemsize) * factors.values.size + 18.0 * item * factors.size
        return (4.0 + item) * factors.values.size + 16.0 * item * factors.size

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Iterate from ``x``, shape (n,), which is left as it is."""
        state = prepared.state
        factors = state.preconditioner
        if factors.matrix_pattern is not instance.pattern:
            return super().iterate(prepared, instance, values, x, stop)
        begin = _begin_general if factors.layout.has_triangles else _begin_without_triangles
        kernel, arrays, scalars, finish = begin(state, factors, instance, x)
        parts, moved = factors.layout.parts, self.traffic_of(instance, state)
        sums = team.partial_sums(parts)
        progress = run_cg_in_segments(
            kernel, arrays, scalars, (sums,), finish, instance, stop, threads=parts, moved=moved
        )
        # Laying out the numbers of A, which no other method has to do for every solve.
        progress.work += in_matvecs(instance.pattern, (4.0 + 3.0 * x.dtype.itemsize) * factors.values.size)
        return progress

    def iterate_block(
        self, prepared: Prepared, instance: BlockInstance, values: Values, x: Block, stop: Stop
    ) -> Progress | None:
        """Iterate on several columns of ``x``, shape (n, k), at once; ``None`` where that gains nothing."""
        factors = prepared.state.preconditioner
        if factors.matrix_pattern is not instance.pattern or factors.layout.has_triangles or not factors.takes_blocks:
            return super().iterate_block(prepared, instance, values, x, stop)
        if x.shape[1] < FEWEST:
            return None
        layout = factors.layout

        def triangles(scaling: Vector) -> tuple[Triangle, Triangle]:
            entries = factors.entries_of(instance, scaling)
            return layout.lower(entries), layout.upper(entries)

        recurrence = EisenstatRecurrence(
            instance, layout.order, layout.rank, layout.parts, factors.scaling[0], triangles
        )
        return iterate_in_lock_step(recurrence, x, stop)


def _begin_general(state: KrylovState, factors: CholeskyFactors, instance: LinearInstance, x: Vector) -> _Beginning:
    """The kernel, what it takes, and how to read its iterate, for factors of any pattern."""
    layout = factors.layout
    entries = factors.entries_of(instance)
    diagonal, ordered, r, s, g, p, q = state.vectors(7, x.size, x.dtype)
    natural, square = instance.residual(x, p)
    triangular.forward_solve(*layout.lower(factors.values), layout.order, natural, s)
    _permute(layout.order, (instance.diagonal, diagonal), (x, ordered), (natural, r))
    weighted = incomplete_cholesky_cg.start(factors.inverse, s, g, p)
    count = layout.lower_count
    arrays = (
        *layout.lower(factors.values), entries[:count],
        *layout.upper(factors.values), entries[count:],
        factors.inverse, diagonal, ordered, r, s, g, p, q,
    )  # fmt: skip

    def finish() -> Vector:
        natural = x.copy()
        levels.permute(ordered, layout.rank, natural)
        return natural

    return incomplete_cholesky_cg.advance, arrays, (square, float(weighted), 0.0), finish


def _begin_without_triangles(
    state: KrylovState, factors: CholeskyFactors, instance: LinearInstance, x: Vector
) -> _Beginning:
    """As :func:`_begin_general`, where the factors are those of A but for the diagonal."""
    layout = factors.layout
    ordered, r, s, g, p = state.vectors(5, x.size, x.dtype)
    pivots, scaling, delta = factors.scaling
    natural, square = instance.residual(x, p)
    _permute(layout.order, (instance.diagonal, g), (x, ordered), (natural, r))
    eisenstat_cg.scale(g, pivots, scaling, delta, ordered, r)
    entries = factors.entries_of(instance, scaling)
    weighted = eisenstat_cg.start(*layout.lower(entries), r, s, g, p)
    arrays = (*layout.lower(entries), *layout.upper(entries), delta, pivots, ordered, r, s, g, p)

    def finish() -> Vector:
        natural = x.copy()
        levels.permute(ordered * scaling, layout.rank, natural)
        return natural

    return eisenstat_cg.advance, arrays, (square, float(weighted), 0.0), finish


def _permute(order: NDArray[Any], *pairs: tuple[Any, NDArray[Any]]) -> None:
    for natural, ordered in pairs:
        levels.permute(natural, order, ordered)
