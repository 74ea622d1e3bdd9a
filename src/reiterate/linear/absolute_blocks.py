"""The moduli of diagonal blocks: positive definite whatever the signs of their eigenvalues."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Values
from reiterate.errors import Breakdown
from reiterate.linear.block_jacobi import BlockDiagonal, BlockJacobi, detect_block
from reiterate.linear.instance import LinearInstance, LinearTraits
from reiterate.linear.preconditioner import Family, Preconditioner

_NOTHING = 1e-10  # relative to the largest eigenvalue of a block


class _AbsoluteBlocks(BlockDiagonal):
    """Inverses of |B| = (B²)^½ for the diagonal blocks B."""

    def refresh(self, instance: LinearInstance) -> None:
        """Invert the moduli of the blocks of the instance's matrix."""
        pattern, block = self.pattern, self.block
        rows, columns = pattern.rows, pattern.indices.astype(np.int64)
        within = rows // block == columns // block
        rows, columns = rows[within], columns[within]
        blocks = np.zeros_like(self._inverses)
        blocks[rows // block, rows % block, columns % block] = instance.data[within]
        values, vectors = np.linalg.eigh(0.5 * blocks + 0.5 * blocks.conj().transpose(0, 2, 1))
        moduli = np.abs(values)
        largest = moduli.max(axis=1, keepdims=True)
        largest[largest == 0.0] = float(largest.max()) or 1.0
        lost = moduli <= _NOTHING * largest
        self.replaced = int(np.count_nonzero(lost.any(axis=1)))
        moduli = np.where(lost, largest, moduli)
        with np.errstate(over="ignore"):
            inverse: NDArray[np.float64] = 1.0 / moduli
        if not np.all(np.isfinite(inverse)):
            raise Breakdown("a diagonal block is so small that its inverse overflows")
        np.matmul(vectors * inverse[:, None, :], vectors.conj().transpose(0, 2, 1), out=self._inverses)


class AbsoluteBlockJacobi(Family):
    """the moduli of the diagonal blocks of A, for systems with several unknowns at every node.

    |B| = V |Λ| Vᴴ for each block B = V Λ Vᴴ: positive definite whatever the signs, which makes MINRES see eigenvalues
    ±1 where A is block diagonal. ``block`` is their size, as for ``block_jacobi``; 1 is the modulus of the diagonal.
    Eigenvalues that are nothing beside the largest of their block are replaced by that, so that zeros on the diagonal
    do no harm. Setup: the eigenvalues of every block, some 20 · block² flops a row. An application moves
    8 · block + 24 bytes a row.
    """

    name = "block_jacobi"
    parameters = BlockJacobi.parameters
    requires = "entries"
    definite = True

    @property
    def state_name(self) -> str:
        """Another than that of the blocks themselves."""
        return "absolute block_jacobi preconditioner"

    def accepts(self, traits: LinearTraits) -> bool:
        """Hermitian, with entries."""
        return traits.entries and traits.hermitian

    def build(self, instance: LinearInstance, values: Values, previous: Preconditioner | None = None) -> Preconditioner:
        """Invert the moduli of the blocks; their size is found once per pattern."""
        dtype, pattern = instance.operator.dtype, instance.pattern
        if isinstance(previous, _AbsoluteBlocks) and previous.pattern is pattern and previous.dtype == dtype:
            blocks = previous
        else:
            asked = int(values["block"])
            blocks = _AbsoluteBlocks(pattern, min(asked, pattern.size) if asked else detect_block(pattern), dtype)
        blocks.refresh(instance)
        return blocks
