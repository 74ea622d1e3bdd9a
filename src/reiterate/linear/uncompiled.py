"""Methods made of NumPy, SciPy and PyAMG alone: they solve what comes while the kernels of the others are compiled.

A :class:`~reiterate.solver.Solver` plays them only on a machine where kernels are still missing, see
:mod:`reiterate.linear.background`; each has a compiled counterpart that does the same faster. They are verified like
all others.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.sparse.linalg as sla
from numpy.typing import NDArray

from reiterate.configuration import Configuration, ParameterSpace
from reiterate.contracts import Forecast, Prepared, Progress, Stop, Values
from reiterate.errors import Breakdown
from reiterate.kernels import codes
from reiterate.linear.factor_superlu import complaint_of
from reiterate.linear.forecast import forecast
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.method import LinearMethod
from reiterate.linear.segments import run_in_segments
from reiterate.linear.traits import LinearTraits
from reiterate.linear.vectors import reciprocals
from reiterate.linear.work import in_matvecs

_HOPELESS = 1e8  # times the first residual
_DROPPED = 1e-3  # relative to the largest entry of a column: what incomplete factors leave out
_FILL = 5.0
_SHORTEST = 3e-5  # seconds that calling NumPy some ten times takes, however short vectors are
_LEAST_BYTES = 1e6  # what memory moves in the 50 µs that an iteration takes however small it is


@dataclass(slots=True)
class _State:
    """An approximate inverse, as a function, for systems of this size and type; bytes that applying it moves."""

    apply: Callable[[Vector], Vector]
    size: int
    dtype: np.dtype[Any]
    traffic: float
    memory: int = 0


class _Uncompiled(LinearMethod):
    """What they have in common; a subclass says how to iterate and ``_build`` a preconditioner.

    ``alike`` is the compiled method that takes about as many iterations; ``slowness`` and ``preparing`` say how much
    dearer they are, and what goes before them, than the forecast of that method. Measured on streams of the gallery.
    """

    parameters = ParameterSpace()
    compiled = False
    alike: str
    slowness: float = 1.0
    preparing: float = 1.0

    @abstractmethod
    def _build(self, instance: LinearInstance) -> _State:
        """The preconditioner."""

    def prepare(self, instance: LinearInstance, values: Values, previous: Prepared | None = None) -> Prepared:
        """Build the preconditioner anew."""
        state = self._build(instance)
        return Prepared(state, in_matvecs(instance.pattern, state.traffic), state.memory)

    def serves(self, prepared: Prepared, instance: LinearInstance) -> bool:
        """Any preconditioner of the right size and type serves."""
        state: _State = prepared.state
        return state.size == instance.traits.size and state.dtype == instance.b.dtype

    def forecast(self, instance: LinearInstance, values: Values) -> Forecast:
        """That of the compiled counterpart, with dearer iterations."""
        like = forecast(self.alike, {}, instance)
        iteration = _SHORTEST + self.slowness * like.iteration
        setup = self.preparing * like.setup
        return Forecast(setup, setup, iteration, like.strength, like.power)

    def _run(
        self,
        instance: LinearInstance,
        state: _State,
        x: Vector,
        step: Callable[[], int],
        arrived: Callable[[], bool],
        stop: Stop,
        products: float,
    ) -> Progress:
        """Call ``step``, which changes ``x`` and returns a code, until ``arrived``, a cap or a breakdown."""

        def advance(iterations: int) -> tuple[int, int]:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                for made in range(iterations):
                    code = codes.CONVERGED if arrived() else step()
                    if code != codes.RUNNING:
                        return made, code
            return iterations, codes.CONVERGED if arrived() else codes.RUNNING

        row = 100.0 * products * instance.traits.size
        moved = products * (12.0 * instance.traits.nnz + state.traffic) + row
        work = in_matvecs(instance.pattern, moved)
        return run_in_segments(advance, lambda: x, stop, bytes_per_iteration=max(moved, _LEAST_BYTES), work=work)


class _ConjugateGradients(_Uncompiled):
    """Preconditioned conjugate gradients by NumPy and the products of SciPy."""

    requires = "a Hermitian positive definite matrix"

    def accepts(self, traits: LinearTraits) -> bool:
        """Nothing seen that speaks against a Hermitian positive definite matrix."""
        if traits.entries:
            return traits.maybe_definite
        return traits.hermitian and traits.definite is not False

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Iterate from a copy of ``x``, shape (n,)."""
        state: _State = prepared.state
        A, threshold = instance.A, instance.square_threshold
        x = x.copy()
        r = instance.b - A @ x
        p, square, weighted = np.zeros_like(r), _dot(r, r).real, np.inf

        def step() -> int:
            nonlocal square, weighted
            if not square < np.inf:
                return codes.NOT_FINITE
            z = state.apply(r)
            following = _dot(r, z).real
            if not following > 0.0:
                return codes.PRECONDITIONER_NOT_DEFINITE if following <= 0.0 else codes.NOT_FINITE
            np.multiply(p, following / weighted, out=p)
            np.add(p, z, out=p)
            weighted = following
            q = A @ p
            curvature = _dot(p, q).real
            if not curvature > 0.0:
                return codes.NOT_DEFINITE if curvature <= 0.0 else codes.NOT_FINITE
            alpha = weighted / curvature
            np.add(x, alpha * p, out=x)
            np.subtract(r, alpha * q, out=r)
            square = _dot(r, r).real
            return codes.RUNNING

        return self._run(instance, state, x, step, lambda: bool(square <= threshold), stop, products=1.0)


