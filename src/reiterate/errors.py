"""What can go wrong, as types. Every message names the argument, its value or shape, and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from reiterate.contracts import Attempt


class ReiterateError(Exception):
    """Base of every error that reiterate raises on purpose."""


class InvalidInput(ReiterateError, ValueError):
    """An argument cannot be used as it is.

    Attributes
    ----------
    argument : str
        Name of the argument, as the caller spells it.
    """

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(f"{argument}: {message}")
        self.argument = argument
        self._message = message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.argument, self._message)


class UnknownOption(InvalidInput, TypeError):
    """There is no option of that name; the message says which one is meant, if that can be guessed."""


BEST_IS_HERE: Final = "The best iterate is on this error as .x; "
"""What messages say to those who have caught the error, and to nobody else."""


class NotConverged(ReiterateError):
    """No configuration reached the tolerance.

    Attributes
    ----------
    x : Any
        The best iterate found.
    merit : float
        Its merit (for linear systems the relative residual), recomputed from first principles.
    target : float
        The merit that was asked for.
    attempts : tuple[Attempt, ...]
        What was tried, in order.
    """

    def __init__(self, message: str, *, x: Any, merit: float, target: float, attempts: Sequence[Attempt] = ()) -> None:
        super().__init__(message)
        self.x = x
        self.merit = merit
        self.target = target
        self.attempts = tuple(attempts)

    def told(self) -> str:
        """The message for those who see it and have no error in their hands."""
        before, found, after = str(self).partition(BEST_IS_HERE)
        return before + after[:1].upper() + after[1:] if found else before

    def __reduce__(self) -> tuple[Any, ...]:
        known = {"x": self.x, "merit": self.merit, "target": self.target, "attempts": self.attempts}
        return _rebuild, (type(self), str(self), known)


class ToleranceUnreachable(NotConverged):
    """The tolerance is below what double precision can reach for this instance; ``x`` is as good as it gets."""


class Breakdown(ReiterateError):
    """A method cannot prepare this instance, e.g. a factor would be singular; the engine goes on with another.

    Attributes
    ----------
    remedy : str
        What the caller could do about it, e.g. "raise memory_limit"; empty where nothing would help.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class OutOfTime(Breakdown):
    """Preparing would take, or has taken, more time than is left for it; the engine goes on with another method."""


class UnreadableFile(ReiterateError):
    """A file of a stream cannot be read, e.g. because it is half-written.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    line : int or None
        Where it went wrong, counted from 1; ``None`` where the file has no lines, or it cannot be said.
    """

    def __init__(self, path: Path, why: str, line: int | None = None) -> None:
        where = str(path) if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {why}")
        self.path, self.line, self._why = path, line, why

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self._why, self.line)


def _rebuild(kind: type[NotConverged], message: str, known: dict[str, Any]) -> NotConverged:
    return kind(message, **known)
