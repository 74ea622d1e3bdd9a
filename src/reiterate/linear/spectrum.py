"""Ritz values: what a Krylov method sees of the eigenvalues of A, and of what a preconditioner makes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from reiterate.configuration import Configuration
from reiterate.contracts import Method
from reiterate.errors import Breakdown
from reiterate.linear.incomplete_cholesky import IncompleteCholesky
from reiterate.linear.incomplete_lu import SymmetricOverRelaxation
from reiterate.linear.instance import LinearInstance
from reiterate.linear.jacobi import Jacobi
from reiterate.linear.lanczos import tridiagonal
from reiterate.linear.preconditioner import Family

_LANCZOS_STEPS = 80
_ARNOLDI_STEPS = 40
_ROUNDING = 1e-13
_FUSED: Final[Mapping[str, Family]] = {
    "jacobi_cg": Jacobi(),
    "ssor_cg": SymmetricOverRelaxation(),
    "ic_cg": IncompleteCholesky(),
}
"""Preconditioners that methods apply within their kernels, as families."""

_Apply = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Ritz values of M⁻¹A.

    Attributes
    ----------
    preconditioner : str
        Name of the method whose preconditioner M is; empty for M = I.
    values : array of shape (m,)
        Real where A and M are Hermitian positive definite, complex otherwise.
    """

    preconditioner: str
    values: NDArray[Any]


def spectra(
    instance: LinearInstance, played: Configuration | None, methods: Mapping[str, Method], seconds: float
) -> list[Spectrum]:
    """Ritz values of A, and of M⁻¹A where the method that was played has a preconditioner that can be applied alone.

    From the coefficients of conjugate gradients where A may be positive definite, else by the process of Arnoldi, on
    b; see :func:`reiterate.linear.lanczos.tridiagonal`. Each takes about ``seconds`` at most; what breaks down is left
    out.
    """
    found = []
    for name, apply in (("", np.copy), (played.method if played else "", _preconditioner(instance, played, methods))):
        if apply is None:
            continue
        with np.errstate(all="ignore"):
            definite = instance.traits.maybe_definite
            values = (_by_lanczos if definite else _by_arnoldi)(instance, apply, time.perf_counter() + seconds)
        if values.size and np.isfinite(values).all():
            found.append(Spectrum(name, values))
    return found


def _preconditioner(
    instance: LinearInstance, played: Configuration | None, methods: Mapping[str, Method]
) -> _Apply | None:
    """How M⁻¹ is applied; ``None`` where there is no M, or nobody can say."""
    if played is None:
        return None
    family = _FUSED.get(played.method) or getattr(methods[played.method], "family", None)
    if not isinstance(family, Family) or not family.name or family.varies:
        return None
    given = played.values
    values = {parameter.name: given.get(parameter.name, parameter.default) for parameter in family.parameters}
    try:
        built = family.build(instance, values)
    except Breakdown:
        return None
    z = np.empty(instance.b.size, dtype=instance.b.dtype)

    def apply(r: NDArray[Any]) -> NDArray[Any]:
        built.apply(r, z)
        return z.copy()

    return apply


def _by_lanczos(instance: LinearInstance, precondition: _Apply, end: float) -> NDArray[Any]:
    """Eigenvalues of the tridiagonal matrix hidden in CG on M⁻¹A x = M⁻¹b."""
    r = instance.b.astype(instance.operator.dtype)
    z = precondition(r)
    p, q = z.copy(), np.empty_like(r)
    first = weighted = float(np.vdot(r, z).real)
    alphas: list[float] = []
    betas = [0.0]
    while len(alphas) < min(_LANCZOS_STEPS, r.size) and weighted > _ROUNDING**2 * first and time.perf_counter() < end:
        instance.operator.apply(p, q)
        curvature = float(np.vdot(p, q).real)
        if not curvature > 0.0:
            break
        alphas.append(weighted / curvature)
        r -= alphas[-1] * q
        z = precondition(r)
        weighted, before = float(np.vdot(r, z).real), weighted
        betas.append(weighted / before)
        p = z + betas[-1] * p
    if not alphas:
        return np.empty(0)
    diagonal, below = tridiagonal(alphas, betas[: len(alphas)])
    if not (np.isfinite(diagonal).all() and np.isfinite(below).all()):
        return np.empty(0)
    values: NDArray[Any] = scipy.linalg.eigh_tridiagonal(diagonal, below, eigvals_only=True)
    return values


def _by_arnoldi(instance: LinearInstance, precondition: _Apply, end: float) -> NDArray[Any]:
    """Eigenvalues of the Hessenberg matrix of Arnoldi's process for M⁻¹A on M⁻¹b."""
    v = precondition(instance.b.astype(instance.operator.dtype))
    basis = [v / np.linalg.norm(v)]
    steps = min(_ARNOLDI_STEPS, v.size)
    H = np.zeros((steps + 1, steps), dtype=v.dtype)
    product = np.empty_like(v)
    made = 0
    while made < steps and time.perf_counter() < end:
        instance.operator.apply(basis[made], product)
        w = precondition(product)
        size = np.linalg.norm(w)
        for i, known in enumerate(basis):
            H[i, made] = np.vdot(known, w)
            w = w - H[i, made] * known
        H[made + 1, made] = left = np.linalg.norm(w)
        made += 1
        if not left > _ROUNDING * size:
            break
        basis.append(w / left)
    values: NDArray[Any] = np.linalg.eigvals(H[:made, :made]) if np.isfinite(H).all() else np.empty(0)
    return values
