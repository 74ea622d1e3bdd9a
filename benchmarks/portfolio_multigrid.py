"""Section ``multigrid``: cycle and refresh against PyAMG's, and AMG-CG on a drifting stream against its peers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyamg
import scipy.sparse as sp
from matplotlib.figure import Figure
from pyamg.multilevel import MultilevelSolver
from pyamg.relaxation.smoothing import change_smoothers

import portfolio_targets
import reiterate as rt
from machine import RESULTS, fill_page, markdown_table, processor_time, write_csv
from petsc_client import PeerError, PetscClient, find_petsc
from portfolio_kernels import NO_PETSC
from portfolio_targets import PAGE, Target
from reiterate import gallery
from reiterate.linear.door import Door
from reiterate.linear.hierarchy import MultigridPreconditioner
from reiterate.linear.multigrid import SmoothedAggregationMultigrid

RTOL = 1e-8
FAMILY = SmoothedAggregationMultigrid()
UNPRECONDITIONED = {"ksp_type": "cg", "ksp_norm_type": "unpreconditioned"}
PETSC_CHOICES = {
    "PETSc GAMG": {"pc_type": "gamg"},
    "PETSc GAMG, interpolation kept": {"pc_type": "gamg", "pc_gamg_reuse_interpolation": "true"},
    "hypre BoomerAMG": {"pc_type": "hypre", "pc_hypre_type": "boomeramg"},
    "hypre BoomerAMG, threshold 0.5": {
        "pc_type": "hypre", "pc_hypre_type": "boomeramg", "pc_hypre_boomeramg_strong_threshold": "0.5",
    },
}  # fmt: skip
Figures = dict[str, float]


def pyamg_twin(preconditioner: MultigridPreconditioner) -> tuple[Any, np.ndarray]:
    """PyAMG's solver on the levels of our hierarchy, and the scale that ours is stored in.

    The hierarchy keeps its levels to itself, in flat arrays; only a comparison has a use for them.
    """
    levels = []
    for row, level in zip(preconditioner._table, preconditioner._levels, strict=True):
        size, count, transfer = level.size, level.indices.size, level.transfer
        values = preconditioner._values[row[3] : row[3] + count] if levels else preconditioner._fine_values
        twin = MultilevelSolver.Level()
        twin.A = _matrix(values, level, (size, size))
        if transfer is not None:
            weights = preconditioner._p_values[row[5] : row[5] + transfer.indices.size]
            twin.P = _matrix(weights, transfer, (size, transfer.coarse_size))
            twin.R = sp.csr_matrix(twin.P.T)
        levels.append(twin)
    solver = MultilevelSolver(levels, coarse_solver="pinv")
    change_smoothers(solver, ("gauss_seidel", {"sweep": "forward"}), ("gauss_seidel", {"sweep": "backward"}))
    return solver, preconditioner._scale


def _matrix(values: Any, pattern: Any, shape: tuple[int, int]) -> Any:
    arrays = values.astype(np.float64), pattern.indices.astype(np.int32), pattern.indptr.astype(np.int32)
    return sp.csr_matrix(arrays, shape=shape)


def timed(function: Callable[[], Any]) -> float:
    begin = processor_time()
    function()
    return processor_time() - begin


def measure_parts(size: int, rounds: int) -> Figures:
    """Medians of cycle, setup and refresh, ours and PyAMG's, in rounds that interleave them."""
    simulation = gallery.diffusion3d(size=size, steps=2)
    door = Door()
    instances = []
    for system in simulation:
        instances.append(door.admit(system.A, system.b, None, rtol=RTOL, atol=0.0))
        simulation.advance(system.x0)
    values = {bits: {"theta": 0.02, "sweeps": 1, "bits": bits} for bits in (64, 32)}
    built = {bits: FAMILY.build(instances[0], values[bits]) for bits in (64, 32)}
    assert isinstance(built[64], MultigridPreconditioner)
    twin, scale = pyamg_twin(built[64])
    cycle = twin.aspreconditioner(cycle="V")
    r = np.random.default_rng(0).standard_normal(size**3)
    z, scaled = np.empty_like(r), scale * r
    built[64].apply(r, z)
    difference = np.linalg.norm(scale * (cycle @ scaled) - z) / np.linalg.norm(z)
    assert difference < 1e-6, f"the cycles differ by {difference}"
    A = sp.csr_matrix(instances[1].A)
    calls: dict[str, Callable[[], Any]] = {
        "cycle": lambda: built[64].apply(r, z),
        "cycle, 32 bits": lambda: built[32].apply(r, z),
        "cycle, PyAMG": lambda: cycle @ scaled,
        "setup": lambda: FAMILY.build(instances[1], values[64]),
        "refresh": lambda: FAMILY.build(instances[1], values[64], built[64]),
        "setup, PyAMG": lambda: pyamg.smoothed_aggregation_solver(A),
    }
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            repeats = 5 if name.startswith("cycle") else 1
            seconds = float(np.median([timed(call) for _ in range(repeats)]))
            if turn:
                samples[name].append(seconds)
    return {name: float(np.median(found)) for name, found in samples.items()}


