"""A torch welds a figure into a plate: one matrix, two thousand right-hand sides; draws ``constant.png``.

The matrix is the very same object every time, so that whatever a method builds from it serves to the end.

Usage: ``python examples/constant.py [PICTURE]``
"""

import sys

import numpy as np
from matplotlib.figure import Figure

import reiterate as rt


def main(picture: str = "constant.png") -> None:
    sim = rt.gallery.constant(nx=80, steps=1000)
    solver = rt.Solver(rtol=1e-8)
    snapshots, path = [], []
    for system in sim:
        path.append(sim.center)
        sim.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
        if sim.step in (125, 375, 750):
            snapshots.append((sim.time, sim.state))
    print(solver.summary())

    figure = Figure(figsize=(10, 6.5), layout="constrained")
    axes = figure.subplot_mosaic([["u0", "u1", "u2"], ["seconds"] * 3], height_ratios=[1.5, 1])
    highest = max(state.max() for _, state in snapshots)
    x, y = np.array(path).T
    for k, (time, state) in enumerate(snapshots):
        ax = axes[f"u{k}"]
        image = ax.imshow(state.T, origin="lower", extent=(0, 1, 0, 1), cmap="inferno", vmin=0, vmax=highest)
        ax.plot(x, y, color="white", linewidth=0.6, alpha=0.6)
        ax.set(title=f"temperature at t = {time:.3f}", xticks=[0, 1], yticks=[0, 1])
    figure.colorbar(image, ax=[axes[f"u{k}"] for k in range(3)], shrink=0.9)
    records = list(solver.history)
    axes["seconds"].plot([r.index for r in records], [1e3 * r.seconds for r in records], ".", markersize=3)
    axes["seconds"].set(xlabel="step", ylabel="milliseconds a system", yscale="log")
    figure.savefig(picture, dpi=120)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
