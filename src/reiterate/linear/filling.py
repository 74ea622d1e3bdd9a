"""What the background process does: warms methods up, one after another, so that Numba's cache on disk is filled.

Nothing of Numba is imported before it is its turn: many programs may begin at once, and one compiles for all.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Hashable, Sequence
from pathlib import Path

from reiterate.kernels.ready import ReadyList, alone

ELEMENTARY = "elementary"
"""What stands for the kernels of :mod:`reiterate.linear.elementary`."""

_LOWEST_PRIORITY = 19


def spell(name: str, variant: Hashable) -> str:
    """A method and the variant of its machine code, as :class:`~reiterate.linear.block.ColumnByColumn` says it."""
    return f"{name} {variant!r}"


def fill(path: str, wanted: Sequence[tuple[str, str, Sequence[bool]]]) -> None:
    """Warm up what the list at ``path`` does not have.

    ``wanted`` are, in the order in which they matter: what is to be in the list, the method's name, and whether
    numbers are complex, entries are known, and there are several columns.
    """
    if hasattr(os, "nice"):
        os.nice(_LOWEST_PRIORITY)
    ready = ReadyList(Path(path))
    with alone(Path(path).with_suffix(".lock")) as is_alone:
        if not is_alone:
            return
        for spelling, name, variant in wanted:
            if spelling not in ready.names():
                with contextlib.suppress(Exception):  # whoever plays the method will compile it, and see the error
                    _warm_up(name, variant)
                    ready.add([spelling])


def _warm_up(name: str, variant: Sequence[bool]) -> None:
    if name == ELEMENTARY:
        from reiterate.linear import elementary

        elementary.warm_up()
        return
    from reiterate.linear.block import ColumnByColumn
    from reiterate.linear.method import Variant
    from reiterate.linear.portfolio import METHODS

    of_complex, with_entries, block = variant
    ColumnByColumn(METHODS[name]).warm_up((Variant(of_complex, with_entries), block))
