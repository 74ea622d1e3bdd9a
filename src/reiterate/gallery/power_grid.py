"""An electric power grid through the day: the power flow equations by Newton's method."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from reiterate.gallery import checks
from reiterate.gallery.assembly import Assembly
from reiterate.gallery.stream import Simulation, System

TOLERANCE = 1e-8
"""Largest mismatch of power, per unit, at which Newton's method goes on to the next quarter of an hour."""

MOST_ITERATIONS = 20
"""Newton steps after which it goes on in any case, e.g. because the solutions it is given are no good."""

_HALVINGS = 10


class PowerGrid(Simulation):
    """Alternating current in a synthetic grid whose loads follow the day: the power flow in polar form, by Newton.

    Buses lie at random in a square. Lines are the minimum spanning tree and a quarter, at random, of the other edges
    of the Delaunay triangulation that are not longer than 2 / √buses, as in real grids, where each bus has 2 to 3
    lines. A line is a π model with impedance and charging in proportion to its length. A fifth of the buses, at random,
    have a generator that holds the voltage, 1 to 1.04 per unit; that of the bus nearest to the middle balances the grid
    (slack). All others carry a load with a peak and a power factor of its own.

    Every quarter of an hour, loads have moved along the daily curve, two humps around 8 and 19 o'clock that each bus
    sees a little earlier or later; generators share the sum of the loads in fixed proportions, more or less those of
    the loads around them. Newton's method finds the voltages' angles θ and magnitudes V with P_k(θ, V) = p_k at every
    bus but the slack and Q_k(θ, V) = q_k at every load, starting from the last quarter's. Each of its steps solves
    J δ = -F with the mismatches F and the Jacobian J, and the state moves by α δ with α = 1, 1/2, 1/4, … until ‖F‖₂
    falls by a factor of 1 - 10⁻⁴ α or less; if it does not, the state stays. Mostly two or three steps bring the
    largest mismatch below 10⁻⁸ per unit.

    Angle and magnitude of a bus are neighbors in the numbering, and so are the equations of its active and reactive
    power. J is nonsymmetric with a symmetric pattern, small and well known to direct solvers. It drifts with the
    loads, little. The solution x of a system is the correction δ, and x0 is zero. The context is
    ``{"newton_iteration": …, "log_mismatch": …, "load": …}``: how many steps were made in this quarter, ln ‖F‖∞, and
    the sum of the loads over that of their peaks.

    Parameters
    ----------
    buses
        Number of buses, at least 4. The state has shape (buses, 2): angle in radians and magnitude per unit.
    steps
        Number of Newton steps, at least 1; each is one system.
    loading
        Factor on all loads, from 0.01 to 10; about where voltages would collapse, Newton's method does not converge.
    seed
        Seed of the grid and its loads, a nonnegative integer.

    Raises
    ------
    InvalidInput
        An argument is out of its range.

    References
    ----------
    Tinney and Hart, "Power flow solution by Newton's method", IEEE Trans. Power App. Syst. 86 (1967). Birchfield, Xu,
    Gegner, Shetty and Overbye, "Grid structural characteristics as validation criteria for synthetic networks", IEEE
    Trans. Power Syst. 32 (2017).
    """

    definite: ClassVar[bool] = False

    def __init__(self, buses: int = 300, steps: int = 300, *, loading: float = 1.0, seed: int = 0) -> None:
        n = checks.count("buses", buses, 4)
        loading = checks.number("loading", loading, 0.01, 10.0)
        rng = np.random.default_rng(checks.count("seed", seed, 0))
        self._points = rng.random((n, 2))
        self._lines, length = _lines(self._points, rng)
        reactance = 0.012 * length * math.sqrt(n)
        admittance = 1.0 / (reactance * rng.uniform(0.1, 0.3, length.size) + 1j * reactance)
        self._g, self._b = admittance.real[:, None], admittance.imag[:, None]
        self._charging = 0.02 * length[:, None] * math.sqrt(n)
        self._slack = int(_distances(self._points, np.full((1, 2), 0.5)).argmin())
        generates = rng.random(n) < 0.2
        generates[self._slack] = True
        self._generators = np.flatnonzero(generates)
        self._peak = loading * rng.uniform(0.2, 1.0, n) * ~generates
        nearest = self._generators[_distances(self._points, self._points[self._generators]).argmin(axis=1)]
        share = np.bincount(nearest, weights=self._peak, minlength=n) * rng.uniform(0.7, 1.3, n)
        self._share = share / max(float(share.sum()), 1e-300)
        self._ratio = rng.uniform(0.1, 0.4, n)
        self._shift = rng.normal(0.0, 0.7, n)
        self._held = np.where(generates, rng.uniform(1.0, 1.04, n), 1.0)
        unknown = np.stack([np.arange(n) != self._slack, ~generates], axis=1).ravel()
        self._free = np.flatnonzero(unknown)
        number = np.full(2 * n, -1)
        number[self._free] = np.arange(self._free.size)
        self._assembly = Assembly(number.reshape(n, 2)[self._lines].reshape(-1, 4), self._free.size)
        self._quarter = self._iteration = 0
        super().__init__((n, 2), steps)

    @property
    def points(self) -> NDArray[np.float64]:
        """Where the buses are, shape ``(buses, 2)``."""
        return self._points.copy()

    @property
    def lines(self) -> NDArray[np.intp]:
        """The buses at both ends of every line, shape ``(lines, 2)``."""
        return self._lines.copy()

    @property
    def generators(self) -> NDArray[np.intp]:
        """The buses that have a generator."""
        return self._generators.copy()

    @property
    def hour(self) -> float:
        """The time of the day for which the current step's system is, in hours from the first midnight."""
        return 0.25 * self._quarter

    @property
    def demand(self) -> NDArray[np.float64]:
        """The loads in the current step's system, active and reactive, per unit, shape ``(buses, 2)``."""
        hour = self.hour + self._shift
        active = self._peak * (0.5 + 0.3 * _hump(hour, 8.0, 2.5) + 0.5 * _hump(hour, 19.0, 3.0))
        return np.stack([active, self._ratio * active], axis=1)

    def initial_state(self) -> NDArray[np.float64]:
        """Return the flat start: no angles, and magnitudes of 1 where they are not held."""
        self._quarter = self._iteration = 0
        return np.stack([np.zeros(self._held.size), self._held], axis=1).ravel()

    def flows(self, state: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the power that enters every line at both of its ends.

        Parameters
        ----------
        state
            Angles and magnitudes, shape ``(buses, 2)``, or flattened.

        Returns
        -------
        ndarray of shape (lines, 2, 2)
            Line, end, active and reactive power per unit; the sum over both ends is what the line consumes.
        """
        own, _, active, reactive = self._ends(state)
        return np.stack([self._g * own**2 - active, -(self._b + 0.5 * self._charging) * own**2 - reactive], axis=-1)

    def mismatch(self, state: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return by how much the power that leaves into lines exceeds what there is to leave, shape ``(n,)``."""
        demand = self.demand
        surplus = -demand
        surplus[:, 0] += self._share * demand[:, 0].sum()
        return self._assembly.vector(self.flows(state)) - surplus.ravel()[self._free]

    def assemble(self, u: NDArray[np.float64]) -> System:
        """Assemble the Newton system at ``u``, for the current quarter of an hour."""
        own, other, active, reactive = self._ends(u)
        by_own_magnitude = [
            2.0 * self._g * own - active / own,
            -(2.0 * self._b + self._charging) * own - reactive / own,
        ]
        local = np.empty((own.shape[0], 2, 2, 2, 2))  # line, end, power; end, angle or magnitude
        for end in (0, 1):
            for power, by_angle, product in ((0, reactive, active), (1, -active, reactive)):
                local[:, end, power, end, 0] = by_angle[:, end]
                local[:, end, power, 1 - end, 0] = -by_angle[:, end]
                local[:, end, power, end, 1] = by_own_magnitude[power][:, end]
                local[:, end, power, 1 - end, 1] = -product[:, end] / other[:, end]
        b = -self.mismatch(u)
        context = {
            "newton_iteration": float(self._iteration),
            "log_mismatch": math.log(max(float(np.abs(b).max()), 1e-300)),
            "load": float(self.demand[:, 0].sum() / max(self._peak.sum(), 1e-300)),
        }
        return System(self._assembly.matrix(local.reshape(-1, 4, 4)), b, np.zeros(b.size), context)

    def absorb(self, system: System, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move along the correction ``x`` as far as mismatches fall; then, if converged, go on in time."""
        norm = float(np.linalg.norm(system.b))
        for halvings in range(_HALVINGS + 1):
            moved = self._u.copy()
            moved[self._free] += 0.5**halvings * x
            with np.errstate(over="ignore", invalid="ignore"):  # useless corrections may be huge; they are not taken
                mismatch = self.mismatch(moved)
                fallen = float(np.linalg.norm(mismatch)) <= (1.0 - 1e-4 * 0.5**halvings) * norm
            if fallen and moved[1::2].min() > 0.0:
                break
        else:
            moved, mismatch = self._u, self.mismatch(self._u)
        self._iteration += 1
        if float(np.abs(mismatch).max()) <= TOLERANCE or self._iteration == MOST_ITERATIONS:
            self._quarter, self._iteration = self._quarter + 1, 0
        return moved

    def _ends(self, state: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """What both ends of the lines see, shape ``(lines, 2)`` each.

        The magnitude there and at the other end, and the active and reactive power that the other end sends.
        """
        angle, magnitude = state.reshape(-1, 2).T
        own, other = magnitude[self._lines], magnitude[self._lines[:, ::-1]]
        difference = angle[self._lines] - angle[self._lines[:, ::-1]]
        cos, sin = np.cos(difference), np.sin(difference)
        product = own * other
        return own, other, product * (self._g * cos + self._b * sin), product * (self._g * sin - self._b * cos)


def _lines(points: NDArray[np.float64], rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The ends of the lines between buses, shape ``(lines, 2)``, and their lengths."""
    # Imported here because it takes longer than the rest of the gallery, which mostly does not need it.
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial import Delaunay

    n = len(points)
    triangles = Delaunay(points).simplices
    pairs = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges = np.unique(pairs, axis=0).astype(np.intp)
    length = np.hypot(*(points[edges[:, 0]] - points[edges[:, 1]]).T)
    starts, ends = minimum_spanning_tree(csr_array((length, (edges[:, 0], edges[:, 1])), shape=(n, n))).nonzero()
    in_tree = np.isin(edges[:, 0] * n + edges[:, 1], starts.astype(np.intp) * n + ends)
    kept = in_tree | ((rng.random(length.size) < 0.25) & (length <= 2.0 / math.sqrt(n)))
    return edges[kept], np.maximum(length[kept], 0.2 / math.sqrt(n))


def _distances(points: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    apart: NDArray[np.float64] = np.hypot(*(points[:, None] - others[None]).transpose(2, 0, 1))
    return apart


def _hump(hour: NDArray[np.float64], peak: float, width: float) -> NDArray[np.float64]:
    apart = (hour - peak + 12.0) % 24.0 - 12.0
    return np.exp(-((apart / width) ** 2))
