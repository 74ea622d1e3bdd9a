"""Options of a solver: what they may be, refused by name where they are not."""

from __future__ import annotations

import difflib
import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final, ParamSpec

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reiterate.contracts import Arms, Learner, LearnerBuilder, LearnerFactory
from reiterate.engine.cost import UNITS, CostUnit
from reiterate.errors import InvalidInput, UnknownOption
from reiterate.learners import LEARNERS, make_learner

REUSE: Final = {
    "same_matrix": "a matrix that is recognized is not prepared again",
    "ageing": "a prepared state serves later matrices for as long as that is cheaper than renewing it",
    "refresh": "a state is renewed by its numbers, and not built anew, where that is cheaper",
    "recycling": "deflated_cg and gcrodr carry spaces from one system to the next",
}
"""The ways of using again what earlier systems left behind, each of which can be turned off."""

_NO_COLLECTION: Final = f"is neither 'all' nor a collection of names, e.g. ['ageing']; known are {', '.join(REUSE)}"

_ELSEWHERE: Final = {
    "tol": "the relative tolerance is rtol",
    "maxiter": "the largest number of iterations is max_iterations",
    "max_iter": "the largest number of iterations is max_iterations",
    "timeout": "the limit in seconds is max_seconds",
    "verbose": "print(solver.summary()) says what was done, and solve_stream(..., progress=True) shows a bar",
    "progress": "solve_stream(..., progress=True) has it",
    "method": "methods=[...] names one or several",
    "solver": "methods=[...] names one or several",
    "preconditioner": "it is part of a method's name, e.g. methods=['ilu_gmres']",
    "M": "a preconditioner is part of a method's name, e.g. methods=['ilu_gmres']",
    "restart": "it is a parameter of a method, e.g. methods=['gmres(restart=30)']",
    "x0": "it is an argument of solve",
    "context": "it is an argument of solve",
    "random_state": "the source of randomness is seed",
    "rng": "the source of randomness is seed",
    "n_jobs": "the number of threads is threads",
}
"""What other libraries call by these names."""

_P = ParamSpec("_P")


def checks_names(init: Callable[_P, None]) -> Callable[_P, None]:
    """A constructor that says of an option which it does not have what is meant, instead of only that."""
    known = list(inspect.signature(init).parameters)[1:]

    @functools.wraps(init)
    def checked(*given: _P.args, **options: _P.kwargs) -> None:
        for name in options.keys() - known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = _ELSEWHERE.get(name) or (f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}")
            raise UnknownOption(name, f"is no option; {hint}")
        init(*given, **options)

    return checked


def reuse_names(reuse: str | Iterable[str]) -> frozenset[str]:
    """The mechanisms that ``Solver(reuse=...)`` leaves on."""
    if isinstance(reuse, str):
        if reuse == "all":
            return frozenset(REUSE)
        raise InvalidInput("reuse", f"{reuse!r} {_NO_COLLECTION}")
    try:
        names = list(reuse)
    except TypeError:
        raise InvalidInput("reuse", f"{reuse!r} {_NO_COLLECTION}") from None
    for name in names:
        if name == "guesses":
            raise InvalidInput("reuse", "'guesses' has an option of its own: guesses=False turns them off")
        if not isinstance(name, str) or name not in REUSE:
            close = difflib.get_close_matches(str(name), REUSE, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise InvalidInput("reuse", f"{name!r} is no mechanism; {hint}known are {', '.join(REUSE)}")
    return frozenset(names)


def policy_or_learner(learner: str | LearnerFactory, cost: CostUnit) -> LearnerBuilder | None:
    """What decides: ``None`` stands for the explorer, which needs costs that compare between methods."""
    return None if learner == "auto" and cost != "iterations" else learner_builder(learner)


def learner_builder(learner: str | LearnerFactory) -> LearnerBuilder:
    """What builds the learner of that name with all that is known of the arms, or calls the callable with their number.

    Parameters
    ----------
    learner
        ``"auto"``, a key of :data:`reiterate.learners.LEARNERS`, or a callable ``(arms, rng) -> Learner``.

    Raises
    ------
    InvalidInput
        It is neither.
    """
    if callable(learner):
        return functools.partial(_call, learner)
    if not isinstance(learner, str):
        raise InvalidInput("learner", f"{learner!r} is neither a name nor a callable (arms, rng) -> Learner")
    if learner != "auto" and learner not in LEARNERS:
        make_learner(learner, 1, np.random.default_rng(0))  # raises, and lists the names there are
    return functools.partial(_make_learner, learner)


def _make_learner(name: str, arms: Arms, rng: np.random.Generator) -> Learner:
    return make_learner(name, arms, rng)


def _call(factory: LearnerFactory, arms: Arms, rng: np.random.Generator) -> Learner:
    return factory(len(arms), rng)


def generator(seed: int | np.random.Generator | None) -> np.random.Generator:
    """A source of randomness; a generator is taken as it is."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise InvalidInput("seed", f"{seed!r} is neither a nonnegative integer nor a numpy.random.Generator") from None


def check_switch(name: str, value: object) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool | np.bool_):
        raise InvalidInput(name, f"{value!r} is neither True nor False")


def check_cost(cost: str) -> None:
    """Refuse what is no unit of costs."""
    if cost not in UNITS:
        raise InvalidInput("cost", f"{cost!r} is not one of {', '.join(map(repr, UNITS))}")


def check_limits(
    max_iterations: int,
    max_seconds: float | None,
    patience: float | None,
    memory_limit: float | None,
    threads: int | None,
) -> None:
    """Refuse limits of a solve that nothing could keep."""
    check_positive("max_iterations", max_iterations, whole=True)
    check_positive("max_seconds", max_seconds)
    if isinstance(patience, int | float) and 0 < patience < 1:
        raise InvalidInput("patience", f"{patience!r} is less than 1: even the incumbent would be stopped")
    check_positive("patience", patience)
    check_positive("memory_limit", memory_limit)
    if threads is not None:
        check_positive("threads", threads, whole=True)


def check_positive(name: str, value: float | None, *, whole: bool = False) -> None:
    """Refuse what is not a positive number; ``None`` is one, except among whole numbers."""
    if value is None and not whole:
        return
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < math.inf:
        raise InvalidInput(name, f"{value!r} is not a positive {'integer' if whole else 'number'}")


def seconds_by_solve(measured: Mapping[str, ArrayLike], solves: int) -> dict[str, NDArray[np.float64]]:
    """What others took, as an array of shape (solves,) each; a total is spread evenly.

    Raises
    ------
    InvalidInput
        There are not as many numbers as solves.
    """
    found = {}
    for name, taken in measured.items():
        array = np.asarray(taken, dtype=float)
        if array.shape not in ((), (solves,)):
            raise InvalidInput("measured", f"{name!r} has shape {array.shape}; there were {solves} solves")
        found[name] = array if array.shape else np.full(solves, array / max(solves, 1))
    return found
