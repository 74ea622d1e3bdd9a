"""Published programs, as they are or larger, under plain Python and under `reiterate run`.

    python benchmarks/programs.py [--quick] [--rounds=N] [--keep=DIRECTORY] [NAME …]

Whole processes, imports included: plain; with `reiterate run` and no memory; with an empty memory; with the memory
that this run has left. What the programs compute is compared in runs of its own (`programs_probe.py`), which are not
timed; the share of solving in plain runs is from another (`programs_share.py`). Programs whose package is not installed
are left out. FiPy's and scikit-fem's examples are not in their wheels: set ``FIPY_EXAMPLES`` and ``SKFEM_EXAMPLES`` to
the directories of examples in their source distribution and repository. Where an example has no option for its size,
one constant of a copy of it is changed, and the program is reported as one whose size was changed. Writes
``benchmarks/results/programs.csv`` and fills ``docs/programs.md``, if no NAME is given. A run that was interrupted
goes on where it was, if it had a directory to keep what was measured.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from machine import QUICK, describe_machine, fill_page, markdown_table, write_csv

PAGE = Path(__file__).parent.parent / "docs" / "programs.md"
PROBE = Path(__file__).parent / "programs_probe.py"
SHARE = Path(__file__).parent / "programs_share.py"
RUN = ("-m", "reiterate", "run")
ROUNDS = next((int(word[9:]) for word in sys.argv if word.startswith("--rounds=")), 1 if QUICK else 3)
KEEP = next((Path(word[7:]) for word in sys.argv if word.startswith("--keep=")), None)
DOMINATED = 0.5  # share of a plain run, from which on solving dominates
LONGEST = 900.0  # seconds of one run
LONG = 8.0  # seconds of a plain run, from which on one round is enough: half a second more or less does not matter
LEAST_COMPARED = 100  # numbers of an array that is a result


@dataclass(frozen=True)
class Program:
    """A published program.

    Attributes
    ----------
    package
        What must be importable.
    command
        As it follows ``python``; ``{examples}`` is the directory of the package's examples.
    quick
        The same at a size that takes seconds; without it, and with ``size``, the example as published.
    size
        Text in the example that is there once, and what is put in its place to make it larger.
    status
        With which it ends under plain Python: FiPy's examples check numbers that only their usual size has.
    """

    package: str
    command: tuple[str, ...]
    quick: tuple[str, ...] = ()
    size: tuple[str, str] | None = None
    status: int = 0

    @property
    def resized(self) -> bool:
        """Whether this run changes the size in the example's text."""
        return self.size is not None and not QUICK

    @contextmanager
    def prepared(self) -> Iterator[tuple[str, ...] | None]:
        """The command of this run, with the example's size changed in a copy if need be."""
        command = self.arguments()
        if command is None or self.size is None or not self.resized:
            yield command
            return
        with tempfile.TemporaryDirectory() as directory:
            yield tuple(
                str(resized_copy(Path(part), self.size, Path(directory))) if part.endswith(".py") else part
                for part in command
            )

    def arguments(self) -> tuple[str, ...] | None:
        """The command of this run; ``None`` where the package or its examples are not here."""
        if importlib.util.find_spec(self.package) is None:
            return None
        examples = directory_of_examples(self.package)
        command = tuple(
            part.replace("{examples}", str(examples)) for part in (self.quick if QUICK and self.quick else self.command)
        )
        files = [part for part in command if part.endswith(".py")]
        return command if all(Path(file).is_file() for file in files) else None


def resized_copy(example: Path, size: tuple[str, str], directory: Path) -> Path:
    """A copy of the example with its size changed; refused where the text to be replaced is not there exactly once."""
    text, (old, new) = example.read_text(), size
    if text.count(old) != 1:
        raise ValueError(f"size: {old!r} is {text.count(old)} times in {example}, not once; adapt it to this release")
    copy = directory / example.name
    copy.write_text(text.replace(old, new))
    return copy


def directory_of_examples(package: str) -> Path | None:
    if package == "sfepy":
        spec = importlib.util.find_spec(package)
        return Path(str(spec.origin)).parent / "examples" if spec else None
    found = os.environ.get(f"{package.upper()}_EXAMPLES")
    return Path(found).absolute() if found else None


SFEPY = ("-m", "sfepy.scripts.simple", "-q")
FINER = "'refinement_level': {}"
IMPINGEMENT = "{examples}/phase/impingement/mesh20x20.py"
POD = "--alg=pod"

