"""GP-UCB: a Gaussian process over the places of the arms, and the arm of the lowest confidence bound."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from reiterate.contracts import Choice, Context
from reiterate.errors import InvalidInput
from reiterate.learners._finite import Vector, count, fading, positive
from reiterate.learners._gaussian import Kernel, Pool, likeliest_kernel, posterior, usual_kernel
from reiterate.learners._line import LineLearner, unit_box
from reiterate.learners._state import check_state, pack_generator, unpack_generator

CONFIDENCE = 0.1
"""δ in the theorem: the probability that its bound may fail."""

FIRST_FIT = 4
FIT_GROWTH = 1.25
"""The kernel is fitted after so many costs, and whenever their number has grown by this factor since."""


class GPUCB(LineLearner):
    r"""Lower confidence bounds of a Gaussian process on log-costs over a line or a box.

    Log-costs are modeled as a constant plus a Gaussian process with the Matérn-5/2 kernel over the places of the arms;
    the arm with the lowest ``mean - sqrt(exploration β_t) deviation`` is played, ``β_t = 2 log(K t² π² / (6 δ))`` with
    δ = 0.1. Source: N. Srinivas, A. Krause, S. Kakade and M. Seeger, "Gaussian Process Optimization in the Bandit
    Setting: No Regret and Experimental Design", ICML 2010, for costs instead of rewards.

    Guarantee (their Theorem 1): if the log-costs' means are a sample of the process, the kernel and the normal noise
    are known, and ``exploration`` is 1, then with probability 1 - δ the regret, the sum of differences in log-cost,
    stays below ``sqrt(8 / log(1 + σ⁻²) T β_T γ_T)`` for all T (variance 1, noise variance σ²), where ``γ_T`` is the
    largest information gain; in d dimensions it grows like ``T^(d (d + 1) / (5 + d (d + 1))) log T`` for this kernel.
    ``exploration = 0.2`` is what the authors used in their experiments. With an estimated constant, kernel and common
    level, and beyond ``inducing`` places, it is no theorem.

    - Kernel: length scale and noise are taken from a grid of 20, by maximum likelihood with a weak prior, whenever the
      number of costs has grown by a quarter; the variance has a closed form.
    - Memory: costs of one arm are pooled, which loses nothing. Beyond ``inducing`` places the two are merged that
      matter least: see :class:`~reiterate.learners._gaussian.Pool`.
    - Late feedback: choices whose feedback is due narrow the deviations, so that others are made in the meantime
      (Desautels, Krause and Burdick, "Parallelizing Exploration-Exploitation Tradeoffs in Gaussian Process Bandit
      Optimization", JMLR 2014).
    - Drift: with ``memory``, an observation's weight falls by ``1 - 1/memory`` with every cost that comes, as in
      Y. Deng et al., "Weighted Gaussian Process Bandits for Non-stationary Environments", AISTATS 2022.
    - What costs have in common when instances become harder and easier together is followed and subtracted: see
      :class:`~reiterate.learners._line.CommonLevel`.
    - A censored cost counts as its expectation, given the posterior at its arm and that it is no less than that.

    The right choice when one to three continuous parameters are on a fine grid, where trying every arm once would take
    too long, and the cost is smooth in them but of unknown shape. With m places, at most ``inducing``, it takes
    O(m + K) numbers and O(m³ + K m²) time a round: 80 µs for 20 arms and 120 µs for 100 when measured.

    Parameters
    ----------
    arms
        Number of arms K.
    rng
        Kept for the contract's sake; nothing is drawn from it.
    points
        Where arms lie, (K,) or (K, d), in any unit: each coordinate is stretched to [0, 1]. ``None``: evenly spaced.
    inducing
        Largest number of places that observations are kept at, at least 2.
    exploration
        Factor of ``β_t``; positive.
    memory
        Number of costs after which one has faded by the factor e; at least 2. ``None``: never.
    kernel
        ``(scale, length, noise)``: standard deviation of log-costs' means, length scale in sides of the unit box, and
        standard deviation of the noise. ``None``: learn them.

    Raises
    ------
    InvalidInput
        An option out of its range; in :meth:`learn`, a cost that is not finite and nonnegative.
    """

    name: ClassVar[str] = "gp_ucb"

    def __init__(
        self,
        arms: int,
        rng: np.random.Generator,
        *,
        points: ArrayLike | None = None,
        inducing: int = 48,
        exploration: float = 0.2,
        memory: float | None = None,
        kernel: Sequence[float] | None = None,
    ) -> None:
        super().__init__(arms, rng, points)
        self._box = unit_box(self._places)
        self._inducing = count("inducing", inducing)
        if self._inducing < 2:
            raise InvalidInput("inducing", f"{inducing!r} is less than 2; places are merged in pairs")
        self._exploration = positive("exploration", exploration)
        self._memory = fading(memory)
        self._given = None if kernel is None else _checked_kernel(kernel)
        self._kernel = usual_kernel(self._box.shape[1]) if self._given is None else _known_kernel(self._given)
        self._pool = Pool(self._inducing, self._box.shape[1])
        self._next_fit = FIRST_FIT
        center = ((self._box - 0.5) ** 2).sum(axis=1)
        self._central_first = center.argsort(kind="stable")

    def predict(self) -> tuple[Vector, Vector]:
        """Means of the log-costs of all arms, and their standard deviations once what is due has come, each (K,).

        The means are those of log-costs less what is common to all at a time.
        """
        return posterior(self._pool, self._kernel, self._box, self._due)

    def choose(self, context: Context | None = None) -> Choice:
        """The arm with the lowest confidence bound; the context is carried along, not used."""
        return self._play(self._most_promising()[0], context)

    def _most_promising(self) -> tuple[int, float]:
        """The arm with the lowest confidence bound, the most central of equals, and its standard deviation."""
        means, deviations = self.predict()
        t = self._rounds + 1
        beta = 2.0 * math.log(self._arms * t * t * math.pi**2 / (6.0 * CONFIDENCE))
        bounds = means - math.sqrt(self._exploration * beta) * deviations
        arm = int(self._central_first[bounds[self._central_first].argmin()])
        return arm, float(deviations[arm])

    def _expect(self, arm: int) -> tuple[float, float, float]:
        mean, deviation = posterior(self._pool, self._kernel, self._box[arm][None], np.zeros(1))
        return float(mean[0]), float(deviation[0]) ** 2, self._kernel.ratio * self._kernel.variance

    def _observe(self, arm: int, value: float) -> None:
        if self._memory is not None:
            self._pool.fade(1.0 - 1.0 / self._memory)
        self._pool.add(self._box[arm], value)
        if self._given is None and self._rounds >= self._next_fit:
            self._kernel = likeliest_kernel(self._pool)
            self._next_fit = math.ceil(FIT_GROWTH * self._rounds)

    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state."""
        kernel = self._kernel
        return {
            "learner": self.name,
            "arms": self._arms,
            "inducing": self._inducing,
            "exploration": self._exploration,
            "memory": self._memory,
            "given": None if self._given is None else list(self._given),
            "generator": pack_generator(self._rng),
            "line": self._line_state(),
            "pool": self._pool.state_dict(),
            "kernel": [kernel.variance, kernel.length, kernel.ratio],
            "next_fit": self._next_fit,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described."""
        check_state(state, cls.name)
        learner = cls(
            state["arms"],
            unpack_generator(state["generator"]),
            points=state["line"]["points"],
            inducing=state["inducing"],
            exploration=state["exploration"],
            memory=state["memory"],
            kernel=state["given"],
        )
        learner._restore_line(state["line"])
        learner._pool = Pool.from_state_dict(state["pool"], learner._inducing, learner._box.shape[1])
        learner._kernel = Kernel(*(float(number) for number in state["kernel"]))
        learner._next_fit = int(state["next_fit"])
        return learner


def _checked_kernel(kernel: Sequence[float]) -> tuple[float, float, float]:
    try:
        scale, length, noise = (positive("kernel", number) for number in kernel)
    except (TypeError, ValueError):
        raise InvalidInput("kernel", f"{kernel!r} is not (scale, length, noise)") from None
    return scale, length, noise


def _known_kernel(given: tuple[float, float, float]) -> Kernel:
    scale, length, noise = given
    return Kernel(scale * scale, length, (noise / scale) ** 2)
