"""Conjugate gradients preconditioned by symmetric SOR, in Eisenstat's form on level-ordered rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reiterate.configuration import ParameterSpace
from reiterate.contracts import Prepared, Progress, Stop, Values
from reiterate.kernels import levels
from reiterate.kernels import ssor_cg as kernels
from reiterate.linear import team
from reiterate.linear.block import Block, BlockInstance
from reiterate.linear.block_eisenstat_cg import EisenstatRecurrence, Triangle
from reiterate.linear.cg_segments import run_cg_in_segments
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.level_order import order_rows, runs_of, widest
from reiterate.linear.lock_step import FEWEST, iterate_in_lock_step
from reiterate.linear.method import DefiniteMethod
from reiterate.linear.pattern import Index, Pattern
from reiterate.linear.schedule import Schedule, Spans, divide, gather_parts, reverse
from reiterate.linear.sor import RELAXATION
from reiterate.linear.work import in_matvecs, traffic


@dataclass(slots=True)
class _Triangle:
    """One strict triangle in the order of its sweep: rows in runs of equal width."""

    rank_of_row: Index
    width_of_row: Index
    schedule: Schedule
    columns: Index
    source: Index
    values: Vector

    def refresh(self, data: Vector, scale: Vector) -> None:
        """Recompute the numbers."""
        levels.fill_triangle(data, self.source, self.columns, self.rank_of_row, self.width_of_row, scale, self.values)

    @property
    def arrays(self) -> tuple[Index, Index, Index, Vector]:
        """What the kernels take."""
        return *self.schedule.arrays, self.columns, self.values


class _LevelOrder:
    """The level order of a pattern, both triangles, and the vectors of the iteration.

    For several threads the rows of a part are numbered one after another, level by level, so that every thread reads
    its own entries and vectors in one stream. The sweeps, which go by levels, stay those of the natural order.
    """

    def __init__(self, pattern: Pattern, parts: int) -> None:
        self.pattern = pattern
        self.parts = parts
        size = pattern.size
        below = pattern.position - pattern.indptr[:-1]
        above = pattern.indptr[1:] - pattern.position - np.uint32(1)
        padded = widest(below, above)
        level = np.empty(size, dtype=np.uint32)
        count = int(levels.find_levels(pattern.indptr, pattern.indices, pattern.position, level))
        order, level_ends = order_rows(level, count, below, above, by_width=padded is None)
        spans = divide(below[order] if padded is None else np.full(size, padded), level_ends, parts)
        if parts > 1:
            gathered, spans = gather_parts(spans)
            order = order[gathered]
        self.order = order
        self.rank = rank = np.empty(size, dtype=np.uint32)
        rank[self.order] = np.arange(size, dtype=np.uint32)
        begin, end = pattern.indptr[:-1], pattern.indptr[1:]
        after = pattern.position + np.uint32(1)
        self.lower = _lay_out(pattern, begin, pattern.position, self.order, rank, below, padded, spans)
        back = reverse(spans, size)
        self.upper = _lay_out(pattern, after, end, self.order[::-1].copy(), rank, above, padded, back)
        self.scale, self.diagonal, self.x, self.r, self.s, self.g = (np.empty(size) for _ in range(6))
        self.p = np.empty(size)

    def refresh(self, instance: LinearInstance) -> None:
        """Recompute everything that depends on the numbers of A."""
        assert instance.diagonal is not None
        levels.scale_diagonal(instance.diagonal, self.order, self.diagonal, self.scale)
        self.lower.refresh(instance.data, self.scale)
        self.upper.refresh(instance.data, self.scale)


def _lay_out(
    pattern: Pattern, begin: Index, end: Index, rows: Index, rank: Index, stored: Index, padded: int | None,
    spans: Spans,
) -> _Triangle:  # fmt: skip
    size = pattern.size
    width = stored[rows] if padded is None else np.full(size, padded, dtype=np.uint32)
    total = int(width.sum(dtype=np.int64))
    columns, source = np.empty(total, dtype=np.uint32), np.empty(total, dtype=np.uint32)
    levels.lay_out_triangle(pattern.indices, begin, end, rows, rank, width, columns, source)
    schedule = Schedule(*runs_of(width), spans)
    return _Triangle(rank[rows], width, schedule, columns, source, np.empty(total))


class SymmetricOverRelaxedConjugateGradients(DefiniteMethod):
    """``ssor_cg(omega)``: conjugate gradients preconditioned by symmetric SOR in natural order.

    Eisenstat's trick (1981): an iteration is one backward and one forward half sweep, no product besides.
    Needs A symmetric positive definite. Setup: a level order once per pattern; for new numbers one pass.
    An iteration moves 12 nnz + 160 n bytes. Equivalent: ``scipy.sparse.linalg.cg(A, b, M=M)`` with
    M⁻¹ = (D/omega + U)⁻¹ (D/omega) (D/omega + L)⁻¹.
    """

    name = "ssor_cg"
    parameters = ParameterSpace((RELAXATION,))

    def prepare(self, instance: LinearInstance, values: Values, previous: Prepared | None = None) -> Prepared:
        """The level order of the pattern (kept from ``previous`` where it is the same) and the scaled triangles."""
        pattern, parts = instance.pattern, instance.threads
        known = previous is not None and previous.state.pattern is pattern and previous.state.parts == parts
        state = previous.state if known and previous is not None else _LevelOrder(pattern, parts)
        state.refresh(instance)
        moved = traffic(instance.pattern, entries=2.0 if known else 8.0, row_bytes=60.0)
        return Prepared(state, work=in_matvecs(instance.pattern, moved))

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Iterate from ``x``, shape (n,), which is left as it is."""
        pattern, state = instance.pattern, prepared.state
        omega = values["omega"]
        # The residual is computed in natural order, where A is read in one stream, and permuted afterwards.
        natural, square = instance.residual(x, state.p)
        levels.permute(natural, state.order, state.r)
        levels.permute(x, state.order, state.x)
        s_dot_s = kernels.ssor_cg_start(
            state.scale, *state.lower.arrays, state.x, state.r, state.s, state.g, state.p, omega
        )

        def finish() -> Vector:
            natural = np.empty(pattern.size)
            kernels.unscale(state.scale, state.x, state.p)
            levels.permute(state.p, state.rank, natural)
            return natural

        vectors = (state.diagonal, state.x, state.r, state.s, state.g, state.p)
        return run_cg_in_segments(
            kernels.ssor_cg_advance,
            (*state.lower.arrays, *state.upper.arrays, *vectors, omega),
            (square, s_dot_s, 0.0),
            (team.partial_sums(state.parts),),
            finish,
            instance,
            stop,
            threads=state.parts,
            moved=traffic(pattern, entries=1.0, row_bytes=160.0),
        )

    def iterate_block(
        self, prepared: Prepared, instance: BlockInstance, values: Values, x: Block, stop: Stop
    ) -> Progress | None:
        """Iterate on several columns of ``x``, shape (n, k), at once; ``None`` where there are few."""
        if x.shape[1] < FEWEST:
            return None
        state, omega = prepared.state, values["omega"]

        def triangles(_: Vector) -> tuple[Triangle, Triangle]:
            # The stored ones are scaled to a unit diagonal of A, these to one of D/omega.
            lower, upper = state.lower.arrays, state.upper.arrays
            return (*lower[:3], omega * lower[3]), (*upper[:3], omega * upper[3])

        recurrence = EisenstatRecurrence(
            instance, state.order, state.rank, state.parts, state.diagonal / omega, triangles
        )
        return iterate_in_lock_step(recurrence, x, stop)

    def rehearse_block(self) -> None:
        """Compile or load what blocks need."""
        self.rehearse_columns()
