"""Preconditioning a nonsymmetric matrix by what is good for its symmetric part."""

from __future__ import annotations

import copy

import numpy as np

from reiterate.contracts import Values
from reiterate.linear.instance import LinearInstance
from reiterate.linear.preconditioner import Family, Preconditioner
from reiterate.linear.traits import LinearTraits


class SymmetricPart(Family):
    """a preconditioner of the symmetric part (A + Aᵀ)/2.

    Where that is positive definite, which diffusion makes it, GMRES converges at a rate that depends on how large the
    skew part is beside it, not on the mesh (Concus and Golub 1976, Widlund 1978). Setup: besides that of the family, a
    gather of nnz(A) numbers. An application is one of the family.

    Parameters
    ----------
    family
        For symmetric positive definite matrices.
    """

    requires = "a real matrix with a positive diagonal"

    def __init__(self, family: Family) -> None:
        self._family = family
        self.name = family.name
        self.parameters = family.parameters
        self.__doc__ = f"for the symmetric part of A, {type(family).__doc__}"

    def accepts(self, traits: LinearTraits) -> bool:
        """Real, with a positive diagonal: the least that a positive definite symmetric part needs."""
        return traits.positive_diagonal and not traits.complex

    def build(self, instance: LinearInstance, values: Values, previous: Preconditioner | None = None) -> Preconditioner:
        """Build or refresh the family's preconditioner for (A + Aᵀ)/2."""
        if instance.traits.symmetric:
            return self._family.build(instance, values, previous)
        return self._family.build(symmetric_part(instance), values, previous)

    def warm_up(self) -> None:
        """As the family."""
        self._family.warm_up()


def symmetric_part(instance: LinearInstance) -> LinearInstance:
    """The instance with (A + Aᵀ)/2 for A, as far as building a preconditioner goes."""
    pattern, own, mirror = instance.pattern.symmetrized
    half = 0.5 * instance.data
    twin = copy.copy(instance)
    twin.pattern = pattern
    twin.data = np.bincount(own, half, pattern.nnz) + np.bincount(mirror, half, pattern.nnz)
    twin.diagonal = twin.data[pattern.position]
    return twin
