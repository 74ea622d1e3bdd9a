"""Gaussian process regression on pooled observations, with a bounded number of places."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from reiterate.learners._finite import Vector
from reiterate.learners._line import Matrix
from reiterate.learners._state import array

LENGTHS = np.array([0.06, 0.12, 0.25, 0.5, 1.0])
"""Candidate length scales, in sides of the unit box, times the square root of the dimension."""

RATIOS = np.array([1e-3, 1e-2, 0.1, 1.0])
"""Candidate ratios of noise variance to signal variance."""

USUAL_LENGTH, USUAL_RATIO = 0.25, 0.03
LENGTH_SPREAD, RATIO_SPREAD = 1.0, 2.0
"""Centers and standard deviations of the normal priors on the logarithms of both."""

USUAL_VARIANCE, PRIOR_ROUNDS = 0.25, 2.0
"""The prior on the signal variance counts as that many observations of this variance of log-costs."""

FORGOTTEN = 1e-3
"""A place whose weight has faded to this is dropped."""

JITTER = 1e-10


@dataclass(frozen=True, slots=True)
class Kernel:
    """A Matérn-5/2 kernel of this variance and length scale, and ``ratio`` times the variance of noise."""

    variance: float
    length: float
    ratio: float


def correlation(a: Matrix, b: Matrix, length: float) -> Matrix:
    """The Matérn-5/2 correlation of every point of a (n, d) with every point of b (m, d), shape (n, m)."""
    strayed = a[:, None, :] - b[None, :, :]
    strayed *= strayed
    # On a line there is nothing to add up. What follows is done in place: with many points, memory is what takes time.
    r = strayed[:, :, 0] if strayed.shape[2] == 1 else strayed.sum(axis=2)
    r *= 5.0
    np.sqrt(r, out=r)
    r /= length
    result: Matrix = r * r
    result /= 3.0
    result += 1.0 + r
    np.negative(r, out=r)
    result *= np.exp(r, out=r)
    return result


class Pool:
    """Observations pooled by place: at each of at most ``size`` places a weight and a weighted mean.

    Pooling observations of one place loses nothing: the posterior depends on nothing else, and the likelihood only on
    their squared deviations besides (Binois, Gramacy and Ludkovski, JCGS 2018). Beyond ``size`` places the two are
    merged, at their weighted mean, that are closest in Ward's sense: weights ``v w / (v + w)`` times squared distance,
    so that places with much feedback stay what they are. Merging is exact for functions that are linear in between.
    """

    __slots__ = ("_size", "means", "places", "scatter", "weights")

    def __init__(self, size: int, dimension: int) -> None:
        self._size = size
        self.places: Matrix = np.empty((0, dimension))
        self.weights: Vector = np.empty(0)
        self.means: Vector = np.empty(0)
        self.scatter = 0.0

    def fade(self, factor: float) -> None:
        """Let every observation count less by this factor."""
        self.weights *= factor
        self.scatter *= factor
        kept = self.weights > FORGOTTEN
        if not kept.all():
            self.places, self.weights, self.means = self.places[kept], self.weights[kept], self.means[kept]

    def add(self, place: Vector, value: float) -> None:
        """Take in one observation."""
        same = (self.places == place).all(axis=1).nonzero()[0]
        if len(same):
            i = int(same[0])
            weight, surprise = self.weights[i], value - self.means[i]
            self.weights[i] += 1.0
            self.means[i] += surprise / self.weights[i]
            self.scatter += float(surprise * surprise * weight / self.weights[i])
            return
        self.places = np.vstack((self.places, place))
        self.weights = np.append(self.weights, 1.0)
        self.means = np.append(self.means, value)
        if len(self.weights) > self._size:
            self._merge()

    def _merge(self) -> None:
        w = self.weights
        squares = ((self.places[:, None, :] - self.places[None, :, :]) ** 2).sum(axis=2)
        distances = squares * np.outer(w, w) / (w[:, None] + w)
        np.fill_diagonal(distances, np.inf)
        i, j = (int(k) for k in np.unravel_index(distances.argmin(), distances.shape))
        total = w[i] + w[j]
        difference = self.means[i] - self.means[j]
        self.scatter += float(difference * difference * w[i] * w[j] / total)
        self.places[i] = (w[i] * self.places[i] + w[j] * self.places[j]) / total
        self.means[i] = (w[i] * self.means[i] + w[j] * self.means[j]) / total
        self.weights[i] = total
        self.places = np.delete(self.places, j, axis=0)
        self.weights, self.means = np.delete(self.weights, j), np.delete(self.means, j)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the size."""
        return {
            "places": self.places.copy(),
            "weights": self.weights.copy(),
            "means": self.means.copy(),
            "scatter": self.scatter,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], size: int, dimension: int) -> Self:
        """The pool that :meth:`state_dict` described."""
        pool = cls(size, dimension)
        m = len(state["weights"])
        # No places become an empty list on the way through JSON, which has lost its second axis.
        pool.places = array(state["places"], (m, dimension)) if m else pool.places
        pool.weights = array(state["weights"], (m,))
        pool.means = array(state["means"], (m,))
        pool.scatter = float(state["scatter"])
        return pool


