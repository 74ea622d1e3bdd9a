"""What methods for linear systems have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import scipy.sparse as sp

from reiterate.contracts import Forecast, Method, Stop, Values
from reiterate.linear.door import Door
from reiterate.linear.forecast import forecast
from reiterate.linear.instance import LinearInstance, LinearTraits


class LinearMethod(Method):
    """A method for A x = b."""

    def forecast(self, instance: LinearInstance, values: Values) -> Forecast:
        """From the size, the bandwidth and the diagonal of A."""
        return forecast(self.name, values, instance)

    def variants(self) -> Sequence[Values]:
        """Values, where not the defaults, that between them take every kernel of the method."""
        return ({},)

    def warm_up(self) -> None:
        """Run once on a system of a few unknowns, so that every kernel is compiled or loaded."""
        self.rehearse(sp.diags_array([-1.0, 4.0, -1.0], offsets=[-1, 0, 1], shape=(4, 4)).tocsr())

    def rehearse(self, A: Any) -> None:
        """Run every variant on A, a small SciPy matrix."""
        b = A.sum(axis=1)
        instance = Door().admit(A, b, None, rtol=1e-8, atol=0.0)
        for variant in self.variants():
            values = {**{parameter.name: parameter.default for parameter in self.parameters}, **variant}
            prepared = self.prepare(instance, values)
            self.iterate(prepared, instance, values, 0.0 * b, Stop(instance.target, 10))


class DefiniteMethod(LinearMethod):
    """A method for symmetric positive definite A."""

    requires = "a symmetric positive definite matrix"

    def accepts(self, traits: LinearTraits) -> bool:
        """Symmetric, positive diagonal, and nothing seen that speaks against definiteness."""
        return traits.maybe_definite
