"""mini-GP-UCB: GP-UCB that plays each candidate many times in a row, so that it switches rarely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from reiterate.contracts import Choice, Context
from reiterate.errors import InvalidInput
from reiterate.learners._finite import positive
from reiterate.learners.gp_ucb import GPUCB

UNANSWERED = 15.0
"""A batch ends when the feedback of so many choices of its candidate, fading as they do, is due: it may never come."""


class FewCandidates(GPUCB):
    r"""GP-UCB that stays with a candidate for as long as that teaches enough.

    A candidate whose posterior deviation is ``s`` when it is chosen is played ``floor((C² - 1) σ² / s²)`` times in a
    row, at least once, with ``σ`` the deviation of the noise: so that no arm's deviation shrinks by more than the
    factor C meanwhile, and what was the most promising arm is still close to it. Source: D. Calandriello,
    L. Carratino, A. Lazaric, M. Valko and L. Rosasco, "Scaling Gaussian Process Optimization by Evaluating a Few Unique
    Candidates Multiple Times", ICML 2022 (mini-GP-UCB).

    Guarantee: as for :class:`~reiterate.learners.gp_ucb.GPUCB` with the regret's bound multiplied by C, under the same
    conditions; and since every full batch yields at least ``log((C² + 1) / 2) / 2`` of information, at most
    ``2 γ_T / log((C² + 1) / 2)`` of them fit into T rounds, however large T. Ours are besides no longer than the whole
    play before them, since the kernel that they rest on is still being learnt: that adds log₂ T batches.

    The right choice when changing the configuration costs (a factor, a hierarchy or a compiled kernel to be built
    anew), or when feedback comes so late that many choices must be made at once. A choice within a batch takes no
    time; the others, and memory, as for GP-UCB, with as few places as there are candidates.

    Parameters
    ----------
    arms, rng, points, inducing, exploration, memory, kernel
        As for :class:`~reiterate.learners.gp_ucb.GPUCB`.
    shrinkage
        C, greater than 1: larger switches less and explores more.

    Raises
    ------
    InvalidInput
        As for GP-UCB; ``shrinkage`` is not greater than 1.
    """

    name: ClassVar[str] = "few_candidates"

    def __init__(
        self,
        arms: int,
        rng: np.random.Generator,
        *,
        points: ArrayLike | None = None,
        shrinkage: float = 1.5,
        inducing: int = 48,
        exploration: float = 0.2,
        memory: float | None = None,
        kernel: Sequence[float] | None = None,
    ) -> None:
        super().__init__(
            arms, rng, points=points, inducing=inducing, exploration=exploration, memory=memory, kernel=kernel
        )
        self._shrinkage = positive("shrinkage", shrinkage)
        if self._shrinkage <= 1:
            raise InvalidInput("shrinkage", f"{shrinkage!r} is not greater than 1; deviations only shrink")
        self._candidate = 0
        self._left = 0
        self._played = 0

    def choose(self, context: Context | None = None) -> Choice:
        """The candidate of the present batch, or that of a new one."""
        if self._left == 0 or self._due[self._candidate] > UNANSWERED:
            self._candidate, deviation = self._most_promising()
            self._left = self._batch(deviation)
        self._left -= 1
        self._played += 1
        return self._play(self._candidate, context)

    def _batch(self, deviation: float) -> int:
        most = max(1, self._played)
        noise = self._kernel.ratio * self._kernel.variance
        enough = (self._shrinkage**2 - 1.0) * noise
        variance = deviation * deviation
        return most if variance * most <= enough else max(1, int(enough / variance))

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return super().state_dict() | {
            "shrinkage": self._shrinkage,
            "candidate": self._candidate,
            "left": self._left,
            "played": self._played,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        learner = super().from_state_dict(state)
        learner._shrinkage = float(state["shrinkage"])
        learner._candidate = int(state["candidate"])
        learner._left = int(state["left"])
        learner._played = int(state["played"])
        return learner
