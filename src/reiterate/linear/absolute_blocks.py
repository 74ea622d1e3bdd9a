"""The moduli of diagonal blocks: positive definite whatever the signs of their eigenvalues."""

from __future__ import annotations

import numpy as np

from reiterate.contracts import Values
from reiterate.errors import Breakdown
from reiterate.linear.block_jacobi import BlockDiagonal, BlockJacobi, detect_block
from reiterate.linear.equilibration import scale
from reiterate.linear.instance import LinearInstance
from reiterate.linear.preconditioner import Family, Preconditioner
from reiterate.linear.traits import LinearTraits

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
        # Blocks are brought near one first, because the eigenvalues of entries that are far from it may not be found.
        exponents = np.frexp(np.maximum(np.abs(blocks.real), np.abs(blocks.imag)).max(axis=(1, 2)))[1]
        blocks = scale(blocks, -exponents)
        try:
            values, vectors = np.linalg.eigh(0.5 * blocks + 0.5 * blocks.conj().transpose(0, 2, 1))
        except np.linalg.LinAlgError as error:
            raise Breakdown(f"the eigenvalues of a diagonal block cannot be found: {error}") from None
        moduli = np.abs(values)
        largest = moduli.max(axis=1, keepdims=True)
        empty = largest[:, 0] == 0.0
        if not empty.all():
            exponents[empty] = exponents[~empty].max()  # nothing to invert: about as large as the largest of the others
        largest[empty] = 1.0
        lost = moduli <= _NOTHING * largest
        self.replaced = int(np.count_nonzero(lost.any(axis=1)))
        moduli = np.where(lost, largest, moduli)
        with np.errstate(over="ignore", invalid="ignore"):
            inverses = np.matmul(vectors / moduli[:, None, :], vectors.conj().transpose(0, 2, 1))
            inverses = scale(inverses, -exponents)
        if not np.all(np.isfinite(inverses)):
            raise Breakdown("a diagonal block is so small that its inverse overflows")
        self._inverses[:] = inverses


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
