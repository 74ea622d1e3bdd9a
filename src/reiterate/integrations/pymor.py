"""A solver for the operators of pyMOR.

>>> from reiterate.integrations.pymor import ReiterateSolver
>>> fom = fom.with_(operator=fom.operator.with_(solver=ReiterateSolver()))  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reiterate.contracts import Record
from reiterate.errors import ReiterateError
from reiterate.integrations._packages import require
from reiterate.integrations._streams import DIRECT, Streams

require("pymor", "pymor", "pymor", oldest=2026)

from pymor.algorithms.to_matrix import to_matrix  # noqa: E402
from pymor.core.exceptions import InversionError  # noqa: E402
from pymor.operators.numpy import NumpyMatrixOperator  # noqa: E402
from pymor.solvers.interface import Solver  # noqa: E402


class ReiterateSolver(Solver):  # type: ignore[misc]
    """Solves with any operator that has a matrix, and learns from each parameter value for the next.

    Operators that ``with_`` or ``assemble`` derive from one another hand their solver on, so that a parametric operator
    and what it is assembled to for every μ are one stream. Equations with the adjoint are another. Give
    an operator of other equations, such as the product of a norm, a solver of its own.

    Parameters
    ----------
    rtol : float
        Of every column: ‖v − A u‖ ≤ rtol ‖v‖. The default is a direct solver's accuracy, as that of pyMOR's default.
    check_finite : bool
        Refuse a solution that is not finite, as pyMOR's solvers do.
    options : mapping, optional
        Further options of :class:`reiterate.Solver`, e.g. ``{"methods": ["ic_cg", "amg_cg"]}``.

    Raises
    ------
    InvalidInput
        An option cannot be used.
    """

    def __init__(
        self, rtol: float = DIRECT, check_finite: bool = True, options: Mapping[str, Any] | None = None
    ) -> None:
        self.__auto_init(locals())
        self._streams = Streams(rtol=rtol, **(options or {}))

    @property
    def last(self) -> Record | None:
        """What was done with the last equation."""
        return self._streams.last

    def summary(self) -> str:
        """What was chosen and what it cost, for every stream."""
        return self._streams.summary()

    def _solve(self, operator: Any, V: Any, mu: Any, initial_guess: Any) -> tuple[Any, dict[str, Any]]:
        return self._solve_stream("operator", operator, V, mu, initial_guess)

    def _solve_adjoint(self, operator: Any, U: Any, mu: Any, initial_guess: Any) -> tuple[Any, dict[str, Any]]:
        return self._solve_stream("adjoint", operator.H, U, mu, initial_guess)

    def _solve_stream(self, key: str, operator: Any, V: Any, mu: Any, initial_guess: Any) -> tuple[Any, dict[str, Any]]:
        """Solve with the matrix of the operator; what went on is the second result.

        Raises
        ------
        InversionError
            The matrix is singular, or nothing reached the tolerance.
        """
        operator = operator.assemble(mu)
        matrix = operator.matrix if isinstance(operator, NumpyMatrixOperator) else to_matrix(operator)
        right, start = V.to_numpy(), None if initial_guess is None else initial_guess.to_numpy()
        if right.shape[1] == 0:
            return operator.source.empty(), {}
        try:
            X = self._streams.solve(matrix, right, start, key=key)
        except ReiterateError as error:
            raise InversionError(f"reiterate: {error}") from error
        if self.check_finite and not np.all(np.isfinite(X)):
            raise InversionError("Result contains non-finite values")
        return operator.source.from_numpy(X), _info(self.last)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what was learnt: a copy in another process begins anew."""
        return {name: value for name, value in self.__dict__.items() if name != "_streams"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__["_streams"] = Streams(rtol=self.rtol, **(self.options or {}))


def _info(record: Record | None) -> dict[str, Any]:
    if record is None:
        return {}
    return {
        "configuration": str(record.configuration),
        "iterations": record.iterations,
        "seconds": record.seconds,
        "residual": record.residual,
    }
