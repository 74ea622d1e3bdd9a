"""SquareCB: inverse-gap weighting over an online kernel regression on all numbers of the context."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from reiterate.contracts import Choice, Context
from reiterate.learners._covariates import Covariates
from reiterate.learners._finite import FiniteLearner, Vector, count, positive
from reiterate.learners._inverse_gap import inverse_gap_weights
from reiterate.learners._kernel_regression import GroupedKernelRegression
from reiterate.learners._log_costs import LogCosts
from reiterate.learners._state import check_state, pack_generator, unpack_generator

MEMORY = 256
"""Rounds over which the size of prediction errors is averaged."""

FADING = 1.0 - 1.0 / 512.0
"""Weight of a model's earlier squared errors from one round to the next."""

NULL_SHARE = 0.5
"""Weight of the model without variables before anything has been seen."""

UNHEARD = 1e-3
"""Models of less weight have none."""

STEEPEST = 50.0
"""Predicted log costs further apart than this count as this far apart."""


class SquareCB(FiniteLearner):
    """Inverse-gap weighting of predictions by kernel regressions that compete for the right variables.

    Log costs are regressed on the numbers of the context (the first eight), standardized online: without any
    number, on each one alone, and on all of them, by kernel ridge regression per arm about what is common to
    all arms, on at most ``centers`` groups of contexts a model. The models' predictions are averaged with
    exponential weights of their squared errors, half of the weight being the null model's to begin with, so
    numbers that predict nothing soon have no say. Source: D. J. Foster and A. Rakhlin, "Beyond UCB: Optimal
    and Efficient Contextual Bandits with Regression Oracles", ICML 2020.

    Arm ``i`` is drawn with probability ``1 / (K + gamma (y_i - min y))`` and the minimizer of ``y`` with the
    rest; ``y`` are predicted costs, and ``gamma = sqrt(K t) / (exploration * mean cost)``. As in
    :class:`~reiterate.learners.cheb_cb.ChebCB`, ``y`` is lowered by ``optimism`` standard errors (of log
    costs), which makes the steep ``gamma`` safe; ``optimism=0`` is SquareCB.

    Guarantee: for costs in [0, 1] whose conditional mean is among the oracle's functions, and an oracle of
    regret at most R in squared error, SquareCB with ``gamma = sqrt(K T / (R + log(2/delta)))`` has regret at most
    ``4 sqrt(K T R) + 8 sqrt(K T log(2/delta))`` with probability ``1 - delta``, against the best arm for each
    context. The weights keep the inequality on which that rests, for any ``gamma``: per round, regret is at
    most ``2 K / gamma`` plus ``gamma / 4`` times the expected squared error. What is lost: ``gamma`` is
    steeper than the theorem's, and errors are made small in log costs, so the bound holds with constants that
    depend on the costs' range. Averaging costs the oracle O(log d) squared errors against its best model.

    Takes O(M K m**2) numbers for d numbers in the context, M = d + 2 models, K arms and m centers, of which
    O(M K m) are state. A decision takes O(K m**2) time for each model that has a say, feedback O(M K m + M m**2),
    and up to O(m**3) more per model while groups are new. Feedback may be late; only arm and context of a choice
    are used. The first three costs set the unit without being learnt from. A censored cost counts as a cost, but
    as no less than was predicted.

    The right choice when several numbers are known of an instance, and it is not known which of them matter or
    how: say a time step, a load, a temperature and an angle, of which one moves the best arm, with a kink.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Source of randomness.
    centers
        Largest number m of groups of contexts a model, at least 1.
    exploration
        Larger explores more; positive.
    optimism
        Standard errors to subtract from predictions; 0 or more.

    Raises
    ------
    InvalidInput
        An option out of its range; a context with what is not a number; in :meth:`learn`, a cost that is not
        finite and nonnegative.
    """

    name: ClassVar[str] = "square_cb"

    def __init__(
        self,
        arms: int,
        rng: np.random.Generator,
        *,
        centers: int = 24,
        exploration: float = 0.02,
        optimism: float = 0.5,
    ) -> None:
        super().__init__(arms, rng)
        self._centers = count("centers", centers)
        self._exploration = positive("exploration", exploration)
        self._optimism = positive("optimism", optimism, zero=True)
        self._covariates = Covariates()
        self._oracle = GroupedKernelRegression(self._arms, 0, self._centers)
        self._errors: Vector = np.zeros(1)
        self._tally = 0.0
        self._rounds = 0
        self._squared_error = 0.0
        self._costs = LogCosts()

    @property
    def relevance(self) -> dict[str, float]:
        """Weight of each model: of none of the numbers (``""``), of each by its name, of all (``"*"``)."""
        names = ["", *self._covariates.names, "*"][: self._oracle.models]
        return dict(zip(names, map(float, self._weights()), strict=True))

    def choose(self, context: Context | None = None) -> Choice:
        """Draw an arm by inverse-gap weighting of the predictions at this context."""
        self._admit(context)
        logs, variances = self._predict(self._covariates.standardize(self._covariates.raw(context)))
        if self._optimism > 0.0:
            logs = logs - self._optimism * np.sqrt(variances * self._squared_error)
        least = float(logs.min())
        gaps = np.expm1(np.minimum(logs - least, STEEPEST))
        return self._draw(inverse_gap_weights(gaps, self._gamma(least)), context)

    def predict(self, context: Context | None = None) -> Vector:
        """Predicted cost of every arm at this context, shape (K,), in the unit of the costs."""
        logs, _ = self._predict(self._covariates.standardize(self._covariates.raw(context)))
        predictions: Vector = self._costs.unit * np.exp(logs)
        return predictions

    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost."""
        cost = self._check_feedback(choice, cost)
        self._admit(choice.context)
        raw = self._covariates.raw(choice.context)
        if self._covariates.observe(choice.context):
            self._oracle.rescale(self._covariates.standardize)
        point = self._covariates.standardize(raw)
        opinions = self._oracle.predict_arm(choice.arm, point)
        expected = float(self._weights() @ opinions)
        response = self._costs.response(cost, expected, censored=censored)
        if response is None:
            return
        self._rounds += 1
        self._errors = FADING * self._errors + (opinions - response) ** 2
        self._tally = FADING * self._tally + 1.0
        strayed = expected - response
        self._squared_error += (strayed * strayed - self._squared_error) / min(self._rounds, MEMORY)
        self._oracle.observe(choice.arm, raw, point, response)

    def _admit(self, context: Context | None) -> None:
        """The first context that is not empty decides which numbers there are."""
        if self._covariates.admit(context):
            oracle = GroupedKernelRegression(self._arms, len(self._covariates.names), self._centers)
            oracle.inherit(self._oracle)
            self._oracle = oracle
            self._errors = np.full(oracle.models, self._errors[0])

    def _weights(self) -> Vector:
        """Weights (M,) of the models."""
        models = self._oracle.models
        weights = np.full(models, (1.0 - NULL_SHARE) / max(models - 1, 1))
        weights[0] = NULL_SHARE
        least = float(self._errors.min())
        if least > 0.0:
            weights *= np.exp(-0.5 * self._tally * (self._errors / least - 1.0))
        weights /= weights.sum()
        weights[weights < UNHEARD] = 0.0
        normalized: Vector = weights / weights.sum()
        return normalized

    def _predict(self, point: Vector) -> tuple[Vector, Vector]:
        """Log costs in the learner's unit, and their variances in units of the noise's, each (K,)."""
        logs, variances = np.zeros(self._arms), np.zeros(self._arms)
        for model, weight in enumerate(self._weights()):
            if weight > 0.0:
                responses, spreads = self._oracle.predict(model, point)
                logs += weight * responses
                variances += weight * spreads
        return logs, variances

    def _gamma(self, least: float) -> float:
        """What multiplies gaps relative to the least predicted cost, given by its logarithm in the unit."""
        if self._costs.unit == 0.0:
            return 0.0
        relative = least + math.log(self._costs.unit) - math.log(self._costs.scale.mean)
        gamma = math.sqrt(self._arms * self._rounds) / self._exploration
        return gamma * math.exp(min(max(relative, -STEEPEST), STEEPEST))

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "centers": self._centers,
            "exploration": self._exploration,
            "optimism": self._optimism,
            "generator": pack_generator(self._rng),
            "covariates": self._covariates.state_dict(),
            "oracle": self._oracle.state_dict(),
            "errors": self._errors.copy(),
            "tally": self._tally,
            "rounds": self._rounds,
            "squared_error": self._squared_error,
            "costs": self._costs.state_dict(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(
            state["arms"],
            unpack_generator(state["generator"]),
            centers=state["centers"],
            exploration=state["exploration"],
            optimism=state["optimism"],
        )
        learner._covariates = Covariates.from_state_dict(state["covariates"])
        variables = len(learner._covariates.names)
        learner._oracle = GroupedKernelRegression(learner._arms, variables, learner._centers)
        learner._oracle.restore(state["oracle"])
        learner._errors = np.array(state["errors"], dtype=np.float64).reshape(learner._oracle.models)
        learner._tally = float(state["tally"])
        learner._rounds = int(state["rounds"])
        learner._squared_error = float(state["squared_error"])
        learner._costs = LogCosts.from_state_dict(state["costs"])
        return learner
