"""Conjugate gradients that recycle: deflated by a small space of slow directions, carried from instance to instance."""

from __future__ import annotations

import math

import numpy as np

from reiterate.configuration import Parameter
from reiterate.contracts import Prepared, Progress, Status, Stop, Values
from reiterate.kernels import codes, vectors
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.krylov import REAL_DEFINITE, KrylovMethod, KrylovState, needs
from reiterate.linear.lanczos import LanczosWindow
from reiterate.linear.method import Variant
from reiterate.linear.payoff import decades_between
from reiterate.linear.preconditioned_cg import PreconditionedConjugateGradients
from reiterate.linear.preconditioner import Family
from reiterate.linear.recycled_space import RecycledSpace
from reiterate.linear.segments import run_in_segments
from reiterate.linear.traits import LinearTraits
from reiterate.linear.work import in_matvecs

SPACE = Parameter("space", low=0.5, high=100, default=8, search=(4, 16), points=3, scale="log", integer=True)


class _Run:
    """One solve: CG with what the space adds to the preconditioner, and the window that gathers a better space."""

    def __init__(self, state: KrylovState, space: RecycledSpace, instance: LinearInstance, x: Vector, k: int) -> None:
        self.state, self.space, self.operator = state, space, instance.operator
        self.precondition = state.preconditioner.apply
        self.threshold = instance.square_threshold
        self.x = x.copy()
        self.r, self.z, self.p, self.q = self.vectors = state.vectors(4, x.size, x.dtype)
        self.square = self.first_square = self.operator.residual(self.x, instance.b, self.r)
        self.products = self.applications = 0
        self.weighted = math.inf
        solved = not self.threshold < self.square < math.inf
        self.deflating = space.payoff.use and space.exists and not solved
        if self.deflating:
            self.products = space.refresh(instance, self.precondition, self.r, self.vectors[2:])
            self.applications = min(self.products, 1)
            self.deflating = space.exists
        self.count = space.vectors.shape[0] if self.deflating else 0
        if self.deflating:
            space.project(self.r, self.x)
            self.square = self.operator.residual(self.x, instance.b, self.r)
            self.products += 1
        self.window: LanczosWindow | None = None
        if space.payoff.harvest and not solved:
            length = LanczosWindow.length(k)
            # So few unknowns are solved for before a window is full, and rounding would fill it with nothing.
            if x.size >= length:
                self.window = LanczosWindow(np.empty((length, x.size), dtype=np.float32), k)
        self.p[:] = 0.0

    def advance(self, iterations: int) -> tuple[int, int]:
        """Make up to so many iterations."""
        for made in range(iterations):
            if self.square <= self.threshold:
                return made, codes.CONVERGED
            code = self._step()
            if code != codes.RUNNING:
                return made, code
            if not self.square < math.inf:
                return made + 1, codes.NOT_FINITE
        return iterations, codes.CONVERGED if self.square <= self.threshold else codes.RUNNING

    def _step(self) -> int:
        r, z, p, q = self.r, self.z, self.p, self.q
        self.precondition(r, z)
        weighted = self.space.correct(r, z) if self.deflating else float(vectors.dot(r, z))
        if not weighted > 0.0:
            return codes.PRECONDITIONER_NOT_DEFINITE if weighted <= 0.0 else codes.NOT_FINITE
        beta = weighted / self.weighted
        self.weighted = weighted
        vectors.turn(beta, z, p)
        curvature = self.operator.apply_dot(p, q)
        if not curvature > 0.0:
            return codes.NOT_DEFINITE if curvature <= 0.0 else codes.NOT_FINITE
        alpha = weighted / curvature
        if self.window is not None:
            self.window.add(z, weighted, beta)
            self.window.close(alpha)
        self.square = float(vectors.step(alpha, p, q, self.x, r))
        return codes.RUNNING

    def improve(self, instance: LinearInstance, k: int) -> int:
        """Make the space anew, or better, from what the window holds; how many products that took."""
        assert self.window is not None
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            found = self.window.ritz_vectors()
            return self.space.improve(instance, self.precondition, found, k, self.vectors[2:])


