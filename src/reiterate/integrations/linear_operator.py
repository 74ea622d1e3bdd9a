"""A preconditioner that tunes itself, as a SciPy ``LinearOperator`` for Krylov methods of one's own.

>>> import numpy as np, scipy.sparse as sp, reiterate as rt
>>> from scipy.sparse.linalg import cg
>>> A = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(400, 400)).tocsr()
>>> M = rt.integrations.preconditioner(A)
>>> for step in range(5):
...     A = A + 0.01 * sp.eye_array(400)
...     M.update(A)
...     x, info = cg(A, np.ones(400), M=M)

Between two updates M is one constant matrix, as Krylov methods need.
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from reiterate.configuration import Configuration
from reiterate.contracts import Arms, Choice, Learner
from reiterate.engine.rental import Rental
from reiterate.errors import Breakdown, InvalidInput
from reiterate.integrations._preconditioners import apply, configurations_for, families_for, kind_of, warm_up
from reiterate.learners import make_learner
from reiterate.linear.door import Door
from reiterate.linear.forecast import forecast
from reiterate.linear.instance import LinearInstance
from reiterate.linear.preconditioner import Preconditioner
from reiterate.options import generator

_ROUNDS: Final = 8  # that the first preparation is expected to serve, with refreshes


@dataclass(slots=True)
class _State:
    """What one configuration has prepared, and what it has cost."""

    rental: Rental = field(default_factory=Rental)
    preconditioner: Preconditioner | None = None
    prepared_for: int = -1  # the number of the matrix
    preparing: float = 0.0  # seconds, all in all
    applying: float = 0.0
    oldest: int = 0  # matrices that it has served in a row, from the one it was prepared for
    rounds: int = 0
    applications: int = 0
    broken: bool = False


class TunedPreconditioner(LinearOperator):  # type: ignore[misc]
    """M⁻¹, an approximation of the inverse of the matrix that :meth:`update` was given last.

    See :func:`preconditioner`, which makes one.

    Attributes
    ----------
    shape : tuple
        (n, n).
    dtype : numpy.dtype
        float64 or complex128, as the matrix.
    configuration : Configuration or None
        What is applied now; ``None`` until the first application.
    """

    def __init__(
        self,
        A: Any,
        configurations: Sequence[str] | None = None,
        *,
        learner: str = "optimistic",
        seed: int | np.random.Generator | None = 0,
    ) -> None:
        self._door = Door()
        self._number = 0
        self._instance = self._admit(A)
        super().__init__(self._instance.operator.dtype, (self._instance.b.size,) * 2)
        self._spellings, self._learner_name, self._rng = configurations, learner, generator(seed)
        self._begin()
        self._choice: Choice | None = None
        self._arm: int | None = None
        self._begins: list[float] = []  # of the applications of this round, by the clock
        self._applying = 0.0
        self._fresh = False

    @property
    def configuration(self) -> Configuration | None:
        """What is applied now; ``None`` before the first application of a round."""
        return None if self._arm is None else self.configurations[self._arm]

    def update(self, A: Any) -> None:
        """Go on to another matrix of the same size: the round ends, and what it has cost is learnt.

        A prepared state serves the new matrix as it is for as long as its extra iterations are cheaper than renewing
        it. Nothing is computed until M is applied.

        Parameters
        ----------
        A : SciPy sparse matrix or array, or dense array, shape (n, n)
            Not modified; it may be the same again.

        Raises
        ------
        InvalidInput
            A cannot be used, or has another size or type.
        """
        size = np.shape(A)
        if size != self.shape:
            raise InvalidInput("A", f"has shape {size}; this preconditioner is for {self.shape}: make another one")
        instance = self._admit(A)
        if instance.operator.dtype != self.dtype:
            raise InvalidInput("A", f"is of type {instance.operator.dtype}; this preconditioner is for {self.dtype}")
        self.report()
        known, self._instance = self._instance, instance
        if kind_of(instance.traits) != kind_of(known.traits):
            self._begin()

    def report(self, iterations: int | None = None) -> None:
        """A solve is finished; the next one may be preconditioned otherwise. Not needed where :meth:`update` follows.

        Parameters
        ----------
        iterations : int, optional
            What the solve took, where that is another number than M was applied: a method that was restarted, say.
        """
        if iterations is not None and (isinstance(iterations, bool) or not isinstance(iterations, int | np.integer)):
            raise InvalidInput("iterations", f"{iterations!r} is no whole number")
        if iterations is not None and iterations < 0:
            raise InvalidInput("iterations", f"{iterations!r} is negative")
        if self._arm is not None and self._begins:
            self._learn(len(self._begins) if iterations is None else int(iterations))
        self._arm = self._choice = None
        self._begins, self._applying = [], 0.0

    def summary(self) -> str:
        """What was applied, how often, and what it took, as a table."""
        width = max(len(str(configuration)) for configuration in self.configurations)
        lines = [f"{'preconditioner':<{width}}  solves  applications  seconds  of these preparing"]
        for configuration, state in zip(self.configurations, self._states, strict=True):
            if state.rounds or state.broken:
                spent = state.preparing + state.applying
                note = "  (broke down)" if state.broken else ""
                lines.append(
                    f"{configuration!s:<{width}}  {state.rounds:6d}  {state.applications:12d}  {spent:7.3f}  "
                    f"{state.preparing:18.3f}{note}"
                )
        return "\n".join(lines)

    def _matvec(self, r: NDArray[Any]) -> NDArray[Any]:
        """M⁻¹ r for r of shape (n,) or (n, 1)."""
        preconditioner = self._prepared()
        begin = time.perf_counter()
        vector = np.asarray(r).reshape(-1)
        if np.iscomplexobj(vector) and self.dtype.kind != "c":
            z = apply(preconditioner, vector.real) + 1j * apply(preconditioner, vector.imag)
        else:
            z = apply(preconditioner, vector)
        if self._instance.traits.negated:
            z = -z  # the instance has −A for A
        self._begins.append(begin)
        self._applying += time.perf_counter() - begin
        return z

    def _rmatvec(self, r: NDArray[Any]) -> NDArray[Any]:
        """M⁻ᴴ r, where M is Hermitian."""
        if not self._instance.traits.hermitian:
            raise NotImplementedError("A is not Hermitian, and the adjoint of its preconditioner is not to be had")
        return self._matvec(r)

    def _admit(self, A: Any) -> LinearInstance:
        shape = np.shape(A)
        instance = self._door.admit(A, np.ones(shape[0] if shape else 0), None, rtol=1e-8, atol=0.0)
        if not instance.traits.entries:
            raise InvalidInput("A", "is an operator of which only products are known; preconditioners need entries")
        self._number += 1
        return instance

    def _begin(self) -> None:
        """Know nothing yet: of the first matrix, and of one that has lost, or gained, its symmetry."""
        traits = self._instance.traits
        self._families = families_for(traits)
        self.configurations = configurations_for(self._spellings, self._families, traits)
        self._states = [_State() for _ in self.configurations]
        self._learner: Learner = make_learner(self._learner_name, self._known(), self._rng)

    def _known(self) -> Arms:
        """What is known of the configurations before any has been applied: the forecasts of their costs."""
        names = [configuration.method for configuration in self.configurations]
        costs = []
        for configuration in self.configurations:
            krylov = "cg" if self._instance.traits.maybe_definite else "gmres"
            expected = forecast(f"{configuration.method}_{krylov}", configuration.values, self._instance)
            iterations = expected.strength * self._instance.difficulty() ** expected.power
            costs.append(expected.upkeep + expected.iteration * iterations)
        lines = tuple(names.index(name) for name in names)
        points = tuple(tuple(configuration.values.values()) for configuration in self.configurations)
        return Arms(lines, points, tuple(costs))

    def _prepared(self) -> Preconditioner:
        """The preconditioner of this round; the first application chooses and prepares it."""
        if self._arm is None:
            self._choose()
        assert self._arm is not None
        held = self._states[self._arm].preconditioner
        if held is None or held.process not in (None, os.getpid()):
            self._states[self._arm].preconditioner = None  # a fork cannot use it
            self._prepare(self._arm)
            held = self._states[self._arm].preconditioner
        assert held is not None
        return held

    def _choose(self) -> None:
        """The learner's choice, or if that breaks down, whatever can be prepared.

        Raises
        ------
        Breakdown
            Nothing can.
        """
        self._choice = self._learner.choose()
        others = (arm for arm in range(len(self.configurations)) if arm != self._choice.arm)
        reasons = []
        for arm in (self._choice.arm, *others):
            if self._states[arm].broken:
                continue
            try:
                self._prepare(arm)
            except Breakdown as error:
                self._states[arm].broken = True
                self._states[arm].preconditioner = None
                reasons.append(f"{self.configurations[arm]}: {error}")
                continue
            self._arm = arm
            return
        raise Breakdown(f"no preconditioner can be built: {'; '.join(reasons) or 'all broke down before'}")

    def _prepare(self, arm: int) -> None:
        """Have a preconditioner for the matrix at hand: an older one where that still pays, else a new one."""
        state, configuration = self._states[arm], self.configurations[arm]
        held = state.preconditioner
        if held is not None and held.size != self.shape[0]:
            held = None  # a refresh that was interrupted has spoilt it
        self._fresh = held is not None and state.prepared_for == self._number
        age = self._number - state.prepared_for
        # One that has not been used for long would tell how it has aged by a solve that takes many times as long.
        untried = age > 2 * (state.oldest + 1)
        if held is not None and (self._fresh or not (state.rental.due or untried)):
            state.oldest = max(state.oldest, age)
            return
        family = self._families[configuration.method]
        warm_up(family, configuration, self._instance.traits)
        begin = time.perf_counter()
        state.preconditioner = family.build(self._instance, configuration.values, held)
        seconds = time.perf_counter() - begin
        state.prepared_for, self._fresh = self._number, True
        state.rental.renewed(seconds, estimated=held is None)
        state.preparing += seconds

    def _learn(self, iterations: int) -> None:
        """Tell the learner and the rental what the round has cost."""
        assert self._arm is not None
        state = self._states[self._arm]
        gaps = [later - earlier for earlier, later in itertools.pairwise(self._begins)]
        one = statistics.median(gaps) if gaps else self._applying
        state.rounds += 1
        state.applications += len(self._begins)
        state.applying += self._applying
        state.rental.used(iterations, iterations * one, fresh=self._fresh)
        if self._choice is not None and self._choice.arm == self._arm:
            cost = iterations * one + state.preparing / max(state.rounds, _ROUNDS)
            self._learner.learn(self._choice, cost)


def preconditioner(
    A: Any,
    configurations: Sequence[str] | None = None,
    *,
    learner: str = "optimistic",
    seed: int | np.random.Generator | None = 0,
) -> TunedPreconditioner:
    """A preconditioner for A and for the matrices that come after it, to be passed as ``M`` to a Krylov method.

    What is applied is chosen anew whenever :meth:`~TunedPreconditioner.update` or
    :meth:`~TunedPreconditioner.report` says that a solve is over. A solve costs its applications, which are
    counted, times the median time from one to the next, and its share of the preparations. A learner that begins with
    forecasts makes the sum of these costs small. Unlike :class:`~reiterate.Solver`, which iterates itself, it cannot
    stop a bad choice within a solve: the first few solves may be slower than those of the best preconditioner.

    Where A is symmetric or Hermitian, every M is positive definite, as CG and MINRES need. Other M are for GMRES,
    BiCGStab and the like.

    Parameters
    ----------
    A : SciPy sparse matrix or array, or dense array, shape (n, n)
        Not modified.
    configurations : sequence of str, optional
        What to choose from, of ``jacobi``, ``ic``, ``ict``, ``amg``, ``factor`` for symmetric A and of ``jacobi``,
        ``ssor``, ``ilu``, ``ilut``, ``amg``, ``factor`` for others: ``"ict(tau=0.01)"`` is one, ``"ict"`` the grid of
        its parameters. Default: what may pay for a matrix of that kind and size.
    learner : str
        A key of :data:`reiterate.learners.LEARNERS`.
    seed : int, numpy.random.Generator or None
        The source of its randomness.

    Returns
    -------
    TunedPreconditioner

    Raises
    ------
    InvalidInput
        An argument cannot be used.
    """
    return TunedPreconditioner(A, configurations, learner=learner, seed=seed)
