"""Dual averaging for late feedback: what is still outstanding is predicted, and slows learning down."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from reiterate.contracts import Choice, Context
from reiterate.learners._cost_scale import CostScale
from reiterate.learners._finite import FiniteLearner, Vector, positive
from reiterate.learners._state import array, check_state, pack_generator, unpack_generator

MEMORY = 16
"""Costs over which an arm's mean is taken: older ones fade."""

DOUBT = 0.1
"""Errors of this share of recent costs are expected of predictions, however small those seen are."""

ENTROPY_WEIGHT = 0.15
"""Of the negative entropy, relative to the Tsallis entropy's; the analysis has one, for the worst case of delays."""

PATIENCE = 256
"""Rounds for which feedback is waited for at least."""

LONGEST = 4
"""Feedback is waited for as many times as long as the longest delay so far."""


def hybrid_probabilities(losses: Vector, tsallis: float, entropy: float) -> Vector:
    """Minimize ``<p, losses> - 2 tsallis sum_i sqrt(p_i) + entropy sum_i p_i log p_i`` over the probability simplex.

    With ``p_i = exp(-2 u_i)`` the minimizer has ``tsallis exp(u_i) + 2 entropy u_i = losses_i - z``. For a given z
    Newton's method finds all ``u_i`` at once, from above, falling monotonously to the root of a convex increasing
    function. The ``u_i`` are concave in ``-z``, hence so is ``-log sum_i p_i``: from the z that gives the likeliest arm
    probability one, which is below the root of that, Newton's method climbs to it.

    Parameters
    ----------
    losses
        Cumulative loss estimates, shape (K,), finite.
    tsallis
        Weight of the 1/2-Tsallis entropy, positive, in the unit of the losses.
    entropy
        Weight of the negative entropy, nonnegative, in the same unit.

    Returns
    -------
    p : ndarray, shape (K,)
        Positive probabilities; they sum to one within rounding.
    """
    gaps = (losses - losses.min()) / tsallis
    ratio = 2.0 * entropy / tsallis
    values = gaps + 1.0
    u = np.log(values)
    if ratio > 0:
        u = np.minimum(u, gaps / ratio)
    for _ in range(60):
        u, slopes = _hybrid_roots(values, ratio, u)
        p = np.exp(-2.0 * u)
        total = float(p.sum())
        step = 0.5 * math.log(total) * total / float(p.dot(slopes))
        values += step
        # The roots are concave in the values: what the slopes promise is above them.
        u += step * slopes
        if abs(step) <= 1e-10 * float(values.min()):
            break
    # Where an arm is hopeless, so that none has the probability zero.
    p = np.maximum(p, 1e-300)
    p /= p.sum()
    return p


def _hybrid_roots(values: Vector, ratio: float, u: Vector) -> tuple[Vector, Vector]:
    """The u >= 0 with ``exp(u) + ratio u = values``, for values >= 1, from a start above; and du/dvalues."""
    if ratio == 0:
        return np.log(values), 1.0 / values
    for _ in range(60):
        powers = np.exp(u)
        slopes = 1.0 / (powers + ratio)
        step = (powers + ratio * u - values) * slopes
        u = u - step
        if float(np.abs(step).max()) <= 1e-9:
            break
    return np.maximum(u, 0.0), slopes


