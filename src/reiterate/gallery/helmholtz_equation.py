"""Time-harmonic waves through a lens, swept through a band of frequencies."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from reiterate.gallery import checks
from reiterate.gallery.grid import Stencil
from reiterate.gallery.stream import Simulation, System

SOURCE = (0.2, 0.5)
"""Where the point source is: on the rim of the lens."""

RADIUS = 0.3
"""Radius of the lens, whose center is the middle of the square."""


class Helmholtz(Simulation):
    """The Helmholtz equation on the unit square with a lens, a point source and absorbing boundaries.

    Solves -Δu - ω² s² u = δ with a source at (0.2, 0.5) and the first-order absorbing (Sommerfeld) condition
    ∂u/∂ν = i ω s u on the boundary; the wave is Re(u e^(-iωt)). The slowness s (1 / wave speed) is 1 but for a lens
    of radius 0.3 around the middle: there s² = 1 + contrast (1 - (r / 0.3)²), continuous at the rim. A contrast of 1
    makes it Luneburg's lens, which turns the circular wave of a source on its rim into a parallel beam.

    The angular frequency ω goes from its lowest value to its highest in equal steps. Vertex-centered finite volumes
    of width h = 1 / nx (the 5-point stencil within, halved cells along the boundary) make it second order away from
    the source, whose unit strength is shared bilinearly by the four nearest points. There should be about ten
    points to a wavelength 2π / (ω s).

    The matrix K - ω² M - i ω B has K and B positive semidefinite and M positive definite and diagonal: it is complex
    symmetric, not Hermitian, nonsingular for every ω > 0, and its Hermitian part is indefinite, the more so the
    higher the frequency: about ω² / 4π of its eigenvalues are negative. The right-hand side never changes. The
    systems depend on earlier solutions only through the initial guess: this is a sweep, and a guess of another
    frequency helps only where waves have traveled few wavelengths. The context is ``{"frequency": ω}``.

    Parameters
    ----------
    nx
        Number of mesh widths along an edge, at least 2; there are (nx + 1)² unknowns, boundary included.
    steps
        Number of frequencies, at least 1; each is one system.
    lowest, highest
        The range of ω, each from 10⁻³ to 10⁵.
    contrast
        Strength of the lens, from -0.9 (it scatters) to 10.

    Raises
    ------
    InvalidInput
        An argument is out of its range, or ``lowest`` is above ``highest``.

    References
    ----------
    Engquist and Majda, "Absorbing boundary conditions for the numerical simulation of waves", Math. Comp. 31 (1977).
    Ernst and Gander, "Why it is difficult to solve Helmholtz problems with classical iterative methods", in
    "Numerical Analysis of Multiscale Problems", Springer 2012. Luneburg, "Mathematical Theory of Optics", 1944.
    """

    definite: ClassVar[bool] = False

    def __init__(
        self, nx: int = 100, steps: int = 100, *, lowest: float = 5.0, highest: float = 50.0, contrast: float = 1.0
    ) -> None:
        nx = checks.count("nx", nx, 2)
        self._lowest = checks.number("lowest", lowest, 1e-3, 1e5)
        self._highest = checks.number("highest", highest, self._lowest, 1e5)
        self._contrast = checks.number("contrast", contrast, -0.9, 10.0)
        shape = (nx + 1, nx + 1)
        points = np.linspace(0.0, 1.0, nx + 1)
        gap = 1.0 - ((points[:, None] - 0.5) ** 2 + (points[None, :] - 0.5) ** 2) / RADIUS**2
        slowness = np.sqrt(1.0 + self._contrast * np.maximum(gap, 0.0))
        # What of a cell lies within the square, along an edge and in all; and what of its boundary is the square's.
        part = np.ones(nx + 1)
        part[[0, -1]] = 0.5
        end = 1.0 - np.sign(part - 0.5)
        self._stencil = Stencil(shape)
        self._stiffness = self._stencil.gather(_stiffness(part)).astype(np.complex128)
        self._mass = (slowness**2 * np.outer(part, part)).ravel() / nx**2
        self._absorption = (slowness * (np.outer(end, part) + np.outer(part, end))).ravel() / nx
        self._source = _shared(nx, SOURCE)
        self._slowness = slowness
        super().__init__(shape, steps)

    @property
    def frequency(self) -> float:
        """The angular frequency ω of the current step's system."""
        return self._lowest + (self._highest - self._lowest) * self.step / max(len(self) - 1, 1)

    @property
    def slowness(self) -> NDArray[np.float64]:
        """A copy of the slowness s at the grid points."""
        return self._slowness.copy()

    def initial_state(self) -> NDArray[np.complex128]:
        """Return zero."""
        return np.zeros(self._mass.size, dtype=np.complex128)

    def assemble(self, u: NDArray[np.complex128]) -> System:
        """Assemble the system of the current frequency; ``u`` is the initial guess."""
        frequency = self.frequency
        data = self._stiffness.copy()
        data[self._stencil.diagonal] -= frequency**2 * self._mass + 1j * frequency * self._absorption
        return System(self._stencil.matrix(data), self._source.copy(), u.copy(), {"frequency": frequency})


def _stiffness(part: NDArray[np.float64]) -> NDArray[np.float64]:
    """The bands of -h² Δₕ on cells that are halved along the boundary, with nothing flowing out."""
    shape = (part.size, part.size)
    bands = np.zeros((5, *shape))
    along = np.broadcast_to(part[None, :], (part.size - 1, part.size))  # the faces between neighbors along axis 0
    bands[Stencil.lower(0)][1:] = bands[Stencil.upper(0, 2)][:-1] = -along
    bands[Stencil.lower(1)][:, 1:] = bands[Stencil.upper(1, 2)][:, :-1] = -along.T
    bands[2] = -bands.sum(axis=0)
    return bands


def _shared(nx: int, point: tuple[float, float]) -> NDArray[np.complex128]:
    """A unit source at a point within the square, shared bilinearly by the corners of its cell."""
    weights = np.zeros((2, nx + 1))
    for axis, coordinate in enumerate(point):
        cell = min(math.floor(coordinate * nx), nx - 1)
        weights[axis, cell + 1] = coordinate * nx - cell
        weights[axis, cell] = 1.0 - weights[axis, cell + 1]
    return np.outer(*weights).ravel().astype(np.complex128)