class DeflatedConjugateGradients(KrylovMethod):
    """``…_deflated_cg(space)``: preconditioned conjugate gradients with a recycled space of slow directions.

    W has ``space`` columns, near the eigenvectors of M⁻¹A with the smallest eigenvalues. They are found by eigCG
    (Stathopoulos and Orginos 2010) as a by-product of solves, and improved by harmonic Ritz vectors over the old and
    the new ones (Morgan 1995; Saad, Yeung, Erhel and Guyomarc'h 2000). A new matrix needs WᵀAW: as many products.
    The initial iterate is projected, so that its error is A-orthogonal to W, and the preconditioner becomes
    M⁻¹ + σ W (WᵀAW)⁻¹ Wᵀ, which moves the eigenvalues that W catches to about σ, a mean of the others (Carpentieri,
    Duff and Giraud 2003). Against deflation by projection of every direction that needs no A W, so half the memory
    traffic, and tolerates rounding errors: W is kept in single precision.

    Guarantee: for any W of full rank the smallest eigenvalue does not fall, and the largest grows by at most σ. W is
    given up, for a while, where solves with it do not cost less (:class:`~reiterate.linear.payoff.Payoff`), and where
    WᵀAW is not positive definite. The iterates depend on the instances solved before; the answers, within the
    tolerance, do not.

    Needs A symmetric positive definite, or semidefinite and consistent. An iteration is one product, one application of
    M, and 88 + 8 · space + 32 bytes a row; holds 4 · space bytes a row, and 8 · space + 64 while it gathers.
    """

    suffix = "deflated_cg"
    headline = "conjugate gradients deflated by a recycled space (Saad et al. 2000), preconditioned by:"
    own_parameters = (SPACE,)
    needs_definite = True

    def __init__(self, family: Family, plain: PreconditionedConjugateGradients | None = None) -> None:
        """``plain`` takes its place while there is nothing to recycle; it must share the family's state."""
        super().__init__(family)
        self._plain = PreconditionedConjugateGradients(family) if plain is None else plain
        self.requires = needs(REAL_DEFINITE, family)

    def fits(self, traits: LinearTraits) -> bool:
        """Nothing seen that speaks against a real symmetric positive definite matrix."""
        return traits.maybe_definite and not traits.complex

    def warm_up(self, variant: Variant | None = None) -> None:
        """Run a few times on a small system, so that a space is made, used and improved."""
        super().warm_up(variant)
        self._plain.warm_up()
        space = RecycledSpace(8)
        space.replace(np.eye(5, 8, dtype=np.float32))
        space.inverse = np.eye(5)
        space.project(np.ones(8), np.zeros(8))

    def serves(self, prepared: Prepared, instance: LinearInstance) -> bool:
        """Any preconditioner of the right size and kind serves, but only one that is dear is left to age."""
        return self.serves_if_dear(prepared, instance)

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Iterate from a copy of ``x``, shape (n,)."""
        if not instance.recycles:
            return self._plain.iterate(prepared, instance, values, x, stop)
        state, k = prepared.state, int(values["space"])
        space = _space(state, x.size, k)
        if not (space.payoff.harvest or (space.payoff.use and space.exists)):
            return self._iterate_plainly(prepared, instance, values, x, stop, space)
        run = _Run(state, space, instance, x, k)
        harvesting, size, deflating = run.window is not None, x.size, run.deflating
        product = 12.0 * instance.traits.nnz + 20.0 * size
        application = state.preconditioner.traffic
        unit = product + 88.0 * size + application + (space.traffic(run.count) if deflating else 0.0)
        gathering = LanczosWindow.traffic(k, size) if harvesting else 0.0
        work = in_matvecs(instance.pattern, unit + gathering)
        progress = run_in_segments(run.advance, lambda: run.x, stop, bytes_per_iteration=unit + gathering, work=work)
        extra = run.products * product + run.applications * application
        if progress.status is Status.CONVERGED and progress.iterations:
            mean = unit if deflating else self._plain.traffic_of(instance, state)
            moved = progress.iterations * mean + extra
            if harvesting:
                products = run.improve(instance, k)
                price = products * (product + application) + 4.0 * (products + k) * k * size
                price += progress.iterations * gathering
                space.payoff.built(price)
                if deflating and not space.payoff.matures:
                    moved += price
                extra += price - progress.iterations * gathering
            decades = 0.5 * decades_between(run.first_square, run.square)
            space.payoff.record(
                used=deflating, exists=space.exists, iterations=progress.iterations, decades=decades, unit=unit,
                moved=moved,
            )  # fmt: skip
            if space.payoff.given_up:
                space.drop()
        progress.work += in_matvecs(instance.pattern, extra)
        return progress

    def _iterate_plainly(
        self,
        prepared: Prepared,
        instance: LinearInstance,
        values: Values,
        x: Vector,
        stop: Stop,
        space: RecycledSpace,
    ) -> Progress:
        progress = self._plain.iterate(prepared, instance, values, x, stop)
        if progress.status is Status.CONVERGED and progress.iterations:
            # While the space is given up nothing is compared, and no product need be spent on the residual.
            fallen = 1.0 if space.payoff.given_up else instance.merit(x) / max(instance.target, 1e-300)
            unit = self._plain.traffic_of(instance, prepared.state)
            space.payoff.record(
                used=False, exists=space.exists, iterations=progress.iterations,
                decades=math.log10(min(max(fallen, 1.0), 1e300)), unit=unit, moved=progress.iterations * unit,
            )  # fmt: skip
        return progress


def _space(state: KrylovState, size: int, k: int) -> RecycledSpace:
    """The space of k vectors that the state carries, or a new one."""
    held = state.recycled.get(("deflation", k))
    if not isinstance(held, RecycledSpace) or held.vectors.shape[1] != size:
        state.recycled["deflation", k] = held = RecycledSpace(size)
    return held
