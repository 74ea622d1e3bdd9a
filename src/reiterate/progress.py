"""Progress for what takes longer than a second: nothing for what is quick, nothing where nobody looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn, Task

PATIENCE = 1.0
"""Seconds after which people want to know."""


class Live(Protocol):
    """What is drawn until it is stopped, such as Rich's displays."""

    def start(self) -> None:
        """Begin to draw."""

    def stop(self) -> None:
        """Draw for the last time."""


@contextmanager
def shown_late(display: Live, console: Console, patience: float = PATIENCE) -> Iterator[None]:
    """Draw a display as soon as the block has taken longer than a second; never where there is no terminal."""
    if not console.is_terminal:
        yield
        return
    lock, over, begun = threading.Lock(), False, False

    def begin() -> None:
        nonlocal begun
        with lock:
            if not over:
                begun = True
                display.start()

    timer = threading.Timer(patience, begin)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with lock:
            over = True
        if begun:
            display.stop()


@contextmanager
def late_progress(
    description: str, total: int | None = None, console: Console | None = None, patience: float = PATIENCE
) -> Iterator[Callable[[], None]]:
    """A progress bar on standard error, once it has taken a second; gone in the end.

    It moves while a step goes on, and says for how long that has been: one step may take minutes.

    Parameters
    ----------
    description
        What is being done.
    total
        How many steps there are; ``None``: nobody knows.
    console
        Where else to draw.
    patience
        Seconds before anything is drawn.

    Yields
    ------
    callable
        To be called after every step.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True) if console is None else console
    begun = time.monotonic()

    def this_step(task: Task) -> str:
        return "" if task.finished else f"step {round(task.completed) + 1:,} for {time.monotonic() - begun:.0f} s"

    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=None if total is None else max(10, min(40, console.width - 80))),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        *(() if total is None else (TextColumn("left"), TimeRemainingColumn())),
        _column(this_step),
        console=console,
        transient=True,
    )
    task = progress.add_task(description, total=total)

    def advance() -> None:
        nonlocal begun
        begun = time.monotonic()
        progress.advance(task)

    with shown_late(progress, console, patience):
        yield advance


def _column(text: Callable[[Task], str]) -> ProgressColumn:
    """A column with a text that is made anew each time it is drawn."""
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Column(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(text(task), style="dim")

    return Column()
