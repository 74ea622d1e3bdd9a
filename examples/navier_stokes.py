"""Flow in a box under a lid that swings, with a solver of its own for each of a step's two systems.

Draws ``navier_stokes.png``. The velocity's matrix follows the flow; the pressure's never changes, but it is singular.

Usage: ``python examples/navier_stokes.py [PICTURE]``
"""

import sys

import numpy as np
from matplotlib.figure import Figure

import reiterate as rt


def main(picture: str = "navier_stokes.png") -> None:
    sim = rt.gallery.navier_stokes(nx=64, steps=400)
    solvers = {kind: rt.Solver(seed=0) for kind in sim.kinds}
    flows, lids = [], []
    for system in sim:
        if system.kind == "velocity":
            lids.append(sim.lid)
        solver = solvers[system.kind]
        sim.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
        if sim.step in (60, 150, 400):
            flows.append((sim.time, sim.velocity, sim.stream_function))
    for kind, solver in solvers.items():
        print(f"{kind}: {solver.summary()}\n")

    figure = Figure(figsize=(10, 6.5), layout="constrained")
    axes = figure.subplot_mosaic([["u0", "u1", "u2"], ["seconds"] * 3], height_ratios=[1.5, 1])
    for k, (time, velocity, stream) in enumerate(flows):
        ax = axes[f"u{k}"]
        frame = {"origin": "lower", "extent": (0, 1, 0, 1)}
        image = ax.imshow(np.hypot(*velocity).T, cmap="magma", vmin=0, vmax=1, interpolation="bicubic", **frame)
        ax.contour(stream.T, levels=16, extent=(0, 1, 0, 1), colors="white", linewidths=0.6, linestyles="solid")
        ax.set(title=f"flow at t = {time:.1f}", xticks=[0, 1], yticks=[0, 1])
    figure.colorbar(image, ax=[axes[f"u{k}"] for k in range(3)], label="speed", shrink=0.8)
    ax = axes["seconds"]
    for kind, solver in solvers.items():
        ax.plot([1e3 * r.seconds for r in solver.history], ".", markersize=4, label=kind)
    ax.set(xlabel="time step", ylabel="milliseconds a system", yscale="log")
    ax.legend(loc="upper right")
    right = ax.twinx()
    right.plot(lids, color="gray", linewidth=1)
    right.set(ylabel="speed of the lid (gray)", ylim=(0, None))
    figure.savefig(picture, dpi=120)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
