"""From a context to a vector: all its numbers, standardized online."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from reiterate.contracts import Context
from reiterate.learners._context import LARGEST, number
from reiterate.learners._finite import Vector

MOST = 8
"""Numbers of a context that count, the first ones: each further one costs every decision time."""

FARTHEST = 4.0
"""Standardized values lie within plus and minus this."""

LARGEST_LOG = 700.0
"""Exponentials of this much and more are not representable."""

WIDE = 100.0
"""A positive number whose values span more than this factor counts by its logarithm."""

FLAT = 1e-9
"""A number that varies by less than this relative to its size is a constant."""


class Covariates:
    """Standardizes the numbers of contexts.

    The names are those of the first context that is not empty, at most eight; a number that a later context
    lacks counts as its mean. Means and standard deviations are followed with every observation but used as
    they stood when the number of observations was last a power of two, so that what was computed from
    standardized values seldom becomes obsolete. Takes O(d) numbers and time for d names.

    Parameters
    ----------
    final
        Observations after which the standardization is final; ``None``: never.
    """

    __slots__ = (
        "_center",
        "_high",
        "_logarithmic",
        "_low",
        "_means",
        "_scale",
        "_squares",
        "final",
        "names",
        "observed",
    )

    def __init__(self, final: int | None = None) -> None:
        self.final = final
        self.names: list[str] = []
        self.observed = 0
        self._reset()

    def _reset(self) -> None:
        d = len(self.names)
        self._means = np.zeros((2, d))
        self._squares = np.zeros((2, d))
        self._low = np.full(d, LARGEST)
        self._high = np.full(d, -LARGEST)
        self._logarithmic = np.zeros(d, dtype=bool)
        self._center = np.zeros(d)
        self._scale = np.zeros(d)

    def admit(self, context: Context | None) -> bool:
        """Take the names from this context if there are none yet; whether it did."""
        if not context or self.names:
            return False
        self.names = [str(name) for name in context][:MOST]
        self._reset()
        return True

    def raw(self, context: Context | None) -> Vector:
        """The numbers as they are, shape (d,); the mean stands in for what is missing."""
        values: Vector = self._means[0].copy()
        for place, name in enumerate(self.names):
            if context and name in context:
                values[place] = number(name, context[name])
        return values

    def observe(self, context: Context | None) -> bool:
        """Take in the numbers of a context; whether :meth:`standardize` changed by it."""
        if not context or not self.names:
            return False
        values = self.raw(context)
        self._low = np.minimum(self._low, values)
        self._high = np.maximum(self._high, values)
        both = np.stack((values, np.log(np.maximum(values, 1.0 / LARGEST))))
        self.observed += 1
        strayed = both - self._means
        self._means += strayed / self.observed
        self._squares += strayed * (both - self._means)
        if self.observed & (self.observed - 1) or (self.final is not None and self.observed > self.final):
            return False
        self._adopt()
        return True

    def _adopt(self) -> None:
        """Standardize with the means and deviations as they are now."""
        self._logarithmic = (self._low > 0.0) & (self._high > WIDE * self._low)
        deviations = np.sqrt(self._squares / self.observed)
        deviations[deviations <= FLAT * np.abs(self._means)] = 0.0
        deviations[1, deviations[0] == 0.0] = 0.0
        self._center = np.where(self._logarithmic, self._means[1], self._means[0])
        self._scale = np.where(self._logarithmic, deviations[1], deviations[0])

    def standardize(self, raw: Vector) -> Vector:
        """Raw values (..., d) standardized, within ±4; 0 for what has been constant so far."""
        if self._logarithmic.any():
            least = np.where(self._logarithmic, self._center - FARTHEST * self._scale, 0.0)
            logs = np.log(np.where(self._logarithmic, np.maximum(raw, np.exp(np.maximum(least, -LARGEST_LOG))), 1.0))
            raw = np.where(self._logarithmic, logs, raw)
        strayed = raw - self._center
        varies = self._scale > 0.0
        standardized: Vector = np.where(varies, strayed, 0.0) / np.where(varies, self._scale, 1.0)
        return standardized.clip(-FARTHEST, FARTHEST)

    def state_dict(self) -> dict[str, Any]:
        """Everything, as plain numbers and arrays."""
        return {
            "final": self.final,
            "names": list(self.names),
            "observed": self.observed,
            "means": self._means.copy(),
            "squares": self._squares.copy(),
            "low": self._low.copy(),
            "high": self._high.copy(),
            "logarithmic": [bool(flag) for flag in self._logarithmic],
            "center": self._center.copy(),
            "scale": self._scale.copy(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The covariates that :meth:`state_dict` described."""
        covariates = cls(None if state["final"] is None else int(state["final"]))
        covariates.names = [str(name) for name in state["names"]]
        d = len(covariates.names)
        covariates.observed = int(state["observed"])
        for field in ("means", "squares"):
            setattr(covariates, f"_{field}", np.array(state[field], dtype=np.float64).reshape(2, d))
        for field in ("low", "high", "center", "scale"):
            setattr(covariates, f"_{field}", np.array(state[field], dtype=np.float64).reshape(d))
        covariates._logarithmic = np.array(state["logarithmic"], dtype=bool).reshape(d)
        return covariates
