"""Hyperband: tournaments that hedge between trying many arms briefly and few arms for long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from reiterate.errors import InvalidInput
from reiterate.learners._finite import count
from reiterate.learners._state import check_state, pack_generator, unpack_generator
from reiterate.learners._tournament import Rung, Tournament


class Hyperband(Tournament):
    """Brackets of successive halving, from many arms with one play each to few arms with as many as any gets.

    The resource of an arm is the number of its plays. Iteration ``m = 1, 2, …`` lets it grow to
    ``R = reduction**m``: its brackets ``s = m, …, 0`` begin with ``n = ceil((m + 1) reduction**s / (s + 1))`` random
    arms of ``R / reduction**s`` plays each; the best ``1 / reduction`` of them go on to ``reduction`` times as many,
    until those left have R. Sources: L. Li, K. Jamieson, G. DeSalvo, A. Rostamizadeh and A. Talwalkar, "Hyperband:
    A Novel Bandit-Based Approach to Hyperparameter Optimization", JMLR 18(185), 2018; J. Brandt, M. Wever, D.
    Iliadis, V. Bengs and E. Hüllermeier, "Iterative Deepening Hyperband", 2023, for iterations that build on
    earlier ones.

    They look for a good arm and stop; this learner goes on for ever. Iteration m is followed by a rest of
    ``2**(m - 1)`` times the plays it would take afresh, in which the arm of the smallest mean is played. Plays an arm
    has had are not forgotten: with ``deepening``, an arm whose R plays are asked for only makes those that it still
    lacks, those of rests included; without, every bracket plays afresh. An arm's n-th cost weighs n times as much in
    its mean as its first, so that an arm which changes as it is played is judged by what has become of it.

    Guarantee: none on regret. Li et al. show that a bracket finds an arm close to the best of its own if it has so
    many plays that costs have come close enough to their limits, for costs that converge as an arm is played; of
    all brackets one is within a factor ``m + 1`` of the best choice of n and R. For this learner: iterations
    together take ``O(T**0.62 log(T)**2)`` of T rounds with the default ``reduction``, and those that K arms cannot
    fill fewer.

    The right choice for many arms whose first plays mislead, suddenly better or worse once they have warmed up, where
    nobody knows after how many plays; where costs fall gradually, :class:`~reiterate.learners.rising.Rising` is
    better. Takes O(K) numbers, and O(K) time a round. Feedback may be late: meanwhile arms of the rung are chosen
    again. Outliers and censored costs count as for
    :class:`~reiterate.learners.sequential_halving.SequentialHalving`.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness: which arms play a bracket.
    reduction
        Of a rung's arms, one in so many goes on; an integer, at least 2.
    deepening
        Whether earlier plays count as an arm's resource.

    Raises
    ------
    InvalidInput
        An option out of its range; in :meth:`learn`, a cost that is not finite and nonnegative, or an arm that does
        not exist.
    """

    name: ClassVar[str] = "hyperband"
    recent: ClassVar[bool] = True

    def __init__(self, arms: int, rng: np.random.Generator, *, reduction: int = 3, deepening: bool = True) -> None:
        super().__init__(arms, rng)
        self._reduction = count("reduction", reduction)
        if self._reduction < 2:
            raise InvalidInput("reduction", f"{reduction!r} is less than 2: all arms of a rung would go on")
        if not isinstance(deepening, bool):
            raise InvalidInput("deepening", f"{deepening!r} is neither True nor False")
        self._deepening = deepening
        self._iteration = 1
        self._bracket = 1
        self._resource = 0
        self._plays = 0

    def _open_bracket(self) -> None:
        """Begin bracket s with random arms."""
        s, base = self._bracket, self._reduction
        size = -(-(self._iteration + 1) * base**s // (s + 1))
        entrants = [int(arm) for arm in self._rng.permutation(self._arms)[:size]]
        self._resource = 0
        self._set_rung(entrants, base ** (self._iteration - s))

    def _set_rung(self, arms: list[int], resource: int) -> None:
        had = [int(self._counts[arm]) if self._deepening else self._resource for arm in arms]
        wanted = [max(0, resource - plays) for plays in had]
        # Plays that are not repeated shorten an iteration, not the rest after it.
        self._plays += len(arms) * (resource - self._resource)
        self._resource = resource
        self._rung = Rung(arms, wanted)

    def _climb(self, ranked: list[int]) -> None:
        """Let the best go on to more plays; after the last rung comes a bracket, after the last of those a rest."""
        if not ranked:
            self._open_bracket()
            return
        if self._resource < self._reduction**self._iteration:
            self._set_rung(ranked[: max(1, len(ranked) // self._reduction)], self._resource * self._reduction)
            return
        if self._bracket > 0:
            self._bracket -= 1
        else:
            self._rest = max(1, self._plays) << (self._iteration - 1)
            self._plays = 0
            self._iteration += 1
            self._bracket = self._iteration
        self._rung = Rung([], [])

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "reduction": self._reduction,
            "deepening": self._deepening,
            "generator": pack_generator(self._rng),
            "iteration": self._iteration,
            "bracket": self._bracket,
            "resource": self._resource,
            "plays": self._plays,
            "learnt": self._learnt(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        options = {"reduction": state["reduction"], "deepening": state["deepening"]}
        learner = cls(state["arms"], np.random.default_rng(0), **options)
        learner._rng = unpack_generator(state["generator"])
        learner._iteration = int(state["iteration"])
        learner._bracket = int(state["bracket"])
        learner._resource = int(state["resource"])
        learner._plays = int(state["plays"])
        learner._restore(state["learnt"])
        return learner
