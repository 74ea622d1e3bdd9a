"""Tsallis-INF that begins anew when an arm's costs have changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from reiterate.contracts import Choice, Context
from reiterate.errors import InvalidInput
from reiterate.learners._finite import FiniteLearner, Vector, positive
from reiterate.learners._run_length import RunLengths
from reiterate.learners._state import check_state, pack_generator, unpack_generator
from reiterate.learners.tsallis_inf import TsallisINF

SPREAD = 0.2
"""Prior standard deviation of log costs between changes."""

SURE = 0.95
"""Posterior probability from which on a change counts as found."""

CONFIRMED = 2
"""A change has to be seen in at least this many observations."""

LEAST = 1e-100
"""Smaller costs count as this where logarithms are taken."""


class ChangePoint(FiniteLearner):
    """Tsallis-INF restarted by Bayesian online change-point detection.

    Every arm has a detector of changes in the mean of its log costs; when one that matters is found, a fresh
    :class:`~reiterate.learners.tsallis_inf.TsallisINF` takes over, and exploration is open again. Sources:
    R. P. Adams and D. J. C. MacKay, "Bayesian Online Changepoint Detection", arXiv:0710.3742, 2007, for the
    detectors; Y. Cao, Z. Wen, B. Kveton and Y. Xie, "Nearly Optimal Adaptive Procedure with Change Detection for
    Piecewise-Stationary Bandit", AISTATS 2019, for the frame: a share of the rounds goes to all arms alike, so
    that changes of arms out of favor are seen too, and a detection restarts the learner.

    A change counts when with probability 0.95 it happened at least two observations ago. It matters if it moves
    the mean by more than the factor ``1 + change``, and if the arm was the cheapest before or is after it; others
    restart the arm's detector only.

    Guarantee: if log costs are normal between changes of the given hazard, the posterior is exact but for its
    bounded memory, and at most one detection in twenty is false. The source proves, with another detector and UCB,
    a regret of O(sqrt(M K T log T)) against the best arm *of each of M segments* that are long enough for their
    changes to be found; that rests on restarts after each change, on few false ones, and on the base learner's
    regret in between, here Tsallis-INF's, but is not proved for this combination. Finding a change of an arm out of
    favor takes about ``2 K / exploration`` rounds, and exploration costs that share of the rounds forever.

    The right choice when the best arm jumps: a simulation enters another regime, a matrix changes its character.
    Where difficulty swings smoothly or for all arms at once, each swing looks like changes:
    :class:`~reiterate.learners.cheb_cb.ChebCB` with a context, or Tsallis-INF, is better there.

    Takes O(K) numbers, 128 an arm at most; a round takes the time of one of Tsallis-INF and O(1) for the detector.
    Late feedback is taken in as if it were new. A censored cost is shown to the detector only if it exceeds the
    arm's mean, for otherwise it says nothing about a change; Tsallis-INF takes it as it does.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness.
    hazard
        Probability of a change after an observation of an arm, in (0, 1).
    change
        Least relative change of an arm's mean cost that is worth exploring again.
    exploration
        Share of the rounds that goes to all arms alike, in [0, 1].

    Raises
    ------
    InvalidInput
        An option out of its range; feedback as for Tsallis-INF.
    """

    name: ClassVar[str] = "change_point"

    def __init__(
        self,
        arms: int,
        rng: np.random.Generator,
        *,
        hazard: float = 0.002,
        change: float = 0.1,
        exploration: float = 0.05,
    ) -> None:
        super().__init__(arms, rng)
        self._hazard = positive("hazard", hazard)
        if self._hazard >= 1:
            raise InvalidInput("hazard", f"{hazard!r} is not in (0, 1); it is the probability of a change")
        self._change = positive("change", change, zero=True)
        self._exploration = positive("exploration", exploration, zero=True)
        if self._exploration > 1:
            raise InvalidInput("exploration", f"{exploration!r} is not in [0, 1]; it is a share of the rounds")
        self._base = TsallisINF(self._arms, self._rng)
        self._detectors = [RunLengths(self._hazard, SPREAD) for _ in range(self._arms)]
        self._restarts = 0

    @property
    def restarts(self) -> int:
        """Number of changes that have made the learner begin anew."""
        return self._restarts

    @property
    def probabilities(self) -> Vector:
        """Probabilities (K,) with which the next arm is drawn."""
        mixed: Vector = (1.0 - self._exploration) * self._base.probabilities + self._exploration / self._arms
        return mixed

    def choose(self, context: Context | None = None) -> Choice:
        """Draw an arm; the context is carried along, not used."""
        return self._draw(self.probabilities, context)

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost, and begin anew if that reveals a change that matters."""
        cost = self._check_feedback(choice, cost)
        self._base.learn(choice, cost, censored=censored)
        detector = self._detectors[choice.arm]
        x = math.log(max(cost, LEAST))
        before = detector.mean
        if censored and (before is None or x <= before):
            return
        detector.update(x)
        probability, after = detector.changed(CONFIRMED)
        if before is None or probability <= SURE:
            return
        others = [d.mean for arm, d in enumerate(self._detectors) if arm != choice.arm and d.mean is not None]
        detector.restart(after)
        if abs(after - before) > math.log1p(self._change) and min(before, after) <= min(others, default=math.inf):
            self._begin_anew()

    def _begin_anew(self) -> None:
        fresh = TsallisINF(self._arms, self._rng)
        # The size of costs is not what is in doubt, and learning it again would take three costs.
        fresh.restore({**fresh.learnt(), "costs": self._base.learnt()["costs"]})
        self._base = fresh
        self._restarts += 1
        for detector in self._detectors:
            detector.restart(detector.mean)

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "hazard": self._hazard,
            "change": self._change,
            "exploration": self._exploration,
            "generator": pack_generator(self._rng),
            "base": self._base.learnt(),
            "detectors": [detector.state_dict() for detector in self._detectors],
            "restarts": self._restarts,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(
            state["arms"],
            unpack_generator(state["generator"]),
            hazard=state["hazard"],
            change=state["change"],
            exploration=state["exploration"],
        )
        learner._base.restore(state["base"])
        if len(state["detectors"]) != learner._arms:
            raise InvalidInput("state", f"holds {len(state['detectors'])} detectors for {learner._arms} arms")
        learner._detectors = [RunLengths.from_state_dict(detector) for detector in state["detectors"]]
        learner._restarts = int(state["restarts"])
        return learner
