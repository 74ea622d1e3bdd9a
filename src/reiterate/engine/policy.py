"""Who plays next: what the engine asks of a policy, whether a learner stands behind it or the explorer."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.configuration import Configuration
from reiterate.contracts import Choice
from reiterate.engine.pursuit import Pursuit


@dataclass(frozen=True, slots=True)
class Cap:
    """What a turn may take at most: iterations, and seconds of iterating."""

    iterations: float = math.inf
    seconds: float = math.inf


Turns = Iterator[tuple[Configuration, Cap]]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What is believed of an arm.

    Attributes
    ----------
    configuration
    cost : float
        Of a solve, once it is prepared.
    preparing : float
        Cost of preparing it for the first time; 0 where that is done.
    iterations : float
        That a solve takes.
    plays : int
        Solves that it brought to the end by itself.
    since : int or None
        Solves since it last played; ``None``: it never has.
    failing : bool
        It has broken down lately and sits out.
    """

    configuration: Configuration
    cost: float
    preparing: float
    iterations: float
    plays: int
    since: int | None
    failing: bool


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a policy decides, as far as its opinions do not say.

    Attributes
    ----------
    learner : str or None
        Name of the learner that decides; ``None``: no learner does.
    solves, trials : int
        Solves so far, and how many of them tried something else than what was believed to be the best.
    share : float
        Of all cost, what trials cost more than that would have; 0 to 1.
    recalled : int
        Solves of earlier runs that it began with knowing about.
    added : tuple[Configuration, ...]
        Arms that were not given, but lie between those that were.
    """

    learner: str | None = None
    solves: int = 0
    trials: int = 0
    share: float = 0.0
    recalled: int = 0
    added: tuple[Configuration, ...] = ()


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
    def turns(self, pursuit: Pursuit, held: frozenset[str]) -> Turns:
        """Configurations and their caps, in the order in which they may try; asked for as they are needed.

        ``held`` are the names of methods that sit out. What came of a turn is in ``pursuit`` before the next one is
        asked for.
        """

    @abstractmethod
    def report(self, pursuit: Pursuit, cost: float) -> None:
        """Take in how a solve went, and what it cost in all."""

    def forget(self, configurations: Collection[Configuration]) -> None:
        """Take in that the prepared states of these have been evicted. Ignored by default."""
        return

    @property
    def trial(self) -> bool:
        """Whether the present choice is something else than what is believed to be the best."""
        return False

    @property
    def expected(self) -> float | None:
        """What the best known was believed to cost on the present instance; ``None``: nobody has an idea."""
        return None

    def costs(self) -> NDArray[np.float64]:
        """What a solve by every arm is believed to cost once it is prepared; NaN where nobody has an idea.

        Cheap, and changes nothing.
        """
        return np.full(len(self.arms), np.nan)

    def opinions(self) -> list[Opinion]:
        """What is believed of every arm that says anything about the next instance, the cheapest first."""
        return []

    def remarks(self) -> Conduct:
        """What else there is to say about how it decides."""
        return Conduct()

    def state_dict(self) -> dict[str, Any]:
        """What is worth knowing in another run: strings, booleans, finite numbers, lists and dicts of them.

        ``solves`` is how many solves it comes from, those of earlier runs included. Empty: nothing is.
        """
        return {}

    def recall(  # noqa: B027 - nothing to know is nothing to recall
        self, state: Mapping[str, Any], *, same_stream: bool, same_machine: bool
    ) -> None:
        """Begin with what an earlier run has learnt, before the first instance.

        It is a prior: less certain than it was, and not a fact. What does not fit, or cannot be, is ignored.

        Parameters
        ----------
        state
            Of :meth:`state_dict`; maybe of another version, or damaged.
        same_stream
            Whether that was a run of the same stream; else of one whose instances are of the same kind.
        same_machine
            Whether it ran on such a machine as this, so that seconds compare.
        """
