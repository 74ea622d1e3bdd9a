"""A soap film in a frame that bends and turns, by Newton's method; draws ``newton.png``.

Every Newton step is one system. Its matrix is the Laplacian while the film is flat, and anisotropic diffusion
with strongly varying coefficients where the film is steep.

Usage: ``python examples/newton.py [PICTURE]``
"""

import sys

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LightSource
from matplotlib.figure import Figure

import reiterate as rt


def main(picture: str = "newton.png") -> None:
    sim = rt.gallery.newton(nx=64, steps=150)
    solver = rt.Solver(rtol=1e-8)
    films = {}
    for system in sim:
        frame = sim.frame_number
        sim.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
        films[frame] = sim.state
    print(solver.summary())

    figure = Figure(figsize=(10, 6.5), layout="constrained")
    rows = figure.subfigures(2, 1, height_ratios=[1.5, 1])
    points = np.linspace(0, 1, sim.shape[0])
    x, y = np.meshgrid(points, points, indexing="ij")
    for k, frame in enumerate((5, 10, 15)):
        ax = rows[0].add_subplot(1, 3, k + 1, projection="3d")
        colors = LightSource(azdeg=315, altdeg=45).shade(films[frame], colormaps["viridis"], vmin=-1, vmax=1)
        ax.plot_surface(x, y, films[frame], facecolors=colors, rcount=64, ccount=64, linewidth=0, antialiased=False)
        ax.set(title=f"film in frame {frame}", xticks=[0, 1], yticks=[0, 1], zticks=[-1, 0, 1], zlim=(-1, 1))
    ax = rows[1].subplots()
    history = list(solver.history)
    for iteration in range(int(max(r.context["newton_iteration"] for r in history)) + 1):
        chosen = [(r.index, r.iterations) for r in history if r.context["newton_iteration"] == iteration]
        ax.plot(*zip(*chosen, strict=True), ".", label=f"Newton step {iteration + 1}")
    ax.set(xlabel="system", ylabel="iterations", ylim=(0, None))
    rows[1].legend(loc="outside right center", fontsize="small")
    figure.savefig(picture, dpi=120)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
