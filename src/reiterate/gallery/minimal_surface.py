"""A soap film in a frame that bends and turns, by Newton's method."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reiterate.gallery import checks
from reiterate.gallery.assembly import Assembly
from reiterate.gallery.stream import Simulation, System

TOLERANCE = 1e-8
"""Gradient, relative to that at the beginning of a frame, at which Newton's method goes on to the next frame."""

MOST_ITERATIONS = 30
"""Newton steps after which it goes on in any case, e.g. because the solutions it is given are no good."""

_HALVINGS = 10
_SLOPES = np.array([[[-1.0, -1.0], [1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]])
"""h times the gradients of the hat functions on both kinds of triangles, shape (2, 3, 2)."""


class MinimalSurface(Simulation):
    """Graphs of least area over the unit square in a moving frame: nonlinear diffusion by Newton's method.

    Minimizes the area ∫ √(1 + |grad u|²), that is, solves div(grad u / √(1 + |grad u|²)) = 0, where u on the
    boundary is a frame: ``height`` sin²(πk / 24) cos(3φ + πk / 30) with the angle φ around the middle of the
    square and the number k of the frame, a monkey saddle that rises, turns and flattens.

    With piecewise linear elements on nx² squares, each cut along its antidiagonal, the area is a strictly
    convex function of the (nx - 1)² inner values. Each Newton step solves H δ = -g with its Hessian H, symmetric
    positive definite, and its gradient g; the state moves by α δ with α = 1, 1/2, 1/4, … until the area decreases
    by at least 10⁻⁴ α |gᵀδ| (Armijo's rule). The first step in a frame begins from the film in the last one,
    linearizes there, and takes the frame's move into g: that is the tangent predictor, with α = 1. When ‖g‖ has
    fallen by 10⁻⁸, mostly after 3 to 5 steps, the next frame follows. The diffusion coefficient of H, seen along
    the slope, is (1 + |grad u|²)^(-3/2): the steeper the film, the more the coefficients vary and the more
    anisotropic they are.

    The solution x of a system is the correction δ, and x0 is zero. The context is ``{"newton_iteration": …,
    "log_residual": …}``: how many steps were made in this frame, and ln(‖g‖ / ‖g‖ at the frame's beginning).

    Parameters
    ----------
    nx
        Number of mesh widths along an edge, at least 2; the state has shape (nx + 1, nx + 1), boundary included.
    steps
        Number of Newton steps, at least 1; each is one system.
    height
        Height of the frame at its highest, from 0 to 10.

    Raises
    ------
    InvalidInput
        An argument is out of its range.

    References
    ----------
    Johnson and Thomée, "Error estimates for a finite element approximation of a minimal surface", Math. Comp. 29
    (1975). Nocedal and Wright, "Numerical Optimization", algorithm 3.1 and section 3.3 (Newton with backtracking).
    """

    def __init__(self, nx: int = 64, steps: int = 200, *, height: float = 1.0) -> None:
        nx = checks.count("nx", nx, 2)
        self._height = checks.number("height", height, 0.0, 10.0)
        self._h = 1.0 / nx
        shape = (nx + 1, nx + 1)
        node = np.arange((nx + 1) ** 2).reshape(shape)
        low, right, up, far = node[:-1, :-1], node[1:, :-1], node[:-1, 1:], node[1:, 1:]
        corners = [[low, right, up], [far, up, right]]
        self._nodes = np.array([[part.ravel() for part in triangle] for triangle in corners]).transpose(0, 2, 1)
        self._inner = node[1:-1, 1:-1].ravel()
        unknown = np.full(node.size, -1)
        unknown[self._inner] = np.arange(self._inner.size)
        self._assembly = Assembly(unknown[self._nodes].reshape(-1, 3), self._inner.size)
        x, y = np.meshgrid(*[np.linspace(-0.5, 0.5, nx + 1)] * 2, indexing="ij")
        self._angle = np.arctan2(y, x)
        super().__init__(shape, steps)

    @property
    def frame_number(self) -> int:
        """The number k of the frame whose film is being computed; the first is 1."""
        return self._frame

    def restart(self) -> None:
        """Go back to the flat film, before the first frame."""
        self._frame, self._iteration, self._first_norm = 1, 0, 1.0
        super().restart()

    def frame(self, number: int) -> NDArray[np.float64]:
        """Return the frame of that number as a field over the whole grid; only its boundary values count."""
        rise = self._height * math.sin(math.pi * number / 24) ** 2
        return rise * np.cos(3.0 * self._angle + math.pi * number / 30)

    def initial_state(self) -> NDArray[np.float64]:
        """Return the flat film: zero."""
        return np.zeros(self._angle.size)

    def area(self, u: NDArray[np.float64]) -> float:
        """Return the area of the film with these nodal values, shape ``(n,)``, boundary included."""
        return float(0.5 * self._h**2 * self._stretch(self._slope(u)).sum())

    def gradient(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the derivative of the area by the inner values, shape ``((nx - 1)²,)``."""
        slope = self._slope(u)
        pull = slope / self._stretch(slope)[..., None]
        return self._assembly.vector(0.5 * self._h * np.einsum("tcd,ted->tec", _SLOPES, pull))

    def assemble(self, u: NDArray[np.float64]) -> System:
        """Assemble the Newton system at ``u``, which leads into the current frame."""
        slope = self._slope(u)
        stretch = self._stretch(slope)[..., None, None]
        along = np.einsum("tcd,ted->tec", _SLOPES, slope)
        stiffness = np.einsum("tcd,tbd->tcb", _SLOPES, _SLOPES)[:, None]
        hessian = 0.5 * (stiffness / stretch - along[..., :, None] * along[..., None, :] / stretch**3)
        # The frame's move is known, so that its columns of the Hessian go to the right-hand side.
        move = (self._framed(u) - u)[self._nodes]
        b = -self.gradient(u) - self._assembly.vector(np.einsum("tebc,tec->teb", hessian, move))
        reduction = np.linalg.norm(b) / self._first_norm if self._iteration else 1.0
        context = {"newton_iteration": float(self._iteration), "log_residual": math.log(max(reduction, 1e-300))}
        return System(self._assembly.matrix(hessian.reshape(-1, 3, 3)), b, np.zeros(b.size), context)

    def absorb(self, system: System, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move along the correction ``x`` as far as the area decreases; then, if converged, change the frame."""
        if self._iteration == 0:
            self._first_norm = max(float(np.linalg.norm(system.b)), 1e-300)
        u = self._framed(self._u)
        area, decrease = self.area(u), 1e-4 * max(float(system.b @ x), 0.0)
        for halvings in range(_HALVINGS + 1):
            moved = u.copy()
            moved[self._inner] += 0.5**halvings * x
            # Near the minimum the area no longer resolves the decrease.
            descended = self.area(moved) <= area * (1.0 + 1e-14) - 0.5**halvings * decrease
            if descended or self._iteration == 0:
                break
        self._iteration += 1
        converged = float(np.linalg.norm(self.gradient(moved))) <= TOLERANCE * self._first_norm
        if converged or self._iteration == MOST_ITERATIONS:
            self._frame, self._iteration = self._frame + 1, 0
        return moved

    def _framed(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        framed = self.frame(self._frame).flatten()
        framed[self._inner] = u[self._inner]
        return framed

    def _slope(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """The gradient on every triangle, shape ``(2, nx², 2)``."""
        slope: NDArray[np.float64] = np.einsum("tec,tcd->ted", u[self._nodes], _SLOPES) / self._h
        return slope

    @staticmethod
    def _stretch(slope: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.hypot(1.0, np.hypot(slope[..., 0], slope[..., 1]))
