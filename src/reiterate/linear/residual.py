"""The true residual of a linear system, from the caller's own arrays, and its rounding errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from reiterate.linear import elementary
from reiterate.linear.vectors import Vector, norm

UNIT_ROUNDOFF = float(np.finfo(np.float64).eps) / 2


def residual_of(A: Any, x: Vector, b: Vector) -> Vector:
    """The residual b − A x, by a kernel that no iteration uses, or by SciPy's product."""
    r = _recomputed_residual(A, x, b) if sp.issparse(A) else None
    if r is None:
        with np.errstate(over="ignore", invalid="ignore"):
            r = np.asarray(b - A @ x)
    return r


def rounding_errors_of(A: Any, x: Vector, b: Vector) -> float:
    """What rounding errors of the residual b − A x amount to: u ‖ |A||x| + |b| ‖."""
    with np.errstate(over="ignore", invalid="ignore"):
        return UNIT_ROUNDOFF * norm(abs(A) @ np.abs(x) + np.abs(b))


def _recomputed_residual(A: Any, x: Vector, b: Vector) -> Vector | None:
    """The residual b − A x; ``None`` where the arrays are of another kind than usual."""
    indptr, indices, data = A.indptr, A.indices, A.data
    usual = indices.dtype == indptr.dtype == np.int32 and x.dtype == b.dtype == data.dtype
    if not (usual and indptr.flags.carray and indices.flags.carray and data.flags.carray and x.flags.carray):
        return None
    r = np.empty_like(b)
    elementary.recompute_residual((indptr.view(np.uint32), indices.view(np.uint32), data), x, b, r)
    return r
