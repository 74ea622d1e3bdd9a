"""The three experiments of "Learning to Relax" (Khodak, Chow, Balcan, Talwalkar, ICLR 2024), from one command.

    python benchmarks/learning_to_relax.py                 all three, a few minutes
    python benchmarks/learning_to_relax.py heat --nx 25 --nx 50 --nx 100 --nx 200

(sor) a fixed grid of omega against Tsallis-INF, SOR on systems A + c I, A the 5-point Laplacian on a 10 × 10 grid
and c random; (contextual) the same with c as context: Tsallis-INF, binned Tsallis-INF, ChebCB and the best of the
grid at every instance; (heat) the heat equation with SSOR-preconditioned CG, 5,000 steps.

Tables and plots go to ``benchmarks/results`` and into ``docs/learning-to-relax.md``.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from matplotlib.figure import Figure

from machine import RESULTS, describe_machine, fill_page, markdown_table, write_csv
from reiterate import gallery
from reiterate.comparison import Contender, fixed, learning, oracle, play, tabulate
from reiterate.gallery.stream import Simulation, System
from reiterate.report.data import CostTable, Run

RTOL = 1e-8
OMEGAS = [round(float(value), 6) for value in np.linspace(1.0, 1.95, 20)]
OFFSETS = {"high variance": (0.5, 1.5), "low variance": (2.0, 6.0)}
INTERVAL = (-0.15, 0.45)
README = Path(__file__).parent.parent / "README.md"
PAGE = Path(__file__).parent.parent / "docs" / "learning-to-relax.md"


class ShiftedLaplacians(Simulation):
    """Independent systems (A + c I) x = b with c = −0.15 + 0.6·Beta(α, β) and b normal with ‖b‖² ≤ n."""

    def __init__(self, steps: int, shape: tuple[float, float], seed: int, m: int = 10) -> None:
        T = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(m, m))
        self._A = sp.csr_array(sp.kron(T, sp.eye_array(m)) + sp.kron(sp.eye_array(m), T))
        rng = np.random.default_rng([seed, 20240])
        self._offsets = INTERVAL[0] + 0.6 * rng.beta(*shape, steps)
        self._sides = np.empty((steps, m * m))
        for k in range(steps):
            while True:
                self._sides[k] = rng.normal(size=m * m)
                if self._sides[k] @ self._sides[k] <= m * m:
                    break
        self._identity = sp.eye_array(m * m, format="csr")
        super().__init__((m, m), steps)

    def initial_state(self) -> np.ndarray:
        """Zeros: these systems do not depend on each other."""
        return np.zeros(self._A.shape[0])

    def assemble(self, u: np.ndarray) -> System:
        """System number ``step``, begun at zero."""
        c = float(self._offsets[self.step])
        A = sp.csr_array(self._A + c * self._identity)
        return System(A, self._sides[self.step], np.zeros_like(u), {"c": c})


@dataclass
class Curve:
    """Iterations by instance of one contender, averaged over the trials."""

    name: str
    iterations: np.ndarray

    @property
    def total(self) -> float:
        return float(self.iterations.sum())


def spell(method: str) -> list[str]:
    return [f"{method}(omega={omega!r})" for omega in OMEGAS]


def run_shifted(steps: int, trials: int) -> tuple[dict[str, list[Curve]], dict[str, list[Curve]]]:
    """Experiments (sor) and (contextual): curves by offset distribution, from the same systems."""
    plain: dict[str, list[Curve]] = {}
    contextual: dict[str, list[Curve]] = {}
    for title, shape in OFFSETS.items():
        tables, runs = [], {name: [] for name in ("Tsallis-INF", "binned Tsallis-INF", "ChebCB")}
        begin = time.perf_counter()
        for trial in range(trials):
            simulation = ShiftedLaplacians(steps, shape, trial)
            table, _, _ = tabulate(simulation, spell("sor"), "omega", RTOL)
            tables.append(table)
            for contender in (
                learning("tsallis_inf", spell("sor"), RTOL, trial, "Tsallis-INF"),
                learning("binned_tsallis_inf", spell("sor"), RTOL, trial, "binned Tsallis-INF", interval=INTERVAL),
                learning("cheb_cb", spell("sor"), RTOL, trial, "ChebCB", degree=6, interval=INTERVAL),
            ):
                runs[contender.name].append(play(contender, simulation, "omega").iterations)
            print(f"{title}: trial {trial + 1} of {trials}, {time.perf_counter() - begin:.0f} s", flush=True)
        mean = np.mean([table.iterations for table in tables], axis=0)
        grid = [
            Curve(f"omega = {omega:g}", mean[:, column])
            for column, omega in enumerate(OMEGAS)
            if omega in (1.0, 1.2, 1.4, 1.6, 1.8)
        ]
        best = int(np.argmin(mean.sum(axis=0)))
        learnt = {name: Curve(name, np.mean(counts, axis=0)) for name, counts in runs.items()}
        best_curve = Curve(f"best fixed (omega = {OMEGAS[best]:g})", mean[:, best])
        optimal = Curve("instance-optimal", np.mean([table.instance_optimal for table in tables], axis=0))
        plain[title] = [*grid, best_curve, learnt["Tsallis-INF"]]
        contextual[title] = [best_curve, *learnt.values(), optimal]
    return plain, contextual


def report_curves(section: str, curves: dict[str, list[Curve]], steps: int, trials: int) -> None:
    """CSV, plot and table of one experiment."""
    rows, header = [], ["contender", *curves]
    names = [
        curve.name if not curve.name.startswith("best fixed") else "best fixed omega"
        for curve in next(iter(curves.values()))
    ]
    for k, name in enumerate(names):
        rows.append([name, *(f"{group[k].total / steps:.2f}" for group in curves.values())])
    write_csv(
        f"{section}.csv",
        ["offsets", "contender", "instance", "cumulative_iterations"],
        [
            (title, curve.name, k + 1, float(total))
            for title, group in curves.items()
            for curve in group
            for k, total in enumerate(np.cumsum(curve.iterations))
            if (k + 1) % max(1, steps // 50) == 0
        ],
    )
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    for axes, (title, group) in zip(figure.subplots(1, 2, sharey=True), curves.items(), strict=True):
        for curve in group:
            learner = "Tsallis" in curve.name or "ChebCB" in curve.name
            style = "-" if learner else ":" if curve.name == "instance-optimal" else "--"
            axes.plot(np.arange(1, steps + 1), np.cumsum(curve.iterations) / 1e3, style, label=curve.name)
        axes.set(title=f"{title} offsets", xlabel="instances solved", ylabel="iterations / 1,000")
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8)
    figure.savefig(RESULTS / f"{section}.png", dpi=110)
    best = [next(c.name for c in group if c.name.startswith("best fixed")) for group in curves.values()]
    text = (
        f"Mean iterations an instance, {steps:,} instances, mean of {trials} trials; the best fixed omega is "
        f"{', '.join(f'{name.split()[-1][:-1]} ({title})' for name, title in zip(best, curves, strict=True))}.\n\n"
        + markdown_table(header, rows)
        + f"\n\n![Cumulative iterations](../benchmarks/results/{section}.png)"
    )
    fill_page(PAGE, section, text)
    print(text)


def heat_contenders(table: CostTable, seeds: int) -> list[Contender]:
    chosen = [fixed("cg", RTOL, "plain CG")]
    chosen += [fixed(f"ssor_cg(omega={omega})", RTOL, f"omega = {omega:g}") for omega in (1.0, 1.5)]
    chosen += [oracle("best fixed", table, RTOL), oracle("instance-optimal", table, RTOL)]
    for name, label in (
        ("tsallis_inf", "Tsallis-INF"),
        ("binned_tsallis_inf", "binned Tsallis-INF"),
        ("cheb_cb", "ChebCB"),
    ):
        chosen += [learning(name, spell("ssor_cg"), RTOL, seed, label) for seed in range(seeds)]
    return chosen


def run_heat(nx: int, steps: int, seeds: int) -> tuple[CostTable, dict[str, list[Run]]]:
    """Experiment (heat) on one grid."""
    simulation = gallery.heat(nx=nx, steps=steps)
    begin = time.perf_counter()
    table, _, _ = tabulate(simulation, spell("ssor_cg"), "omega", RTOL)
    print(f"heat nx = {nx}: table of {len(OMEGAS)} omegas in {time.perf_counter() - begin:.0f} s", flush=True)
    runs: dict[str, list[Run]] = {}
    for contender in heat_contenders(table, seeds):
        run = play(contender, simulation, "omega")
        runs.setdefault(contender.name, []).append(run)
        print(f"  {contender.name}: {run.iterations.sum():,} iterations, {run.seconds.sum():.2f} s", flush=True)
    return table, runs


def report_heat(results: dict[int, tuple[CostTable, dict[str, list[Run]]]], steps: int, seeds: int) -> None:
    """CSV, plots and tables of the heat experiment."""
    rows, texts = [], []
    for nx, (table, runs) in results.items():
        best = int(table.iterations.sum(axis=0).min())
        optimal = int(table.instance_optimal.sum())
        shown = []
        for name, group in runs.items():
            totals = [int(run.iterations.sum()) for run in group]
            seconds = [float(run.seconds.sum()) for run in group]
            rows += [(nx, name, k, total, took) for k, (total, took) in enumerate(zip(totals, seconds, strict=True))]
            total = float(np.mean(totals))
            label = name if name != "best fixed" else f"best fixed (omega = {OMEGAS[table.best_fixed]:g})"
            shown.append(
                (label, f"{total:,.0f}", f"{total / best:.3f}", f"{total / optimal:.3f}", f"{np.mean(seconds):.2f}")
            )
        header = ["contender", "iterations", "of best fixed", "of instance-optimal", "seconds"]
        texts.append(f"**nx = {nx}** ({(nx - 1) ** 2:,} unknowns)\n\n{markdown_table(header, shown)}")
        if nx == 100 and steps == 5000:
            fill_page(README, "heat100", markdown_table(header, shown))
    write_csv("heat.csv", ["nx", "contender", "seed", "iterations", "seconds"], rows)
    draw_heat(results)
    text = (
        f"{steps:,} steps, relative residual {RTOL:g}, every step begun at the last one's solution; learners: mean of "
        f"{seeds} seeds. Seconds cover choosing, preparing, iterating, verifying and learning.\n\n"
        + "\n\n".join(texts)
        + "\n\n![Chosen omega and totals](../benchmarks/results/heat.png)"
    )
    fill_page(PAGE, "heat", text)


def draw_heat(results: dict[int, tuple[CostTable, dict[str, list[Run]]]]) -> None:
    nx, (table, runs) = list(results.items())[-1]
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.6, 1.0])
    steps = np.arange(len(table.iterations))
    ratio = table.iterations / table.instance_optimal[:, None]
    image = left.pcolormesh(steps[::10], OMEGAS, ratio[::10].T, cmap="Greys", vmin=1.0, vmax=3.0, shading="nearest")
    figure.colorbar(image, ax=left, label="iterations / instance-optimal")
    for name, color in (("Tsallis-INF", "#D55E00"), ("ChebCB", "#0072B2")):
        smooth = np.convolve(runs[name][0].parameter, np.ones(25) / 25, mode="same")
        left.plot(steps[12:-12], smooth[12:-12], color=color, lw=1.2, label=f"{name} (mean of 25)")
    left.set(title=f"chosen omega, nx = {nx}", xlabel="step", ylabel="omega", ylim=(1.0, 1.95))
    left.legend(loc="lower right", fontsize=8)
    sizes = [(n - 1) ** 2 for n in results]
    for name in runs:
        totals = [np.mean([run.iterations.sum() for run in result[1][name]]) for result in results.values()]
        learner = "Tsallis" in name or "ChebCB" in name
        right.loglog(sizes, totals, "o-" if learner else "--", label=name)
    right.set(title="total iterations", xlabel="unknowns", ylabel="iterations")
    right.legend(fontsize=8)
    figure.savefig(RESULTS / "heat.png", dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="*", default=[], help="sor, contextual and heat; default: all")
    parser.add_argument("--nx", type=int, action="append", help="grids of the heat experiment (25, 50, 100)")
    parser.add_argument("--steps", type=int, default=5000, help="instances of each stream")
    parser.add_argument("--trials", type=int, default=10, help="streams of the random-offset experiments")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the learners in the heat experiment")
    options = parser.parse_args()
    experiments = options.experiments or ["sor", "contextual", "heat"]
    print(describe_machine())
    if {"sor", "contextual"} & set(experiments):
        plain, contextual = run_shifted(options.steps, options.trials)
        if "sor" in experiments:
            report_curves("sor", plain, options.steps, options.trials)
        if "contextual" in experiments:
            report_curves("contextual", contextual, options.steps, options.trials)
    if "heat" in experiments:
        results = {nx: run_heat(nx, options.steps, options.seeds) for nx in options.nx or [25, 50, 100]}
        report_heat(results, options.steps, options.seeds)
    fill_page(PAGE, "machine", f"Measured on: {describe_machine()}.")


if __name__ == "__main__":
    main()
