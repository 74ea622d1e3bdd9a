"""A hot wall and a recirculating wind that freshens and calms down; draws ``convection.png``.

The Péclet number sweeps from 1 to 10,000 and back, and the matrix from nearly symmetric to anything but.

Usage: ``python examples/convection.py [PICTURE]``
"""

import math
import sys

from matplotlib.figure import Figure

import reiterate as rt


def main(picture: str = "convection.png") -> None:
    sim = rt.gallery.convection(nx=80, steps=120)
    solver = rt.Solver(rtol=1e-8)
    snapshots = []
    for system in sim:
        peclet = sim.peclet
        sim.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
        if sim.step in (20, 40, 60, 90):
            snapshots.append((peclet, sim.state))
    print(solver.summary())

    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplot_mosaic([["u0", "u1", "u2", "u3"], ["seconds"] * 4], height_ratios=[1.3, 1])
    for k, (peclet, state) in enumerate(snapshots):
        ax = axes[f"u{k}"]
        image = ax.imshow(state.T, origin="lower", extent=(-1, 1, -1, 1), cmap="inferno", vmin=0, vmax=1)
        ax.contour(state.T, levels=[0.1, 0.3, 0.5, 0.7], extent=(-1, 1, -1, 1), colors="white", linewidths=0.5)
        ax.set(title=f"Pe = {peclet:,.0f}", xticks=[-1, 1], yticks=[-1, 1])
    figure.colorbar(image, ax=[axes[f"u{k}"] for k in range(4)], label="temperature", shrink=0.7)
    records = list(solver.history)
    ax = axes["seconds"]
    ax.plot([r.index for r in records], [1e3 * r.seconds for r in records], ".")
    ax.set(xlabel="step", ylabel="milliseconds a system", yscale="log")
    right = ax.twinx()
    right.plot([math.exp(r.context["log_peclet"]) for r in records], color="gray", linewidth=1)
    right.set(ylabel="Péclet number (gray)", yscale="log")
    figure.savefig(picture, dpi=120)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
