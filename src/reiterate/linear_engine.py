"""The engine that linear systems are given to: it plays the portfolio, and what stands in while kernels are missing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np

from reiterate.contracts import Instance, LearnerFactory, Method
from reiterate.engine import Engine
from reiterate.engine.cost import CostUnit
from reiterate.engine.policy import Policy
from reiterate.linear import elementary
from reiterate.linear.background import background
from reiterate.linear.block import ColumnByColumn
from reiterate.linear.portfolio import (
    DEFAULT,
    DEFAULT_FOR_ITERATIONS,
    METHODS,
    configuration,
    configurations,
    lines,
    suits,
)
from reiterate.linear.uncompiled import SUBSTITUTES, UNCOMPILED
from reiterate.options import generator, policy_or_learner


def linear_engine(
    methods: Sequence[str] | None,
    learner: str | LearnerFactory,
    fallback: str | None,
    seed: int | np.random.Generator | None,
    *,
    cost: CostUnit,
    max_iterations: int,
    max_seconds: float | None,
    patience: float | None,
    memory_limit: float | None,
    reuse: Collection[str],
    recall: Callable[[Policy, Instance], None] | None,
) -> Engine:
    """The engine of one :class:`~reiterate.solver.Solver`, which explains the options.

    ``reuse`` has the names of the mechanisms that are on; ``recall`` is shown every new policy.

    Raises
    ------
    InvalidInput
        An option cannot be used.
    """
    # What was named, or counted, or drawn by a learner, must not depend on when kernels are ready.
    waits = methods is None and learner == "auto" and cost == "time"
    if waits:
        background().begin()
    else:
        elementary.insist()
    default = DEFAULT_FOR_ITERATIONS if cost == "iterations" else DEFAULT
    return Engine(
        {name: ColumnByColumn(method) for name, method in players().items()},
        configurations(named := default if methods is None else methods),
        [configuration(fallback)] if fallback is not None else [],
        policy_or_learner(learner, cost),
        generator(seed),
        cost=cost,
        max_iterations=max_iterations,
        max_seconds=max_seconds,
        patience=patience,
        memory_limit=memory_limit,
        suits=suits if methods is None and cost != "iterations" else None,
        substitutes=SUBSTITUTES,
        missing=background().missing if waits else None,
        ages="ageing" in reuse,
        refreshes="refresh" in reuse,
        recall=recall,
        refines=lines(named),
    )


def players() -> dict[str, Method]:
    """Every method that may play, by its name; those that were added to the portfolio, too."""
    return {**METHODS, **UNCOMPILED}
