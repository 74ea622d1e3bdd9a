"""A parametric model of the cost over the places of the arms, fitted online, with optimism."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reiterate.contracts import Choice, Context
from reiterate.errors import InvalidInput
from reiterate.learners._finite import Vector, fading, one_of, positive
from reiterate.learners._line import LineLearner, Matrix, unit_box
from reiterate.learners._state import array, check_state, pack_generator, unpack_generator

Model = Literal["quadratic", "tradeoff", "sor"]

RIDGE = 1e-3
"""Weight of the penalty on squared coefficients, in observations."""

RATES = (1.0, 2.0, 4.0, 8.0)
"""Candidate rates of growth and decay of "tradeoff", over the whole line."""

JACOBI_GAPS = np.logspace(-4.0, -0.3, 38)
"""Candidates for one minus the spectral radius of Jacobi's iteration, of "sor"."""

USUAL_VARIANCE, PRIOR_ROUNDS = 0.04, 2.0
"""The prior on the noise variance counts as that many observations of this variance of log-costs."""

BLOCK = 2**15
"""Numbers that are worked on at a time."""

CONFIDENCE = 0.1
"""δ: the probability that the confidence set may fail."""


def quadratic_features(box: Matrix) -> NDArray[np.float64]:
    """1, all coordinates of points (K, d) in the unit box, moved to [-1, 1], and their products in pairs; (1, K, p)."""
    x = 2.0 * box - 1.0
    d = x.shape[1]
    columns = [np.ones(len(x)), *x.T]
    columns += [x[:, i] * x[:, j] for i, j in itertools.combinations_with_replacement(range(d), 2)]
    return np.stack(columns, axis=1)[None]


def tradeoff_features(box: Matrix) -> NDArray[np.float64]:
    """1, growth ``exp(g (u - 1))`` and decay ``exp(-h u)``, for every pair of rates g and h; (16, K, 3)."""
    u = box[:, 0]
    pairs = itertools.product(RATES, RATES)
    return np.stack([np.stack((np.ones(len(u)), np.exp(g * (u - 1.0)), np.exp(-h * u)), axis=1) for g, h in pairs])


def sor_spectral_radius(omega: Vector, jacobi: float) -> Vector:
    """That of SOR for relaxation factors (K,) in (0, 2), where that of Jacobi's iteration is ``jacobi``.

    D. M. Young's theory for consistently ordered matrices: with ω at or above ``2 / (1 + sqrt(1 - μ²))`` it is
    ``ω - 1``, below that the square of ``(ω μ + sqrt(ω² μ² - 4 (ω - 1))) / 2``.
    """
    inner = (omega * jacobi) ** 2 - 4.0 * (omega - 1.0)
    below = 0.25 * (omega * jacobi + np.sqrt(np.maximum(inner, 0.0))) ** 2
    radius: Vector = np.where(inner > 0.0, below, omega - 1.0)
    return radius


def sor_features(omega: Vector) -> NDArray[np.float64]:
    """1 and SOR's iterations, in those of the best arm, for every candidate of Jacobi's radius; (38, K, 2)."""
    radii = np.stack([sor_spectral_radius(omega, jacobi) for jacobi in 1.0 - JACOBI_GAPS])
    iterations = -1.0 / np.log(np.clip(radii, 1e-12, 1.0 - 1e-12))
    # Only ratios matter, and coefficients near one keep the penalty small.
    iterations /= iterations.min(axis=1, keepdims=True)
    return np.stack((np.ones_like(iterations), iterations), axis=2)


def _grams(features: NDArray[np.float64], weights: Vector) -> NDArray[np.float64]:
    """``FᵀWF`` and the penalty for every F of (G, K, p), shape (G, p, p)."""
    weighted = np.empty_like(features)
    # Column by column, since loops over the few coefficients of each arm would take ten times as long.
    for column in range(features.shape[2]):
        np.multiply(features[:, :, column], weights, out=weighted[:, :, column])
    grams: NDArray[np.float64] = weighted.transpose(0, 2, 1) @ features + RIDGE * np.eye(features.shape[2])
    return grams


