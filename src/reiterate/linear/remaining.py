"""How many more iterations conjugate gradients need: from the Ritz values of those made, and the rate so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dsterf

from reiterate.linear.lanczos import tridiagonal

Vector = NDArray[np.float64]

_KEPT = 64  # iterations, of which coefficients are kept
_FEWEST = 4
_AN_EIGENVALUE = 24.0  # iterations that it takes to be rid of one that lies apart


def room_for_coefficients() -> Vector:
    """What :func:`reiterate.kernels.coefficients.keep` fills; shape (65, 2)."""
    return np.zeros((_KEPT + 1, 2))


def nothing_kept() -> Vector:
    """The same for whom nobody will ask; shape (1, 2)."""
    return np.zeros((1, 2))


def remaining_as_kept(coefficients: Vector, square: float, threshold: float) -> float | None:
    """:func:`remaining_iterations` from what a kernel has kept; ‖r‖² is ``square``, and has to be ``threshold``."""
    made, most = int(coefficients[0, 0]), coefficients.shape[0] - 1
    rows = coefficients[1 : min(made, most) + 1]
    if made > most:
        rows = np.roll(rows, -(made % most), axis=0)
    return remaining_iterations(rows[:, 0], rows[:, 1], square, threshold, begun=made <= most)


def remaining_iterations(
    alphas: Sequence[float] | Vector,
    betas: Sequence[float] | Vector,
    square: float,
    threshold: float,
    *,
    begun: bool = True,
) -> float | None:
    """How many more iterations there would be to the target, as far as the last ones tell; ``None``: nobody knows.

    The mean of two rates. One is observed: of the residual in the norm of M⁻¹, over the later half of the iterations.
    It is too low on a plateau at the start. The other follows from the Ritz values θ₁ ≤ … ≤ θ_k: if the m
    smallest eigenvalues lie apart, CG is rid of them after some iterations, and goes on with a condition number of
    κ = θ_k / θ_{m+1} (Axelsson and Lindskog 1986; van der Sluis and van der Vorst 1986), so at a rate of
    ln((√κ + 1)/(√κ − 1)); the m for which that takes least is believed.

    How far off it is: ``benchmarks/extrapolation.py``; the one constant was chosen on a larger set of such runs. No
    guarantee: early on, Ritz values have not seen all of the spectrum.

    Parameters
    ----------
    alphas, betas : of length k
        Step lengths, and the coefficients of the directions that follow.
    square, threshold : float
        ‖r‖² now, and at the target.
    begun : bool
        Whether the first of them is that of the first iteration.
    """
    alpha, beta = np.asarray(alphas, dtype=np.float64), np.asarray(betas, dtype=np.float64)
    if alpha.size < _FEWEST or not 0.0 < threshold < math.inf or not square < math.inf:
        return None
    if square <= threshold:
        return 0.0
    left = 0.5 * math.log(square / threshold)
    values = _ritz_values(alpha, beta, begun=begun)
    if values is None:
        return None
    with np.errstate(divide="ignore"):
        root = np.sqrt(values[-1] / values[:-1])
        rates = np.log((root + 1.0) / (root - 1.0))
    takes = float(np.min(_AN_EIGENVALUE * np.arange(rates.size) + left / rates))
    lately = beta[beta.size // 2 :]
    observed = max(-0.5 * float(np.mean(np.log(lately))), 0.0)
    return 2.0 * left / (left / takes + observed) if takes > 0.0 else 1.0


def _ritz_values(alpha: Vector, beta: Vector, *, begun: bool) -> Vector | None:
    """In rising order; ``None`` where they are not all positive, as rounding may have it."""
    if not (np.isfinite(alpha).all() and np.isfinite(beta).all() and (alpha > 0.0).all() and (beta > 0.0).all()):
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        diagonal, below = tridiagonal(alpha, np.concatenate(([0.0], beta[:-1])))
    if not begun:
        diagonal, below = diagonal[1:], below[1:]
    if not (np.isfinite(diagonal).all() and np.isfinite(below).all()):
        return None
    values, failed = dsterf(diagonal, below)
    return values if not failed and values[0] > 0.0 else None
