"""Preconditioning an indefinite matrix by what is good for a positive definite one made from it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Values
from reiterate.errors import Breakdown
from reiterate.linear.instance import LinearInstance
from reiterate.linear.preconditioner import Family, Preconditioner
from reiterate.linear.traits import LinearTraits

_EXCESS = 1e-3  # of a raised diagonal over the row beside it, so that no raised matrix is singular
_ROUNDING = 1e-12
_TINY = float(np.finfo(np.float64).tiny)
_STEEPEST = 1e8  # a coupling over the diagonal entry of the other kind: beyond, that entry counts as rounding errors


class PositiveSurrogate(Family):
    """a preconditioner of a positive definite matrix made from A.

    Rows are told apart by the sign of their diagonal entry; those without one count with the rarer sign. Between the
    two kinds couplings are dropped, negative rows are negated, and the diagonal entries of the rarer kind get
    Σ|a_ij|²/|a_jj| over the other kind added, the diagonal of a Schur complement: for a saddle point the block diagonal
    preconditioner of Murphy, Golub and Wathen (2000). Then diagonal entries are raised to the sum of the moduli beside
    them (or beside them once the diagonal is scaled to ones, if that raises fewer) where they are less: of a Helmholtz
    operator that takes away the shift (Bayliss, Goldstein and Turkel 1983), and a diagonally dominant matrix stays as
    it is. What comes out is Hermitian positive semidefinite by Gershgorin's theorem, and definite in every connected
    part with a row that is strictly dominant or was raised. Setup: besides that of the family, about ten passes over
    the entries of A.

    Parameters
    ----------
    family
        For Hermitian positive definite matrices.
    """

    definite = True

    def __init__(self, family: Family, *, real: bool = False) -> None:
        self._family = family
        self._real = real
        self.name = family.name
        self.parameters = family.parameters
        self.variants = family.variants
        self.requires = "real entries" if real else "entries"
        self.__doc__ = f"for a positive definite matrix made from A, {type(family).__doc__}"

    @property
    def state_name(self) -> str:
        """Another than that of the family, whose M is made from A itself."""
        return f"{self.name} preconditioner of a positive definite surrogate"

    def accepts(self, traits: LinearTraits) -> bool:
        """Hermitian, with entries."""
        return traits.entries and traits.hermitian and not (self._real and traits.complex)

    def build(self, instance: LinearInstance, values: Values, previous: Preconditioner | None = None) -> Preconditioner:
        """Build or refresh the family's preconditioner for the surrogate.

        Raises
        ------
        Breakdown
            The surrogate overflows, or the family's own reasons.
        """
        return self._family.build(positive_surrogate(instance), values, previous)

    def warm_up(self) -> None:
        """As the family."""
        self._family.warm_up()


def positive_surrogate(instance: LinearInstance) -> LinearInstance:
    """The instance with a Hermitian positive definite matrix for A, as far as building a preconditioner goes."""
    pattern, place = instance.pattern.with_diagonal
    data = np.zeros(pattern.nnz, dtype=instance.data.dtype)
    data[place] = instance.data
    diagonal = data[pattern.position].real.copy()
    data[pattern.position] = 0.0
    rows, columns = pattern.rows, pattern.indices
    positive, negative = diagonal > _TINY, diagonal < -_TINY
    mostly_positive = np.count_nonzero(positive) >= np.count_nonzero(negative)
    common = positive if mostly_positive else negative
    data[(~common if mostly_positive else common)[rows]] *= -1.0
    crossing = common[rows] != common[columns]
    coupling = np.abs(data[crossing])
    data[crossing] = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        # No entry is squared, so that nothing leaves the range that the result is in.
        diagonal = np.abs(diagonal)
        ratio = coupling * np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=common)[columns[crossing]]
        diagonal += np.bincount(rows[crossing], coupling * np.minimum(ratio, _STEEPEST), pattern.size)
        diagonal = _raised(rows, columns, np.abs(data), diagonal)
    largest = float(diagonal.max())
    if not largest < np.inf:
        raise Breakdown("the positive definite matrix made from A overflows; scale the system")
    diagonal[diagonal <= _TINY] = largest or 1.0
    data[pattern.position] = diagonal
    twin = copy.copy(instance)
    twin.pattern, twin.data = pattern, data
    twin.diagonal = diagonal.astype(data.dtype)
    return twin


def _raised(
    rows: NDArray[Any], columns: NDArray[Any], beside: NDArray[np.float64], diagonal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The diagonal, raised to d_i h_i ≥ Σ|a_ij| h_j, with h = 1 or h = d^(-½): whichever raises fewer rows."""
    size = diagonal.size
    empty = diagonal <= _TINY
    diagonal = np.where(empty, (1.0 + _EXCESS) * np.bincount(rows, beside, size), diagonal)
    best, fewest = diagonal, size + 1
    for scale in (np.ones(size), 1.0 / np.sqrt(np.where(diagonal > _TINY, diagonal, 1.0))):
        needed = np.bincount(rows, beside * scale[columns], size) / scale
        raised = diagonal < (1.0 - _ROUNDING) * needed
        count = int(np.count_nonzero(raised))
        if count < fewest:
            fewest, best = count, np.where(raised, (1.0 + _EXCESS) * needed, diagonal)
    return best
