"""The preconditioners that a tuned one chooses among, by the kind of the matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from reiterate.configuration import Configuration, parse_spelling
from reiterate.errors import InvalidInput
from reiterate.linear.direct_factor import DirectFactor
from reiterate.linear.door import Door
from reiterate.linear.identity import Identity
from reiterate.linear.incomplete_cholesky import IncompleteCholesky, ThresholdIncompleteCholesky
from reiterate.linear.incomplete_lu import IncompleteLU, SymmetricOverRelaxation, ThresholdIncompleteLU
from reiterate.linear.jacobi import Jacobi
from reiterate.linear.multigrid import SmoothedAggregationMultigrid
from reiterate.linear.preconditioner import Family, Preconditioner
from reiterate.linear.surrogate import PositiveSurrogate
from reiterate.linear.symmetric_part import SymmetricPart
from reiterate.linear.traits import LinearTraits

_DEFINITE: Final = ("jacobi", "ic(modification=0.0)", "ic(modification=0.95)", "amg(theta=0.05, bits=32)", "factor")
_HERMITIAN: Final = ("jacobi", "ic(modification=0.0)", "amg(theta=0.05, bits=32)")
_GENERAL: Final = ("jacobi", "ssor(omega=1.0)", "ilu", "ilut", "amg(theta=0.05, bits=32)", "factor")
_LARGEST_FACTOR: Final = 30_000  # unknowns; beyond, one try can cost more than all that it may ever save
_SMALLEST_HIERARCHY: Final = 5_000


def families_for(traits: LinearTraits) -> dict[str, Family]:
    """The families that apply to such a matrix, by name."""
    families: tuple[Family, ...]
    if traits.maybe_definite:
        families = (
            Jacobi(), IncompleteCholesky(), ThresholdIncompleteCholesky(), SmoothedAggregationMultigrid(),
            DirectFactor(),
        )  # fmt: skip
    elif traits.hermitian:
        families = (
            Jacobi(),
            PositiveSurrogate(IncompleteCholesky()),
            PositiveSurrogate(SmoothedAggregationMultigrid(), real=True),
        )
    else:
        families = (
            Jacobi(), SymmetricOverRelaxation(), IncompleteLU(), ThresholdIncompleteLU(),
            SymmetricPart(SmoothedAggregationMultigrid()), DirectFactor(definite=False),
        )  # fmt: skip
    applicable: dict[str, Family] = {family.name: family for family in families if family.accepts(traits)}
    return applicable or {Identity.name: Identity()}


def configurations_for(
    spellings: Sequence[str] | None, families: dict[str, Family], traits: LinearTraits
) -> list[Configuration]:
    """Configurations from their spellings, or those that may pay."""
    if spellings is None:
        wanted = _DEFINITE if traits.maybe_definite else _HERMITIAN if traits.hermitian else _GENERAL
        spellings = [spelling for spelling in wanted if _suits(parse_spelling(spelling)[0], families, traits)]
        if not spellings:
            spellings = list(families)
    elif isinstance(spellings, str):
        spellings = [spellings]
    found: dict[Configuration, None] = {}
    for spelling in spellings:
        name, values = parse_spelling(spelling)
        if name not in families:
            has = ", ".join(families)
            raise InvalidInput("configurations", f"{name!r} does not precondition such a matrix; what does: {has}")
        parameters = families[name].parameters
        if values is None:
            found.update((Configuration(name, tuple(combination.items())), None) for combination in parameters.grid())
        else:
            found[Configuration(name, tuple(parameters.check(name, values).items()))] = None
    if not found:
        raise InvalidInput("configurations", f"is empty; there are {', '.join(families)}")
    return list(found)


def _suits(name: str, families: dict[str, Family], traits: LinearTraits) -> bool:
    if name not in families:
        return False
    if name == "factor":
        return traits.size <= _LARGEST_FACTOR
    return name != "amg" or traits.size >= _SMALLEST_HIERARCHY


def warm_up(family: Family, configuration: Configuration, traits: LinearTraits) -> None:
    """Have the kernels of a family compiled by a system of a few unknowns, so that this is never counted as a cost."""
    key = (family.name, kind_of(traits), traits.complex)
    if key in _warm:
        return
    _warm.add(key)
    family.warm_up()
    line = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(4, 4))
    A = sp.csr_array(sp.kron(line, sp.eye_array(4)) + sp.kron(sp.eye_array(4), line))
    turn = sp.diags_array([1j if traits.complex else 1.0], offsets=[1], shape=(16, 16))
    A = sp.csr_array(A + 0.1 * (turn + turn.conj().T if traits.hermitian else turn))
    instance = Door().admit(A, np.ones(16), None, rtol=1e-8, atol=0.0)
    if family.accepts(instance.traits):
        first = family.build(instance, configuration.values)
        apply(family.build(instance, configuration.values, first), instance.b)


_warm: set[tuple[str, tuple[bool, bool], bool]] = set()


def kind_of(traits: LinearTraits) -> tuple[bool, bool]:
    """What decides which families apply."""
    return traits.maybe_definite, traits.hermitian


def apply(preconditioner: Preconditioner, r: NDArray[Any]) -> NDArray[Any]:
    """M⁻¹ r, shape (n,), as a new array."""
    z = np.empty(preconditioner.size, dtype=preconditioner.dtype)
    preconditioner.apply(np.ascontiguousarray(r, dtype=preconditioner.dtype), z)
    return z
