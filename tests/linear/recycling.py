"""How tests of methods that recycle spaces run on streams."""

from __future__ import annotations

import numpy as np

from reiterate.contracts import Stop
from reiterate.linear.door import Door


class RecyclingStream:
    """Solves one system after another with one state."""

    def __init__(self, method, values, rtol, kept):
        self.method, self.values, self.rtol, self.kept = method, values, rtol, kept
        self.door, self.prepared = Door(), None

    def solve(self, A, b, x0=None, iterations=10_000):
        self.instance = self.door.admit(A, b, None, rtol=self.rtol, atol=0.0)
        self.prepared = self.method.prepare(self.instance, self.values, self.prepared)
        start = np.zeros(b.size) if x0 is None else x0
        stop = Stop(self.instance.target, iterations)
        return self.method.iterate(self.prepared, self.instance, self.values, start, stop)

    @property
    def space(self):
        return self.prepared.state.recycled[self.kept, self.values["space"]]