PROGRAMS = {
    "FiPy, growth of polycrystals": Program("fipy", ("-m", "doctest", "{examples}/phase/polyxtal.py")),
    "FiPy, liquid and vapor": Program("fipy", ("-m", "doctest", "{examples}/reactiveWetting/liquidVapor2D.py")),
    "FiPy, impingement of four grains": Program(
        "fipy",
        (IMPINGEMENT, "--numberOfElements=57600", "--numberOfSteps=5"),
        (IMPINGEMENT, "--numberOfElements=2500", "--numberOfSteps=3"),
        status=1,
    ),
    "FiPy, misorientation of a circle": Program("fipy", ("{examples}/phase/missOrientation/circle.py",)),
    "pyMOR, thermal block, reduced greedily": Program(
        "pymor",
        ("-m", "pymordemos.thermalblock", "2", "2", "3", "16", "--grid=100", "--test=5"),
        ("-m", "pymordemos.thermalblock", "2", "2", "2", "6", "--grid=30", "--test=2"),
    ),
    "pyMOR, thermal block, reduced by POD": Program(
        "pymor",
        ("-m", "pymordemos.thermalblock", "2", "2", "2", "6", "--grid=170", "--test=2", POD),
        ("-m", "pymordemos.thermalblock", "2", "2", "2", "6", "--grid=30", "--test=2", POD),
    ),
    "scikit-fem, H(curl) (ex33)": Program("skfem", ("{examples}/ex33.py",)),
    "scikit-fem, mixed Poisson (ex37)": Program("skfem", ("{examples}/ex37.py",)),
    "scikit-fem, forced convection (ex25)": Program("skfem", ("{examples}/ex25.py",)),
    "scikit-fem, Stokes (ex30)": Program("skfem", ("{examples}/ex30.py",)),
    "SfePy, linear elasticity": Program(
        "sfepy",
        (*SFEPY, "{examples}/linear_elasticity/linear_elastic.py", "-O", FINER.format(2)),
        (*SFEPY, "{examples}/linear_elasticity/linear_elastic.py"),
    ),
    "SfePy, Stokes flow that slips": Program(
        "sfepy",
        (*SFEPY, "{examples}/navier_stokes/stokes_slip_bc.py", "-d", "shape=(11,15,15)"),
        (*SFEPY, "{examples}/navier_stokes/stokes_slip_bc.py", "-d", "shape=(5,6,6)"),
    ),
    "SfePy, heat in time": Program(
        "sfepy",
        (*SFEPY, "{examples}/diffusion/time_poisson.py", "-O", FINER.format(2)),
        (*SFEPY, "{examples}/diffusion/time_poisson.py"),
    ),
    "FiPy, Cahn–Hilliard in space": Program(
        "fipy",
        ("-m", "doctest", "{examples}/cahnHilliard/mesh3D.py"),
        size=("nx = ny = nz = 10\n", "nx = ny = nz = 28\n"),
    ),
    "FiPy, Cahn–Hilliard in the plane": Program(
        "fipy",
        ("-m", "doctest", "{examples}/cahnHilliard/mesh2D.py"),
        size=("nx = ny = 20\n", "nx = ny = 72\n"),
    ),
    "FiPy, Cahn–Hilliard in two coupled equations": Program(
        "fipy",
        ("-m", "doctest", "{examples}/cahnHilliard/mesh2DCoupled.py"),
        size=("nx = ny = 10\n", "nx = ny = 120\n"),
    ),
    "FiPy, dendrite": Program(
        "fipy",
        ("-m", "doctest", "{examples}/phase/anisotropy.py"),
        size=("nx = ny = 20\n", "nx = ny = 200\n"),
    ),
    "FiPy, diffusion on a square": Program(
        "fipy",
        ("-m", "doctest", "{examples}/diffusion/mesh20x20.py"),
        size=(">>> nx = 20\n", ">>> nx = 200\n"),
    ),
    "pyMOR, linear optimization": Program(
        "pymor",
        ("-m", "pymordemos.linear_optimization", "80", "10"),
        ("-m", "pymordemos.linear_optimization", "16", "3"),
    ),
    "pyMOR, thermal block, adaptive snapshots": Program(
        "pymor",
        ("-m", "pymordemos.thermalblock_adaptive", "10", "--grid=150", "--test=3", "--no-visualize-refinement"),
        ("-m", "pymordemos.thermalblock_adaptive", "4", "--grid=30", "--test=2", "--no-visualize-refinement"),
    ),
    "scikit-fem, mixed Poisson, finer (ex37)": Program(
        "skfem", ("{examples}/ex37.py",), size=("np.linspace(0, 1, 10)", "np.linspace(0, 1, 14)")
    ),
    "scikit-fem, minimal surface (ex10)": Program(
        "skfem", ("{examples}/ex10.py",), size=(".refined(5)", ".refined(7)")
    ),
    "SfePy, poroelasticity": Program(
        "sfepy",
        (*SFEPY, "{examples}/multi_physics/biot.py", "-O", FINER.format(1)),
        (*SFEPY, "{examples}/multi_physics/biot.py"),
    ),
    "SfePy, Navier–Stokes in an elbow": Program(
        "sfepy",
        (*SFEPY, "{examples}/navier_stokes/navier_stokes.py"),
        (*SFEPY, "{examples}/navier_stokes/stabilized_navier_stokes.py"),
    ),
    "SfePy, viscoelasticity in time": Program(
        "sfepy",
        (*SFEPY, "{examples}/linear_elasticity/linear_viscoelastic.py", "-O", FINER.format(1)),
        (*SFEPY, "{examples}/linear_elasticity/linear_viscoelastic.py"),
    ),
    "SfePy, elastodynamics": Program(
        "sfepy",
        (*SFEPY, "{examples}/linear_elasticity/elastodynamic.py", "-d", "shape=(41,16,16)"),
        (*SFEPY, "{examples}/linear_elasticity/elastodynamic.py", "-d", "shape=(11,5,5)"),
    ),
    "SfePy, sound in space": Program(
        "sfepy",
        (*SFEPY, "{examples}/acoustics/acoustics3d.py", "-O", FINER.format(1)),
        (*SFEPY, "{examples}/acoustics/acoustics3d.py"),
    ),
}


