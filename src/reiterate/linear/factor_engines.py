"""The engines that factor, by name, and the choice among them by what works."""

from __future__ import annotations

from typing import Final

from reiterate.errors import Breakdown, OutOfTime
from reiterate.linear.factor_cholmod import CholmodFactor
from reiterate.linear.factor_pardiso import PardisoFactor
from reiterate.linear.factor_rslab import RslabFactor
from reiterate.linear.factor_superlu import SuperLUFactor
from reiterate.linear.factors import Factor, StructurallySingular, factorize
from reiterate.linear.first_factor import quick_by_superlu
from reiterate.linear.instance import LinearInstance

ENGINES: Final[dict[str, type[Factor]]] = {
    "rslab": RslabFactor,
    "pardiso": PardisoFactor,
    "superlu": SuperLUFactor,
    "cholmod": CholmodFactor,
}

_AUTOMATIC: Final = ("rslab", "pardiso", "superlu")
"""In this order: what refactors fastest; what an expert installed; what pivots most carefully."""

_RENT: Final = 2  # refreshes by SuperLU, which together lose about as much as an analysis by rslab takes


def factorize_by_what_works(
    instance: LinearInstance, previous: Factor | None = None, memory_limit: int | None = None
) -> Factor:
    """Factors of the instance's matrix by the first engine whose factors stand the check.

    The engine of ``previous`` comes first where it analyzed this pattern, so what failed once is not tried again. Small
    systems begin with SuperLU, and rent it, as it were: at the third factorization of new numbers rslab takes over.

    Raises
    ------
    Breakdown
        With what every engine said.
    OutOfTime
        As :func:`~reiterate.linear.factors.factorize`; no other engine is much faster.
    """
    instance = instance.pinned()
    engines = [ENGINES[name] for name in _AUTOMATIC if ENGINES[name].available()]
    first: type[Factor] | None = None
    provisional = False
    if previous is not None and previous.fits(instance):
        if not previous.provisional or previous.refreshes < _RENT or previous.holds(instance):
            first, provisional = type(previous), previous.provisional
    elif instance.deadline is None and len(engines) > 1 and quick_by_superlu(instance.pattern):
        first, provisional = SuperLUFactor, True
    if first is not None:
        engines = list(dict.fromkeys((first, *engines)))
    reasons, remedy = [], ""
    last_resort: Factor | None = None
    for engine in engines:
        try:
            factor = factorize(instance, engine, previous, memory_limit)
        except (StructurallySingular, OutOfTime):
            raise
        except Breakdown as breakdown:
            reasons.append(str(breakdown))
            remedy = remedy or breakdown.remedy
            continue
        factor.provisional = provisional and engine is SuperLUFactor
        if factor.provisional and instance.traits.maybe_definite and factor.dtype.kind != "c" and not factor.inertia():
            last_resort = factor  # it exchanged rows: another engine's pivots tell whether A is definite
            continue
        return factor
    if last_resort is not None:
        return last_resort
    raise Breakdown("; ".join(reasons), remedy)
