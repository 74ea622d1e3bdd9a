"""A hot wire in a block whose conductivity falls with the temperature, with scikit-fem; draws ``scikit_fem_heat.png``.

Every time step has another matrix, which `skfem.solve` factors; a tuned solver finds out that it need not.

Usage: ``python examples/scikit_fem_heat.py [--output PICTURE]``
"""

import argparse
import time

import numpy as np
from matplotlib.figure import Figure
from skfem import Basis, BilinearForm, ElementHex1, LinearForm, MeshHex, condense, solve
from skfem.helpers import dot, grad

import reiterate as rt

CELLS, STEPS, DT = 19, 8, 0.01


@BilinearForm
def conduction(u, v, w):
    return u * v + DT / (1.0 + w["old"]) * dot(grad(u), grad(v))


@LinearForm
def heating(v, w):
    x, y, z = w.x
    wire = np.exp(-150.0 * ((x - 0.5 - 0.2 * np.sin(6.0 * z)) ** 2 + (y - 0.5) ** 2))
    return (w["old"] + DT * 60.0 * wire) * v


def simulate(basis, solver):
    """The temperatures at the end, and the seconds of every solve."""
    state, seconds = basis.zeros(), []
    walls = basis.get_dofs()
    for _ in range(STEPS):
        old = basis.interpolate(state)
        system = condense(conduction.assemble(basis, old=old), heating.assemble(basis, old=old), D=walls)
        begin = time.perf_counter()
        state = solve(*system, solver=solver)
        seconds.append(time.perf_counter() - begin)
    return state, seconds


def main(picture: str) -> None:
    line = np.linspace(0.0, 1.0, CELLS + 1)
    basis = Basis(MeshHex.init_tensor(line, line, line), ElementHex1())
    solver = rt.integrations.skfem.solver()
    expected, before = simulate(basis, None)
    state, after = simulate(basis, solver)
    difference = np.abs(state - expected).max() / np.abs(expected).max()
    unknowns = (CELLS - 1) ** 3
    print(f"{unknowns} unknowns, {STEPS} systems")
    print(f"spsolve, the default of scikit-fem: {sum(before):.2f} s; reiterate: {sum(after):.2f} s")
    print(f"largest relative difference: {difference:.1e}")
    print(solver.summary())

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=[1, 1, 1.3])
    nodes = np.round(basis.doflocs * CELLS).astype(int)
    temperature = np.empty((CELLS + 1,) * 3)
    temperature[tuple(nodes)] = state
    middle = CELLS // 2
    cuts = (("x", "z", temperature[:, middle]), ("x", "y", temperature[:, :, middle]))
    for ax, (across, up, cut) in zip(axes[:2], cuts, strict=True):
        look = {"origin": "lower", "extent": (0, 1, 0, 1), "cmap": "inferno", "interpolation": "bicubic"}
        image = ax.imshow(cut.T, vmin=0.0, vmax=temperature.max(), **look)
        ax.set(title=f"temperature, cut in {across} and {up}", xlabel=across, ylabel=up, xticks=[0, 1], yticks=[0, 1])
    figure.colorbar(image, ax=list(axes[:2]), shrink=0.8)
    steps = np.arange(1, STEPS + 1)
    axes[2].plot(steps, before, "o-", color="gray", label=f"spsolve: {sum(before):.1f} s")
    axes[2].plot(steps, after, "o-", color="tab:red", label=f"reiterate: {sum(after):.1f} s")
    axes[2].set(xlabel="step", ylabel="seconds a system", yscale="log", title=f"{unknowns:,} unknowns")
    axes[2].legend()
    figure.savefig(picture, dpi=120)
    print(f"wrote {picture}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", metavar="PICTURE", default="scikit_fem_heat.png")
    main(parser.parse_args().output)
