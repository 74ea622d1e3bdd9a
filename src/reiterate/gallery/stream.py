"""What a gallery stream is: a simulation that hands out one linear system after another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from reiterate.errors import InvalidInput
from reiterate.gallery import checks

Vector = NDArray[np.float64] | NDArray[np.complex128]


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """One linear system ``A x = b`` of a simulation.

    Attributes
    ----------
    A : csr_array, shape (n, n)
        The matrix. Its pattern (``indices``, ``indptr``) is shared by all systems of its kind and must not be
        modified. Its numbers belong to this system alone, except where the simulation says that a matrix stays
        the same: then it is the same object every time.
    b : ndarray, shape (n,)
        The right-hand side.
    x0 : ndarray, shape (n,)
        An initial guess: the solution of the previous system of this kind, or the initial condition; zero where
        x is a correction, as in Newton's method.
    context : dict of str to float
        Numbers that may predict what a method costs on this system.
    kind : str
        Which of the simulation's equations this is, where a step solves several; one of
        :attr:`Simulation.kinds`. Each kind has a pattern of its own and deserves a solver of its own.
    """

    A: csr_array
    b: Vector
    x0: Vector
    context: dict[str, float]
    kind: str = ""


class Simulation(ABC):
    """A closed loop: every system depends on the solution that was returned for the one before.

    Iterating hands out systems; :meth:`advance` takes each one's solution before the next is asked for.
    An iteration that was left early can be taken up again, beginning with the system that still waits.

    A subclass supplies :meth:`initial_state` and :meth:`assemble`, and calls ``__init__`` here once it is
    able to answer the former. Where the state is not simply the last solution, it overrides :meth:`absorb`.

    Attributes
    ----------
    kinds : tuple of str
        The kinds of systems, in the order in which they are first handed out; ``("",)`` where there is only one.
    definite : bool
        Whether every matrix is symmetric positive definite.

    Parameters
    ----------
    shape
        Shape of the grid, and of :attr:`state`; the entries are numbered row by row (C order).
    steps
        Number of systems, at least 1.

    Raises
    ------
    InvalidInput
        ``steps`` is not an integer of at least 1; or, from the iterator, the next system was asked for
        before the simulation was advanced.
    """

    kinds: ClassVar[tuple[str, ...]] = ("",)
    definite: ClassVar[bool] = True

    _u: NDArray[Any]
    _step: int
    _waiting: System | None

    def __init__(self, shape: tuple[int, ...], steps: int) -> None:
        self._shape = shape
        self._steps = checks.count("steps", steps, 1)
        self.restart()

    @abstractmethod
    def initial_state(self) -> Vector:
        """Return the state before the first step, one-dimensional; a new array on every call."""

    @abstractmethod
    def assemble(self, u: NDArray[Any]) -> System:
        """Assemble the system of step number :attr:`step`, which leads on from the state ``u``.

        Must not keep or modify ``u``, and must give the same system whenever it is asked the same.
        """

    def absorb(self, system: System, x: NDArray[Any]) -> Vector:
        """Return the state that the solution ``x`` of ``system`` leads to; by default, ``x`` itself.

        Is called once a step, before :attr:`step` is increased; ``x`` may be kept.
        """
        return x

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
        """How many times the simulation has advanced since it began; each is one system."""
        return self._step

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the grid, and of :attr:`state`."""
        return self._shape

    @property
    def state(self) -> NDArray[Any]:
        """A copy of the current solution, in the shape of the grid."""
        return self._u.reshape(self._shape).copy()

    def advance(self, x: ArrayLike) -> None:
        """Take ``x`` for the solution of the system that was handed out last.

        Parameters
        ----------
        x
            The solution, shape ``(n,)``, finite, and real where the system is. It is copied, and not checked
            against the system: the simulation goes on from whatever it is given.

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
        if given.dtype.kind not in ("iufc" if waiting.b.dtype.kind == "c" else "iuf"):
            numbers = "numbers" if waiting.b.dtype.kind == "c" else "real numbers"
            raise InvalidInput("x", f"has dtype {given.dtype}; pass {numbers}")
        if given.shape != waiting.b.shape:
            raise InvalidInput("x", f"has shape {given.shape}; pass the solution in shape {waiting.b.shape}")
        solution = given.astype(waiting.b.dtype)
        finite = np.isfinite(solution)
        if not finite.all():
            index = int(np.argmin(finite))
            raise InvalidInput("x", f"x[{index}] is {solution[index]}; pass a solution whose entries are all finite")
        self._u = self.absorb(waiting, solution)
        self._waiting = None
        self._step += 1

    def restart(self) -> None:
        """Go back to the initial state, so that the same simulation can be played again."""
        self._u = self.initial_state()
        self._step = 0
        self._waiting = None
