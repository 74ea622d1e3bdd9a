"""Systems that the sections of ``benchmarks/linear_portfolio.py`` share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from scipy.spatial import Delaunay

from reiterate import gallery
from reiterate.linear.door import Door

Case = tuple[Any, Any]


@dataclass
class Stream:
    """Systems in order: (A, b, x0 or None); and what their program knows of each beforehand, if anything."""

    name: str
    systems: list[tuple[Any, Any, Any]]

    definite: bool
    stored: bool = False
    contexts: list[dict[str, float]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return int(self.systems[0][1].size)

    @property
    def distinct(self) -> int:
        """How many different matrices there are."""
        return len({A.data.tobytes() for A, _, _ in self.systems})


def grid_systems(size: int) -> tuple[Case, Case]:
    """The 7-point diffusion system of size³ unknowns with hardly any mass, and one with an upwind rotating wind."""
    system = next(iter(gallery.diffusion3d(size=size, steps=1, dt=1.0)))
    A = system.A
    centers = (np.arange(size) + 0.5) / size - 0.5
    x, y = (axis.ravel() for axis in np.meshgrid(centers, centers, centers, indexing="ij")[:2])
    rows = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
    offset = A.indices - rows
    # The flux through a face in axis 0 or 1 with strength 50 h at the rim, of the order of the diffusion.
    wind = np.zeros(A.nnz)
    strength = 100.0 / size
    for step, speed in ((size**2, -y), (size, x)):
        for sign in (1, -1):
            entries = offset == sign * step
            wind[entries] = -strength * np.maximum(-sign * speed[rows[entries]], 0.0)
    sums = np.bincount(rows, weights=wind, minlength=A.shape[0])
    wind[offset == 0] -= sums
    transported = sp.csr_array((A.data + wind, A.indices, A.indptr), shape=A.shape)
    rng = np.random.default_rng(0)
    b = rng.standard_normal(A.shape[0])
    return (A, b), (transported, b)


def unstructured_systems(size: int) -> tuple[Case, Case]:
    """Linear finite elements on the Delaunay triangulation of random points, numbered from left to right.

    Diffusion with a coefficient that jumps at random from triangle to triangle within a factor of 10, and some mass;
    and the same with a wind.
    """
    rng = np.random.default_rng(0)
    points = rng.random((size, 2))
    points = points[np.argsort(points[:, 0])]
    triangles = Delaunay(points).simplices
    corners = points[triangles]
    edges = corners[:, [2, 0, 1]] - corners[:, [1, 2, 0]]
    double_area = np.abs(edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0])
    kept = double_area > 1e-14
    triangles, edges, double_area = triangles[kept], edges[kept], double_area[kept]
    coefficient = 10.0 ** rng.random(double_area.size)
    stiffness = (coefficient / (2.0 * double_area))[:, None, None] * (edges @ edges.transpose(0, 2, 1))
    mass = (double_area / 24.0)[:, None, None] * (np.ones((3, 3)) + np.eye(3))
    # Gradients of the shape functions, times twice the area, are the edges turned by 90 degrees.
    orientation = np.sign(edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0])
    gradients = np.stack([-edges[:, :, 1], edges[:, :, 0]], axis=-1) * orientation[:, None, None]
    middle = points[triangles].mean(axis=1) - 0.5
    wind = 100.0 * np.stack([-middle[:, 1], middle[:, 0]], axis=1)
    transport = np.einsum("td,tjd->tj", wind, gradients)[:, None, :] / 6.0 * np.ones((1, 3, 1))

    def assembled(local: Any) -> Any:
        rows, columns = np.repeat(triangles, 3, axis=1).ravel(), np.tile(triangles, (1, 3)).ravel()
        A = sp.csr_array(sp.coo_array((local.reshape(-1), (rows, columns)), shape=(size, size)))
        A.sum_duplicates()
        return A

    A = assembled(stiffness + mass)
    A = sp.csr_array((A + A.T) / 2)
    A.sort_indices()
    return (A, rng.standard_normal(size)), (assembled(stiffness + mass + transport), rng.standard_normal(size))


def stored_streams(directory: Path, longest: int) -> Iterator[Stream]:
    """The streams kept in a directory: systems that published programs have solved."""
    for path in sorted(directory.glob("*.npz")):
        with np.load(path, allow_pickle=False) as stored:
            values, rhs = stored["values"], stored["rhs"]

            starts = stored.get("x0")
            shape = tuple(int(n) for n in stored["shape"])
            indices, indptr = stored["indices"], stored["indptr"]
        systems = [
            (
                sp.csr_matrix((values[k], indices, indptr), shape=shape),
                rhs[k],
                None if starts is None else starts[k],
            )
            for k in range(min(longest, len(rhs)))
        ]
        yield Stream(path.stem, systems, definite=_may_be_definite(*systems[-1]), stored=True)


def drifting_stream(name: str, size: int, steps: int, drift: float, solve: Any) -> Stream:
    """A closed loop of diffusion3d, solved once with care, kept as a stream."""
    simulation = gallery.diffusion3d(size=size, steps=steps, drift=drift, dt=0.02)
    systems = []
    for system in simulation:
        systems.append((system.A, system.b, system.x0))
        simulation.advance(solve(system.A, system.b, system.x0))
    return Stream(name, systems, definite=True)


def constant_stream(steps: int) -> Stream:
    """One matrix, many right-hand sides."""
    simulation = gallery.constant(steps=steps)
    systems = []
    factor = None
    for system in simulation:
        factor = spla.splu(system.A.tocsc()) if factor is None else factor
        systems.append((system.A, system.b, system.x0))
        simulation.advance(factor.solve(system.b))
    return Stream("constant", systems, definite=True)


def _may_be_definite(A: Any, b: Any, x0: Any) -> bool:
    """Whether methods for symmetric positive definite matrices accept it."""
    return Door().admit(A, b, None, rtol=1e-8, atol=0.0).traits.maybe_definite
