"""What a stream has cost so far: the last records, and totals that cover every solve."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, SupportsIndex, overload

from reiterate.configuration import Configuration
from reiterate.contracts import Attempt, Record, Status


@dataclass(slots=True)
class Tally:
    """Totals of one configuration over the solves in which it was played first.

    ``rescued`` counts those that another configuration had to finish.
    """

    solves: int = 0
    iterations: int = 0
    seconds: float = 0.0
    cost: float = 0.0
    rescued: int = 0


class History:
    """Bounded memory of a stream: iterates over the last records, and is subscripted like a list of them.

    Attributes
    ----------
    tallies : dict[Configuration, Tally]
        Totals by the configuration that was played first.
    solves, failures : int
        Solves that were verified; solves that ended in an error.
    seconds, overhead : float
        Spent in methods; spent in choosing, verifying, learning and recording.
    deciding : float
        Seconds of the overhead that choosing and learning took.
    compiling : float
        Seconds of compiling and loading kernels, which are in neither.
    """

    def __init__(self, keep: int = 10_000) -> None:
        self._records: deque[Record] = deque(maxlen=keep)
        self.tallies: dict[Configuration, Tally] = {}
        self.solves = 0
        self.failures = 0
        self.seconds = 0.0
        self.overhead = 0.0
        self.deciding = 0.0
        self.compiling = 0.0

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Record | list[Record]:
        """The record at a place among those that are kept, the oldest first; or a list of those of a slice."""
        if isinstance(index, slice):
            return [self._records[place] for place in range(*index.indices(len(self._records)))]
        return self._records[index]

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    @property
    def last(self) -> Record | None:
        """The most recent record."""
        return self._records[-1] if self._records else None

    def as_dict(self) -> dict[str, Any]:
        """Totals as plain values, e.g. for JSON."""
        by_use = sorted(self.tallies.items(), key=lambda item: (-item[1].solves, str(item[0])))
        return {
            "solves": self.solves,
            "failures": self.failures,
            "iterations": sum(tally.iterations for tally in self.tallies.values()),
            "seconds": self.seconds,
            "overhead": self.overhead,
            "configurations": [{"name": str(configuration), **asdict(tally)} for configuration, tally in by_use],
        }

    def add(self, record: Record) -> None:
        """Take in what the engine did with one instance."""
        self._records.append(record)
        self.seconds += record.seconds
        self.overhead += record.overhead
        if record.merit <= record.target:
            self.solves += 1
        else:
            self.failures += 1
        tally = self.tallies.setdefault(record.configuration, Tally())
        tally.solves += 1
        tally.iterations += record.iterations
        tally.seconds += record.seconds
        tally.cost += record.cost
        if record.attempts and not ended_by_itself(record.configuration, record.attempts):
            tally.rescued += 1


def ended_by_itself(chosen: Configuration, attempts: Sequence[Attempt]) -> bool:
    """Whether the chosen configuration reached the target without help."""
    if len(attempts) != 1 or attempts[0].status is not Status.CONVERGED:
        return False
    played = attempts[0].configuration
    return played is chosen or played == chosen
