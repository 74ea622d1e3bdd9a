"""Solves the last and the hardest system of a stream once more, slowly, to see how they converged.

Solves themselves record nothing: histories cost nothing until somebody asks for them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reiterate.configuration import Configuration
from reiterate.contracts import Attempt, Method, Record, Status, Stop
from reiterate.errors import Breakdown
from reiterate.linear.elementary import fingerprint
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.spectrum import Spectrum, spectra
from reiterate.linear.vectors import norm

_LARGEST = 32_000_000  # bytes of a system that is kept
_HARDER = 1.1  # times the work of the hardest so far, or copying would never end where work rises slowly
_POINTS = 48
_FEWEST_POINTS = 4
_LONGER = 1.6  # times the iterations that were needed then: the state may have been a better one
_MOST_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Stretch:
    """One configuration's part of a solve.

    Attributes
    ----------
    configuration
    iterations : int array of shape (m,)
        Since the beginning of the solve.
    residuals : array of shape (m,)
        ‖b − A x‖ / ‖b‖ after them.
    """

    configuration: Configuration
    iterations: NDArray[np.int64]
    residuals: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trace:
    """How one solve converged when it was made again, with states prepared for it alone.

    Attributes
    ----------
    record : Record
        Of the solve itself.
    stretches : list of Stretch
        Empty where it could not be made again.
    spectra : list of Spectrum
        Ritz values seen on the way.
    remark : str
        Why there is nothing to see; empty otherwise.
    """

    record: Record
    stretches: list[Stretch]
    spectra: list[Spectrum]
    remark: str = ""


@dataclass(frozen=True, slots=True)
class _Kept:
    instance: LinearInstance
    start: Vector
    record: Record


class KeptSystems:
    """The last system of a stream, as the caller's arrays hold it, and a copy of the hardest.

    The hardest is the one that iterating took the most work on, or that was not solved at all. The first solve is a
    race and does not count. Systems of more than 32 MB are not kept.
    """

    def __init__(self) -> None:
        self._last: _Kept | None = None
        self._hardest: _Kept | None = None
        self._work = 0.0

    def solved(self, instance: LinearInstance, start: Vector, record: Record) -> None:
        """Take in a solve that began at ``start``, shape (n,), which is not modified from now on."""
        if instance.data.nbytes + 3 * instance.b.nbytes > _LARGEST or instance.A is None or not instance.data.size:
            self._last = None
            return
        self._last = _Kept(instance, start, record)
        work = record.work
        if work <= self._work:
            return
        work = math.inf if not record.merit <= record.target else _work(record)
        first = self._hardest is not None and self._hardest.record.index == 0
        if work > _HARDER * self._work or first:
            self._hardest = _Kept(instance.detached(), start.copy(), record)
            self._work = work if record.index else 0.0

    def forget_last(self) -> None:
        """The last system was of a kind that is not kept."""
        self._last = None

    @property
    def memory(self) -> int:
        """Bytes that the copy holds."""
        kept = self._hardest
        return 0 if kept is None else kept.instance.data.nbytes + 2 * kept.instance.b.nbytes

    def traces(self, methods: Mapping[str, Method], seconds: float) -> tuple[Trace | None, Trace | None]:
        """Of the last and of the hardest solve; each is given so many seconds.

        ``None`` for a system that was not kept or is the same as the other.
        """
        last, hardest = self._last, self._hardest
        first = second = None
        if last is not None:
            if _intact(last.instance):
                first = replay(last.instance.detached(), last.start, last.record, methods, seconds)
            else:
                remark = "The program has overwritten the matrix or the right-hand side since it was solved."
                first = Trace(last.record, [], [], remark)
        if hardest is not None and (last is None or hardest.record.index != last.record.index):
            missing = first is None or not first.spectra
            own = hardest.instance.detached()
            second = replay(own, hardest.start, hardest.record, methods, seconds, spectral=missing)
        return first, second


def replay(
    instance: LinearInstance,
    start: Vector,
    record: Record,
    methods: Mapping[str, Method],
    seconds: float,
    *,
    spectral: bool = True,
) -> Trace:
    """Make the attempts of a solve again, with stops at rising numbers of iterations.

    Parameters
    ----------
    instance
        Detached from the stream.
    start : array of shape (n,)
    record
        What was done with it.
    methods
        By name.
    seconds
        About what this may take.
    spectral
        Whether Ritz values are wanted, too.
    """
    stretches: list[Stretch] = []
    found: list[Spectrum] = []
    attempts = [attempt for attempt in record.attempts if attempt.iterations][:_MOST_ATTEMPTS]
    x, before = start, 0
    try:
        for attempt in attempts:
            repeated = _repeat(instance, x, attempt, methods[attempt.configuration.method], before, seconds)
            if repeated is None:
                return Trace(record, stretches, found, "It took too long to be made again for a picture.")
            stretch, x = repeated
            stretches.append(stretch)
            before = int(stretch.iterations[-1])
        if spectral:
            found = spectra(instance, attempts[-1].configuration if attempts else None, methods, 0.25 * seconds)
    except Breakdown as breakdown:
        return Trace(record, stretches, found, f"It could not be made again: {breakdown}.")
    return Trace(record, stretches, found, "" if attempts else "Nothing had to be iterated: the start was a solution.")


def _repeat(
    instance: LinearInstance, x: Vector, attempt: Attempt, method: Method, before: int, seconds: float
) -> tuple[Stretch, Vector] | None:
    """One attempt again, from its beginning for every point of the picture; ``None``: that takes too long."""
    iterating = max(attempt.seconds - attempt.preparing, 1e-6)
    if iterating > seconds:
        return None
    end = time.perf_counter() + 2.0 * seconds
    instance.deadline = end
    values = attempt.configuration.values
    prepared = method.prepare(instance, values)
    points = int(min(max(2.0 * seconds / iterating, _FEWEST_POINTS), _POINTS))
    stride = max(1, -(-attempt.iterations // points))
    longest = attempt.iterations
    if attempt.status is Status.CONVERGED:
        longest = math.ceil(_LONGER * attempt.iterations) + stride
    iterations, residuals, reached = [0], [instance.merit(x)], x
    limits = list(range(stride, attempt.iterations, stride))
    limits += [attempt.iterations, *range(attempt.iterations + stride, longest + 1, stride)]
    for limit in limits:
        progress = method.iterate(prepared, instance, values, x, Stop(instance.target, limit))
        reached = progress.x
        iterations.append(progress.iterations)
        residuals.append(instance.merit(reached))
        if progress.status is not Status.ITERATION_CAP or time.perf_counter() > end:
            break
    stretch = Stretch(attempt.configuration, before + np.array(iterations, dtype=np.int64), np.array(residuals))
    return stretch, reached


def _work(record: Record) -> float:
    """Of iterating, in products with A."""
    return record.work - sum([attempt.preparing_work for attempt in record.attempts])


def _intact(instance: LinearInstance) -> bool:
    """Whether the caller has left the numbers as they were."""
    if instance.owned:
        return True
    version = instance.version
    if not isinstance(version, tuple):
        return False
    negated = instance.traits.negated  # its numbers are a copy
    same = negated or tuple(version[1:]) == tuple(fingerprint(instance.data.view(np.uint64)))
    return bool(same and (instance.norm_b == 1.0 or norm(instance.b) == instance.norm_b))
