"""Restarted GMRES, and its flexible form for preconditioners that change from step to step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.configuration import Parameter
from reiterate.contracts import Prepared, Progress, Stop, Values
from reiterate.kernels import arnoldi, codes
from reiterate.linear import team
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.krylov import KrylovMethod, KrylovState
from reiterate.linear.restarting import RestartedIterate, one_by_one
from reiterate.linear.segments import run_in_segments
from reiterate.linear.traits import LinearTraits

RESTART = Parameter("restart", low=0.5, high=10_000, default=30, search=(10, 100), points=4, scale="log", integer=True)

_LEAST_REDUCTION = 1.0 - 1e-4
_PATIENCE = 2
_LOST_ORTHOGONALITY = 0.3
_NUMBERS_WORTH_WAKING = 400_000  # two passes over as many take 0.1 ms, and waking a thread up to half of that


class Cycle:
    """One cycle: the basis, the small triangle that grows with it, and the iterate that the last cycle left."""

    def __init__(
        self, state: KrylovState, instance: LinearInstance, x: Vector, restart: int, *, flexible: bool
    ) -> None:
        size, dtype = x.size, instance.operator.dtype
        self.length = length = min(restart, size)
        self.operator = instance.operator
        self.precondition = state.preconditioner.apply
        rows = state.vectors(length + 1 + (length if flexible else 1), size, dtype)
        self.basis = rows[: length + 1]
        self.images = rows[length + 1 :]
        self.flexible = flexible
        self.norms = np.empty(length + 1)
        self.cosines = np.empty(length)
        self.lower = np.zeros((length, length), dtype)
        self.triangle = np.zeros((length + 1, length), dtype)
        self.rhs = np.zeros(length + 1, dtype)
        self.sines, self.y = np.zeros((2, length), dtype)
        self.parts = instance.threads
        self.workspace = (
            np.empty((self.parts, 2, length), dtype),
            team.even_bounds(size, self.parts),
            team.partial_sums(self.parts),
        )
        self.iterate = RestartedIterate(instance, x, self.basis[0], least=_LEAST_REDUCTION, patience=_PATIENCE)
        self.begin()

    def begin(self) -> None:
        """Begin a cycle with the residual in the first row of the basis."""
        self.made = 0
        self.norms[0] = self.rhs[0] = self.estimate = self.iterate.norm

    def step(self) -> int:
        """Enlarge the space by one vector, and close the cycle where nothing is left to gain in it."""
        k = self.made
        image = self.images[k if self.flexible else 0]
        self.precondition(self.basis[k], image)
        self.operator.apply(image, self.basis[k + 1])
        worth_waking = (k + 1) * image.size >= _NUMBERS_WORTH_WAKING * (self.parts - 1)
        estimate, loss, code = team.call(
            self.parts if worth_waking else 1, arnoldi.arnoldi_step, self.basis, k, self.norms, self.lower,
            self.triangle, self.cosines, self.sines, self.rhs, *self.workspace,
        )  # fmt: skip
        if code == codes.NOT_FINITE:
            return self.close(code)
        self.made, self.estimate = k + 1, estimate
        full = self.made == self.length or loss > _LOST_ORTHOGONALITY
        if estimate <= self.iterate.threshold or full or code == codes.STAGNATED:
            return self.close(codes.STAGNATED)
        return codes.RUNNING

    def close(self, otherwise: int) -> int:
        """Move to the minimizer and judge it by its true residual; a cycle that gained nothing ends with that code."""
        before = self.iterate.norm * self.iterate.scale
        self.update(self.iterate.x)
        code = self.iterate.restart()
        if code == codes.RUNNING and not self.iterate.norm * self.iterate.scale < before:
            code = otherwise
        self.begin()
        return code

    def update(self, x: NDArray[Any]) -> None:
        """Add the minimizer over the space so far to ``x``."""
        arnoldi.least_squares(self.triangle, self.rhs, self.norms, self.made, self.y)
        self.y *= self.iterate.scale
        if self.flexible:
            arnoldi.add_combination(self.images, self.made, self.y, 1.0, x)
            return
        # The rows past the space are free: one holds the combination, the other its image.
        combination = self.basis[self.made]
        combination[:] = 0.0
        arnoldi.add_combination(self.basis, self.made, self.y, 1.0, combination)
        self.precondition(combination, self.images[0])
        x += self.images[0]

    def finish(self) -> Vector:
        """The iterate, in the middle of a cycle too."""
        if not self.made:
            return self.iterate.x
        self.update(self.iterate.x)
        return self.iterate.finish(self.estimate)


class GeneralizedMinimalResidual(KrylovMethod):
    """``…_gmres(restart)``: the smallest residual over a Krylov space, begun anew every ``restart`` steps.

    Source: Saad and Schultz (1986), preconditioned from the right, so that what it minimizes is the true residual.
    Guarantee: within a cycle no method that only multiplies by A M⁻¹ leaves a smaller residual, which never grows;
    without restart it ends after n steps at the latest. With restart it may stagnate, which is detected, as are an
    invariant space and lost orthogonality. Setup: that of the preconditioner. Holds restart + 4 vectors. A step is
    one product, one application of M, and 16 · (steps so far) + 24 bytes a row.
    Equivalent: ``scipy.sparse.linalg.gmres`` with M on the other side.
    """

    suffix = "gmres"
    headline = "restarted GMRES (Saad and Schultz 1986), from the right preconditioned by:"
    own_parameters = (RESTART,)

    def fits(self, traits: LinearTraits) -> bool:
        """Any square matrix."""
        return True

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Iterate from a copy of ``x``, shape (n,). An iteration is one step."""
        cycle = Cycle(prepared.state, instance, x, int(values["restart"]), flexible=self.flexible)

        mean_row_bytes = 8.0 * cycle.length + 24.0
        work = self.work_of(instance, prepared.state, products=1.0, row_bytes=mean_row_bytes)
        moved = 12.0 * instance.traits.nnz + (20.0 + mean_row_bytes) * x.size + prepared.state.preconditioner.traffic
        return run_in_segments(
            one_by_one(cycle.step, cycle.iterate.code), cycle.finish, stop, bytes_per_iteration=moved, work=work
        )


class FlexibleGeneralizedMinimalResidual(GeneralizedMinimalResidual):
    """``…_fgmres(restart)``: GMRES whose preconditioner may change from step to step.

    Source: Saad (1993). What each application of M gave is kept, so the iterate is formed from that. With a
    constant M it is GMRES, one application a cycle cheaper. Holds 2 restart + 3 vectors; otherwise as GMRES.
    """

    suffix = "fgmres"
    headline = "flexible restarted GMRES (Saad 1993), from the right preconditioned by:"
    flexible = True
