"""Systems whose matrix maps constant vectors to zero, such as a pressure equation with pure Neumann conditions.

A symmetric A with A 1 = 0 is singular; a solution exists where b has no component along the constants of every
connected part of the pattern, and then there are many: the one of zero mean on every part is taken. Since A x is
orthogonal to the constants, ‖b − A x‖² = ‖P b − A x‖² + ‖b − P b‖² with the projection P onto the range, so that what
is left of b outside the range is a lower bound for every residual, known before solving.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from reiterate.errors import InvalidInput
from reiterate.linear.vectors import Vector, norm


class Constants:
    """The constants on the connected parts of a pattern, given by its ``indptr`` and ``indices``."""

    def __init__(self, indptr: NDArray[np.uint32], indices: NDArray[np.uint32]) -> None:
        size = indptr.size - 1
        ones = np.ones(indices.size, dtype=np.int8)
        graph = sp.csr_array((ones, indices.view(np.int32), indptr.view(np.int32)), shape=(size, size))
        self.count, self._part = connected_components(graph, directed=False)
        self._sizes: NDArray[np.int64] = np.bincount(self._part, minlength=self.count)

    @property
    def representatives(self) -> NDArray[np.int64]:
        """One unknown of every part."""
        return np.unique(self._part, return_index=True)[1]

    def project(self, x: Vector) -> Vector:
        """What is left of ``x``, shape (n,), without its mean on every part."""
        if self.count == 1:
            mean: float = x.mean()
            return np.asarray(x - mean)
        means = np.bincount(self._part, weights=x, minlength=self.count) / self._sizes
        return np.asarray(x - means[self._part])

    def admit(self, b: Vector, rtol: float, atol: float, *, insist: bool) -> tuple[Vector, float, float]:
        """The right-hand side in the range of A, with tolerances that make its solution one of the original system.

        ``insist``: the caller asked for the projection, and the residual is that of the projected b.

        Raises
        ------
        InvalidInput
            No x can meet the tolerance.
        """
        projected = self.project(b)
        if insist:
            return projected, rtol, atol
        size, outside = norm(b), norm(b - projected)
        allowed = max(rtol * size, atol)
        if outside > 0.7 * allowed:
            raise InvalidInput(
                "b",
                f"has a component of relative size {outside / size:.1e} along the constants, which A maps to zero "
                "(A 1 = 0): no x can meet the tolerance. Pass b - b.mean(), or Solver(null_space='constant') to have "
                "it projected",
            )
        if allowed == 0.0:
            return projected, rtol, atol
        share = outside / allowed
        return projected, 0.0, allowed * math.sqrt((1.0 - share) * (1.0 + share))
