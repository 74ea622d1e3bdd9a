"""No preconditioner, as a preconditioner."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Values
from reiterate.linear.instance import LinearInstance
from reiterate.linear.preconditioner import Family, Preconditioner
from reiterate.linear.traits import LinearTraits


class _Copy(Preconditioner):
    def __init__(self, size: int, dtype: np.dtype[Any]) -> None:
        self.size = size
        self.dtype = dtype
        self.traffic = 16.0 * size

    def apply(self, r: NDArray[Any], z: NDArray[Any]) -> None:
        np.copyto(z, r)


class Identity(Family):
    """the identity: no preconditioner.

    Needs nothing but products with A, so it serves operators without entries too. Setup: nothing.
    """

    name = ""
    requires = "a square matrix"
    definite = True
    symmetric = True

    def accepts(self, traits: LinearTraits) -> bool:
        """Always."""
        return True

    def build(self, instance: LinearInstance, values: Values, previous: Preconditioner | None = None) -> Preconditioner:
        """The identity of the instance's size."""
        return _Copy(instance.traits.size, instance.operator.dtype)
