"""The columns of a caller's block on their way to an instance, and its iterates on their way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reiterate.errors import InvalidInput
from reiterate.linear.admission import admit_block, as_array
from reiterate.linear.block import Block, BlockInstance
from reiterate.linear.condensed import CondensedBlock, CondensedFacts
from reiterate.linear.facts import Facts
from reiterate.linear.instance import LinearInstance


class Columns:
    """The columns of a caller's block that have to be solved, as an instance.

    Columns whose right-hand side is zero have the solution zero and are left out, unless all are; a complex column of a
    real system becomes two.

    Attributes
    ----------
    instance : BlockInstance
    """

    def __init__(
        self,
        facts: Facts,
        columns: Sequence[LinearInstance],
        context: Mapping[str, float],
        shape: tuple[int, ...],
        *,
        halved: bool,
    ) -> None:
        self._shape = shape
        self._halved = halved
        self._count = len(columns)
        self._kept = [j for j, column in enumerate(columns) if not column.trivial] or [0]
        make = CondensedBlock if isinstance(facts, CondensedFacts) else BlockInstance
        self.instance = make(facts, [columns[j] for j in self._kept], context)

    def enter(self, x0: ArrayLike | None) -> Block:
        """The caller's initial guess, of the shape of b, as an iterate of the instance; zeros where none is given."""
        if x0 is None:
            return self.instance.origin()
        start = as_array("x0", x0)
        if start.shape != self._shape:
            raise InvalidInput("x0", f"has shape {start.shape}; b has shape {self._shape}, so it must have the same")
        start = admit_block("x0", start, self._shape[0])
        if self._halved:
            start = np.stack((start.real, start.imag), axis=2).reshape(self._shape[0], -1)
        elif start.dtype.kind == "c" and self.instance.b.dtype.kind != "c":
            raise InvalidInput("x0", "is complex, but A and b are real; pass x0.real")
        if not self.instance.b.any():
            return self.instance.origin()
        start = self.instance.restrict(start[:, self._kept].astype(self.instance.b.dtype, order="C"))
        start = self.instance.enter(start)
        start[:, ~np.isfinite(start).all(axis=0)] = 0.0  # too large next to its b to be of use
        return start

    def spread(self, x: Block) -> NDArray[Any]:
        """The instance's columns, already in the caller's scale, in the caller's shape."""
        full = x = self.instance.complete(x)
        if len(self._kept) < self._count:
            full = np.zeros((x.shape[0], self._count), dtype=x.dtype)
            full[:, self._kept] = x
        if self._halved:
            full = full[:, ::2] + 1j * full[:, 1::2]
        return full.reshape(self._shape)
