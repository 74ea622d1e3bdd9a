"""A Kalman filter of one level that all arms share, and of an offset of each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

_MOST = 48  # arms whose covariances are kept


class JointFilter:
    """Follows a level x and offsets s_k from observations y = p x + s_k + noise, one arm k at a time.

    Source: Kalman (1960). An observation cannot tell x from s_k; others can, later, because the covariances are kept:
    of x and of the arms that were observed last, 48 at most. The rest is taken to be independent, as all is at first.
    Cost of an observation: O(m²) for m such arms.

    Parameters
    ----------
    level, variance
        Of x, at first.
    offsets, variances : arrays of shape (K,)
        Of the s_k, at first; both are updated in place.

    Attributes
    ----------
    level, level_variance : float
        Of x; plain numbers, so that following the level alone is cheap.
    offsets, variances : arrays of shape (K,)
    """

    def __init__(self, level: float, variance: float, offsets: Vector, variances: Vector) -> None:
        self.level = level
        self.level_variance = variance
        self.offsets = offsets
        self.variances = variances
        self._matrix = np.array([[variance]])
        self._arms: list[int] = []  # in the order of rows, from the second on
        self._rows: dict[int, int] = {}
        self._index = np.empty(0, dtype=np.intp)

    def grow(self, offset: float, variance: float) -> None:
        """One more arm; both arrays are new ones from now on."""
        self.offsets = np.append(self.offsets, offset)
        self.variances = np.append(self.variances, variance)

    @property
    def _covariances(self) -> Vector:
        """Of x, and of the arms observed last, in the order of their rows."""
        self._matrix[0, 0] = self.level_variance
        return self._matrix

    @_covariances.setter
    def _covariances(self, matrix: Vector) -> None:
        self._matrix = matrix
        self.level_variance = float(matrix[0, 0])

    def restart(self, level: float, variance: float) -> None:
        """Begin with another level; before the first observation."""
        self.level = level
        self.level_variance = variance

    def widen_level(self, by: float) -> None:
        """The level may have moved."""
        self.level_variance += by

    def widen(self, arm: int, by: float) -> None:
        """An offset may have changed."""
        self.variances[arm] += by
        if arm in self._rows:
            row = self._rows[arm]
            self._matrix[row, row] += by

    def widen_all(self, by: Vector) -> None:
        """Every offset may have changed, each as much as its entry of ``by`` says, shape (K,)."""
        self.variances += by
        if self._arms:
            rows = np.arange(1, len(self._arms) + 1)
            self._matrix[rows, rows] += by[self._index]

    def variance_of(self, arm: int, power: float, noise: float) -> float:
        """Of an observation of this arm."""
        covariance = self.covariance_of(arm)
        return power * power * self.level_variance + 2.0 * power * covariance + float(self.variances[arm]) + noise

    def covariance_of(self, arm: int) -> float:
        """Of the level and the offset of this arm."""
        row = self._rows.get(arm)
        return 0.0 if row is None else float(self._matrix[0, row])

    def variances_against(self, arm: int, powers: Vector) -> Vector:
        """Of p_k x + s_k − (p_a x + s_a) for every arm k, shape (K,), and this arm a."""
        row, covariances = self._rows.get(arm), self._covariances
        power = powers - powers[arm]
        own, with_level = (
            (float(self.variances[arm]), 0.0) if row is None else (covariances[row, row], covariances[0, row])
        )
        found: Vector = self.variances + own + power * (power * covariances[0, 0] - 2.0 * with_level)
        if self._arms:
            found[self._index] += 2.0 * power[self._index] * covariances[0, 1:]
            if row is not None:
                found[self._index] -= 2.0 * covariances[row, 1:]
        found[arm] = 0.0
        return np.maximum(found, 0.0, out=found)

    def correct(self, arm: int, power: float, error: float, noise: float) -> None:
        """An observation of this arm differed from what was expected by ``error``."""
        row, covariances = self._row_of(arm), self._covariances
        covariance = power * covariances[0] + covariances[row]
        gains = covariance / (power * covariance[0] + covariance[row] + noise)
        self.level += float(gains[0]) * error
        self.offsets[self._index] += gains[1:] * error
        covariances -= np.multiply.outer(gains, covariance)
        self._covariances = covariances
        self.variances[self._index] = covariances.diagonal()[1:]

    def follow(self, arm: int, power: float, error: float, noise: float) -> float:
        """As :meth:`correct`, but only the level moves; returns how much of its variance the observation explains."""
        return self.follow_with(power, self.covariance_of(arm), self.variance_of(arm, power, noise), error)

    def follow_with(self, power: float, covariance: float, total: float, error: float) -> float:
        """The same of an arm whose covariance with the level is known; ``total`` is as :meth:`variance_of` says.

        Where level and offset are hardly known apart, most of the variance of one is that of the other, which an
        observation of their sum says nothing about: the level moves by no more than what would explain all of it.
        """
        if power == 0.0:
            return 0.0
        gain = min(max((power * self.level_variance + covariance) / total, 0.0), 1.0 / power)
        self.level += gain * error
        return gain * gain * total

    def _row_of(self, arm: int) -> int:
        """Where the arm's covariances are; those of whoever was observed longest ago make room if need be."""
        row = self._rows.get(arm)
        if row == len(self._arms):
            return row
        kept = [other for other in self._arms if other != arm][-_MOST + 1 :]
        rows = [0, *(self._rows[other] for other in kept)]
        grown = np.zeros((len(rows) + 1, len(rows) + 1))
        grown[:-1, :-1] = self._covariances[np.ix_(rows, rows)]
        grown[-1, -1] = self.variances[arm]
        if row is not None:
            grown[-1, :-1] = grown[:-1, -1] = self._covariances[row, rows]
        self._covariances = grown
        self._arms = [*kept, arm]
        self._index = np.array(self._arms, dtype=np.intp)
        self._rows = {other: number for number, other in enumerate(self._arms, start=1)}
        return len(self._arms)
