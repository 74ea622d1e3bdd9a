"""Krylov spaces by dense algebra."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def krylov_bases(A, b, count: int) -> Iterator[np.ndarray]:
    """Orthonormal bases (n, k) of the spaces of b, A b, … for k = 1, …, ``count``."""
    basis: list[np.ndarray] = []
    w = b
    for _ in range(count):
        for _ in range(2):
            for v in basis:
                w = w - np.vdot(v, w) * v
        basis.append(w / np.linalg.norm(w))
        yield np.array(basis).T
        w = A @ basis[-1]
