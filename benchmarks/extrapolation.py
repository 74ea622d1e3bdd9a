"""How well a solve that is stopped early tells how long it would have taken: by digits gained, and by Ritz values.

    python benchmarks/extrapolation.py        half a minute

Methods of conjugate gradients on systems of the gallery and on diffusion with jumps, stopped after parts of their
iterations. The error is |log(foreseen / true)| of the iterations in all; by digits no more than 20 times those made are
foreseen. Nothing is timed. The table is printed, and goes to ``benchmarks/results/extrapolation.csv``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from machine import markdown_table, write_csv
from reiterate import gallery
from reiterate.contracts import Attempt, Stop
from reiterate.engine.extrapolation import foreseen_iterations, share_of
from reiterate.linear.door import Door
from reiterate.linear.portfolio import METHODS, configuration

SPELLINGS = (
    "cg",
    "jacobi_cg",
    "ssor_cg(omega=1.0)",
    "ssor_cg(omega=1.5)",
    "ssor_cg(omega=1.8)",
    "ic_cg(modification=0.0)",
    "ic_cg(modification=0.95)",
)
PARTS = (0.1, 0.2, 0.4, 0.7)
FEWEST = 10  # iterations of a solve that tell anything
MOST = 5000


def systems() -> Iterator[tuple[Any, Any]]:
    """A and b of symmetric positive definite systems, easy and hard."""
    simulations = (
        gallery.constant(nx=80, steps=1),
        gallery.diffusion3d(20, 1),
        gallery.newton(nx=64, steps=1),
        gallery.thermal_block(steps=1),
        gallery.topology(nx=80, ny=30, steps=1),
    )
    for simulation in simulations:
        system = next(iter(simulation))
        yield system.A, system.b
    rng = np.random.default_rng(0)
    ones = np.ones((60, 60))
    columns = ones.copy()
    columns[:, ::6] = 1e3
    for conductivity in (
        ones,
        columns,
        np.where(rng.random((60, 60)) < 0.3, 1e4, 1.0),
        np.exp(1.5 * rng.standard_normal((60, 60))),
    ):
        A = diffusion(conductivity)
        yield A, np.ones(A.shape[0])
        yield A, rng.standard_normal(A.shape[0])


def diffusion(conductivity: Any) -> Any:
    """Two-point fluxes on a square, harmonic means between cells, fixed values below and above."""
    number = np.arange(conductivity.size).reshape(conductivity.shape)
    A = sp.diags_array(np.zeros(conductivity.size)).tocsr()
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        k, j = conductivity[one].ravel(), conductivity[other].ravel()
        flux = sp.diags_array(2.0 * k * j / (k + j))
        steps = np.arange(k.size)
        difference = sp.csr_array(
            (np.repeat([1.0, -1.0], k.size), (np.tile(steps, 2), np.r_[number[one].ravel(), number[other].ravel()])),
            shape=(k.size, conductivity.size),
        )
        A = A + difference.T @ flux @ difference
    border = np.zeros_like(conductivity)
    border[[0, -1]] = 2.0 * conductivity[[0, -1]]
    return sp.csr_array(A + sp.diags_array(border.ravel()))


def errors(A: Any, b: Any, spelling: str) -> Iterator[tuple[float, float, float]]:
    """After each part of the iterations: the part, the error by digits, and that by Ritz values."""
    instance, chosen = Door().admit(A, b, None, rtol=1e-8, atol=0.0), configuration(spelling)
    method, zero = METHODS[chosen.method], np.zeros(b.size)
    prepared = method.prepare(instance, chosen.values)
    start = instance.merit(zero)
    true = method.iterate(prepared, instance, chosen.values, zero, Stop(instance.target, MOST)).iterations
    if not FEWEST <= true < MOST:
        return
    for part in PARTS:
        most = max(round(part * true), 1)
        stopped = method.iterate(prepared, instance, chosen.values, zero, Stop(instance.target, most))
        merit = instance.merit(stopped.x)
        attempt = Attempt(chosen, stopped.status, most, 0.0, 0.0, merit, remaining=stopped.remaining)
        by_digits = most / share_of(start, start, merit, instance.target)
        foreseen = foreseen_iterations(attempt, start, start, instance.target) or by_digits
        yield part, abs(np.log(by_digits / true)), abs(np.log(foreseen / true))


def main() -> None:
    """Print the table and write it."""
    found: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for A, b in systems():
        for spelling in SPELLINGS:
            for part, digits, ritz in errors(A, b, spelling):
                for row in (f"stopped after {part:.0%}", spelling, "all"):
                    found[row].append((digits, ritz))
    header = ["", "runs", "digits, median", "90 %", "Ritz values, median", "90 %"]
    table = []
    for name in sorted(found, key=lambda name: (name == "all", not name.startswith("stopped"))):
        digits, ritz = np.array(found[name]).T
        figures = [f"{np.quantile(one, at):.2f}" for one in (digits, ritz) for at in (0.5, 0.9)]
        table.append([name, str(digits.size), *figures])
    write_csv("extrapolation.csv", header, table)
    print(markdown_table(header, table))


if __name__ == "__main__":
    main()
