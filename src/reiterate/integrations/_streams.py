"""The streams that pass through one solver object of another package."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from reiterate.contracts import Record
from reiterate.errors import NotConverged
from reiterate.linear.instance import Vector
from reiterate.solver import Solver

DIRECT = 1e-12
"""The relative residual that stands for a direct solver's accuracy: what packages solve with unless told otherwise."""

_BACKWARD_ERROR = 1e-14
_KEEP = 8


class Streams:
    """Solves systems of several streams, each with a :class:`~reiterate.Solver` of its own.

    A stream is told by a key of the caller's and the number of unknowns; the eight last ones are kept.

    Parameters
    ----------
    options
        Of every :class:`~reiterate.Solver`; refused here, and not when the first system comes.
    """

    def __init__(self, **options: Any) -> None:
        self._options = {"rtol": DIRECT, **options}
        self._spare: Solver | None = Solver(**self._options)
        self._solvers: OrderedDict[tuple[Hashable, int], Solver] = OrderedDict()
        self._last: Solver | None = None

    @property
    def last(self) -> Record | None:
        """What was done with the last system."""
        return None if self._last is None else self._last.last

    @property
    def solvers(self) -> tuple[Solver, ...]:
        """Of the streams, the most recently used last."""
        return tuple(self._solvers.values())

    def summary(self) -> str:
        """What was chosen and what it cost, stream by stream."""
        parts = [f"{_name_of(key)}\n{solver.summary()}" for key, solver in self._solvers.items()]
        return "\n\n".join(parts) if parts else "nothing was solved"

    def solve(
        self,
        A: Any,
        b: ArrayLike,
        x0: ArrayLike | None = None,
        *,
        key: Hashable = None,
        rtol: float | None = None,
        atol: float | None = None,
    ) -> Vector:
        """Solve A x = b as :meth:`reiterate.Solver.solve` does.

        Where the tolerance is out of reach, as it may be where ‖A‖ ‖x‖ is large beside ‖b‖, a solution is accepted that
        is exact but for changes of A and b of the size of rounding errors: no direct solver has a better one.

        Raises
        ------
        InvalidInput, NotConverged
            As :meth:`reiterate.Solver.solve`.
        """
        shape = np.shape(A)
        self._last = solver = self._solver((key, shape[0] if shape else 0))
        try:
            return solver.solve(A, b, x0, rtol=rtol, atol=atol)
        except NotConverged as error:
            if backward_error(A, np.asarray(b), error.x) <= _BACKWARD_ERROR:
                return np.asarray(error.x)
            raise

    def _solver(self, key: tuple[Hashable, int]) -> Solver:
        if key not in self._solvers:
            self._solvers[key] = self._spare or Solver(**self._options)
            self._spare = None
            if len(self._solvers) > _KEEP:
                self._solvers.popitem(last=False)
        self._solvers.move_to_end(key)
        return self._solvers[key]


def _name_of(key: tuple[Hashable, int]) -> str:
    said, size = key
    return f"{said}, {size} unknowns" if isinstance(said, str) else f"{size} unknowns"


def backward_error(A: Any, b: Vector, x: Vector) -> float:
    """The largest over the columns of ‖b − A x‖ / (‖A‖ ‖x‖ + ‖b‖), in maximum norms (Rigal and Gaches 1967).

    Infinite where it cannot be computed, as of an ``A`` of which only products are known.
    """
    if not (sp.issparse(A) or isinstance(A, np.ndarray)) or not np.all(np.isfinite(x)):
        return np.inf
    size = float(np.max(abs(A).sum(axis=1)))
    residual = np.max(np.abs(b - A @ x), axis=0)
    scale = size * np.max(np.abs(x), axis=0) + np.max(np.abs(b), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.max(np.where(residual == 0.0, 0.0, residual / scale)))
