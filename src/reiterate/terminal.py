"""What the command shows on a terminal: live progress, tables, findings."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from reiterate.comparison import Watcher
from reiterate.contracts import Record
from reiterate.progress import shown_late
from reiterate.report.data import Comparison, Run

_KINDS = {"learner": "learns online", "fixed": "fixed", "oracle": "knows the future"}


class _Display:
    """A progress bar for every contender, and what the current one is choosing."""

    _WINDOW = 50

    def __init__(self, total_columns: int) -> None:
        self.progress = Progress(
            TextColumn("{task.description:<18}"),
            BarColumn(bar_width=max(10, min(40, total_columns - 62))),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._tasks: dict[str, Any] = {}
        self._recent: deque[Record] = deque(maxlen=self._WINDOW)
        self._line = Text()

    def __call__(self, contender: str, step: int, steps: int, record: Record | None) -> None:
        if contender not in self._tasks:
            self._tasks[contender] = self.progress.add_task(contender, total=steps)
            self._recent.clear()
            self._line = Text("  trying every omega at every step", style="dim")
        self.progress.update(self._tasks[contender], completed=step)
        if record is not None:
            self._recent.append(record)
            # Rebuilding the line costs more than a small solve, so not at every step.
            if step % 10 == 0 or step == steps:
                self._line = self._describe()

    def _describe(self) -> Text:
        mean = sum(record.iterations for record in self._recent) / len(self._recent)
        chosen = Counter(str(record.configuration) for record in self._recent).most_common(3)
        names = ", ".join(f"{name} {100 * count // len(self._recent)} %" for name, count in chosen)
        return Text(f"  last {len(self._recent)} steps: {mean:.1f} iterations a step; choosing {names}", style="cyan")

    def __rich__(self) -> Group:
        return Group(self.progress, self._line)


@contextmanager
def demo_progress(description: str) -> Iterator[Watcher]:
    """Show live progress on the terminal while contenders run; yields the watcher to hand them."""
    console = Console()
    console.print(Text(description))
    display = _Display(console.width)
    with shown_late(Live(display, console=console, refresh_per_second=8, transient=True), console):
        yield display


def print_comparison(comparison: Comparison, report: Path) -> None:
    """Print the table of contenders, best last, and where the report is."""
    console = Console()
    table = Table(title=None, title_justify="left", header_style="bold")
    table.add_column("contender", no_wrap=True)
    table.add_column("kind", style="dim", no_wrap=True)
    table.add_column("iterations", justify="right")
    table.add_column("× best", justify="right")
    table.add_column("seconds", justify="right")
    best = comparison.table.iterations.sum(axis=0).min()
    for run in sorted(comparison.runs, key=lambda run: -int(run.iterations.sum())):
        total = int(run.iterations.sum())
        style = "bold green" if run.kind == "learner" else None
        table.add_row(
            _label(run, comparison),
            _KINDS[run.kind],
            f"{total:,}",
            f"{total / best:.2f}",
            f"{run.seconds.sum():.2f}",
            style=style,
        )
    console.print(table)
    console.print(Text(f"{comparison.unknowns:,} unknowns, {len(comparison.context):,} systems. Report: {report}"))


def _label(run: Run, comparison: Comparison) -> str:
    if run.name != "best fixed":
        return run.name
    return f"best fixed ({comparison.parameter_name} = {comparison.table.parameter[comparison.table.best_fixed]:g})"


def print_findings(findings: dict[str, Any]) -> None:
    """Print what the doctor found, one fact a line."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    for name, value in findings.items():
        if isinstance(value, dict):
            for inner, what in value.items():
                table.add_row(f"{name}: {inner}", _plain(what))
        else:
            table.add_row(name.replace("_", " "), _plain(value))
    Console().print(table)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not installed" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
