"""Flow in a box under a moving lid: the incompressible Navier-Stokes equations by a projection method."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_diag, csr_array

from reiterate.gallery import checks
from reiterate.gallery.grid import Stencil
from reiterate.gallery.stream import Simulation, System


class LidDrivenCavity(Simulation):
    """The lid-driven cavity on the unit square, by incremental projection on a staggered grid: two systems a step.

    Solves u_t + (u · grad) u = -grad p + Δu / Re, div u = 0, from rest, with walls that stick. The lid y = 1 moves to
    the right with speed 1 + swing sin(2πt / period). A step from t to t + dt solves

    - kind ``"velocity"``: (u* - u)/dt + (u · grad) u* - Δu*/Re = -grad p with u* on the walls as at t + dt;
    - kind ``"pressure"``: -Δφ = -div u* / dt with ∂φ/∂ν = 0, whereupon u becomes u* - dt grad φ, and p becomes p + φ.

    On the staggered (MAC) grid of nx² cells of width h, the components of u live on the cells' faces and p in their
    middles. Advection is by central differences in skew-symmetric form, so that it neither makes nor takes energy,
    whatever dt; the velocities on the faces between two steps' control volumes are means.

    The velocity's matrix (h²/dt) I + D / Re + C is nonsymmetric, as C = -Cᵀ follows the flow: what drifts is the flow
    that spins up and swings with the lid. It has one block for each component and 2 nx (nx - 1) unknowns, faces normal
    to x first; its symmetric part is positive definite. x0 is the last velocity. Its context is ``{"courant": …}``, the
    largest speed (the lid's included) times dt / h.

    The pressure's matrix, the very same object every time, is the 5-point -h² Δₕ with Neumann conditions in nx²
    unknowns: symmetric positive semidefinite and singular, with the constants as its null space. b is orthogonal to
    them to rounding, so that solutions exist; they are determined up to a constant, and any will do. x is an increment
    and x0 is zero. Its context is empty: there is nothing to condition on.

    Parameters
    ----------
    nx
        Number of cells along an edge, at least 3. The state consists of the velocities on the inner faces and of the
        pressure: see :attr:`velocity`, :attr:`pressure`, :attr:`stream_function`.
    steps
        Number of systems, at least 1; two make a time step.
    reynolds
        Reynolds number Re of the mean speed of the lid and the edge, from 10⁻³ to 10⁶; from about 8,000 on the flow
        would not become steady, and the mesh should resolve layers of a width of about Re^(-1/2).
    dt
        Time step, from 10⁻⁶ to 10³.
    swing, period
        How the lid's speed swings, from 0 (steady) to 10, and how long each swing takes, from 10⁻⁶ to 10⁶.

    Raises
    ------
    InvalidInput
        An argument is out of its range.

    References
    ----------
    Guermond, Minev and Shen, "An overview of projection methods for incompressible flows", Comput. Methods Appl. Mech.
    Engrg. 195 (2006), section 3.2. Harlow and Welch, Phys. Fluids 8 (1965) (the staggered grid). Verstappen and
    Veldman, J. Comput. Phys. 187 (2003) (skew-symmetric advection). Ghia, Ghia and Shin, J. Comput. Phys. 48 (1982).
    """

    kinds: ClassVar[tuple[str, ...]] = ("velocity", "pressure")
    definite: ClassVar[bool] = False

    def __init__(
        self,
        nx: int = 64,
        steps: int = 400,
        *,
        reynolds: float = 1000.0,
        dt: float = 0.05,
        swing: float = 0.5,
        period: float = 5.0,
    ) -> None:
        self._nx = nx = checks.count("nx", nx, 3)
        self._reynolds = checks.number("reynolds", reynolds, 1e-3, 1e6)
        self._dt = checks.number("dt", dt, 1e-6, 1e3)
        self._swing = checks.number("swing", swing, 0.0, 10.0)
        self._period = checks.number("period", period, 1e-6, 1e6)
        self._h = 1.0 / nx
        self._faces = nx * (nx - 1)
        self._stencils = Stencil((nx - 1, nx)), Stencil((nx, nx - 1))
        still = np.zeros((nx + 1, nx))
        bands = self._advection(still, still.T)
        self._pattern = csr_array(
            block_diag([s.matrix(s.gather(b)) for s, b in zip(self._stencils, bands, strict=True)], format="csr")
        )
        cells = Stencil((nx, nx))
        self._poisson = cells.matrix(cells.gather(_neumann(nx)))
        super().__init__((2 * self._faces + nx**2,), steps)

    @property
    def time(self) -> float:
        """The time of the last completed step, in the equations' units."""
        return (self.step // 2) * self._dt

    @property
    def lid(self) -> float:
        """The speed of the lid at the end of the current step."""
        return 1.0 + self._swing * math.sin(2.0 * math.pi * (self.time + self._dt) / self._period)

    @property
    def velocity(self) -> NDArray[np.float64]:
        """The velocity in the middles of the cells, shape ``(2, nx, nx)``: component, x, y."""
        u, v = self._on_faces(self._u)
        return 0.5 * np.stack([u[:-1] + u[1:], v[:, :-1] + v[:, 1:]])

    @property
    def pressure(self) -> NDArray[np.float64]:
        """The pressure in the middles of the cells, of zero mean, shape ``(nx, nx)``."""
        return self._u[2 * self._faces :].reshape(self._nx, self._nx).copy()

    @property
    def stream_function(self) -> NDArray[np.float64]:
        """ψ with u = (∂ψ/∂y, -∂ψ/∂x) at the corners of the cells, 0 at the bottom, shape ``(nx + 1, nx + 1)``."""
        u, _ = self._on_faces(self._u)
        return np.pad(self._h * np.cumsum(u, axis=1), ((0, 0), (1, 0)))

    def initial_state(self) -> NDArray[np.float64]:
        """Return rest: zero."""
        return np.zeros(2 * self._faces + self._nx**2)

    def divergence(self, state: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the divergence in every cell of a state, shape ``(nx, nx)``."""
        u, v = self._on_faces(state)
        divergence: NDArray[np.float64] = (np.diff(u, axis=0) + np.diff(v, axis=1)) / self._h
        return divergence

    def assemble(self, u: NDArray[np.float64]) -> System:
        """Assemble the system for the velocity, or for the pressure that makes it free of divergence."""
        if self.step % 2:
            b = -(self._h**2 / self._dt) * self.divergence(u).ravel()
            return System(self._poisson, b - b.mean(), np.zeros(b.size), {}, "pressure")
        bands = self._advection(*self._on_faces(u))
        data = np.concatenate([s.gather(b) for s, b in zip(self._stencils, bands, strict=True)])
        A = csr_array((data, self._pattern.indices, self._pattern.indptr), shape=self._pattern.shape)
        velocity = u[: 2 * self._faces]
        b = self._h**2 * (velocity / self._dt - self._gradient(u[2 * self._faces :]))
        b[self._nx - 1 : self._faces : self._nx] += 2.0 * self.lid / self._reynolds  # faces half a cell below the lid
        fastest = max(float(np.abs(velocity).max()), abs(self.lid))
        return System(A, b, velocity.copy(), {"courant": fastest * self._dt / self._h}, "velocity")

    def absorb(self, system: System, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take the velocity; or project it with the pressure's increment, and add that."""
        velocity, pressure = self._u[: 2 * self._faces], self._u[2 * self._faces :]
        if system.kind == "velocity":
            return np.concatenate([x, pressure])
        pressure = pressure + x
        return np.concatenate([velocity - self._dt * self._gradient(x), pressure - pressure.mean()])

    def _on_faces(self, state: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The components on all faces normal to them, walls included: shapes (nx + 1, nx) and (nx, nx + 1)."""
        nx, m = self._nx, self._faces
        u, v = state[:m].reshape(nx - 1, nx), state[m : 2 * m].reshape(nx, nx - 1)
        return np.pad(u, ((1, 1), (0, 0))), np.pad(v, ((0, 0), (1, 1)))

    def _gradient(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """The gradient on the inner faces, in the order of the unknowns."""
        grid = p.reshape(self._nx, self._nx)
        return np.concatenate([np.diff(grid, axis=0).ravel(), np.diff(grid, axis=1).ravel()]) / self._h

    def _advection(
        self, u: NDArray[np.float64], v: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The bands of both blocks, for velocities on all faces."""
        half = 0.25 * self._h  # half of the flux, which is h times the mean of two velocities
        first = self._block(half * (u[:-1] + u[1:]), half * (v[:-1] + v[1:])[:, 1:-1], 1)
        second = self._block(half * (u[:, :-1] + u[:, 1:])[1:-1], half * (v[:, :-1] + v[:, 1:]), 0)
        return first, second

    def _block(self, along_x: NDArray[np.float64], along_y: NDArray[np.float64], sticking: int) -> NDArray[np.float64]:
        """The bands for one component, from half of the fluxes between its unknowns.

        The walls across axis ``sticking`` are half a cell away; along the other axis they are unknowns' neighbors, and
        the two outermost fluxes lead to where the component vanishes.
        """
        inner_x, inner_y = (along_x[1:-1], along_y) if sticking == 1 else (along_x, along_y[:, 1:-1])
        bands = np.zeros((5, inner_x.shape[0] + 1, inner_x.shape[1]))
        weight = 1.0 / self._reynolds
        bands[Stencil.upper(0, 2)][:-1] = inner_x - weight
        bands[Stencil.lower(0)][1:] = -inner_x - weight
        bands[Stencil.upper(1, 2)][:, :-1] = inner_y - weight
        bands[Stencil.lower(1)][:, 1:] = -inner_y - weight
        bands[2] = self._h**2 / self._dt + 4.0 * weight
        walls = np.moveaxis(bands[2], sticking, 0)
        walls[[0, -1]] += weight
        return bands


def _neumann(nx: int) -> NDArray[np.float64]:
    """The bands of -h² Δₕ with nothing flowing through the boundary; whole numbers, whose rows sum to exactly 0."""
    bands = np.full((5, nx, nx), -1.0)
    diagonal = bands[2]
    diagonal[...] = 4.0
    for edge in (diagonal[0], diagonal[-1], diagonal[:, 0], diagonal[:, -1]):
        edge -= 1.0
    return bands
