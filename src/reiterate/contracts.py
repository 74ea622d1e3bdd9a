"""The contracts between the rooms: instances, methods, learners, and what passes between them.

Nothing here knows what is being iterated. A linear system, a fixed point or a training loop is an
:class:`Instance`; whatever improves an iterate is a :class:`Method`; whatever chooses among
configurations from what they cost is a :class:`Learner`.
"""

from __future__ import annotations

import enum
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

if TYPE_CHECKING:
    import numpy as np

    from reiterate.configuration import Configuration, ParameterSpace

Context = Mapping[str, float]
Values = Mapping[str, float]


class Status(enum.Enum):
    """Why an iteration returned."""

    CONVERGED = "converged"
    ITERATION_CAP = "iteration cap"
    TIME_CAP = "time cap"
    BREAKDOWN = "breakdown"


@dataclass(frozen=True, slots=True)
class Stop:
    """When an iteration must return: at the target, or at a cap, whichever comes first.

    Parameters
    ----------
    target
        Merit at or below which the instance is solved.
    max_iterations
        Largest number of iterations to make.
    max_seconds
        Wall-clock seconds after which to return; checked every few milliseconds. ``None``: no cap.
    """

    target: float
    max_iterations: int
    max_seconds: float | None = None


@dataclass(slots=True)
class Progress:
    """What an iteration achieved.

    Attributes
    ----------
    x
        The iterate; may be handed to any other configuration.
    status
        Why the iteration returned.
    iterations
        Iterations made in this call.
    work
        Counted work of this call, in units that the methods of one family share.
    reason
        For a breakdown: what happened, in the field's words.
    revealed
        Traits that the iteration has disproved or proved, e.g. ``{"definite": False}``.
    remaining
        Where a cap stopped it: how many more iterations it would have needed, as far as the iteration itself can tell
        better than the digits gained do. ``None``: it cannot.
    """

    x: Any
    status: Status
    iterations: int
    work: float
    reason: str = ""
    revealed: Mapping[str, Any] = field(default_factory=dict)
    remaining: float | None = None


@dataclass(slots=True)
class Prepared:
    """What a method built from an instance before iterating.

    Attributes
    ----------
    state
        The method's own data.
    work
        Counted work of building or refreshing it, in the units of :attr:`Progress.work`.
    memory
        Bytes that it holds.
    process
        Number of the only process that can use it, because libraries keep threads for it; ``None``: forked ones can,
        too.
    """

    state: Any
    work: float = 0.0
    memory: int = 0
    process: int | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a configuration may be expected to cost on an instance, before it has ever been tried.

    On an instance of difficulty d it takes ``strength · d ** power`` iterations. Difficulty is a number that the
    methods of one family share, e.g. the iterations of the simplest of them.

    Attributes
    ----------
    setup, upkeep, iteration
        Of preparing for the first time; of preparing for another instance, once prepared; of one iteration: in any
        one unit that the methods of one family share.
    strength, power
        See above.
    digits : float
        Power with which iterations grow with the digits to be gained: 1 for what converges linearly, 0 for what is
        exact after one step.
    exact : bool
        Whether one iteration is enough where what was prepared belongs to the very instance.
    """

    setup: float
    upkeep: float
    iteration: float
    strength: float
    power: float
    digits: float = 1.0
    exact: bool = False


class Preparation(enum.Enum):
    """What was done to a prepared state before an iteration used it."""

    KEPT = "used as it was"
    AGED = "used although it belongs to an earlier instance"
    REFRESHED = "renewed by the numbers of the instance"
    BUILT = "built from nothing"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One configuration's turn within a solve; ``preparing`` is the part of ``seconds`` before the iteration.

    ``remaining`` as of the last :class:`Progress`.
    """

    configuration: Configuration
    status: Status
    iterations: int
    seconds: float
    work: float
    merit: float
    reason: str = ""
    preparing: float = 0.0
    preparing_work: float = 0.0
    preparation: Preparation = Preparation.KEPT
    remaining: float | None = None


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What stands in the way of a solution.

    Attributes
    ----------
    reason, remedy : str
        What it is; what the caller could do about it.
    proof : bool
        Whether no iterate at all can reach the target.
    """

    reason: str
    remedy: str
    proof: bool = False


class Instance(Protocol):
    """One problem to solve: all that the engine may know of it."""

    deadline: float | None
    """By ``time.perf_counter()``: what is being prepared then is abandoned. Set by the engine; ``None``: never."""

    @property
    def traits(self) -> Any:
        """What is known of the instance before solving it."""

    @property
    def context(self) -> Context:
        """Numbers that may predict what a configuration costs."""

    @property
    def features(self) -> Context:
        """More such numbers, which take a look at the instance: asked for, before solving, only where they may help."""

    @property
    def target(self) -> float:
        """The instance is solved when ``merit(x) <= target``."""

    @property
    def version(self) -> Hashable:
        """Instances of equal version have in common whatever methods prepare from; ``None``: unknown."""

    @property
    def kind(self) -> Hashable:
        """What a configuration costs on one kind of instance says nothing about another kind."""

    def difficulty(self) -> float:
        """A first guess of the difficulty that forecasts speak of."""

    def origin(self) -> Any | None:
        """An iterate of harmless merit, to fall back on when the given one is worse; ``None``: there is none."""

    def merit(self, x: Any) -> float:
        """What is left at ``x``, from first principles; never taken from a method's own recurrence."""

    def rounding_level(self, x: Any) -> float:
        """The merit at ``x`` below which differences are rounding errors."""

    def reveal(self, revealed: Mapping[str, Any]) -> None:
        """Correct the traits by what an iteration found out."""

    def obstacle(self) -> Obstacle | None:
        """What is known to stand in the way of a solution; asked for once an attempt has failed."""