class JacobiByScipy(_ConjugateGradients):
    """``scipy_cg``: conjugate gradients with the diagonal of A, where it is known, as preconditioner.

    The same as ``jacobi_cg`` or, for operators, ``cg`` (Hestenes and Stiefel 1952), without compiled code. Needs A
    symmetric, or Hermitian where complex, and positive definite. The error falls like ((√κ − 1)/(√κ + 1))^k. Setup: n
    divisions. An iteration moves 12 nnz + 100 n bytes. Equivalent: ``scipy.sparse.linalg.cg(A, b, M=...)``.
    """

    name = "scipy_cg"
    alike = "jacobi_cg"

    def _build(self, instance: LinearInstance) -> _State:
        return _diagonal(instance)


class _CoarseSolver:
    """The pseudo-inverse of the coarsest matrix; PyAMG's own wakes the threads of BLAS in every cycle."""

    def __init__(self) -> None:
        self._inverse: NDArray[Any] | None = None

    def __call__(self, A: Any, b: Vector) -> Vector:
        if self._inverse is None:
            self._inverse = np.linalg.pinv(A.toarray(), hermitian=True)
        return np.asarray(np.einsum("ij,j->i", self._inverse, b.ravel())).reshape(b.shape)


class MultigridByPyamg(_ConjugateGradients):
    """``pyamg_cg``: conjugate gradients with a V-cycle of PyAMG's smoothed aggregation as preconditioner.

    The same as ``amg_cg`` (Vaněk, Mandel and Brezina 1996) without compiled code of ours. Needs A real, symmetric and
    positive definite; for elliptic problems the number of iterations hardly depends on n. Setup: some 400 products
    with A. Prolongators are smoothed with row sums as weights, so that nothing is random; one sweep of Gauss-Seidel
    forward and one backward on every level. Equivalent:
    ``pyamg.smoothed_aggregation_solver(A, smooth=("jacobi", {"weighting": "local"})).solve(b, accel="cg")``.
    """

    name = "pyamg_cg"
    requires = "a real symmetric positive definite matrix"
    alike = "amg_cg"
    slowness = 4.0
    preparing = 4.0

    def accepts(self, traits: LinearTraits) -> bool:
        """Real, symmetric, positive diagonal, and nothing seen that speaks against definiteness."""
        return traits.maybe_definite and not traits.complex

    def _build(self, instance: LinearInstance) -> _State:
        import pyamg

        try:
            hierarchy = pyamg.smoothed_aggregation_solver(
                instance.A,
                symmetry="symmetric",
                smooth=("jacobi", {"weighting": "local"}),
                presmoother=("gauss_seidel", {"sweep": "forward"}),
                postsmoother=("gauss_seidel", {"sweep": "backward"}),
                coarse_solver=_CoarseSolver(),
            )
        except (ValueError, ArithmeticError, RuntimeError, np.linalg.LinAlgError) as error:
            raise Breakdown(f"PyAMG: {error}") from None
        cycle = hierarchy.aspreconditioner(cycle="V")
        entries = sum(level.A.nnz for level in hierarchy.levels)
        size = instance.traits.size
        return _State(cycle.matvec, size, instance.b.dtype, 60.0 * entries, 24 * entries + 80 * size)


