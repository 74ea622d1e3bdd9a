"""What the context of an instance says about how much harder it is than the last one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Context
from reiterate.engine.plain import plain, table, whole

Vector = NDArray[np.float64]

_LARGEST_CONTEXT = 16
_SMALL = 1e-3  # of the first value seen: numbers above it are compared by their ratio, below it by their difference
_FORGETTING = 0.95
_RIDGE = 0.5  # observations that say that a number means nothing
_LARGEST_ERROR = 2.0
_CONVINCING = 0.5  # of the errors made without the context, those made with it must fall below
_FEWEST = 6  # changes of the context, before it is listened to
_LARGEST_SHIFT = 7.0
_MOST_SEEN = 20  # changes that an earlier run may count for
_CREDIBLE = 1e12


class Anticipation:
    """Regression of changes in difficulty on changes in the context, listened to only as long as it helps.

    A context is a few numbers: the user's, and what a look at the instance has found. With φ_t the vector of their
    logarithms (inverse hyperbolic sines, which are defined for all numbers) and d_t the difficulty, the model is
    log d_t − log d_{t−1} = wᵀ(φ_t − φ_{t−1}) + noise. Without the context, w = 0, the difficulty is a random walk.
    Predictors are: none; every number by itself; all together, each by ridge regression that forgets 5 % a step. The
    one that predicted best lately is used, if it halved the squared errors of none at least. Predictions are scored
    before their outcome is learnt (prequential, Dawid 1984), so that a number that means nothing does not seem to help
    by being fitted. Cost: nothing while the context stays the same; else O(F³) for F ≤ 16 numbers.
    """

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._scales: dict[str, float] = {}
        self._last: Vector | None = None
        self._change: Vector | None = None
        self._seen = 0
        self._gram = np.empty((0, 0))
        self._moment = np.empty(0)
        self._weights = np.empty((0, 0))  # of every predictor, one a row; the first is none
        self._losses = np.empty(0)
        self._trusted = 0
        self._recalled: Mapping[str, Any] = {}

    def expect(self, context: Context) -> float:
        """By how much log difficulty is expected to have risen since the last instance; 0 where nobody can tell."""
        if not context:
            return 0.0
        values = self._embed(context)
        last, self._last = self._last, values
        if last is None:
            return 0.0
        change = values - last
        if not change.any():
            self._change = None
            return 0.0
        self._change = change
        if not self._trusted:
            return 0.0
        return min(max(float(self._weights[self._trusted] @ change), -_LARGEST_SHIFT), _LARGEST_SHIFT)

    @property
    def trusted(self) -> tuple[str, ...]:
        """The numbers of the context that are listened to."""
        if not self._trusted:
            return ()
        return self._names if self._trusted > len(self._names) else (self._names[self._trusted - 1],)

    def learn(self, moved: float) -> None:
        """Take in by how much log difficulty did rise since the last instance."""
        change = self._change
        if change is None:
            return
        self._change = None
        errors = np.clip(self._weights @ change - moved, -_LARGEST_ERROR, _LARGEST_ERROR)
        self._losses = _FORGETTING * self._losses + errors * errors
        self._gram = _FORGETTING * self._gram + np.outer(change, change)
        self._moment = _FORGETTING * self._moment + change * moved
        self._seen += 1
        self._refit()
        best = int(np.argmin(self._losses))
        convincing = self._seen >= _FEWEST and self._losses[best] < _CONVINCING * self._losses[0]
        self._trusted = best if convincing else 0

    def _refit(self) -> None:
        """The weights of every predictor, from all changes so far."""
        squares = self._gram.diagonal()
        ridge = _RIDGE * squares / self._seen + np.finfo(np.float64).tiny
        count = len(self._names)
        self._weights[1 : count + 1][np.diag_indices(count)] = self._moment / (squares + ridge)
        if count > 1:
            self._weights[-1] = np.linalg.lstsq(self._gram + np.diag(ridge), self._moment, rcond=None)[0]

    def _embed(self, context: Context) -> Vector:
        """The context as a vector; numbers that were not there at first are left out, and missing ones are the last."""
        if not self._names:
            self._begin(context)
            self._take_up()
        values = np.empty(len(self._names))
        for k, name in enumerate(self._names):
            value = context.get(name)
            if value is None:
                values[k] = 0.0 if self._last is None else self._last[k]
                continue
            if not self._scales[name]:
                self._scales[name] = _SMALL * abs(value)
            values[k] = math.asinh(value / self._scales[name]) if self._scales[name] else 0.0
        return values

    def _begin(self, context: Context) -> None:
        self._names = tuple(list(context)[:_LARGEST_CONTEXT])
        self._scales = dict.fromkeys(self._names, 0.0)
        count = len(self._names)
        predictors = 1 + count + (count > 1)
        self._gram, self._moment = np.zeros((count, count)), np.zeros(count)
        self._weights, self._losses = np.zeros((predictors, count)), np.zeros(predictors)

    def state_dict(self) -> dict[str, Any]:
        """What is worth knowing in another run: what changes of the context have meant so far."""
        if not self._names or not self._seen:
            return {}
        state = {
            "names": self._names,
            "scales": [self._scales[name] for name in self._names],
            "seen": self._seen,
            "gram": self._gram,
            "moment": self._moment,
            "losses": self._losses,
            "trusted": self._trusted,
        }
        return dict(plain(state))

    def recall(self, state: Mapping[str, Any]) -> None:
        """Go on from what an earlier run has learnt, if the context turns out to have the same numbers."""
        self._recalled = state

    def _take_up(self) -> None:
        """Take over what was recalled, unless it does not fit."""
        state, self._recalled = table(self._recalled), {}
        count, seen = len(self._names), whole(state, "seen", _MOST_SEEN)
        if state.get("names") != list(self._names) or not seen:
            return
        shapes = {"scales": (count,), "gram": (count, count), "moment": (count,), "losses": self._losses.shape}
        try:
            arrays = {name: np.array(state[name], dtype=np.float64) for name in shapes}
        except (KeyError, TypeError, ValueError):
            return
        fits = all(arrays[name].shape == shape for name, shape in shapes.items())
        credible = all(bool((np.abs(values) < _CREDIBLE).all()) for values in arrays.values())
        if not fits or not credible or _negative(arrays):
            return
        self._scales = dict(zip(self._names, arrays["scales"].tolist(), strict=True))
        self._gram, self._moment, self._losses = arrays["gram"], arrays["moment"], arrays["losses"]
        self._seen = seen
        self._refit()
        self._trusted = min(whole(state, "trusted", len(self._losses)), len(self._losses) - 1)


def _negative(arrays: Mapping[str, Vector]) -> bool:
    """Whether there is anything negative among what consists of sizes and squares."""
    sizes = (arrays["scales"], arrays["losses"], arrays["gram"].diagonal())
    return any(bool((size < 0.0).any()) for size in sizes)
