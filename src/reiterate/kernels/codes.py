"""Why an ``*_advance`` kernel returned, as integers that compiled code can return."""

from typing import Final

RUNNING: Final = 0
"""The iteration cap was reached; call again to go on."""
CONVERGED: Final = 1
"""The squared norm of the recurrence residual is at or below the threshold."""
NOT_DEFINITE: Final = 2
"""A direction of zero or negative curvature was met: the matrix is not positive definite."""
NOT_FINITE: Final = 3
"""An overflow or a NaN was met."""
DIVERGED: Final = 4
"""The residual has grown beyond all hope."""
PRECONDITIONER_NOT_DEFINITE: Final = 5
"""r·M⁻¹r is not positive: the preconditioner is not positive definite."""
VANISHING_PRODUCT: Final = 7
"""A product xᵀy without conjugation vanishes although neither vector does: a quasi-null vector."""
STAGNATED: Final = 6
"""The method cannot make progress from here: a vanishing inner product, or no decrease over many iterations."""
