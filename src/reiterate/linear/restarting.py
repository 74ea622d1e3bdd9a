"""The iterate of a method that restarts: judged by its true residual each time, never worse than where it began."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.kernels import codes, vectors
from reiterate.linear.instance import LinearInstance

_SAFE = (1e-280, 1e280)  # squares between these have lost nothing
_MUCH = 0.1
_GROWTH = 1e10  # residuals this many times larger than at the last restart have lost all their digits


class RestartedIterate:
    """An iterate that a method updates, beside the best one known.

    Short recurrences and bases that lose orthogonality can believe in a residual that is not b − A x. So the residual
    is computed anew whenever a method restarts or thinks that it is done, and only that residual counts.

    Parameters
    ----------
    instance
        The system.
    x
        Where to begin; left as it is.
    residual
        A vector that is overwritten at each restart with (b − A x) / ``scale``.
    least
        A restart is futile when it finds more than this fraction of the residual of the last one.
    patience
        How many futile restarts in a row are suffered before the method counts as stagnated.

    Attributes
    ----------
    x : array of shape (n,)
        The iterate to update.
    scale : float
        A power of two near ‖b − A x‖ at the last restart. Iterations work on the residual divided by it, so that
        their inner products neither overflow nor underflow, and multiply what they add to ``x`` by it.
    norm, threshold : float
        ‖b − A x‖ at the last restart, and what is asked for, both divided by ``scale``.
    code : int
        RUNNING, or why the last restart was the end.
    """

    def __init__(
        self, instance: LinearInstance, x: NDArray[Any], residual: NDArray[Any], *, least: float, patience: int
    ) -> None:
        self._instance = instance
        self._residual = residual
        self._least = least
        self._patience = patience
        self._futile = 0
        self.x = x.copy()
        self._verified = x.copy()
        self._verified_size = math.inf
        self._snapshot: NDArray[Any] | None = None
        self._snapshot_size = math.inf
        self.code = codes.RUNNING
        self.scale = 1.0
        self.norm = self.threshold = math.inf
        self.restart()

    def restart(self) -> int:
        """Compute the residual of ``x``, or of a better iterate met before, which replaces it; return the code."""
        size = self._settle()
        if not size < math.inf:
            self.code = codes.NOT_FINITE
            return self.code
        self._futile = self._futile + 1 if size > self._least * self._verified_size else 0
        self._verified[:] = self.x
        self._verified_size = size
        self._snapshot_size = math.inf
        self._normalize(size)
        if self.norm <= self.threshold:
            self.code = codes.CONVERGED
        elif self._futile > self._patience:
            self.code = codes.STAGNATED
        return self.code

    def calls_for_restart(self, norm: float) -> bool:
        """Whether a residual of ``norm`` · ``scale`` meets the target, or grows without bound."""
        return norm <= self.threshold or not norm < _GROWTH * self.norm

    def is_much_better(self, norm: float) -> bool:
        """Whether a residual of ``norm`` · ``scale`` is a tenth of the best one: worth copying a vector."""
        return norm * self.scale < _MUCH * min(self._snapshot_size, self._verified_size)

    def keep(self, norm: float) -> None:
        """Remember ``x``, whose residual is said to have the norm ``norm`` · ``scale``."""
        if self._snapshot is None:
            self._snapshot = np.empty_like(self.x)
        self._snapshot[:] = self.x
        self._snapshot_size = norm * self.scale

    def finish(self, norm: float) -> NDArray[Any]:
        """The best iterate known; ``norm`` · ``scale`` is what the norm of the residual of ``x`` is said to be."""
        if norm != self.norm:
            self._settle()
        return self.x

    def _settle(self) -> float:
        """Make ``x`` the best of itself, the snapshot and the last verified iterate; return its true residual norm."""
        size = self._measure()
        if self._snapshot is not None and self._snapshot_size < size:
            self.x, self._snapshot = self._snapshot, self.x
            snapshot_size = self._measure()
            if not snapshot_size < size:
                self.x, self._snapshot = self._snapshot, self.x
                snapshot_size = self._measure()
            size = snapshot_size
        if self._verified_size < size:
            self.x[:] = self._verified
            size = self._measure()
        return size

    def _normalize(self, size: float) -> None:
        # A scale below 2⁻¹⁰²² has no finite inverse; such residuals are left as they are.
        self.scale = math.ldexp(1.0, max(-1021, min(1021, math.frexp(size)[1])))
        self._residual *= 1.0 / self.scale
        self.norm = size / self.scale
        self.threshold = self._instance.target * (self._instance.norm_b / self.scale)

    def _measure(self) -> float:
        # Where A has an empty column the residual does not see what happens to that unknown.
        if not np.isfinite(self.x).all():
            return math.inf
        square = self._instance.operator.residual(self.x, self._instance.b, self._residual)
        if _SAFE[0] < square < _SAFE[1]:
            return math.sqrt(square)
        largest = float(np.max(np.abs(self._residual)))
        if largest == 0.0 or not largest < math.inf:
            return largest if largest == 0.0 else math.inf
        return largest * math.sqrt(float(vectors.square_norm(self._residual / largest)))


def one_by_one(step: Callable[[], int], code: int) -> Callable[[int], tuple[int, int]]:
    """What :func:`run_in_segments` calls, from a function that makes one iteration and the code before the first."""

    def advance(iterations: int) -> tuple[int, int]:
        if code != codes.RUNNING:
            return 0, code
        # Where coefficients overflow, the next residual shows it; NumPy need not warn as well.
        with np.errstate(over="ignore", invalid="ignore"):
            for made in range(1, iterations + 1):
                reached = step()
                if reached != codes.RUNNING:
                    return made, reached
        return iterations, codes.RUNNING

    return advance
