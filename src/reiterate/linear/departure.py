"""Iterates on their way out: what was verified in an instance's own scale has to hold in the caller's too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Attempt
from reiterate.errors import NotConverged
from reiterate.linear.instance import LinearInstance


def leave_verified(instance: LinearInstance, y: NDArray[Any], attempts: Sequence[Attempt]) -> NDArray[Any]:
    """A verified iterate in the caller's scale, verified there as well: powers of two may overflow or underflow.

    ``attempts`` are those that led to it, for the error.

    Raises
    ------
    NotConverged
        Double precision cannot hold it; its ``x`` is ``y``, still in the instance's scale.
    """
    x = instance.leave(y)
    if not instance.scaled or (np.isfinite(x).all() and instance.merit(instance.enter(x)) <= instance.target):
        return x
    _, merit = leave_finite(instance, y)
    raise NotConverged(
        "the solution leaves double precision: it was found in another scale, but some of its entries are beyond "
        f"{np.finfo(np.float64).max:.1e}, or too small for their digits to be held. The nearest numbers have "
        f"{merit:.1e}, the target is {instance.target:.1e}; scale A or b so that x is of moderate size",
        x=y,
        merit=merit,
        target=instance.target,
        attempts=attempts,
    )


def leave_best(error: NotConverged, instance: LinearInstance) -> tuple[NDArray[Any], float]:
    """The best iterate on the error, finite and in the caller's scale, and its merit there."""
    x = instance.normalize(error.x)
    return leave_finite(instance, x) if instance.scaled else (x, error.merit)


def leave_finite(instance: LinearInstance, y: NDArray[Any]) -> tuple[NDArray[Any], float]:
    """An iterate in the caller's scale and its merit there; as near as double precision gets, or zero if better."""
    x = np.nan_to_num(instance.leave(y))
    merit = instance.merit(instance.enter(x))
    origin = instance.origin()
    if not merit <= instance.merit(origin):
        return origin, instance.merit(origin)
    return x, merit
