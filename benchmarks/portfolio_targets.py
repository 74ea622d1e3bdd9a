"""What was asked for, beside what was measured: one row a target, kept from run to run."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from machine import RESULTS, fill_page, markdown_table, write_csv

PAGE = Path(__file__).parent.parent / "docs" / "linear-portfolio.md"
_FILE = "portfolio_targets.csv"
_HEADER = ["section", "what", "at most", "measured"]


class Target(NamedTuple):
    """A measured ratio, and the bound that it is to keep."""

    section: str
    what: str
    bound: float
    measured: float


def record(section: str, targets: Sequence[Target]) -> None:
    """Put a section's targets in the place of its old ones, and fill the table on the page."""
    kept = [target for target in _read() if target.section != section]
    order = ("kernels", "multigrid", "reuse", "size")
    kept = sorted([*kept, *targets], key=lambda target: order.index(target.section))
    write_csv(_FILE, _HEADER, kept)
    rows = [
        (t.section, t.what, f"{t.bound:g}", f"{t.measured:.2f}", "yes" if t.measured <= t.bound else "**no**")
        for t in kept
    ]
    fill_page(PAGE, "targets", markdown_table(["", "ratio", "at most", "measured", "met"], rows))


def _read() -> list[Target]:
    path = RESULTS / _FILE
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [Target(section, what, float(bound), float(measured)) for section, what, bound, measured in rows]
