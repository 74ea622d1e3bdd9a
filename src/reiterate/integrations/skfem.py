"""A solver for scikit-fem's ``skfem.solve``.

>>> from skfem import condense, solve
>>> from reiterate.integrations.skfem import solver
>>> tuned = solver()  # once, outside the loop
>>> x = solve(*condense(A, b, D=D), solver=tuned)  # doctest: +SKIP
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import scipy.sparse as sp

from reiterate.contracts import Record
from reiterate.errors import InvalidInput, NotConverged
from reiterate.integrations._packages import require
from reiterate.integrations._streams import Streams
from reiterate.linear.instance import Vector

_logger = logging.getLogger("skfem.utils")  # where scikit-fem itself says that an iteration has not converged


class TunedSolver:
    """What ``skfem.solve`` calls with (A, b); remembers what it has learnt from one call to the next.

    See :func:`solver`.
    """

    def __init__(self, *, strict: bool = False, **options: Any) -> None:
        if not isinstance(strict, bool):
            raise InvalidInput("strict", f"{strict!r} is neither True nor False")
        self._strict = strict
        self._streams = Streams(**options)

    def __call__(
        self,
        A: Any,
        b: Any,
        *,
        x0: Any = None,
        rtol: float | None = None,
        atol: float | None = None,
    ) -> Vector:
        """Solve A x = b; keyword arguments of ``skfem.solve`` arrive here.

        Parameters
        ----------
        A : SciPy sparse matrix or array, shape (n, n)
        b : ndarray of shape (n,) or (n, k)
        x0 : ndarray of the shape of b, optional
            Where to begin.
        rtol, atol : float, optional
            Tolerances of this system.

        Returns
        -------
        ndarray of the shape of b

        Raises
        ------
        InvalidInput
            An argument cannot be used; a sparse ``b``, which makes it an eigenvalue problem, is one.
        NotConverged
            Only with ``strict``.
        """
        if sp.issparse(b):
            raise InvalidInput(
                "b", "is a matrix, which makes this an eigenvalue problem; use skfem.solver_eigen_scipy_sym() for that"
            )
        try:
            return self._streams.solve(A, b, x0, rtol=rtol, atol=atol)
        except NotConverged as error:
            if self._strict:
                raise
            _logger.warning("Iterative solver did not converge. reiterate: %s", error)
            return np.asarray(error.x)

    @property
    def last(self) -> Record | None:
        """What was done with the last system."""
        return self._streams.last

    def summary(self) -> str:
        """What was chosen and what it cost, for every number of unknowns."""
        return self._streams.summary()

    def __repr__(self) -> str:
        return f"reiterate.integrations.skfem.solver(), {len(self._streams.solvers)} streams"


def solver(*, strict: bool = False, **options: Any) -> TunedSolver:
    """A linear solver for ``skfem.solve(*condense(…), solver=solver())``.

    It serves one kind of systems, with a :class:`~reiterate.Solver` for every number of unknowns: make it once, before
    the loop over time steps, and make another one for other equations.

    Parameters
    ----------
    strict : bool
        Raise :class:`~reiterate.NotConverged` where nothing reached the tolerance. Otherwise that is a
        warning in scikit-fem's log, as with its own iterative solvers, and the best x found is returned.
    options
        Of :class:`~reiterate.Solver`. ``rtol`` is 1e-12 unless given, because scikit-fem's default is a direct solver.

    Returns
    -------
    TunedSolver
        Also to be called with (A, b), which is what FElupe and others take for a solver.

    Raises
    ------
    ImportError
        scikit-fem is not installed.
    InvalidInput
        An option cannot be used.
    """
    require("skfem", "scikit-fem", "skfem")
    return TunedSolver(strict=strict, **options)
