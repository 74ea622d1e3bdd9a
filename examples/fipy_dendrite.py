"""A crystal that grows into its undercooled melt, with FiPy; draws ``fipy_dendrite.png``.

The model of FiPy's example ``examples/phase/anisotropy.py`` (Warren, Kobayashi, Lobkovsky, Carter 2003): two equations,
for the phase and the heat, one of which has another matrix in every step.

Usage: ``python examples/fipy_dendrite.py [--output PICTURE]``
"""

import argparse
import time

import numpy as np
from fipy import CellVariable, DiffusionTerm, Grid2D, ImplicitSourceTerm, TransientTerm
from fipy.solvers.scipy import LinearLUSolver
from fipy.tools import numerix
from matplotlib.figure import Figure

import reiterate as rt

SIDE, STEPS, DT, DX = 90, 60, 5e-4, 0.025
DIFFUSIVITY, BRANCHES, ANISOTROPY, ALPHA, TAU = 2.25, 6.0, 0.02, 0.015, 3e-4


def timed(kind, seconds):
    """Solvers of that kind that note the seconds of every system."""

    class Timed(kind):
        """The same by the clock."""

        def _solve_(self, *system):
            begin = time.perf_counter()
            x = super()._solve_(*system)
            seconds.append(time.perf_counter() - begin)
            return x

    return Timed


def simulate(make_solver):
    """Phase and temperature at the end."""
    mesh = Grid2D(dx=DX, dy=DX, nx=SIDE, ny=SIDE)
    phase = CellVariable(name="phase", mesh=mesh, hasOld=True)
    heat = CellVariable(name="temperature", mesh=mesh, value=-0.5, hasOld=True)
    x, y = mesh.cellCenters
    phase.setValue(1.0, where=(x - SIDE * DX / 2) ** 2 + (y - SIDE * DX / 2) ** 2 < (10 * DX) ** 2)
    heat_equation = TransientTerm() == DiffusionTerm(DIFFUSIVITY) + (phase - phase.old) / DT
    psi = np.pi / 8.0 + numerix.arctan2(phase.faceGrad[1], phase.faceGrad[0])
    Phi = numerix.tan(BRANCHES * psi / 2.0)
    slope = (1.0 - Phi**2) / (1.0 + Phi**2)
    derivative = -BRANCHES * 2.0 * Phi / (1.0 + Phi**2)
    stiff = (1.0 + ANISOTROPY * slope) * (ANISOTROPY * derivative)
    tensor = ALPHA**2 * (1.0 + ANISOTROPY * slope) * ([[1, 0], [0, 1]] * (1.0 + ANISOTROPY * slope))
    tensor += ALPHA**2 * stiff * [[0, -1], [1, 0]]
    drive = phase - 0.5 - 0.9 / np.pi * numerix.arctan(10.0 * heat)
    phase_equation = TransientTerm(TAU) == DiffusionTerm(tensor) + ImplicitSourceTerm((1.0 - phase) * drive)
    for _ in range(STEPS):
        phase.updateOld()
        heat.updateOld()
        phase_equation.solve(phase, dt=DT, solver=make_solver())
        heat_equation.solve(heat, dt=DT, solver=make_solver())
    return np.array(phase), np.array(heat)


def main(picture: str) -> None:
    before, after = [], []
    expected, _ = simulate(timed(LinearLUSolver, before))
    phase, heat = simulate(timed(rt.integrations.fipy.LinearReiterateSolver, after))
    difference = np.abs(phase - expected).max() / np.abs(expected).max()
    print(f"{phase.size} unknowns, {2 * STEPS} systems")
    print(f"LinearLUSolver, the default of FiPy with SciPy: {sum(before):.2f} s; reiterate: {sum(after):.2f} s")
    print(f"largest relative difference: {difference:.1e}")

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=[1, 1, 1.2])
    fields = (("phase", phase, "Blues"), ("temperature", heat, "inferno"))
    for ax, (name, field, colors) in zip(axes[:2], fields, strict=True):
        image = ax.imshow(field.reshape(SIDE, SIDE), origin="lower", cmap=colors)
        ax.set(title=name, xticks=[], yticks=[])
        figure.colorbar(image, ax=ax, shrink=0.8)
    systems = np.arange(1, 2 * STEPS + 1)
    axes[2].plot(systems, before, ".", color="gray", label=f"LinearLUSolver: {sum(before):.1f} s")
    axes[2].plot(systems, after, ".", color="tab:red", label=f"reiterate: {sum(after):.1f} s")
    axes[2].set(xlabel="system", ylabel="seconds", yscale="log", title=f"{phase.size:,} unknowns")
    axes[2].legend()
    figure.savefig(picture, dpi=120)
    print(f"wrote {picture}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", metavar="PICTURE", default="fipy_dendrite.png")
    main(parser.parse_args().output)