@dataclass(frozen=True)
class Found:
    """Seconds of whole programs, medians; share of solving, and unknowns; how far results are from plain ones."""

    plain: float
    ours: float
    first: float
    second: float
    share: float
    unknowns: int
    difference: float
    solves: int
    largest: str


def seconds_of(command: Sequence[str], memory: Path | None, status: int = 0) -> float:
    """Wall-clock of a fresh process in a directory of its own, which must end with that status."""
    with tempfile.TemporaryDirectory() as directory:
        begin = time.perf_counter()
        ended = subprocess.run(
            [sys.executable, *command],
            cwd=directory,
            env=environment(memory),
            input="\n" * 20,  # some wait for a key before they end
            capture_output=True,
            text=True,
            timeout=LONGEST,
        )
        taken = time.perf_counter() - begin
    if ended.returncode != status:
        raise RuntimeError(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stderr[-2000:]}")
    return taken


def environment(memory: Path | None) -> dict[str, str]:
    return {
        **os.environ,
        "MPLBACKEND": "Agg",
        "FIPY_SOLVERS": "scipy",
        "REITERATE_MEMORY": "off" if memory is None else str(memory),
    }


def measure(command: Sequence[str], status: int) -> Found:
    """All runs of one program; plain ones and ours take turns."""
    with tempfile.TemporaryDirectory() as directory:
        memory, told = Path(directory) / "memory.sqlite3", Path(directory) / "told.json"
        ours = (*RUN, "--quiet", *command)
        seconds_of((*RUN, "--json", str(told), *command), None, status)  # compiles what has to be compiled
        runs = [(seconds_of(command, None, status), seconds_of(ours, None, status))]
        rounds = 1 if runs[0][0] > LONG else ROUNDS
        runs += [(seconds_of(command, None, status), seconds_of(ours, None, status)) for _ in range(rounds - 1)]
        first = seconds_of(ours, memory, status)
        second = [seconds_of(ours, memory, status) for _ in range(rounds)]
        table = json.loads(told.read_text())
        longest = max(table["sites"], key=lambda site: site["seconds"], default={"where": "–", "function": ""})
        shared = Path(directory) / "share.json"
        seconds_of((str(SHARE), str(shared), *command), None, status)
        share = json.loads(shared.read_text())
        plain, with_us = (float(np.median(column)) for column in zip(*runs, strict=True))
        return Found(
            plain,
            with_us,
            first,
            float(np.median(second)),
            share["solving"] / share["seconds"],
            share["unknowns"],
            difference(command, Path(directory)),
            table["solves"],
            f"{longest['function']} in {longest['where']}",
        )


