"""How much memory a factorization may take, and an estimate of what it will take, made before it begins."""

from __future__ import annotations

from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
import scipy.sparse as sp

from reiterate.errors import Breakdown, OutOfTime
from reiterate.linear.factor_time import analysis_seconds, refuse_slow, run_until_deadline
from reiterate.linear.instance import LinearInstance
from reiterate.linear.lasting_import import import_for_good
from reiterate.linear.machine_memory import machine_memory
from reiterate.linear.pattern import Pattern

rslab = import_for_good("rslab")

_SHARE: Final = 0.5
_LARGEST_INDEX: Final = 2**31 - 1
_ORDERING_ALLOWANCE: Final = 2.0
_PIVOTING_ALLOWANCE: Final = 3.0

_fill_of_pattern: WeakKeyDictionary[Pattern, tuple[int, float]] = WeakKeyDictionary()


class TooLarge(Breakdown):
    """The estimate is above the limit, or was wrong and the factors are."""


def default_memory_limit() -> int:
    """Bytes that one factorization may take where nothing else is said: half of the machine's, or container's, memory.

    Where the system does not tell, the machine is taken to have 8 GiB.
    """
    return int(_SHARE * machine_memory())


def memory_limit_of(instance: LinearInstance, limit: int | None) -> int:
    """The instance's own limit, else the method's, else the machine's."""
    for stated in (instance.memory_limit, limit):
        if stated is not None:
            return stated
    return default_memory_limit()


def refuse_beyond(title: str, needed: float, limit: int, *, estimated: bool = True) -> None:
    """Raise :class:`TooLarge` where a factorization would take, or has taken, more than ``limit`` bytes."""
    if needed > limit:
        verb = "the factorization is estimated to take" if estimated else "contrary to the estimate the factors take"
        words = f"{title}: {verb} {in_words(needed)} of memory; the limit is {in_words(limit)}"
        raise TooLarge(words, "raise memory_limit")


def in_words(size: float) -> str:
    """Bytes, readably."""
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size:.0f} bytes"


def refuse_large_fill(title: str, instance: LinearInstance, limit: int, *, triangles: int, pivoting: bool) -> None:
    """For engines that cannot tell themselves: refuse where the factors would not fit, or break 32-bit indices.

    The fill is that of the best of several orderings, counted on the elimination tree of A + Aᵀ by rslab's symbolic
    analysis; twice that because the engine orders by itself, three times where it exchanges rows as it likes (1.3 to
    2.6 was measured). A heuristic, not a bound. While full triangles would fit, nothing is analyzed.
    """
    entry = instance.data.itemsize + 4.0
    size = float(instance.pattern.size)
    full = triangles * size * (size + 1.0) / 2.0
    if full * entry <= limit and full <= _LARGEST_INDEX:
        return
    allowance = _PIVOTING_ALLOWANCE if pivoting else _ORDERING_ALLOWANCE
    stored = min(full, allowance * triangles * _triangle_fill(title, instance)[0])
    refuse_beyond(title, stored * entry, limit)
    if stored > _LARGEST_INDEX:
        raise TooLarge(f"{title}: an estimated {stored:.2g} entries in the factors; it counts to {_LARGEST_INDEX}")


def refuse_long_work(title: str, instance: LinearInstance, rate: float) -> None:
    """For engines that cannot be stopped: refuse where they would miss the instance's deadline.

    ``rate`` is in operations of rslab's symbolic analysis a second. While full triangles would be done in time, or
    there is no deadline, nothing is analyzed.
    """
    refuse_slow(title, instance, 0.0)
    if instance.deadline is None:
        return
    try:
        refuse_slow(title, instance, instance.pattern.size**3 / (3.0 * rate))
    except OutOfTime:
        refuse_slow(title, instance, _triangle_fill(title, instance)[1] / rate)


def _triangle_fill(title: str, instance: LinearInstance) -> tuple[int, float]:
    """Entries of one triangular factor of the pattern, made symmetric, and operations; remembered for the pattern."""
    pattern = instance.pattern
    if pattern not in _fill_of_pattern:
        arrays = np.ones(pattern.nnz), pattern.indices.view(np.int32), pattern.indptr.view(np.int32)
        graph = sp.csr_array(arrays, shape=(pattern.size, pattern.size))
        symmetric = (
            graph if pattern.symmetric and pattern.full_diagonal else graph + graph.T + sp.eye_array(pattern.size)
        )
        symbolic = run_until_deadline(
            title, instance, lambda: rslab.analyze(symmetric.tocsc(), path="ldlt"), analysis_seconds(instance)
        )
        operations = float(symbolic.estimate_memory()["factor_flops"])
        _fill_of_pattern[pattern] = int(symbolic.factor_nnz), operations
    return _fill_of_pattern[pattern]
