"""The two-dimensional heat equation with a coefficient that swings over two orders of magnitude."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reiterate.gallery import checks
from reiterate.gallery.grid import Stencil, bump
from reiterate.gallery.stream import Simulation, System


def coefficient(t: float) -> float:
    """Return the diffusion coefficient max(0.1 sin 2πt, -10 sin 2πt) at time ``t``; from 0 to 10."""
    sine = math.sin(2.0 * math.pi * t)
    return max(0.1 * sine, -10.0 * sine)


class Heat(Simulation):
    """The heat equation of Khodak et al. on the unit square, by Crank–Nicolson and the 5-point Laplacian.

    Solves u_t = c(t) Δu + f(t, x) with u = 0 on the boundary, where c(t) = max(0.1 sin 2πt, -10 sin 2πt) and
    f is 32 times a smooth bump of radius 0.125 whose center circles around the middle of the square at
    distance 0.25, eight times per unit of time. The initial condition is a bump of radius 0.25 in the middle.

    A step from t to t + dt, with c and f at t + dt/2 and the discrete Laplacian Δₕ, solves
    (I - c dt/2 Δₕ) x = (I + c dt/2 Δₕ) u + dt f. The matrix is symmetric positive definite, an M-matrix,
    and between nearly the identity (small c) and dominated by the Laplacian (large c). The context is
    ``{"coefficient": c}``.

    Parameters
    ----------
    nx
        Number of mesh widths along an edge, at least 2; there are (nx - 1)² unknowns.
    steps
        Number of time steps, at least 1.
    start
        Time at which the simulation begins, in the equation's units, from -10⁶ to 10⁶.
    dt
        Time step, from 10⁻¹² to 10⁶.

    Raises
    ------
    InvalidInput
        An argument is out of its range.

    References
    ----------
    Khodak, Chow, Balcan and Talwalkar, "Learning to Relax: Setting Solver Parameters Across a Sequence of
    Linear System Instances", ICLR 2024.
    """

    def __init__(self, nx: int = 100, steps: int = 500, *, start: float = 0.0, dt: float = 5 / 5000) -> None:
        nx = checks.count("nx", nx, 2)
        self._start = checks.number("start", start, -1e6, 1e6)
        self._dt = checks.number("dt", dt, 1e-12, 1e6)
        self._h = 1.0 / nx
        points = np.linspace(0.0, 1.0, nx + 1)[1:-1]
        self._coordinates = (points[:, None], points[None, :])
        shape = (nx - 1, nx - 1)
        self._stencil = Stencil(shape)
        bands = np.full((5, *shape), -1.0)
        bands[2] = 4.0
        self._laplacian = self._stencil.gather(bands)
        super().__init__(shape, steps)

    @property
    def time(self) -> float:
        """The time of the current solution, in the equation's units."""
        return self._start + self.step * self._dt

    def initial_state(self) -> NDArray[np.float64]:
        """Return the initial condition: a bump of radius 0.25 in the middle of the square."""
        return bump(self._coordinates, (0.5, 0.5), 0.25).ravel()

    def assemble(self, u: NDArray[np.float64]) -> System:
        """Assemble the Crank–Nicolson system that leads on from ``u``."""
        half_time = self.time + 0.5 * self._dt
        c = coefficient(half_time)
        data = (0.5 * self._dt * c / self._h**2) * self._laplacian
        data[self._stencil.diagonal] += 1.0
        A = self._stencil.matrix(data)
        # A is the identity plus what the right-hand side has subtracted from it.
        b = 2.0 * u - A @ u + self._dt * self._forcing(half_time)
        return System(A, b, u.copy(), {"coefficient": c})

    def _forcing(self, t: float) -> NDArray[np.float64]:
        angle = 16.0 * math.pi * t
        center = (0.5 + 0.25 * math.cos(angle), 0.5 + 0.25 * math.sin(angle))
        return 32.0 * bump(self._coordinates, center, 0.125).ravel()