class Method(ABC):
    """An iteration with a declared parameter space.

    A subclass supplies ``name``, ``parameters``, ``requires`` and the three methods below, and is
    registered in one line in its family's portfolio.
    """

    name: str
    parameters: ParameterSpace
    requires: str
    """What :meth:`accepts` asks for, in words that complete "needs …"."""

    state_name: str | None = None
    """Methods that name the same state share it; ``None``: the method's own name."""

    state_parameters: tuple[str, ...] = ()
    """The parameters on which the prepared state depends; configurations that share their values share it."""

    compiled: bool = False
    """Whether it runs machine code that :meth:`warm_up` may have to compile, which can take seconds."""

    @abstractmethod
    def accepts(self, traits: Any) -> bool:
        """Whether the method applies to instances with these traits."""

    @abstractmethod
    def prepare(self, instance: Any, values: Values, previous: Prepared | None = None) -> Prepared:
        """Build what the iteration needs, reusing ``previous`` (of an earlier instance) where possible.

        Raises
        ------
        Breakdown
            That is impossible for this instance.
        OutOfTime
            A kind of :class:`Breakdown`: it cannot be done before the instance's deadline.
        """

    @abstractmethod
    def iterate(self, prepared: Prepared, instance: Any, values: Values, x: Any, stop: Stop) -> Progress:
        """Iterate from ``x``, which is not modified, until ``stop`` says so. Resumable from any iterate."""

    def forecast(self, instance: Any, values: Values) -> Forecast | None:
        """What this may cost, from what is known of the instance before solving it; ``None``: no idea."""
        return None

    def rebuild(self, instance: Any, values: Values, previous: Prepared) -> Prepared:
        """Build all of it anew. What solves have learnt, as opposed to prepared, may be kept from ``previous``."""
        return self.prepare(instance, values)

    def serves(self, prepared: Prepared, instance: Any) -> bool:
        """Whether a state of an earlier instance may be iterated with as it is: right answers, maybe more slowly."""
        return False

    def variant_of(self, instance: Any) -> Hashable:
        """What decides which machine code runs for the instance; ``None``: always the same."""
        return None

    def warm_up(self, variant: Any = None) -> None:  # noqa: B027 - most methods outside Numba have nothing to compile
        """Compile or load what instances of this variant need, so that this is never counted as a solve's cost.

        ``variant`` is what :meth:`variant_of` said of one of them, ``None`` stands for the usual one.
        """


@dataclass(frozen=True, slots=True)
class Choice:
    """What a learner chose, and how.

    Attributes
    ----------
    arm
        Index of the chosen arm.
    probability
        Probability with which it was chosen.
    context
        The context it was chosen for.
    """

    arm: int
    probability: float
    context: Context | None = None


