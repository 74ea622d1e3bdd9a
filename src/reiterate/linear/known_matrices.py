"""The matrices of a stream: each is inspected once, and recognized by its content."""

from __future__ import annotations

import copy
from collections.abc import Hashable
from typing import Any

import numpy as np

from reiterate.errors import InvalidInput
from reiterate.linear.condensation import Condensation, KnownCondensations, condensations
from reiterate.linear.condensed import CondensedFacts
from reiterate.linear.elementary import fingerprint
from reiterate.linear.facts import Facts, Knowledge
from reiterate.linear.given_null_space import GivenNullSpace, constants_of
from reiterate.linear.inspection import inspect
from reiterate.linear.instance import Vector
from reiterate.linear.known_patterns import KnownPatterns
from reiterate.linear.null_space import NullSpace
from reiterate.linear.pattern import Pattern
from reiterate.linear.presumption import Presumption
from reiterate.linear.traits import LinearTraits

_KEEP = 4  # a time step may alternate between a few


class KnownMatrices:
    """What is known of the last few matrices of a stream.

    Parameters
    ----------
    patterns : KnownPatterns
    null_space : GivenNullSpace or None
        What the caller knows of every matrix.
    recognizes : bool
        Whether matrices have versions, by which they are known again.
    condenses : bool
        Whether those that can be are condensed; none is where the caller knows a null space.
    """

    def __init__(
        self, patterns: KnownPatterns, null_space: GivenNullSpace | None, *, recognizes: bool, condenses: bool
    ) -> None:
        self._patterns = patterns
        self._null_space = null_space
        self._recognizes = recognizes
        self._condenses = condenses and null_space is None
        self._condensations = KnownCondensations()
        self._presumptions: dict[int, Presumption] = {}
        self._known: dict[Hashable, Facts] = {}

    def facts(self, matrix: Any, number: int | None = None, *, whole: bool = False) -> Facts:
        """What is known of a CSR matrix in canonical format, or of its condensation unless the ``whole`` is wanted.

        ``number`` is that of its pattern where it has been recognized.

        Raises
        ------
        InvalidInput
            It is no matrix of finite numbers, or too large.
        """
        stored = self._patterns.number_of(matrix) if number is None else number
        condenses = self._condenses and not whole
        condensed = self._condense_as_before(matrix, stored) if condenses else None
        if condensed is not None:
            return condensed
        given = matrix
        number, matrix, pattern = self._patterns.find(matrix, stored)
        version = self._version(number, matrix)
        known = self._known.pop(version, None)
        if known is None:
            diagonal, traits, features = inspect(matrix, pattern)
            if condenses and not (traits.symmetric or traits.hermitian):
                condensed = self._condense_anew(given, stored)
                if condensed is not None:
                    return condensed
            null_space = self.null_space_of(matrix, pattern, traits)
            matrix = _negative(matrix) if traits.negated else matrix
            known = Facts(matrix, pattern, diagonal, traits, features, version, null_space=null_space)
            self._presumption(number).judge(known)
        else:
            # The numbers are equal, but the arrays that held them then may have been overwritten since.
            if known.traits.negated:
                matrix = _negative(matrix, known.data)
            known = Facts(
                matrix, pattern, known.diagonal, known.knowledge, known.features, version, null_space=known.null_space
            )
        self._keep(known)
        return known

    def null_space_of(self, matrix: Any, pattern: Pattern, traits: LinearTraits) -> NullSpace | None:
        """What the caller has given, or constants where these are recognized."""
        if self._null_space is not None:
            return self._null_space.of(matrix, pattern, traits)
        return constants_of(matrix, pattern) if traits.constant_null_space else None

    def _version(self, number: int, matrix: Any) -> Hashable:
        return (number, *fingerprint(matrix.data.view(np.uint64))) if self._recognizes else None

    def _keep(self, known: Facts) -> None:
        """Keep what is known of the last matrices, and the entries of this one only."""
        if known.version is None:
            return
        for other in self._known.values():
            other.release()
        self._known[known.version] = known
        while len(self._known) > _KEEP:
            del self._known[next(iter(self._known))]

    def _condense_as_before(self, matrix: Any, stored: int) -> CondensedFacts | None:
        """What is known of what is left of the matrix, where the last one with its pattern was condensed, too."""
        condensation = self._condensations.of(stored)
        if condensation is None:
            return None
        facts = self._condensed(condensation, matrix)
        if facts is None:
            self._condensations.forget(stored)
        return facts

    def _condense_anew(self, matrix: Any, stored: int) -> CondensedFacts | None:
        """What is known of what is left of a nonsymmetric matrix, where that is worth a look and symmetric."""
        if not self._condensations.worth_a_look(stored):
            return None
        for condensation in condensations(self._patterns.stored(stored), matrix.data, self._patterns.next_number):
            facts = self._condensed(condensation, matrix)
            if facts is not None:
                self._condensations.found(stored, condensation)
                return facts
        return None

    def _condensed(self, condensation: Condensation, matrix: Any) -> CondensedFacts | None:
        """What is known of what is left; ``None`` where that is not symmetric, or is seen to be singular."""
        version = self._version(condensation.number, matrix)
        known = self._known.pop(version, None)
        if isinstance(known, CondensedFacts) and known.couplings is not None:
            self._keep(known)
            return known
        parts = condensation.apply(matrix.data)
        if parts is None:
            return None
        A, couplings = parts
        if known is None:
            try:
                diagonal, traits, features = inspect(A, condensation.pattern)
            except InvalidInput:
                return None  # which entry it is has to be said of the whole matrix
            if not (traits.symmetric or traits.hermitian) or traits.constant_null_space or traits.zero_line:
                return None
        else:
            diagonal, traits, features = known.diagonal, known.traits, known.features
        A = _negative(A) if traits.negated else A
        knowledge = Knowledge(traits) if known is None else known.knowledge
        facts = CondensedFacts(A, condensation, couplings, diagonal, knowledge, features, version)
        if known is None:
            self._presumption(condensation.number).judge(facts)
        self._keep(facts)
        return facts

    def _presumption(self, number: int) -> Presumption:
        """What is presumed of matrices with the pattern of that number."""
        presumption = self._presumptions.pop(number, None) or Presumption()
        self._presumptions[number] = presumption
        while len(self._presumptions) > _KEEP:
            del self._presumptions[next(iter(self._presumptions))]
        return presumption


def _negative(matrix: Any, known: Vector | None = None) -> Any:
    """−A; ``known`` are its entries, shape (nnz,), unless they have been let go of."""
    twin = copy.copy(matrix)  # by far faster than SciPy's constructor, and the index arrays are shared all the same
    twin.data = known if known is not None and known.size else -matrix.data
    return twin
