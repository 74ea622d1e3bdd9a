"""What methods for linear systems may be expected to cost before they have been tried on a matrix.

Difficulty is the number of iterations that CG with Jacobi would take, or something like it where CG does not apply.
Costs are seconds on a machine that moves 40 GB/s from its caches; only ratios matter, since measured costs replace
them. The constants are medians over the streams of the gallery and those that ``benchmarks/regret.py`` replays;
nothing depends on their being exact: they say what to begin with, and what to try next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reiterate.contracts import Forecast, Values
from reiterate.linear.first_factor import quick_by_superlu

if TYPE_CHECKING:
    from reiterate.linear.instance import LinearInstance

_ENTRY = 0.2e-9  # seconds to read an entry of A and multiply
_ROW = 0.55e-9
_COMPLEX = 1.9  # of the time that real numbers take
_DISPATCH = 5e-6  # of an iteration whose parts are called one by one from Python
_FACTOR_STARTS = 1.5e-3
_QUICK_STARTS = 0.4e-3
_SMALLEST_DIFFICULTY = 4.0
_AGEING = 0.12  # of factoring is what keeping factors up to date takes a system, since they may serve several
_REFERENCE = 200.0  # the difficulty at which iterations of SSOR are given


@dataclass(frozen=True, slots=True)
class _Family:
    """A preconditioner: products with A that its parts cost, and iterations of CG against Jacobi's."""

    setup: float
    upkeep: float
    apply: float
    strength: float
    power: float = 1.0


_FAMILIES: Final[Mapping[str, _Family]] = {
    "": _Family(0.3, 0.3, 0.0, 1.4),
    "jacobi": _Family(2.8, 2.5, 0.2, 1.0),
    "block_jacobi": _Family(20.0, 8.0, 0.7, 0.85),
    "ssor": _Family(30.0, 13.0, 1.6, 0.4),
    "ic": _Family(50.0, 14.0, 1.4, 0.31),
    "ict": _Family(150.0, 100.0, 2.0, 0.2),
    "ilu": _Family(52.0, 20.0, 1.6, 0.33),
    "ilut": _Family(150.0, 120.0, 2.5, 0.2),
    "amg": _Family(150.0, 20.0, 8.0, 4.0, 0.2),
    "classical_amg": _Family(400.0, 250.0, 9.0, 4.0, 0.2),
    "chebyshev": _Family(30.0, 30.0, 4.0, 0.45),
}

_KRYLOV: Final[Mapping[str, tuple[float, float, float, float]]] = {
    # products with A and M an iteration, other traffic in products, iterations against CG's, power
    "cg": (1.0, 0.5, 1.0, 1.0),
    "deflated_cg": (1.0, 1.5, 0.7, 1.0),
    "minres": (1.0, 1.2, 1.0, 1.0),
    "symmlq": (1.0, 1.2, 1.1, 1.0),
    "sqmr": (1.0, 1.3, 1.0, 1.0),
    "cocr": (1.0, 1.0, 1.0, 1.0),
    "gmres": (1.0, 2.5, 0.7, 1.12),
    "fgmres": (1.0, 3.0, 0.7, 1.12),
    "gcrodr": (1.0, 4.0, 1.0, 1.05),
    "bicgstab": (2.0, 1.5, 0.65, 1.0),
    "bicgstabl": (2.0, 2.0, 0.65, 1.0),
    "idr": (1.0, 1.5, 1.2, 1.0),
}
_DIRECT: Final = ("direct", "rslab", "superlu", "pardiso", "cholmod")
_SURROGATED: Final = ("minres", "symmlq")
_FUSED: Final = ("cg", "jacobi_cg", "ssor_cg", "ic_cg")


