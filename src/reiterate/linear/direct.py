"""Direct methods: factor, solve, refine; the fallback that makes "right or loud" possible."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.configuration import ParameterSpace
from reiterate.contracts import Prepared, Progress, Status, Stop, Values
from reiterate.linear.block import Block, BlockInstance
from reiterate.linear.block_refinement import refine_block
from reiterate.linear.direct_factor import DirectFactor, FactorPreconditioner
from reiterate.linear.factor_engines import ENGINES, factorize_by_what_works
from reiterate.linear.factors import Factor, factorize
from reiterate.linear.instance import LinearInstance
from reiterate.linear.krylov import KrylovState, prepared_with
from reiterate.linear.method import LinearMethod
from reiterate.linear.traits import LinearTraits
from reiterate.linear.vectors import norm
from reiterate.linear.work import in_matvecs

_PATIENCE = 5  # steps before the rate is judged


class _DirectMethod(LinearMethod):
    """Refinement with a factor; a subclass says which.

    The prepared state is that of the Krylov methods which take a factor as their preconditioner.

    Parameters
    ----------
    memory_limit : int, optional
        Bytes that a factorization may take, by an estimate made before it; the ``memory_limit`` of an instance comes
        first. Default: half of the machine's memory.
    """

    parameters = ParameterSpace()
    requires = "factors that fit into memory"
    compiled = False

    def __init__(self, memory_limit: int | None = None) -> None:
        self.memory_limit = memory_limit

    def accepts(self, traits: LinearTraits) -> bool:
        """Any matrix with entries; what does not fit into memory is found out by its estimate."""
        return traits.entries

    @abstractmethod
    def factorize(self, instance: LinearInstance, previous: Factor | None) -> Factor:
        """Factors of the instance's matrix."""

    def prepare(self, instance: LinearInstance, values: Values, previous: Prepared | None = None) -> Prepared:
        """Factor A; for a known pattern without symbolic work, for known numbers not at all."""
        state = None if previous is None else previous.state
        factor = self.factorize(instance, None if state is None else _factor(state))
        return prepared_with(FactorPreconditioner(factor), instance, state)

    def rebuild(self, instance: LinearInstance, values: Values, previous: Prepared) -> Prepared:
        """Factor A as if it were the first; what Krylov methods recycle stays."""
        return prepared_with(FactorPreconditioner(self.factorize(instance, None)), instance, previous.state)

    def serves(self, prepared: Prepared, instance: LinearInstance) -> bool:
        """A factor of an earlier instance refines too, the faster the nearer its matrix is."""
        return _factor(prepared.state).serves(instance)

    def iterate(
        self, prepared: Prepared, instance: LinearInstance, values: Values, x: NDArray[Any], stop: Stop
    ) -> Progress:
        """Refine ``x``, shape (n,), until the target is met or a step no longer helps."""
        factor = _factor(prepared.state)
        with np.errstate(over="ignore", invalid="ignore"):
            progress = _refine(factor, instance, x.astype(instance.b.dtype, copy=False), stop)
        progress.work = progress.iterations * in_matvecs(instance.pattern, factor.traffic)
        return _revealing(progress, factor, instance)

    def iterate_block(
        self, prepared: Prepared, instance: BlockInstance, values: Values, x: Block, stop: Stop
    ) -> Progress:
        """Refine all columns of ``x``, shape (n, k), at once."""
        factor = _factor(prepared.state)
        with np.errstate(over="ignore", invalid="ignore"):
            progress = refine_block(factor, instance, x, stop)
        if progress.status is Status.BREAKDOWN:
            progress.reason = progress.reason or _reason(factor)
        return _revealing(progress, factor, instance)


class Direct(_DirectMethod):
    """``direct``: triangular factors and iterative refinement, by the first engine whose factors stand a check.

    The engines are rslab, Pardiso where installed, and SuperLU: see the methods of those names. Takes any nonsingular
    matrix whose factors are estimated to fit into memory. One "iteration" is one solve with the factors.
    Source of the guarantee: with refinement the solution is componentwise backward stable (Skeel 1980); with factors M
    of an earlier instance the error falls by ‖I − M⁻¹A‖ a step. Cost model: 12 nnz(L + U)²/n bytes for the
    factorization, 12 nnz(L + U) a solve. Equivalent: ``scipy.sparse.linalg.splu(A).solve(b)``.
    """

    name = "direct"
    state_name = DirectFactor().state_name

    def factorize(self, instance: LinearInstance, previous: Factor | None) -> Factor:
        """By the first engine that works."""
        return factorize_by_what_works(instance, previous, self.memory_limit)


