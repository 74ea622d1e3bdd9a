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
from reiterate.linear.absolute_blocks import AbsoluteBlockJacobi
from reiterate.linear.bicgstab import BiConjugateGradientsStabilized
from reiterate.linear.bicgstabl import BiConjugateGradientsStabilizedL
from reiterate.linear.block_jacobi import BlockJacobi
from reiterate.linear.cg import ConjugateGradients, JacobiConjugateGradients
from reiterate.linear.chebyshev import Chebyshev
from reiterate.linear.cocr import ConjugateOrthogonalConjugateResidual
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
from reiterate.linear.sqmr import SymmetricQuasiMinimalResidual
from reiterate.linear.ssor_cg import SymmetricOverRelaxedConjugateGradients
from reiterate.linear.surrogate import PositiveSurrogate
from reiterate.linear.symmetric_part import SymmetricPart
from reiterate.linear.symmlq import SymmetricLQ
from reiterate.linear.traits import LinearTraits

_ANY_FAMILY: Final = (
    Identity(),
    Jacobi(),
    BlockJacobi(),
    SymmetricOverRelaxation(),
    IncompleteLU(),
    ThresholdIncompleteLU(),
    SymmetricPart(SmoothedAggregationMultigrid()),
    DirectFactor(definite=False),
)
_DEFINITE_FAMILIES: Final = (
    Identity(),
    Jacobi(),
    AbsoluteBlockJacobi(),
    PositiveSurrogate(SymmetricOverRelaxation()),
    PositiveSurrogate(IncompleteCholesky()),
    PositiveSurrogate(SmoothedAggregationMultigrid(), real=True),
)
_SYMMETRIC_FAMILIES: Final = (
    Identity(),
    Jacobi(),
    BlockJacobi(),
    SymmetricOverRelaxation(),
    IncompleteLU(),
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
        *(DeflatedConjugateGradients(family) for family in (Identity(), Jacobi())),
        DeflatedConjugateGradients(IncompleteCholesky(), IncompleteCholeskyConjugateGradients()),
        *(krylov(family) for krylov in (MinimalResidual, SymmetricLQ) for family in _DEFINITE_FAMILIES),
        *(SymmetricQuasiMinimalResidual(family) for family in _SYMMETRIC_FAMILIES),
        *(ConjugateOrthogonalConjugateResidual(family) for family in _SYMMETRIC_FAMILIES),
        *(krylov(family) for krylov in _KRYLOV for family in _ANY_FAMILY),
        Direct(),
        *(DirectBy(name) for name in ENGINES),
    )
}

DEFAULT: Final = (
    "cg",
    "jacobi_cg",
    "ssor_cg",
    "ic_cg(modification=0.0)",
    "ic_cg(modification=0.95)",
    "amg_cg(theta=0.05, bits=32)",
    "factor_cg",
    "direct",
    "jacobi_minres",
    "ic_minres",
    "amg_minres(theta=0.05, bits=32)",
    "minres",
    "bicgstab",
    "cocr",
    "symmlq",
    "gmres(restart=30)",
    "ilu_sqmr",
    "ssor_cocr(omega=1.4)",
    "ilu_cocr",
    "ilu_bicgstab",
    "ilu_gmres(restart=30)",
    "factor_gmres(restart=30)",
)
"""What is tuned when nothing is named, where :func:`suits` says that it may pay."""

DEFAULT_FOR_ITERATIONS: Final = ("cg", "jacobi_cg", "ssor_cg")
"""The same where iterations are counted: those of other methods mean something else."""

_LARGEST_FACTOR: Final = 30_000  # unknowns; beyond, one try can cost more than a whole stream of iterations
_SMALLEST_HIERARCHY: Final = 5_000  # below, building one costs more than any iteration


def suits(name: str, traits: LinearTraits) -> bool:
    """Whether a method of the default portfolio is worth trying on such a matrix."""
    if name == "direct" or name.startswith("factor"):
        if traits.structurally_singular:
            return False
        return traits.size <= _LARGEST_FACTOR and (traits.likely_definite or name != "factor_cg")
    if name.startswith(("amg", "pyamg")) and traits.size < _SMALLEST_HIERARCHY:
        return False
    if name.endswith("_cg") or name == "cg":
        return not traits.presumed_indefinite
    if name in ("minres", "symmlq", "cocr", "bicgstab", "gmres"):
        # Otherwise a preconditioner is to be had, and a direct method when all else fails.
        return not traits.entries or traits.structurally_singular
    if name == "ilu_sqmr" and traits.complex:
        return False  # COCR does the same at less cost
    if name == "ilu_bicgstab" and traits.symmetric:
        return False  # symmetric QMR and COCR need half the products
    return not traits.likely_definite


def configuration(spelling: str) -> Configuration:
    """One configuration from its spelling; parameters that are not given take their defaults."""
    name, values = parse_spelling(spelling)
    return Configuration(name, tuple(method(name).parameters.check(name, values or {}).items()))


def check_fallback(spelling: str | None) -> None:
    """Refuse what is no configuration, under the name by which a caller passes it."""
    if spelling is None:
        return
    try:
        configuration(spelling)
    except InvalidInput as error:
        raise InvalidInput("fallback", str(error).removeprefix("methods: ")) from None


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
        raise InvalidInput("methods", "is empty; `reiterate methods` lists what there is")
    return list(found)


def lines(spellings: Sequence[str]) -> frozenset[str]:
    """The methods that are named without values, so that their parameters are free; spellings as they are valid."""
    parsed = (parse_spelling(spelling) for spelling in ([spellings] if isinstance(spellings, str) else spellings))
    return frozenset(name for name, values in parsed if values is None and METHODS[name].parameters.parameters)


def method(name: str) -> Method:
    """The method of that name."""
    if name not in METHODS:
        close = difflib.get_close_matches(name.lower(), METHODS, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise InvalidInput("methods", f"there is no method {name!r}; {hint}`reiterate methods` lists all")
    return METHODS[name]
