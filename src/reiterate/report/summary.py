"""A stream's history as a few lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from reiterate.engine.history import History, Tally
from reiterate.report.words import listed

_MOST_ROWS = 8
_MOST_AWAITED = 5


def summarize(history: History, unit: str) -> list[str]:
    """Totals, and a table of the configurations that were chosen most; the others share the last row."""
    by_use = [(str(c), tally) for c, tally in sorted(history.tallies.items(), key=lambda item: -item[1].solves)]
    if len(by_use) > _MOST_ROWS:
        rest = [tally for _, tally in by_use[_MOST_ROWS - 1 :]]
        by_use = [*by_use[: _MOST_ROWS - 1], (f"{len(rest)} others", _together(rest))]
    width = max((len(name) for name, _ in by_use), default=13)
    return [
        f"{history.solves} solves, {history.failures} failed; {history.seconds:.3g} s in methods, "
        f"{history.overhead:.3g} s deciding and verifying",
        f"{'configuration':<{width}}  {'chosen':>6}  {'iterations':>10}  {'mean cost':>12}  {'rescued':>7}",
        *(
            f"{name:<{width}}  {tally.solves:>6}  {tally.iterations:>10}  "
            f"{tally.cost / tally.solves:>12.4g}  {tally.rescued:>7}"
            for name, tally in by_use
        ),
        f"(cost in {unit})",
    ]


def being_compiled(awaited: Sequence[str]) -> list[str]:
    """What to say of methods whose kernels another process compiles; nothing where there are none."""
    if not awaited:
        return []
    names = listed(awaited, _MOST_AWAITED)
    return [f"waiting for {names} to be compiled in the background; until then, what needs no compiling plays"]


def _together(tallies: list[Tally]) -> Tally:
    """One tally of many."""
    total = Tally()
    for tally in tallies:
        total.solves += tally.solves
        total.iterations += tally.iterations
        total.seconds += tally.seconds
        total.cost += tally.cost
        total.rescued += tally.rescued
    return total
