"""Kernel ridge regression per arm on grouped observations, for several choices of variables at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.learners._finite import Vector
from reiterate.learners._state import array

Array = NDArray[np.float64]

LENGTH = 0.7
"""Length scale of the kernel, in standard deviations of a variable."""

CONSTANT = 0.5
"""Share of the kernel that does not depend on the variables: arms that are bad elsewhere are suspected here."""

ARM_PENALTY = 0.2
"""Ridge of an arm's distance from what is common to all arms, relative to the noise."""

COMMON_PENALTY = 0.1
"""The same of what is common to all arms."""

NOVEL = 0.01
"""Squared distance, in squared length scales, within which observations share a group while there is room."""

MEMORY = 128.0
"""Observations of an arm in a group count as at most this many, so that the older ones fade."""

REFIT = 1.1
"""An arm's matrix is renewed when one of its groups has grown by this factor."""


def kernel(squares: Array) -> Array:
    """Matérn kernel of order 3/2 plus a constant, 1 at distance 0, of squared distances in length scales."""
    scaled = np.sqrt(3.0 * squares)
    values: Array = CONSTANT + (1.0 - CONSTANT) * (1.0 + scaled) * np.exp(-scaled)
    return values


class GroupedKernelRegression:
    """Models of every arm's response, each from other variables: none, each one alone, all of them.

    A model has at most ``centers`` groups of observations, at points of its own space, and for every arm and
    group the number of observations and their sum: kernel ridge regression on what is in a group costs the
    same as on its mean. An observation far from all groups founds one; when there is no room, and it is
    farther from all than the two closest are from each other, these two merge. That keeps the centers spread
    over what has been seen. What is common to all arms is regressed first, then each arm's distance from it.

    Takes O(M K m) numbers of state for M models, K arms and m centers, and O(M K m**2) of matrices derived
    from it. A model's prediction takes O(K m**2) time, an observation O(M K m) and, while groups still grow by a
    tenth with it, up to O(m**3) for each such model.

    Parameters
    ----------
    arms
        Number of arms K.
    variables
        Number of variables d.
    centers
        Largest number of groups of a model.
    """

    def __init__(self, arms: int, variables: int, centers: int) -> None:
        masks = [np.zeros(variables), *np.eye(variables)]
        if variables > 1:
            masks.append(np.ones(variables))
        self._masks = np.array(masks)
        sizes = np.maximum(self._masks.sum(axis=1, keepdims=True), 1.0)
        self._relevance = self._masks / (sizes * LENGTH**2)
        self.models = count = len(masks)
        self._arms, self._centers, self._variables = arms, centers, variables
        self._positions = np.zeros((count, centers, variables))
        self._used = [0] * count
        self._counts = np.zeros((count, arms, centers))
        self._sums = np.zeros((count, arms, centers))
        self._fitted = np.zeros((count, arms + 1, centers))
        self._standardized = np.zeros((count, centers, variables))
        self._separations = np.zeros((count, centers, centers))
        self._gram = np.ones((count, centers, centers))
        self._matrices = np.zeros((count, arms + 1, centers, centers))
        self._derive_responses()

    def predict(self, model: int, point: Vector) -> tuple[Vector, Vector]:
        """A model's responses at a standardized point, and their variances in units of the noise's, each (K,)."""
        similar = kernel(self._distances(point)[model])
        rows, m = self._fitted[model].shape
        weights = (self._matrices[model].reshape(rows * m, m) @ similar).reshape(rows, m)
        common = self._level[model] + float(weights[-1] @ self._pooled[model])
        responses = np.einsum("kj,kj->k", weights[:-1], self._residuals[model]) + common
        variances = (1.0 - weights[:-1] @ similar) / ARM_PENALTY
        return responses, np.maximum(variances, 0.0)

    def predict_arm(self, arm: int, point: Vector) -> Vector:
        """Every model's response of one arm at a standardized point, shape (M,)."""
        similar = kernel(self._distances(point))
        weights = np.einsum("ikjl,il->ikj", self._matrices[:, (arm, -1)], similar)
        common = self._level + np.einsum("ij,ij->i", weights[:, 1], self._pooled)
        responses: Vector = np.einsum("ij,ij->i", weights[:, 0], self._residuals[:, arm]) + common
        return responses

    def observe(self, arm: int, raw: Vector, point: Vector, response: float) -> None:
        """Take in an arm's response at a point, given raw and standardized."""
        distances = self._distances(point)
        for model in range(self.models):
            group = self._group(model, distances[model], raw, point)
            self._counts[model, arm, group] += 1.0
            self._sums[model, arm, group] += response
            excess = self._counts[model, arm, group] / MEMORY
            if excess > 1.0:
                self._counts[model, arm, group] /= excess
                self._sums[model, arm, group] /= excess
            self._refit(model, arm, group)
        self._derive_responses()

    def rescale(self, standardize: Callable[[Array], Array]) -> None:
        """Adopt another standardization of the raw values."""
        self._standardized = standardize(self._positions)
        for model in range(self.models):
            self._fitted[model, :-1] = self._counts[model]
            self._fitted[model, -1] = self._counts[model].sum(axis=0)
            self._derive(model)
        self._derive_responses()

    def inherit(self, other: GroupedKernelRegression) -> None:
        """Take over the model without variables, the first one, of a regression with fewer variables."""
        self._used[0] = other._used[0]
        for own, others in ((self._counts, other._counts), (self._sums, other._sums), (self._fitted, other._fitted)):
            own[0] = others[0]
        self._derive(0)
        self._derive_responses()

    def _distances(self, point: Vector) -> Array:
        """Squared distances (M, m) of the centers from a standardized point, in squared length scales."""
        strayed = self._standardized - point
        distances: Array = np.einsum("ijd,id->ij", strayed * strayed, self._relevance)
        return distances

    def _group(self, model: int, distances: Vector, raw: Vector, point: Vector) -> int:
        """The group of a model that an observation belongs to; it may have to be founded."""
        used = self._used[model]
        nearest = int(distances[:used].argmin()) if used else 0
        if used and distances[nearest] <= NOVEL:
            return nearest
        if used < self._centers:
            self._used[model] += 1
            self._found(model, used, raw, point)
            return used
        first, second = divmod(int(self._separations[model].argmin()), self._centers)
        if distances[nearest] <= self._separations[model, first, second]:
            return nearest
        touched = np.flatnonzero((self._fitted[model, :, [first, second]] > 0.0).any(axis=0))
        self._merge(model, first, second)
        self._found(model, second, raw, point)
        for row in touched:
            self._solve(model, int(row))
        return second

    def _found(self, model: int, group: int, raw: Vector, point: Vector) -> None:
        self._positions[model, group] = raw
        self._standardized[model, group] = point
        self._compare(model)

    def _merge(self, model: int, first: int, second: int) -> None:
        """Move what is in the second group to the first, and that to the mean position of both."""
        counts, sums = self._counts[model], self._sums[model]
        one, two = float(counts[:, first].sum()), float(counts[:, second].sum())
        share = two / max(one + two, 1.0)
        for positions in (self._positions[model], self._standardized[model]):
            positions[first] += share * (positions[second] - positions[first])
        for table in (counts, sums):
            table[:, first] += table[:, second]
            table[:, second] = 0.0
        fitted = self._fitted[model]
        fitted[:, first] += fitted[:, second]
        fitted[:, second] = 0.0

    def _derive(self, model: int) -> None:
        """Compute all of a model's matrices."""
        self._compare(model)
        for row in range(self._arms + 1):
            self._solve(model, row)

    def _compare(self, model: int) -> None:
        """Kernel and distances between a model's centers."""
        used, points = self._used[model], self._standardized[model]
        strayed = points[:, None, :] - points[None, :, :]
        squares = (strayed * strayed) @ self._relevance[model]
        self._gram[model] = kernel(squares)
        np.fill_diagonal(squares, np.inf)
        squares[used:] = squares[:, used:] = np.inf
        self._separations[model] = squares

    def _refit(self, model: int, arm: int, group: int) -> None:
        """Renew the matrices of an arm and of all arms together, if the group has grown enough to matter."""
        counts, fitted = self._counts[model], self._fitted[model]
        if counts[arm, group] > REFIT * fitted[arm, group]:
            fitted[arm] = counts[arm]
            self._solve(model, arm)
        pooled = counts.sum(axis=0)
        if pooled[group] > REFIT * fitted[-1, group]:
            fitted[-1] = pooled
            self._solve(model, self._arms)

    def _solve(self, model: int, row: int) -> None:
        """``S (penalty + S G S)**-1 S`` for an arm, or all together: S the roots of the counts, where there are any."""
        matrix, fitted = self._matrices[model, row], self._fitted[model, row]
        matrix[:] = 0.0
        support = np.flatnonzero(fitted)
        if support.size == 0:
            return
        roots = np.sqrt(fitted[support])
        scale = roots[:, None] * roots
        block = np.ix_(support, support)
        scaled = scale * self._gram[model][block]
        scaled.flat[:: support.size + 1] += COMMON_PENALTY if row == self._arms else ARM_PENALTY
        matrix[block] = scale * np.linalg.inv(scaled)

    def _derive_responses(self) -> None:
        """What is regressed: means of the groups about their level, and of the arms about what is common."""
        pooled_counts, pooled_sums = self._counts.sum(axis=1), self._sums.sum(axis=1)
        self._level = pooled_sums.sum(axis=1) / np.maximum(pooled_counts.sum(axis=1), 1.0)
        self._pooled = pooled_sums / np.maximum(pooled_counts, 1e-9) - self._level[:, None]
        coefficients = np.einsum("ijk,ik->ij", self._matrices[:, -1], self._pooled)
        common = self._level[:, None] + np.einsum("ijk,ik->ij", self._gram, coefficients)
        self._residuals = self._sums / np.maximum(self._counts, 1e-9) - common[:, None, :]

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt, as plain numbers, lists and arrays."""
        return {
            "positions": self._positions.copy(),
            "standardized": self._standardized.copy(),
            "used": list(self._used),
            "counts": self._counts.copy(),
            "sums": self._sums.copy(),
            "fitted": self._fitted.copy(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` described, of a regression of the same sizes."""
        for field in ("counts", "sums", "fitted"):
            setattr(self, f"_{field}", array(state[field], getattr(self, f"_{field}").shape))
        for field in ("positions", "standardized"):
            shape = self._positions.shape
            # Lists of nothing do not tell the shape of what had no variables.
            value = np.array(state[field], dtype=np.float64)
            setattr(self, f"_{field}", array(value.reshape(shape) if value.size == 0 else value, shape))
        self._used = [int(used) for used in state["used"]]
        for model in range(self.models):
            self._derive(model)
        self._derive_responses()
