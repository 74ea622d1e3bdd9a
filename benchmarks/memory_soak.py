"""Many processes write one memory under random kills: what was acknowledged must be there afterwards.

``python benchmarks/memory_soak.py --processes 8 --seconds 60`` starts processes that write what streams of theirs have
learnt, as fast as they can, and take a note of every write that the store has confirmed. They are killed (SIGKILL) at
random moments and started again. In the end nothing that was confirmed may be missing, the file must be whole, and no
process may have complained.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from reiterate.memory import Store, fingerprint

STREAMS = 12  # of every process
RESULTS = Path(__file__).parent / "results" / "memory_soak.csv"


@dataclass
class Outcome:
    """What a soak has come to; ``lost`` are streams of which less is known than was confirmed."""

    processes: int
    seconds: float
    kills: int
    writes: int
    busy: int
    lost: int
    complaints: int
    whole: bool
    microseconds_a_write: float
    bytes: int


@dataclass
class Life:
    """A process, the size of its notes when it was started, and when it will be killed."""

    process: subprocess.Popen[bytes]
    size: int
    until: float


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def work(path: Path, notes: Path, number: int) -> None:
    """Write what is known of streams, round and round, from where the notes end; for ever."""
    kept, known = Store(path), confirmed([notes])
    arms = {f"ssor_cg(omega={1 + k / 40:g})": {"strength": k / 7, "variance": 0.3, "plays": k} for k in range(40)}
    with notes.open("a") as log:
        while True:
            for stream in range(STREAMS):
                site = f"{number}/{stream}"
                known[site] = known.get(site, 0) + 1
                key = fingerprint({"what": "soak", "stream": stream}, site)
                kept.recall(key)
                begin = time.perf_counter()
                done = kept.remember(key, {"solves": known[site], "arms": arms})
                taken = time.perf_counter() - begin
                log.write(f"{site if done else '-'} {known[site]} {1e6 * taken:.0f}\n")
                log.flush()


def confirmed(notes: list[Path]) -> dict[str, int]:
    """The last confirmed number of every stream; a line that a kill has cut off does not count."""
    last: dict[str, int] = {}
    for file in notes:
        for line in file.read_text().splitlines(keepends=True) if file.exists() else ():
            parts = line.split(" ")
            if line.endswith("\n") and len(parts) == 3 and parts[0] != "-":
                last[parts[0]] = int(parts[1])
    return last


def soak(directory: Path, processes: int, seconds: float, seed: int = 0, mean_life: float = 1.5) -> Outcome:
    """Let processes write and be killed, then look at what is left; time counts from when all of them write."""
    rng = random.Random(seed)
    path = directory / "memory.sqlite3"
    notes = [directory / f"notes-{k}" for k in range(processes)]
    complaints = [directory / f"complaints-{k}" for k in range(processes)]

    def start(k: int) -> Life:
        command = [sys.executable, __file__, "--work", str(path), str(notes[k]), str(k)]
        with complaints[k].open("ab") as errors:
            process = subprocess.Popen(command, stderr=errors)
        # Most are killed while they write, some while they start.
        until = time.monotonic() + rng.random() if rng.random() < 0.2 else math.inf
        return Life(process, _size(notes[k]), until)

    end, kills, early = math.inf, 0, 0
    running = [start(k) for k in range(processes)]
    while time.monotonic() < end:
        time.sleep(0.01)
        if end == math.inf and all(_size(file) for file in notes):
            end = time.monotonic() + seconds
        for k, life in enumerate(running):
            if life.until == math.inf and _size(notes[k]) > life.size:
                life.until = time.monotonic() + rng.expovariate(1.0 / mean_life)
            gone = life.process.poll() is not None
            early += gone
            if gone or time.monotonic() > life.until:
                life.process.kill()
                kills += life.process.wait() == -signal.SIGKILL
                running[k] = start(k)
    for life in running:
        life.process.kill()
        life.process.wait()
    written = [line.split(" ") for file in notes if file.exists() for line in file.read_text().splitlines()]
    times = sorted(float(parts[2]) for parts in written if len(parts) == 3 and parts[2])
    store = Store(path)
    found = {entry.site: entry.solves for entry in store.entries()}
    store.close()
    with sqlite3.connect(path) as connection:
        whole = connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    return Outcome(
        processes=processes,
        seconds=seconds,
        kills=kills,
        writes=len(written),
        busy=sum(parts[0] == "-" for parts in written),
        lost=sum(found.get(site, 0) < number for site, number in confirmed(notes).items()),
        complaints=early + sum(file.stat().st_size > 0 for file in complaints),
        whole=whole,
        microseconds_a_write=times[len(times) // 2] if times else 0.0,
        bytes=os.stat(path).st_size,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        path, notes, number = given.work
        work(Path(path), Path(notes), int(number))
    with tempfile.TemporaryDirectory() as directory:
        outcome = asdict(soak(Path(directory), given.processes, given.seconds))
    given.output.parent.mkdir(exist_ok=True)
    with given.output.open("w", newline="") as file:
        writer = csv.DictWriter(file, outcome)
        writer.writeheader()
        writer.writerow(outcome)
    print(outcome)


if __name__ == "__main__":
    main()
