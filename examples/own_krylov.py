"""A tuned preconditioner in conjugate gradients of one's own; draws ``own_krylov.png``.

Heat spreads in a cube of porous rock whose pores wander. The loop calls SciPy's `cg`; only `M` and `M.update` are new.

Usage: ``python examples/own_krylov.py [--output PICTURE]``
"""

import argparse
import time

import numpy as np
from matplotlib.figure import Figure
from scipy.sparse.linalg import cg

import reiterate as rt

SIZE, STEPS = 28, 25


def simulate(precondition):
    """Seconds and iterations of every step, and the state at the end."""
    sim = rt.gallery.diffusion3d(size=SIZE, steps=STEPS, dt=0.02)
    seconds, iterations = [], []
    for system in sim:
        steps = []
        begin = time.perf_counter()
        M = precondition(system.A)
        x, info = cg(system.A, system.b, x0=system.x0, rtol=1e-12, M=M, callback=lambda x, steps=steps: steps.append(1))
        seconds.append(time.perf_counter() - begin)
        assert info == 0
        iterations.append(len(steps))
        sim.advance(x)
    return seconds, iterations, x


def none(A):
    """What `cg` does unless told otherwise."""
    return None


class Tuned:
    """One preconditioner for all steps, and what it chose in each."""

    def __init__(self) -> None:
        self.M = None
        self.chosen = []

    def __call__(self, A):
        """The preconditioner for A."""
        if self.M is None:
            self.M = rt.integrations.preconditioner(A)
        else:
            self.chosen.append(str(self.M.configuration))
            self.M.update(A)
        return self.M


def main(picture: str) -> None:
    tuned = Tuned()
    before, many, expected = simulate(none)
    after, few, x = simulate(tuned)
    chosen = [*tuned.chosen, str(tuned.M.configuration)]
    tuned.M.report()
    difference = np.abs(x - expected).max() / np.abs(expected).max()
    print(f"{x.size} unknowns, {STEPS} systems, {sum(many)} iterations without a preconditioner, {sum(few)} with")
    print(f"cg, the default of SciPy: {sum(before):.2f} s; with M from reiterate: {sum(after):.2f} s")
    print(f"largest relative difference: {difference:.1e}")
    print(tuned.M.summary())

    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=[1, 1.3, 1.3])
    cut = x.reshape(SIZE, SIZE, SIZE)[SIZE // 2]
    image = axes[0].imshow(cut, origin="lower", extent=(0, 1, 0, 1), cmap="inferno", interpolation="bicubic")
    axes[0].set(title="a cut at the end", xticks=[0, 1], yticks=[0, 1])
    figure.colorbar(image, ax=axes[0], location="bottom", shrink=0.8, ticks=[])
    steps = np.arange(1, STEPS + 1)
    axes[1].plot(steps, many, ".", color="gray", label="none")
    for name in dict.fromkeys(chosen):
        own = [k for k, other in enumerate(chosen) if other == name]
        axes[1].plot(
            steps[own],
            np.array(few)[own],
            "o",
            markersize=4,
            label=name.replace(", bits=64", "").replace(", sweeps=1, bits=32", ""),
        )
    axes[1].set(xlabel="step", ylabel="iterations", yscale="log", title="what preconditions")
    axes[1].legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    axes[2].plot(steps, np.cumsum(before), color="gray", label=f"cg: {sum(before):.2f} s")
    axes[2].plot(steps, np.cumsum(after), color="tab:red", label=f"cg with tuned M: {sum(after):.2f} s")
    axes[2].set(xlabel="step", ylabel="seconds, all in all", title=f"{x.size:,} unknowns")
    axes[2].legend()
    figure.savefig(picture, dpi=120)
    print(f"wrote {picture}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", metavar="PICTURE", default="own_krylov.png")
    main(parser.parse_args().output)
