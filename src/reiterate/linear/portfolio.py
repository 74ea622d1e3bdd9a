"""The portfolio: every method for linear systems by name, and the configurations made of them.

A new method is one class in one file of this room, and one line here.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Final

from reiterate.configuration import Configuration, parse_spelling
from reiterate.contracts import Method
from reiterate.errors import InvalidInput
from reiterate.linear.bicgstab import BiConjugateGradientsStabilized
from reiterate.linear.bicgstabl import BiConjugateGradientsStabilizedL
from reiterate.linear.block_jacobi import BlockJacobi
from reiterate.linear.cg import ConjugateGradients, JacobiConjugateGradients
from reiterate.linear.chebyshev import Chebyshev
from reiterate.linear.deflated_cg import DeflatedConjugateGradients
from reiterate.linear.direct import Direct, DirectBy
from reiterate.linear.direct_factor import DirectFactor
from reiterate.linear.factor_engines import ENGINES
from reiterate.linear.gmres import FlexibleGeneralizedMinimalResidual, GeneralizedMinimalResidual
from reiterate.linear.identity import Identity
from reiterate.linear.idr import InducedDimensionReduction
from reiterate.linear.incomplete_cholesky import IncompleteCholesky, ThresholdIncompleteCholesky
from reiterate.linear.incomplete_cholesky_cg import IncompleteCholeskyConjugateGradients
from reiterate.linear.incomplete_lu import IncompleteLU, SymmetricOverRelaxation, ThresholdIncompleteLU
from reiterate.linear.jacobi import Jacobi
from reiterate.linear.minres import MinimalResidual
from reiterate.linear.multigrid import ClassicalMultigrid, SmoothedAggregationMultigrid
from reiterate.linear.preconditioned_cg import PreconditionedConjugateGradients
from reiterate.linear.recycled_gmres import RecyclingGeneralizedMinimalResidual
from reiterate.linear.sor import SuccessiveOverRelaxation
from reiterate.linear.ssor_cg import SymmetricOverRelaxedConjugateGradients

_ANY_FAMILY: Final = (
    Identity(),
    Jacobi(),
    BlockJacobi(),
    SymmetricOverRelaxation(),
    IncompleteLU(),
    ThresholdIncompleteLU(),
    DirectFactor(definite=False),
)
_KRYLOV: Final = (
    GeneralizedMinimalResidual,
    FlexibleGeneralizedMinimalResidual,
    BiConjugateGradientsStabilized,
    BiConjugateGradientsStabilizedL,
    InducedDimensionReduction,
    RecyclingGeneralizedMinimalResidual,
)

METHODS: Final[dict[str, Method]] = {
    method.name: method
    for method in (
        ConjugateGradients(),
        JacobiConjugateGradients(),
        SuccessiveOverRelaxation(),
        SymmetricOverRelaxedConjugateGradients(),
        IncompleteCholeskyConjugateGradients(),
        PreconditionedConjugateGradients(ThresholdIncompleteCholesky()),
        PreconditionedConjugateGradients(SmoothedAggregationMultigrid()),
        PreconditionedConjugateGradients(ClassicalMultigrid()),
        PreconditionedConjugateGradients(DirectFactor()),
        PreconditionedConjugateGradients(BlockJacobi()),
        PreconditionedConjugateGradients(Chebyshev()),
        *(DeflatedConjugateGradients(family) for family in (Identity(), Jacobi(), IncompleteCholesky())),
        MinimalResidual(Identity()),
        MinimalResidual(Jacobi()),
        *(krylov(family) for krylov in _KRYLOV for family in _ANY_FAMILY),
        Direct(),
        *(DirectBy(name) for name in ENGINES),
    )
}

DEFAULT: Final = ("cg", "jacobi_cg", "ssor_cg")
"""What is tuned when nothing is named; ``sor`` never beats ``ssor_cg`` where both apply."""


def configuration(spelling: str) -> Configuration:
    """One configuration from its spelling; parameters that are not given take their defaults."""
    name, values = parse_spelling(spelling)
    return Configuration(name, tuple(method(name).parameters.check(name, values or {}).items()))


def configurations(spellings: Sequence[str]) -> list[Configuration]:
    """Configurations from spellings; a bare method name stands for the whole grid of its parameters.

    Raises
    ------
    InvalidInput
        Unknown method or parameter, a value outside its range, or nothing given.
    """
    if isinstance(spellings, str):
        spellings = [spellings]
    found: dict[Configuration, None] = {}
    for spelling in spellings:
        name, values = parse_spelling(spelling)
        if values is not None:
            found[configuration(spelling)] = None
            continue
        for combination in method(name).parameters.grid():
            found[Configuration(name, tuple(combination.items()))] = None
    if not found:
        raise InvalidInput("methods", f"is empty; known are {', '.join(METHODS)}")
    return list(found)


def method(name: str) -> Method:
    """The method of that name."""
    if name not in METHODS:
        close = difflib.get_close_matches(name, METHODS, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise InvalidInput("methods", f"there is no method {name!r}; {hint}known are {', '.join(METHODS)}")
    return METHODS[name]
