"""What a stream's owner should know of its matrices besides figures, in a line each."""

from __future__ import annotations

from collections.abc import Iterable

from reiterate.contracts import Method
from reiterate.linear.block import BlockInstance
from reiterate.linear.instance import LinearInstance


class Remarks:
    """What was done to systems so that methods apply, and which methods applied to none.

    Parameters
    ----------
    asked : iterable of Method
        Those that the caller named.
    """

    def __init__(self, asked: Iterable[Method] = ()) -> None:
        self._inapplicable = {method.name: method for method in asked}
        self._systems = 0
        self._projections = 0
        self._negations = 0
        self._condensations = 0
        self._eliminated = 0

    def take_in(self, instance: LinearInstance) -> None:
        """Take note of an admitted system."""
        self._systems += 1
        if self._inapplicable:
            for name in [name for name, method in self._inapplicable.items() if method.accepts(instance.traits)]:
                del self._inapplicable[name]
        if instance.projected:
            self._projections += len(instance.columns) if isinstance(instance, BlockInstance) else 1
        self._negations += instance.traits.negated
        if (eliminated := instance.unknowns - instance.b.shape[0]) > 0:
            self._condensations += 1
            self._eliminated = eliminated

    def inapplicable(self) -> list[str]:
        """Which of the methods asked for applied to no system, and why."""
        asked = self._inapplicable.values() if self._systems else ()
        return [f"{method.name}: never applicable: needs {method.requires}" for method in asked]

    def lines(self) -> list[str]:
        """For a summary; none where nothing was out of the ordinary."""
        lines = []
        lines += [f"({remark})" for remark in self.inapplicable()]
        if self._projections:
            lines.append(f"(A is singular: {self._projections} right-hand sides were projected onto the range of A)")
        if self._negations:
            lines.append(f"(the diagonal of A is negative: −A x = −b was solved instead, {self._negations} times)")
        if self._condensations:
            lines.append(
                f"({self._eliminated} unknowns have a row or column of their own: they were eliminated, so that the "
                f"rest is symmetric, {self._condensations} times)"
            )
        return lines
