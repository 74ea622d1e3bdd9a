"""How a system differs from the last one: numbers that may go with how hard it is, from a sample of its entries."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reiterate.linear.instance import LinearInstance

_KEEP = 4  # patterns: a time step may alternate between a few
_SAMPLE = 256  # entries at most
_COMMON_PERIODS = 2 * 3 * 5 * 7  # entries of a row, unknowns of a node, layers of a grid: strides must not keep step

Sample = tuple[NDArray[np.float64], float]
"""Some entries of a vector, copied, and their Euclidean norm."""


@dataclass(slots=True)
class _System:
    """What is kept of one."""

    version: Hashable = None
    matrix: Sample | None = None
    rhs: Sample | None = None


class Changes:
    """Compares the systems of one stream with the last ones of the same pattern.

    Every k-th entry of A and of b is kept until the next look, 256 at most. What happens only between them is not seen;
    cost: some microseconds, whatever the size. A matrix of the same version is not looked at again.
    """

    def __init__(self) -> None:
        self._systems: dict[Hashable, _System] = {}

    def look(self, instance: LinearInstance) -> dict[str, float]:
        """Features of the next system.

        ``rhs_norm`` is ‖b‖, ``matrix_norm`` the root of the mean square of entries of A; ``rhs_change`` and
        ``matrix_change`` are ‖u − v‖ / max(‖u‖, ‖v‖), between 0 and 2, for u and v entries of the last and of this one.
        What cannot be told, as for the first system or an operator of which no entries are known, is left out.
        """
        system = self._system_like(instance)
        features = {"rhs_norm": instance.norm_b}
        last, system.rhs = system.rhs, _sample(instance.b)
        _compare("rhs_change", last, system.rhs, features)
        if system.matrix is None or instance.version is None or instance.version != system.version:
            last, system.matrix = system.matrix, _sample(instance.data)
            system.version = instance.version
        else:
            last = system.matrix
        if system.matrix is not None:
            features["matrix_norm"] = system.matrix[1] / math.sqrt(system.matrix[0].size)
            _compare("matrix_change", last, system.matrix, features)
        return features

    def _system_like(self, instance: LinearInstance) -> _System:
        """The last one of the pattern, with as many right-hand sides."""
        key = instance.pattern if instance.data.size else None, instance.b.shape
        system = self._systems.pop(key, None) or _System()
        self._systems[key] = system
        while len(self._systems) > _KEEP:
            del self._systems[next(iter(self._systems))]
        return system


def _sample(values: NDArray[np.float64]) -> Sample | None:
    """Some entries of an array of any shape; ``None`` where there are none, or their squares overflow."""
    values = values.reshape(-1)
    if not values.size:
        return None
    stride = -(-values.size // _SAMPLE)
    while stride > 1 and math.gcd(stride, _COMMON_PERIODS) > 1:
        stride += 1
    sample = values[::stride].copy()
    square = float(np.vdot(sample, sample).real)
    return (sample, math.sqrt(square)) if math.isfinite(square) else None


def _compare(name: str, last: Sample | None, now: Sample | None, features: dict[str, float]) -> None:
    """Add the relative change, if it can be told."""
    if last is None or now is None:
        return
    largest = max(last[1], now[1])
    if last is now or not largest:
        features[name] = 0.0
    else:
        difference = now[0] - last[0]
        features[name] = math.sqrt(float(np.vdot(difference, difference).real)) / largest
