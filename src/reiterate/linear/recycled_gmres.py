"""GMRES that recycles: a space kept across restarts, and from instance to instance."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from reiterate.configuration import Parameter
from reiterate.contracts import Prepared, Progress, Status, Stop, Values
from reiterate.kernels import arnoldi, codes, deflation
from reiterate.linear.gmres import Cycle
from reiterate.linear.harmonic import HarmonicChoice
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.krylov import KrylovMethod, KrylovState
from reiterate.linear.payoff import Payoff, decades_between
from reiterate.linear.restarting import one_by_one
from reiterate.linear.segments import run_in_segments
from reiterate.linear.traits import LinearTraits
from reiterate.linear.vectors import norm
from reiterate.linear.work import in_matvecs

RESTART = Parameter("restart", low=1.5, high=10_000, default=30, search=(20, 60), points=2, scale="log", integer=True)
SPACE = Parameter("space", low=0.5, high=1000, default=8, search=(4, 16), points=2, scale="log", integer=True)

_RANK = 1e-12  # squares of sizes below it are rounding errors
_CHUNK = 512


class RecycledImages:
    """U and C with A M⁻¹ U = C D, CᴴC = I: near an invariant subspace of A M⁻¹ for its smallest eigenvalues.

    Attributes
    ----------
    vectors, images : arrays of shape (k, n)
        The columns of U, which have norm 1, and of C.
    sizes : array of shape (k,)
        The diagonal of D.
    payoff : Payoff
        Whether carrying it to another instance is worth its cost.
    """

    def __init__(self, count: int, size: int, dtype: np.dtype[Any]) -> None:
        self._vectors: NDArray[Any] = np.empty((count, size), dtype)
        self._images: NDArray[Any] = np.empty((count, size), dtype)
        self.count = 0
        self.sizes = np.empty(0)
        self.payoff = Payoff()
        self._version: Hashable = None

    @property
    def vectors(self) -> NDArray[Any]:
        """The columns of U."""
        return self._vectors[: self.count]

    @property
    def images(self) -> NDArray[Any]:
        """The columns of C."""
        return self._images[: self.count]

    @property
    def memory(self) -> int:
        """Bytes held."""
        return self._vectors.nbytes + self._images.nbytes

    def fits(self, count: int, size: int, dtype: np.dtype[Any]) -> bool:
        """Whether it is of that kind."""
        return self._vectors.shape == (count, size) and self._vectors.dtype == dtype

    def refresh(self, instance: LinearInstance, state: KrylovState, workspace: NDArray[Any]) -> int:
        """Make C the images under the instance's A M⁻¹; how many products that took."""
        version = None if instance.version is None else (instance.version, state.builds)
        if version is not None and version == self._version:
            return 0
        made = self.count
        for vector, image in zip(self.vectors, self.images, strict=True):
            state.preconditioner.apply(vector, workspace)
            instance.operator.apply(workspace, image)
        # Twice: the first time rounding errors grow with the condition of C (Stathopoulos and Wu 2002).
        for _ in range(2):
            self._orthonormalize()
        self._normalize()
        self._version = version
        return made

    def belongs_to(self, instance: LinearInstance, state: KrylovState) -> None:
        """Note whose images C holds."""
        self._version = None if instance.version is None else (instance.version, state.builds)

    def take_images(self, weights: NDArray[Any], basis: NDArray[Any]) -> None:
        """C becomes combinations of the rows of ``basis``; the columns of ``weights`` are their coefficients."""
        _combine(weights, basis, self._images)

    def take_vectors(self, weights: NDArray[Any], basis: NDArray[Any]) -> None:
        """U becomes combinations of itself, by the first rows of ``weights``, and of the rows of ``basis``."""
        own, rest = weights[: self.count], np.ascontiguousarray(weights[self.count :].T)
        if self.count:
            _combine(own, self._vectors, self._vectors)
        else:
            self._vectors[:] = 0.0
        self.count = weights.shape[1]
        for vector, coefficients in zip(self.vectors, rest, strict=True):
            arnoldi.add_combination(basis, coefficients.size, coefficients, 1.0, vector)
        self._normalize()

    def _normalize(self) -> None:
        """Bring the columns of U, whose images are C, to norm 1."""
        norms = np.array([norm(vector) for vector in self.vectors])
        if not (np.isfinite(norms).all() and norms.all()):
            self.count = 0
            return
        self._vectors[: self.count] /= norms[:, None]
        self.sizes = 1.0 / norms

    def _orthonormalize(self) -> None:
        gram = np.empty((self.count, self.count), self._images.dtype)
        deflation.inner_products(self.images, self.images, gram)
        self.count, kept = 0, self.count
        scale = np.sqrt(np.abs(np.diag(gram)))
        if not (np.isfinite(gram).all() and kept and scale.min() > 0.0):
            return
        values, directions = scipy.linalg.eigh(gram / scale / scale[:, None])
        good = values > _RANK * values[-1]
        weights = directions[:, good] / np.sqrt(values[good]) / scale[:, None]
        for array in (self._vectors, self._images):
            _combine(weights, array[:kept], array)
        self.count = weights.shape[1]


