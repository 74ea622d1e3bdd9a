"""Symmetric QMR: symmetric matrices, real or complex, with preconditioners that need not be definite."""

from __future__ import annotations

import math

from reiterate.contracts import Prepared, Progress, Stop, Values
from reiterate.kernels import bicgstab, codes, vectors
from reiterate.kernels import symmetric as kernels
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.krylov import KrylovState
from reiterate.linear.symmetric import SymmetricMethod, SymmetricRun
from reiterate.linear.traits import LinearTraits


class _Run(SymmetricRun):
    """The residual r of the Galerkin point, u = M⁻¹r, its direction q, and the smoothed residual with its own d."""

    def __init__(self, state: KrylovState, instance: LinearInstance, x: Vector) -> None:
        rows = state.vectors(6, x.size, instance.operator.dtype)
        residual, self.r, self.u, self.q, self.image, self.d = rows
        self.precondition = state.preconditioner.apply
        super().__init__(instance, x, residual)

    def begin(self) -> int:
        self.r[:] = self.residual
        self.d[:] = 0.0
        self.tau, self.theta = self.iterate.norm, 0.0
        self.precondition(self.r, self.u)
        self.rho = self.product(self.r, self.u)
        self.q[:] = self.u
        return codes.RUNNING if self.rho is not None else codes.VANISHING_PRODUCT

    def step(self) -> int:
        """One product, one application of M."""
        self.operator.apply(self.q, self.image)
        along = self.product(self.q, self.image)
        if along is None:
            return self.restart(codes.VANISHING_PRODUCT)
        alpha = self.rho / along
        size = math.sqrt(bicgstab.subtract(alpha, self.image, self.r))
        theta = size / self.tau
        eta = 1.0 / (1.0 + theta * theta)
        self.tau = size * math.sqrt(eta)
        square = kernels.smooth(
            eta * self.theta * self.theta, eta * alpha, eta, self.iterate.scale,
            self.q, self.r, self.d, self.iterate.x, self.residual,
        )  # fmt: skip
        self.theta = theta
        code = self.advanced(square)
        if code != codes.RUNNING or self.steps == 0:
            return code
        self.precondition(self.r, self.u)
        rho = self.product(self.r, self.u)
        if rho is None:
            return self.restart(codes.VANISHING_PRODUCT)
        vectors.turn(rho / self.rho, self.u, self.q)
        self.rho = rho
        return codes.RUNNING


class SymmetricQuasiMinimalResidual(SymmetricMethod):
    """``…_sqmr``: quasi-minimal residuals for A = Aᵀ, real or complex, with M = Mᵀ, definite or not.

    Source: Freund and Nachtigal (1994); for complex matrices Freund (1992); preconditioned from the right. Guarantee:
    the residual is at most √(k + 1) times the smallest of the residuals of COCG's iterates, and falls almost
    monotonically; in exact arithmetic it ends after n steps, unless rᵀM⁻¹r or qᵀAq vanishes, which is named. Other than
    MINRES it takes the indefinite factors that suit an indefinite matrix. What it hands back is never worse than what
    it was given. Setup: that of the preconditioner. Holds 9 vectors. An iteration is one product, one application of
    M, and 144 bytes a row besides.
    """

    suffix = "sqmr"
    headline = "symmetric QMR (Freund and Nachtigal 1994), from the right preconditioned by:"

    def fits(self, traits: LinearTraits) -> bool:
        """A = Aᵀ; not conjugated where A is complex."""
        return traits.symmetric

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Iterate from a copy of ``x``, shape (n,)."""
        run = _Run(prepared.state, instance, x)
        return self.play(run, lambda: run.iterate.finish(run.norm), prepared, instance, stop, row_bytes=144.0)
