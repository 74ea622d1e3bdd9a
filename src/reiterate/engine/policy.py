"""Who plays next: what the engine asks of a policy, whether a learner stands behind it or the explorer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

from reiterate.configuration import Configuration
from reiterate.contracts import Choice, Context
from reiterate.engine.pursuit import Pursuit

Available = Callable[[Configuration], bool]
Turns = Iterator[tuple[Configuration, float]]


class Policy(ABC):
    """Decides on the arms that apply to one kind of instance.

    Parameters
    ----------
    arms
        The configurations among which it decides.

    Attributes
    ----------
    choice : Choice or None
        What it chose for the present instance.
    """

    def __init__(self, arms: Sequence[Configuration]) -> None:
        self.arms = tuple(arms)
        self.choice: Choice | None = None

    @abstractmethod
    def turns(self, context: Context, available: Available) -> Turns:
        """Configurations and caps in iterations, in the order in which they may try; asked for as they are needed.

        ``available`` says of a configuration whether its method may be played at present.
        """

    @abstractmethod
    def report(self, pursuit: Pursuit, cost: float) -> None:
        """Take in how a solve went, and what it cost in all."""

    def explain(self) -> list[str]:
        """What is believed, in plain words, a line each."""
        return []
