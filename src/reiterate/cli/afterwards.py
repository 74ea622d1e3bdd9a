"""What a command does when the command line has been read, with nothing of Typer left on the stack."""

from __future__ import annotations

from collections.abc import Callable


class Afterwards(BaseException):
    """Raised by a command that hands the process over to a program.

    Attributes
    ----------
    do : callable
        To be called without arguments; its exceptions are the program's.
    """

    def __init__(self, do: Callable[[], None]) -> None:
        super().__init__()
        self.do = do
