"""Operators of which no entries are known: what is admitted, and what can be found out by multiplying."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from reiterate.errors import InvalidInput
from reiterate.linear.facts import Facts
from reiterate.linear.operator import FreeOperator
from reiterate.linear.pattern import NoPattern
from reiterate.linear.traits import LinearTraits

_SYMMETRY_TOLERANCE = 1e-10


def is_free(A: Any) -> bool:
    """Whether A can only multiply."""
    return callable(getattr(A, "matvec", None)) and not isinstance(A, np.ndarray) and not sp.issparse(A)


def admit_operator(A: Any) -> LinearOperator:
    """A SciPy operator of a type and shape that can be solved with."""
    operator = A if isinstance(A, LinearOperator) else aslinearoperator(A)
    rows, columns = operator.shape
    if rows != columns or rows == 0:
        raise InvalidInput("A", f"has shape {operator.shape}; it must be square, with at least one row")
    if operator.dtype is None or operator.dtype.kind not in "fciu" or operator.dtype.itemsize > 16:
        raise InvalidInput("A", f"is an operator with dtype {operator.dtype}; give it dtype float or complex")
    kind = np.complex128 if operator.dtype.kind == "c" else np.float64
    if operator.dtype == kind:
        return operator
    return LinearOperator(operator.shape, matvec=operator.matvec, dtype=kind)


def inspect_operator(operator: LinearOperator) -> Facts:
    """What two products tell: whether A is symmetric, or Hermitian. Whether it is definite, an iteration will reveal.

    Nothing is remembered from one solve to the next, because an operator may change unseen.

    Raises
    ------
    InvalidInput
        A product is not a finite vector of shape (n,).
    """
    size, is_complex = operator.shape[0], operator.dtype.kind == "c"
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(2, size)).astype(operator.dtype)
    Au, Av = (np.asarray(operator.matvec(w)) for w in (u, v))
    for product in (Au, Av):
        if product.shape != (size,) or not np.isfinite(product).all():
            raise InvalidInput(
                "A", f"its product with a vector of shape ({size},) is not a finite vector of that shape"
            )
    # u and v are real, so that the same two numbers tell A from its transpose and from its adjoint.
    vAu, uAv = np.sum(v * Au), np.sum(u * Av)
    rounding = _SYMMETRY_TOLERANCE * (np.sum(np.abs(v * Au)) + np.sum(np.abs(u * Av)))
    traits = LinearTraits(
        size,
        0,
        symmetric=bool(abs(vAu - uAv) <= rounding),
        full_diagonal=False,
        positive_diagonal=False,
        complex=is_complex,
        entries=False,
        self_adjoint=is_complex and bool(abs(vAu - np.conj(uAv)) <= rounding),
    )
    return Facts(operator, NoPattern(size), None, traits, {}, None, FreeOperator(operator, operator.dtype))
