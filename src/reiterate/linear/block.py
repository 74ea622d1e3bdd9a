"""Several right-hand sides of one matrix as one instance, and their solution by methods that know only one."""

from __future__ import annotations

import time
import weakref
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Forecast, Method, Obstacle, Prepared, Progress, Status, Stop, Values
from reiterate.linear.background import background
from reiterate.linear.facts import Facts
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.vectors import norm

_warm: weakref.WeakKeyDictionary[Method, set[Hashable]] = weakref.WeakKeyDictionary()  # what the process has compiled

Block = NDArray[Any]
"""Shape (n, k), C-contiguous, float64 or complex128."""


class BlockInstance(LinearInstance):
    """The systems A x_j = b_j, j < k, solved when every column is.

    Its iterates are blocks of shape (n, k). With m_j = ‖b_j − A x_j‖ / ‖b_j‖ and the targets t_j of the columns, the
    target is t, the smallest t_j that is not 0, and the merit is max_j m_j t / t_j: where only a relative tolerance
    matters, all t_j are equal, and it is the largest relative residual.

    Parameters
    ----------
    columns : sequence of LinearInstance
        Of one matrix; every one with its own right-hand side, scale and tolerance.

    Attributes
    ----------
    columns : tuple of LinearInstance
    b : array of shape (n, k)
        The right-hand sides, each in the scale of its column.
    square_thresholds : array of shape (k,)
        The targets as bounds on ‖b_j − A x_j‖².
    """

    def __init__(self, facts: Facts, columns: Sequence[LinearInstance], context: Mapping[str, float]) -> None:
        self._facts = facts
        self.columns = tuple(columns)
        self.A, self.pattern, self.diagonal = facts.A, facts.pattern, facts.diagonal
        self.data, self.operator, self.threads = columns[0].data, columns[0].operator, columns[0].threads
        self.memory_limit, self.recycles = columns[0].memory_limit, columns[0].recycles
        self.b = np.stack([column.b for column in columns], axis=1)
        self.look = columns[0].look
        self.norms = np.array([column.norm_b for column in columns])
        self.norm_b = float(norm(self.norms))
        targets = np.array([column.target for column in columns])
        self._target = float(min(targets[targets > 0.0], default=0.0))
        with np.errstate(divide="ignore"):
            self._weights = self._target / targets if self._target else np.ones(targets.size)
        self.square_thresholds = np.array([column.square_threshold for column in columns])
        self._context = dict(context)

    @property
    def kind(self) -> Hashable:
        """The number of columns and the size of A, each within a factor of two."""
        return len(self.columns).bit_length(), max(self.traits.nnz, self.traits.size).bit_length()

    @property
    def projected(self) -> bool:
        """Whether the right-hand sides were projected onto the range of a singular A."""
        return self.columns[0].projected

    @property
    def scaled(self) -> bool:
        """Whether the scale of any column is not the caller's."""
        return any(column.scaled for column in self.columns)

    def normalize(self, x: Block) -> Block:
        """As for one column."""
        if not self.projected:
            return x
        return _join([column.normalize(x[:, j]) for j, column in enumerate(self.columns)])

    def enter(self, x: Block) -> Block:
        """A block in the scales of the columns."""
        if not self.scaled:
            return x
        return _join([column.enter(x[:, j]) for j, column in enumerate(self.columns)])

    def leave(self, y: Block) -> Block:
        """A block in the caller's scale."""
        if not self.scaled:
            return y
        return _join([column.leave(y[:, j]) for j, column in enumerate(self.columns)])

    def origin(self) -> Block:
        """Zeros."""
        return np.zeros_like(self.b)

    def sizes(self, x: Block) -> NDArray[np.float64]:
        """‖b_j − A x_j‖ of every column, shape (k,)."""
        with np.errstate(over="ignore", invalid="ignore"):
            r = self.A @ self.normalize(x)
            return norms(np.subtract(self.b, r, out=r))

    def merit(self, x: Block) -> float:
        """The largest residual, each in units of what is asked of its column."""
        return self._largest(self.sizes(x))

    def rounding_level(self, x: Block) -> float:
        """The merit that rounding errors of the residuals themselves amount to."""
        levels = [column.rounding_level(x[:, j]) for j, column in enumerate(self.columns)]
        return self._largest(np.array(levels) * self.norms)

    def obstacle(self) -> Obstacle | None:
        """That of a column which cannot be solved, if one is known, else of any."""
        found = [obstacle for column in self.columns if (obstacle := column.obstacle()) is not None]
        return max(found, key=lambda obstacle: obstacle.proof, default=None)

    def _largest(self, sizes: NDArray[np.float64]) -> float:
        with np.errstate(invalid="ignore", over="ignore"):
            merits = sizes / self.norms
            return float(np.max(np.where(merits == 0.0, 0.0, merits * self._weights)))

    def best(self, x: Block, start: Block) -> Block:
        """Of every column the best of ``x``, ``start`` and zero."""
        best, sizes = x.copy(), self.sizes(x)
        for other in (start, self.origin()):
            rivals = self.sizes(other)
            better = ~(sizes <= rivals)
            best[:, better], sizes[better] = other[:, better], rivals[better]
        return best


