"""Conjugate gradients with any symmetric positive definite preconditioner."""

from __future__ import annotations

import math

from reiterate.contracts import Prepared, Progress, Status, Stop, Values
from reiterate.kernels import codes, vectors
from reiterate.linear import block_cg
from reiterate.linear.block import Block, BlockInstance
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.krylov import HERMITIAN_DEFINITE, KrylovMethod, KrylovState, needs
from reiterate.linear.lanczos import tridiagonal
from reiterate.linear.preconditioner import Family
from reiterate.linear.remaining import remaining_iterations
from reiterate.linear.segments import run_in_segments
from reiterate.linear.traits import LinearTraits


class PreconditionedConjugateGradients(KrylovMethod):
    """``…_cg``: conjugate gradients with the preconditioner of a family.

    Source: Hestenes and Stiefel (1952); Concus, Golub and O'Leary (1976) for the preconditioned form. Guarantee: as
    :mod:`reiterate.kernels.cg`, κ that of M⁻¹A. An iteration is one product, one application of M, and 88 bytes
    a row. Equivalent: ``scipy.sparse.linalg.cg(A, b, M=M)``.
    """

    suffix = "cg"
    headline = "conjugate gradients (Hestenes and Stiefel 1952) preconditioned by:"

    def __init__(self, family: Family) -> None:
        super().__init__(family)
        self.requires = needs(HERMITIAN_DEFINITE, family)

    def fits(self, traits: LinearTraits) -> bool:
        """Nothing seen that speaks against a Hermitian positive definite matrix."""
        return traits.maybe_definite

    def traffic_of(self, instance: LinearInstance, state: KrylovState) -> float:
        """Bytes that an iteration moves."""
        return 12.0 * instance.traits.nnz + 108.0 * instance.b.size + state.preconditioner.traffic

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Iterate from a copy of ``x``, shape (n,)."""
        state, operator = prepared.state, instance.operator
        precondition = state.preconditioner.apply
        r, z, p, q = state.vectors(4, x.size, x.dtype)
        threshold = instance.square_threshold
        r, square = instance.residual(x, r)
        x = x.copy()
        p[:] = 0.0
        weighted = math.inf
        observed = state.preconditioner.observes
        alphas: list[float] = []
        betas: list[float] = []

        def advance(iterations: int) -> tuple[int, int]:
            nonlocal square, weighted
            for made in range(iterations):
                if square <= threshold:
                    return made, codes.CONVERGED
                precondition(r, z)
                next_weighted = float(vectors.dot(r, z).real)
                if not next_weighted > 0.0:
                    return made, codes.PRECONDITIONER_NOT_DEFINITE if next_weighted <= 0.0 else codes.NOT_FINITE
                beta = next_weighted / weighted
                vectors.turn(beta, z, p)
                weighted = next_weighted
                curvature = operator.apply_dot(p, q)
                if not curvature > 0.0:
                    return made, codes.NOT_DEFINITE if curvature <= 0.0 else codes.NOT_FINITE
                alpha = weighted / curvature
                alphas.append(alpha)
                betas.append(beta)
                square = float(vectors.step(alpha, p, q, x, r))
                if not square < math.inf:
                    return made + 1, codes.NOT_FINITE
            return iterations, codes.CONVERGED if square <= threshold else codes.RUNNING

        work = self.work_of(instance, state, products=1.0, row_bytes=88.0)
        moved = self.traffic_of(instance, state)
        progress = run_in_segments(
            advance,
            lambda: x,
            stop,
            bytes_per_iteration=moved,
            work=work,
            remaining=lambda: remaining_iterations(alphas[:-1], betas[1:], square, threshold),
        )
        if observed and len(alphas) > 1 and progress.status is Status.CONVERGED:
            state.preconditioner.observe(instance, *tridiagonal(alphas, betas))
        return progress

    def iterate_block(
        self, prepared: Prepared, instance: BlockInstance, values: Values, x: Block, stop: Stop
    ) -> Progress | None:
        """Iterate on several columns of ``x``, shape (n, k), at once; ``None`` where that gains nothing."""
        return block_cg.iterate_with_preconditioner(instance, prepared.state.preconditioner, x, stop)

    def rehearse_block(self) -> None:
        """Compile or load what blocks need."""
        self.rehearse_columns()
