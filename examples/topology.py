"""The stiffest cantilever of a given weight, from uniform gray to a truss; draws ``topology.png``.

Every design is one system. While holes open, the stiffness contrast within the matrix grows from 1 to a billion.

Usage: ``python examples/topology.py [PICTURE]``
"""

import math
import sys

from matplotlib.figure import Figure

import reiterate as rt


def main(picture: str = "topology.png") -> None:
    sim = rt.gallery.topology(nx=90, ny=30, steps=100)
    solver = rt.Solver(seed=0)
    designs = []
    for system in sim:
        density = sim.density
        sim.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
        if sim.step in (6, 20, 40, 100):
            designs.append((sim.step, density, sim.compliance))
    print(solver.summary())

    figure = Figure(figsize=(10, 7.2), layout="constrained")
    axes = figure.subplot_mosaic([["z0", "z1"], ["z2", "z3"], ["seconds"] * 2], height_ratios=[1, 1, 1.3])
    for k, (step, density, compliance) in enumerate(designs):
        ax = axes[f"z{k}"]
        ax.imshow(density.T, origin="lower", cmap="gray_r", vmin=0, vmax=1)
        ax.plot([-0.5, -0.5], [-0.5, density.shape[1] - 0.5], color="black", linewidth=4)
        ax.annotate("", (90, 7), (90, 15), arrowprops={"width": 1, "headwidth": 6, "headlength": 6, "color": "C3"})
        ax.set(title=f"design {step}, compliance {compliance:.0f}", xlim=(-2, 92), xticks=[], yticks=[])
    ax = axes["seconds"]
    history = list(solver.history)
    for method in dict.fromkeys(record.configuration.method for record in history):
        chosen = [(r.index, 1e3 * r.seconds) for r in history if r.configuration.method == method]
        ax.plot(*zip(*chosen, strict=True), ".", label=method)
    ax.set(xlabel="design", ylabel="milliseconds a system", yscale="log")
    right = ax.twinx()
    right.plot([math.exp(r.context["log_contrast"]) for r in history], color="gray", linewidth=1)
    right.set(ylabel="stiffness contrast (gray)", yscale="log")
    figure.legend(loc="outside lower center", ncols=8, fontsize="small")
    figure.savefig(picture, dpi=120)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
