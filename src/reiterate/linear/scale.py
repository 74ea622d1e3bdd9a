"""Powers of two that bring a system into the range where squares of its numbers neither overflow nor underflow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from reiterate.linear.vectors import Vector

_COMFORTABLE_EXPONENT = 300  # squares of such numbers, and products of those with entries of A, are far from overflow


def exponent_of(b: Vector, norm_b: float, atol: float) -> int:
    """Of the power of two to divide by, so that squares of the norm of b stay in range; 0 where they are anyway."""
    if 2.0**-_COMFORTABLE_EXPONENT < max(norm_b, atol) < 2.0**_COMFORTABLE_EXPONENT:
        return 0
    parts = (b.real, b.imag) if b.dtype.kind == "c" else (b,)
    return math.frexp(max(atol, *(float(np.abs(part).max(initial=0.0)) for part in parts)))[1]


def scale(x: Any, exponent: int) -> Any:
    """Multiply by 2^exponent, in two steps, because the power itself may leave the range."""
    if np.iscomplexobj(x):
        # Part by part: the product of an infinite part with a complex number is no number.
        scaled = np.empty_like(x)
        scaled.real, scaled.imag = scale(x.real, exponent), scale(x.imag, exponent)
        return scaled
    half = exponent // 2
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return x * math.ldexp(1.0, half) * math.ldexp(1.0, exponent - half)
