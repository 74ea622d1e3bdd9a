"""Sequential halving at any time: ever larger tournaments, and between them the best arm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from reiterate.learners._finite import count
from reiterate.learners._state import check_state, pack_generator, unpack_generator
from reiterate.learners._tournament import Rung, Tournament

REST = 4
"""How many times as long as a tournament the rest after it is, at first."""


class SequentialHalving(Tournament):
    """Play all arms a little, keep the better half, play that twice as much, and so on; then rest on the best.

    A tournament of ``n`` arms has ``ceil(log2 n)`` rungs of about equal numbers of plays, after each of which the
    better half of the arms goes on. Sources: Z. Karnin, T. Koren and O. Somekh, "Almost Optimal Exploration in
    Multi-Armed Bandits", ICML 2013; Y. Zhao, C. Stephens, C. Szepesvári and K.-S. Jun, "Revisiting Simple Regret:
    Fast Rates for Returning a Good Arm", ICML 2023, for tournaments of ever more arms.

    They find a good arm with a given number of plays; this learner goes on for ever. Tournaments are played by the
    first ``bracket`` arms of a random order, then by twice as many, and so on until all take part, with one play in
    the first rung. After that the k-th one has ``k`` plays in its first rung. A rest follows of four times a
    tournament's length, from when all take part of ``4 * 2**(k - 1)`` times; in it the arm with the smallest mean is
    played, whichever that is by then. Arms are judged by all plays they ever had, not only the tournament's own.

    Guarantee: for independent costs in [0, 1] with fixed means, a tournament of ``B`` plays that the best arm takes
    part in misses it with probability at most ``3 log2(n) exp(-B / (8 H log2(n)))``, ``H = max_i i / gap_i**2``
    over the arms by increasing gap (Karnin et al., Theorem 4.1, for means over a tournament's own plays). Once all
    arms take part, the k-th tournament takes ``k K ceil(log2 K)`` of more than ``2**k K log2 K`` rounds: all
    tournaments together ``O(K log(K) log(T)**2)`` of T.

    The right choice for short streams with many arms, most of them bad and easily told from the good ones: bad arms
    have one play each, and a first good arm is in use before all have been tried. Takes O(K) numbers, and O(K) time
    a round. Feedback may be late: meanwhile arms of the rung are chosen again. Costs count at most as the recent
    level plus ten means, and the first three wait for each other. A censored cost counts as no less than the arm's
    mean (for its first play, the recent level).

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness; it only shuffles the arms, once.
    bracket
        How many arms play the first tournament, at least 1.

    Raises
    ------
    InvalidInput
        ``bracket`` is not a positive integer; in :meth:`learn`, a cost that is not finite and nonnegative, or an
        arm that does not exist.
    """

    name: ClassVar[str] = "sequential_halving"
    recent: ClassVar[bool] = False

    def __init__(self, arms: int, rng: np.random.Generator, *, bracket: int = 16) -> None:
        super().__init__(arms, rng)
        self._bracket = count("bracket", bracket)
        self._order = [int(arm) for arm in rng.permutation(self._arms)]
        # How many tournaments are played before all arms take part.
        self._growing = max(0, -(-self._arms // self._bracket) - 1).bit_length()
        self._tournament = 0

    def _entrants(self) -> int:
        return min(self._arms, self._bracket << min(self._tournament, self._growing))

    def _climb(self, ranked: list[int]) -> None:
        """Let the better half go on; after the last rung, rest."""
        repeats = max(0, self._tournament - self._growing)
        entrants, plays = self._entrants(), repeats + 1
        if not ranked:
            self._rung = Rung(self._order[:entrants], [plays] * entrants)
            return
        survivors = ranked[: (len(ranked) + 1) // 2]
        if len(survivors) > 1:
            self._rung = Rung(survivors, [max(1, entrants * plays // len(survivors))] * len(survivors))
            return
        length = entrants * plays * max(1, (entrants - 1).bit_length())
        self._rest = REST * length << repeats
        self._tournament += 1
        self._rung = Rung([], [])

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "bracket": self._bracket,
            "generator": pack_generator(self._rng),
            "order": list(self._order),
            "tournament": self._tournament,
            "learnt": self._learnt(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(state["arms"], np.random.default_rng(0), bracket=state["bracket"])
        learner._rng = unpack_generator(state["generator"])
        learner._order = [int(arm) for arm in state["order"]]
        learner._tournament = int(state["tournament"])
        learner._restore(state["learnt"])
        return learner