def usual_kernel(dimension: int) -> Kernel:
    """What is presumed before there is anything to fit."""
    return Kernel(USUAL_VARIANCE, USUAL_LENGTH * math.sqrt(dimension), USUAL_RATIO)


def likeliest_kernel(pool: Pool) -> Kernel:
    """The kernel of greatest posterior density on a grid of length scales and ratios; the variance in closed form.

    Takes O(20 m³) time for m places.
    """
    lengths = LENGTHS * math.sqrt(pool.places.shape[1])
    m, w = len(pool.weights), pool.weights
    total = float(w.sum())
    matrices = np.stack([correlation(pool.places, pool.places, length) for length in lengths])
    matrices = matrices[:, None] + RATIOS[:, None, None] * np.diag(1.0 / w) + JITTER * np.eye(m)
    factors = np.linalg.cholesky(matrices)
    sides = np.broadcast_to(np.stack((pool.means, np.ones(m)), axis=1), (*matrices.shape[:2], m, 2))
    halves = np.linalg.solve(factors, sides)
    values, ones = halves[..., 0], halves[..., 1]
    level = (ones * values).sum(axis=2) / (ones * ones).sum(axis=2)
    misfit = ((values - level[..., None] * ones) ** 2).sum(axis=2) + pool.scatter / RATIOS
    variance = (PRIOR_ROUNDS * USUAL_VARIANCE + misfit) / (PRIOR_ROUNDS + total)
    determinant = 2.0 * np.log(np.diagonal(factors, axis1=2, axis2=3)).sum(axis=2)
    badness = (PRIOR_ROUNDS + total) * np.log(variance) + determinant + (total - m) * np.log(RATIOS)
    badness += ((np.log(LENGTHS / USUAL_LENGTH) / LENGTH_SPREAD) ** 2)[:, None]
    badness += (np.log(RATIOS / USUAL_RATIO) / RATIO_SPREAD) ** 2
    i, j = (int(k) for k in np.unravel_index(badness.argmin(), badness.shape))
    return Kernel(float(variance[i, j]), float(lengths[i]), float(RATIOS[j]))


def posterior(pool: Pool, kernel: Kernel, places: Matrix, due: Vector) -> tuple[Vector, Vector]:
    """Means and standard deviations at places (K, d), once ``due`` (K,) observations more will have come there.

    What is to come narrows the deviations and leaves the means. The constant mean is estimated by generalized least
    squares and then taken as known. Takes O(m³ + K m²) time for m places with observations or some due.
    """
    means, m, some = np.zeros(len(places)), len(pool.weights), due > 0.0
    known = np.vstack((pool.places, places[some])) if some.any() else pool.places
    if not len(known):
        return means, np.full(len(places), math.sqrt(kernel.variance))
    correlations = correlation(places, known, kernel.length)
    cross = np.empty((len(places), 0))
    if m:
        factor = _inverse_factor(pool.places, pool.weights, kernel)
        values, ones = factor @ pool.means, factor.sum(axis=1)
        level = float(ones.dot(values)) / float(ones.dot(ones))
        cross = correlations[:, :m] @ factor.T
        means = level + cross @ (values - level * ones)
    if len(known) > m:
        factor = _inverse_factor(known, np.append(pool.weights, due[some]), kernel)
        cross = correlations @ factor.T
    cross *= cross
    variances = kernel.variance * np.maximum(1.0 - cross.sum(axis=1), 0.0)
    return means, np.sqrt(variances)


def _inverse_factor(places: Matrix, weights: Vector, kernel: Kernel) -> Matrix:
    """The inverse of the Cholesky factor of the observations' covariance, in units of the variance."""
    covariance = correlation(places, places, kernel.length)
    covariance.flat[:: len(weights) + 1] += kernel.ratio / weights + JITTER
    inverse: Matrix = np.linalg.inv(np.linalg.cholesky(covariance))
    return inverse