class PyamgRebuilt:
    """PyAMG's smoothed aggregation, built for every system, with its CG."""

    def __call__(self, A: Any, b: Any, x0: Any) -> tuple[float, float]:
        matrix, residuals = sp.csr_matrix(A), []
        begin = processor_time()
        solver = pyamg.smoothed_aggregation_solver(matrix)
        solver.solve(b, x0=x0, tol=RTOL, maxiter=500, accel="cg", residuals=residuals)
        return processor_time() - begin, float(len(residuals) - 1)


class Ours:
    """``rt.Solver`` with one configuration: refreshes or goes on with what it has, as it decides."""

    def __init__(self, spelling: str) -> None:
        self._solver = rt.Solver([spelling], rtol=RTOL)
        self.x: Any = None
        # Compiling is not what is measured.
        self._solver._engine._methods["amg_cg"].warm_up()

    def __call__(self, A: Any, b: Any, x0: Any) -> tuple[float, float]:
        begin = processor_time()
        self.x = self._solver.solve(A, b, x0=x0)
        seconds = processor_time() - begin
        assert self._solver.last is not None
        return seconds, float(self._solver.last.iterations)


class Petsc:
    """One of PETSc's preconditioners with its CG; reading the matrix is not counted."""

    def __init__(self, client: PetscClient, options: dict[str, str]) -> None:
        self._client, self._options = client, UNPRECONDITIONED | options

    def __call__(self, A: Any, b: Any, x0: Any) -> tuple[float, float]:
        answer = self._client.call("solve", name="stream", options=self._options, rtol=RTOL)
        assert answer["residual"] <= 1.01 * RTOL, answer
        return answer["setup"] + answer["solve"], float(answer["iterations"])


def play_stream(
    size: int, steps: int, petsc: PetscClient | None, choices: dict[str, dict[str, str]]
) -> dict[str, list[tuple[float, float]]]:
    """Seconds and iterations of every contender on every system; on each system they take turns."""
    simulation = gallery.diffusion3d(size=size, steps=steps)
    ours = {f"amg_cg, {bits} bits": Ours(f"amg_cg(bits={bits})") for bits in (32, 64)}
    contenders: dict[str, Any] = {**ours, "PyAMG rebuilt": PyamgRebuilt()}
    if petsc is not None:
        contenders |= {name: Petsc(petsc, options) for name, options in choices.items()}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for k, system in enumerate(simulation):
        if petsc is not None:
            if k == 0:
                petsc.load("stream", system.A, system.b, definite=True)
            petsc.renew("stream", system.A, system.b, system.x0)
        for name, solve in list(contenders.items()):
            try:
                found[name].append(solve(system.A, system.b, system.x0))
            except PeerError as error:
                print(f"  {name} is left out: {error}", flush=True)
                del contenders[name], found[name]
        simulation.advance(ours["amg_cg, 64 bits"].x)
    if petsc is not None:
        petsc.call("forget", name="stream")
    return found


def run(quick: bool) -> None:
    """Measure, and fill the section of the page."""
    warnings.filterwarnings("ignore", module="pyamg")
    petsc = find_petsc()
    note = NO_PETSC if petsc is None else f"PETSc {petsc.version} with its hypre, one process."
    print(note, flush=True)
    sizes, rounds, steps = ([24, 32], 3, {24: 5, 32: 5}) if quick else ([48, 100], 3, {48: 20, 100: 20})
    parts, totals = {}, {}
    choices = PETSC_CHOICES
    for size in sizes:
        parts[size] = measure_parts(size, rounds)
        print(f"  n = {size**3:,}: {', '.join(f'{k} {1e3 * v:.1f} ms' for k, v in parts[size].items())}", flush=True)
        totals[size] = play_stream(size, steps[size], petsc, choices)
        for name, found in totals[size].items():
            seconds, iterations = np.sum(found, axis=0)
            print(f"  n = {size**3:,}: {name}: {seconds:.2f} s, {iterations:.0f} iterations", flush=True)
        _publish(parts, totals, note)
        choices = _faster(choices, totals[size])
    if petsc is not None:
        petsc.close()


