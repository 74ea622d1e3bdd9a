"""Topology optimization: the stiffest cantilever of a given weight."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from reiterate.gallery import checks
from reiterate.gallery.assembly import Assembly
from reiterate.gallery.stream import Simulation, System

POISSON_RATIO = 0.3
MOVE = 0.2
"""The most by which a design variable changes in a step."""


class Cantilever(Simulation):
    """A cantilever in plane stress that is optimized by SIMP, density filter and optimality criteria.

    Minimizes the compliance c = fᵀu subject to A u = f and a given volume, over a design variable z in every one of
    nx × ny square cells. The beam is clamped at its left edge and carries a unit load, downward, at the middle of its
    right edge. The filter makes a density ρ of z, its mean over a disk with weights that fall linearly, and the density
    makes Young's modulus E = ρ^p ("solid isotropic material with penalization") with Poisson's ratio 0.3.

    Elements are bilinear (Q4, fully integrated), with two unknowns a node: the displacements along x and y, one after
    the other; A = Σ ρ_e^p A_e is symmetric positive definite. Every system is followed by one update by optimality
    criteria, z ← z √(-∂c/∂z / (λ ∂V/∂z)), kept between z ± 0.2, the least density and 1, with λ such that the volume is
    as wanted. That depends on directions of u only, not on its length.

    What drifts is the material: z begins uniform, holes open, and bars form between them. The penalty p rises in equal
    steps from 1 to ``penalty`` during the first half of the systems, and with it the stiffness contrast
    max E / min E up to ``contrast``: the least density is contrast^(-1/penalty), 10⁻³ by default. In the second half
    the design settles and matrices change less and less. The right-hand side never changes; x0 is the last
    displacement. The context is ``{"log_contrast": ln(max E / min E), "penalty": p}``.

    Parameters
    ----------
    nx, ny
        Number of cells along the beam and across, each at least 2. The state is z, of shape (nx, ny); there are
        2 nx (ny + 1) unknowns.
    steps
        Number of systems, at least 1; each is followed by one update of the design.
    volume
        The mean density, from 0.05 to 1.
    radius
        Radius of the filter in cells, from 1 (no filter) to 20.
    penalty
        The penalty at last, from 1 to 6.
    contrast
        The largest stiffness contrast, from 10 to 10¹².

    Raises
    ------
    InvalidInput
        An argument is out of its range.

    References
    ----------
    Bendsøe and Sigmund, "Topology Optimization", Springer 2003, section 1.2. Andreassen, Clausen, Schevenels, Lazarov
    and Sigmund, "Efficient topology optimization in MATLAB using 88 lines of code", Struct. Multidisc. Optim. 43
    (2011).
    """

    def __init__(
        self,
        nx: int = 120,
        ny: int = 40,
        steps: int = 120,
        *,
        volume: float = 0.4,
        radius: float = 2.0,
        penalty: float = 3.0,
        contrast: float = 1e9,
    ) -> None:
        nx, ny = checks.count("nx", nx, 2), checks.count("ny", ny, 2)
        self._volume = checks.number("volume", volume, 0.05, 1.0)
        radius = checks.number("radius", radius, 1.0, 20.0)
        self._penalty = checks.number("penalty", penalty, 1.0, 6.0)
        self._least = checks.number("contrast", contrast, 10.0, 1e12) ** (-1.0 / self._penalty)
        node = np.arange((nx + 1) * (ny + 1)).reshape(nx + 1, ny + 1)
        corners = np.stack([node[:-1, :-1], node[1:, :-1], node[1:, 1:], node[:-1, 1:]], axis=-1).reshape(-1, 4)
        clamped = ny + 1  # nodes, the first ones
        unknowns = 2 * (corners - clamped)[:, :, None] + np.arange(2)
        self._unknowns = np.where(unknowns >= 0, unknowns, -1).reshape(-1, 8)
        self._size = 2 * (node.size - clamped)
        self._assembly = Assembly(self._unknowns, self._size)
        self._element = element_stiffness()
        self._load = np.zeros(self._size)
        middle = node[-1, [ny // 2, (ny + 1) // 2]] - clamped  # twice the same if ny is even
        np.add.at(self._load, 2 * middle + 1, -0.5)
        self._filter = _filter((nx, ny), radius)
        self._spread = self._filter.T.tocsr()
        self._weight = self._spread @ np.ones(nx * ny)
        self._displacement = np.zeros(self._size)
        super().__init__((nx, ny), steps)

    @property
    def penalty(self) -> float:
        """The penalty p in the current step's system."""
        return 1.0 + (self._penalty - 1.0) * min(2.0 * self.step / len(self), 1.0)

    @property
    def density(self) -> NDArray[np.float64]:
        """The density ρ in the cells, shape ``(nx, ny)``."""
        density: NDArray[np.float64] = (self._filter @ self._u).reshape(self.shape)
        return density

    @property
    def displacement(self) -> NDArray[np.float64]:
        """The last displacement in the nodes, shape ``(nx + 1, ny + 1, 2)``: its components along x and y."""
        nx, ny = self.shape
        return np.pad(self._displacement.reshape(nx, ny + 1, 2), ((1, 0), (0, 0), (0, 0)))

    @property
    def compliance(self) -> float:
        """The work of the load at the last displacement."""
        return float(self._load @ self._displacement)

    def initial_state(self) -> NDArray[np.float64]:
        """Return the uniform design."""
        self._displacement = np.zeros(self._size)
        return np.full(self._weight.size, max(self._volume, self._least))

    def assemble(self, u: NDArray[np.float64]) -> System:
        """Assemble the equilibrium of the design ``u``."""
        modulus = (self._filter @ u) ** self.penalty
        A = self._assembly.matrix(modulus[:, None, None] * self._element)
        context = {"log_contrast": math.log(modulus.max() / modulus.min()), "penalty": self.penalty}
        return System(A, self._load.copy(), self._displacement.copy(), context)

    def sensitivity(self, design: NDArray[np.float64], displacement: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the derivative of the compliance by the design variables, given the displacement; at most 0.

        Parameters
        ----------
        design
            The design variables, shape ``(nx · ny,)``.
        displacement
            The solution of the design's system, shape ``(n,)``.
        """
        local = np.where(self._unknowns >= 0, displacement[self._unknowns], 0.0)
        energy = np.maximum(((local @ self._element) * local).sum(axis=1), 0.0)
        density = self._filter @ design
        slope: NDArray[np.float64] = self._spread @ (self.penalty * density ** (self.penalty - 1.0) * energy)
        return -slope

    def absorb(self, system: System, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Update the design by the displacement ``x``."""
        self._displacement = x
        largest = np.abs(x).max()
        if largest == 0.0:
            return self._u
        gain = -self.sensitivity(self._u, x / largest) / self._weight
        if not gain.max() > 0.0:
            return self._u
        aim = self._u * np.sqrt(gain / gain.max())
        low = np.maximum(self._u - MOVE, self._least)
        high = np.minimum(self._u + MOVE, 1.0)
        lower, upper = -12.0, 36.0  # logarithms of the multiplier
        design = self._u
        for _ in range(60):
            middle = 0.5 * (lower + upper)
            design = np.clip(aim * math.exp(middle), low, high)
            if (self._weight @ design) > self._volume * design.size:
                upper = middle
            else:
                lower = middle
        return design


def element_stiffness() -> NDArray[np.float64]:
    """The stiffness matrix of a square bilinear element in plane stress with E = 1, shape ``(8, 8)``.

    Corners are numbered counterclockwise from the lower left one, with the displacements along x and y of each one
    after the other. It does not depend on the size of the square.
    """
    corners = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    nu = POISSON_RATIO
    elasticity = np.array([[1.0, nu, 0.0], [nu, 1.0, 0.0], [0.0, 0.0, 0.5 * (1.0 - nu)]]) / (1.0 - nu**2)
    total = np.zeros((8, 8))
    for point in corners / math.sqrt(3.0):  # Gauss's rule, on an element of edge 2
        slopes = 0.25 * corners * (1.0 + point * corners)[:, ::-1]
        strain = np.zeros((3, 8))
        strain[0, ::2] = strain[2, 1::2] = slopes[:, 0]
        strain[1, 1::2] = strain[2, ::2] = slopes[:, 1]
        total += strain.T @ elasticity @ strain
    return 0.5 * (total + total.T)


def _filter(shape: tuple[int, int], radius: float) -> csr_array:
    """The matrix of means over disks of cells with weights that fall linearly to 0 at the radius."""
    cell = np.arange(shape[0] * shape[1]).reshape(shape)
    x, y = np.indices(shape)
    reach = math.ceil(radius) - 1
    rows, columns, weights = [], [], []
    for dx in range(-reach, reach + 1):
        for dy in range(-reach, reach + 1):
            weight = radius - math.hypot(dx, dy)
            if weight > 0.0:
                inside = (x + dx >= 0) & (x + dx < shape[0]) & (y + dy >= 0) & (y + dy < shape[1])
                rows.append(cell[inside])
                columns.append(rows[-1] + dx * shape[1] + dy)
                weights.append(np.full(rows[-1].size, weight))
    row, weight_of = np.concatenate(rows), np.concatenate(weights)
    total = np.bincount(row, weights=weight_of)
    return csr_array((weight_of / total[row], (row, np.concatenate(columns))), shape=(cell.size, cell.size))
