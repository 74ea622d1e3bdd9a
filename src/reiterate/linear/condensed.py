"""Systems of which only what cannot be eliminated is iterated on; what is promised holds for all of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.linear.block import Block, BlockInstance
from reiterate.linear.condensation import LARGEST, Condensation, Couplings
from reiterate.linear.facts import Facts, Knowledge
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.residual import residual_of, rounding_errors_of
from reiterate.linear.traits import LinearTraits
from reiterate.linear.vectors import norm


class CondensedFacts(Facts):
    """What is known of A_II, and how it comes from A.

    Attributes
    ----------
    condensation : Condensation
    couplings : Couplings or None
        ``None`` once the entries have been let go of.
    """

    def __init__(
        self,
        A: Any,
        condensation: Condensation,
        couplings: Couplings,
        diagonal: Vector | None,
        known: LinearTraits | Knowledge,
        features: Mapping[str, float],
        version: Hashable = None,
    ) -> None:
        super().__init__(A, condensation.pattern, diagonal, known, features, version)
        self.condensation = condensation
        self.couplings: Couplings | None = couplings

    def release(self) -> None:
        """Let go of the entries; what was found out about them stays."""
        super().release()
        self.couplings = None


class CondensedInstance(LinearInstance):
    """The system A_II x_I = b_I − A_ID x_D, solved when ‖b − A x‖ ≤ max(rtol ‖b‖, atol) for all unknowns.

    Iterates are those of x_I; :meth:`complete` adds the others. The merit is ‖b − A x‖ / ‖b‖, computed from the
    caller's A and b. Numbers that would have to be scaled are not moderate here.
    """

    _whole: tuple[Any, Vector] | None

    def __init__(
        self,
        facts: CondensedFacts,
        A: Any,
        b: Vector,
        *,
        context: Mapping[str, float],
        rtol: float,
        atol: float,
        threads: int,
        size: float,
    ) -> None:
        """``A`` and ``b``, of norm ``size``, are those of all unknowns."""
        assert facts.couplings is not None
        self._condensation, self._couplings = facts.condensation, facts.couplings
        rest, self._determined = self._condensation.restrict(b, self._couplings)
        self._whole = A, b
        rest = -rest if facts.traits.negated else rest
        super().__init__(facts, rest, context=context, rtol=rtol, atol=atol, threads=threads, size=size)
        self.trivial = size == 0.0
        usual = self._exponent == 0 and (self.trivial or 1.0 / LARGEST < max(size, atol) < LARGEST)
        self.moderate = usual and norm(rest) < LARGEST and norm(self._determined) < LARGEST

    @property
    def unknowns(self) -> int:
        """Those of A."""
        return self._condensation.left.size + self._condensation.given.size

    @property
    def owned(self) -> bool:
        """Always: what is left was copied."""
        return True

    def restrict(self, x: Vector) -> Vector:
        """The part of a caller's vector that is iterated on, as a new array."""
        return x.take(self._condensation.left, axis=0)

    def complete(self, x: Vector) -> Vector:
        """The caller's unknowns."""
        return self._condensation.complete(x, self._determined, self._couplings)

    def merit(self, x: Vector) -> float:
        """‖b − A x‖ / ‖b‖, of the whole system."""
        return super().merit(x) if self._whole is None else self.size_of_residual(x) / self.norm_b

    def size_of_residual(self, x: Vector) -> float:
        """‖b − A x‖, of the whole system."""
        assert self._whole is not None
        A, b = self._whole
        return norm(residual_of(A, self.complete(x), b))

    def rounding_level(self, x: Vector) -> float:
        """The merit that rounding errors of the whole residual amount to."""
        if self._whole is None:
            return super().rounding_level(x)
        A, b = self._whole
        return rounding_errors_of(A, self.complete(x), b) / self.norm_b

    def detached(self) -> LinearInstance:
        """As of any instance; the merit is then that of what is iterated on."""
        twin = super().detached()
        assert isinstance(twin, CondensedInstance)
        twin._whole = None
        return twin


class CondensedBlock(BlockInstance):
    """Several right-hand sides of one condensed matrix: a :class:`BlockInstance` with the residuals of all unknowns.

    Parameters
    ----------
    columns : sequence of CondensedInstance
    """

    def __init__(self, facts: Facts, columns: Sequence[LinearInstance], context: Mapping[str, float]) -> None:
        super().__init__(facts, columns, context)
        self._own = [column for column in columns if isinstance(column, CondensedInstance)]

    @property
    def unknowns(self) -> int:
        """Those of A."""
        return self._own[0].unknowns

    @property
    def owned(self) -> bool:
        """Always."""
        return True

    def restrict(self, x: Block) -> Block:
        """The part of a caller's block that is iterated on."""
        return self._own[0].restrict(x)

    def complete(self, x: Block) -> Block:
        """The caller's unknowns, of as many columns as there are here."""
        return np.stack([column.complete(x[:, j]) for j, column in enumerate(self._own)], axis=1)

    def sizes(self, x: Block) -> NDArray[np.float64]:
        """‖b_j − A x_j‖ of every column, shape (k,), of the whole system."""
        return np.array([column.size_of_residual(x[:, j]) for j, column in enumerate(self._own)])