class DelayedDualAveraging(FiniteLearner):
    r"""Dual averaging that expects of the plays still unheard what it predicts, and is the slower the more they are.

    Feedback may come any number of rounds late; nothing need be known of the delays. Sources: P. Joulani, A. Gyorgy
    and C. Szepesvari, "Delay-Tolerant Online Convex Optimization", AAAI 2016 (learning rates that follow what
    is outstanding); J. Zimmert and Y. Seldin, "An Optimal Algorithm for Adversarial Bandits with Arbitrary Delays",
    AISTATS 2020 (the regularizer); G. Flaspohler et al., "Online Learning with Optimism and Delay", ICML 2021
    (predictions for the outstanding losses).

    Arms are drawn from :func:`hybrid_probabilities` of ``L + (1 + o) m`` with ``o`` choices outstanding, where

    - ``L`` adds up the estimates ``m_i + 1[I=i] (l - m_i) / p_i``, when the feedback comes; ``m_i`` is the mean of the
      arm's last costs, before the first the least of the others', so that each is soon tried. One cost moves
      its arm by no more than half its distance, or by its own error: a batch of late feedback cannot turn a bad arm
      into the favorite;
    - the Tsallis part has the weight ``a sqrt(V)``, the entropy's ``0.15 a sqrt(2 D / log K)``: ``V`` sums the squared
      errors ``l - m_I`` and that of a tenth of recent costs, ``D`` each of them times what was outstanding when it
      came. So no scale is needed. ``a`` is ``steadiness``; the analysis has weights of about 1.

    Guarantee: for ``m = 0``, costs in [0, 1] and published weights (``t`` for V, ``sum_t o_t`` for D), the expected
    regret against any adversary is O(sqrt(K T) + sqrt(D log K)) after T rounds with a total delay D, which no
    algorithm improves by more than a constant. Predictions replace the costs by their errors in the analysis of
    optimistic play; for the adaptive weights, and with the limit, nothing is proved.

    The right choice when feedback comes many rounds after the choice, e.g. because instances are solved in
    parallel or costs are collected in batches. Takes O(K + o) numbers; a round takes O(K + o) time. Choices are waited
    for as long as four times the longest delay so far, or 256 rounds; feedback that comes later is learnt from all
    the same, and what never comes is forgotten. A cost counts at most as the recent level plus ten mean costs; a
    censored one, as no less than was predicted.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness.
    steadiness
        Larger explores more; positive.

    Raises
    ------
    InvalidInput
        ``steadiness`` is not positive; in :meth:`learn`, a cost that is not finite and nonnegative, or a choice
        that could not have been made.
    """

    name: ClassVar[str] = "delayed_dual_averaging"

    def __init__(self, arms: int, rng: np.random.Generator, *, steadiness: float = 0.7) -> None:
        super().__init__(arms, rng)
        self._steadiness = positive("steadiness", steadiness)
        self._losses: Vector = np.zeros(self._arms)
        self._means: Vector = np.zeros(self._arms)
        self._plays: Vector = np.zeros(self._arms)
        self._variation = 0.0
        self._delayed_variation = 0.0
        self._costs = CostScale()
        self._outstanding: list[tuple[int, int, float]] = []
        self._chosen = 0
        self._longest = 0

    @property
    def outstanding(self) -> int:
        """Number of choices whose feedback is being waited for."""
        return len(self._outstanding)

    @property
    def predictions(self) -> Vector:
        """Predicted cost of every arm, (K,)."""
        heard = self._plays > 0
        if not heard.any():
            return np.zeros(self._arms)
        predictions: Vector = np.where(heard, self._means, self._means[heard].min())
        return predictions

    @property
    def losses(self) -> Vector:
        """Cumulative loss estimates (K,), of the feedback that has come, in the unit of the costs."""
        return self._losses.copy()

    @property
    def probabilities(self) -> Vector:
        """Probabilities (K,) with which the next arm is drawn."""
        tsallis, entropy = self._weights()
        if tsallis == 0:
            return np.full(self._arms, 1.0 / self._arms)
        return hybrid_probabilities(self._losses + (1 + len(self._outstanding)) * self.predictions, tsallis, entropy)

    def choose(self, context: Context | None = None) -> Choice:
        """Draw an arm; the context is carried along, not used."""
        choice = self._draw(self.probabilities, context)
        self._chosen += 1
        patience = max(PATIENCE, LONGEST * self._longest)
        while self._outstanding and self._chosen - self._outstanding[0][0] > patience:
            del self._outstanding[0]
        self._outstanding.append((self._chosen, choice.arm, choice.probability))
        return choice

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost."""
        cost = self._check_drawn_feedback(choice, cost)
        arm = choice.arm
        self._hear(choice)
        limit = self._costs.limit if self._costs.ready else math.inf
        self._costs.update(cost)
        if not self._plays.any():
            # There is no prediction yet: the first cost is what the first estimates are made of.
            self._means[arm], self._plays[arm] = cost, 1.0
            self._losses += cost
            return
        predictions = self.predictions
        if censored:
            cost = max(cost, float(predictions[arm]))
        cost = min(cost, limit)
        error = cost - float(predictions[arm])
        self._losses += predictions
        self._losses[arm] += self._correction(error, choice.probability)
        self._variation += error * error
        self._delayed_variation += error * error * len(self._outstanding)
        self._plays[arm] = min(self._plays[arm] + 1, MEMORY)
        self._means[arm] += (cost - self._means[arm]) / self._plays[arm]

    def _hear(self, choice: Choice) -> None:
        """Strike the choice off the outstanding ones: equal ones are alike, the oldest goes."""
        for place, (round_, arm, probability) in enumerate(self._outstanding):
            if arm == choice.arm and probability == choice.probability:
                self._longest = max(self._longest, self._chosen - round_)
                del self._outstanding[place]
                return

    def _weights(self) -> tuple[float, float]:
        """Weights of the Tsallis entropy and of the negative entropy, in the unit of the costs."""
        least = DOUBT * self._costs.level
        tsallis = math.sqrt(least * least + self._variation)
        entropy = math.sqrt(2.0 * self._delayed_variation / math.log(max(self._arms, 2)))
        return self._steadiness * tsallis, self._steadiness * ENTROPY_WEIGHT * entropy

    def _correction(self, error: float, probability: float) -> float:
        """The error over the probability, as far as that moves the arm by half its distance or the error itself."""
        tsallis, entropy = self._weights()
        distance = tsallis / math.sqrt(probability) - entropy * math.log(probability)
        limit = max(abs(error), 0.5 * distance)
        return min(max(error / probability, -limit), limit)

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt, what is outstanding, and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "steadiness": self._steadiness,
            "generator": pack_generator(self._rng),
            "losses": self._losses.copy(),
            "means": self._means.copy(),
            "plays": self._plays.copy(),
            "variation": self._variation,
            "delayed_variation": self._delayed_variation,
            "costs": self._costs.state_dict(),
            "outstanding": [list(entry) for entry in self._outstanding],
            "chosen": self._chosen,
            "longest": self._longest,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(state["arms"], unpack_generator(state["generator"]), steadiness=state["steadiness"])
        shape = (learner.arms,)
        learner._losses = array(state["losses"], shape)
        learner._means = array(state["means"], shape)
        learner._plays = array(state["plays"], shape)
        learner._variation = float(state["variation"])
        learner._delayed_variation = float(state["delayed_variation"])
        learner._costs = CostScale.from_state_dict(state["costs"])
        learner._outstanding = [(int(t), int(arm), float(p)) for t, arm, p in state["outstanding"]]
        learner._chosen = int(state["chosen"])
        learner._longest = int(state["longest"])
        return learner
