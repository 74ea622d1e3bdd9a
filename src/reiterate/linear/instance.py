"""A sparse linear system as an instance: its traits, its context, and its true residual."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dnrm2

from reiterate.linear.operator import Operator, SparseOperator
from reiterate.linear.pattern import Pattern

Vector = NDArray[np.float64]

_UNIT_ROUNDOFF = np.finfo(np.float64).eps / 2


@dataclass(frozen=True, slots=True)
class LinearTraits:
    """What is known of A before solving.

    Attributes
    ----------
    size, nnz : int
        Unknowns; stored entries.
    symmetric : bool
        A = Aᵀ up to rounding.
    full_diagonal : bool
        No zero on the diagonal.
    positive_diagonal : bool
        Every diagonal entry is positive: necessary for positive definiteness.
    definite : bool or None
        Whether A is positive definite; ``None`` while nothing speaks against it.
    """

    size: int
    nnz: int
    symmetric: bool
    full_diagonal: bool
    positive_diagonal: bool
    definite: bool | None = None

    @property
    def maybe_definite(self) -> bool:
        """Whether a method for symmetric positive definite systems may be tried."""
        return self.symmetric and self.positive_diagonal and self.definite is not False


class LinearInstance:
    """The system A x = b, solved when ‖b − A x‖ ≤ max(rtol ‖b‖, atol).

    Its merit is ‖b − A x‖ / ‖b‖ (for b = 0: ‖A x‖), computed by SciPy's product in double precision, not by
    the kernels that iterate.

    Attributes
    ----------
    A
        The matrix as a SciPy CSR object, float64.
    b : float64 array of shape (n,)
    pattern : Pattern
    data : float64 array of shape (nnz,)
    diagonal : float64 array of shape (n,) or None
        Where the whole diagonal is stored.
    operator : Operator
        Products with A, by the kernels that iterate.
    norm_b : float
        ‖b‖, or 1 where b = 0: what turns an absolute residual norm into the merit.
    memory_limit : int or None
        Bytes that a factorization may take; ``None`` leaves it to the method.
    """

    memory_limit: int | None = None

    def __init__(
        self,
        A: Any,
        b: Vector,
        pattern: Pattern,
        *,
        diagonal: Vector | None,
        traits: LinearTraits,
        context: Mapping[str, float],
        rtol: float,
        atol: float,
    ) -> None:
        self.A = A
        self.b = b
        self.pattern = pattern
        self.data: Vector = A.data
        self.operator: Operator = SparseOperator(pattern, A.data)
        self.diagonal = diagonal
        self._traits = traits
        self._context = dict(context)
        norm_b = norm(b)
        self.norm_b = norm_b if norm_b > 0.0 else 1.0
        self._target = max(rtol, atol / self.norm_b) if norm_b > 0.0 else atol

    @property
    def traits(self) -> LinearTraits:
        """What is known of A."""
        return self._traits

    @property
    def context(self) -> Mapping[str, float]:
        """The user's numbers, then the features that come with the matrix."""
        return self._context

    @property
    def target(self) -> float:
        """Relative residual to reach."""
        return self._target

    @property
    def square_threshold(self) -> float:
        """The target as a bound on ‖b − A x‖², for kernels."""
        return (self._target * self.norm_b) ** 2

    def merit(self, x: Vector) -> float:
        """‖b − A x‖ / ‖b‖."""
        return norm(self.b - self.A @ x) / self.norm_b

    def rounding_level(self, x: Vector) -> float:
        """The merit that rounding errors of the residual itself amount to: u ‖ |A||x| + |b| ‖ / ‖b‖."""
        return _UNIT_ROUNDOFF * norm(abs(self.A) @ np.abs(x) + np.abs(self.b)) / self.norm_b

    def reveal(self, revealed: Mapping[str, Any]) -> None:
        """Correct the traits, e.g. ``{"definite": False}`` after a direction of negative curvature."""
        self._traits = replace(self._traits, **revealed)


def norm(v: Vector) -> float:
    """Euclidean norm that neither overflows nor underflows on the way."""
    # Not v @ v: BLAS would wake threads for it, and wait for them on a busy machine.
    square = float(np.einsum("i,i->", v, v))
    if 1e-280 < square < 1e280:
        return math.sqrt(square)
    return float(dnrm2(v)) if v.size else 0.0
