"""What methods for A = Aᵀ share that use products without conjugation: families, breakdowns, restarts."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from reiterate.kernels import codes
from reiterate.kernels import symmetric as kernels
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.krylov import KrylovMethod
from reiterate.linear.preconditioner import Family
from reiterate.linear.restarting import RestartedIterate

_LEAST_REDUCTION = 0.5
_PATIENCE = 3
_VANISHING = 1e-14  # |xᵀy| / ‖x‖‖y‖ below which what it divides would have no digit left


class SymmetricRun(ABC):
    """An iterate, its residual, and what to do where a product xᵀy of vectors that are not zero vanishes.

    A subclass supplies :meth:`begin`, which starts the recurrences with the residual.
    """

    def __init__(self, instance: LinearInstance, x: Vector, residual: Vector) -> None:
        self.residual = residual
        self.operator = instance.operator
        self.iterate = RestartedIterate(instance, x, residual, least=_LEAST_REDUCTION, patience=_PATIENCE)
        self.norm = self.iterate.norm
        self.steps = 0
        self.code = self.iterate.code
        if self.code == codes.RUNNING:
            self.code = self.begin()

    @abstractmethod
    def begin(self) -> int:
        """Begin the recurrences with the residual; why they cannot begin, or RUNNING."""

    def product(self, x: Vector, y: Vector) -> Any:
        """xᵀy, or ``None`` where it is nothing but rounding errors; NaN counts as that too."""
        total, x_square, y_square = kernels.product(x, y)
        largest = math.sqrt(x_square) * math.sqrt(y_square)
        return total if largest > 0.0 and math.hypot(total.real, total.imag) > _VANISHING * largest else None

    def restart(self, otherwise: int = codes.RUNNING) -> int:
        """Go on from the true residual; ``otherwise`` is why no step could be made since the last restart."""
        if otherwise != codes.RUNNING and self.steps == 0:
            return otherwise
        code = self.iterate.restart()
        self.steps = 0
        self.norm = self.iterate.norm
        return self.begin() if code == codes.RUNNING else code

    def advanced(self, square: float) -> int:
        """Take note of a step, after which the residual has this squared norm."""
        self.steps += 1
        self.norm = math.sqrt(square) if square >= 0.0 else math.nan
        if self.iterate.calls_for_restart(self.norm):
            return self.restart()
        if self.iterate.is_much_better(self.norm):
            self.iterate.keep(self.norm)
        return codes.RUNNING


class SymmetricMethod(KrylovMethod):
    """A Krylov method with a preconditioner M = Mᵀ."""

    needs_symmetric = True
    matrix: ClassVar[str] = "a symmetric matrix"
    """What A must be, in words that complete "needs …"."""

    def __init__(self, family: Family) -> None:
        super().__init__(family)
        self.requires = f"{self.matrix}, and {family.requires}" if family.name else self.matrix
