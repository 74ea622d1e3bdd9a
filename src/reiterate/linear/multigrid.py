"""Algebraic multigrid as a family of preconditioners: smoothed aggregation, and classical."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import scipy.sparse as sp

from reiterate.configuration import Parameter, ParameterSpace
from reiterate.contracts import Values
from reiterate.linear.coarsening import (
    LevelPattern,
    Transfer,
    aggregate_unknowns,
    split_points,
)
from reiterate.linear.door import Door
from reiterate.linear.hierarchy import MultigridPreconditioner
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.preconditioner import Family, Preconditioner
from reiterate.linear.traits import LinearTraits

SWEEPS = Parameter("sweeps", 0, 9, 1, search=(1, 2), points=2, integer=True)
"""Gauss-Seidel sweeps on the way down, and as many on the way up."""

BITS = Parameter("bits", 31, 65, 64, search=(32, 64), points=2, integer=True)
"""Precision in which the hierarchy is stored: 32 or 64."""


class _Multigrid(Family):
    """What both families share: when they apply, and how numbers are refreshed."""

    requires = "a real symmetric positive definite matrix"
    definite = True
    variants = ({}, {"bits": 32})

    def accepts(self, traits: LinearTraits) -> bool:
        """Real, symmetric, positive diagonal, and nothing seen that speaks against definiteness."""
        return traits.maybe_definite and not traits.complex

    def build(self, instance: LinearInstance, values: Values, previous: Preconditioner | None = None) -> Preconditioner:
        """Build the hierarchy, or recompute its numbers where ``previous`` has the same pattern.

        A refresh keeps the coarse unknowns and all patterns, and recomputes prolongators and Galerkin products. These
        are about w nnz(A) (w + 3) / 4 sums, with w = nnz(P)/n, which is 2 to 5; a build costs about three
        times as much as a refresh. The first refresh also lays down where every sum goes, which takes half as long as a
        build, and two bytes a sum. An application moves (bits/8 + 4) (2 nnz(A) + 2 nnz(P)) bytes and 10 to 16 vectors,
        over all levels, each of which has an eighth (classical: first a half) of the unknowns of the finer one on a
        grid in space.

        Raises
        ------
        Breakdown
            A diagonal entry or a pivot of a coarse matrix is negative, or numbers overflow.
        """
        if isinstance(previous, MultigridPreconditioner) and previous.pattern is instance.pattern:
            previous.refresh(instance.data)
            return previous
        theta = values["theta"]

        def coarsen(level: LevelPattern, data: Vector, scale: Vector, above: Transfer | None) -> Transfer | None:
            return self._coarsen(level, data, scale, theta, above)

        storage = np.float32 if values["bits"] < 48 else np.float64
        return MultigridPreconditioner(
            instance.pattern, instance.data, coarsen, sweeps=int(values["sweeps"]), storage=storage
        )

    def warm_up(self) -> None:
        """Build, refresh and apply two small hierarchies, so that kernels are compiled and PyAMG is imported."""
        size = 600
        A = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(size, size)).tocsr()
        instance = Door().admit(A, np.ones(size), None, rtol=1e-8, atol=0.0)
        for bits in (32, 64):
            values = {p.name: p.default for p in self.parameters} | {"bits": bits}
            preconditioner = self.build(instance, values, self.build(instance, values))
            preconditioner.apply(instance.b, np.empty(size))

    @abstractmethod
    def _coarsen(
        self, level: LevelPattern, data: Vector, scale: Vector, theta: float, above: Transfer | None
    ) -> Transfer | None:
        """The next coarser level, ``None`` where there is none."""


class SmoothedAggregationMultigrid(_Multigrid):
    """one V-cycle of smoothed aggregation multigrid (Vaněk, Mandel and Brezina 1996).

    Parameters: ``theta``, below which |a_ij| / √(a_ii a_jj) counts as weak (halved from level to level); ``sweeps``;
    ``bits``. For elliptic problems the number of iterations hardly depends on n. The near-nullspace vector is constant,
    or D^(-1/2) where that suits A better. Aggregates are PyAMG's. Equivalent:
    ``pyamg.smoothed_aggregation_solver(A).aspreconditioner()``.
    """

    name = "amg"
    parameters = ParameterSpace(
        (Parameter("theta", 0.0, 1.0, 0.02, search=(0.001, 0.05), points=2, scale="log"), SWEEPS, BITS)
    )

    def _coarsen(
        self, level: LevelPattern, data: Vector, scale: Vector, theta: float, above: Transfer | None
    ) -> Transfer | None:
        return aggregate_unknowns(level, data, scale, theta * 0.5**level.depth, above)


class ClassicalMultigrid(_Multigrid):
    """one V-cycle of classical multigrid (Ruge and Stüben 1987) with direct interpolation.

    Parameters: ``theta``, the part of a row's largest off-diagonal modulus from which an entry counts as strong;
    ``sweeps``; ``bits``. Best for M-matrices. The splitting is PyAMG's. Equivalent:
    ``pyamg.ruge_stuben_solver(A, interpolation="direct").aspreconditioner()``.
    """

    name = "classical_amg"
    parameters = ParameterSpace((Parameter("theta", 0.0, 1.0, 0.25, search=(0.25, 0.5), points=2), SWEEPS, BITS))

    def _coarsen(
        self, level: LevelPattern, data: Vector, scale: Vector, theta: float, above: Transfer | None
    ) -> Transfer | None:
        return split_points(level, data, scale, theta, above)
