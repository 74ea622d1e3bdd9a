"""Waves from a point source through Luneburg's lens, from long to short; draws ``helmholtz.png``.

The matrix is complex and the more indefinite the shorter the waves: there, the factor of one frequency is used to
precondition a few more.

Usage: ``python examples/helmholtz.py [PICTURE]``
"""

import sys
from collections import Counter

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle

import reiterate as rt


def main(picture: str = "helmholtz.png") -> None:
    sim = rt.gallery.helmholtz(nx=72, steps=80, lowest=5.0, highest=40.0)
    solver = rt.Solver(seed=0)
    waves = []
    for system in sim:
        frequency = sim.frequency
        sim.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
        if sim.step in (20, 50, 80):
            waves.append((frequency, sim.state))
    print(solver.summary())

    figure = Figure(figsize=(10, 6.8), layout="constrained")
    axes = figure.subplot_mosaic([["u0", "u1", "u2"], ["seconds"] * 3], height_ratios=[1.5, 1])
    for k, (frequency, wave) in enumerate(waves):
        ax = axes[f"u{k}"]
        look = {"origin": "lower", "extent": (0, 1, 0, 1), "interpolation": "bicubic"}
        reach = np.quantile(np.abs(wave), 0.99)
        ax.imshow(wave.real.T, cmap="RdBu", vmin=-reach, vmax=reach, **look)
        ax.add_patch(Circle((0.5, 0.5), 0.3, fill=False, linewidth=1))
        ax.set(title=f"wave of frequency ω = {frequency:.0f}", xticks=[0, 1], yticks=[0, 1])
    ax = axes["seconds"]
    history = list(solver.history)
    for configuration, _ in Counter(record.configuration for record in history).most_common(8):
        chosen = [(r.context["frequency"], 1e3 * r.seconds) for r in history if r.configuration == configuration]
        ax.plot(*zip(*chosen, strict=True), ".", label=str(configuration))
    ax.set(xlabel="frequency ω", ylabel="milliseconds a system", yscale="log")
    figure.legend(loc="outside lower center", ncols=4, fontsize="small")
    figure.savefig(picture, dpi=120)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