def difference(command: Sequence[str], directory: Path) -> float:
    """Largest relative difference of a result between both ways to run a program; NaN where nothing is comparable."""
    found = []
    for name, prefix in (("plain", ()), ("ours", (*RUN, "--quiet"))):
        path = directory / f"{name}.npz"
        seconds_of((*prefix, str(PROBE), str(path), *command), None)
        with np.load(path) as held:
            found.append({key: held[key] for key in held.files})
    plain, ours = found
    compared = [
        float(np.abs(ours[key] - plain[key]).max() / (size_of(key, plain) or 1.0))
        for key in plain
        if key in ours and plain[key].shape == ours[key].shape and plain[key].size >= LEAST_COMPARED
    ]
    return max(compared, default=math.nan)


def size_of(key: str, arrays: Mapping[str, np.ndarray]) -> float:
    """The largest entry; of one of many solutions that of all, since Newton's corrections end at rounding errors."""
    kind = key.rstrip("0123456789")
    like = [array for name, array in arrays.items() if name.rstrip("0123456789") == kind and kind.endswith(" ")]
    return max(float(np.abs(array).max()) for array in [arrays[key], *like] if array.shape == arrays[key].shape)


def kept(title: str) -> Found | None:
    """What an earlier run has measured of a program; ``None``: nothing."""
    path = None if KEEP is None else KEEP / f"{title}.json"
    return Found(**json.loads(path.read_text())) if path is not None and path.exists() else None


def keep(title: str, found: Found) -> None:
    if KEEP is not None:
        KEEP.mkdir(parents=True, exist_ok=True)
        (KEEP / f"{title}.json").write_text(json.dumps(vars(found)))


def row_of(name: str, found: Found) -> list[str]:
    return [
        name,
        f"{found.unknowns:,}",
        f"{found.share:.0%}",
        f"{found.plain:.1f}",
        f"{found.ours:.1f}",
        f"{found.first:.1f}",
        f"{found.second:.1f}",
        f"{found.plain / found.ours:.2f}",
        f"{found.plain / found.second:.2f}",
        f"{found.difference:.0e}",
        f"{found.solves:,}",
        found.largest,
    ]


HEADER = [
    "program",
    "unknowns",
    "share of solving in plain",
    "plain, s",
    "`reiterate run`, s",
    "with an empty memory, s",
    "with that memory, s",
    "× faster",
    "× faster, remembering",
    "difference",
    "solves",
    "most time",
]


def summary(found: Sequence[Found]) -> str:
    """Of all programs that solving dominates: in total, and the geometric mean; and the slowest of all."""
    least = min(one.plain / one.ours for one in found)
    worst = f"The least of all: {least:.2f} times as fast."
    dominated = [one for one in found if one.share > DOMINATED]
    if not dominated:
        return worst
    total = sum(one.plain for one in dominated) / sum(one.ours for one in dominated)
    mean = math.exp(sum(math.log(one.plain / one.ours) for one in dominated) / len(dominated))
    free = math.exp(-sum(math.log(1.0 - one.share) for one in dominated) / len(dominated))
    return (
        f"Where solving takes more than half of a plain run ({len(dominated)} of {len(found)} programs): "
        f"{total:.2f} times faster in total, geometric mean {mean:.2f}; if solving took no time at all, that would be "
        f"{free:.2f}. {worst}"
    )


def main() -> None:
    print(describe_machine())
    wanted = [name.lower() for name in sys.argv[1:] if not name.startswith("-")]
    measured: dict[str, Found] = {}
    for name, program in PROGRAMS.items():
        if wanted and not any(word in name.lower() for word in wanted):
            continue
        with program.prepared() as command:
            if command is None:
                print(f"{name}: left out; {program.package} or its examples are not here")
                continue
            title = f"{name} (size changed)" if program.resized else name
            measured[title] = kept(title) or measure(command, program.status)
        keep(title, measured[title])
        print(row_of(title, measured[title]), flush=True)
    if not measured:
        return
    text = (
        f"Measured on: {describe_machine()}; medians of {ROUNDS} runs, one where it takes more "
        f"than {LONG:.0f} s.\n\n"
        f"{markdown_table(HEADER, [row_of(name, found) for name, found in measured.items()])}\n\n"
        f"{summary(list(measured.values()))}"
    )
    print(text)
    if wanted:
        return  # a part is not what is reported
    figures = [(f"{name}: {key}", value) for name, found in measured.items() for key, value in vars(found).items()]
    write_csv("programs.csv", ["what", "value"], figures)
    if PAGE.exists():
        fill_page(PAGE, "programs", text)


if __name__ == "__main__":
    main()
