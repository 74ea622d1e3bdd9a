"""Conjugate gradients: plain, and with the diagonal as preconditioner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reiterate.configuration import ParameterSpace
from reiterate.contracts import Prepared, Progress, Stop, Values
from reiterate.kernels import cg as kernels
from reiterate.linear import block_cg, team
from reiterate.linear.block import Block, BlockInstance
from reiterate.linear.cg_segments import run_cg_in_segments
from reiterate.linear.identity import Identity
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.jacobi import Jacobi
from reiterate.linear.lock_step import FEWEST
from reiterate.linear.method import DefiniteMethod
from reiterate.linear.preconditioned_cg import PreconditionedConjugateGradients
from reiterate.linear.traits import LinearTraits
from reiterate.linear.vectors import reciprocals
from reiterate.linear.work import in_matvecs, traffic


@dataclass(slots=True)
class _Workspace:
    """Vectors that every solve of one size overwrites: residual, direction, product."""

    size: int
    r: Vector = field(init=False)
    p: Vector = field(init=False)
    q: Vector = field(init=False)
    inverse_diagonal: Vector | None = None

    def __post_init__(self) -> None:
        self.r, self.p, self.q = (np.empty(self.size) for _ in range(3))


def _workspace(instance: LinearInstance, previous: Prepared | None) -> _Workspace:
    size = instance.pattern.size
    if previous is not None and isinstance(previous.state, _Workspace) and previous.state.size == size:
        return previous.state
    return _Workspace(size)


def _is_generic(instance: LinearInstance | BlockInstance) -> bool:
    """Whether the fused kernels, made for real entries, do not apply."""
    return instance.traits.complex or not instance.traits.entries


def _run(
    kernel: Callable[..., Any], inverse_diagonal: tuple[Vector, ...], scalars: tuple[float, ...], work: _Workspace,
    r: Vector, instance: LinearInstance, x: Vector, stop: Stop, *, row_bytes: float,
) -> Progress:  # fmt: skip
    """Run a kernel from a copy of ``x``, with the residual ``r`` and the first direction that the workspace holds."""
    pattern, threads = instance.pattern, instance.threads
    x = x.copy()
    return run_cg_in_segments(
        kernel,
        (pattern.indptr, pattern.indices, instance.data, *inverse_diagonal, x, r, work.p, work.q),
        scalars,
        (pattern.row_bounds(threads), team.partial_sums(threads)),
        lambda: x,
        instance,
        stop,
        threads=threads,
        moved=traffic(pattern, entries=1.0, row_bytes=row_bytes),
    )


class ConjugateGradients(DefiniteMethod):
    """``cg``: the conjugate gradient method (Hestenes and Stiefel 1952).

    Needs A symmetric, or Hermitian where complex, and positive definite; products suffice where entries are not
    known. The error falls like ((√κ − 1)/(√κ + 1))^k. Setup: nothing. An iteration moves 12 nnz + 84 n bytes.
    Equivalent: ``scipy.sparse.linalg.cg(A, b)``.
    """

    name = "cg"
    parameters = ParameterSpace()
    requires = "a Hermitian positive definite matrix"

    def __init__(self) -> None:
        self._by_products = PreconditionedConjugateGradients(Identity())

    def accepts(self, traits: LinearTraits) -> bool:
        """Nothing seen that speaks against a Hermitian positive definite matrix."""
        if traits.entries:
            return traits.maybe_definite
        return traits.hermitian and traits.definite is not False

    def prepare(self, instance: LinearInstance, values: Values, previous: Prepared | None = None) -> Prepared:
        """Vectors to work in."""
        if _is_generic(instance):
            return self._by_products.prepare(instance, values)
        return Prepared(_workspace(instance, previous))

    def rebuild(self, instance: LinearInstance, values: Values, previous: Prepared) -> Prepared:
        """The same vectors again: there is nothing in them to build anew."""
        return self.prepare(instance, values, previous)

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Iterate from a copy of ``x``, shape (n,)."""
        if _is_generic(instance):
            return self._by_products.iterate(prepared, instance, values, x, stop)
        work = prepared.state
        r, square = instance.residual(x, work.r)
        np.copyto(work.p, r)
        return _run(kernels.cg_advance, (), (square,), work, r, instance, x, stop, row_bytes=84.0)

    def iterate_block(
        self, prepared: Prepared, instance: BlockInstance, values: Values, x: Block, stop: Stop
    ) -> Progress | None:
        """Iterate on several columns of ``x``, shape (n, k), at once; ``None`` where they are few, or complex."""
        if _is_generic(instance) or x.shape[1] < FEWEST:
            return None
        return block_cg.iterate_with_diagonal(instance, np.ones(instance.pattern.size), x, stop)

    def rehearse_block(self) -> None:
        """Compile or load what blocks need."""
        self.rehearse_columns()


class JacobiConjugateGradients(DefiniteMethod):
    """``jacobi_cg``: conjugate gradients preconditioned by the diagonal of A.

    Needs A symmetric, or Hermitian where complex, and positive definite. Undoes bad scaling of the unknowns at almost
    no cost; within a factor of the best diagonal preconditioner (van der Sluis 1969). Setup: n divisions. An iteration
    moves 12 nnz + 100 n bytes. Equivalent: ``scipy.sparse.linalg.cg(A, b, M=diags_array(1 / A.diagonal()))``.
    """

    name = "jacobi_cg"
    parameters = ParameterSpace()
    requires = "a Hermitian positive definite matrix"

    def __init__(self) -> None:
        self._by_products = PreconditionedConjugateGradients(Jacobi())

    def accepts(self, traits: LinearTraits) -> bool:
        """Nothing seen that speaks against a Hermitian positive definite matrix."""
        return traits.maybe_definite

    def prepare(self, instance: LinearInstance, values: Values, previous: Prepared | None = None) -> Prepared:
        """Vectors to work in, and the inverse of the diagonal."""
        if _is_generic(instance):
            return self._by_products.prepare(instance, values)
        workspace = _workspace(instance, previous)
        assert instance.diagonal is not None
        workspace.inverse_diagonal = reciprocals(instance.diagonal, out=workspace.inverse_diagonal)
        return Prepared(workspace, work=in_matvecs(instance.pattern, 16.0 * instance.pattern.size))

    def rebuild(self, instance: LinearInstance, values: Values, previous: Prepared) -> Prepared:
        """The same vectors again, and the inverse of the diagonal."""
        return self.prepare(instance, values, previous)

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Iterate from a copy of ``x``, shape (n,)."""
        if _is_generic(instance):
            return self._by_products.iterate(prepared, instance, values, x, stop)
        work = prepared.state
        r, square = instance.residual(x, work.r)
        weighted = kernels.jacobi_cg_direction(work.inverse_diagonal, r, work.p)
        diagonal, scalars = (work.inverse_diagonal,), (square, weighted)
        return _run(kernels.jacobi_cg_advance, diagonal, scalars, work, r, instance, x, stop, row_bytes=100.0)

    def iterate_block(
        self, prepared: Prepared, instance: BlockInstance, values: Values, x: Block, stop: Stop
    ) -> Progress | None:
        """Iterate on several columns of ``x``, shape (n, k), at once; ``None`` where they are few, or complex."""
        if _is_generic(instance) or x.shape[1] < FEWEST:
            return None
        inverse_diagonal = prepared.state.inverse_diagonal
        return block_cg.iterate_with_diagonal(instance, inverse_diagonal, x, stop)

    def rehearse_block(self) -> None:
        """Compile or load what blocks need."""
        self.rehearse_columns()