def _combine(weights: NDArray[Any], source: NDArray[Any], target: NDArray[Any]) -> None:
    rows = np.ascontiguousarray(weights.T, dtype=target.dtype)
    deflation.combine(rows, source, np.empty((rows.shape[0], _CHUNK), target.dtype), target)


class _RecyclingCycle(Cycle):
    """A cycle of GMRES whose basis begins with C, and whose space begins with U.

    In the small problem U counts as columns that are done already: their images are C. So the Arnoldi process makes new
    vectors orthogonal to C, and least squares finds what to take of U.
    """

    def __init__(
        self, state: KrylovState, space: RecycledImages, instance: LinearInstance, x: Vector, restart: int, keep: int
    ) -> None:
        self.space = space
        self.keep = keep
        self.trusted = True
        self.chosen = 0
        super().__init__(state, instance, x, restart, flexible=False)

    def begin(self) -> None:
        """Begin a cycle with C, and with what is left of the residual without its part in the range of C."""
        self.held = held = self.space.count
        if held:
            self.basis[held] = self.basis[0]
            self.basis[:held] = self.space.images
            self.norms[:held] = 1.0
            self.cosines[:held] = 1.0
            self.sines[:held] = 0.0
            self.lower[:held, :held] = 0.0
            self.triangle[:held, :held] = np.diag(self.space.sizes)
        self.made = held
        self.norms[held] = self.rhs[held] = self.estimate = self.iterate.norm
        if held:
            self._deflate()

    def _deflate(self) -> None:
        held, residual = self.held, self.basis[self.held]
        products = np.empty((held, 1), self.basis.dtype)
        deflation.inner_products(self.basis[:held], self.basis[held : held + 1], products)
        self.rhs[:held] = products[:, 0]
        square = arnoldi.add_combination(self.basis, held, -self.rhs[:held], 1.0, residual)
        self.norms[held] = self.rhs[held] = self.estimate = math.sqrt(float(square))
        if not self.estimate > 0.0:  # all of the residual lies in the range of C: nothing to begin a space with
            self.norms[held] = 1.0

    def step(self) -> int:
        """Enlarge the space by one vector, unless U alone is enough."""
        if self.held and self.made == self.held and self.estimate <= self.iterate.threshold:
            return self.close(codes.STAGNATED)
        return super().step()

    def close(self, otherwise: int) -> int:
        """Choose what to recycle, move to the minimizer, and judge it by its true residual."""
        before = self.iterate.norm * self.iterate.scale
        choice = None
        # The last cycle of a solve leaves a space to other instances only: now and then that is worth its cost.
        wanted = self.estimate > self.iterate.threshold or self.space.payoff.harvest
        if wanted and self.trusted and self.keep and self.made > self.held:
            choice = HarmonicChoice.of(
                self.triangle, self.cosines, self.sines, self.norms, self.basis, self.space.vectors, self.made,
                self.keep,
            )  # fmt: skip
        if choice is not None:
            self.space.take_images(choice.images, self.basis[: self.made + 1])
        self.update(self.iterate.x)
        if choice is not None:
            self.space.take_vectors(choice.vectors, self.basis[self.held : self.made])
            self.chosen += 1
        code = self.iterate.restart()
        if code == codes.RUNNING and not self.iterate.norm * self.iterate.scale < before:
            code = otherwise if self.held == 0 else code
            # Without progress C may be to blame; GMRES alone goes on.
            self.trusted, self.space.count = False, 0
        self.begin()
        return code

    def update(self, x: NDArray[Any]) -> None:
        """Add the minimizer over U and the space so far to ``x``."""
        arnoldi.least_squares(self.triangle, self.rhs, self.norms, self.made, self.y)
        self.y *= self.iterate.scale
        combination = self.basis[self.made]
        combination[:] = 0.0
        held = self.held
        arnoldi.add_combination(self.basis[held:], self.made - held, self.y[held:], 1.0, combination)
        if held:
            arnoldi.add_combination(self.space.vectors, held, self.y, 1.0, combination)
        self.precondition(combination, self.images[0])
        x += self.images[0]

    def finish(self) -> Vector:
        """The iterate, in the middle of a cycle too."""
        return self.iterate.x if self.made == self.held else super().finish()


