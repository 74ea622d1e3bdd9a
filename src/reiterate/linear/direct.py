"""A direct factorization, the fallback that makes "right or loud" possible."""

from __future__ import annotations

import time

import numpy as np
from scipy.sparse.linalg import splu

from reiterate.configuration import ParameterSpace
from reiterate.contracts import Prepared, Progress, Status, Stop, Values
from reiterate.errors import Breakdown
from reiterate.linear.instance import LinearInstance, LinearTraits, Vector, norm
from reiterate.linear.method import LinearMethod
from reiterate.linear.work import in_matvecs

_SIZE_LIMIT = 300_000
_REFINEMENTS = 5


class Direct(LinearMethod):
    """``direct``: LU factors by SuperLU, and iterative refinement until the target or rounding is reached.

    Takes any nonsingular matrix of up to 300,000 unknowns, beyond which fill-in can exceed the memory of a
    workstation. One "iteration" is one solve with the factors. Work is counted from the fill:
    nnz(L + U)²/n multiply-adds for the factor. Equivalent: ``scipy.sparse.linalg.splu(A).solve(b)``.
    Source of the guarantee: with refinement the solution is componentwise backward stable (Skeel 1980).
    """

    name = "direct"
    parameters = ParameterSpace()
    requires = f"at most {_SIZE_LIMIT} unknowns"

    def accepts(self, traits: LinearTraits) -> bool:
        """Not too large to factor."""
        return traits.size <= _SIZE_LIMIT

    def prepare(self, instance: LinearInstance, values: Values, previous: Prepared | None = None) -> Prepared:
        """Factor A; the numbers of an earlier instance are of no use to SuperLU."""
        symmetric = instance.traits.symmetric
        try:
            factor = splu(
                instance.A.tocsc(),
                permc_spec="MMD_AT_PLUS_A" if symmetric else "COLAMD",
                diag_pivot_thresh=0.01 if symmetric else 1.0,
                options={"SymmetricMode": symmetric},
            )
        except RuntimeError as error:
            raise Breakdown(f"SuperLU: {str(error).rstrip('.')}; the matrix is singular") from None
        except MemoryError:
            raise Breakdown("SuperLU: the factors do not fit into memory") from None
        multiply_adds = float(factor.nnz) ** 2 / instance.pattern.size
        return Prepared(factor, work=in_matvecs(instance.pattern, 12.0 * multiply_adds))

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Refine ``x``, shape (n,), until the target is met or a step no longer helps."""
        begin = time.perf_counter()
        factor = prepared.state
        work = in_matvecs(instance.pattern, 12.0 * float(factor.nnz))
        best, done = x, 0
        with np.errstate(over="ignore", invalid="ignore"):
            residual = instance.b - instance.A @ best
        size = norm(residual)
        if not size <= norm(instance.b):
            # A guess that is worse than none would cost refinements, each of which gains 16 digits at most.
            best, residual, size = instance.origin(), instance.b, norm(instance.b)
        target = instance.target * instance.norm_b
        while size > target and done < min(stop.max_iterations, _REFINEMENTS):
            candidate = best + factor.solve(residual)
            done += 1
            next_residual = instance.b - instance.A @ candidate
            next_size = norm(next_residual)
            if not np.isfinite(next_size):
                return Progress(best, Status.BREAKDOWN, done, done * work, "the factors are numerically singular")
            if next_size >= size:
                return Progress(best, Status.BREAKDOWN, done, done * work, "iterative refinement has reached its limit")
            best, residual, size = candidate, next_residual, next_size
            if stop.max_seconds is not None and time.perf_counter() - begin > stop.max_seconds:
                break
        status = Status.CONVERGED if size <= target else Status.ITERATION_CAP
        return Progress(best, status, done, done * work)
