"""What methods for linear systems have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import aslinearoperator

from reiterate.contracts import Method, Stop, Values
from reiterate.linear.door import Door
from reiterate.linear.instance import LinearTraits


class Variant(NamedTuple):
    """What decides which machine code a method runs: complex numbers or real ones, entries or only products."""

    complex: bool = False
    entries: bool = True


class LinearMethod(Method):
    """A method for A x = b."""

    def variants(self) -> Sequence[Values]:
        """Values, where not the defaults, that between them take every kernel of the method."""
        return ({},)

    def variant_of(self, instance: Any) -> Variant:
        """Machine code depends on the type of the numbers, and on whether there are entries or only products."""
        return Variant(instance.traits.complex, instance.traits.entries)

    def warm_up(self, variant: Variant | None = None) -> None:
        """Run once on a system of a few unknowns, so that every kernel is compiled or loaded."""
        variant = variant or Variant()
        A = sp.diags_array([-1.0, 4.0, -1.0], offsets=[-1, 0, 1], shape=(8, 8)).tocsr()
        if variant.complex:
            A = sp.csr_array(A + 1j * sp.eye_array(8))
        self.rehearse(A if variant.entries else aslinearoperator(A))

    def rehearse(self, A: Any) -> None:
        """Run with all of :meth:`variants` on A, a small SciPy matrix or operator."""
        b = A @ (1.0 / np.arange(1.0, A.shape[0] + 1.0))  # takes as many iterations as there are unknowns
        instance = Door().admit(A, b, None, rtol=1e-8, atol=0.0)
        for variant in self.variants():
            values = {**{parameter.name: parameter.default for parameter in self.parameters}, **variant}
            prepared = self.prepare(instance, values)
            self.iterate(prepared, instance, values, 0.0 * b, Stop(instance.target, 40))


class DefiniteMethod(LinearMethod):
    """A method for symmetric positive definite A."""

    requires = "a symmetric positive definite matrix"

    def accepts(self, traits: LinearTraits) -> bool:
        """Symmetric, positive diagonal, and nothing seen that speaks against definiteness."""
        return traits.maybe_definite
