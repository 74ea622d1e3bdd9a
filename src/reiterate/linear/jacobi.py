"""The diagonal as a preconditioner, for methods that have no kernel of their own with the diagonal in it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Values
from reiterate.linear.instance import LinearInstance
from reiterate.linear.preconditioner import Family, Preconditioner
from reiterate.linear.traits import LinearTraits
from reiterate.linear.vectors import reciprocals


class _Diagonal(Preconditioner):
    def __init__(self, inverse: NDArray[Any]) -> None:
        self.inverse = inverse
        self.size = inverse.size
        self.dtype = inverse.dtype
        self.traffic = 24.0 * inverse.size
        self.setup_traffic = 16.0 * inverse.size
        self.memory = inverse.nbytes

    def apply(self, r: NDArray[Any], z: NDArray[Any]) -> None:
        np.multiply(self.inverse, r, out=z)


class Jacobi(Family):
    """the diagonal of A, by its modulus: positive definite whatever the signs.

    Within a factor of the best diagonal preconditioner (van der Sluis 1969). Setup: n divisions.
    """

    name = "jacobi"
    requires = "a diagonal without zeros"
    definite = True
    symmetric = True

    def accepts(self, traits: LinearTraits) -> bool:
        """No zero on the diagonal."""
        return traits.full_diagonal

    def build(self, instance: LinearInstance, values: Values, previous: Preconditioner | None = None) -> Preconditioner:
        """Invert the diagonal."""
        assert instance.diagonal is not None
        return _Diagonal(reciprocals(np.abs(instance.diagonal)))