class _BiConjugateGradients(_Uncompiled):
    """BiCGStab with right preconditioning by NumPy and the products of SciPy."""

    requires = "a square matrix"

    def accepts(self, traits: LinearTraits) -> bool:
        """Any matrix."""
        return True

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Iterate from a copy of ``x``, shape (n,)."""
        state: _State = prepared.state
        A, threshold = instance.A, instance.square_threshold
        x = x.copy()
        r = instance.b - A @ x
        shadow, p, v = r.copy(), np.zeros_like(r), np.zeros_like(r)
        square = first = _dot(r, r).real
        rho = alpha = omega = 1.0 + 0.0 * r[0]

        def step() -> int:
            nonlocal square, rho, alpha, omega
            if not square < np.inf:
                return codes.NOT_FINITE
            if square > _HOPELESS**2 * first:
                return codes.DIVERGED
            following = _dot(shadow, r)
            if following == 0.0 or omega == 0.0:
                return codes.STAGNATED
            np.multiply(p - omega * v, following / rho * (alpha / omega), out=p)
            np.add(p, r, out=p)
            rho = following
            y = state.apply(p)
            np.copyto(v, A @ y)
            divisor = _dot(shadow, v)
            if divisor == 0.0:
                return codes.STAGNATED
            alpha = rho / divisor
            np.subtract(r, alpha * v, out=r)
            z = state.apply(r)
            t = A @ z
            size = _dot(t, t).real
            omega = _dot(t, r) / size if size > 0.0 else 0.0 * rho
            np.add(x, alpha * y + omega * z, out=x)
            np.subtract(r, omega * t, out=r)
            square = _dot(r, r).real
            return codes.RUNNING

        return self._run(instance, state, x, step, lambda: bool(square <= threshold), stop, products=2.0)


class BiConjugateGradientsByScipy(_BiConjugateGradients):
    """``scipy_bicgstab``: BiCGStab (van der Vorst 1992) with the diagonal of A, where it is known and has no zero.

    The same as ``jacobi_bicgstab`` or ``bicgstab`` without compiled code. Needs any A, real or complex; the residual
    need not fall from step to step. Setup: n divisions. An iteration moves 24 nnz + 200 n bytes. Equivalent:
    ``scipy.sparse.linalg.bicgstab(A, b, M=...)``.
    """

    name = "scipy_bicgstab"
    alike = "jacobi_bicgstab"

    def _build(self, instance: LinearInstance) -> _State:
        return _diagonal(instance)


class IncompleteFactorsByScipy(_BiConjugateGradients):
    """``scipy_ilu_bicgstab``: BiCGStab (van der Vorst 1992) with SuperLU's incomplete factors, threshold 0.001.

    The same as ``ilut_bicgstab`` without compiled code of ours (Li and Shao, "A supernodal approach to incomplete LU
    factorization with partial pivoting", ACM Trans. Math. Softw. 37, 2011). Needs the entries of A, real or complex.
    Setup: some 500 products with A; factors have five times as many entries as A at most. Equivalent:
    ``scipy.sparse.linalg.bicgstab(A, b, M=...)`` with ``spilu(A, drop_tol=1e-3, fill_factor=5)``.
    """

    name = "scipy_ilu_bicgstab"
    requires = "entries"
    alike = "ilut_bicgstab"
    slowness = 2.5
    preparing = 10.0

    def accepts(self, traits: LinearTraits) -> bool:
        """Any matrix with entries."""
        return traits.entries

    def _build(self, instance: LinearInstance) -> _State:
        try:
            factors = sla.spilu(instance.A.tocsc(), drop_tol=_DROPPED, fill_factor=_FILL)
        except (RuntimeError, ValueError, MemoryError) as error:
            raise Breakdown(f"SuperLU: {complaint_of(error)}") from None
        size, dtype, entries = instance.traits.size, instance.b.dtype, factors.nnz
        bytes_of_factors = (dtype.itemsize + 4) * entries
        return _State(factors.solve, size, dtype, bytes_of_factors + 32.0 * size, bytes_of_factors)


def _diagonal(instance: LinearInstance) -> _State:
    """Division by the diagonal; by nothing where it is not known, or has a zero."""
    size, dtype = instance.traits.size, instance.b.dtype
    if instance.diagonal is None or not instance.traits.full_diagonal:
        return _State(np.copy, size, dtype, 0.0)
    inverse = reciprocals(instance.diagonal)
    return _State(lambda r: inverse * r, size, dtype, 24.0 * size, inverse.nbytes)


def _dot(u: Vector, v: NDArray[Any]) -> Any:
    # Not BLAS, which would wake threads for it.
    return np.einsum("i,i->", u.conj() if u.dtype.kind == "c" else u, v)


UNCOMPILED: Final = {
    method.name: method
    for method in (JacobiByScipy(), MultigridByPyamg(), BiConjugateGradientsByScipy(), IncompleteFactorsByScipy())
}
"""By name, as :data:`reiterate.linear.portfolio.METHODS`; nobody can ask for them."""

SUBSTITUTES: Final = tuple(Configuration(name) for name in UNCOMPILED)
"""Their configurations."""
