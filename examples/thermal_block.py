"""Heat through a plate of blocks whose conductivities wander; draws ``thermal_block.png``.

Every point of parameter space is one system; what is wanted is the mean temperature at the bottom.

Usage: ``python examples/thermal_block.py [PICTURE]``
"""

import sys

import numpy as np
from matplotlib.figure import Figure

import reiterate as rt


def main(picture: str = "thermal_block.png") -> None:
    sim = rt.gallery.thermal_block(blocks=3, cells=24, steps=200)
    solver = rt.Solver(rtol=1e-8)
    outputs, snapshots = [], []
    for system in sim:
        k = sim.conductivities
        sim.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
        outputs.append(sim.output)
        if sim.step in (1, 100, 200):
            snapshots.append((sim.step, k, sim.state))
    print(solver.summary())

    figure = Figure(figsize=(11, 4.8), layout="constrained")
    axes = figure.subplot_mosaic([["k0", "u0", "k1", "u1", "k2", "u2"], ["output"] * 6], height_ratios=[1.2, 1])
    for n, (step, k, state) in enumerate(snapshots):
        frame = {"origin": "lower", "extent": (0, 1, 0, 1)}
        blocks = axes[f"k{n}"].imshow(np.log10(k), cmap="viridis", vmin=-1, vmax=1, **frame)
        heat = axes[f"u{n}"].imshow(state, cmap="inferno", vmin=0, **frame)
        axes[f"u{n}"].contour(state, levels=8, extent=(0, 1, 0, 1), colors="white", linewidths=0.5)
        for name, image, title in (("k", blocks, "log10 k"), ("u", heat, "heat")):
            axes[f"{name}{n}"].set(title=f"{title}, step {step}", xticks=[], yticks=[])
            figure.colorbar(image, ax=axes[f"{name}{n}"], location="bottom")
    axes["output"].plot(outputs)
    axes["output"].set(xlabel="step", ylabel="mean temperature\nat the bottom", ylim=(0, None))
    right = axes["output"].twinx()
    right.plot([r.iterations for r in solver.history], ".", color="gray", markersize=3)
    right.set(ylabel="iterations (gray)", yscale="log")
    figure.savefig(picture, dpi=120)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