class DirectBy(_DirectMethod):
    """A direct method by one engine, for those who know which they want; else as :class:`Direct`."""

    def __init__(self, name: str, memory_limit: int | None = None) -> None:
        super().__init__(memory_limit)
        self.name = name
        self.engine = ENGINES[name]
        self.definite_only = name == "cholmod"
        if self.definite_only:
            self.requires = "a real symmetric positive definite matrix"
        self.__doc__ = f"``{name}``: triangular factors and iterative refinement. {self.engine.__doc__}"

    def accepts(self, traits: LinearTraits) -> bool:
        """What the engine can factor."""
        return traits.maybe_definite and not traits.complex if self.definite_only else super().accepts(traits)

    def factorize(self, instance: LinearInstance, previous: Factor | None) -> Factor:
        """By the engine of this name."""
        return factorize(instance, self.engine, previous, self.memory_limit)


def _factor(state: KrylovState) -> Factor:
    preconditioner = state.preconditioner
    assert isinstance(preconditioner, FactorPreconditioner)
    return preconditioner.factor


def _refine(factor: Factor, instance: LinearInstance, x: NDArray[Any], stop: Stop) -> Progress:
    """Repeat x ← x + M⁻¹(b − A x) for as long as that pays."""
    begin = time.perf_counter()
    best, done = x, 0
    residual, _ = instance.residual(x, np.empty_like(instance.b))
    size, target = norm(residual), instance.target * instance.norm_b
    if not size <= target and not size <= norm(instance.b):
        # A guess that is worse than none would cost steps, each of which gains 16 digits at most.
        best, residual, size = instance.origin(), instance.b.copy(), norm(instance.b)
    first, next_residual = size, np.empty_like(residual)
    while size > target:
        if done >= stop.max_iterations:
            return Progress(best, Status.ITERATION_CAP, done, 0.0)
        if stop.max_seconds is not None and done and time.perf_counter() - begin > stop.max_seconds:
            return Progress(best, Status.TIME_CAP, done, 0.0)
        candidate = best + factor.solve(residual)
        done += 1
        instance.operator.residual(candidate, instance.b, next_residual)
        next_size = norm(next_residual)
        if not math.isfinite(next_size):
            return Progress(best, Status.BREAKDOWN, done, 0.0, "overflow or NaN: the factors are numerically singular")
        if next_size >= size or (done > _PATIENCE and next_size > first * 0.5**done):
            better = candidate if next_size < size else best
            return Progress(better, Status.BREAKDOWN, done, 0.0, _reason(factor))
        best, residual, next_residual, size = candidate, next_residual, residual, next_size
    return Progress(best, Status.CONVERGED, done, 0.0)


def _revealing(progress: Progress, factor: Factor, instance: LinearInstance) -> Progress:
    """With what the inertia of the factors proves."""
    traits = instance.traits
    if traits.maybe_definite and factor.indefinite and _proves(factor, instance):
        progress.revealed = {"definite": False}
    elif traits.maybe_definite and traits.presumed_indefinite and factor.definite and _proves(factor, instance):
        progress.revealed = {"definite": True, "presumed_indefinite": False}
    return progress


def _proves(factor: Factor, instance: LinearInstance) -> bool:
    """Whether the definiteness of what was factored is that of A: semidefiniteness where A has a known null space.

    With k pins that are the same rows as columns, B = A + P is factored, P positive semidefinite of rank k because the
    diagonal is positive (:meth:`~reiterate.linear.instance.LinearInstance.pinned`). If A is semidefinite, so is B. If B
    is definite, n − k eigenvalues of A at least are positive (Weyl), and the other k are those of the null space.
    """
    pinned = instance.pinned()
    return pinned.traits.hermitian and factor.holds(pinned)


def _reason(factor: Factor) -> str:
    if factor.condition * np.finfo(np.float64).eps > 1e-3 or factor.perturbed:
        return (
            "iterative refinement has reached its limit: the matrix is singular to working precision "
            f"(condition number at least {factor.condition:.1g})"
        )
    return "iterative refinement has reached its limit"
