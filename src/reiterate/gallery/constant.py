"""The heat equation with a constant coefficient: one matrix, thousands of right-hand sides."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reiterate.gallery import checks
from reiterate.gallery.grid import Stencil, bump
from reiterate.gallery.stream import Simulation, System


class ConstantHeat(Simulation):
    """The heat equation on the unit square under a moving source, by backward Euler and the 5-point Laplacian.

    Solves u_t = Δu + f(t, x) with u = 0 on the boundary, from u = 0. The source f is 32 times a smooth bump of
    radius 0.125 whose center runs along the Lissajous curve
    (0.5 + 0.3 sin 4πt, 0.5 + 0.3 sin 6πt), like a torch that welds a figure into a plate.

    With mesh width h, a step from t to t + dt solves (h²/dt I - h² Δₕ) x = h²/dt u + h² f(t + dt). Nothing in
    the matrix changes: ``system.A`` is the very same object every time, symmetric positive definite and an
    M-matrix, and whatever a method builds from it serves for the whole stream. Its condition number is about
    1 + 8 dt/h². Only right-hand sides move, so there is nothing to condition on: the context is empty.

    Parameters
    ----------
    nx
        Number of mesh widths along an edge, at least 2; there are (nx - 1)² unknowns.
    steps
        Number of time steps, at least 1; each is one system.
    dt
        Time step, from 10⁻¹² to 10⁶.

    Raises
    ------
    InvalidInput
        An argument is out of its range.

    References
    ----------
    Hairer and Wanner, "Solving Ordinary Differential Equations II", section IV.3 (backward Euler is L-stable).
    """

    def __init__(self, nx: int = 80, steps: int = 2000, *, dt: float = 0.001) -> None:
        nx = checks.count("nx", nx, 2)
        self._dt = checks.number("dt", dt, 1e-12, 1e6)
        self._h = 1.0 / nx
        points = np.linspace(0.0, 1.0, nx + 1)[1:-1]
        self._coordinates = (points[:, None], points[None, :])
        shape = (nx - 1, nx - 1)
        stencil = Stencil(shape)
        bands = np.full((5, *shape), -1.0)
        self._mass = self._h**2 / self._dt
        bands[2] = 4.0 + self._mass
        self._A = stencil.matrix(stencil.gather(bands))
        super().__init__(shape, steps)

    @property
    def time(self) -> float:
        """The time of the current solution, in the equation's units."""
        return self.step * self._dt

    @property
    def center(self) -> tuple[float, float]:
        """Where the source of the current step's system is."""
        turn = 2.0 * math.pi * (self.time + self._dt)
        return 0.5 + 0.3 * math.sin(2.0 * turn), 0.5 + 0.3 * math.sin(3.0 * turn)

    def initial_state(self) -> NDArray[np.float64]:
        """Return the initial condition: zero."""
        return np.zeros(self._A.shape[0])

    def assemble(self, u: NDArray[np.float64]) -> System:
        """Assemble the right-hand side that leads on from ``u``; the matrix is there already."""
        source = 32.0 * bump(self._coordinates, self.center, 0.125).ravel()
        return System(self._A, self._mass * u + self._h**2 * source, u.copy(), {})