@dataclass(frozen=True, slots=True)
class Arms:
    """What is known of arms before any of them has been played.

    Attributes
    ----------
    lines
        Of every arm, the number of its line: arms of one line are one method with other parameters.
    points
        Of every arm, where it lies among those of its line: its parameters, each on the scale on which values are
        evenly spread. Arms of one line have equally many.
    costs
        What every arm may be expected to cost, in any one unit; ``None`` where nobody has an idea. Empty: of no arm.
    """

    lines: tuple[int, ...]
    points: tuple[tuple[float, ...], ...]
    costs: tuple[float | None, ...] = ()

    def __len__(self) -> int:
        return len(self.lines)

    def on_one_line(self, *, most: int) -> bool:
        """Whether all arms are of one line and lie in at least one dimension, and at most so many."""
        return len(set(self.lines)) == 1 and 1 <= len(self.points[0]) <= most

    def hints(self) -> list[float] | None:
        """What every arm may be expected to cost; that of an arm without an expectation is the others' usual one.

        ``None`` where nobody has an idea of any.
        """
        known = [math.log(cost) for cost in self.costs if cost is not None]
        if not known:
            return None
        usual = math.exp(sum(known) / len(known))
        return [usual if cost is None else cost for cost in self.costs]

    def places(self) -> list[tuple[int, int]]:
        """Of every arm, its line and the number of its place there, by increasing points."""
        places = [(0, 0)] * len(self)
        reached: dict[int, int] = {}
        for arm in sorted(range(len(self)), key=self.points.__getitem__):
            line = self.lines[arm]
            places[arm] = (line, reached.get(line, 0))
            reached[line] = places[arm][1] + 1
        return places


class Learner(ABC):
    """Chooses among ``arms`` arms, numbered from 0, to make total cost small.

    Learners know nothing of solvers: a cost is a finite nonnegative number, in whatever unit. Feedback may
    come in any order, with any delay, or never. What a learner need not make use of has a method that does nothing.
    """

    name: ClassVar[str]

    @property
    @abstractmethod
    def arms(self) -> int:
        """Number of arms."""

    @abstractmethod
    def choose(self, context: Context | None = None) -> Choice:
        """Choose an arm for an instance with this context."""

    @abstractmethod
    def learn(self, choice: Choice, cost: float, *, censored: bool = False) -> None:
        """Take in what a choice cost; ``censored`` means that it would have cost at least that."""

    @classmethod
    def options_for(cls, arms: Arms) -> dict[str, Any]:
        """The options of the constructor that say what is known of these arms; none where nothing is made use of."""
        return {}

    def observe(  # noqa: B027 - most learners learn from nothing but their choices
        self, arm: int, cost: float, *, context: Context | None = None, censored: bool = False
    ) -> None:
        """Take in what an arm cost that was not chosen, but ran beside the choice or finished what it had begun.

        Told before :meth:`learn`; ``censored`` as there.
        """

    def progress(self, choice: Choice, cost: float, share: float) -> None:  # noqa: B027 - as above
        """Take in how far a choice has come that has not finished: a ``share``, in (0, 1), of its way for this cost.

        May be told as often as something is known; :meth:`learn` may follow.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything learnt and the random state, as plain numbers, strings, lists, dicts and arrays."""

    @classmethod
    @abstractmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """The learner that :meth:`state_dict` described; it goes on exactly as the original would."""


Missing = Callable[[Sequence[tuple[Method, Hashable]]], frozenset[str]]
"""Of methods and the variants of their code, the names of those whose code is not there yet, but will be."""

LearnerFactory = Callable[[int, "np.random.Generator"], Learner]
"""Builds a learner for a number of arms."""

LearnerBuilder = Callable[[Arms, "np.random.Generator"], Learner]
"""Builds a learner for arms of which something is known."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the engine did with one instance.

    Attributes
    ----------
    index
        Number of the instance in its stream, from 0.
    configuration
        The configuration that was played first: the one that the learner chose, or where that has to sit out, another
        (the one that reached the target is the last attempt's).
    probability
        Probability with which the learner chose it; 1 where it did not.
    context
        The context it was chosen for.
    attempts
        Every configuration's turn, in order; a solve without surprises has one.
    iterations, seconds, work
        Totals over the attempts; ``seconds`` covers preparing and iterating.
    overhead
        Seconds spent on choosing, verifying, learning and recording.
    merit, target
        What the engine verified, and what was asked for.
    cost
        What the learner was told.
    trial
        Whether something else was tried than what was believed to be the best.
    expected
        What the best known was believed to cost; ``None``: nobody had an idea.
    kind
        Number of the kind of instance, in the order in which the stream met them.
    memory
        Bytes that prepared states held afterwards.
    """

    index: int
    configuration: Configuration
    probability: float
    context: Context
    attempts: Sequence[Attempt]
    iterations: int
    seconds: float
    work: float
    overhead: float
    merit: float
    target: float
    cost: float
    trial: bool = False
    expected: float | None = None
    kind: int = 0
    memory: int = 0

    @property
    def residual(self) -> float:
        """The verified merit, by its name in linear algebra: the relative residual."""
        return self.merit