def _faster(
    choices: dict[str, dict[str, str]], found: dict[str, list[tuple[float, float]]]
) -> dict[str, dict[str, str]]:
    """Of the variants of each peer, the faster one: the larger systems are not spent on the others."""
    kept = {}
    for name, options in choices.items():
        total = float(np.sum(found[name], axis=0)[0]) if name in found else np.inf
        peer = options["pc_type"]
        if peer not in kept or total < kept[peer][0]:
            kept[peer] = (total, name)
    return {name: choices[name] for _, name in kept.values()}


def _publish(parts: dict[int, Figures], totals: dict[int, dict[str, list[tuple[float, float]]]], note: str) -> None:
    names = list(next(iter(parts.values())))
    header = ["milliseconds", *(f"n = {size**3:,}" for size in parts)]
    first = markdown_table(header, [[name, *(f"{1e3 * part[name]:.2f}" for part in parts.values())] for name in names])
    summed = {size: {name: np.sum(found, axis=0) for name, found in group.items()} for size, group in totals.items()}
    rows = []
    for size, group in summed.items():
        best = min(seconds for name, (seconds, _) in group.items() if name.startswith("amg_cg"))
        rows += [
            (f"n = {size**3:,}, {len(totals[size][name])} systems", name, f"{seconds:.2f}", f"{iterations:.0f}",
             f"{best / seconds:.2f}")
            for name, (seconds, iterations) in group.items()
        ]  # fmt: skip
    second = markdown_table(["stream", "method", "seconds", "iterations", "our better one / this"], rows)
    flat = [(size**3, name, 1e3 * value) for size, part in parts.items() for name, value in part.items()]
    write_csv("portfolio_multigrid_parts.csv", ["n", "what", "milliseconds"], flat)
    write_csv(
        "portfolio_multigrid.csv",
        ["n", "method", "instance", "seconds", "iterations"],
        [
            (size**3, name, k, *pair)
            for size, group in totals.items()
            for name, found in group.items()
            for k, pair in enumerate(found)
        ],
    )
    _draw(totals)
    text = f"{note}\n\n{first}\n\n{second}\n\n![Seconds so far](../benchmarks/results/portfolio_multigrid.png)"
    fill_page(PAGE, "multigrid", text)
    portfolio_targets.record("multigrid", _targets(parts, summed))


def _targets(parts: dict[int, Figures], summed: dict[int, dict[str, Any]]) -> list[Target]:
    target = partial(Target, "multigrid")
    found = []
    for size, part in parts.items():
        n = f"n = {size**3:,}"
        found += [
            target(f"V-cycle over PyAMG's on the same hierarchy, {n}", 0.5, part["cycle"] / part["cycle, PyAMG"]),
            target(f"refresh over our fresh setup, {n}", 0.3, part["refresh"] / part["setup"]),
            target(f"refresh over PyAMG's fresh setup, {n}", 0.3, part["refresh"] / part["setup, PyAMG"]),
        ]
        group = summed[size]
        best = min(seconds for name, (seconds, _) in group.items() if name.startswith("amg_cg"))
        for peer, bound in (("PyAMG", 0.4), ("PETSc GAMG", 0.7), ("hypre", 0.7)):
            rivals = {name: seconds for name, (seconds, _) in group.items() if name.startswith(peer)}
            if rivals:
                fastest = min(rivals, key=lambda name: rivals[name])
                found.append(target(f"amg_cg stream total over {fastest}, {n}", bound, best / rivals[fastest]))
    return found


def _draw(totals: dict[int, dict[str, list[tuple[float, float]]]]) -> None:
    figure = Figure(figsize=(11, 4), layout="constrained")
    for axes, (size, group) in zip(np.atleast_1d(figure.subplots(1, len(totals))), totals.items(), strict=True):
        for name, found in group.items():
            line = "-" if name.startswith("amg_cg") else "--"
            axes.plot(np.arange(1, len(found) + 1), np.cumsum([seconds for seconds, _ in found]), line, label=name)
        axes.set(title=f"n = {size**3:,}", xlabel="systems solved", ylabel="seconds")
        axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    figure.savefig(RESULTS / "portfolio_multigrid.png", dpi=110)
