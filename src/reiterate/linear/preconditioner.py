"""Preconditioners: approximations M of A whose inverse is cheap to apply, and the families that build them.

A family is combined with Krylov methods in :mod:`reiterate.linear.portfolio`: ``ic`` with ``cg`` gives the
method ``ic_cg``. It does not know which; a Krylov method knows no family.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.configuration import ParameterSpace
from reiterate.contracts import Values
from reiterate.linear.instance import LinearInstance
from reiterate.linear.traits import LinearTraits


class Preconditioner(ABC):
    """M ≈ A, with its inverse.

    Attributes
    ----------
    size : int
        n.
    dtype
        Of the vectors that it is applied to: float64 or complex128.
    traffic : float
        Bytes that one application moves.
    memory : int
        Bytes held.
    process : int or None
        Number of the only process that can apply it; ``None``: forked ones can, too.
    setup_traffic : float
        Bytes moved by the build or refresh that was made last.
    observes : bool
        Whether :meth:`observe` would be of use after the next solve.
    takes_blocks : bool
        Whether :meth:`apply_block` is faster than one column after another.
    """

    size: int
    dtype: np.dtype[Any] = np.dtype(np.float64)
    traffic: float = 0.0
    memory: int = 0
    process: int | None = None
    setup_traffic: float = 0.0
    observes: bool = False
    takes_blocks: bool = False

    @abstractmethod
    def apply(self, r: NDArray[Any], z: NDArray[Any]) -> None:
        """Write M⁻¹ r to ``z``; both of shape (n,), C-contiguous, not overlapping; ``r`` is left as it is."""

    def observe(self, instance: LinearInstance, diagonal: NDArray[Any], below: NDArray[Any]) -> None:  # noqa: B027
        """Take in the tridiagonal matrix of M⁻¹A, by its diagonals, that a solve with CG has left behind."""

    def apply_block(self, R: NDArray[np.float64], Z: NDArray[np.float64]) -> None:
        """Write M⁻¹ R to ``Z``; both of shape (n, 4) or (n, 8), as :meth:`apply` asks; no column touches another."""
        for j in range(R.shape[1]):
            z = np.empty_like(R[:, j])
            self.apply(np.ascontiguousarray(R[:, j]), z)
            Z[:, j] = z

    def block_traffic(self, width: int) -> float:
        """Bytes that one application to ``width`` columns moves."""
        return width * self.traffic


class Family(ABC):
    """Builds preconditioners of one kind.

    A subclass supplies the attributes, :meth:`accepts` and :meth:`build`.

    Attributes
    ----------
    name : str
        As it begins the names of methods, e.g. ``"ic"``.
    parameters : ParameterSpace
    requires : str
        What :meth:`accepts` asks for, in words that complete "needs …".
    definite : bool
        Whether M is symmetric positive definite, as CG and MINRES need.
    symmetric : bool
        Whether M = Mᵀ, not conjugated, wherever A = Aᵀ, as COCR and symmetric QMR need.
    varies : bool
        Whether M changes from one application to the next, so that only flexible methods may use it.
    variants : tuple of mappings
        Values, where not the defaults, that between them take every kernel of the family; for warming up.
    """

    name: str
    parameters: ParameterSpace = ParameterSpace()
    requires: str
    definite: bool = False
    symmetric: bool = False
    varies: bool = False
    variants: tuple[Values, ...] = ({},)

    @property
    def state_name(self) -> str:
        """What is shared by the methods of this family; another name where another family builds another M."""
        return f"{self.name} preconditioner"

    @abstractmethod
    def accepts(self, traits: LinearTraits) -> bool:
        """Whether a preconditioner can be built for such a matrix."""

    @abstractmethod
    def build(self, instance: LinearInstance, values: Values, previous: Preconditioner | None = None) -> Preconditioner:
        """Build M for the instance's matrix.

        ``previous``, if given, was built by this family with the same values for an earlier instance, maybe of
        another pattern; where the pattern is the same object (``instance.pattern``), symbolic work is reused and
        its arrays may be overwritten.

        Raises
        ------
        Breakdown
            With the reason in the field's words, e.g. a pivot that is not positive.
        """

    def warm_up(self) -> None:  # noqa: B027 - most families need nothing that a system of four unknowns does not
        """Compile or load what a system of a few unknowns does not reach, so that this is never counted as a cost."""
