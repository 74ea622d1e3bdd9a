"""Vectors, their norm, and their reciprocals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dnrm2, dznrm2

from reiterate.errors import Breakdown
from reiterate.linear.elementary import square_norm

Vector = NDArray[Any]
"""float64, or complex128 where A is complex."""


def norm(v: Vector) -> float:
    """Euclidean norm that neither overflows nor underflows on the way."""
    # Not v @ v: BLAS would wake threads for it, and wait for them on a busy machine.
    if v.flags.carray:
        square = square_norm(v)
    else:
        square = float(np.einsum("i,i->", v.conj() if v.dtype.kind == "c" else v, v).real)
    if 1e-280 < square < 1e280:
        return math.sqrt(square)
    if not v.size:
        return 0.0
    return float(dznrm2(v) if v.dtype.kind == "c" else dnrm2(v))


def reciprocals(diagonal: Vector, numerator: float = 1.0, out: Vector | None = None) -> Vector:
    """``numerator`` / ``diagonal``, written to ``out`` if given.

    Raises
    ------
    Breakdown
        One is beyond double precision, as those of subnormal numbers are.
    """
    with np.errstate(over="ignore"):
        quotients: Vector = np.divide(numerator, diagonal, out=out)
    if not np.isfinite(quotients).all():
        raise Breakdown("a diagonal entry is so small that its inverse overflows")
    return quotients
