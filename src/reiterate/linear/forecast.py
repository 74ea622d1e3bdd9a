"""What methods for linear systems may be expected to cost before they have been tried on a matrix.

Difficulty is the number of iterations that CG with Jacobi would take, or something like it where CG does not apply.
Costs are seconds on a machine that moves 8 GB/s; only ratios matter, since measured costs replace them. The constants
are medians over the streams of the gallery and those that ``benchmarks/regret.py`` replays; nothing depends on their
being exact: they say what to begin with, and what to try next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reiterate.contracts import Forecast, Values

if TYPE_CHECKING:
    from reiterate.linear.instance import LinearInstance

_ENTRY = 0.5e-9  # seconds to read an entry of A and multiply
_ROW = 1.5e-9
_DISPATCH = 25e-6  # of an iteration whose parts are called one by one from Python
_FACTOR_STARTS = 1.5e-3
_PLANE = 0.59  # the exponent of the bandwidth in the size, below which a matrix is that of a problem in the plane
_SMALLEST_DIFFICULTY = 4.0


@dataclass(frozen=True, slots=True)
class _Family:
    """A preconditioner: products with A that its parts cost, and iterations of CG against Jacobi's."""

    setup: float
    upkeep: float
    apply: float
    strength: float
    power: float = 1.0
    dispatched: bool = True


_FAMILIES: Final[Mapping[str, _Family]] = {
    "": _Family(0.3, 0.3, 0.0, 1.4),
    "jacobi": _Family(1.0, 1.0, 0.2, 1.0),
    "block_jacobi": _Family(8.0, 3.0, 0.7, 0.85),
    "ssor": _Family(10.0, 4.0, 1.6, 0.4),
    "ic": _Family(15.0, 6.0, 1.4, 0.33),
    "ict": _Family(60.0, 40.0, 2.0, 0.2),
    "ilu": _Family(12.0, 7.0, 1.5, 0.33),
    "ilut": _Family(60.0, 50.0, 2.5, 0.2),
    "amg": _Family(110.0, 30.0, 8.0, 4.0, 0.2),
    "classical_amg": _Family(200.0, 150.0, 9.0, 4.0, 0.2),
    "chebyshev": _Family(12.0, 12.0, 4.0, 0.45),
}

_KRYLOV: Final[Mapping[str, tuple[float, float, float, float]]] = {
    # products with A and M an iteration, other traffic in products, iterations against CG's, power
    "cg": (1.0, 0.5, 1.0, 1.0),
    "deflated_cg": (1.0, 1.5, 0.7, 1.0),
    "minres": (1.0, 1.2, 1.0, 1.0),
    "symmlq": (1.0, 1.2, 1.1, 1.0),
    "sqmr": (1.0, 1.3, 1.0, 1.0),
    "cocr": (1.0, 1.0, 1.0, 1.0),
    "gmres": (1.0, 2.5, 1.2, 1.15),
    "fgmres": (1.0, 3.0, 1.2, 1.15),
    "gcrodr": (1.0, 4.0, 1.0, 1.05),
    "bicgstab": (2.0, 1.5, 0.65, 1.0),
    "bicgstabl": (2.0, 2.0, 0.65, 1.0),
    "idr": (1.0, 1.5, 1.2, 1.0),
}
_DIRECT: Final = ("direct", "rslab", "superlu", "pardiso", "cholmod")
_FUSED: Final = ("cg", "jacobi_cg", "ssor_cg", "ic_cg")


def forecast(name: str, values: Values, instance: LinearInstance) -> Forecast:
    """The forecast of a method of that name on such an instance."""
    traits = instance.traits
    product = _ENTRY * traits.nnz + _ROW * traits.size
    if "factor" in name or name in _DIRECT:
        return _direct(instance, iterations=1.3 if "factor" in name else 1.0)
    if name == "sor":
        return Forecast(product, product, 1.3 * product, 2.5, 1.3)
    family, krylov = _split(name)
    parts = _FAMILIES.get(family, _FAMILIES["ilu"])
    products, vectors, strength, power = _KRYLOV[krylov]
    fixed = 1e-6 if name in _FUSED else _DISPATCH * (2.0 if krylov.startswith("bicgstab") else 1.0)
    iteration = fixed + product * (products * (1.0 + parts.apply) + vectors)
    if name == "ssor_cg":
        iteration = fixed + 1.9 * product
    strength *= parts.strength * _parameters(family, values)
    return Forecast(parts.setup * product, parts.upkeep * product, iteration, strength, power * parts.power)


def _parameters(family: str, values: Values) -> float:
    """What parameters change in the number of iterations."""
    if family == "ssor":
        return 1.15 - 0.5 * math.exp(-(((values.get("omega", 1.0) - 1.65) / 0.35) ** 2))
    if family == "ic" and values.get("modification", 0.0) > 0.5:
        return 0.75
    return 1.0


def _split(name: str) -> tuple[str, str]:
    """A method's name as those of its preconditioner and its iteration."""
    for krylov in sorted(_KRYLOV, key=len, reverse=True):
        if name == krylov:
            return "", krylov
        if name.endswith("_" + krylov):
            return name[: -len(krylov) - 1], krylov
    return name, "gmres"


def _direct(instance: LinearInstance, iterations: float) -> Forecast:
    """Nested dissection in the plane or in space, whichever the bandwidth suggests."""
    n = float(instance.traits.size)
    if instance.pattern.bandwidth <= n**_PLANE:
        setup = _FACTOR_STARTS + 2.5e-6 * n * (n / 1e4) ** 0.25
        solve = 2.0e-7 * n
    else:
        setup = _FACTOR_STARTS + 2e-6 * n + 6e-10 * n * n
        solve = 2.0e-7 * n * max(n / 1e4, 1.0) ** 0.33
    factor = 2.0 if instance.traits.complex else 1.0
    return Forecast(factor * setup, 0.35 * factor * setup, factor * solve + 30e-6, iterations, 0.05)


def difficulty(instance: LinearInstance) -> float:
    """A guess of the iterations of CG with Jacobi: from the dominance of the diagonal, at most what the size suggests.

    With Σ|a_ij| / |a_ii| ≤ ρ < 1 off the diagonal, the scaled matrix has a condition number κ ≤ (1 + ρ) / (1 − ρ), and
    CG takes ½ √κ ln(2 / tolerance) iterations at most.
    """
    traits = instance.traits
    largest = 3.0 * math.pow(traits.size, 0.4)
    if traits.symmetric and not traits.maybe_definite:
        largest *= 6.0
    coupling = instance.coupling
    if not 0.0 <= coupling < 1.0:
        return max(largest, _SMALLEST_DIFFICULTY)
    condition = (1.0 + coupling) / (1.0 - coupling)
    digits = math.log(2.0 / max(instance.target, 1e-16))
    return max(min(largest, 0.5 * math.sqrt(condition) * digits), _SMALLEST_DIFFICULTY)
