"""Heat in a square plate whose conductivity swings by a factor of thousands; draws ``heat.png``.

The source circles through the plate. While the conductivity is small, every system is nearly the identity
and the cheapest iteration wins; when it is large, more powerful ones pay off. Nothing here says which:
the solver finds out as it goes.

Usage: ``python examples/heat.py [PICTURE]``
"""

import sys
from collections import Counter

from matplotlib.figure import Figure

import reiterate as rt


def main(picture: str = "heat.png") -> None:
    sim = rt.gallery.heat(nx=100, steps=500, start=0.3)
    solver = rt.Solver(rtol=1e-8)
    times, snapshots = [], []
    for system in sim:
        sim.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
        times.append(sim.time)
        if sim.step % (len(sim) // 4) == 0:
            snapshots.append((sim.time, sim.state))
    print(solver.summary())

    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplot_mosaic([["u0", "u1", "u2", "u3"], ["iterations"] * 4])
    for k, (time, state) in enumerate(snapshots):
        ax = axes[f"u{k}"]
        image = ax.imshow(state.T, origin="lower", extent=(0, 1, 0, 1), cmap="inferno", vmin=0)
        ax.set(title=f"u at t = {time:.3f}", xticks=[0, 1], yticks=[])
        figure.colorbar(image, ax=ax, location="bottom", shrink=0.8)
    ax = axes["iterations"]
    history = list(zip(times, solver.history, strict=True))
    ax.plot(times, [record.iterations for _, record in history], ".", color="lightgray", label="less often chosen")
    for configuration, _ in Counter(record.configuration for _, record in history).most_common(6):
        chosen = [(t, record.iterations) for t, record in history if record.configuration == configuration]
        ax.plot(*zip(*chosen, strict=True), ".", label=str(configuration))
    ax.set(xlabel="time t", ylabel="iterations", ylim=(0, None))
    figure.legend(loc="outside lower center", ncols=4, fontsize="small")
    right = ax.twinx()
    right.plot(times, [record.context["coefficient"] for _, record in history], color="gray", linewidth=1)
    right.set(ylabel="coefficient c (gray)", yscale="log")
    figure.savefig(picture, dpi=120)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
