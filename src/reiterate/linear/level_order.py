"""The order of rows in which triangular sweeps are not bound by latency: by level, and in runs of equal width.

See :mod:`reiterate.kernels.levels`. Shared by the triangles of A itself and by those of incomplete factors, which
differ only in which levels they have.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reiterate.linear.pattern import Index
from reiterate.linear.row_groups import sort_by_keys
from reiterate.linear.schedule import Spans

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
    return sort_by_keys(keys), np.cumsum(np.bincount(level, minlength=count))


def order_backward(level: Index, above: Index, spans: Spans) -> Index:
    """Rows in the order of a backward sweep: reversed, but within a level, and a part of it, by width.

    ``level`` and ``above`` are those of each row in the order of the forward sweep, whose parts are ``spans``.
    """
    begins = np.empty(level.size, dtype=bool)
    np.not_equal(level[1:], level[:-1], out=begins[1:])
    begins[spans[spans[:, :, 0] < spans[:, :, 1]][:, 0]] = True
    group = np.cumsum(begins, dtype=np.uint32)
    count = int(group[-1])
    width = np.minimum(above, np.uint32(_DISTINCT_WIDTHS - 1))
    return sort_by_keys([(width, _DISTINCT_WIDTHS), (np.uint32(count) - group, count)])


def runs_of(width: Index) -> tuple[Index, Index]:
    """Where runs of rows of equal width begin (and the last one ends), and those widths."""
    changes = np.flatnonzero(np.diff(width)) + 1
    runs = np.concatenate(([0], changes, [width.size])).astype(np.uint32)
    return runs, width[runs[:-1]]
