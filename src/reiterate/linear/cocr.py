"""COCR: conjugate residuals for complex symmetric matrices."""

from __future__ import annotations

from reiterate.contracts import Prepared, Progress, Stop, Values
from reiterate.kernels import codes
from reiterate.kernels import symmetric as kernels
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.krylov import KrylovState
from reiterate.linear.method import Variant
from reiterate.linear.symmetric import SymmetricMethod, SymmetricRun
from reiterate.linear.traits import LinearTraits


class _Run(SymmetricRun):
    """Residual r with u = M⁻¹r, direction p, and the products of A with both."""

    def __init__(self, state: KrylovState, instance: LinearInstance, x: Vector) -> None:
        rows = state.vectors(6, x.size, instance.operator.dtype)
        residual, self.u, self.image, self.p, self.q, self.solved = rows
        self.precondition = state.preconditioner.apply
        super().__init__(instance, x, residual)

    def begin(self) -> int:
        self.precondition(self.residual, self.u)
        self.operator.apply(self.u, self.image)
        self.rho = self.product(self.u, self.image)
        self.p[:] = self.u
        self.q[:] = self.image
        return codes.RUNNING if self.rho is not None else codes.VANISHING_PRODUCT

    def step(self) -> int:
        """One product, one application of M."""
        self.precondition(self.q, self.solved)
        along = self.product(self.q, self.solved)
        if along is None:
            return self.restart(codes.VANISHING_PRODUCT)
        square = kernels.residual_step(
            self.rho / along, self.iterate.scale, self.p, self.q, self.solved, self.iterate.x, self.residual, self.u
        )
        code = self.advanced(square)
        if code != codes.RUNNING or self.steps == 0:
            return code
        self.operator.apply(self.u, self.image)
        rho = self.product(self.u, self.image)
        if rho is None:
            return self.restart(codes.VANISHING_PRODUCT)
        kernels.turn_pair(rho / self.rho, self.u, self.image, self.p, self.q)
        self.rho = rho
        return codes.RUNNING


class ConjugateOrthogonalConjugateResidual(SymmetricMethod):
    """``…_cocr``: conjugate residuals with products that are not conjugated.

    Source: Sogabe and Zhang (2007); preconditioned by M = Mᵀ. Needs A complex symmetric, not Hermitian. Guarantee: in
    exact arithmetic it ends after n steps, unless uᵀAu or (Ap)ᵀM⁻¹Ap vanishes, which is named; where A is real it is
    the method of conjugate residuals. Residuals are smoother than those of COCG (van der Vorst and Melissen 1990),
    though they need not fall. What it hands back is never worse than what it was given. Setup: that of the
    preconditioner. Holds 9 vectors. An iteration is one product, one application of M, and 152 bytes
    a row besides.
    """

    suffix = "cocr"
    headline = "COCR (Sogabe and Zhang 2007) preconditioned by:"
    matrix = "a complex symmetric matrix"

    def fits(self, traits: LinearTraits) -> bool:
        """Complex with A = Aᵀ."""
        return traits.symmetric and traits.complex

    def warm_up(self, variant: Variant | None = None) -> None:
        """As other methods; there are no real systems to run on."""
        super().warm_up(variant or Variant(complex=True))

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Iterate from a copy of ``x``, shape (n,)."""
        run = _Run(prepared.state, instance, x)
        return self.play(run, lambda: run.iterate.finish(run.norm), prepared, instance, stop, row_bytes=152.0)
