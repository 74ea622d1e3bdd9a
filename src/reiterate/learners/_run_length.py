"""Bayesian online change-point detection in a sequence of numbers that are normal between changes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from reiterate.learners._finite import Vector
from reiterate.learners._state import array

KAPPA = 0.02
"""Weight, in observations, of the prior mean of a run: runs lie some seven standard deviations apart."""

ALPHA = 1.0
"""Shape of the inverse-gamma prior of a run's variance."""

RUNS = 32
"""At most this many run lengths are kept: the longest, and of the others the most probable."""

CLIP = 4.0
"""For the longest run, observations count as at most this many standard deviations from its prediction."""

CLIP_FROM = 5
"""Length of the longest run from which on its predictions are trusted to clip."""


class RunLengths:
    """Posterior of the length of the present run: how many observations came since the last change.

    Source: R. P. Adams and D. J. C. MacKay, "Bayesian Online Changepoint Detection", arXiv:0710.3742, 2007, with
    a constant hazard and, within a run, a normal distribution of unknown mean and variance, whose predictive
    distribution is Student's t. Two things differ, both to bound what they bound: at most 32 lengths are
    kept, and under the hypothesis of no change an observation counts as at most four standard deviations off, so that
    a lone outlier is not a change while two that agree may be. An update takes O(32) time.

    Parameters
    ----------
    hazard
        Prior probability of a change after an observation, in (0, 1).
    spread
        Prior standard deviation within a run.
    """

    __slots__ = ("_betas", "_center", "_hazard", "_lengths", "_log_weights", "_means", "_spread")

    def __init__(self, hazard: float, spread: float) -> None:
        self._hazard = hazard
        self._spread = spread
        self._center: float | None = None
        self._begin()

    def _begin(self) -> None:
        self._lengths: Vector = np.zeros(1)
        self._means: Vector = np.full(1, 0.0 if self._center is None else self._center)
        self._betas: Vector = np.full(1, ALPHA * self._spread**2)
        self._log_weights: Vector = np.zeros(1)

    @property
    def lengths(self) -> Vector:
        """Possible lengths of the present run, the longest, which stands for no change, first."""
        return self._lengths.copy()

    @property
    def probabilities(self) -> Vector:
        """Their posterior probabilities; they sum to one."""
        return np.exp(self._log_weights)

    @property
    def mean(self) -> float | None:
        """Posterior mean of the longest run; ``None`` before the first observation."""
        return None if self._center is None else float(self._means[0])

    def changed(self, confirmed: int) -> tuple[float, float]:
        """Probability of a change at least ``confirmed`` observations ago, and the mean of the likeliest run since."""
        weights = np.exp(self._log_weights[1:]) * (self._lengths[1:] >= confirmed)
        if not weights.any():
            return 0.0, float(self._means[0])
        return float(weights.sum()), float(self._means[1 + int(weights.argmax())])

    def update(self, x: float) -> None:
        """Take in one observation."""
        if self._center is None:
            self._center = x
            self._begin()
        kappas, alphas = KAPPA + self._lengths, ALPHA + 0.5 * self._lengths
        variances = self._betas * (kappas + 1.0) / (alphas * kappas)
        distances = x - self._means
        if self._lengths[0] >= CLIP_FROM:
            room = CLIP * math.sqrt(variances[0])
            distances[0] = min(max(distances[0], -room), room)
        weights = self._log_weights + _log_student(distances, variances, alphas)
        most = float(weights.max())
        weights -= most + math.log(float(np.exp(weights - most).sum()))
        self._betas = np.append(self._betas + 0.5 * kappas * distances**2 / (kappas + 1.0), ALPHA * self._spread**2)
        self._means = np.append(self._means + distances / (kappas + 1.0), self._center)
        self._lengths = np.append(self._lengths + 1.0, 0.0)
        self._log_weights = np.append(weights + math.log1p(-self._hazard), math.log(self._hazard))
        if self._lengths.size > RUNS:
            self._prune()

    def restart(self, center: float | None = None) -> None:
        """Forget all observations; ``center`` becomes the prior mean of runs."""
        if center is not None:
            self._center = center
        self._begin()

    def _prune(self) -> None:
        # The newest run has not been tested by any observation, and the longest is what others are compared with.
        least = 1 + int(self._log_weights[1:-1].argmin())
        kept = np.arange(self._lengths.size) != least
        self._lengths, self._means, self._betas = self._lengths[kept], self._means[kept], self._betas[kept]
        weights = self._log_weights[kept]
        self._log_weights = weights - math.log(float(np.exp(weights).sum()))

    def state_dict(self) -> dict[str, Any]:
        """Everything, as plain numbers and arrays."""
        return {
            "hazard": self._hazard,
            "spread": self._spread,
            "center": self._center,
            "lengths": self._lengths.copy(),
            "means": self._means.copy(),
            "betas": self._betas.copy(),
            "log_weights": self._log_weights.copy(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The posterior that :meth:`state_dict` described."""
        runs = cls(float(state["hazard"]), float(state["spread"]))
        runs._center = None if state["center"] is None else float(state["center"])
        shape = (len(state["lengths"]),)
        runs._lengths = array(state["lengths"], shape)
        runs._means = array(state["means"], shape)
        runs._betas = array(state["betas"], shape)
        runs._log_weights = array(state["log_weights"], shape)
        return runs


def _log_student(distances: Vector, variances: Vector, alphas: Vector) -> Vector:
    """Log density of Student's t with ``2 alpha`` degrees of freedom and these squared scales."""
    ratios = np.array([math.lgamma(alpha + 0.5) - math.lgamma(alpha) for alpha in alphas.tolist()])
    scaled = 2.0 * alphas * variances
    result: Vector = ratios - 0.5 * np.log(math.pi * scaled) - (alphas + 0.5) * np.log1p(distances**2 / scaled)
    return result
