"""A reduced model of a plate of nine materials, with pyMOR; draws ``pymor_thermal_block.png``.

Snapshots of the full model for random conductivities are compressed into a basis, whose error is measured on
others. The full model is all that takes time.

Usage: ``python examples/pymor_thermal_block.py [--output PICTURE]``
"""

import argparse
import time

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.tri import Triangulation
from pymor.basic import (
    CoerciveRBReductor,
    ExpressionParameterFunctional,
    TriaGrid,
    discretize_stationary_cg,
    new_rng,
    pod,
    set_log_levels,
    thermal_block_problem,
)

import reiterate as rt

CELLS, SNAPSHOTS, TESTS, LARGEST = 80, 32, 8, 20


def solve_all(fom, parameters):
    """The solutions, and the seconds of every one."""
    solutions, seconds = fom.solution_space.empty(), []
    for mu in parameters:
        begin = time.perf_counter()
        solutions.append(fom.solve(mu))
        seconds.append(time.perf_counter() - begin)
    return solutions, seconds


def main(picture: str) -> None:
    set_log_levels({"pymor": "ERROR"})
    problem = thermal_block_problem((3, 3))
    fom, data = discretize_stationary_cg(problem, diameter=1.0 / CELLS, grid_type=TriaGrid)
    solver = rt.integrations.pymor.ReiterateSolver()
    tuned = fom.with_(operator=fom.operator.with_(solver=solver))
    with new_rng(0):
        parameters = problem.parameter_space.sample_randomly(SNAPSHOTS + TESTS)
    expected, before = solve_all(fom, parameters)
    solutions, after = solve_all(tuned, parameters)
    difference = ((solutions - expected).norm() / expected.norm()).max()
    print(f"{solutions.dim} unknowns, {len(parameters)} systems; seconds with assembly")
    print(f"splu, the default of pyMOR: {sum(before):.2f} s; reiterate: {sum(after):.2f} s")
    print(f"largest relative difference: {difference:.1e}")
    print(solver.summary())

    basis, values = pod(solutions[:SNAPSHOTS], product=fom.h1_0_semi_product, modes=LARGEST)
    reductor = CoerciveRBReductor(
        tuned,
        RB=basis,
        product=fom.h1_0_semi_product,
        coercivity_estimator=ExpressionParameterFunctional("min(diffusion)", fom.parameters),
        check_orthonormality=False,
    )
    sizes = np.arange(2, len(basis) + 1, 2)
    errors = []
    for size in sizes:
        rom = reductor.reduce(int(size))
        tests = zip(parameters[SNAPSHOTS:], range(SNAPSHOTS, len(parameters)), strict=True)
        gaps = [(reductor.reconstruct(rom.solve(mu)) - solutions[k]).norm(fom.h1_0_semi_product)[0] for mu, k in tests]
        errors.append(max(gaps))

    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots(1, 3)
    corners = data["grid"]
    triangulation = Triangulation(*corners.centers(2).T, corners.subentities(0, 2))
    filled = axes[0].tricontourf(triangulation, solutions[-1].to_numpy().ravel(), levels=20, cmap="viridis")
    axes[0].set(title="a temperature of the full model", aspect="equal", xticks=[0, 1], yticks=[0, 1])
    figure.colorbar(filled, ax=axes[0], location="bottom", shrink=0.8, ticks=[])
    axes[1].semilogy(sizes, errors, "o-", label=f"largest error of {TESTS}")
    axes[1].semilogy(np.arange(1, len(values) + 1), values, color="gray", linewidth=1, label="singular values")
    axes[1].set(xlabel="size of the reduced basis", title="error of the reduced model")
    axes[1].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[1].legend()
    systems = np.arange(1, len(parameters) + 1)
    axes[2].plot(systems, np.cumsum(before), color="gray", label=f"splu: {sum(before):.1f} s")
    axes[2].plot(systems, np.cumsum(after), color="tab:red", label=f"reiterate: {sum(after):.1f} s")
    axes[2].set(xlabel="systems solved", ylabel="seconds, all in all", title=f"{solutions.dim:,} unknowns")
    axes[2].legend()
    figure.savefig(picture, dpi=120)
    print(f"wrote {picture}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", metavar="PICTURE", default="pymor_thermal_block.png")
    main(parser.parse_args().output)
