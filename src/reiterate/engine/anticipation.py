"""What the context of an instance says about how much harder it is than the last one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Context
from reiterate.engine.plain import number, plain, table, whole

Vector = NDArray[np.float64]

_MOST_NUMBERS = 16
_SMALL = 1e-3  # of the first value seen: numbers above it are compared by their ratio, below it by their difference
_LARGEST = 1e150  # times the scale; so that differences stay finite, and their squares
_FORGETTING = 0.95
_RIDGE = 0.5  # observations that say that a number means nothing
_LARGEST_SQUARE = 4.0  # of an error
_CONVINCING = 0.5  # of the errors made without the context, those made with it must fall below
_SIMPLER = 1.05  # times the errors of several numbers, up to which one alone is preferred
_FEWEST = 6  # changes of the context, before it is listened to
_LARGEST_SHIFT = 7.0
_LARGEST_MOVE = 14.0  # that is learnt from: what is farther is an estimate gone astray
_MOST_SEEN = 20  # changes that an earlier run may count for
_CREDIBLE = 1e12
_NONE, _GIVEN, _ALL, _FIRST = range(4)  # predictors: no number, those of the user, all; from here on one number each
_CALMING = 0.9  # a step
_RESTLESS = 0.0025  # mean square of changes of log difficulty: below, iterations change by some 5 %


class Anticipation:
    """Regression of changes in difficulty on changes in the context, listened to only as long as it helps.

    A context is a few numbers: the user's, and what a look at the instance has found. With φ_t the vector of their
    logarithms (inverse hyperbolic sines, which are defined for all numbers) and d_t the difficulty, the model is
    log d_t − log d_{t−1} = wᵀ(φ_t − φ_{t−1}) + noise. Without the context, w = 0, the difficulty is a random walk.
    Predictors are: none; every number by itself; those of the user together; all together, each by ridge regression
    that forgets 5 % a step. The one that predicted best lately is used, if it halved the squared errors of none.
    Predictions are scored before their outcome is learnt (prequential, Dawid 1984), so that a number that means nothing
    does not seem to help by being fitted.

    Numbers beyond the context, which cost a look at the instance, are worth it only where the difficulty moves: see
    :attr:`restless`. Only here are they used: what means nothing is left out again, while a learner that regresses on
    all numbers pays for every one.

    Cost: nothing while the context stays the same; else O(F³) for F ≤ 16 numbers.
    """

    def __init__(self) -> None:
        self._given: int | None = None  # numbers that come first, which are the user's; none has been seen yet
        self._names: list[str] = []
        self._scales: list[float] = []
        self._values: list[float | None] = []  # of the last instance, and what they were mapped to; None: not known
        self._images: list[float] = []
        self._change: Vector | None = None
        self._seen = 0
        self._gram = np.empty((0, 0))
        self._moment = np.empty(0)
        self._weights = np.zeros((_FIRST, 0))  # of every predictor, one a row
        self._losses = np.zeros(_FIRST)
        self._trusted = _NONE
        self._unrest = 0.0
        self._recalled: Mapping[str, Any] = {}

    @property
    def restless(self) -> bool:
        """Whether difficulty has lately changed by so much that it is worth looking for what it goes with."""
        return self._unrest > _RESTLESS

    def expect(self, context: Context, features: Context | None = None) -> float:
        """By how much log difficulty is expected to have risen since the last instance; 0 where nobody can tell.

        ``features`` are numbers beyond the context, where they have been looked for.
        """
        if self._given is None:
            self._begin(context)
        numbers = {**context, **features, **context} if features else context
        for name in numbers:
            if name not in self._names and len(self._names) < _MOST_NUMBERS:
                self._admit(name)
        change = None
        for k, name in enumerate(self._names):
            value, last = numbers.get(name), self._values[k]
            if value == last:
                continue
            self._values[k] = value
            if value is None:
                continue
            image, before = self._image(k, value), self._images[k]
            self._images[k] = image
            if last is not None and image != before:
                change = np.zeros(len(self._names)) if change is None else change
                change[k] = image - before
        self._change = change
        if change is None or not self._trusted:
            return 0.0
        return min(max(float(self._weights[self._trusted] @ change), -_LARGEST_SHIFT), _LARGEST_SHIFT)

    def _image(self, k: int, value: float) -> float:
        scale = self._scales[k]
        if not scale:
            scale = self._scales[k] = _SMALL * abs(value)
        return math.asinh(min(max(value / scale, -_LARGEST), _LARGEST)) if scale else 0.0

    @property
    def trusted(self) -> tuple[str, ...]:
        """The numbers that are listened to."""
        if self._trusted >= _FIRST:
            return (self._names[self._trusted - _FIRST],)
        if self._trusted == _ALL:
            return tuple(self._names)
        return tuple(self._names[: self._given]) if self._trusted == _GIVEN else ()

    def learn(self, moved: float) -> None:
        """Take in by how much log difficulty did rise since the last instance."""
        self._unrest = _CALMING * self._unrest + (1.0 - _CALMING) * min(moved * moved, _LARGEST_SQUARE)
        change, self._change = self._change, None
        if change is None:
            return
        moved = min(max(moved, -_LARGEST_MOVE), _LARGEST_MOVE)
        errors = self._weights @ change
        errors -= moved
        errors *= errors
        self._losses *= _FORGETTING
        self._losses += np.minimum(errors, _LARGEST_SQUARE)
        self._gram *= _FORGETTING
        self._gram += change[:, None] * change
        self._moment *= _FORGETTING
        self._moment += moved * change
        self._seen += 1
        self._refit()
        best = int(self._losses.argmin())
        if _NONE < best < _FIRST:
            single = _FIRST + int(self._losses[_FIRST:].argmin())
            best = single if self._losses[single] <= _SIMPLER * self._losses[best] else best
        convincing = self._seen >= _FEWEST and self._losses[best] < _CONVINCING * self._losses[_NONE]
        self._trusted = best if convincing else _NONE

    def _refit(self) -> None:
        """The weights of every predictor, from all changes so far."""
        count, given = len(self._names), self._given or 0
        squares = self._gram.diagonal()
        ridge = (_RIDGE / self._seen) * squares + np.finfo(np.float64).tiny
        single = self._weights[_FIRST:].reshape(-1)[:: count + 1]
        np.divide(self._moment, squares + ridge, out=single)
        if count < 2:
            return
        penalized = self._gram.copy()
        penalized.reshape(-1)[:: count + 1] += ridge
        if given > 1:
            self._weights[_GIVEN, :given] = _solution(penalized[:given, :given], self._moment[:given])
        if count > given:
            self._weights[_ALL] = _solution(penalized, self._moment)

    def _begin(self, context: Context) -> None:
        names = list(context)[:_MOST_NUMBERS]
        self._given = len(names)
        for name in names:
            self._admit(name)
        self._take_up()

    def _admit(self, name: str) -> None:
        """One number more, of which it is thought what is thought of none."""
        count = len(self._names)
        self._names.append(name)
        self._scales.append(0.0)
        self._values.append(None)
        self._images.append(0.0)
        gram, weights = np.zeros((count + 1, count + 1)), np.zeros((_FIRST + count + 1, count + 1))
        gram[:count, :count], weights[:-1, :count] = self._gram, self._weights
        self._gram, self._weights = gram, weights
        self._moment = np.append(self._moment, 0.0)
        self._losses = np.append(self._losses, self._losses[_NONE])

    def state_dict(self) -> dict[str, Any]:
        """What is worth knowing in another run: what changes of the context have meant so far."""
        if not self._names or not self._seen:
            return {}
        state = {
            "names": self._names,
            "given": self._given,
            "scales": self._scales,
            "seen": self._seen,
            "gram": self._gram,
            "moment": self._moment,
            "losses": self._losses,
            "unrest": self._unrest,
            "trusted": self._trusted,
        }
        return dict(plain(state))

    def recall(self, state: Mapping[str, Any]) -> None:
        """Go on from what an earlier run has learnt, if the context turns out to have the same numbers."""
        self._recalled = state

    def _take_up(self) -> None:
        """Take over what was recalled, unless it does not fit."""
        state, self._recalled = table(self._recalled), {}
        given, seen, names = len(self._names), whole(state, "seen", _MOST_SEEN), state.get("names")
        if not isinstance(names, list) or not seen or state.get("given") != given or names[:given] != self._names:
            return
        count = len(names)
        if count > _MOST_NUMBERS or len({name for name in names if isinstance(name, str)}) < count:
            return
        shapes = {"scales": (count,), "gram": (count, count), "moment": (count,), "losses": (_FIRST + count,)}
        try:
            arrays = {name: np.array(state[name], dtype=np.float64) for name in shapes}
        except (KeyError, TypeError, ValueError):
            return
        fits = all(arrays[name].shape == shape for name, shape in shapes.items())
        credible = all(bool((np.abs(values) < _CREDIBLE).all()) for values in arrays.values())
        if not fits or not credible or _negative(arrays):
            return
        for name in names[given:]:
            self._admit(name)
        self._scales = arrays["scales"].tolist()
        self._gram, self._moment, self._losses = arrays["gram"], arrays["moment"], arrays["losses"]
        self._unrest = number(state, "unrest", 0.0, _LARGEST_SQUARE) or 0.0
        self._seen = seen
        self._refit()
        self._trusted = whole(state, "trusted", len(self._losses) - 1)


def _solution(gram: Vector, moment: Vector) -> Vector:
    """Of normal equations, whose matrix may be singular as far as rounding errors tell."""
    try:
        return np.asarray(np.linalg.solve(gram, moment), dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(gram, moment, rcond=None)[0], dtype=np.float64)


def _negative(arrays: Mapping[str, Vector]) -> bool:
    """Whether there is anything negative among what consists of sizes and squares."""
    sizes = (arrays["scales"], arrays["losses"], arrays["gram"].diagonal())
    return any(bool((size < 0.0).any()) for size in sizes)
