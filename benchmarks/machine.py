"""The machine a benchmark ran on, and the small tools that benchmarks share."""

from __future__ import annotations

import csv
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

QUICK = "--quick" in sys.argv
"""Whether only to see that a benchmark runs: then nothing that is committed is overwritten."""

RESULTS = Path(tempfile.gettempdir()) / "reiterate-quick" if QUICK else Path(__file__).parent / "results"
RESULTS.mkdir(parents=True, exist_ok=True)

processor_time = time.process_time
"""Seconds that processors have spent on this process: on one thread, the time by the clock of an idle machine."""


def describe_machine() -> str:
    """One line: processor, cores, system, versions of what the figures depend on."""
    processor = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), processor)
        family = next((line.split(":")[1].strip() for line in lines if line.startswith("cpu family")), "?")
        processor = f"{model} (family {family})"
    except OSError:
        pass
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "numba"))
    return f"{processor}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {packages}"


def median_seconds(function: Callable[[], object], repeats: int = 15) -> float:
    """Median wall-clock of a call, after one that is not counted."""
    function()
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def write_csv(name: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    """Write rows to ``benchmarks/results``, numbers to six digits."""
    path = RESULTS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow([f"{value:.6g}" if isinstance(value, float) else value for value in row])
    return path


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown; all columns but the first aligned right."""
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    lines += ["| " + " | ".join(str(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def fill_page(page: Path, section: str, text: str) -> None:
    """Replace what stands between the markers of a section on a docs page, so that pages show what was measured.

    With ``--quick`` it is a copy of the page, beside the results.
    """
    begin, end = f"<!-- {section}: begin -->", f"<!-- {section}: end -->"
    if QUICK:
        page = Path(shutil.copy(page, RESULTS)) if not (RESULTS / page.name).exists() else RESULTS / page.name
    old = page.read_text()
    before, rest = old.split(begin)
    after = rest.split(end)[1]
    page.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")
