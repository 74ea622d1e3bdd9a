"""SYMMLQ: symmetric indefinite systems with the least influence of rounding errors."""

from __future__ import annotations

import math

from reiterate.contracts import Prepared, Progress, Stop, Values
from reiterate.kernels import codes, vectors
from reiterate.kernels import symmlq as kernels
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.krylov import HermitianMethod, KrylovState
from reiterate.linear.restarting import RestartedIterate

_LEAST_REDUCTION = 0.5
_PATIENCE = 2
_INVARIANT = 2e-15
_LONGEST = 1e13  # ‖A‖‖x‖/‖r‖ beyond which rounding errors come near the residual, as where A is singular
_BELIEVABLE = 1e-13  # of the residual at the last restart: what a recurrence says below has to be looked at


class _Run:
    """Lanczos vectors y with z = M⁻¹ y and y·z = β², and the L Q factors of their tridiagonal matrix.

    The iterate holds x_L, which is orthogonal to the direction w that leads to the Galerkin point x_C. The residual of
    x_C is a multiple of the next Lanczos vector, so that its norm is known although no such vector is kept.
    """

    def __init__(self, state: KrylovState, instance: LinearInstance, x: Vector) -> None:
        rows = state.vectors(6, x.size, instance.operator.dtype)
        self.residual, self.y, self.old, self.z, self.q, self.w = rows
        self.operator, self.precondition = instance.operator, state.preconditioner.apply
        self.iterate = RestartedIterate(instance, x, self.residual, least=_LEAST_REDUCTION, patience=_PATIENCE)
        self.norm = self.iterate.norm
        self.code = self.iterate.code
        self.gamma_bar = 0.0
        if self.code == codes.RUNNING:
            self.code = self.begin()

    def begin(self) -> int:
        """Begin the Lanczos process with the residual."""
        self.y[:] = self.residual
        self.old[:] = 0.0
        self.norm = self.iterate.norm
        self.old_beta = 1.0
        self.first = True
        self.gamma_bar = self.largest = self.length = self.second = 0.0
        self.sines = 1.0
        self.precondition(self.y, self.z)
        square = float(vectors.dot(self.y, self.z).real)
        if not 0.0 < square < math.inf:
            return codes.PRECONDITIONER_NOT_DEFINITE if square <= 0.0 else codes.NOT_FINITE
        self.beta = self.begun = self.right = math.sqrt(square)
        return codes.RUNNING

    def step(self) -> int:
        """One product, one application of M."""
        beta = self.beta
        alpha = self.operator.apply_dot(self.z, self.q) / beta / beta
        y_norm = math.sqrt(kernels.lanczos(self.q, self.y, self.old, 1.0 / beta, alpha / beta, beta / self.old_beta))
        self.y, self.old = self.old, self.y
        self.precondition(self.y, self.q)
        square = float(vectors.dot(self.y, self.q).real)
        if not abs(square) < math.inf:
            return codes.NOT_FINITE
        next_beta = math.sqrt(abs(square))
        self.largest = max(self.largest, abs(alpha), next_beta)
        if next_beta <= _INVARIANT * self.largest:
            next_beta = 0.0
        elif square < 0.0:
            return codes.PRECONDITIONER_NOT_DEFINITE
        self.advance(alpha, beta, next_beta)
        self.z, self.q = self.q, self.z
        self.beta, self.old_beta = next_beta, beta
        defined = abs(self.gamma_bar) > _INVARIANT * self.largest
        self.norm = self.sines * self.begun / abs(self.gamma_bar) * y_norm if defined else math.inf
        too_long = self.is_too_long(math.sqrt(self.length))
        if next_beta == 0.0 or too_long or self.norm <= max(self.iterate.threshold, _BELIEVABLE * self.iterate.norm):
            return self.restart()
        return codes.RUNNING

    def advance(self, alpha: float, beta: float, next_beta: float) -> None:
        """Rotate a column of the tridiagonal matrix into L, and go on to the next x_L."""
        if self.first:
            self.first = False
            self.gamma_bar, self.delta_bar = alpha, next_beta
            self.w[:] = self.z
            self.w *= 1.0 / beta
            return
        gamma = math.hypot(self.gamma_bar, beta)
        cosine, sine = self.gamma_bar / gamma, beta / gamma
        delta = cosine * self.delta_bar + sine * alpha
        self.gamma_bar = sine * self.delta_bar - cosine * alpha
        self.delta_bar = -cosine * next_beta
        zeta = self.right / gamma
        self.right, self.second = self.second - delta * zeta, -sine * next_beta * zeta
        self.sines *= sine
        self.length += zeta * zeta
        along = self.iterate.scale * zeta
        kernels.step(self.z, 1.0 / beta, along * cosine, along * sine, cosine, sine, self.w, self.iterate.x)

    def is_too_long(self, length: float) -> bool:
        """Whether rounding errors are all that would be left of the residual of a vector of that length."""
        return length * self.largest > _LONGEST * self.begun

    def transfer(self) -> None:
        """Go to x_C where its residual, in the norm of M⁻¹, is at most that of x_L."""
        if self.code != codes.RUNNING or not abs(self.gamma_bar) > _INVARIANT * self.largest:
            return
        if self.is_too_long(math.hypot(math.sqrt(self.length), self.right / self.gamma_bar)):
            return
        if self.sines * self.begun * self.beta <= abs(self.gamma_bar) * math.hypot(self.right, self.second):
            self.iterate.x += (self.iterate.scale * self.right / self.gamma_bar) * self.w

    def restart(self) -> int:
        """Go on from the true residual."""
        self.transfer()
        code = self.iterate.restart()
        self.code = self.begin() if code == codes.RUNNING else code
        self.norm = self.iterate.norm
        return self.code

    def finish(self) -> Vector:
        """The better of x_L and x_C, unless the start was better still."""
        if self.norm == self.iterate.norm:
            return self.iterate.x
        self.transfer()
        return self.iterate.finish(self.norm)


class SymmetricLQ(HermitianMethod):
    """``…_symmlq``: the Galerkin point over a Krylov space of a symmetric matrix, by orthogonal factors.

    Source: Paige and Saunders (1975). Needs A symmetric, or Hermitian where complex, definite or not, and M positive
    definite. Guarantee: the error of what it iterates on never grows in the norm of M; the Galerkin point, to which it
    moves at the end, is that of CG, though it exists where CG's recurrence breaks down. Rounding errors in the residual
    grow with κ, those of MINRES with κ² (Sleijpen, van der Vorst and Modersitzki 2001); what it thinks it has reached
    is computed anew. It usually takes a few more steps than MINRES. A system that is singular and inconsistent ends as
    stagnated. Setup: that of the preconditioner. Holds 8 vectors. An iteration is one product, one application of M,
    and 96 bytes a row besides.
    """

    suffix = "symmlq"
    headline = "SYMMLQ (Paige and Saunders 1975) preconditioned by:"

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Iterate from a copy of ``x``, shape (n,)."""
        run = _Run(prepared.state, instance, x)
        return self.play(run, run.finish, prepared, instance, stop, row_bytes=96.0)
