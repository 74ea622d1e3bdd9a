"""What a gallery stream is: a simulation that hands out one linear system after another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from reiterate.errors import InvalidInput
from reiterate.gallery import checks


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """One linear system ``A x = b`` of a simulation.

    Attributes
    ----------
    A : csr_array, shape (n, n)
        The matrix. Its numbers belong to this system alone; its pattern (``indices``, ``indptr``) is shared
        by all systems of the simulation and must not be modified.
    b : ndarray, shape (n,)
        The right-hand side.
    x0 : ndarray, shape (n,)
        An initial guess: the solution of the previous system, or the initial condition.
    context : dict of str to float
        Numbers that may predict what a method costs on this system.
    """

    A: csr_array
    b: NDArray[np.float64]
    x0: NDArray[np.float64]
    context: dict[str, float]


class Simulation(ABC):
    """A closed loop: every system depends on the solution that was returned for the one before.

    Iterating hands out systems; :meth:`advance` takes each one's solution before the next is asked for.
    An iteration that was left early can be taken up again, beginning with the system that still waits.

    A subclass supplies :meth:`initial_state` and :meth:`assemble`, and calls ``__init__`` here once it is
    able to answer the former.

    Parameters
    ----------
    shape
        Shape of the grid; the unknowns are numbered row by row (C order).
    steps
        Number of systems, at least 1.

    Raises
    ------
    InvalidInput
        ``steps`` is not an integer of at least 1; or, from the iterator, the next system was asked for
        before the simulation was advanced.
    """

    _u: NDArray[np.float64]
    _step: int
    _waiting: System | None

    def __init__(self, shape: tuple[int, ...], steps: int) -> None:
        self._shape = shape
        self._steps = checks.count("steps", steps, 1)
        self.restart()

    @abstractmethod
    def initial_state(self) -> NDArray[np.float64]:
        """Return the solution before the first step, shape ``(n,)``; a new array on every call."""

    @abstractmethod
    def assemble(self, u: NDArray[np.float64]) -> System:
        """Assemble the system of step number :attr:`step`, which leads on from ``u``, shape ``(n,)``.

        Must not keep or modify ``u``, and must give the same system whenever it is asked the same.
        """

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[System]:
        while self._step < self._steps:
            if self._waiting is None:
                self._waiting = self.assemble(self._u)
            handed = self._waiting
            yield handed
            if self._waiting is handed:
                raise InvalidInput(
                    "advance",
                    f"the system of step {self._step} has not been answered, and the next one depends on its "
                    "solution x; call simulation.advance(x) in the body of the loop",
                )

    @property
    def step(self) -> int:
        """How many times the simulation has advanced since it began."""
        return self._step

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the grid, and of :attr:`state`."""
        return self._shape

    @property
    def state(self) -> NDArray[np.float64]:
        """A copy of the current solution, in the shape of the grid."""
        return self._u.reshape(self._shape).copy()

    def advance(self, x: ArrayLike) -> None:
        """Take ``x`` for the solution of the system that was handed out last.

        Parameters
        ----------
        x
            The solution, shape ``(n,)``, real and finite. It is copied, and not checked against the system:
            the simulation goes on from whatever it is given.

        Raises
        ------
        InvalidInput
            No system is waiting for a solution, or ``x`` has a wrong shape or type, or is not finite.
        """
        waiting = self._waiting
        if waiting is None:
            raise InvalidInput(
                "advance",
                f"no system is waiting for a solution at step {self._step}; take one by iterating over the "
                "simulation, and call advance once for each",
            )
        given = np.asarray(x)
        if given.dtype.kind not in "iuf":
            raise InvalidInput("x", f"has dtype {given.dtype}; pass real numbers")
        if given.shape != waiting.b.shape:
            raise InvalidInput("x", f"has shape {given.shape}; pass the solution in shape {waiting.b.shape}")
        u = given.astype(np.float64)
        finite = np.isfinite(u)
        if not finite.all():
            index = int(np.argmin(finite))
            raise InvalidInput("x", f"x[{index}] is {u[index]}; pass a solution whose entries are all finite")
        self._u = u
        self._waiting = None
        self._step += 1

    def restart(self) -> None:
        """Go back to the initial state, so that the same simulation can be played again."""
        self._u = self.initial_state()
        self._step = 0
        self._waiting = None
