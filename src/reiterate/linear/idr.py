"""IDR(s): induced dimension reduction."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.configuration import Parameter
from reiterate.contracts import Prepared, Progress, Stop, Values
from reiterate.kernels import codes
from reiterate.kernels import idr as kernels
from reiterate.kernels.bicgstab import dot_and_square
from reiterate.linear.bicgstab import LEAST_REDUCTION, PATIENCE, VANISHING
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.krylov import KrylovMethod, KrylovState
from reiterate.linear.restarting import RestartedIterate, one_by_one
from reiterate.linear.segments import run_in_segments
from reiterate.linear.traits import LinearTraits

SHADOWS = Parameter("s", low=0.5, high=32.5, default=4, search=(2, 8), points=3, scale="log", integer=True)

_SMALLEST_COSINE = 0.7


class _Run:
    def __init__(self, state: KrylovState, instance: LinearInstance, x: Vector, shadows: int) -> None:
        size, dtype = x.size, instance.operator.dtype
        self.count = s = min(shadows, size)
        rows = state.vectors(3 * s + 3, size, dtype)
        self.shadow, self.images, self.directions = rows[:s], rows[s : 2 * s], rows[2 * s : 3 * s]
        self.residual, self.work, self.z = rows[3 * s :]
        self.products, self.coefficients, self.overlaps = np.zeros((3, s), dtype)
        self.triangle = np.zeros((s, s), dtype)
        self.precondition, self.operator = state.preconditioner.apply, instance.operator
        self._random = np.random.default_rng(0)
        self.iterate = RestartedIterate(instance, x, self.residual, least=LEAST_REDUCTION, patience=PATIENCE)
        self.begin()

    def begin(self) -> None:
        """Draw a shadow space, and begin in the whole space."""
        _draw_orthonormal(self._random, self.shadow)
        self.images[:] = 0.0
        self.directions[:] = 0.0
        self.triangle[:] = np.eye(self.count)
        self.omega: Any = 1.0
        self.norm = self.iterate.norm
        self.k = 0
        kernels.shadow_products(self.shadow, self.residual, self.products)

    def restart(self) -> int:
        """Go on from the true residual with another shadow space."""
        code = self.iterate.restart()
        if code == codes.RUNNING:
            self.begin()
        return code

    def step(self) -> int:
        """One product: s of them find directions, one reduces the dimension."""
        if not (self.direction() if self.k < self.count else self.reduce()):
            return self.restart()
        if self.iterate.calls_for_restart(self.norm):
            return self.restart()
        if self.iterate.is_much_better(self.norm):
            self.iterate.keep(self.norm)
        return codes.RUNNING

    def direction(self) -> bool:
        """The k-th direction of this space, and the step that makes r orthogonal to the k-th shadow vector."""
        k, z, g = self.k, self.z, self.work
        triangle, c, f = self.triangle, self.coefficients, self.products
        for i in range(k, self.count):
            c[i] = (f[i] - triangle[i, k:i] @ c[k:i]) / triangle[i, i]
        kernels.project(self.images, k, c, self.residual, g)
        self.precondition(g, z)
        kernels.new_direction(self.directions, k, c, self.omega, z)
        self.operator.apply(z, g)
        with_g = np.empty_like(f)
        image_norm = math.sqrt(kernels.shadow_products(self.shadow, g, with_g))
        overlaps = self.overlaps
        for i in range(k):
            overlaps[i] = (with_g[i] - triangle[i, :i] @ overlaps[:i]) / triangle[i, i]
        column = with_g[k:] - triangle[k:, :k] @ overlaps[:k]
        # Negated, so that NaN counts as vanishing too.
        if not (image_norm > 0.0 and abs(column[0]) > VANISHING * image_norm):
            return False
        triangle[k:, k] = column
        beta = f[k] / column[0]
        square = kernels.biorthogonal_step(
            self.directions, self.images, k, overlaps, beta, self.iterate.scale, z, g, self.iterate.x, self.residual
        )
        self.norm = math.sqrt(square)
        f[k + 1 :] -= beta * column[1:]
        f[k] = 0.0
        self.k = k + 1
        return True

    def reduce(self) -> bool:
        """Enter the next space: r ← (I − ω A M⁻¹) r, ω kept away from zero (Sleijpen and van der Vorst 1995)."""
        r, t = self.residual, self.work
        self.precondition(r, self.z)
        self.operator.apply(self.z, t)
        product, square = dot_and_square(r, t)
        size = math.hypot(product.real, product.imag)
        lengths = self.norm * math.sqrt(square)
        if not (lengths > 0.0 and size > VANISHING * lengths):
            return False
        cosine = size / lengths
        self.omega = product.conjugate() / square * max(1.0, _SMALLEST_COSINE / cosine)
        self.norm = math.sqrt(
            kernels.descend(self.omega, self.iterate.scale, self.z, t, self.iterate.x, r),
        )
        kernels.shadow_products(self.shadow, r, self.products)
        self.k = 0
        return True


def _draw_orthonormal(random: np.random.Generator, rows: NDArray[Any]) -> None:
    """Fill ``rows``, shape (s, n) with s ≤ n, with random orthonormal vectors."""
    for j, row in enumerate(rows):
        # Normal numbers take four times as long to draw, and nothing here needs them.
        row[:] = random.random(row.size)
        row -= 0.5
        if np.iscomplexobj(rows):
            row += 1j * (random.random(row.size) - 0.5)
        overlaps = np.empty(j, rows.dtype)
        for _ in range(2):
            kernels.shadow_products(rows[:j], row, overlaps)
            kernels.project(rows[:j], 0, overlaps, row, row)
        row *= 1.0 / math.sqrt(dot_and_square(row, row)[1])


class InducedDimensionReduction(KrylovMethod):
    """``…_idr(s)``: residuals forced into spaces of shrinking dimension.

    Source: Sonneveld and van Gijzen (2008), biorthogonal variant of van Gijzen and Sonneveld (2011), preconditioned
    from the right. Guarantee: in exact arithmetic it ends after at most n + n/s products; between GMRES and BiCGStab
    (s = 1 is equivalent to the latter) in products as in memory. Breakdowns and what it hands back: as BiCGStab. The
    shadow space is drawn from a generator that is seeded the same each time. Setup: that of the preconditioner. Holds
    3 s + 6 vectors. An iteration is one product, one application of M, and about 40 s + 96 bytes a row besides.
    Equivalent: ``idrs`` of the authors, in MATLAB.
    """

    suffix = "idr"
    headline = "IDR(s) (van Gijzen and Sonneveld 2011), from the right preconditioned by:"
    own_parameters = (SHADOWS,)

    def fits(self, traits: LinearTraits) -> bool:
        """Any square matrix."""
        return True

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Iterate from a copy of ``x``, shape (n,). An iteration is one product."""
        run = _Run(prepared.state, instance, x, int(values["s"]))

        row_bytes = 40.0 * run.count + 96.0
        work = self.work_of(instance, prepared.state, products=1.0, row_bytes=row_bytes)
        moved = 12.0 * instance.traits.nnz + (20.0 + row_bytes) * x.size + prepared.state.preconditioner.traffic
        return run_in_segments(
            one_by_one(run.step, run.iterate.code),
            lambda: run.iterate.finish(run.norm),
            stop,
            bytes_per_iteration=moved,
            work=work,
        )
