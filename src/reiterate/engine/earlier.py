"""What a run leaves to the next one, and what this one got from earlier ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from reiterate.configuration import Configuration
from reiterate.engine.cost import CostUnit
from reiterate.engine.plain import table, whole

_POLICY = "explorer"
_VERSION = 1  # of what is worth knowing in another run
_MOST_CARRIED = 200  # arms that are not here, of which what earlier runs knew is passed on
_MOST_SOLVES = 2**40


class EarlierRuns:
    """Tables of plain values by the spelling of arms, which need not be the same from run to run.

    Parameters
    ----------
    unit
        Of costs; what is known in another one is left aside.

    Attributes
    ----------
    solves : int
        Of all of them.
    """

    def __init__(self, unit: CostUnit) -> None:
        self._unit = unit
        self.solves = 0
        self._horizon = 0  # solves that there may be, as far as an earlier run tells
        self._carried: dict[str, Any] = {}

    def to_come(self, solves: int) -> int | None:
        """Solves that there may be after so many; ``None``: nothing is known of it."""
        return max(self._horizon - solves, solves, 1) if self._horizon else None

    def understands(self, state: Mapping[str, Any]) -> bool:
        """Whether a table is one of these, in the unit of this run."""
        return (state.get("policy"), state.get("version"), state.get("unit")) == (_POLICY, _VERSION, self._unit)

    def joined(
        self,
        arms: Sequence[Configuration],
        rows: Sequence[Sequence[Mapping[str, Any]]],
        solves: int,
        parts: Mapping[str, Any],
        *,
        added: Collection[Configuration],
    ) -> dict[str, Any]:
        """The table that the next run gets: ``rows`` are lists of tables, each with one for every arm.

        ``added`` are the arms that were not given; what nothing is known of is left out.
        """
        known = dict(self._carried)
        for arm, of_arm in zip(arms, zip(*rows, strict=True), strict=True):
            row = {name: value for part in of_arm for name, value in part.items()}
            if row:
                known[str(arm)] = {**row, "added": 1} if arm in added else row
        return {
            "policy": _POLICY,
            "version": _VERSION,
            "unit": self._unit,
            "solves": self.solves + solves,
            "horizon": max(solves, self._horizon // 2),
            **parts,
            "arms": known,
        }

    def recall(self, state: Mapping[str, Any], names: Sequence[str]) -> None:
        """Take over how much there was to solve, and what is known of arms that are none of those named."""
        self.solves = whole(state, "solves", _MOST_SOLVES)
        self._horizon = whole(state, "horizon", _MOST_SOLVES)
        arms, here = table(state.get("arms")), set(names)
        others = [name for name in arms if name not in here][:_MOST_CARRIED]
        self._carried = {name: table(arms[name]) for name in others}
