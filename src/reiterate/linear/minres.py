"""MINRES: the smallest residual for symmetric matrices, definite or not, by short recurrences."""

from __future__ import annotations

import math

import numpy as np

from reiterate.contracts import Prepared, Progress, Stop, Values
from reiterate.kernels import codes, vectors
from reiterate.kernels import minres as kernels
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.krylov import HermitianMethod, KrylovState
from reiterate.linear.restarting import RestartedIterate

_LEAST_REDUCTION = 0.5
_PATIENCE = 2
_INVARIANT = 2e-15
_LEAST_SQUARES = 1e-10
_LONGEST_STEP = 1e12
_COMFORTABLE = 100  # binary orders of magnitude that the preconditioned A may be from one


class _Run:
    """Lanczos vectors y with z = M⁻¹ y and y·z = β², the last rotation, and the last two directions."""

    def __init__(self, state: KrylovState, instance: LinearInstance, x: Vector) -> None:
        rows = state.vectors(7, x.size, instance.operator.dtype)
        self.residual, self.y, self.old, self.z, self.q, self.w, self.old_w = rows
        self.operator, self.precondition = instance.operator, state.preconditioner.apply
        self.factors = np.empty(6)
        self.unit = 0.0  # M is divided by this power of two, so that numbers stay in range; 0 until it is known
        self.largest = 0.0  # of the tridiagonal matrices so far: an estimate of the norm of the preconditioned A
        self.iterate = RestartedIterate(instance, x, self.residual, least=_LEAST_REDUCTION, patience=_PATIENCE)
        self.code = self.iterate.code
        if self.code == codes.RUNNING:
            self.code = self.begin()
        else:
            self.norm = self.iterate.norm

    def begin(self) -> int:
        """Begin the Lanczos process with the residual."""
        self.y[:] = self.residual
        self.old[:] = 0.0
        self.w[:] = 0.0
        self.old_w[:] = 0.0
        self.norm = self.iterate.norm
        self.cosine, self.sine = -1.0, 0.0
        self.diagonal_bar = self.epsilon = 0.0
        self.old_beta = 1.0
        self.apply_scaled(self.y, self.z)
        square = float(vectors.dot(self.y, self.z).real)
        if not 0.0 < square < math.inf:
            return codes.PRECONDITIONER_NOT_DEFINITE if square <= 0.0 else codes.NOT_FINITE
        self.beta = self.phi_bar = math.sqrt(square)
        return codes.RUNNING

    def restart(self) -> int:
        """Go on from the true residual."""
        code = self.iterate.restart()
        return self.begin() if code == codes.RUNNING else code

    def step(self) -> int:
        """One product, one application of M."""
        beta = self.beta
        alpha = self.operator.apply_dot(self.z, self.q) / beta / beta
        if self.unit == 0.0 and not self.choose_unit():
            return codes.NOT_FINITE if self.unit == 0.0 else self.begin()
        kernels.lanczos(self.q, self.y, self.old, 1.0 / beta, alpha / beta, beta / self.old_beta)
        self.y, self.old = self.old, self.y
        self.apply_scaled(self.y, self.q)
        square = float(vectors.dot(self.y, self.q).real)
        if not abs(square) < math.inf:
            return codes.NOT_FINITE
        next_beta = math.sqrt(abs(square))
        self.largest = max(self.largest, abs(alpha), next_beta)
        if next_beta <= _INVARIANT * self.largest:
            next_beta = 0.0
        elif square < 0.0:
            return codes.PRECONDITIONER_NOT_DEFINITE
        if not self.rotate(alpha, beta, next_beta):
            return self.restart()
        square = kernels.step(
            self.z, self.w, self.old_w, self.factors, self.iterate.scale, self.y, self.iterate.x, self.residual
        )
        self.w, self.old_w = self.old_w, self.w
        self.z, self.q = self.q, self.z
        self.beta, self.old_beta = next_beta, beta
        self.norm = math.sqrt(square)
        if next_beta == 0.0 or self.iterate.calls_for_restart(self.norm):
            return self.restart()
        return codes.RUNNING

    def apply_scaled(self, r: Vector, z: Vector) -> None:
        """Write M⁻¹ r to ``z``, times the unit."""
        self.precondition(r, z)
        if self.unit not in (0.0, 1.0):
            z *= self.unit

    def choose_unit(self) -> bool:
        """Know from the first product how large the preconditioned A is; whether M may stay as it is."""
        size = float(np.abs(self.q).max()) / float(np.abs(self.y).max())
        if not size < math.inf:
            return False
        exponent = math.frexp(size)[1]
        self.unit = 1.0 if abs(exponent) <= _COMFORTABLE else math.ldexp(1.0, min(-exponent, 1000))
        return self.unit == 1.0

    def rotate(self, alpha: float, beta: float, next_beta: float) -> bool:
        """Rotate a column of the tridiagonal matrix into R; false where no step can be made.

        That is where r is orthogonal to the range of A, or the step so long, along a null vector of A, that its
        rounding errors would be what is left of the residual.
        """
        cosine, sine = self.cosine, self.sine
        delta = cosine * self.diagonal_bar + sine * alpha
        gamma_bar = sine * self.diagonal_bar - cosine * alpha
        old_epsilon, self.epsilon = self.epsilon, sine * next_beta
        self.diagonal_bar = -cosine * next_beta
        # ‖A r‖ / ‖r‖ in the norms of M: what is left of a least-squares problem.
        if math.hypot(gamma_bar, self.diagonal_bar) <= _LEAST_SQUARES * self.largest:
            return False
        gamma = math.hypot(gamma_bar, next_beta)
        cosine, sine = gamma_bar / gamma, next_beta / gamma
        length = cosine * self.phi_bar
        if abs(length) * self.largest > _LONGEST_STEP * gamma * abs(self.phi_bar):
            return False
        self.cosine, self.sine = cosine, sine
        self.phi_bar *= sine
        of_y = self.phi_bar * cosine / next_beta if next_beta > 0.0 else 0.0
        self.factors[:] = (1.0 / gamma / beta, delta / gamma, old_epsilon / gamma, length, sine * sine, of_y)
        return True


class MinimalResidual(HermitianMethod):
    """``…_minres``: the smallest residual over a Krylov space of a symmetric matrix.

    Source: Paige and Saunders (1975), with the residual vector by recurrence (Choi, Paige and Saunders 2011), so that
    the stopping test is that of the true residual whatever M is. Needs A symmetric, or Hermitian where complex,
    definite or not, and M positive definite. Guarantee: the residual never grows in the norm of M⁻¹; the factor of
    every second step is (κ − 1)/(κ + 1) at worst, κ that of the preconditioned matrix. It ends after as many steps as
    M⁻¹A has distinct eigenvalues in the residual. Rounding errors grow with κ² (Sleijpen, van der Vorst and Modersitzki
    2001), so what it thinks it has reached is computed anew, and it begins again from there as long as that helps. A
    system that is singular and inconsistent ends as stagnated, at a least-squares solution. Setup: that of the
    preconditioner. Holds 9 vectors. An iteration is one product, one application of M, and 120 bytes a row besides.
    Equivalent: ``scipy.sparse.linalg.minres(A, b, M=M)``.
    """

    suffix = "minres"
    headline = "MINRES (Paige and Saunders 1975) preconditioned by:"

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Iterate from a copy of ``x``, shape (n,)."""
        run = _Run(prepared.state, instance, x)
        return self.play(run, lambda: run.iterate.finish(run.norm), prepared, instance, stop, row_bytes=120.0)
