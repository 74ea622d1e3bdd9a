"""Chebyshev polynomials in D⁻¹A as preconditioners."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from reiterate.configuration import Parameter, ParameterSpace
from reiterate.contracts import Values
from reiterate.errors import Breakdown
from reiterate.kernels import chebyshev as kernels
from reiterate.kernels import vectors
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.operator import Operator
from reiterate.linear.pattern import Pattern
from reiterate.linear.preconditioner import Family, Preconditioner
from reiterate.linear.traits import LinearTraits
from reiterate.linear.vectors import norm, reciprocals

_COLD_STEPS = 12
_WARM_STEPS = 4
_SAFETY = 1.05  # Ritz values are below the largest eigenvalue
_RAISE = 2.0  # the lower end, while no eigenvalue is seen below it
_BEYOND = 2.0  # smallest eigenvalues at the lower end: CG deals with the few below, and they remain to be seen
_NARROWEST = 1.5  # interval, as a ratio of its ends
_SETTLED = 0.1  # relative change of that ratio below which it is not looked at again for this matrix
_LARGEST_EXPONENT = 300.0
_ROUNDING = 1e-10
_VISIBLE = 1e-3  # of the polynomial's ripple: Ritz values that leave it by less may be rounding errors


class ChebyshevPolynomial(Preconditioner):
    """M⁻¹ = q(D⁻¹A) D⁻¹, positive definite wherever A is.

    CG leaves Ritz values θ of M⁻¹A behind, which are values of λ q(λ) = 1 − T(λ). On the interval they lie in 1 ± δ;
    outside of it the polynomial is monotone, so that those beyond tell eigenvalues λ of D⁻¹A: the smallest, near
    which the interval should begin, and any that the upper end has missed.

    Attributes
    ----------
    interval : (float, float)
        Where |1 − λ q(λ)| is least.
    """

    def __init__(self, pattern: Pattern, degree: int) -> None:
        self.pattern = pattern
        self.size = size = pattern.size
        self._degree = degree
        self._data: Vector = np.empty(0)
        self._inverse, self._workspace = np.empty(size), np.empty(size)
        self._slowest: Vector | None = None
        self._ratio = math.inf  # of the ends of the interval, by what solves have shown
        self._safety = _SAFETY
        self._version: Hashable = None
        self.interval = (0.0, 0.0)
        self.traffic = degree * (12.0 * pattern.nnz + 52.0 * size) + 40.0 * size

    def refresh(self, instance: LinearInstance, ratio: float) -> None:
        """Take the instance's numbers, and estimate the largest eigenvalue from the last one's eigenvector."""
        assert instance.diagonal is not None
        reciprocals(instance.diagonal, out=self._inverse)
        # Not the caller's array: the state may be used after the caller has overwritten it.
        self._data = instance.data.copy()
        self.memory = self._data.nbytes + 3 * self._inverse.nbytes
        bound = float(kernels.largest_row_sum(self.pattern.indptr, self._data, self._inverse))
        steps = _COLD_STEPS if self._slowest is None else _WARM_STEPS
        scale = np.sqrt(self._inverse)
        largest, self._slowest = _largest_eigenpair(instance.operator, scale, self._slowest, steps)
        high = min(bound, self._safety * largest) if self._degree % 2 == 0 else bound
        if not 0.0 < high < math.inf:
            raise Breakdown("the largest eigenvalue of the diagonally scaled matrix overflows or is not positive")
        self.interval = (high / min(ratio, self._ratio), high)
        self._widest = ratio
        self._version = instance.version
        self.observes = self._version is not None and ratio > _NARROWEST
        product = 12.0 * self.pattern.nnz + 20.0 * self.size
        self.setup_traffic = steps * (product + 100.0 * self.size) + 28.0 * self.pattern.nnz + 40.0 * self.size

    def apply(self, r: NDArray[Any], z: NDArray[Any]) -> None:
        """Write M⁻¹ r to ``z``."""
        pattern = self.pattern
        kernels.chebyshev(
            pattern.indptr, pattern.indices, self._data, self._inverse, r, z, self._workspace, self._degree,
            *self.interval,
        )  # fmt: skip

    def observe(self, instance: LinearInstance, diagonal: NDArray[Any], below: NDArray[Any]) -> None:
        """Move the ends of the interval to where a solve has shown eigenvalues of D⁻¹A to end."""
        if instance.version != self._version or not (np.isfinite(diagonal).all() and np.isfinite(below).all()):
            return
        smallest, largest = (
            float(scipy.linalg.eigh_tridiagonal(diagonal, below, True, "i", (k, k))[0]) for k in (0, diagonal.size - 1)
        )
        low, high = self.interval
        ratio = high / low
        exponent = (self._degree + 1) * math.acosh((high + low) / (high - low))
        ripple = 1.0 / math.cosh(min(exponent, _LARGEST_EXPONENT))
        visible = ripple + max(_VISIBLE * ripple, _ROUNDING)
        last = high
        if self._degree % 2 == 0 and largest - 1.0 > visible:
            last = self._eigenvalue(1.0 - largest, ripple)
            self._safety *= last / high
        self._ratio = ratio / _RAISE
        if 1.0 - smallest > visible:
            first = self._eigenvalue(1.0 - smallest, ripple)
            self._ratio = last / (_BEYOND * first) if first > 0.0 else math.inf
        self._ratio = max(self._ratio, _NARROWEST)
        next_ratio = min(self._ratio, self._widest)
        self.interval = (last / next_ratio, last)
        self.observes = abs(next_ratio - ratio) > _SETTLED * ratio

    def _eigenvalue(self, value: float, ripple: float) -> float:
        """Where T has this value: below the interval where it is positive, else above; |``value``| > ``ripple``."""
        low, high = self.interval
        place = math.cosh(math.acosh(abs(value) / ripple) / (self._degree + 1))
        return 0.5 * (high + low - math.copysign(place, value) * (high - low))


def _largest_eigenpair(operator: Operator, scale: Vector, start: Vector | None, steps: int) -> tuple[float, Vector]:
    """The largest Ritz value of S A S, S = diag(scale), after so many Lanczos steps, and its Ritz vector."""
    size = scale.size
    v = np.random.default_rng(0).uniform(0.5, 1.5, size) if start is None else start
    if start is None:
        v[::2] *= -1.0  # rough, as eigenvectors of large eigenvalues are
    basis: list[Vector] = []
    diagonal: list[float] = []
    below: list[float] = []
    v = v / norm(v)
    image = np.empty(size)
    for step in range(min(steps, size)):
        basis.append(v)
        operator.apply(scale * v, image)
        w = scale * image
        if step:
            w -= below[-1] * basis[-2]
        diagonal.append(float(vectors.dot(v, w)))
        w -= diagonal[-1] * v
        left = norm(w)
        if not (math.isfinite(left) and math.isfinite(diagonal[-1])):
            raise Breakdown("the diagonally scaled matrix overflows")
        if left <= 1e-12 * abs(diagonal[-1]) or step + 1 == min(steps, size):
            break
        below.append(left)
        v = w / left
    values, rotation = scipy.linalg.eigh_tridiagonal(np.array(diagonal), np.array(below[: len(diagonal) - 1]))
    ritz = np.zeros(size)
    for weight, vector in zip(rotation[:, -1], basis, strict=True):
        ritz += weight * vector
    return float(values[-1]), ritz


class Chebyshev(Family):
    """a Chebyshev polynomial in D⁻¹A, D the diagonal.

    Johnson, Micchelli and Paul (1983): q of the given ``degree`` with |1 − λ q(λ)| least on [λ / ``ratio``, λ], λ the
    largest eigenvalue of D⁻¹A by a few Lanczos steps, begun for later matrices with the eigenvector of the last one.
    Where solves with CG show that the smallest eigenvalue is larger, the interval begins at twice that.
    No triangular solves, no inner products: the total of products is that of Jacobi-preconditioned CG, or somewhat
    more, with far fewer passes over vectors and sums over them. Positive definite for every positive definite A: even
    degrees for any λ; odd ones take Gershgorin's bound for it, which is safe. Setup: 12 products, then 4. An
    application moves ``degree`` · (12 nnz + 52 n) bytes.
    """

    name = "chebyshev"
    parameters = ParameterSpace(
        (
            Parameter("degree", low=0.5, high=100, default=4, search=(2, 8), points=3, scale="log", integer=True),
            Parameter("ratio", low=1.0, high=1e8, default=30.0, search=(10.0, 100.0), points=2, scale="log"),
        )
    )
    requires = "a real symmetric positive definite matrix"
    definite = True

    def accepts(self, traits: LinearTraits) -> bool:
        """Real, symmetric, positive diagonal, and nothing seen that speaks against definiteness."""
        return traits.maybe_definite and not traits.complex

    def build(self, instance: LinearInstance, values: Values, previous: Preconditioner | None = None) -> Preconditioner:
        """Take the numbers of A, and find the interval."""
        known = isinstance(previous, ChebyshevPolynomial) and previous.pattern is instance.pattern
        polynomial = previous if known else ChebyshevPolynomial(instance.pattern, int(values["degree"]))
        assert isinstance(polynomial, ChebyshevPolynomial)
        polynomial.refresh(instance, values["ratio"])
        return polynomial
