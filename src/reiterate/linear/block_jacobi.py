"""Diagonal blocks as preconditioners: for systems with several unknowns at every node."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.configuration import Parameter, ParameterSpace
from reiterate.contracts import Values
from reiterate.errors import Breakdown
from reiterate.kernels import block_jacobi as kernels
from reiterate.linear.instance import LinearInstance
from reiterate.linear.jacobi import Jacobi
from reiterate.linear.pattern import Pattern
from reiterate.linear.preconditioner import Family, Preconditioner
from reiterate.linear.traits import LinearTraits

__all__ = ["BlockDiagonal", "BlockJacobi", "Jacobi", "detect_block"]

_LARGEST_DETECTED = 6
_FULL = 0.75


def detect_block(pattern: Pattern) -> int:
    """The largest size up to 6 whose blocks, where not empty, are three quarters full; 1 if there is none.

    Unknowns of one node must be numbered one after the other.
    """
    for block in range(_LARGEST_DETECTED, 1, -1):
        if pattern.size % block == 0:
            last_seen = np.empty(pattern.size // block, dtype=np.uint32)
            count = int(kernels.count_blocks(pattern.indptr, pattern.indices, block, last_seen))
            if pattern.nnz >= _FULL * count * block * block:
                return block
    return 1


class BlockDiagonal(Preconditioner):
    """Inverses of the diagonal blocks.

    Attributes
    ----------
    block : int
        Their size.
    replaced : int
        Number of blocks that could not be inverted, where the modulus of the diagonal is used.
    """

    def __init__(self, pattern: Pattern, block: int, dtype: np.dtype[Any]) -> None:
        self.pattern = pattern
        self.block = block
        self.size = size = pattern.size
        self.dtype = dtype
        self.replaced = 0
        self._inverses: NDArray[Any] = np.empty((-(-size // block), block, block), dtype)
        self._matrix, self._factor = np.empty((2, block, block), dtype)
        self.memory = self._inverses.nbytes
        self.traffic = float(self.memory) + 3.0 * dtype.itemsize * size
        self.setup_traffic = 12.0 * pattern.nnz + 2.0 * self.memory

    def refresh(self, instance: LinearInstance) -> None:
        """Invert the blocks of the instance's matrix."""
        pattern, definite = self.pattern, instance.traits.maybe_definite
        self.replaced, done = kernels.invert_blocks(
            pattern.indptr, pattern.indices, instance.data, self.block, definite, self._inverses, self._matrix,
            self._factor,
        )  # fmt: skip
        if done < self._inverses.shape[0]:
            raise Breakdown(f"the diagonal block of unknown {done * self.block} is singular, as is its diagonal")

    def apply(self, r: NDArray[Any], z: NDArray[Any]) -> None:
        """Write M⁻¹ r to ``z``."""
        kernels.apply_blocks(self._inverses, r, z)


class BlockJacobi(Family):
    """the diagonal blocks of A, for systems with several unknowns at every node.

    Within a factor of the best block diagonal preconditioner (Demmel 1983). ``block`` is their size, the unknowns of a
    block being numbered one after the other; 0: detected from the pattern (2 to 6 where the pattern consists of dense
    blocks, otherwise 1, which is ``jacobi``). Blocks are inverted by Cholesky where A may be positive definite, and M
    is positive definite then; otherwise by elimination with partial pivoting. Where that fails the modulus of the
    diagonal takes the place of the block. Setup: one pass and 2 · block² flops a row. An application moves
    8 · block + 24 bytes a row.
    """

    name = "block_jacobi"
    parameters = ParameterSpace(
        (Parameter("block", low=-0.5, high=64.5, default=0, search=(0, 0), points=1, integer=True),)
    )
    requires = "a diagonal without zeros"
    symmetric = True

    def accepts(self, traits: LinearTraits) -> bool:
        """No zero on the diagonal."""
        return traits.full_diagonal

    def build(self, instance: LinearInstance, values: Values, previous: Preconditioner | None = None) -> Preconditioner:
        """Invert the blocks; their size is found once per pattern."""
        dtype = instance.operator.dtype
        known = isinstance(previous, BlockDiagonal) and previous.pattern is instance.pattern and previous.dtype == dtype
        if known:
            blocks = previous
        else:
            asked = int(values["block"])
            block = min(asked, instance.pattern.size) if asked else detect_block(instance.pattern)
            blocks = BlockDiagonal(instance.pattern, block, dtype)
        assert isinstance(blocks, BlockDiagonal)
        blocks.refresh(instance)
        return blocks
