"""BiCGStab: short recurrences for matrices without symmetry."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Prepared, Progress, Stop, Values
from reiterate.kernels import bicgstab as kernels
from reiterate.kernels import codes, spmd
from reiterate.linear import team
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.krylov import KrylovMethod, KrylovState
from reiterate.linear.restarting import RestartedIterate, one_by_one
from reiterate.linear.segments import run_in_segments
from reiterate.linear.traits import LinearTraits

LEAST_REDUCTION = 0.5
"""A restart after less than this is futile."""
PATIENCE = 3
"""Futile restarts in a row that are suffered."""
VANISHING = 1e-14
"""Cosine of an angle below which an inner product has vanished: what it divides would have no digit left."""


_UNKNOWNS_WORTH_WAKING = 300_000  # the shortest update takes 0.1 ms, and waking a thread up to half of that


class ShadowedResidual:
    """What BiCGStab and BiCGStab(l) share: a shadow residual, and restarts with a new one after a breakdown."""

    def __init__(self, instance: LinearInstance, x: Vector, residual: NDArray[Any], shadow: NDArray[Any]) -> None:
        self.residual = residual
        self.shadow = shadow
        self.iterate = RestartedIterate(instance, x, residual, least=LEAST_REDUCTION, patience=PATIENCE)
        self._random = np.random.default_rng(0)
        shadow[:] = residual
        self.begin()

    def begin(self) -> None:
        """Take the norms at a restart."""
        self.norm = self.iterate.norm
        self.shadow_norm = math.sqrt(float(kernels.dot_and_square(self.shadow, self.shadow)[1]))

    def restart(self) -> int:
        """Go on from the true residual with another shadow: the old one may have met a subspace it is orthogonal to."""
        code = self.iterate.restart()
        if code == codes.RUNNING:
            noise = self._random.standard_normal(self.residual.size)
            if np.iscomplexobj(self.residual):
                noise = noise + 1j * self._random.standard_normal(self.residual.size)
            np.multiply(noise, self.iterate.norm / math.sqrt(noise.size), out=self.shadow)
            self.shadow += self.residual
            self.begin()
        return code

    def vanishes(self, product: complex, *norms: float) -> bool:
        """Whether an inner product is nothing but rounding errors; NaN and underflow count as that too."""
        largest = math.prod(norms)
        return not (largest > 0.0 and math.hypot(product.real, product.imag) > VANISHING * largest)


class _Run(ShadowedResidual):
    def __init__(self, state: KrylovState, instance: LinearInstance, x: Vector) -> None:
        residual, shadow, self.p, self.v, self.y, self.z, self.t = state.vectors(7, x.size, instance.operator.dtype)
        self.operator = instance.operator
        self.precondition = state.preconditioner.apply
        threads = instance.threads
        self.threads = threads if x.size >= _UNKNOWNS_WORTH_WAKING * (threads - 1) else 1
        self.workspace = (
            team.even_bounds(x.size, self.threads),
            np.zeros((self.threads, spmd.STRIDE), residual.dtype),
            team.partial_sums(self.threads),
        )
        super().__init__(instance, x, residual, shadow)

    def begin(self) -> None:
        super().begin()
        self.p[:] = 0.0
        self.v[:] = 0.0
        self.alpha = self.omega = self.last_rho = 1.0
        self.rho: Any = kernels.dot_and_square(self.shadow, self.residual)[0]

    def together(self, kernel: Callable[..., Any], *arguments: Any) -> Any:
        """Call a kernel that takes vectors by parts."""
        return team.call(self.threads, kernel, *arguments, *self.workspace)

    def step(self) -> int:
        """Two products: one for the direction, one to make the residual smaller."""
        r, shadow = self.residual, self.shadow
        if self.vanishes(self.rho, self.shadow_norm, self.norm):
            return self.restart()
        beta = (self.rho / self.last_rho) * (self.alpha / self.omega)
        self.together(kernels.turn_parts, beta, self.omega, r, self.v, self.p)
        self.precondition(self.p, self.y)
        self.operator.apply(self.y, self.v)
        along, square = self.together(kernels.dot_and_square_parts, shadow, self.v)
        if self.vanishes(along, self.shadow_norm, math.sqrt(square)):
            return self.restart()
        self.alpha = self.rho / along
        half = math.sqrt(self.together(kernels.subtract_parts, self.alpha, self.v, r))
        if half <= self.iterate.threshold:
            return self.stop_halfway()
        self.precondition(r, self.z)
        self.operator.apply(self.z, self.t)
        product, square = self.together(kernels.dot_and_square_parts, r, self.t)
        if self.vanishes(product, half, math.sqrt(square)):
            return self.stop_halfway()
        self.omega = product.conjugate() / square
        self.last_rho = self.rho
        self.rho, square = self.together(
            kernels.stabilize_parts,
            self.alpha, self.omega, self.iterate.scale, self.y, self.z, self.t, shadow, self.iterate.x, r,
        )  # fmt: skip
        self.norm = math.sqrt(square)
        if self.iterate.calls_for_restart(self.norm):
            return self.restart()
        if self.iterate.is_much_better(self.norm):
            self.iterate.keep(self.norm)
        return codes.RUNNING

    def stop_halfway(self) -> int:
        """Restart without the second half of a step."""
        kernels.add(self.alpha * self.iterate.scale, self.y, self.iterate.x)
        return self.restart()


class BiConjugateGradientsStabilized(KrylovMethod):
    """``…_bicgstab``: BiCG stabilized by steps of minimal residual.

    Source: van der Vorst (1992), preconditioned from the right. Guarantee: none of monotonicity, and it can break
    down; then it begins anew with another shadow residual, at most four times in a row without halving the residual.
    What it hands back is never worse than what it was given, and within a factor of 10 of the best it met. Setup: that
    of the preconditioner. Holds 10 vectors. An iteration is two products, two applications of M, and 176 bytes a row
    besides. Equivalent: ``scipy.sparse.linalg.bicgstab(A, b, M=M)``.
    """

    suffix = "bicgstab"
    headline = "BiCGStab (van der Vorst 1992), from the right preconditioned by:"

    def fits(self, traits: LinearTraits) -> bool:
        """Any square matrix."""
        return True

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Iterate from a copy of ``x``, shape (n,)."""
        run = _Run(prepared.state, instance, x)

        work = self.work_of(instance, prepared.state, products=2.0, row_bytes=176.0)
        moved = 24.0 * instance.traits.nnz + 216.0 * x.size + 2.0 * prepared.state.preconditioner.traffic
        return run_in_segments(
            one_by_one(run.step, run.iterate.code),
            lambda: run.iterate.finish(run.norm),
            stop,
            bytes_per_iteration=moved,
            work=work,
        )
