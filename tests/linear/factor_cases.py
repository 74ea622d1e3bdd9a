"""Instances for tests of direct factors, hostile ones among them."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from reiterate.errors import Breakdown
from reiterate.linear.door import Door
from reiterate.linear.factor_engines import ENGINES
from reiterate.linear.facts import Facts
from reiterate.linear.instance import LinearInstance
from reiterate.linear.pattern import Pattern
from reiterate.linear.traits import LinearTraits
from tests.matrices import arrow, laplacian

INSTALLED = [name for name, engine in ENGINES.items() if engine.available()]
GENERAL = [name for name in INSTALLED if name != "cholmod"]


def admit(A, b=None, door=None, rtol=1e-8):
    """An instance, with a random right-hand side where none is given."""
    rhs = np.random.default_rng(7).normal(size=A.shape[0]) if b is None else b
    return (door or Door()).admit(A, rhs, None, rtol=rtol, atol=0.0)


def admit_complex(A, *, symmetric, pattern=None):
    """A complex matrix, past a door that may not admit one."""
    A = sp.csr_array(A)
    A.sort_indices()
    full = bool(np.all(A.diagonal()))
    traits = LinearTraits(A.shape[0], A.nnz, symmetric, full_diagonal=full, positive_diagonal=False)
    pattern = pattern or Pattern(A.indptr, A.indices)
    b = np.ones(A.shape[0])
    return LinearInstance(Facts(A, pattern, None, traits, {}), b, context={}, rtol=1e-8, atol=0.0)


def attempt(build):
    """What ``build`` gives and no reason, or nothing and the reason of the breakdown."""
    try:
        return build(), ""
    except Breakdown as breakdown:
        return None, str(breakdown)


def convection(m: int, wind: float = 0.7) -> sp.csr_array:
    """A nonsymmetric matrix on an m by m grid."""
    D = sp.diags_array([-wind, wind], offsets=[-1, 1], shape=(m, m))
    return sp.csr_array(laplacian(m) + sp.kron(D, sp.eye_array(m)))


def regular() -> dict[str, sp.csr_array]:
    """Nonsingular matrices that a direct method must solve."""
    rng = np.random.default_rng(1)
    L = laplacian(7)
    spread = 10.0 ** rng.uniform(-60, 60, 49)
    huge = L.tolil()
    huge[3, :] = 1e6
    matrices = {
        "one unknown": sp.csr_array([[3.0]]),
        "diagonal": sp.diags_array(10.0 ** rng.uniform(-3, 3, 9)),
        "laplacian": L,
        "arrow": arrow(30),
        "indefinite": L - 2.0 * sp.eye_array(49),
        "convection": convection(7),
        "permuted": L[rng.permutation(49)],
        "zero diagonal": [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 3.0]],
        "exchange": [[0.0, 1.0], [1.0, 0.0]],
        "blocks": sp.block_diag([L, sp.eye_array(3), [[0.0, 1.0], [1.0, 0.0]], -L]),
        "huge": L * 1e150,
        "tiny": L * 1e-150,
        "huge row": huge,
        "column scales": L @ sp.diags_array(spread),
        "Hilbert of order 6": scipy.linalg.hilbert(6),
        "saddle point": sp.block_array([[L, L[:, :5]], [L[:5, :], None]]),
    }
    return {name: sp.csr_array(A) for name, A in matrices.items()}


def demanding(seed: int, kind: str) -> sp.csr_array:
    """A random sparse matrix that needs pivoting: zeros or small numbers on the diagonal."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 150))
    B = sp.random_array((n, n), density=4.0 / n, rng=rng, data_sampler=lambda size: rng.normal(size=size))
    if kind == "symmetric":
        ring = sp.csr_array((np.ones(n), (np.arange(n), np.roll(np.arange(n), 1))), shape=(n, n))
        A = B + B.T + 2.0 * (ring + ring.T)
        A = A - sp.diags_array(A.diagonal())
    else:
        A = B + sp.eye_array(n).tocsr()[rng.permutation(n)] + 1e-4 * sp.eye_array(n)
    A = sp.csr_array(A)
    A.eliminate_zeros()
    return A


def singular() -> dict[str, tuple[sp.csr_array, str]]:
    """Singular matrices, and a word of the reason that must be given."""
    L = laplacian(6)
    D = sp.diags_array(np.linspace(1.0, 2.0, 36))  # so that its null space is not the constants, which would be noticed
    hidden = sp.csr_array(D @ (L - sp.diags_array(np.asarray(L.sum(axis=1)).ravel())) @ D)
    zeros = sp.csr_array((np.zeros(4), np.array([0, 1, 0, 1]), np.array([0, 2, 4])), shape=(2, 2))
    return {
        "all ones": (sp.csr_array(np.ones((3, 3))), "singular|deficient"),
        "empty row": (sp.csr_array([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0], [3.0, 0.0, 4.0]]), "structural rank 2 of 3"),
        "two rows in one column": (sp.csr_array([[1.0, 1, 1], [1, 0, 0], [1, 0, 0]]), "structural rank 2 of 3"),
        "nothing stored": (sp.csr_array((4, 4)), "structural rank 0 of 4"),
        "explicit zeros": (zeros, "structural rank 0 of 2"),
        "one zero": (sp.csr_array([[0.0]]), "structural rank 0 of 1"),
        "a hidden null space": (hidden, "singular"),
        "equal rows": (sp.csr_array([[1.0, 2, 3], [1, 2, 3], [4, 5, 6]]), "singular|deficient"),
    }


__all__ = [
    "GENERAL",
    "INSTALLED",
    "LinearInstance",
    "admit",
    "admit_complex",
    "attempt",
    "convection",
    "regular",
    "singular",
]
