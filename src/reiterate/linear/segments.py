"""Runs a resumable kernel in segments of a few milliseconds, so that clocks and Ctrl-C are heeded.

Compiled code cannot be interrupted and does not look at the clock. Cutting a run into calls costs a few
microseconds each and changes no bit of the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from reiterate.contracts import Progress, Status, Stop
from reiterate.kernels import codes
from reiterate.linear.instance import Vector

_SEGMENT_BYTES = 4e8
_BYTES_A_SECOND = 4e10
_FEWEST_LOOKS = 0.1  # of the time allowed, after which the clock is read
_FEWEST_BYTES = 1e6  # between two looks at the clock

_REASONS = {
    codes.NOT_DEFINITE: "a direction of zero or negative curvature: A is not positive definite",
    codes.NOT_FINITE: "overflow or NaN",
    codes.DIVERGED: "the residual grows without bound",
    codes.PRECONDITIONER_NOT_DEFINITE: "the preconditioner is not positive definite",
    codes.VANISHING_PRODUCT: "breakdown: the product of two vectors without conjugation vanishes, though neither does",
    codes.STAGNATED: "stagnation: an inner product has vanished, or the residual no longer falls",
}


def run_in_segments(
    advance: Callable[[int], tuple[int, int]],
    finish: Callable[[], Vector],
    stop: Stop,
    *,
    bytes_per_iteration: float,
    work: float,
    remaining: Callable[[], float | None] | None = None,
) -> Progress:
    """Advance until the target, a cap or a breakdown.

    Parameters
    ----------
    advance
        Makes up to so many iterations; returns how many, and a code of :mod:`reiterate.kernels.codes`.
    finish
        Gives the iterate, in natural order.
    stop
        Its caps; the target is known to ``advance``.
    bytes_per_iteration
        Memory traffic, from which the length of a segment follows.
    work
        Work of one iteration.
    remaining
        How many more iterations it would have needed; asked for where a cap stops it.
    """
    begin = time.perf_counter()
    segment = max(1, int(_SEGMENT_BYTES / bytes_per_iteration))
    if stop.max_seconds is not None:
        moved = min(max(_FEWEST_LOOKS * stop.max_seconds * _BYTES_A_SECOND, _FEWEST_BYTES), _SEGMENT_BYTES / 8.0)
        segment = max(1, int(moved / bytes_per_iteration))
    done = 0
    code = codes.RUNNING
    while code == codes.RUNNING and done < stop.max_iterations:
        made, code = advance(min(segment, stop.max_iterations - done))
        done += made
        if code == codes.RUNNING and stop.max_seconds is not None and time.perf_counter() - begin > stop.max_seconds:
            return _stopped(finish(), Status.TIME_CAP, done, work, remaining)
    if code == codes.CONVERGED:
        return Progress(finish(), Status.CONVERGED, done, done * work)
    if code == codes.RUNNING:
        return _stopped(finish(), Status.ITERATION_CAP, done, work, remaining)
    revealed = {"definite": False} if code == codes.NOT_DEFINITE else {}
    return Progress(finish(), Status.BREAKDOWN, done, done * work, _REASONS[code], revealed)


def _stopped(
    x: Vector, status: Status, iterations: int, work: float, remaining: Callable[[], float | None] | None
) -> Progress:
    left = None if remaining is None else remaining()
    return Progress(x, status, iterations, iterations * work, remaining=left)
