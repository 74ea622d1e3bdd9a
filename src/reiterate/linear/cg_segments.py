"""Runs a kernel of conjugate gradients in segments, with what it keeps of the spectrum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from reiterate.contracts import Progress, Stop
from reiterate.linear import team
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.remaining import remaining_as_kept, room_for_coefficients
from reiterate.linear.segments import run_in_segments
from reiterate.linear.work import in_matvecs


def run_cg_in_segments(
    kernel: Callable[..., Any],
    arrays: Sequence[Any],
    scalars: Sequence[float],
    workspace: Sequence[Any],
    finish: Callable[[], Vector],
    instance: LinearInstance,
    stop: Stop,
    *,
    threads: int,
    moved: float,
) -> Progress:
    """Advance until the target, a cap or a breakdown.

    Parameters
    ----------
    kernel
        Called by every thread with ``(*arrays, *scalars, threshold, iterations, *workspace, coefficients, board,
        thread)``; returns the iterations made, the scalars, and a code of :mod:`reiterate.kernels.codes`.
    arrays
        What the kernel takes first: the matrix, and the vectors that it overwrites.
    scalars
        What it takes as it last returned it; ‖r‖² is the first.
    workspace
        How work is cut into parts, where the kernel asks for that, and room for their sums.
    finish
        Gives the iterate, in natural order.
    instance, stop
        What is solved, and the caps.
    threads
        How many at most.
    moved
        Bytes that an iteration moves.
    """
    threshold, coefficients = instance.square_threshold, room_for_coefficients()

    def advance(iterations: int) -> tuple[int, int]:
        nonlocal scalars
        made, *scalars, code = team.call(
            threads, kernel, *arrays, *scalars, threshold, iterations, *workspace, coefficients
        )
        return made, code

    return run_in_segments(
        advance,
        finish,
        stop,
        bytes_per_iteration=moved,
        work=in_matvecs(instance.pattern, moved),
        remaining=lambda: remaining_as_kept(coefficients, scalars[0], threshold),
    )