class RecyclingGeneralizedMinimalResidual(KrylovMethod):
    """``…_gcrodr(restart, space)``: GMRES that keeps a space across restarts and instances.

    Source: Parks, de Sturler, Mackey, Johnson and Maiti (2006) (GCRO-DR), preconditioned from the right. At the end of
    a cycle the ``space`` harmonic Ritz vectors of smallest value (at most half of ``restart``) become U, with
    orthonormal images C; the next cycle minimizes over U and new directions that are orthogonal to C, ``restart``
    in all, so that a restart does not forget the directions that are slow. A new matrix or a new M needs C again: as
    many products and applications of M. U is not carried to another instance, for a while, where that has cost more
    than it saved (:class:`~reiterate.linear.payoff.Payoff`).

    Guarantee: the residual never grows; every restart computes the true one, and a cycle that gains nothing gives up U
    and goes on as GMRES. The iterates depend on the instances solved before; the answers, within the tolerance, do not.
    Holds restart + 2 · space + 4 vectors. A step is one product, one application of M, and on average
    8 · restart + 24 bytes a row.
    """

    suffix = "gcrodr"
    headline = "GMRES with a recycled space (GCRO-DR, Parks et al. 2006), from the right preconditioned by:"
    own_parameters = (RESTART, SPACE)

    def fits(self, traits: LinearTraits) -> bool:
        """Any square matrix."""
        return True

    def serves(self, prepared: Prepared, instance: LinearInstance) -> bool:
        """Any preconditioner of the right size and kind serves, but only one that is dear is left to age."""
        return self.serves_if_dear(prepared, instance)

    def iterate(self, prepared: Prepared, instance: LinearInstance, values: Values, x: Vector, stop: Stop) -> Progress:
        """Iterate from a copy of ``x``, shape (n,). An iteration is one step."""
        state, restart = prepared.state, int(values["restart"])
        size, dtype = x.size, instance.operator.dtype
        keep = min(int(values["space"]), min(restart, size) // 2)
        space = _space(state, keep, size, dtype)
        if not (space.payoff.use and instance.recycles):
            space.count = 0
        used = space.count > 0
        with np.errstate(over="ignore", invalid="ignore"):
            products = space.refresh(instance, state, state.vectors(1, size, dtype)[0]) if used else 0
            cycle = _RecyclingCycle(state, space, instance, x, restart, keep)
        first = cycle.iterate.norm * cycle.iterate.scale
        mean_row_bytes = 8.0 * cycle.length + 24.0
        work = self.work_of(instance, state, products=1.0, row_bytes=mean_row_bytes)
        unit = 12.0 * instance.traits.nnz + (20.0 + mean_row_bytes) * size + state.preconditioner.traffic
        progress = run_in_segments(
            one_by_one(cycle.step, cycle.iterate.code), cycle.finish, stop, bytes_per_iteration=unit, work=work
        )
        product = 12.0 * instance.traits.nnz + 20.0 * size + state.preconditioner.traffic
        choosing = 16.0 * keep * cycle.length * size
        extra = products * (product + 24.0 * keep * size) + cycle.chosen * choosing
        progress.work += in_matvecs(instance.pattern, extra)
        if cycle.chosen:
            space.belongs_to(instance, state)
        last = cycle.iterate.norm * cycle.iterate.scale
        if progress.status is Status.CONVERGED and progress.iterations:
            if space.payoff.harvest and cycle.chosen:
                space.payoff.built(choosing)
            space.payoff.record(
                used=used, exists=space.count > 0, iterations=progress.iterations,
                decades=decades_between(first, last), unit=unit,
                moved=progress.iterations * unit + extra,
            )  # fmt: skip
        return progress


def _space(state: KrylovState, count: int, size: int, dtype: np.dtype[Any]) -> RecycledImages:
    """The space that the state carries, or a new one."""
    held = state.recycled.get(("images", count))
    if not isinstance(held, RecycledImages) or not held.fits(count, size, dtype):
        state.recycled["images", count] = held = RecycledImages(count, size, dtype)
    return held
