"""Solvers for FiPy's equations, in the place of those of its SciPy suite.

>>> from reiterate.integrations.fipy import LinearReiterateSolver
>>> eq.solve(phi, dt=dt, solver=LinearReiterateSolver())  # doctest: +SKIP

or, for every solve that does not name a solver,

>>> from reiterate.integrations.fipy import default_solvers
>>> with default_solvers():  # doctest: +SKIP
...     eq.solve(phi, dt=dt)
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from reiterate.contracts import Record
from reiterate.errors import NotConverged
from reiterate.integrations._packages import require
from reiterate.integrations._streams import DIRECT, Streams
from reiterate.linear.instance import Vector

require("fipy", "fipy", "fipy", oldest=4)

import fipy.solvers  # noqa: E402
from fipy.solvers.scipy.scipySolver import ScipySolver  # noqa: E402

_shared: dict[Hashable, Streams] = {}


class LinearReiterateSolver(ScipySolver):  # type: ignore[misc]
    """Solves the equations of one variable after another step of it, and learns from each for the next.

    Scripts make solvers where they use them, once a step: solvers without ``options`` share what they know of a
    variable, for as long as that lives. A solver with ``options`` knows what it has seen itself.

    Parameters
    ----------
    tolerance : float
        Solved when ‖b − L x‖₂ ≤ tolerance · scale, where ``criterion`` says what the scale is. Default 1e-12,
        because FiPy's default with SciPy is a direct solver; pass FiPy's own 1e-5 where that is good enough.
    absolute_tolerance : float
        Solved, too, when the residual is no larger than that.
    criterion : {"default", "RHS", "unscaled", "matrix", "initial", "legacy"}
        The scale: ‖b‖₂ ("default", "RHS" and "legacy"), 1, ‖L‖∞, or the residual of the present value.
    iterations : int
        Largest number of iterations of one method.
    precon
        Of no effect: what preconditions is part of what is tuned.
    options
        Of :class:`reiterate.Solver`, e.g. ``methods``.
    """

    DEFAULT_TOLERANCE = DIRECT
    LEGACY_TOLERANCE = DIRECT

    def __init__(
        self,
        tolerance: Any = "default",
        absolute_tolerance: float = 0.0,
        criterion: str = "default",
        iterations: Any = "default",
        precon: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            tolerance=tolerance,
            absolute_tolerance=absolute_tolerance,
            criterion=criterion,
            iterations=iterations,
            precon=precon,
        )
        self._own = Streams(max_iterations=self.iterations, **options) if options else None
        self._used: Streams | None = self._own

    @property
    def last(self) -> Record | None:
        """What was done with the last system."""
        return None if self._used is None else self._used.last

    def summary(self) -> str:
        """What was chosen for the variable that was solved for last, and what it cost."""
        return "nothing was solved" if self._used is None else self._used.summary()

    def _adaptLegacyTolerance(self, L: Any, x: Vector, b: Vector) -> tuple[float, None]:
        return self._adaptRHSTolerance(L, x, b)

    def _adaptUnscaledTolerance(self, L: Any, x: Vector, b: Vector) -> tuple[float, None]:
        return 1.0, None

    def _adaptRHSTolerance(self, L: Any, x: Vector, b: Vector) -> tuple[float, None]:
        return float(self._rhsNorm(L, x, b)), None

    def _adaptMatrixTolerance(self, L: Any, x: Vector, b: Vector) -> tuple[float, None]:
        return float(self._matrixNorm(L, x, b)), None

    def _adaptInitialTolerance(self, L: Any, x: Vector, b: Vector) -> tuple[float, None]:
        return float(self._residualNorm(L, x, b)), None

    def _solve_(self, L: Any, x: Vector, b: Vector) -> Vector:
        """The solution of L x = b, begun at x; FiPy is told how it went, and warns where that was not well.

        Raises
        ------
        InvalidInput
            The system cannot be solved as it is, e.g. a coefficient is not finite.
        """
        scale, _ = self._adaptTolerance(L, x, b)
        allowed = max(self.tolerance * scale, self.absolute_tolerance)
        if self.criterion == "initial" and scale == 0.0:
            return self._report(L, x, b, scale, code=0)  # nothing is left to do, and nothing would be enough
        key = tuple(weakly_known(variable) for variable in getattr(self.var, "vars", [self.var]))
        self._used = self._own or _streams_of(key, self.iterations)
        # A tolerance of zero would be out of reach for every x but the solution of L x = 0.
        allowed = allowed if math.isfinite(allowed) else 0.0
        try:
            solution, code = self._used.solve(L, b, x, key=key, rtol=0.0, atol=allowed), 0
        except NotConverged as error:
            solution = np.asarray(error.x)
            code = 1 if error.attempts and error.attempts[-1].iterations else -1
        return self._report(L, solution, b, scale, code=code)

    def _report(self, L: Any, x: Vector, b: Vector, scale: float, *, code: int) -> Vector:
        record = self.last
        self._setConvergence(
            suite="scipy",
            code=code,
            iterations=0 if record is None else record.iterations,
            tolerance_scale=scale,
            residual=float(self._residualNorm(L, x, b)),
        )
        self.convergence.warn()
        return x


DefaultSolver = DefaultAsymmetricSolver = GeneralSolver = LinearReiterateSolver


@contextmanager
def default_solvers() -> Iterator[None]:
    """Inside, equations whose ``solve`` or ``sweep`` names no solver are solved with :class:`LinearReiterateSolver`."""
    names = ("DefaultSolver", "DefaultAsymmetricSolver", "GeneralSolver")
    before = {name: getattr(fipy.solvers, name) for name in names}
    for name in names:
        setattr(fipy.solvers, name, LinearReiterateSolver)
    try:
        yield
    finally:
        for name, solver in before.items():
            setattr(fipy.solvers, name, solver)


def weakly_known(variable: Any) -> int:
    """A number that no other living variable has; what is known under it ends with the variable."""
    # Variables compare by building expressions, so that they cannot be keys themselves.
    number = id(variable)
    if number not in _watched:
        _watched[number] = weakref.finalize(variable, _forget, number)
        _watched[number].atexit = False
    return number


_watched: dict[int, Any] = {}


def _forget(number: int) -> None:
    _watched.pop(number, None)
    for key in [key for key in _shared if number in key[0]]:  # type: ignore[index]
        del _shared[key]


def _streams_of(variables: tuple[int, ...], iterations: int) -> Streams:
    key = (variables, iterations)
    if key not in _shared:
        _shared[key] = Streams(max_iterations=iterations)
    return _shared[key]
