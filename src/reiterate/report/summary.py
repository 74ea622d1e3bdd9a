"""A stream's history as a few lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from reiterate.engine.history import History, Tally
from reiterate.report.words import few, listed, seconds

_MOST_ROWS = 8
_MOST_AWAITED = 5


def summarize(history: History, unit: str) -> list[str]:
    """Totals, and a table of the configurations that were chosen most; the others share the last row."""
    by_use = [(str(c), tally) for c, tally in sorted(history.tallies.items(), key=lambda item: -item[1].solves)]
    if len(by_use) > _MOST_ROWS:
        rest = [tally for _, tally in by_use[_MOST_ROWS - 1 :]]
        by_use = [*by_use[: _MOST_ROWS - 1], (f"{len(rest)} others", _together(rest))]
    width = max((len("configuration"), *(len(name) for name, _ in by_use)))
    costs = [amount(tally.cost / tally.solves, unit) for _, tally in by_use]
    wide = max((9, *map(len, costs)))
    return [
        f"{history.solves} solves, {history.failures} failed; {history.seconds:.3g} s in methods, "
        f"{history.overhead:.3g} s deciding and verifying",
        f"{'configuration':<{width}}  {'chosen':>6}  {'iterations':>10}  {'mean cost':>{wide}}  {'rescued':>7}",
        *(
            f"{name:<{width}}  {tally.solves:>6}  {tally.iterations:>10}  {cost:>{wide}}  {tally.rescued:>7}"
            for (name, tally), cost in zip(by_use, costs, strict=True)
        ),
    ]


def amount(cost: float, unit: str) -> str:
    """A cost with its unit."""
    return seconds(cost) if unit == "seconds" else f"{few(cost)} {unit}"


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
