"""An electric grid through a day, by Newton's method every quarter of an hour; draws ``powerflow.png``.

The Jacobians are small, nonsymmetric, and much alike all day long.

Usage: ``python examples/powerflow.py [PICTURE]``
"""

import sys

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

import reiterate as rt


def main(picture: str = "powerflow.png") -> None:
    sim = rt.gallery.powerflow(buses=300, steps=235, loading=2.0)
    solver = rt.Solver(seed=0)
    hours, loads, lowest, states = [], [], [], {}
    for system in sim:
        hours.append(sim.hour)
        loads.append(sim.demand[:, 0].sum())
        sim.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
        lowest.append(sim.state[:, 1].min())
        states[hours[-1]] = sim.state
    print(solver.summary())

    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplot_mosaic([["night", "evening"], ["night", "evening"], ["load", "seconds"]])
    for name, hour in (("night", 3.0), ("evening", 19.0)):
        ax, state = axes[name], states[hour]
        carried = np.hypot(*sim.flows(state).transpose(2, 0, 1)).max(axis=1)
        lines = LineCollection(sim.points[sim.lines], linewidths=0.4 + 0.4 * carried, colors="gray", zorder=1)
        ax.add_collection(lines)
        dots = ax.scatter(*sim.points.T, c=state[:, 1], s=24, cmap="plasma", vmin=0.88, vmax=1.05, zorder=2)
        ax.scatter(*sim.points[sim.generators].T, s=60, facecolors="none", edgecolors="black", linewidths=0.8)
        ax.set(title=f"{hour:.0f} o'clock", xticks=[], yticks=[], aspect="equal")
    figure.colorbar(dots, ax=[axes["night"], axes["evening"]], label="voltage per unit (circles: generators)")
    axes["load"].plot(hours, loads, label="load")
    axes["load"].set(xlabel="hour", ylabel="load per unit", ylim=(0, None))
    right = axes["load"].twinx()
    right.plot(hours, lowest, color="C3", linewidth=1)
    right.set(ylabel="lowest voltage (red)")
    for method in dict.fromkeys(record.configuration.method for record in solver.history):
        chosen = [(hours[r.index], 1e3 * r.seconds) for r in solver.history if r.configuration.method == method]
        axes["seconds"].plot(*zip(*chosen, strict=True), ".", label=method)
    axes["seconds"].set(xlabel="hour", ylabel="milliseconds a system", yscale="log")
    axes["seconds"].legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize="small", frameon=False)
    figure.savefig(picture, dpi=120)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
