"""A rubber beam that is twisted, with SfePy; draws ``sfepy_twist.png``.

Newton's method needs a system with the tangent matrix of a neo-Hookean material in every step.

Usage: ``python examples/sfepy_twist.py [--output PICTURE]``
"""

import argparse
import time

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from sfepy.base.base import IndexedStruct, output
from sfepy.discrete import Equation, Equations, FieldVariable, Function, Integral, Material, Problem
from sfepy.discrete.conditions import Conditions, EssentialBC
from sfepy.discrete.fem import FEDomain, Field
from sfepy.mesh.mesh_generators import gen_block_mesh
from sfepy.solvers.ls import ScipyDirect
from sfepy.solvers.nls import Newton
from sfepy.terms import Term

import reiterate as rt

SHAPE, LENGTH = (25, 9, 9), 3.0
ANGLES = np.pi * np.array([0.1, 0.2, 0.3, 0.4])


def rotation(points, angle):
    """Displacements of points that turn around the axis of the beam."""
    _, y, z = points.T
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([0.0 * y, c * y - s * z - y, s * y + c * z - z], axis=1)


def beam(linear_solver, end):
    """The problem; ``end`` displaces the right end."""
    mesh = gen_block_mesh([LENGTH, 1.0, 1.0], SHAPE, [LENGTH / 2, 0.0, 0.0], verbose=False)
    domain = FEDomain("beam", mesh)
    whole = domain.create_region("Omega", "all")
    left = domain.create_region("Left", "vertices in x < 1e-6", "facet")
    right = domain.create_region("Right", f"vertices in x > {LENGTH - 1e-6}", "facet")
    field = Field.from_args("displacement", np.float64, "vector", whole, approx_order=1)
    u, v = FieldVariable("u", "unknown", field), FieldVariable("v", "test", field, primary_var_name="u")
    rubber, integral = Material("m", K=1e3, mu=20.0), Integral("i", order=2)
    shear = Term.new("dw_tl_he_neohook(m.mu, v, u)", integral, whole, m=rubber, v=v, u=u)
    bulk = Term.new("dw_tl_bulk_penalty(m.K, v, u)", integral, whole, m=rubber, v=v, u=u)
    newton = Newton({"i_max": 20, "eps_a": 1e-9}, lin_solver=linear_solver, status=IndexedStruct())
    problem = Problem("twist", equations=Equations([Equation("balance", shear + bulk)]))
    fixed = EssentialBC("fixed", left, {"u.all": 0.0})
    turned = EssentialBC("turned", right, {"u.all": Function("end", lambda ts, points, **_: end(points))})
    problem.set_bcs(ebcs=Conditions([fixed, turned]))
    problem.set_solver(newton)
    return problem, mesh


def timed(kind, seconds):
    """A linear solver of that kind, and the seconds of every system."""

    class Timed(kind):
        """The same by the clock."""

        def __call__(self, *arguments, **options):
            begin = time.perf_counter()
            x = super().__call__(*arguments, **options)
            seconds.append(time.perf_counter() - begin)
            return x

    return Timed({})


def simulate(linear_solver):
    """The displacements of all points for every angle, and the mesh."""
    angle, states = 0.0, []
    problem, mesh = beam(linear_solver, lambda points: rotation(points, angle))
    for angle in ANGLES:
        problem.time_update()
        guess = rotation(mesh.coors, angle * mesh.coors[:, 0] / LENGTH)  # an even twist
        states.append(problem.solve(state0=guess.ravel(), save_results=False)().reshape(-1, 3))
    return np.array(states), mesh


def main(picture: str) -> None:
    output.set_output(quiet=True)
    before, after = [], []
    expected, _ = simulate(timed(ScipyDirect, before))
    solver = timed(rt.integrations.sfepy.ReiterateSolver, after)
    states, mesh = simulate(solver)
    difference = np.abs(states - expected).max() / np.abs(expected).max()
    unknowns = 3 * (SHAPE[0] - 2) * SHAPE[1] * SHAPE[2]
    print(f"{unknowns} unknowns, {len(after)} systems of Newton's method")
    print(f"ls.scipy_direct, the default of SfePy: {sum(before):.2f} s; reiterate: {sum(after):.2f} s")
    print(f"largest relative difference: {difference:.1e}")
    print(solver.summary())

    figure = Figure(figsize=(11, 4), layout="constrained")
    grid = figure.add_gridspec(1, 2, width_ratios=[1.2, 1])
    ax = figure.add_subplot(grid[0], projection="3d")
    draw_surface(ax, mesh, states[-1])
    ax.set_title(f"twisted by {np.degrees(ANGLES[-1]):.0f}°; color: displacement")
    ax = figure.add_subplot(grid[1])
    systems = np.arange(1, len(before) + 1)
    ax.plot(systems, before, "o-", color="gray", label=f"scipy_direct: {sum(before):.1f} s")
    ax.plot(np.arange(1, len(after) + 1), after, "o-", color="tab:red", label=f"reiterate: {sum(after):.1f} s")
    ax.set(xlabel="system", ylabel="seconds", yscale="log", title=f"{unknowns:,} unknowns")
    ax.legend()
    figure.savefig(picture, dpi=120)
    print(f"wrote {picture}")


def draw_surface(ax, mesh, displacement) -> None:
    """The outer faces of the cells where they have gone, colored by how far."""
    cells = mesh.get_conn("3_8")
    sides = ((0, 1, 2, 3), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7))
    faces = np.concatenate([cells[:, side] for side in sides])
    _, first, count = np.unique(np.sort(faces, axis=1), axis=0, return_index=True, return_counts=True)
    outer = faces[first[count == 1]]
    distance = np.linalg.norm(displacement, axis=1)[outer].mean(axis=1)
    colors = matplotlib.colormaps["viridis"](distance / distance.max())
    points = mesh.coors + displacement
    ax.add_collection3d(Poly3DCollection(points[outer], facecolors=colors, edgecolors="black", linewidths=0.2))
    ax.set(xlim=(0, LENGTH), ylim=(-0.8, 0.8), zlim=(-0.8, 0.8))
    ax.set_box_aspect((LENGTH, 1.6, 1.6), zoom=1.15)
    ax.set_axis_off()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", metavar="PICTURE", default="sfepy_twist.png")
    main(parser.parse_args().output)
