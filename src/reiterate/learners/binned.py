"""One Tsallis-INF per bin of a context variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from reiterate.contracts import Choice, Context
from reiterate.learners._context import ContextVariable, Growth, Interval
from reiterate.learners._finite import FiniteLearner, count
from reiterate.learners._state import check_state, pack_generator, unpack_generator
from reiterate.learners.tsallis_inf import Estimator, TsallisINF


class BinnedTsallisINF(FiniteLearner):
    """Tsallis-INF separately in each bin of a one-dimensional context.

    The interval of the context is cut into ``bins`` equal bins, and each has a
    :class:`~reiterate.learners.tsallis_inf.TsallisINF` of its own. Source: M. Khodak, E. Chow,
    M.-F. Balcan and A. Talwalkar, "Learning to Relax", ICLR 2024, for parameters of linear solvers.

    Guarantee: Tsallis-INF's, in every bin, against the best arm *of that bin*: the regrets of ``B`` bins
    add up to O(sqrt(B K T)); what the best arm changes within a bin comes on top and shrinks with the bins.

    The right choice when one number predicts which arm is best, in a way that is not smooth or not fixed;
    where costs vary smoothly with the context, :class:`~reiterate.learners.cheb_cb.ChebCB` needs far fewer
    rounds. Takes O(B K) numbers; a round takes as long as one of Tsallis-INF.

    A learnt interval doubles to hold each new value. Pairs of bins then merge by adding their cumulative loss
    estimates and rounds, so nothing learnt is lost or counted twice; new bins start from nothing. Choices
    without a context have a bin for themselves.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness, shared by all bins.
    bins
        Number of bins B, at least 1.
    interval
        ``(low, high)`` of the context variable, in its unit; values outside go to the end bins. ``None``:
        learn it.
    variable
        Name of the context variable. ``None``: the first of the first context that is not empty.
    estimator, scale
        As for :class:`~reiterate.learners.tsallis_inf.TsallisINF`.

    Raises
    ------
    InvalidInput
        An option out of its range; a context without the variable; feedback as for Tsallis-INF.
    """

    name: ClassVar[str] = "binned_tsallis_inf"

    def __init__(
        self,
        arms: int,
        rng: np.random.Generator,
        *,
        bins: int = 6,
        interval: Sequence[float] | None = None,
        variable: str | None = None,
        estimator: Estimator = "baseline",
        scale: float | None = None,
    ) -> None:
        super().__init__(arms, rng)
        self._bins = count("bins", bins)
        self._interval = Interval(interval, factor=2.0)
        self._variable = ContextVariable(variable)
        self._estimator: Estimator = estimator
        self._scale = scale
        self._learners = [self._fresh() for _ in range(self._bins)]
        self._without_context = self._fresh()

    def choose(self, context: Context | None = None) -> Choice:
        """Draw an arm as the context's bin would."""
        return self._learner(context).choose(context)

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost, in the bin where its context now lies."""
        cost = self._check_feedback(choice, cost)
        self._learner(choice.context).learn(choice, cost, censored=censored)

    def _fresh(self) -> TsallisINF:
        return TsallisINF(self._arms, self._rng, estimator=self._estimator, scale=self._scale)

    def _learner(self, context: Context | None) -> TsallisINF:
        value = self._variable.value(context)
        if value is None:
            return self._without_context
        growth = self._interval.include(value)
        if growth is not None:
            self._rearrange(growth)
        return self._learners[min(int(self._interval.fraction(value) * self._bins), self._bins - 1)]

    def _rearrange(self, growth: Growth) -> None:
        if growth.low == growth.high:
            # All feedback so far came from one value, now an end of the interval.
            if not growth.upward:
                self._learners.reverse()
            return
        # After enough doublings everything is in one bin, and more of them change nothing.
        for _ in range(min(growth.steps, self._bins.bit_length() + 1)):
            self._merge_pairs(growth.upward)

    def _merge_pairs(self, upward: bool) -> None:
        merged = [self._fresh() for _ in range(self._bins)]
        # The doubled interval holds 2B bins of the old width, the old ones at its lower or upper end.
        offset = 0 if upward else self._bins
        for place, learner in enumerate(self._learners, start=offset):
            merged[place // 2].absorb(learner)
        self._learners = merged

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "bins": self._bins,
            "interval": self._interval.state_dict(),
            "variable": self._variable.name,
            "estimator": self._estimator,
            "scale": self._scale,
            "generator": pack_generator(self._rng),
            "learnt": [learner.learnt() for learner in self._learners],
            "learnt_without_context": self._without_context.learnt(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(
            state["arms"],
            unpack_generator(state["generator"]),
            bins=state["bins"],
            variable=state["variable"],
            estimator=state["estimator"],
            scale=state["scale"],
        )
        learner._interval = Interval.from_state_dict(state["interval"])
        for one, learnt in zip(learner._learners, state["learnt"], strict=True):
            one.restore(learnt)
        learner._without_context.restore(state["learnt_without_context"])
        return learner
