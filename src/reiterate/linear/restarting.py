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
        self._best = x.copy()
        self._best_size = self._verified = math.inf
        self.code = codes.RUNNING
        self.scale = 1.0
        self.norm = self.threshold = math.inf
        self.restart()

    def restart(self) -> int:
        """Compute the residual of ``x``, or of the best iterate where that is better; return the code."""
        size = self._measure()
        if not size <= self._best_size:
            size = self._choose(size)
        if not size < math.inf:
            self.code = codes.NOT_FINITE
            return self.code
        self.keep(size)
        self._futile = self._futile + 1 if size > self._least * self._verified else 0
        self._verified = size
        self._normalize(size)
        if self.norm <= self.threshold:
            self.code = codes.CONVERGED
        elif self._futile > self._patience:
            self.code = codes.STAGNATED
        return self.code

    def keep(self, size: float) -> None:
        """Remember ``x`` as the best iterate, with a residual of this norm (not divided by ``scale``)."""
        # Where A has an empty column the residual does not see what happens to that unknown.
        if np.isfinite(self.x).all():
            self._best[:] = self.x
            self._best_size = size

    def keep_if_much_better(self, norm: float) -> None:
        """As :meth:`keep` for a residual of ``norm`` · ``scale``, where that is worth copying a vector."""
        if self.is_much_better(norm):
            self.keep(norm * self.scale)

    def is_much_better(self, norm: float) -> bool:
        """Whether a residual of ``norm`` · ``scale`` is a tenth of the best one."""
        return norm * self.scale < _MUCH * self._best_size

    def finish(self, norm: float) -> NDArray[Any]:
        """``x``, whose residual has the norm ``norm`` · ``scale``, or the best iterate where that is better."""
        better = norm * self.scale <= self._best_size and np.isfinite(self.x).all()
        return self.x if better else self._best

    def _choose(self, size: float) -> float:
        """Make ``x`` the better of itself and the best iterate, whose norm is only known by hearsay."""
        self.x, self._best = self._best, self.x
        best_size = self._measure()
        if size < best_size:
            self.x, self._best = self._best, self.x
            return self._measure()
        return best_size

    def _normalize(self, size: float) -> None:
        # A scale below 2⁻¹⁰²² has no finite inverse; such residuals are left as they are.
        self.scale = math.ldexp(1.0, max(-1021, min(1021, math.frexp(size)[1])))
        self._residual *= 1.0 / self.scale
        self.norm = size / self.scale
        self.threshold = self._instance.target * (self._instance.norm_b / self.scale)

    def _measure(self) -> float:
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