def forecast(name: str, values: Values, instance: LinearInstance) -> Forecast:
    """The forecast of a method of that name on such an instance."""
    traits = instance.traits
    product = (_ENTRY * traits.nnz + _ROW * traits.size) * (_COMPLEX if traits.complex else 1.0)
    if "factor" in name or name in _DIRECT:
        return _direct(instance)
    if name == "sor":
        return Forecast(product, product, 1.3 * product, 2.5, 1.3)
    family, krylov = _split(name)
    parts = _FAMILIES.get(family, _FAMILIES["ilu"])
    products, vectors, strength, power = _KRYLOV[krylov]
    fixed = 1e-6 if name in _FUSED else _DISPATCH * (2.0 if krylov.startswith("bicgstab") else 1.0)
    iteration = fixed + product * (products * (1.0 + parts.apply) + vectors)
    if name == "ssor_cg":
        iteration = fixed + 1.9 * product
    own_strength, own_power = _strength(family, parts, values)
    # MINRES and SYMMLQ need a positive definite surrogate of A to build them from.
    setup = parts.setup * (2.5 if krylov in _SURROGATED and family in ("ssor", "ic", "amg") else 1.0)
    return Forecast(setup * product, parts.upkeep * product, iteration, strength * own_strength, power * own_power)


def _strength(family: str, parts: _Family, values: Values) -> tuple[float, float]:
    """Strength and power of a preconditioner with these parameters."""
    if family == "ssor":
        # The harder the system, the larger the omega that is best: the line bends with the difficulty.
        omega = values.get("omega", 1.0)
        away = omega - 1.65
        iterations = 42.0 + (52.0 * -away if away < 0.0 else 300.0 * away**2)
        power = 0.93 - 0.97 * max(omega - 1.6, 0.0)
        return iterations / _REFERENCE**power, power
    if family == "ic" and values.get("modification", 0.0) > 0.5:
        return 0.45, 0.85
    return parts.strength, parts.power


def _split(name: str) -> tuple[str, str]:
    """A method's name as those of its preconditioner and its iteration."""
    for krylov in sorted(_KRYLOV, key=len, reverse=True):
        if name == krylov:
            return "", krylov
        if name.endswith("_" + krylov):
            return name[: -len(krylov) - 1], krylov
    return name, "gmres"


def _direct(instance: LinearInstance) -> Forecast:
    """Nested dissection in the plane or in space, as the bandwidth suggests; factors that age need a few steps."""
    n = float(instance.traits.size)
    if quick_by_superlu(instance.pattern):
        setup = _QUICK_STARTS + 1.35e-6 * n * (n / 1e4) ** 0.15
        solve = 5e-8 * n
    elif instance.pattern.planar:
        setup = _FACTOR_STARTS + 2.5e-6 * n * (n / 1e4) ** 0.25
        solve = 8e-8 * n
    else:
        setup = _FACTOR_STARTS + 2e-6 * n + 5e-10 * n * n
        solve = 1.3e-7 * n * max(n / 1e4, 1.0) ** 0.33
    factor = 1.6 if instance.traits.complex else 1.0
    step = 0.6 * (factor * solve + 20e-6)  # beginning counts for two more
    return Forecast(factor * setup, _AGEING * factor * setup, step, 2.0, 0.1, digits=0.5, exact=True)


def difficulty(instance: LinearInstance) -> float:
    """A guess of the iterations of CG with Jacobi: from the dominance of the diagonal, at most what the size suggests.

    With Σ|a_ij| / |a_ii| ≤ ρ < 1 off the diagonal, the scaled matrix has a condition number κ ≤ (1 + ρ) / (1 − ρ), and
    CG takes ½ √κ ln(2 / tolerance) iterations at most.
    """
    traits = instance.traits
    largest = 6.0 * math.pow(traits.size, 0.4)
    if traits.symmetric and not traits.maybe_definite:
        largest *= 2.0
    coupling = instance.coupling
    if not 0.0 <= coupling < 1.0:
        return max(largest, _SMALLEST_DIFFICULTY)
    condition = (1.0 + coupling) / (1.0 - coupling)
    digits = math.log(2.0 / max(instance.target, 1e-16))
    return max(min(largest, 0.5 * math.sqrt(condition) * digits), _SMALLEST_DIFFICULTY)
