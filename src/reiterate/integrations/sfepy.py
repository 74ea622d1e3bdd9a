"""A linear solver for SfePy, by its name in problem descriptions: ``'ls': ('ls.reiterate', {})``.

Importing this module registers it:

>>> import reiterate.integrations.sfepy  # in the problem description file
>>> solvers = {"ls": ("ls.reiterate", {}), "newton": ("nls.newton", {"i_max": 10})}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from reiterate.contracts import Record
from reiterate.errors import InvalidInput, NotConverged
from reiterate.integrations._packages import require
from reiterate.integrations._streams import DIRECT, Streams
from reiterate.linear.instance import Vector

require("sfepy", "sfepy", "sfepy")

from sfepy.base.base import output  # noqa: E402
from sfepy.solvers import register_solver  # noqa: E402
from sfepy.solvers.ls import standard_call  # noqa: E402
from sfepy.solvers.solvers import LinearSolver  # noqa: E402


class ReiterateSolver(LinearSolver):  # type: ignore[misc]
    """A solver that tunes itself while it works, as accurate as a direct one unless told otherwise.

    A solution x satisfies ‖b − A x‖ ≤ max(eps_r ‖b‖, eps_a). Where nothing reaches that, a message says so, as from
    SfePy's own iterative solvers, and the best x found is returned; ``status["converged"]`` is ``False`` then.
    """

    name = "ls.reiterate"

    _parameters: ClassVar[list[tuple[Any, ...]]] = [
        ("i_max", "int", 10000, False, "The maximum number of iterations of one method."),
        ("eps_a", "float", 0.0, False, "The absolute tolerance for the residual."),
        ("eps_r", "float", DIRECT, False, "The relative tolerance for the residual."),
        ("strict", "bool", False, False, "If True, raise reiterate.NotConverged where the tolerance is not reached."),
        ("options", "dict", None, False, "Further options of reiterate.Solver, e.g. {'methods': ['amg_cg']}."),
    ]

    def __init__(self, conf: Any, **kwargs: Any) -> None:
        LinearSolver.__init__(self, conf, **kwargs)
        options = self.conf.options or {}
        if not isinstance(options, Mapping):
            raise InvalidInput("options", f"{options!r} is no dict of options of reiterate.Solver")
        self.streams = Streams(max_iterations=self.conf.i_max, **options)

    @property
    def last(self) -> Record | None:
        """What was done with the last system."""
        return self.streams.last

    def summary(self) -> str:
        """What was chosen and what it cost."""
        return self.streams.summary()

    @standard_call  # type: ignore[untyped-decorator]
    def __call__(
        self,
        rhs: Vector,
        x0: Vector | None = None,
        conf: Any = None,
        eps_a: float | None = None,
        eps_r: float | None = None,
        i_max: int | None = None,
        mtx: Any = None,
        status: Any = None,
        **kwargs: Any,
    ) -> tuple[Vector, int]:
        """Solve with the matrix ``mtx``; as of every linear solver of SfePy.

        Returns
        -------
        x : ndarray of the shape of ``rhs``
        iterations : int
            Those of all methods that took part.

        Raises
        ------
        InvalidInput
            An argument cannot be used.
        NotConverged
            Only with the parameter ``strict``.
        """
        rtol = self.conf.eps_r if eps_r is None else eps_r
        atol = self.conf.eps_a if eps_a is None else eps_a
        converged = True
        try:
            x = self.streams.solve(mtx, rhs, x0, rtol=rtol, atol=atol)
        except NotConverged as error:
            if self.conf.strict:
                raise
            converged, x = False, np.asarray(error.x)
            output(f"{self.conf.name}: warning: not converged: {error}")
        record = self.last
        iterations = 0 if record is None else record.iterations
        if status is not None:
            status["converged"] = converged
        if record is not None:
            output(
                f"{self.conf.name}: {record.configuration}, {iterations} iterations, residual {record.residual:.2e}",
                verbose=self.conf.verbose,
            )
        return x, iterations


register_solver(ReiterateSolver)