class ColumnByColumn(Method):
    """A method that solves blocks too: by its own ``iterate_block`` where it has one, else one column after another.

    ``iterate_block`` is called like ``iterate``, and may return ``None`` where it has nothing to gain.

    Iterations of a block are those of the column that takes most, whichever way it is solved, and a cap on iterations
    is one for every column. Work is that of all columns. The prepared state is shared by all of them.
    """

    def __init__(self, method: Method) -> None:
        self.method = method
        self.name = method.name
        self.parameters = method.parameters
        self.requires = method.requires
        self.state_name = method.state_name
        self.state_parameters = method.state_parameters
        self.compiled = method.compiled
        self.__doc__ = method.__doc__

    def accepts(self, traits: Any) -> bool:
        """What the method accepts."""
        return self.method.accepts(traits)

    def prepare(self, instance: LinearInstance, values: Values, previous: Prepared | None = None) -> Prepared:
        """The method's own state, which depends on the matrix alone."""
        return self.method.prepare(instance, values, previous)

    def rebuild(self, instance: LinearInstance, values: Values, previous: Prepared) -> Prepared:
        """As the method does: what its solves have learnt, such as a recycled space, is kept."""
        return self.method.rebuild(instance, values, previous)

    def forecast(self, instance: LinearInstance, values: Values) -> Forecast | None:
        """As the method says."""
        return self.method.forecast(instance, values)

    def serves(self, prepared: Prepared, instance: LinearInstance) -> bool:
        """As the method says."""
        return self.method.serves(prepared, instance)

    def variant_of(self, instance: LinearInstance) -> tuple[Hashable, bool]:
        """What the method says, and whether there are several columns."""
        return self.method.variant_of(instance), isinstance(instance, BlockInstance)

    def warm_up(self, variant: tuple[Hashable, bool] = (None, False)) -> None:
        """As the method does, once a process; for several columns also by its ``rehearse_block``, where it has one."""
        warm = _warm.setdefault(self.method, set())
        if variant in warm:
            return
        of_a_column, block = variant
        self.method.warm_up(of_a_column)
        rehearse_block = getattr(self.method, "rehearse_block", None)
        if block and rehearse_block is not None:
            rehearse_block()
        warm.add(variant)
        if self.compiled:
            background().note(self.name, variant)

    def iterate(
        self, prepared: Prepared, instance: LinearInstance, values: Values, x: NDArray[Any], stop: Stop
    ) -> Progress:
        """Iterate from ``x``, of shape (n,) or (n, k)."""
        if not isinstance(instance, BlockInstance):
            return self.method.iterate(prepared, instance, values, x, stop)
        iterate_block = getattr(self.method, "iterate_block", None)
        progress: Progress | None = None
        with np.errstate(over="ignore", invalid="ignore"):
            if iterate_block is not None:
                progress = iterate_block(prepared, instance, values, x, stop)
            if progress is None:
                progress = _one_after_another(self.method, prepared, instance, values, x, stop)
        if progress.status is not Status.CONVERGED:
            progress.x = instance.best(progress.x, x)
        return progress


def _one_after_another(
    method: Method, prepared: Prepared, instance: BlockInstance, values: Values, x: Block, stop: Stop
) -> Progress:
    """Iterate on every column until one does not reach its target: the block is not solved then, whatever the rest."""
    begin = time.perf_counter()
    total = Progress(x.copy(), Status.CONVERGED, 0, 0.0)
    for j, column in enumerate(instance.columns):
        left = None if stop.max_seconds is None else stop.max_seconds - (time.perf_counter() - begin)
        if left is not None and left <= 0.0 and j > 0:
            total.status = Status.TIME_CAP
            break
        own = Stop(column.target, stop.max_iterations, left)
        progress = method.iterate(prepared, column, values, np.ascontiguousarray(x[:, j]), own)
        total.x[:, j] = progress.x
        total.iterations = max(total.iterations, progress.iterations)
        total.work += progress.work
        total.status, total.reason, total.revealed = progress.status, progress.reason, progress.revealed
        if progress.status is not Status.CONVERGED:
            break
    return total


def norms(x: Block) -> NDArray[np.float64]:
    """Euclidean norms of the columns, shape (k,), that neither overflow nor underflow on the way."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->j", x.conj() if x.dtype.kind == "c" else x, x).real
    sizes: NDArray[np.float64] = np.sqrt(squares)
    for j in np.flatnonzero(~((squares > 1e-280) & (squares < 1e280))):
        sizes[j] = norm(np.ascontiguousarray(x[:, j]))
    return sizes


def _join(columns: Sequence[Vector]) -> Block:
    return np.stack(columns, axis=1)
