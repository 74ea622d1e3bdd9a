"""What methods for linear systems have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import aslinearoperator

from reiterate.contracts import Forecast, Method, Stop, Values
from reiterate.linear import operator
from reiterate.linear.door import Door
from reiterate.linear.forecast import forecast
from reiterate.linear.instance import LinearInstance
from reiterate.linear.traits import LinearTraits

_SMALL = 24  # unknowns of the systems on which blocks are rehearsed


class Variant(NamedTuple):
    """What decides which machine code a method runs: complex numbers or real ones, entries or only products."""

    complex: bool = False
    entries: bool = True


class LinearMethod(Method):
    """A method for A x = b."""

    compiled = True

    def forecast(self, instance: LinearInstance, values: Values) -> Forecast:
        """From the size, the bandwidth and the diagonal of A."""
        return forecast(self.name, values, instance)

    def variants(self) -> Sequence[Values]:
        """Values, where not the defaults, that between them take every kernel of the method."""
        return ({},)

    def variant_of(self, instance: Any) -> Variant:
        """Machine code depends on the type of the numbers, and on whether there are entries or only products."""
        return Variant(instance.traits.complex, instance.traits.entries)

    def warm_up(self, variant: Variant | None = None) -> None:
        """Run once on a system of a few unknowns, so that every kernel is compiled or loaded."""
        variant = variant or Variant()
        # A grid in the plane, of which incomplete factors are not exact, so that nothing converges at once.
        line = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(4, 4))
        A = sp.csr_array(sp.kron(line, sp.eye_array(4)) + sp.kron(sp.eye_array(4), line))
        if variant.complex:
            symmetric = sp.csr_array(A + 1j * sp.eye_array(16))
            turned = sp.diags_array([-0.1j, 0.1j], offsets=[-4, 4], shape=(16, 16), dtype=np.complex128)
            A = symmetric if self.accepts(_traits(symmetric)) else sp.csr_array(A + turned)
        self.rehearse(A if variant.entries else aslinearoperator(A))
        if self.compiled:
            operator.warm_up(A.dtype)

    def rehearse(self, A: Any) -> None:
        """Run with all of :meth:`variants` on A, a small SciPy matrix or operator."""
        b = A @ (1.0 / np.arange(1.0, A.shape[0] + 1.0))  # takes as many iterations as there are unknowns
        instance = Door().admit(A, b, None, rtol=1e-8, atol=0.0)
        for variant in self.variants():
            values = {**{parameter.name: parameter.default for parameter in self.parameters}, **variant}
            prepared = self.prepare(instance, values)
            self.iterate(prepared, instance, values, 0.0 * b, Stop(instance.target, 40))

    def rehearse_columns(self) -> None:
        """Run ``iterate_block`` on small systems with few and many columns, and entries, a row, in every variant."""
        tridiagonal = sp.diags_array([-1.0, 4.0, -1.0], offsets=[-1, 0, 1], shape=(_SMALL, _SMALL)).tocsr()
        dense = sp.csr_array(_SMALL * np.eye(_SMALL) - 0.5)
        solutions = np.random.default_rng(0).standard_normal((_SMALL, 8))
        arrived = solutions * (np.arange(8) > 0)  # all but one, which goes on alone
        for A in (tridiagonal, dense):
            for start, width in ((0.0 * solutions, 3), (0.0 * solutions, 8), (arrived, 3)):
                instance = Door().admit_block(A, A @ solutions[:, :width], None, rtol=1e-8, atol=0.0).instance
                for variant in self.variants():
                    values = {**{parameter.name: parameter.default for parameter in self.parameters}, **variant}
                    prepared = self.prepare(instance, values)
                    iterate_block: Any = self.iterate_block  # type: ignore[attr-defined]
                    iterate_block(prepared, instance, values, start[:, :width], Stop(instance.target, 10))


class DefiniteMethod(LinearMethod):
    """A method for real symmetric positive definite A."""

    requires = "a real symmetric positive definite matrix"

    def accepts(self, traits: LinearTraits) -> bool:
        """Real, symmetric, positive diagonal, and nothing seen that speaks against definiteness."""
        return traits.maybe_definite and not traits.complex


def _traits(A: Any) -> LinearTraits:
    return Door().admit(A, np.ones(A.shape[0]), None, rtol=1e-8, atol=0.0).traits
