"""Diffusion through a cube of random material that drifts; draws ``diffusion3d.png``.

Every step has a new matrix of 110,592 unknowns, a little different from the last one, and a right-hand side
that depends on the last solution. The solver tries its configurations on the way and settles on a cheap one.

Usage: ``python examples/diffusion3d.py [PICTURE]``
"""

import sys
from collections import Counter

import numpy as np
from matplotlib.figure import Figure

import reiterate as rt


def main(picture: str = "diffusion3d.png") -> None:
    sim = rt.gallery.diffusion3d(size=48, steps=60)
    solver = rt.Solver(rtol=1e-8)
    middle = sim.shape[2] // 2
    slices = []
    for system in sim:
        coefficient = sim.coefficient
        sim.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
        if sim.step in (len(sim) // 2, len(sim)):
            slices.append((sim.time, coefficient[:, :, middle], sim.state[:, :, middle]))
    print(solver.summary())

    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplot_mosaic([["k0", "u0", "k1", "u1"], ["seconds"] * 4])
    for k, (time, coefficient, state) in enumerate(slices):
        for name, title, values, colors in (
            (f"k{k}", f"log k at t = {time:.3f}", np.log(coefficient), "viridis"),
            (f"u{k}", f"u at t = {time:.3f}", state, "inferno"),
        ):
            image = axes[name].imshow(values.T, origin="lower", extent=(0, 1, 0, 1), cmap=colors)
            axes[name].set(title=title, xticks=[0, 1], yticks=[])
            figure.colorbar(image, ax=axes[name], location="bottom", shrink=0.8)
    ax = axes["seconds"]
    history = list(solver.history)
    ax.plot([r.index for r in history], [r.seconds for r in history], ".", color="lightgray", label="less often chosen")
    for configuration, _ in Counter(record.configuration for record in history).most_common(6):
        chosen = [(r.index, r.seconds) for r in history if r.configuration == configuration]
        ax.plot(*zip(*chosen, strict=True), ".", label=str(configuration))
    ax.set(xlabel="step", ylabel="seconds a system", yscale="log")
    figure.legend(loc="outside lower center", ncols=4, fontsize="small")
    figure.savefig(picture, dpi=120)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
