"""The order of rows in which triangular sweeps are not bound by latency: by level, and in runs of equal width.

See :mod:`reiterate.kernels.levels`. Shared by the triangles of A itself and by those of incomplete factors, which
differ only in which levels they have.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reiterate.kernels import levels
from reiterate.linear.pattern import Index

_PADDING_LIMIT = 1.1
_DISTINCT_WIDTHS = 64


def widest(below: Index, above: Index) -> int | None:
    """The width to which every row can be padded at little cost, if there is one.

    ``below`` and ``above``, shape (n,), count the entries left and right of the diagonal.
    """
    width = int(max(below.max(), above.max()))
    stored = min(int(below.sum(dtype=np.int64)), int(above.sum(dtype=np.int64)))
    return width if below.size * width <= _PADDING_LIMIT * stored else None


def order_rows(
    level: Index, count: int, below: Index, above: Index, *, by_width: bool
) -> tuple[Index, NDArray[np.int64]]:
    """Rows by level, shape (n,), and where each of the ``count`` levels ends.

    Within a level rows are in natural order, or, with ``by_width``, by their widths, so that runs become long.
    """
    keys = [(level, count)]
    if by_width:
        limit = np.uint32(_DISTINCT_WIDTHS - 1)
        keys = [(np.minimum(width, limit), _DISTINCT_WIDTHS) for width in (above, below)] + keys
    order = np.arange(level.size, dtype=np.uint32)
    for key, key_count in keys:
        rearranged = np.empty_like(order)
        levels.sort_by_key(key, key_count, order, rearranged, np.empty(key_count + 1, dtype=np.uint32))
        order = rearranged
    return order, np.cumsum(np.bincount(level, minlength=count))


def runs_of(width: Index) -> tuple[Index, Index]:
    """Where runs of rows of equal width begin (and the last one ends), and those widths."""
    changes = np.flatnonzero(np.diff(width)) + 1
    runs = np.concatenate(([0], changes, [width.size])).astype(np.uint32)
    return runs, width[runs[:-1]]
