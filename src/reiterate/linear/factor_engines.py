"""The engines that factor, by name, and the choice among them by what works."""

from __future__ import annotations

from typing import Final

from reiterate.errors import Breakdown, OutOfTime
from reiterate.linear.factor_cholmod import CholmodFactor
from reiterate.linear.factor_pardiso import PardisoFactor
from reiterate.linear.factor_rslab import RslabFactor
from reiterate.linear.factor_superlu import SuperLUFactor
from reiterate.linear.factors import Factor, StructurallySingular, factorize
from reiterate.linear.instance import LinearInstance

ENGINES: Final[dict[str, type[Factor]]] = {
    "rslab": RslabFactor,
    "pardiso": PardisoFactor,
    "superlu": SuperLUFactor,
    "cholmod": CholmodFactor,
}

_AUTOMATIC: Final = ("rslab", "pardiso", "superlu")
"""In this order: what refactors fastest; what an expert installed; what pivots most carefully."""


def factorize_by_what_works(
    instance: LinearInstance, previous: Factor | None = None, memory_limit: int | None = None
) -> Factor:
    """Factors of the instance's matrix by the first engine whose factors stand the check.

    The engine of ``previous`` comes first where it analyzed this pattern, so what failed once is not tried again.

    Raises
    ------
    Breakdown
        With what every engine said.
    OutOfTime
        As :func:`~reiterate.linear.factors.factorize`; no other engine is much faster.
    """
    instance = instance.pinned()
    engines = [ENGINES[name] for name in _AUTOMATIC if ENGINES[name].available()]
    if previous is not None and previous.fits(instance):
        engines = list(dict.fromkeys((type(previous), *engines)))
    reasons, remedy = [], ""
    for engine in engines:
        try:
            return factorize(instance, engine, previous, memory_limit)
        except (StructurallySingular, OutOfTime):
            raise
        except Breakdown as breakdown:
            reasons.append(str(breakdown))
            remedy = remedy or breakdown.remedy
    raise Breakdown("; ".join(reasons), remedy)