def _products(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inner products along the last of three axes, column by column as above."""
    products = a[:, :, 0] * b[:, :, 0]
    for column in range(1, a.shape[2]):
        products += a[:, :, column] * b[:, :, column]
    return products


class _Fits(NamedTuple):
    """Fits of the formula at every point of the grid, (G, K), and how well they do, (G,)."""

    level: float
    scales: Vector
    fits: Matrix
    misfits: Vector
    noise: float


class Surrogate(LineLearner):
    r"""Optimism with a cost model of few parameters.

    The cost is modeled by a formula with a few coefficients, fitted by least squares; the arm is played whose cost
    could be lowest for any parameters in their confidence set. Source: C. Liu and Y.-X. Wang, "Global Optimization with
    Parametric Function Approximation", ICML 2023 (GO-UCB); for models that are linear in all parameters it is the
    linear UCB of Y. Abbasi-Yadkori, D. Pál and C. Szepesvári, "Improved Algorithms for Linear Stochastic Bandits",
    NeurIPS 2011.

    Models, over the place u of an arm:

    ``"quadratic"``, the default in more than one dimension
        log-cost = a quadratic polynomial, in any number of coordinates.
    ``"tradeoff"``, the default on a line
        cost = ``a + b exp(g u) + c exp(-h u)``: something grows while something else decays, as setup and iterations do
        with the fill of an incomplete factor, or with a tolerance given by its logarithm.
    ``"sor"``
        cost = ``a + b / -log ρ(u)`` with ρ the spectral radius that Young's theory gives SOR with the relaxation factor
        u in (0, 2), depending on that of Jacobi's iteration.

    The parameters that enter nonlinearly (g, h; Jacobi's radius) are taken from grids. Where GO-UCB collects data at
    random first and then linearizes around its fit, here the confidence set consists of all points of the grid whose
    weighted least squares come close to the best, each with its ellipsoid of coefficients, from the first round on.

    Guarantee: GO-UCB's regret is Õ(sqrt(T)) if the model is right and identifiable, that of the linear UCB with p
    coefficients Õ(p sqrt(T)) with probability 1 - δ, for noise of known deviation. What survives is the construction;
    the deviation is estimated, and the squared radius, for δ = 0.1, scaled by ``exploration``. If the model is wrong,
    regret grows linearly. On the costs of SOR over 60 values of ω, which vary twentyfivefold, 150 rounds cost 1.3 times
    as much as the best arm with ``"sor"``, 1.7 times with ``"tradeoff"`` and 5 times with ``"quadratic"``; 1.4 times
    with :class:`~reiterate.learners.gp_ucb.GPUCB`, which presumes no formula, and 3.8 times with Tsallis-INF.

    The right choice when theory says how the cost depends on the parameter, or when a handful of trials must do. Takes
    O(K) numbers for any number of rounds and O(G K p²) time a choice for p coefficients and G points of the grid.

    What costs have in common when instances become harder and easier together is followed and subtracted. A censored
    cost counts as its expectation given the fit and that it is no less than that.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Kept for the contract's sake; nothing is drawn from it.
    points
        Where arms lie, (K,) or for ``"quadratic"`` (K, d). ``None``: evenly spaced in [0, 1], for ``"sor"`` inside
        (0, 2).
    model
        See above. ``None``: the default.
    exploration
        Factor of the squared radius of the confidence set; positive.
    memory
        Number of costs after which one has faded by the factor e; at least 2. ``None``: never.

    Raises
    ------
    InvalidInput
        An option out of its range; in :meth:`learn`, a cost that is not finite and nonnegative.
    """

    name: ClassVar[str] = "surrogate"

    def __init__(
        self,
        arms: int,
        rng: np.random.Generator,
        *,
        points: ArrayLike | None = None,
        model: Model | None = None,
        exploration: float = 0.2,
        memory: float | None = None,
    ) -> None:
        super().__init__(arms, rng, points)
        if model is None:
            model = "tradeoff" if self._places.shape[1] == 1 else "quadratic"
        self._model: Model = one_of("model", model, get_args(Model))
        self._exploration = positive("exploration", exploration)
        self._memory = fading(memory)
        if points is None and model == "sor":
            self._places = (2.0 * np.arange(1, self._arms + 1) / (self._arms + 1))[:, None]
        self._features = self._make_features()
        self._weights: Vector = np.zeros(self._arms)
        self._means: Vector = np.zeros(self._arms)
        self._scatter = 0.0
        self._fitted: tuple[Vector, float] | None = None
        center = ((unit_box(self._places) - 0.5) ** 2).sum(axis=1)
        self._central_first = center.argsort(kind="stable")

    def _make_features(self) -> NDArray[np.float64]:
        if self._model == "quadratic":
            return quadratic_features(unit_box(self._places))
        if self._places.shape[1] != 1:
            raise InvalidInput("points", f"has shape {self._places.shape}; {self._model!r} needs a line, (K,)")
        if self._model == "tradeoff":
            return tradeoff_features(unit_box(self._places))
        omega = self._places[:, 0]
        if not ((omega > 0) & (omega < 2)).all():
            raise InvalidInput(
                "points", f"{omega.min():g} to {omega.max():g} is not inside (0, 2), where SOR converges"
            )
        return sor_features(omega)

    def predict(self) -> Vector:
        """The log-cost of every arm by the fit, less what is common to all at a time, (K,)."""
        return self._known()[0].copy()

    def choose(self, context: Context | None = None) -> Choice:
        """The arm whose cost could be lowest; the context is carried along, not used."""
        bounds = self._bounds(self._fit())
        arm = int(self._central_first[bounds[self._central_first].argmin()])
        return self._play(arm, context)

    def _known(self) -> tuple[Vector, float]:
        """Log-costs (K,) by the last fit, and the noise variance of one log-cost."""
        if self._fitted is None:
            self._fit()
        assert self._fitted is not None
        return self._fitted

    def _fit(self) -> _Fits:
        """Least squares at every point of the grid."""
        seen = self._weights > 0
        level = float(np.average(self._means, weights=self._weights)) if seen.any() else 0.0
        targets, scales = self._response(level)
        weights = self._weights * scales**2
        points = len(self._features)
        fits, misfits = np.empty((points, self._arms)), np.empty(points)
        for block in self._blocks(np.arange(points)):
            features = self._features[block]
            sides = features.transpose(0, 2, 1) @ (weights * targets)
            coefficients = np.linalg.solve(_grams(features, weights), sides[..., None])
            fits[block] = (features @ coefficients)[..., 0]
            misfits[block] = ((targets - fits[block]) ** 2) @ weights
            misfits[block] += RIDGE * (coefficients[..., 0] ** 2).sum(axis=1)
        best = int(misfits.argmin())
        free = max(float(self._weights.sum()) - self._features.shape[2], 0.0)
        noise = (PRIOR_ROUNDS * USUAL_VARIANCE + float(misfits[best]) + self._scatter) / (PRIOR_ROUNDS + free)
        self._fitted = self._logarithms(fits[best], level), noise
        return _Fits(level, scales, fits, misfits, noise)

    def _bounds(self, fit: _Fits) -> Vector:
        """Lower bounds of the log-costs (K,) once what is due has come."""
        spread = self._exploration * self._radius(float(self._weights.sum())) * fit.noise
        weights = self._weights * fit.scales**2 + self._due * fit.scales**2
        possible = np.flatnonzero(fit.misfits <= fit.misfits.min() + spread)
        lows = np.full(self._arms, np.inf)
        for block in self._blocks(possible):
            features = self._features[block]
            inverses = np.linalg.inv(_grams(features, weights))
            variances = np.maximum(_products(features @ inverses, features), 0.0)
            np.minimum(lows, (fit.fits[block] - np.sqrt(spread * variances)).min(axis=0), out=lows)
        return self._logarithms(lows, fit.level)

    def _blocks(self, points: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
        """Points of the grid in blocks whose features fit into a processor's cache."""
        size = max(BLOCK // self._features[0].size, 1)
        for start in range(0, len(points), size):
            yield points[start : start + size]

    def _radius(self, total: float) -> float:
        """The squared radius of the confidence set, in noise variances: β of the linear UCB without the ridge's."""
        p = int(self._features.shape[2])
        return 2.0 * math.log(1.0 / CONFIDENCE) + p * math.log1p(total / (p * RIDGE))

    def _response(self, level: float) -> tuple[Vector, Vector]:
        """What the formula gives for each arm, and how many noise deviations of a log-cost one unit of it is."""
        if self._model == "quadratic":
            return self._means - level, np.ones(self._arms)
        targets = np.exp(np.clip(self._means - level, -30.0, 30.0))
        return targets, 1.0 / targets

    def _logarithms(self, response: Vector, level: float) -> Vector:
        if self._model == "quadratic":
            return response + level
        return np.log(np.maximum(response, math.exp(-30.0))) + level

    def _expect(self, arm: int) -> tuple[float, float, float]:
        logarithms, noise = self._known()
        return float(logarithms[arm]), noise / (1.0 + float(self._weights[arm])), noise

    def _observe(self, arm: int, value: float) -> None:
        self._fitted = None
        if self._memory is not None:
            self._weights *= 1.0 - 1.0 / self._memory
            self._scatter *= 1.0 - 1.0 / self._memory
        before = self._weights[arm]
        surprise = value - self._means[arm]
        self._weights[arm] += 1.0
        self._means[arm] += surprise / self._weights[arm]
        self._scatter += float(surprise * surprise * before / self._weights[arm])

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        return {
            "learner": self.name,
            "arms": self._arms,
            "model": self._model,
            "exploration": self._exploration,
            "memory": self._memory,
            "generator": pack_generator(self._rng),
            "line": self._line_state(),
            "weights": self._weights.copy(),
            "means": self._means.copy(),
            "scatter": self._scatter,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(
            state["arms"],
            unpack_generator(state["generator"]),
            points=state["line"]["points"],
            model=state["model"],
            exploration=state["exploration"],
            memory=state["memory"],
        )
        learner._restore_line(state["line"])
        learner._weights = array(state["weights"], (learner._arms,))
        learner._means = array(state["means"], (learner._arms,))
        learner._scatter = float(state["scatter"])
        return learner
