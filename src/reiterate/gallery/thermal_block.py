"""A plate of blocks whose conductivities move through parameter space."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reiterate.gallery import checks
from reiterate.gallery.grid import Stencil
from reiterate.gallery.stream import Simulation, System


class ThermalBlock(Simulation):
    """The thermal block on the unit square: steady conduction through blocks, by linear finite elements.

    Solves -div(k grad u) = 0 with heat flowing in at rate 1 through the bottom y = 0, insulated sides and u = 0 at
    the top y = 1. The conductivity k is constant in each of ``blocks``² squares. Its logarithm there is
    ln(contrast) sin(φ + drift · r · step), with phases φ (uniform) and rates r (normal) of the block's own.

    Linear elements on squares cut in two, with element edges on the blocks' boundaries, give the 5-point stencil
    whose weights are the mean conductivities of the cells beside an edge; so A = Σ k_q A_q exactly. It is
    symmetric positive definite and an M-matrix. The right-hand side never changes, and the systems depend on
    earlier solutions only through the initial guess: this is a sweep. The context is ``{"log_ratio": …}``, the
    natural logarithm of the ratio of the largest to the smallest conductivity.

    Parameters
    ----------
    blocks
        Number of blocks along an edge, at least 1.
    cells
        Number of cells along the edge of a block, at least 2. With m = blocks · cells there are m (m + 1)
        unknowns: nodes below the top, numbered from the bottom, axis 0 of the grid being y.
    steps
        Number of parameters visited, at least 1; each is one system.
    contrast
        Conductivities are between 1/contrast and contrast; from 1 to 10⁶.
    drift
        Typical turn of a phase in a step, in radians, from 0 (constant matrix) to 10.
    seed
        Seed of phases and rates, a nonnegative integer.

    Raises
    ------
    InvalidInput
        An argument is out of its range.

    References
    ----------
    Rozza, Huynh and Patera, "Reduced basis approximation and a posteriori error estimation for affinely
    parametrized elliptic coercive partial differential equations", Arch. Comput. Methods Eng. 15 (2008).
    """

    def __init__(
        self,
        blocks: int = 3,
        cells: int = 24,
        steps: int = 300,
        *,
        contrast: float = 10.0,
        drift: float = 0.05,
        seed: int = 0,
    ) -> None:
        blocks = checks.count("blocks", blocks, 1)
        self._cells = checks.count("cells", cells, 2)
        self._contrast = checks.number("contrast", contrast, 1.0, 1e6)
        self._drift = checks.number("drift", drift, 0.0, 10.0)
        rng = np.random.default_rng(checks.count("seed", seed, 0))
        self._phases = rng.uniform(0.0, 2.0 * math.pi, (blocks, blocks))
        self._rates = rng.standard_normal((blocks, blocks))
        m = blocks * self._cells
        shape = (m, m + 1)
        self._stencil = Stencil(shape)
        inflow = np.zeros(shape)
        inflow[0] = 1.0 / m
        inflow[0, [0, -1]] *= 0.5
        self._inflow = inflow.ravel()
        super().__init__(shape, steps)

    @property
    def conductivities(self) -> NDArray[np.float64]:
        """Conductivities of the blocks in the current step's system, shape ``(blocks, blocks)``, y first."""
        turned: NDArray[np.float64] = np.sin(self._phases + self.step * self._drift * self._rates)
        return np.exp(math.log(self._contrast) * turned)

    @property
    def output(self) -> float:
        """The mean temperature at the bottom, the quantity that the sweep is made for."""
        return float(self._inflow @ self._u)

    def initial_state(self) -> NDArray[np.float64]:
        """Return zero."""
        return np.zeros(self._inflow.size)

    def assemble(self, u: NDArray[np.float64]) -> System:
        """Assemble the system of the current conductivities; ``u`` is the initial guess."""
        k = self.conductivities
        A = self._stencil.matrix(self._stencil.gather(self._bands(k)))
        return System(A, self._inflow.copy(), u.copy(), {"log_ratio": math.log(k.max() / k.min())})

    def _bands(self, k: NDArray[np.float64]) -> NDArray[np.float64]:
        cell = np.pad(np.kron(k, np.ones((self._cells, self._cells))), 1)  # nothing beyond the boundary
        upward = 0.5 * (cell[1:-1, :-1] + cell[1:-1, 1:])
        sideways = 0.5 * (cell[:-2, 1:-1] + cell[1:-1, 1:-1])
        bands = np.zeros((5, *self.shape))
        diagonal = bands[2]
        diagonal += upward  # the topmost edges lead to u = 0
        diagonal[1:] += upward[:-1]
        diagonal[:, :-1] += sideways
        diagonal[:, 1:] += sideways
        bands[Stencil.lower(0)][1:] = bands[Stencil.upper(0, 2)][:-1] = -upward[:-1]
        bands[Stencil.lower(1)][:, 1:] = bands[Stencil.upper(1, 2)][:, :-1] = -sideways
        return bands
