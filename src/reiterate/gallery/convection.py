"""Heat carried by a recirculating wind whose strength sweeps over orders of magnitude."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from reiterate.gallery import checks
from reiterate.gallery.grid import Stencil
from reiterate.gallery.stream import Simulation, System

SCHEMES = ("upwind", "central")


class Convection(Simulation):
    """The double-glazing problem on the square [-1, 1]², by backward Euler and finite volumes.

    Solves u_t + w · grad u = Δu / Pe from u = 0, with the recirculating wind w = (2y(1 - x²), -2x(1 - y²)),
    u = 1 on the hot wall x = 1 and u = 0 on the others. The Péclet number goes from its lowest value to its
    highest and back, once along the simulation: its logarithm follows half a cosine each way. At the lowest the
    wall heats its surroundings by diffusion; at the highest the wind carries a thin layer of heat around.

    There are nx² cells of width h = 2 / nx, and axis 0 of the grid is x. Fluxes of the wind through faces are
    differences of its stream function -(1 - x²)(1 - y²) at the corners, so that they sum to zero in every cell.
    A step solves (h²/dt I + D / Pe + C) x = h²/dt u + boundary terms, with D the 5-point -h² Δₕ (walls are half a
    cell away from the outermost centers) and C the fluxes of u with the value at a face taken

    - ``"upwind"``: from the cell where the wind comes from. First order; the matrix is an M-matrix, solutions
      stay between 0 and 1, and the error acts like diffusion of strength |w| h / 2.
    - ``"central"``: as the mean of both cells. Second order; C is skew-symmetric, so that the symmetric part of
      the matrix is positive definite; solutions oscillate where the cell Péclet number |w| h Pe exceeds 2.

    The matrix is nonsymmetric, the more so the larger Pe. The context is ``{"log_peclet": …}``, the natural
    logarithm of Pe.

    Parameters
    ----------
    nx
        Number of cells along an edge, at least 2; there are nx² unknowns.
    steps
        Number of time steps, at least 1; each is one system.
    lowest, highest
        The range of the Péclet number, each from 10⁻⁶ to 10¹².
    dt
        Time step, from 10⁻¹² to 10⁶; once around takes the wind a time of about 4.
    scheme
        ``"upwind"`` or ``"central"``.

    Raises
    ------
    InvalidInput
        An argument is out of its range, or ``lowest`` is above ``highest``.

    References
    ----------
    Elman, Silvester and Wathen, "Finite Elements and Fast Iterative Solvers", 2nd ed. 2014, example 6.1.4.
    """

    definite: ClassVar[bool] = False

    def __init__(
        self,
        nx: int = 80,
        steps: int = 200,
        *,
        lowest: float = 1.0,
        highest: float = 1e4,
        dt: float = 0.1,
        scheme: str = "upwind",
    ) -> None:
        nx = checks.count("nx", nx, 2)
        self._lowest = checks.number("lowest", lowest, 1e-6, 1e12)
        self._highest = checks.number("highest", highest, self._lowest, 1e12)
        self._dt = checks.number("dt", dt, 1e-12, 1e6)
        upwind = checks.choice("scheme", scheme, SCHEMES) == "upwind"
        self._mass = (2.0 / nx) ** 2 / self._dt
        shape = (nx, nx)
        self._stencil = Stencil(shape)
        self._diffusion = self._stencil.gather(_diffusion(shape))
        self._transport = self._stencil.gather(_transport(nx, upwind))
        self._transport[self._stencil.diagonal] += self._mass
        self._hot = np.zeros(shape)
        self._hot[-1] = 2.0
        super().__init__(shape, steps)

    @property
    def time(self) -> float:
        """The time of the current solution, in the equation's units."""
        return self.step * self._dt

    @property
    def peclet(self) -> float:
        """The Péclet number of the current step's system."""
        part = 0.5 - 0.5 * math.cos(2.0 * math.pi * self.step / len(self))
        return self._lowest * math.exp(part * math.log(self._highest / self._lowest))

    def initial_state(self) -> NDArray[np.float64]:
        """Return the initial condition: zero."""
        return np.zeros(self._hot.size)

    def assemble(self, u: NDArray[np.float64]) -> System:
        """Assemble the backward Euler system that leads on from ``u``."""
        peclet = self.peclet
        A = self._stencil.matrix(self._transport + self._diffusion / peclet)
        b = self._mass * u + self._hot.ravel() / peclet
        return System(A, b, u.copy(), {"log_peclet": math.log(peclet)})


def _diffusion(shape: tuple[int, int]) -> NDArray[np.float64]:
    """The bands of -h² Δₕ with the boundary half a cell away."""
    bands = np.full((5, *shape), -1.0)
    diagonal = bands[2]
    diagonal[...] = 4.0
    for edge in (diagonal[0], diagonal[-1], diagonal[:, 0], diagonal[:, -1]):
        edge += 1.0
    return bands


def _transport(nx: int, upwind: bool) -> NDArray[np.float64]:
    """The bands of the fluxes out of every cell."""
    corners = np.linspace(-1.0, 1.0, nx + 1)
    stream = -np.outer(1.0 - corners**2, 1.0 - corners**2)
    bands = np.zeros((5, nx, nx))
    # Along x, the flux is the stream function's difference along y; along y, minus the one along x.
    for axis, flux in ((0, np.diff(stream, axis=1)), (1, -np.diff(stream, axis=0))):
        inner = np.moveaxis(flux, axis, 0)[1:-1]  # from the cell below to the one above; none through walls
        if upwind:
            from_below, from_above = np.maximum(inner, 0.0), np.minimum(inner, 0.0)
        else:
            from_below = from_above = 0.5 * inner
        diagonal = np.moveaxis(bands[2], axis, 0)
        diagonal[:-1] += from_below
        diagonal[1:] -= from_above
        np.moveaxis(bands[Stencil.upper(axis, 2)], axis, 0)[:-1] = from_above
        np.moveaxis(bands[Stencil.lower(axis)], axis, 0)[1:] = -from_below
    return bands
