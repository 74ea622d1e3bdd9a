"""BiCGStab(l): BiCG stabilized by residual polynomials of degree l."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.configuration import Parameter
from reiterate.contracts import Prepared, Progress, Stop, Values
from reiterate.kernels import bicgstab as kernels
from reiterate.kernels import codes, vectors
from reiterate.linear.bicgstab import ShadowedResidual
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.krylov import KrylovMethod, KrylovState
from reiterate.linear.restarting import one_by_one
from reiterate.linear.segments import run_in_segments
from reiterate.linear.traits import LinearTraits

DEGREE = Parameter("l", low=0.5, high=8.5, default=2, search=(2, 4), points=3, integer=True)

_SMALLEST_COSINE = 0.7
_ORDINARY = (1e-12, 1e12)  # eight powers of numbers between these, squared, are still numbers


class _Run(ShadowedResidual):
    """Iterates on B = A M⁻¹: what is found there is collected in ``found``, and M⁻¹ applied to it now and then.

    Where B is far from 1 in size, it is multiplied by ``unit``, lest its powers overflow or underflow.
    """

    def __init__(self, state: KrylovState, instance: LinearInstance, x: Vector, degree: int) -> None:
        rows = state.vectors(2 * degree + 5, x.size, instance.operator.dtype)
        self.degree = degree
        self.residuals, self.directions = rows[: degree + 1], rows[degree + 1 : 2 * degree + 2]
        self.found, self.image, shadow = rows[2 * degree + 2 :]
        self.products = np.empty((degree + 1, degree + 1), rows.dtype)
        self.operator = instance.operator
        self.precondition = state.preconditioner.apply
        self.unit, self.first = 1.0, True
        super().__init__(instance, x, self.residuals[0], shadow)

    def begin(self) -> None:
        super().begin()
        self.directions[0] = 0.0
        self.found[:] = 0.0
        self.alpha: Any = 0.0
        self.omega: Any = 1.0
        self.rho: Any = 1.0
        self.product: Any = kernels.dot_and_square(self.shadow, self.residual)[0]

    def multiply(self, rows: NDArray[Any], j: int) -> None:
        """Write B row_j to row j + 1."""
        self.precondition(rows[j], self.image)
        self.operator.apply(self.image, rows[j + 1])
        if self.unit != 1.0:
            rows[j + 1] *= self.unit

    def measure_unit(self) -> None:
        """Find ``unit`` from the first product."""
        growth = math.sqrt(vectors.square_norm(self.directions[1])) / self.norm
        if 0.0 < growth < math.inf and not _ORDINARY[0] < growth < _ORDINARY[1]:
            self.unit = math.ldexp(1.0, -math.frexp(growth)[1])
            self.directions[1] *= self.unit

    def fold(self) -> None:
        """Add what was found to the iterate."""
        self.precondition(self.found, self.image)
        kernels.add(self.iterate.scale * self.unit, self.image, self.iterate.x)
        self.found[:] = 0.0

    def give_up_cycle(self) -> int:
        """Restart from what was found so far."""
        self.fold()
        return self.restart()

    def step(self) -> int:
        """One cycle: l steps of BiCG, 2 l products, then the polynomial."""
        self.rho *= -self.omega
        for j in range(self.degree):
            if not self.lengthen(j) or self.norm <= self.iterate.threshold:
                return self.give_up_cycle()
        gamma = self.best_polynomial()
        if gamma is None:
            return self.give_up_cycle()
        self.omega = gamma[-1]
        self.product, square = kernels.polynomial_step(gamma, self.residuals, self.directions, self.found, self.shadow)
        self.norm = math.sqrt(square)
        if self.iterate.calls_for_restart(self.norm):
            return self.give_up_cycle()
        if self.iterate.is_much_better(self.norm):
            self.fold()
            self.iterate.keep(self.norm)
        return codes.RUNNING

    def lengthen(self, j: int) -> bool:
        """The j-th step of BiCG within a cycle; false where an inner product has vanished."""
        residuals, directions = self.residuals, self.directions
        product, square = self.product, self.norm**2
        if j > 0:
            product, square = kernels.dot_and_square(self.shadow, residuals[j])
        if self.vanishes(product, self.shadow_norm, math.sqrt(square)):
            return False
        beta = self.alpha * product / self.rho
        self.rho = product
        for i in range(j + 1):
            vectors.turn(-beta, residuals[i], directions[i])
        self.multiply(directions, j)
        if self.first:
            self.measure_unit()
            self.first = False
        along, square = kernels.dot_and_square(self.shadow, directions[j + 1])
        if self.vanishes(along, self.shadow_norm, math.sqrt(square)):
            return False
        self.alpha = product / along
        self.norm = math.sqrt(vectors.step(self.alpha, directions[0], directions[1], self.found, residuals[0]))
        for i in range(1, j + 1):
            kernels.subtract(self.alpha, directions[i + 1], residuals[i])
        if not self.norm < math.inf:
            return False
        self.multiply(residuals, j)
        return True

    def best_polynomial(self) -> NDArray[Any] | None:
        """Coefficients, index 0 unused, of the step that makes the residual small without losing BiCG's accuracy.

        The minimizer's last coefficient may nearly vanish, and BiCG's coefficients lose their digits with it; so it
        is kept away from zero as if the cosine between the two ends of the polynomial were at least 0.7: Sleijpen and
        van der Vorst, "Maintaining convergence properties of BiCGstab methods in finite precision arithmetic" (1995).
        """
        kernels.gram(self.residuals, self.products)
        Z, last = self.products, self.degree
        if not np.isfinite(Z).all():
            return None
        low, high = np.zeros((2, last + 1), Z.dtype)
        low[0], high[last] = -1.0, -1.0
        if last > 1:
            inner = slice(1, last)
            solution = np.linalg.lstsq(Z[inner, inner], Z[inner, [0, last]], rcond=None)[0]
            low[inner], high[inner] = solution[:, 0], solution[:, 1]
        kappa_low = math.sqrt(max(float((low.conj() @ Z @ low).real), 0.0))
        kappa_high = math.sqrt(max(float((high.conj() @ Z @ high).real), 0.0))
        if kappa_low == 0.0 or kappa_high == 0.0:
            return None
        cosine = (high.conj() @ Z @ low) / (kappa_low * kappa_high)
        phase = cosine / abs(cosine) if cosine != 0.0 else 1.0
        length = max(float(abs(cosine)), _SMALLEST_COSINE) * kappa_low / kappa_high
        gamma: NDArray[Any] = low - phase * length * high
        return gamma

    def finish(self) -> Vector:
        """The iterate, or the best one."""
        if self.norm != self.iterate.norm:
            self.fold()
        return self.iterate.finish(self.norm)


class BiConjugateGradientsStabilizedL(KrylovMethod):
    """``…_bicgstabl(l)``: BiCG stabilized by residual polynomials of degree l.

    Source: Sleijpen and Fokkema (1993), with the polynomial from a Gram matrix and kept away from degree l − 1
    (Sleijpen and van der Vorst 1995), preconditioned from the right. For spectra with large imaginary parts, on
    which BiCGStab stagnates. Breakdowns and what it hands back: as BiCGStab. Setup: that of the preconditioner. Holds
    2 l + 8 vectors. An iteration is 2 l products, as many applications of M, and about (96 + 40 l) l bytes a row.
    Equivalent: PETSc's ``bcgsl``.
    """

    suffix = "bicgstabl"
    headline = "BiCGStab(l) (Sleijpen and Fokkema 1993), from the right preconditioned by:"
    own_parameters = (DEGREE,)

    def fits(self, traits: LinearTraits) -> bool:
        """Any square matrix."""
        return True

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Iterate from a copy of ``x``, shape (n,)."""
        degree = int(values["l"])
        run = _Run(prepared.state, instance, x, degree)

        row_bytes = (96.0 + 40.0 * degree) * degree
        work = self.work_of(instance, prepared.state, products=2.0 * degree, row_bytes=row_bytes)
        a_product = 12.0 * instance.traits.nnz + 20.0 * x.size + prepared.state.preconditioner.traffic
        moved = 2.0 * degree * a_product + row_bytes * x.size
        return run_in_segments(
            one_by_one(run.step, run.iterate.code), run.finish, stop, bytes_per_iteration=moved, work=work
        )
