"""A rough guess of what SciPy takes to factor a matrix, from its pattern."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.sparse.csgraph import breadth_first_order

_COARSE = 5000  # unknowns, below which no estimate is worth its time
_NARROW = 100  # vertices in a level; with fewer in the mean, a factorization takes tenths of a second
_LONG_ROW = 14.0  # entries
_FLOPS = 1e9  # of SuperLU, in a second
_COMPLEX = 4.0  # times the operations


def _search(graph: Any) -> tuple[Any, Any]:
    """The vertices in the order of a breadth-first search that sees most of them, and from where each was seen."""
    n = graph.shape[0]
    order, before = breadth_first_order(graph, 0, directed=False)
    for start in (n // 2, n // 3):
        if order.size >= n // 2:
            break
        # The first one stands alone, as those do whose values are prescribed. The last seen is at the other end.
        end = breadth_first_order(graph, start, directed=False)[0][-1]
        order, before = breadth_first_order(graph, end, directed=False)
    return order, before


def _widths(order: Any, before: Any, most: int) -> list[int]:
    """Vertices in each level of a breadth-first search, of so many levels at most."""
    place = np.empty(before.size, dtype=np.int64)
    place[order] = np.arange(order.size)
    seen_from = place[before[order[1:]]]  # rises along the order
    ends = [1]
    while ends[-1] < order.size and len(ends) < most:
        ends.append(1 + int(np.searchsorted(seen_from, ends[-1])))
    return [int(width) for width in np.diff([0, *ends])]


def expected_seconds(A: Any) -> float:
    """A rough guess, within a factor of 2 on most meshes and 6 on some, of what SuperLU takes to factor A.

    Levels of a breadth-first search are separators. With the widest of them as the order s of the last dense block, but
    no more than twice the mean, 10 s³ operations are the right power for meshes in one, two and three dimensions.
    """
    n = A.shape[0]
    if n < _COARSE:
        return 0.0
    graph = abs(A) if A.dtype.kind == "c" else A  # else SciPy warns of what it discards
    order, before = _search(graph)
    widths = _widths(order, before, n // _NARROW)
    levels = len(widths)
    # One vertex may see all others, e.g. through a dense row: that says nothing of the rest. Nor do narrow ones matter.
    if not math.log2(n) / 2 < levels < n // _NARROW:
        return 0.0
    widest = max(widths)
    # Where rows are long, as of finite elements, levels are the surfaces of cubes, of which separators are one side.
    mean = n / levels * min(max(_LONG_ROW * n / A.nnz, 1.0), 2.0)
    operations = 10.0 * min(widest, mean) ** 3
    return float((_COMPLEX if A.dtype.kind == "c" else 1.0) * operations / _FLOPS)
